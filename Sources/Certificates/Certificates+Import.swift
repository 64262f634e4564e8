import Barrier
import Cryptography
import Domain
import Keys
import Objects
import Operations
import ProviderOpenSSL
import X509

struct ImportCertificate: OperationInput {
    let name: ObjectName
    let value: SensitiveBytes
    let password: String
    let policy: CertificatePolicy?
    let isEnabled: Bool
    let tags: [ObjectRecord.Tag]
    let keepsOrder: Bool

    init(_ request: Request) throws(VaultError) {
        struct Body: Decodable {
            let value: String?
            let pwd: String?
            let policy: CertificatePolicy?
            let attributes: AttributeParameters?
            let tags: TagParameters?
            let preserveCertOrder: Bool?
        }
        name = try request.certificateName()
        let body = try Body.fromJSON(request.body)
        guard let text = body.value, !text.isEmpty else {
            throw .badParameter("The request body lacks the member 'value'.")
        }
        try body.tags?.validate(longest: 256)
        value = SensitiveBytes(text.utf8)
        password = body.pwd ?? ""
        policy = body.policy
        isEnabled = body.attributes?.enabled ?? true
        tags = body.tags?.sorted ?? []
        keepsOrder = body.preserveCertOrder ?? false
    }
}

/// What an import holds, whatever the container.
struct CertificateMaterial: Sendable {
    let privateKey: SensitiveBytes
    let certificate: Certificate
    let chain: [Certificate]
    let isPEM: Bool

    static let unreadablePEM = VaultError.badParameter(
        "The specified PEM X.509 certificate content can not be read. Please check if certificate is in valid PEM format. Accepted "
            + "formats: PEM content or Base64 encoded PEM content.")

    static func invalid(_ reason: String) -> VaultError {
        .badParameter("The specified X.509 certificate content is invalid. Error: \(reason)")
    }

    init(_ input: ImportCertificate, engine: CryptoEngine) throws(VaultError) {
        let text = input.value.withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
        let decoded = Base64.decode(text.filter { !$0.isNewline }).map { $0 }
        if text.contains("-----BEGIN ") {
            try self.init(pem: text, engine)
        } else if let decoded, let inner = String(validating: decoded, as: UTF8.self), inner.contains("-----BEGIN ") {
            try self.init(pem: inner, engine)
        } else if let decoded {
            try self.init(container: decoded, password: input.password, engine)
        } else {
            throw Self.unreadablePEM
        }
    }

    private init(pem text: String, _ engine: CryptoEngine) throws(VaultError) {
        guard let blocks = PEM.decode(text), !blocks.isEmpty, blocks.count <= 32 else { throw Self.unreadablePEM }
        let keys = blocks.filter { $0.label.hasSuffix("PRIVATE KEY") }
        guard keys.count == 1, keys[0].label == "PRIVATE KEY" else {
            throw Self.invalid("one private key in PKCS#8, not encrypted, is needed.")
        }
        var certificates: [Certificate] = []
        for block in blocks where block.label == "CERTIFICATE" {
            do throws(CryptoError) { certificates.append(try Certificate(der: block.der, engine: engine)) } catch {
                throw Self.unreadablePEM
            }
        }
        guard !certificates.isEmpty else { throw Self.unreadablePEM }
        try self.init(SensitiveBytes(keys[0].der), certificates, isPEM: true)
    }

    private init(container: [UInt8], password: String, _ engine: CryptoEngine) throws(VaultError) {
        let content: PKCS12.Content
        do throws(CryptoError) { content = try PKCS12(engine).open(container, password: password) } catch {
            if case .notAuthentic = error {
                throw .badParameter("The specified network password is not correct.")
            }
            throw Self.invalid("it is neither a PKCS#12 container nor PEM, or it cannot be read.")
        }
        guard let key = content.privateKey else { throw Self.invalid("The container holds no private key.") }
        let certificates = [content.certificate].compactMap { $0 } + content.others
        try self.init(key, certificates, isPEM: false)
    }

    private init(_ key: SensitiveBytes, _ certificates: [Certificate], isPEM: Bool) throws(VaultError) {
        guard let leaf = certificates.first else { throw Self.invalid("It holds no certificate.") }
        privateKey = key
        certificate = leaf
        chain = Array(certificates.dropFirst())
        self.isPEM = isPEM
    }
}

