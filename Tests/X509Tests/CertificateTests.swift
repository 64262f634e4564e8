import Cryptography
import Domain
import Testing
import X509

struct CertificateTests {
    private let engine = SigningKey.engine
    private let authority: Authority

    init() throws { authority = try Authority(root: "Root") }

    @Test("Bytes after a certificate, and a part of one, are refused")
    func ends() throws {
        let der = authority.certificate.der
        #expect(throws: CryptoError.self) { try Certificate(der: der + [0], engine: engine) }
        for count in 0..<der.count {
            #expect(throws: CryptoError.self) { try Certificate(der: Array(der[..<count]), engine: engine) }
        }
    }

    /// What is read of them does not matter here, only that reading comes to an end.
    @Test("No changed byte troubles a reader")
    func changed() throws {
        let leaf = try authority.leaf("www.example.com")
        let entry = RevocationList.Entry(serialNumber: [5], revoked: Authority.now, reason: .keyCompromise)
        let list = try authority.list([entry])
        let answer = try authority.answer(.good, about: leaf.serialNumber)
        let request = try Authority.builder.request(
            CertificateContent(subject: "CN=a"), key: SigningKey.all[1].publicKey, signer: SigningKey.all[1].signer)
        func each(_ der: [UInt8], _ read: ([UInt8]) throws -> Void) {
            for place in der.indices {
                for mask in [UInt8(0x80), 0xFF, 0x01] {
                    var changed = der
                    changed[place] ^= mask
                    try? read(changed)
                }
            }
        }
        each(leaf.der) { der in
            let read = try Certificate(der: der, engine: engine)
            #expect(!read.isIssued(by: authority.certificate, engine: engine) || read.der == leaf.der)
        }
        each(list) { der in
            let read = try RevocationList(der: der, engine: engine)
            #expect(!read.isIssued(by: authority.certificate, engine: engine))
            _ = read.entry(of: [5], engine: engine)
        }
        each(request) { _ = try CertificateRequest(der: $0, engine: engine) }
        each(answer) { der in
            _ = try OCSP.answer(
                der, about: leaf, issuer: authority.certificate, at: Authority.now, engine: engine)
        }
    }

    /// What a dishonest authority could write into a certificate: `crafted` in place of `plain`.
    private func names(_ plain: String, _ crafted: String) throws -> Certificate {
        var content = CertificateContent(subject: "CN=crafted")
        content.dnsNames = [plain]
        let leaf = try authority.issue(content, to: SigningKey.all[1].publicKey)
        return try Certificate(der: leaf.der.replacing(plain, with: crafted), engine: engine)
    }

    @Test("A name with a comma is one name")
    func comma() throws {
        let leaf = try names("a.example.com__DNS:b.example.com", "a.example.com, DNS:b.example.com")
        #expect(!leaf.dnsNames.contains("b.example.com"))
    }

    @Test("A name does not end at a zero byte")
    func zeroByte() throws {
        let leaf = try names("a.example.com_.example.org", "a.example.com\0.example.org")
        #expect(!leaf.dnsNames.contains("a.example.com"))
    }
}
