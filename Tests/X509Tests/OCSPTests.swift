import Cryptography
import Domain
import Testing
import X509

struct OCSPTests {
    private let engine = SigningKey.engine
    private let authority: Authority
    private let leaf: Certificate

    init() throws {
        authority = try Authority(root: "Responding")
        leaf = try authority.leaf("www.example.com", serialNumber: [0xF0, 0, 7])
    }

    private func status(_ der: [UInt8], issuer: Certificate? = nil, at now: Timestamp = Authority.now) throws
        -> OCSP.Status
    {
        try OCSP.answer(der, about: leaf, issuer: issuer ?? authority.certificate, at: now, engine: engine).status
    }

    // MARK: Answers that the builder made

    @Test("An answer is read back, whatever the hash of its request", arguments: OCSP.Hash.allCases, SigningKey.all)
    func answers(_ hash: OCSP.Hash, _ key: SigningKey) throws {
        let authority = try authority.authority("Of \(key.specification)", key: key)
        let leaf = try authority.leaf("www.example.com", serialNumber: [0xF0, 0, 7])
        let moment = Authority.now - .days(3)
        for status in [OCSP.Status.good, .unknown, .revoked(moment, .keyCompromise), .revoked(moment, .unspecified)] {
            let answer = try OCSP.answer(
                try authority.answer(status, about: leaf.serialNumber, hash: hash), about: leaf,
                issuer: authority.certificate, at: Authority.now, engine: engine)
            #expect(answer.status == status)
            #expect(answer.thisUpdate == Authority.now - .hours(1))
            #expect(answer.nextUpdate == Authority.now + .hours(1))
        }
    }

    @Test("Every reason is read back", arguments: RevocationReason.allCases)
    func reasons(_ reason: RevocationReason) throws {
        let status = OCSP.Status.revoked(Authority.now - .days(1), reason)
        #expect(try self.status(try authority.answer(status, about: leaf.serialNumber)) == status)
    }

    @Test("An answer out of its time does not count")
    func time() throws {
        let der = try authority.answer(.good, about: leaf.serialNumber)
        #expect(try status(der, at: Authority.now + .minutes(60)) == .good)
        #expect(throws: CryptoError.self) { try status(der, at: Authority.now + .minutes(66)) }
        #expect(try status(der, at: Authority.now - .minutes(64)) == .good)
        #expect(throws: CryptoError.self) { try status(der, at: Authority.now - .minutes(66)) }
    }

    @Test("An answer about another certificate, of another authority, or altered does not count")
    func foreign() throws {
        let other = try Authority(root: "Responding")
        #expect(throws: CryptoError.self) { try status(try authority.answer(.good, about: [8])) }
        #expect(throws: CryptoError.self) { try status(try other.answer(.good, about: leaf.serialNumber)) }
        let der = try authority.answer(.good, about: leaf.serialNumber)
        #expect(throws: CryptoError.self) { try status(der, issuer: other.certificate) }
        #expect(throws: CryptoError.self) { try status(der.altered) }
    }

    @Test("A part of an answer is refused")
    func ends() throws {
        let der = try authority.answer(.good, about: leaf.serialNumber)
        for count in stride(from: 0, to: der.count, by: 7) {
            #expect(throws: CryptoError.self) { try status(Array(der[..<count])) }
        }
        let large = [UInt8](repeating: 0x30, count: (256 << 10) + 1)
        #expect(throws: CryptoError.self) { try status(large) }
    }

    // MARK: Requests and refusals

    @Test("A request names the certificate by the hashes of its issuer")
    func requests() throws {
        let der = try OCSP.request(leaf, issuer: authority.certificate, engine: engine)
        let id = try #require(OCSP.certificateID(request: der))
        let hashes = try OCSP.issuerHashes(authority.certificate, .sha1, engine: engine)
        #expect(id.hash == .sha1 && id.issuerNameHash == hashes.name && id.issuerKeyHash == hashes.key)
        #expect(id.serialNumber == leaf.serialNumber)
        let longer = try OCSP.issuerHashes(authority.certificate, .sha256, engine: engine)
        #expect(longer.name.count == 32 && longer.key.count == 32)
    }

    @Test("What is no request has no certificate")
    func broken() throws {
        let der = try OCSP.request(leaf, issuer: authority.certificate, engine: engine)
        for count in 0..<der.count { #expect(OCSP.certificateID(request: Array(der[..<count])) == nil) }
        #expect(OCSP.certificateID(request: [UInt8](repeating: 0x30, count: 5_000)) == nil)
    }

    @Test(
        "Refusals have no signature",
        arguments: [
            OCSP.Refusal.malformedRequest, .internalError, .tryLater, .unauthorized,
        ])
    func refusals(_ refusal: OCSP.Refusal) {
        #expect(refusal.der == [0x30, 3, 0x0A, 1, UInt8(refusal.rawValue)])
        #expect(throws: CryptoError.self) { try status(refusal.der) }
    }
}
