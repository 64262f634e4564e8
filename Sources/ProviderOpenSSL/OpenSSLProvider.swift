internal import COpenSSL
package import Cryptography
package import Domain

/// Keys in software: libcrypto does the work, the record of the version holds the key, sealed.
///
/// The reference of an asymmetric key is its PKCS #8 DER (RFC 5958), that of a symmetric key its bytes.
package final class OpenSSLProvider: CryptoProvider {
    private let engine: CryptoEngine
    private let hashes: HashTable
    private let ciphers: CipherTable
    /// What this libcrypto has, with its FIPS provider or without: asked once, since asking takes longer than many an operation.
    private let curves: Set<EllipticCurve>
    private let hasEd25519: Bool

    package init(_ engine: CryptoEngine) throws(CryptoError) {
        self.engine = engine
        hashes = try HashTable(engine)
        ciphers = CipherTable(engine)
        curves = Set(EllipticCurve.allCases.filter { Self.offersCurve($0, engine) })
        hasEd25519 = Self.offers("ED25519", engine)
    }

    // MARK: For the other provider

    package func makeSecret(count: Int) throws(CryptoError) -> SensitiveBytes { try engine.randomKey(count: count) }

    package func makeNonce(count: Int) throws(CryptoError) -> [UInt8] { try engine.random(count: count) }

    package func digest(_ bytes: [UInt8], _ hash: HashFunction) -> [UInt8] {
        var result = [UInt8](repeating: 0, count: hash.byteCount)
        var count = UInt32(0)
        EVP_Digest(bytes, bytes.count, &result, &count, hashes[hash], nil)
        return result
    }

    // MARK: Making keys

    package func generate(
        _ specification: KeySpecification, publicExponent: UInt32, id: [UInt8], isExportable: Bool
    ) throws(CryptoError) -> KeyMaterial {
        if case .oct(let bits) = specification {
            return KeyMaterial(
                specification: specification, publicKey: .none, reference: try engine.randomKey(count: bits / 8))
        }
        return try material(try generate(specification, publicExponent))
    }

    /// The same for a key that is used at once: reading its reference again would take longer than making it.
    package func generateOpened(_ specification: KeySpecification, publicExponent: UInt32) throws(CryptoError) -> (
        material: KeyMaterial, key: any CryptoKey
    ) {
        let key = try generate(specification, publicExponent)
        return (try material(key), key)
    }

    /// - Parameter specification: of an asymmetric key.
    private func generate(_ specification: KeySpecification, _ publicExponent: UInt32) throws(CryptoError)
        -> AsymmetricKey
    {
        switch specification {
        case .oct: throw .failed("a symmetric key has no halves")
        case .rsa(let bits):
            let key = try generate("RSA", specification) { context in
                strongroom_rsa_bits(context, Int32(bits)) == 1
                    && strongroom_rsa_exponent(context, UInt(publicExponent)) == 1
            }
            try requireConsistency(key)
            return key
        case .ec(let curve):
            return try generate("EC", specification) { context in
                EVP_PKEY_CTX_set_group_name(context, curve.groupName) == 1
            }
        case .ed25519:
            return try generate("ED25519", specification) { _ in true }
        }
    }

    private func generate(
        _ type: String, _ specification: KeySpecification, _ configure: (OpaquePointer) -> Bool
    ) throws(CryptoError) -> AsymmetricKey {
        guard let context = EVP_PKEY_CTX_new_from_name(engine.context, type, nil) else {
            ERR_clear_error()
            throw .unavailable(type)
        }
        defer { EVP_PKEY_CTX_free(context) }
        var key: OpaquePointer?
        guard EVP_PKEY_keygen_init(context) == 1, configure(context), EVP_PKEY_generate(context, &key) == 1, let key
        else {
            ERR_clear_error()
            throw .unavailable(specification.description)
        }
        return AsymmetricKey(adopting: key, specification, engine, hashes)
    }

    /// Pairwise consistency (FIPS 140-3 IG 10.3.A): what the private half signs, the public half must verify.
    private func requireConsistency(_ key: AsymmetricKey) throws(CryptoError) {
        let digest = try engine.random(count: 32)
        let signature = try key.sign(digest, .rsaPKCS1(.sha256))
        guard try key.verify(digest, signature: signature, .rsaPKCS1(.sha256)) else {
            throw .failed("pairwise consistency")
        }
    }

    private func material(_ key: AsymmetricKey) throws(CryptoError) -> KeyMaterial {
        KeyMaterial(
            specification: key.specification, publicKey: try key.publicKey(),
            reference: try PrivateKeyCoding.encode(key.pointer))
    }

    // MARK: Taking keys

    package func importKey(_ key: PrivateKey, id: [UInt8], isExportable: Bool) throws(CryptoError) -> KeyMaterial {
        if case .oct(let bytes) = key {
            guard (KeySpecification.octSizes + KeySpecification.hmacSizes).contains(bytes.count * 8) else {
                throw .malformed("a symmetric key must have 128, 192 or 256 bits; 384 or 512 for HMAC only")
            }
            return KeyMaterial(specification: .oct(bits: bytes.count * 8), publicKey: .none, reference: bytes)
        }
        let parsed = try KeyImport(engine, hashes).parse(key)
        return try material(parsed)
    }

    package func adopt(_ material: KeyMaterial, id: [UInt8], isExportable: Bool) throws(CryptoError) -> KeyMaterial {
        material
    }

    package func destroy(_ material: KeyMaterial, id: [UInt8]) {}

    package func export(_ material: KeyMaterial, id: [UInt8], wrappedBy key: SensitiveBytes) throws(CryptoError)
        -> [UInt8]
    {
        var parameters = CipherParameters()
        return try SymmetricKey(key, engine, ciphers).encrypt(
            material.reference.withUnsafeBytes { Array($0) }, .ckmAESKeyWrapPad, &parameters)
    }

    package func importKey(
        wrapped: [UInt8], _ specification: KeySpecification, _ publicKey: PublicKey, id: [UInt8], isExportable: Bool,
        wrappedBy key: SensitiveBytes
    ) throws(CryptoError) -> KeyMaterial {
        let bytes: SensitiveBytes
        do throws(CryptoError) {
            bytes = try SymmetricKey(key, engine, ciphers).decrypt(wrapped, .ckmAESKeyWrapPad, CipherParameters())
        } catch { throw .malformed("it does not unwrap") }
        let isSymmetric: Bool = if case .oct = specification { true } else { false }
        let material = try importKey(isSymmetric ? .oct(bytes) : .pkcs8(bytes), id: id, isExportable: isExportable)
        guard material.specification == specification, material.publicKey == publicKey else {
            throw .malformed("it is another key than its record says")
        }
        return material
    }

    // MARK: Using keys

    package func open(_ material: KeyMaterial, id: [UInt8]) throws(CryptoError) -> any CryptoKey {
        if case .oct = material.specification { return SymmetricKey(material.reference, engine, ciphers) }
        let type =
            switch material.specification {
            case .rsa: "RSA"
            case .ec: "EC"
            default: "ED25519"
            }
        return AsymmetricKey(
            adopting: try PrivateKeyCoding.decode(material.reference, type: type, engine: engine),
            material.specification, engine, hashes)
    }

    /// The public half alone: verifies and encrypts for keys of every provider.
    package func openPublic(_ key: PublicKey) throws(CryptoError) -> any CryptoKey {
        try KeyImport(engine, hashes).parse(key)
    }

    /// A symmetric key that belongs to no object, such as the one inside a transfer blob.
    package func ephemeral(_ key: SensitiveBytes) -> any CryptoKey { SymmetricKey(key, engine, ciphers) }

    package func supports(_ specification: KeySpecification) -> Bool {
        switch specification {
        case .rsa(let bits): KeySpecification.rsaSizes.contains(bits)
        case .oct(let bits): (KeySpecification.octSizes + KeySpecification.hmacSizes).contains(bits)
        case .ec(let curve): curves.contains(curve)
        case .ed25519: hasEd25519
        }
    }

    package func supports(_ algorithm: KeyAlgorithm, with specification: KeySpecification) -> Bool {
        guard algorithm.fits(specification), supports(specification) else { return false }
        if case .oct(let bits) = specification {
            if case .hmac = algorithm { return true }
            return ciphers.cipher(algorithm, keyBits: bits) != nil
        }
        return true
    }

    package func isQuick(_ operation: KeyOperation, with specification: KeySpecification) -> Bool {
        switch (specification, operation) {
        case (.oct, _): true
        case (.rsa, .encrypt), (.rsa, .wrapKey), (.rsa, .verify): true
        case (.ec(.p256), .sign), (.ec(.p256), .verify), (.ed25519, _): true
        default: false
        }
    }

    private static func offers(_ type: String, _ engine: CryptoEngine) -> Bool {
        guard let management = EVP_KEYMGMT_fetch(engine.context, type, nil) else {
            ERR_clear_error()
            return false
        }
        EVP_KEYMGMT_free(management)
        return true
    }

    private static func offersCurve(_ curve: EllipticCurve, _ engine: CryptoEngine) -> Bool {
        guard let context = EVP_PKEY_CTX_new_from_name(engine.context, "EC", nil) else { return false }
        defer {
            EVP_PKEY_CTX_free(context)
            ERR_clear_error()
        }
        return EVP_PKEY_keygen_init(context) == 1 && EVP_PKEY_CTX_set_group_name(context, curve.groupName) == 1
    }
}

extension EllipticCurve {
    /// libcrypto's name.
    var groupName: String {
        switch self {
        case .p256: "P-256"
        case .p384: "P-384"
        case .p521: "P-521"
        case .p256K: "secp256k1"
        }
    }
}
