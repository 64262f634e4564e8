import Cryptography
import Domain
import Keys
import Secrets
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
        var text = ""
        if let privateKey {
            text += privateKey.withUnsafeBytes { PEM.encode(Array($0), label: "PRIVATE KEY") }
        }
        for certificate in [certificate] + chain { text += certificate.pem }
        return SecretValue(value: SensitiveBytes(text.utf8), contentType: policy.contentType, isManaged: true)
    }
}
