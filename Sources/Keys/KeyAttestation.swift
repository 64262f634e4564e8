import Domain

/// What proves where a key was made: four texts as the service names them.
struct KeyAttestation: Sendable {
    let certificatePEM: [UInt8]
    let privateKey: [UInt8]
    /// Symmetric keys have none.
    let publicKey: [UInt8]?
    let version: String

    func write(to attributes: inout JSONWriter) {
        attributes.object("attestation") { writer in
            writer.member("certificatePemFile", Base64.encodeURL(certificatePEM))
            writer.member("privateKeyAttestation", Base64.encodeURL(privateKey))
            if let publicKey { writer.member("publicKeyAttestation", Base64.encodeURL(publicKey)) }
            writer.member("version", version)
        }
    }
}
