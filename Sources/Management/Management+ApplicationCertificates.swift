import Cryptography
import Domain
import Identity
import Operations
import X509

extension Management {
    /// More would only be a sign that nobody takes any away.
    private static let mostCertificates = 16

    struct AddCertificateInput: OperationInput {
        let id: GUID
        /// DER.
        let certificate: [UInt8]

        init(_ request: Request) throws(VaultError) {
            struct Body: Decodable {
                let certificate: String
            }
            id = try ApplicationInput(request).id
            let text = try Body.fromJSON(request.body).certificate
            let der =
                text.contains("-----BEGIN")
                ? PEM.decode(text)?.first { $0.label == "CERTIFICATE" }?.der : Base64.decode(text)
            guard let der else {
                throw .badParameter(
                    "Property 'certificate' has invalid value: it is neither PEM nor base64 of a certificate.\r\n")
            }
            certificate = der
        }
    }

    struct RemoveCertificateInput: OperationInput {
        let id: GUID
        let thumbprint: [UInt8]

        init(_ request: Request) throws(VaultError) {
            id = try ApplicationInput(request).id
            guard let bytes = Hex.decode(request.parameter("thumbprint") ?? ""), bytes.count == 20 else {
                throw .badParameter("The certificate must be named by its SHA-1 thumbprint, 40 hexadecimal digits.")
            }
            thumbprint = bytes
        }
    }

    /// From the next request on the application may prove who it is by this certificate's key.
    func addCertificate(_ input: AddCertificateInput, _ call: Call) async throws(VaultError) -> ApplicationOutput {
        let certificate = try read(input.certificate, at: call.now)
        return try await change(input.id, call) { application throws(VaultError) in
            application.certificates.removeAll { $0.thumbprint256 == certificate.thumbprint256 }
            guard application.certificates.count < Self.mostCertificates else {
                throw .badParameter(
                    "The application has \(Self.mostCertificates) certificates already. Remove one first.")
            }
            application.certificates.append(certificate)
        }
    }

    /// Refuses the certificate, and every token of the application that stands: nobody can tell which of them it got.
    func removeCertificate(_ input: RemoveCertificateInput, _ call: Call) async throws(VaultError) -> ApplicationOutput
    {
        try await change(input.id, call) { application throws(VaultError) in
            guard application.certificates.contains(where: { $0.thumbprint == input.thumbprint }) else {
                throw VaultError(
                    .resourceNotFound,
                    "The application '\(application.id)' has no certificate \(Hex.encode(input.thumbprint).uppercased())."
                )
            }
            application.certificates.removeAll { $0.thumbprint == input.thumbprint }
            application.tokenGeneration += 1
        }
    }

    private func read(_ der: [UInt8], at now: Timestamp) throws(VaultError) -> ClientCertificate {
        func wrong(_ text: String) -> VaultError {
            .badParameter("Property 'certificate' has invalid value: \(text)\r\n")
        }
        do throws(CryptoError) {
            let certificate = try Certificate(der: der, engine: engine)
            guard case .rsa(let modulus, let exponent) = certificate.publicKey,
                case .rsa(let bits) = certificate.specification, (2_048...8_192).contains(bits)
            else {
                throw .malformed("its key must be RSA with 2048 to 8192 bits, which client assertions are signed with.")
            }
            guard certificate.notAfter > now else { throw .malformed("the certificate has expired.") }
            return ClientCertificate(
                thumbprint: try engine.sha1(der), thumbprint256: try engine.sha256(der), subject: certificate.subject,
                notBefore: certificate.notBefore, notAfter: certificate.notAfter, modulus: modulus, exponent: exponent)
        } catch {
            guard case .malformed(let text) = error else { throw .internal("a certificate could not be read") }
            throw wrong(text)
        }
    }
}
