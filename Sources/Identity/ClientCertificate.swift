package import Domain

/// A certificate by whose key an application may prove who it is. The key stays with the application.
package struct ClientCertificate: Sendable, Hashable {
    /// SHA-1 of the DER: what clients call the thumbprint.
    package let thumbprint: [UInt8]
    /// SHA-256 of the DER.
    package let thumbprint256: [UInt8]
    package let subject: String
    package let notBefore: Timestamp
    package let notAfter: Timestamp
    /// Of its RSA key, big-endian.
    package let modulus: [UInt8]
    package let exponent: [UInt8]

    package init(
        thumbprint: [UInt8], thumbprint256: [UInt8], subject: String, notBefore: Timestamp, notAfter: Timestamp,
        modulus: [UInt8], exponent: [UInt8]
    ) {
        (self.thumbprint, self.thumbprint256, self.subject) = (thumbprint, thumbprint256, subject)
        (self.notBefore, self.notAfter) = (notBefore, notAfter)
        (self.modulus, self.exponent) = (modulus, exponent)
    }
}
