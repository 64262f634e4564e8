internal import COpenSSL
package import Domain

/// An RSA private key for signing tokens (RS256, RFC 7518 §3.3). Safe to use from several threads.
package final class RSAPrivateKey: @unchecked Sendable {
    // Unchecked: an EVP_PKEY that nobody changes is safe to share.
    let key: OpaquePointer
    private let engine: CryptoEngine

    private init(adopting key: OpaquePointer, engine: CryptoEngine) {
        (self.key, self.engine) = (key, engine)
    }

    deinit { EVP_PKEY_free(key) }

    /// - Parameter bits: 2048, 3072 or 4096. Takes tens to hundreds of milliseconds: never on an event loop.
    package static func generate(bits: Int32, engine: CryptoEngine) throws(CryptoError) -> RSAPrivateKey {
        guard let context = EVP_PKEY_CTX_new_from_name(engine.context, "RSA", nil) else { throw .unavailable("RSA") }
        defer { EVP_PKEY_CTX_free(context) }
        var key: OpaquePointer?
        guard EVP_PKEY_keygen_init(context) == 1, strongroom_rsa_bits(context, bits) == 1,
            EVP_PKEY_generate(context, &key) == 1,
            let key
        else { throw .failed("RSA key generation") }
        return RSAPrivateKey(adopting: key, engine: engine)
    }

    /// Reads PKCS#8 DER (RFC 5958).
    package init(pkcs8: SensitiveBytes, engine: CryptoEngine) throws(CryptoError) {
        key = try PrivateKeyCoding.decode(pkcs8, type: "RSA", engine: engine)
        self.engine = engine
    }

    package func pkcs8() throws(CryptoError) -> SensitiveBytes { try PrivateKeyCoding.encode(key) }

    /// Modulus and public exponent, big-endian without leading zeros, as a JWK carries them.
    package func publicNumbers() throws(CryptoError) -> (n: [UInt8], e: [UInt8]) {
        (try number(OSSL_PKEY_PARAM_RSA_N), try number(OSSL_PKEY_PARAM_RSA_E))
    }

    private func number(_ name: String) throws(CryptoError) -> [UInt8] {
        var number: OpaquePointer?
        guard EVP_PKEY_get_bn_param(key, name, &number) == 1, let number else { throw .failed("RSA public key") }
        defer { BN_free(number) }
        var bytes = [UInt8](repeating: 0, count: Int((BN_num_bits(number) + 7) / 8))
        BN_bn2bin(number, &bytes)
        return bytes
    }

    /// RSASSA-PKCS1-v1_5 with SHA-256 over `message`.
    package func signSHA256(_ message: [UInt8]) throws(CryptoError) -> [UInt8] {
        guard let context = EVP_MD_CTX_new() else { throw .failed("RSA signature") }
        defer { EVP_MD_CTX_free(context) }
        guard EVP_DigestSignInit_ex(context, nil, "SHA256", engine.context, nil, key, nil) == 1 else {
            throw .failed("RSA signature")
        }
        var count = Int(EVP_PKEY_get_size(key))
        var signature = [UInt8](repeating: 0, count: count)
        guard EVP_DigestSign(context, &signature, &count, message, message.count) == 1 else {
            throw .failed("RSA signature")
        }
        return Array(signature[0..<count])
    }

    /// - Throws: `.notAuthentic` when `signature` is not this key's over `message`.
    package func verifySHA256(_ message: [UInt8], signature: [UInt8]) throws(CryptoError) {
        guard let context = EVP_MD_CTX_new() else { throw .failed("RSA verification") }
        defer { EVP_MD_CTX_free(context) }
        guard EVP_DigestVerifyInit_ex(context, nil, "SHA256", engine.context, nil, key, nil) == 1 else {
            throw .failed("RSA verification")
        }
        let result = EVP_DigestVerify(context, signature, signature.count, message, message.count)
        ERR_clear_error()
        guard result == 1 else { throw .notAuthentic }
    }
}

