import Cryptography
import Domain
import Testing
import X509

/// Lists that the builder made.
struct RevocationListTests {
    private let engine = SigningKey.engine
    private let authority: Authority

    init() throws { authority = try Authority(root: "Revoking") }

    private func entry(_ serialNumber: [UInt8], _ reason: RevocationReason) -> RevocationList.Entry {
        .init(serialNumber: serialNumber, revoked: Authority.now - .days(serialNumber.count), reason: reason)
    }

    @Test("A full list is read back", arguments: SigningKey.all)
    func full(_ key: SigningKey) throws {
        let authority = try authority.authority("Of \(key.specification)", key: key)
        let serials: [[UInt8]] = [[5], [0x80, 1], [0xFF] + [UInt8](repeating: 7, count: 19)]
        let der = try authority.list(
            serials.map { entry($0, .superseded) }, number: 41, deltaAddress: "http://example.com/delta.crl")
        let list = try RevocationList(der: der, engine: engine)
        #expect(list.der == der && list.issuer == authority.certificate.subject)
        #expect(list.number == 41 && list.baseNumber == nil && list.count == 3)
        #expect(list.thisUpdate == Authority.now - .hours(1) && list.nextUpdate == Authority.now + .days(1))
        for serial in serials {
            let found = try #require(list.entry(of: serial, engine: engine))
            #expect(found.serialNumber == serial && found.reason == .superseded)
            #expect(found.revoked == Authority.now - .days(serial.count))
        }
        #expect(list.entry(of: [6], engine: engine) == nil)
        #expect(list.isIssued(by: authority.certificate, engine: engine))
    }

    @Test("A delta names the list that it changes")
    func delta() throws {
        let list = try RevocationList(
            der: try authority.list([entry([5], .removeFromCRL)], number: 42, base: 41), engine: engine)
        #expect(list.number == 42 && list.baseNumber == 41 && list.count == 1)
        #expect(list.entry(of: [5], engine: engine)?.reason == .removeFromCRL)
        #expect(list.isIssued(by: authority.certificate, engine: engine))
    }

    @Test("Every reason is read back", arguments: RevocationReason.allCases)
    func reasons(_ reason: RevocationReason) throws {
        let entry = RevocationList.Entry(serialNumber: [5], revoked: Authority.now, reason: reason)
        let list = try RevocationList(der: try authority.list([entry]), engine: engine)
        // A full list has no place for "remove"; there libcrypto takes the certificate as not revoked.
        #expect(list.entry(of: [5], engine: engine)?.reason == reason)
        #expect(RevocationReason(reason.text) == reason)
        #expect(RevocationReason(reason.text.uppercased()) == reason)
    }

    @Test("A list without entries")
    func empty() throws {
        let list = try RevocationList(der: try authority.list(), engine: engine)
        #expect(list.count == 0 && list.entry(of: [5], engine: engine) == nil)
    }

    @Test("A list with many entries finds each of them")
    func many() throws {
        let entries = (1...2_000).map { entry([UInt8($0 >> 8) | 0x40, UInt8($0 & 255)], .superseded) }
        let list = try RevocationList(der: try authority.list(entries.shuffled()), engine: engine)
        #expect(list.count == 2_000)
        for entry in [entries[0], entries[1_000], entries[1_999]] {
            #expect(list.entry(of: entry.serialNumber, engine: engine) != nil)
        }
    }

    @Test("A list of another authority, or altered, is not the issuer's")
    func foreign() throws {
        let der = try authority.list([entry([5], .superseded)])
        let other = try Authority(root: "Revoking")
        #expect(try !RevocationList(der: der, engine: engine).isIssued(by: other.certificate, engine: engine))
        let altered = try RevocationList(der: der.altered, engine: engine)
        #expect(!altered.isIssued(by: authority.certificate, engine: engine))
    }

    @Test("Bytes after a list, and a part of one, are refused")
    func ends() throws {
        let der = try authority.list([entry([5], .superseded)])
        #expect(throws: CryptoError.self) { try RevocationList(der: der + [0], engine: engine) }
        for count in stride(from: 0, to: der.count, by: 7) {
            #expect(throws: CryptoError.self) { try RevocationList(der: Array(der[..<count]), engine: engine) }
        }
    }

    @Test("A reason that is none is refused", arguments: ["", "keycompromised", "7", "certificateHold "])
    func unknown(_ text: String) { #expect(RevocationReason(text) == nil) }
}
