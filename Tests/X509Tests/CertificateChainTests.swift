import Cryptography
import Domain
import Testing
import X509

/// Chains that the builder made.
struct CertificateChainTests {
    private let root: Authority
    private let issuing: Authority

    init() throws {
        root = try Authority(root: "Root")
        issuing = try root.authority("Issuing", pathLength: 0) { content in
            content.permittedNames = ["DNS:example.com", "email:example.com"]
            content.excludedNames = ["DNS:secret.example.com"]
        }
    }

    private func verify(
        _ leaf: Certificate, under intermediates: [Authority]? = nil, at now: Timestamp = Authority.now,
        purpose: CertificateChain.Purpose = .tlsServer, lists: [[UInt8]] = [], host: String? = nil
    ) throws -> CertificateChain.Verdict {
        try CertificateChain(
            anchors: [root.certificate], intermediates: (intermediates ?? [issuing]).map(\.certificate),
            engine: SigningKey.engine
        ).verify(leaf, at: now, purpose: purpose, lists: lists, host: host)
    }

    @Test("A leaf of every kind of key holds", arguments: SigningKey.all)
    func leaves(_ key: SigningKey) throws {
        let leaf = try issuing.leaf("www.example.com", key: key)
        let verdict = try verify(leaf, host: "www.example.com")
        #expect(verdict.holds && verdict.code == 0, "\(verdict.text)")
        #expect(leaf.specification == key.specification && leaf.publicKey == key.publicKey)
    }

    @Test("An authority of every kind of key signs what holds", arguments: SigningKey.all)
    func authorities(_ key: SigningKey) throws {
        let authority = try root.authority("Of \(key.specification)", key: key)
        let leaf = try authority.leaf("www.example.com")
        let verdict = try verify(leaf, under: [authority])
        #expect(verdict.holds, "\(verdict.text)")
        #expect(leaf.isIssued(by: authority.certificate, engine: SigningKey.engine))
        #expect(!leaf.isIssued(by: root.certificate, engine: SigningKey.engine))
    }

    @Test(
        "Names are held to the constraints",
        arguments: [
            ("example.com", 0), ("www.example.com", 0), ("www.example.org", 47), ("notexample.com", 47),
            ("secret.example.com", 48), ("a.secret.example.com", 48),
        ])
    func nameConstraints(_ host: String, _ code: Int32) throws {
        // X509_V_ERR_PERMITTED_VIOLATION, X509_V_ERR_EXCLUDED_VIOLATION
        #expect(try verify(try issuing.leaf(host)).code == code)
    }

    @Test("Addresses of mail are held to the constraints", arguments: [("a@example.com", 0), ("a@example.org", 47)])
    func mailConstraints(_ address: String, _ code: Int32) throws {
        var content = CertificateContent(subject: "CN=Somebody")
        content.emails = [address]
        #expect(try verify(try issuing.issue(content, to: SigningKey.all[1].publicKey), purpose: .any).code == code)
    }

    @Test("No authority may stand below a path length of zero")
    func pathLength() throws {
        let below = try issuing.authority("Below")
        // X509_V_ERR_PATH_LENGTH_EXCEEDED
        #expect(try verify(try below.leaf("www.example.com"), under: [issuing, below]).code == 25)
        let wide = try root.authority("Wide", pathLength: 1)
        let narrow = try wide.authority("Narrow")
        #expect(try verify(try narrow.leaf("www.example.com"), under: [wide, narrow]).holds)
    }

    @Test("A leaf that is no authority signs nothing")
    func noAuthority() throws {
        let key = SigningKey.all[1]
        let leaf = try issuing.leaf("www.example.com", key: key)
        let forged = try Authority.builder.certificate(
            CertificateContent(subject: "CN=forged"), key: key.publicKey, issuer: leaf, signer: key.signer,
            serialNumber: [9], notBefore: Authority.start, notAfter: Authority.end)
        let chain = CertificateChain(
            anchors: [root.certificate], intermediates: [issuing.certificate, leaf], engine: SigningKey.engine)
        #expect(try !chain.verify(forged, at: Authority.now).holds)
    }

    @Test(
        "Purposes are told apart",
        arguments: [
            ("1.3.6.1.5.5.7.3.1", CertificateChain.Purpose.tlsServer), ("1.3.6.1.5.5.7.3.2", .tlsClient),
            ("1.3.6.1.5.5.7.3.3", .codeSigning),
        ])
    func purposes(_ usage: String, _ purpose: CertificateChain.Purpose) throws {
        var content = CertificateContent(subject: "CN=www.example.com")
        content.keyUsage = ["digitalSignature"]
        content.extendedKeyUsage = [usage]
        let leaf = try issuing.issue(content, to: SigningKey.all[1].publicKey)
        for asked in [CertificateChain.Purpose.tlsServer, .tlsClient, .codeSigning] {
            #expect(try verify(leaf, purpose: asked).holds == (asked == purpose), "\(asked)")
        }
        #expect(try verify(leaf, purpose: .any).holds)
    }

    @Test("A chain holds only within its time")
    func time() throws {
        let leaf = try issuing.leaf("www.example.com")
        // X509_V_ERR_CERT_NOT_YET_VALID, X509_V_ERR_CERT_HAS_EXPIRED
        #expect(try verify(leaf, at: Authority.start - .seconds(1)).code == 9)
        #expect(try verify(leaf, at: Authority.start).holds)
        #expect(try verify(leaf, at: Authority.end + .seconds(1)).code == 10)
    }

    @Test(
        "A leaf is for the host that it names",
        arguments: [
            ("www.example.com", "www.example.com", true), ("www.example.com", "WWW.EXAMPLE.COM", true),
            ("www.example.com", "example.com", false), ("*.example.com", "www.example.com", true),
            ("*.example.com", "a.www.example.com", false),
        ])
    func host(_ name: String, _ host: String, _ holds: Bool) throws {
        #expect(try verify(try issuing.leaf(name), host: host).holds == holds)
    }

    @Test("Another root, an altered leaf and a missing intermediate do not hold")
    func broken() throws {
        let leaf = try issuing.leaf("www.example.com")
        let other = try Authority(root: "Root")
        let chain = CertificateChain(
            anchors: [other.certificate], intermediates: [issuing.certificate], engine: SigningKey.engine)
        #expect(try !chain.verify(leaf, at: Authority.now).holds)
        #expect(try !verify(leaf, under: []).holds)
        #expect(try !verify(try Certificate(der: leaf.der.altered, engine: SigningKey.engine)).holds)
    }

    @Test("An anchor that does not sign itself ends a chain only where that is allowed")
    func partial() throws {
        let leaf = try issuing.leaf("www.example.com")
        let chain = CertificateChain(anchors: [issuing.certificate], intermediates: [], engine: SigningKey.engine)
        #expect(try !chain.verify(leaf, at: Authority.now).holds)
        #expect(try chain.verify(leaf, at: Authority.now, allowsPartial: true).holds)
    }

    @Test("Too many certificates or lists are refused before any work")
    func bounds() throws {
        let leaf = try issuing.leaf("www.example.com")
        let many = [Certificate](repeating: issuing.certificate, count: CertificateChain.mostCertificates)
        #expect(throws: CryptoError.self) {
            try CertificateChain(anchors: [root.certificate], intermediates: many, engine: SigningKey.engine)
                .verify(leaf, at: Authority.now)
        }
        let list = try issuing.list()
        #expect(throws: CryptoError.self) {
            try verify(leaf, lists: [[UInt8]](repeating: list, count: CertificateChain.mostCertificates + 1))
        }
    }
}