/// An Ed25519 key (RFC 8032) that signs the checkpoints of the audit log.
package final class Ed25519PrivateKey: @unchecked Sendable {
    // Unchecked: an EVP_PKEY that nobody changes is safe to share.
    private let key: OpaquePointer
    private let engine: CryptoEngine

    /// - Parameter seed: 32 random bytes.
    package init(seed: SensitiveBytes, engine: CryptoEngine) throws(CryptoError) {
        let key = seed.withUnsafeBytes { seed in
            EVP_PKEY_new_raw_private_key_ex(
                engine.context, "ED25519", nil, seed.bindMemory(to: UInt8.self).baseAddress, seed.count)
        }
        guard let key else { throw .malformed("Ed25519 key") }
        (self.key, self.engine) = (key, engine)
    }

    deinit { EVP_PKEY_free(key) }

    package func publicKey() throws(CryptoError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: 32)
        var count = 32
        guard EVP_PKEY_get_raw_public_key(key, &bytes, &count) == 1, count == 32 else {
            throw .failed("Ed25519 public key")
        }
        return bytes
    }

    package func sign(_ message: [UInt8]) throws(CryptoError) -> [UInt8] {
        guard let context = EVP_MD_CTX_new() else { throw .failed("Ed25519 signature") }
        defer { EVP_MD_CTX_free(context) }
        var signature = [UInt8](repeating: 0, count: 64)
        var count = 64
        guard EVP_DigestSignInit_ex(context, nil, nil, engine.context, nil, key, nil) == 1,
            EVP_DigestSign(context, &signature, &count, message, message.count) == 1
        else { throw .failed("Ed25519 signature") }
        return signature
    }

    /// Whether `signature` is that of `publicKey` over `message`.
    package static func verify(_ message: [UInt8], signature: [UInt8], publicKey: [UInt8], engine: CryptoEngine) -> Bool
    {
        guard let key = EVP_PKEY_new_raw_public_key_ex(engine.context, "ED25519", nil, publicKey, publicKey.count)
        else { return false }
        defer { EVP_PKEY_free(key) }
        guard let context = EVP_MD_CTX_new() else { return false }
        defer { EVP_MD_CTX_free(context) }
        defer { ERR_clear_error() }
        return EVP_DigestVerifyInit_ex(context, nil, nil, engine.context, nil, key, nil) == 1
            && EVP_DigestVerify(context, signature, signature.count, message, message.count) == 1
    }
}

/// PKCS#8 in and out.
package enum PrivateKeyCoding {
    /// - Returns: an EVP_PKEY that the caller frees.
    package static func decode(_ pkcs8: SensitiveBytes, type: String, engine: CryptoEngine) throws(CryptoError)
        -> OpaquePointer
    {
        let key: OpaquePointer? = pkcs8.withUnsafeBytes { bytes in
            var start = bytes.bindMemory(to: UInt8.self).baseAddress
            return d2i_AutoPrivateKey_ex(nil, &start, bytes.count, engine.context, nil)
        }
        guard let key else {
            ERR_clear_error()
            throw .malformed("private key")
        }
        guard EVP_PKEY_is_a(key, type) == 1 else {
            EVP_PKEY_free(key)
            throw .malformed("private key of another type")
        }
        return key
    }

    package static func encode(_ key: OpaquePointer) throws(CryptoError) -> SensitiveBytes {
        guard let info = EVP_PKEY2PKCS8(key) else { throw .failed("PKCS#8") }
        defer { PKCS8_PRIV_KEY_INFO_free(info) }
        let count = i2d_PKCS8_PRIV_KEY_INFO(info, nil)
        guard count > 0 else { throw .failed("PKCS#8") }
        return try SensitiveBytes(count: Int(count)) { buffer throws(CryptoError) in
            var start = buffer.bindMemory(to: UInt8.self).baseAddress
            guard i2d_PKCS8_PRIV_KEY_INFO(info, &start) == count else { throw .failed("PKCS#8") }
        }
    }
}
