package import Domain

/// The public half of a key as a JWK carries it: big-endian numbers, those of a curve at full length.
package enum PublicKey: Hashable, Sendable {
    case rsa(n: [UInt8], e: [UInt8])
    case ec(EllipticCurve, x: [UInt8], y: [UInt8])
    case ed25519(x: [UInt8])
    /// A symmetric key has none.
    case none
}

/// A private or symmetric key as it comes in from outside.
package enum PrivateKey: Sendable {
    case rsa(
        n: [UInt8], e: [UInt8], d: SensitiveBytes, p: SensitiveBytes, q: SensitiveBytes, dp: SensitiveBytes,
        dq: SensitiveBytes, qi: SensitiveBytes)
    case ec(EllipticCurve, x: [UInt8], y: [UInt8], d: SensitiveBytes)
    case ed25519(x: [UInt8], d: SensitiveBytes)
    case oct(SensitiveBytes)
    /// PKCS #8 DER (RFC 5958) of whatever kind.
    case pkcs8(SensitiveBytes)
}

/// What a provider knows of a key after making or taking it.
package struct KeyMaterial: Sendable {
    package let specification: KeySpecification
    package let publicKey: PublicKey
    /// The provider's own: it opens the key with it. Sealed in the record of the version.
    package let reference: SensitiveBytes

    package init(specification: KeySpecification, publicKey: PublicKey, reference: SensitiveBytes) {
        self.specification = specification
        self.publicKey = publicKey
        self.reference = reference
    }
}

/// What goes beside the text into a symmetric operation, and what comes out beside it.
package struct CipherParameters: Sendable {
    package var iv: [UInt8]
    package var tag: [UInt8]
    package var associatedData: [UInt8]

    package init(iv: [UInt8] = [], tag: [UInt8] = [], associatedData: [UInt8] = []) {
        (self.iv, self.tag, self.associatedData) = (iv, tag, associatedData)
    }
}

/// A key that is ready for use. Safe to use from several threads.
///
/// Callers have checked that the algorithm fits the key and the operation, and that lengths are those of the algorithm.
package protocol CryptoKey: AnyObject, Sendable {
    /// A signature over a digest (over the message for `.edDSA`).
    func sign(_ digest: [UInt8], _ algorithm: KeyAlgorithm) throws(CryptoError) -> [UInt8]
    func verify(_ digest: [UInt8], signature: [UInt8], _ algorithm: KeyAlgorithm) throws(CryptoError) -> Bool
    /// Encrypts or wraps; draws `iv` and makes `tag` where the algorithm asks for it.
    func encrypt(_ text: [UInt8], _ algorithm: KeyAlgorithm, _ parameters: inout CipherParameters) throws(CryptoError)
        -> [UInt8]
    /// Decrypts or unwraps.
    ///
    /// - Throws: `.notAuthentic` for every kind of wrong input alike.
    func decrypt(_ text: [UInt8], _ algorithm: KeyAlgorithm, _ parameters: CipherParameters) throws(CryptoError)
        -> SensitiveBytes
}

/// Makes keys and does their work: OpenSSL's libcrypto, or a hardware security module behind PKCS #11.
///
/// Everything may take long and runs on a thread that may be held; `isQuick` tells what may run on an event loop.
package protocol CryptoProvider: Sendable {
    /// - Parameters:
    ///   - id: 16 bytes, the version that will own the key.
    ///   - isExportable: whether the key may ever leave, wrapped, for release.
    func generate(_ specification: KeySpecification, publicExponent: UInt32, id: [UInt8], isExportable: Bool)
        throws(CryptoError) -> KeyMaterial
    /// Takes a key from outside after checking it.
    ///
    /// - Throws: `.malformed` saying what is wrong with the key.
    func importKey(_ key: PrivateKey, id: [UInt8], isExportable: Bool) throws(CryptoError) -> KeyMaterial
    func open(_ material: KeyMaterial, id: [UInt8]) throws(CryptoError) -> any CryptoKey
    /// Removes what is kept outside of the record.
    func destroy(_ material: KeyMaterial, id: [UInt8])
    /// The reference as it goes into a backup, and back, perhaps into a token where the key is no longer.
    func adopt(_ material: KeyMaterial, id: [UInt8], isExportable: Bool) throws(CryptoError) -> KeyMaterial
    /// The key's PKCS #8, or the bytes of a symmetric key, wrapped by AES key wrap with padding under `key`.
    ///
    /// - Parameter key: 32 bytes.
    func export(_ material: KeyMaterial, id: [UInt8], wrappedBy key: SensitiveBytes) throws(CryptoError) -> [UInt8]
    /// The other way: takes a key that `export` wrapped, perhaps of another provider, and never shows it in the clear where the
    /// provider is a module.
    ///
    /// - Throws: `.malformed` when it does not unwrap.
    func importKey(
        wrapped: [UInt8], _ specification: KeySpecification, _ publicKey: PublicKey, id: [UInt8], isExportable: Bool,
        wrappedBy key: SensitiveBytes
    ) throws(CryptoError) -> KeyMaterial
    /// Whether the provider can do it; asked before a key is made or used.
    func supports(_ specification: KeySpecification) -> Bool
    func supports(_ algorithm: KeyAlgorithm, with specification: KeySpecification) -> Bool
    /// Whether an operation is done in microseconds, so that it needs no thread of its own.
    func isQuick(_ operation: KeyOperation, with specification: KeySpecification) -> Bool
}

/// A provider whose keys live in a hardware security module.
package protocol HardwareProvider: CryptoProvider {
    /// Random bytes of the module.
    func random(count: Int) throws(CryptoError) -> [UInt8]
    /// What the module says of a key's object.
    func flags(of material: KeyMaterial, id: [UInt8]) throws(CryptoError) -> [(name: String, value: Bool)]
    /// What the token says of itself.
    func information() throws(CryptoError) -> (model: String, serialNumber: String)
    /// Whether the module answers.
    var isPresent: Bool { get }
}