extension Certificates {
    /// Takes a certificate with its private key as a new version.
    ///
    /// - Throws: `.badParameter` for content that cannot be read or does not hold together.
    /// - Source: Azure REST "Import Certificate".
    func importCertificate(_ input: ImportCertificate, _ call: Call) async throws(VaultError) -> CertificateBundle {
        let tables = try tables(call)
        try requireFree(input.name, tables, in: call.lane.reader)
        let (engine, now) = (engine, call.now)
        let software = work.software
        let version = call.lane.newVersion()
        let parsed: Result<(CertificateMaterial, KeyMaterial), VaultError> = try await work.slowly(call) {
            () -> Result<(CertificateMaterial, KeyMaterial), VaultError> in
            Result { () throws(VaultError) in
                let material = try CertificateMaterial(input, engine: engine)
                let key = material.privateKey
                do throws(CryptoError) {
                    return (
                        material, try software.importKey(.pkcs8(key), id: version.bytes, isExportable: false)
                    )
                } catch {
                    if case .malformed(let reason) = error {
                        throw CertificateMaterial.invalid("The private key: \(reason).")
                    }
                    throw VaultError(error)
                }
            }
        }
        let (content, checked) = try parsed.get()
        guard content.certificate.publicKey == checked.publicKey else {
            throw CertificateMaterial.invalid("The private key does not belong to the certificate.")
        }
        guard
            !content.certificate.isAuthority || content.certificate.keyUsage == nil
                || content.certificate.extendedKeyUsage.isEmpty == false
        else { throw CertificateMaterial.invalid("One or more X.509 properties are invalid.") }
        guard content.certificate.notAfter > now else {
            throw CertificateMaterial.invalid("One or more X.509 properties are invalid. The certificate has expired.")
        }
        let policy = try importedPolicy(input, content, checked, now)
        try policy.validate(in: tables.vault, isImport: true)
        let type = try policy.keyType(in: tables.vault)
        let material: KeyMaterial
        if type.isHSM {
            let key = content.privateKey
            material = try await work.make(nil, type, call) { provider throws(CryptoError) in
                try provider.importKey(.pkcs8(key), id: version.bytes, isExportable: false)
            }
        } else {
            material = checked
        }
        let key = KeyVersion(
            type: type, operations: policy.keyOperations, material: material, origin: .imported, isManaged: true)
        let chain = input.keepsOrder ? content.chain : ordered(content.chain, from: content.certificate)
        let trio = try trio(
            version, key, content.certificate, chain, policy, isEnabled: input.isEnabled, tags: input.tags,
            keepsOrder: input.keepsOrder, at: now)
        let record = try policy.encoded()
        do throws(VaultError) {
            let head = try await call.commit { transaction throws(VaultError) in
                try requireFree(input.name, tables, in: transaction)
                try tables.certificates.putCompanion(Self.policyCompanion, of: input.name, record, in: transaction)
                let head = try append(trio, to: input.name, tables, in: transaction)
                try schedule(head, policy, tables, at: now, in: transaction)
                return head
            }
            return try CertificateBundle(tables.vault, head.name, head.current, policy: policy)
        } catch {
            try? work.provider(of: type).destroy(material, id: version.bytes)
            throw error
        }
    }

    /// From the leaf upwards, as far as one issued the other; the rest behind.
    private func ordered(_ chain: [Certificate], from leaf: Certificate) -> [Certificate] {
        var rest = chain
        var result: [Certificate] = []
        var last = leaf
        while let index = rest.firstIndex(where: { $0.subject == last.issuer && $0 != last }) {
            last = rest.remove(at: index)
            result.append(last)
        }
        return result + rest
    }

    /// The policy that an imported certificate shows, where the request does not say otherwise.
    private func importedPolicy(
        _ input: ImportCertificate, _ content: CertificateMaterial, _ key: KeyMaterial, _ now: Timestamp
    ) throws(VaultError) -> CertificatePolicy {
        var policy = input.policy ?? CertificatePolicy()
        let isHSM = policy.key_props?.kty.flatMap { KeyType($0) }?.isHSM ?? false
        if let asked = policy.secret_props?.contentType, (asked == "application/x-pem-file") != content.isPEM {
            throw .invalid("policy.secret_props.contentType", "the content is \(content.isPEM ? "PEM" : "PKCS#12")")
        }
        policy.secret_props = .init(contentType: content.isPEM ? "application/x-pem-file" : "application/x-pkcs12")
        let exportable = policy.key_props?.exportable ?? !isHSM
        let reuse = policy.key_props?.reuse_key ?? false
        switch key.specification {
        case .rsa(let bits):
            policy.key_props = .init(
                exportable: exportable, kty: isHSM ? "RSA-HSM" : "RSA", key_size: bits, reuse_key: reuse, crv: nil)
        case .ec(let curve):
            policy.key_props = .init(
                exportable: exportable, kty: isHSM ? "EC-HSM" : "EC", key_size: curve.bits, reuse_key: reuse,
                crv: curve.text)
        default: throw CertificateMaterial.invalid("The key is of a type that is not taken.")
        }
        let certificate = content.certificate
        policy.x509_props = .init(
            subject: certificate.subject,
            sans: certificate.dnsNames.isEmpty && certificate.emails.isEmpty
                ? nil
                : .init(
                    emails: certificate.emails.isEmpty ? nil : certificate.emails,
                    dns_names: certificate.dnsNames.isEmpty ? nil : certificate.dnsNames),
            ekus: certificate.extendedKeyUsage, key_usage: Self.usageNames(certificate.keyUsage),
            validity_months: Self.months(certificate), basic_constraints: .init(ca: certificate.isAuthority))
        policy.lifetime_actions = policy.lifetime_actions ?? []
        if policy.issuer?.name == nil { policy.issuer = .init(name: CertificatePolicy.unknownIssuer) }
        return policy.completed(at: now.epochSeconds)
    }

    /// The bits of RFC 5280 §4.2.1.3 as libcrypto counts them.
    private static func usageNames(_ bits: UInt32?) -> [String] {
        guard let bits else { return ["digitalSignature", "keyEncipherment"] }
        return [
            (0x80, "digitalSignature"), (0x40, "nonRepudiation"), (0x20, "keyEncipherment"), (0x10, "dataEncipherment"),
            (0x08, "keyAgreement"), (0x04, "keyCertSign"), (0x02, "cRLSign"), (0x01, "encipherOnly"),
            (0x8000, "decipherOnly"),
        ].filter { bits & UInt32($0.0) != 0 }.map(\.1)
    }

    /// Rounded up to whole months.
    private static func months(_ certificate: Certificate) -> Int {
        for count in 1...1_200 {
            if let period = CalendarPeriod("P\(count)M"),
                period.end(after: certificate.notBefore) >= certificate.notAfter
            {
                return count
            }
        }
        return 1_200
    }
}
