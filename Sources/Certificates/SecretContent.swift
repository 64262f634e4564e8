package import Cryptography
import Domain
package import Keys
package import Secrets
import X509

/// The secret of a certificate: a PKCS #12 container with an empty password, or PEM. The private key is in it when it may leave.
struct SecretContent {
    private let engine: CryptoEngine

    init(_ engine: CryptoEngine) { self.engine = engine }

    func make(_ key: KeyVersion, _ certificate: Certificate, _ chain: [Certificate], _ policy: CertificatePolicy)
        throws(CryptoError) -> SecretValue
    {
        let privateKey = policy.isExportable && !key.type.isHSM ? key.material.reference : nil
        guard policy.isPEM else {
            let container = try PKCS12(engine).make(privateKey: privateKey, certificate: certificate, chain: chain)
            let text = container.withUnsafeBytes { Base64.encode(Array($0)) }
            return SecretValue(value: SensitiveBytes(text.utf8), contentType: policy.contentType, isManaged: true)
        }
        return SecretValue(
            value: Self.pem(privateKey, [certificate] + chain), contentType: policy.contentType, isManaged: true)
    }

    private static func pem(_ privateKey: SensitiveBytes?, _ certificates: [Certificate]) -> SensitiveBytes {
        var text = privateKey?.withUnsafeBytes { PEM.encode(Array($0), label: "PRIVATE KEY") } ?? ""
        for certificate in certificates { text += certificate.pem }
        return SensitiveBytes(text.utf8)
    }

    /// A container as it was made here, as PEM.
    func pem(of container: SensitiveBytes) throws(CryptoError) -> SensitiveBytes {
        guard let bytes = container.withUnsafeBytes({ Base64.decode(String(decoding: $0, as: UTF8.self)) }) else {
            throw .malformed("the container is not base64")
        }
        let content = try PKCS12(engine).open(bytes, password: "")
        // Without a key the leaf stands behind the others.
        let certificates =
            content.certificate.map { [$0] + content.others } ?? content.others.suffix(1) + content.others.dropLast()
        return Self.pem(content.privateKey, Array(certificates))
    }
}

extension Certificates {
    /// What turns the containers of certificates' secrets into PEM, on threads that may be held.
    package static func converter(_ engine: CryptoEngine, _ work: KeyWork) -> Secrets.Convert {
        { container, call throws(VaultError) in
            try await work.slowly(call) { () throws(CryptoError) in
                try SecretContent(engine).pem(of: container)
            }
        }
    }
}
