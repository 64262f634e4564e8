import Cryptography
import Domain
import Testing
import X509

struct CertificateBuilderTests {
    private let engine = SigningKey.engine
    private let root: Authority

    init() throws { root = try Authority(root: "Root") }

    @Test("What a certificate is to say is read back")
    func content() throws {
        var content = CertificateContent(subject: "CN=www.example.com, O=\"Example, Inc.\", C=DE")
        content.dnsNames = ["www.example.com", "*.example.org"]
        content.emails = ["a@example.com", "b@example.com"]
        content.addresses = ["192.0.2.1"]
        content.uris = ["spiffe://example.com/a"]
        content.principalNames = ["a@example.com"]
        content.keyUsage = ["digitalSignature", "keyEncipherment"]
        content.extendedKeyUsage = ["1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2", "1.3.6.1.4.1.55738.7"]
        content.ocspAddress = "http://example.com/ocsp"
        content.issuerAddress = "http://example.com/issuer.cer"
        content.revocationListAddress = "http://example.com/list.crl"
        content.deltaListAddress = "http://example.com/delta.crl"
        let key = SigningKey.all[0]
        let serial: [UInt8] = [0xFE] + [UInt8](repeating: 1, count: 19)
        let leaf = try root.issue(content, to: key.publicKey, serialNumber: serial)
        #expect(leaf.subject == "CN=www.example.com, O=Example\\, Inc., C=DE")
        #expect(leaf.issuer == root.certificate.subject && leaf.serialNumber == serial)
        #expect(leaf.notBefore == Authority.start && leaf.notAfter == Authority.end)
        #expect(leaf.publicKey == key.publicKey && leaf.specification == key.specification)
        #expect(leaf.dnsNames == content.dnsNames && leaf.emails == content.emails)
        #expect(leaf.extendedKeyUsage == content.extendedKeyUsage)
        // KU_DIGITAL_SIGNATURE, KU_KEY_ENCIPHERMENT
        #expect(leaf.keyUsage == 0xA0 && !leaf.isAuthority)
        #expect(leaf.ocspAddresses == [content.ocspAddress] && leaf.issuerAddresses == [content.issuerAddress])
        #expect(leaf.revocationListAddresses == [content.revocationListAddress])
        #expect(leaf.deltaListAddresses == [content.deltaListAddress])
    }

    @Test("An authority says that it is one")
    func authority() {
        #expect(root.certificate.isAuthority && root.certificate.subject == root.certificate.issuer)
        #expect(root.certificate.isIssued(by: root.certificate, engine: engine))
        // KU_KEY_CERT_SIGN, KU_CRL_SIGN, KU_DIGITAL_SIGNATURE
        #expect(root.certificate.keyUsage == 0x86)
    }

    @Test("PEM is read back as the same certificate")
    func pem() throws {
        let blocks = try #require(PEM.decode(root.certificate.pem))
        #expect(blocks.map(\.label) == ["CERTIFICATE"] && blocks.map(\.der) == [root.certificate.der])
    }

    static let harmful = [
        "", "a b", "a,b", "a,DNS:evil.example.com", "a\nb", "a\u{0}b", "a\"b", "a\\b", "$ENV::HOME", "a#b",
        String(repeating: "a", count: 2_049),
    ]

    @Test("A value that could say more than one thing is refused", arguments: harmful)
    func refuses(_ value: String) {
        let places: [(inout CertificateContent) -> Void] = [
            { $0.dnsNames = [value] }, { $0.emails = [value] }, { $0.uris = [value] }, { $0.addresses = [value] },
            { $0.principalNames = [value] }, { $0.ocspAddress = value }, { $0.issuerAddress = value },
            { $0.revocationListAddress = value }, { $0.deltaListAddress = value },
            { $0.permittedNames = ["DNS:example.com", value] }, { $0.excludedNames = [value] },
        ]
        for (index, place) in places.enumerated() {
            var content = CertificateContent(subject: "CN=a")
            place(&content)
            #expect(throws: CryptoError.self, "place \(index)") {
                try root.issue(content, to: SigningKey.all[1].publicKey)
            }
        }
    }

    @Test(
        "What libcrypto cannot read is refused",
        arguments: [
            { (content: inout CertificateContent) in content.addresses = ["192.0.2"] },
            { $0.extendedKeyUsage = ["nothing known"] },
            { $0.permittedNames = ["example.com"] },
            { $0.excludedNames = ["IP:192.0.2.0"] },
            { $0.encodedSubject = [0x30] },
            { $0.encodedAlternativeNames = [0x30, 1, 0] },
            { $0.subject = "CN" },
            { $0.subject = "C=Germany" },
        ] as [@Sendable (inout CertificateContent) -> Void])
    func unreadable(_ place: @Sendable (inout CertificateContent) -> Void) {
        var content = CertificateContent(subject: "CN=a")
        place(&content)
        #expect(throws: CryptoError.self) { try root.issue(content, to: SigningKey.all[1].publicKey) }
    }

    @Test("A subject may be left out where there are other names")
    func noSubject() throws {
        var content = CertificateContent(subject: "")
        content.dnsNames = ["www.example.com"]
        let leaf = try root.issue(content, to: SigningKey.all[1].publicKey)
        #expect(leaf.subject.isEmpty && leaf.dnsNames == ["www.example.com"])
    }
}
