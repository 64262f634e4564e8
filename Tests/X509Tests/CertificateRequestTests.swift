import Cryptography
import Domain
import Testing
import X509

struct CertificateRequestTests {
    private let engine = SigningKey.engine
    private let content: CertificateContent = {
        var content = CertificateContent(subject: "CN=www.example.com, OU=Käse, O=Example\\, Inc., C=DE")
        content.dnsNames = ["www.example.com", "*.example.org"]
        content.emails = ["a@example.com"]
        content.addresses = ["192.0.2.1", "2001:db8::1"]
        content.extendedKeyUsage = ["1.3.6.1.5.5.7.3.1", "1.3.6.1.4.1.55738.1.2"]
        return content
    }()

    private func request(_ content: CertificateContent, _ key: SigningKey = SigningKey.all[1]) throws -> [UInt8] {
        try Authority.builder.request(content, key: key.publicKey, signer: key.signer)
    }

    @Test("What was asked for is read back", arguments: SigningKey.all)
    func roundTrip(_ key: SigningKey) throws {
        let der = try request(content, key)
        let read = try CertificateRequest(der: der, engine: engine)
        #expect(read.der == der)
        #expect(read.subject == "CN=www.example.com, OU=Käse, O=Example\\, Inc., C=DE")
        #expect(read.publicKey == key.publicKey)
        #expect(read.specification == key.specification)
        #expect(
            read.alternativeNames == [
                "DNS:www.example.com", "DNS:*.example.org", "email:a@example.com", "IP Address:192.0.2.1",
                "IP Address:2001:DB8:0:0:0:0:0:1",
            ])
        #expect(read.extendedKeyUsage == ["1.3.6.1.5.5.7.3.1", "1.3.6.1.4.1.55738.1.2"])
    }

    @Test("A certificate takes subject and names over from a request")
    func takenOver() throws {
        let read = try CertificateRequest(der: try request(content), engine: engine)
        var content = CertificateContent(subject: "")
        content.encodedSubject = read.encodedSubject
        #expect(read.encodedAlternativeNames != nil)
        content.encodedAlternativeNames = read.encodedAlternativeNames
        let certificate = try Authority(root: "Root").issue(content, to: read.publicKey)
        #expect(certificate.subject == read.subject)
        #expect(certificate.dnsNames == ["www.example.com", "*.example.org"])
        #expect(certificate.emails == ["a@example.com"])
    }

    @Test("A request without names has none")
    func bare() throws {
        let read = try CertificateRequest(
            der: try request(CertificateContent(subject: "CN=bare")), engine: engine)
        #expect(read.alternativeNames.isEmpty && read.encodedAlternativeNames == nil)
        #expect(read.extendedKeyUsage.isEmpty)
    }

    @Test("An altered request is refused", arguments: SigningKey.all)
    func altered(_ key: SigningKey) throws {
        let der = try request(content, key)
        #expect(throws: CryptoError.self) { try CertificateRequest(der: der.altered, engine: engine) }
        let renamed = der.replacing("www.example.com", with: "www.example.net")
        #expect(throws: CryptoError.self) { try CertificateRequest(der: renamed, engine: engine) }
    }

    @Test("A request that another key signed is refused")
    func otherKey() throws {
        let der = try Authority.builder.request(
            content, key: SigningKey.all[1].publicKey, signer: try SigningKey(.ec(.p256)).signer)
        #expect(throws: CryptoError.self) { try CertificateRequest(der: der, engine: engine) }
    }

    @Test("Bytes after a request, and a part of one, are refused")
    func ends() throws {
        let der = try request(content)
        #expect(throws: CryptoError.self) { try CertificateRequest(der: der + [0], engine: engine) }
        for count in stride(from: 0, to: der.count, by: 7) {
            #expect(throws: CryptoError.self) { try CertificateRequest(der: Array(der[..<count]), engine: engine) }
        }
        let large = [UInt8](repeating: 0x30, count: (64 << 10) + 1)
        #expect(throws: CryptoError.self) { try CertificateRequest(der: large, engine: engine) }
    }

    /// A sound request whose names are `crafted` in place of `plain`.
    private func request(_ names: [String], _ plain: String, _ crafted: String) throws -> [UInt8] {
        let key = SigningKey.all[1]
        var content = CertificateContent(subject: "CN=crafted")
        content.dnsNames = names
        let signer = key.signer { $0.replacing(plain, with: crafted) }
        return try Authority.builder.request(content, key: key.publicKey, signer: signer)
            .replacing(plain, with: crafted)
    }

    @Test("A name with a comma is one name")
    func comma() throws {
        let (plain, crafted) = ("a.example.com__DNS:b.example.com", "a.example.com, DNS:b.example.com")
        let der = try request([plain], plain, crafted)
        let read = try? CertificateRequest(der: der, engine: engine)
        #expect(read?.alternativeNames.contains("DNS:b.example.com") != true)
    }

    @Test("No name that a certificate would take over stays unread", arguments: [0, 10, 13, 27, 127] as [UInt8])
    func hidden(_ byte: UInt8) throws {
        let plain = "a_.example.com"
        let der = try request(
            ["first.example.com", plain, "last.example.com"], plain, "a\(Character(UnicodeScalar(byte))).example.com")
        guard let read = try? CertificateRequest(der: der, engine: engine) else { return }
        #expect(read.encodedAlternativeNames == nil || read.alternativeNames.count == 3)
    }
}
