internal import COpenSSL
package import Domain

/// The one door to OpenSSL's libcrypto: a library context of our own and the algorithms fetched through it.
///
/// Everything is fetched once and through this context, so that which provider does the work (default or FIPS) is decided in
/// one place. The engine holds no keys and may be used from any thread; what keeps state between calls (`AES256GCM`,
/// `SHA256Hasher`, `RandomPool`) belongs to one thread each.
package final class CryptoEngine: @unchecked Sendable {
    // Unchecked: the pointers are set once and libcrypto's fetched algorithms and contexts are safe to share between threads.
    package let context: OpaquePointer
    /// Certificates that were read through this context.
    package let certificates = ParsedCertificates()
    let aes256GCM: OpaquePointer
    package let sha256: OpaquePointer
    let scryptKDF: OpaquePointer
    /// The property by which what no FIPS provider has is fetched; nil where nothing is asked of a provider.
    package let outsideFIPS: String?
    private let randomness: Randomness?

    /// Fills a buffer with random bytes; false when it cannot.
    package typealias Randomness = @Sendable (UnsafeMutableRawBufferPointer) -> Bool

    /// - Parameters:
    ///   - randomness: replaces libcrypto's generator, so that a test can repeat a run; nil in the product.
    /// - Throws: `.unavailable` when libcrypto lacks an algorithm that the product cannot do without.
    ///   - requiresFIPS: nothing but the FIPS provider does cryptography; scrypt and PKCS #12, which it lacks, stay with the default one.
    package init(randomness: Randomness? = nil, requiresFIPS: Bool = false) throws(CryptoError) {
        self.randomness = randomness
        outsideFIPS = requiresFIPS ? "provider=default,-fips" : nil
        // Without this, libcrypto takes itself down when the process ends, under threads that may still be using it.
        OPENSSL_init_crypto(UInt64(OPENSSL_INIT_NO_ATEXIT), nil)
        guard let context = OSSL_LIB_CTX_new() else { throw .unavailable("library context") }
        self.context = context
        if requiresFIPS {
            // The module's configuration, with its integrity check, is where libcrypto's own is.
            OSSL_LIB_CTX_load_config(context, nil)
            guard OSSL_PROVIDER_load(context, "fips") != nil, OSSL_PROVIDER_load(context, "base") != nil,
                OSSL_PROVIDER_load(context, "default") != nil,
                EVP_set_default_properties(context, "fips=yes") == 1
            else { throw .unavailable("the FIPS provider") }
        }
        guard let aes = EVP_CIPHER_fetch(context, "AES-256-GCM", nil) else { throw .unavailable("AES-256-GCM") }
        aes256GCM = aes
        guard let sha = EVP_MD_fetch(context, "SHA256", nil) else { throw .unavailable("SHA-256") }
        sha256 = sha
        guard let scrypt = EVP_KDF_fetch(context, "SCRYPT", outsideFIPS) else {
            throw .unavailable("scrypt")
        }
        scryptKDF = scrypt
    }

    deinit {
        certificates.removeAll()
        EVP_KDF_free(scryptKDF)
        EVP_MD_free(sha256)
        EVP_CIPHER_free(aes256GCM)
        OSSL_LIB_CTX_free(context)
    }

    /// Random bytes for keys and other secrets (private DRBG, NIST SP 800-90A).
    package func randomKey(count: Int) throws(CryptoError) -> SensitiveBytes {
        try SensitiveBytes(count: count) { buffer throws(CryptoError) in
            let filled =
                randomness?(buffer) ?? (RAND_priv_bytes_ex(context, buffer.baseAddress, buffer.count, 256) == 1)
            guard filled else { throw .failed("random bytes") }
        }
    }

    /// Random bytes that may be seen: nonces, versions, identifiers.
    package func random(count: Int) throws(CryptoError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        let filled = bytes.withUnsafeMutableBytes { buffer in
            randomness?(buffer) ?? (RAND_bytes_ex(context, buffer.baseAddress, count, 256) == 1)
        }
        guard filled else { throw .failed("random bytes") }
        return bytes
    }

    /// SHA-256 (FIPS 180-4) in one call. On the path of a request use a `SHA256Hasher`.
    package func sha256(_ bytes: [UInt8]) throws(CryptoError) -> [UInt8] {
        let hasher = try SHA256Hasher(self)
        return hasher.digest(bytes).bytes
    }

    /// SHA-1 (FIPS 180-4): for the thumbprints of certificates that others ask for (RFC 7515 §4.1.7), and for nothing else.
    package func sha1(_ bytes: [UInt8]) throws(CryptoError) -> [UInt8] {
        var result = [UInt8](repeating: 0, count: 20)
        var count = 0
        guard EVP_Q_digest(context, "SHA1", nil, bytes, bytes.count, &result, &count) == 1, count == 20 else {
            throw .failed("SHA-1")
        }
        return result
    }

    /// HMAC-SHA-256 (RFC 2104).
    package func hmacSHA256(key: SensitiveBytes, _ message: [UInt8]) throws(CryptoError) -> [UInt8] {
        try hmac("SHA256", count: 32, key, message)
    }

    /// HMAC-SHA-1: for the codes of authenticators (RFC 6238), and for nothing else.
    package func hmacSHA1(key: SensitiveBytes, _ message: [UInt8]) throws(CryptoError) -> [UInt8] {
        try hmac("SHA1", count: 20, key, message)
    }

    private func hmac(_ digest: String, count: Int, _ key: SensitiveBytes, _ message: [UInt8]) throws(CryptoError)
        -> [UInt8]
    {
        var result = [UInt8](repeating: 0, count: count)
        var length = 0
        let done = key.withUnsafeBytes { key in
            EVP_Q_mac(
                context, "HMAC", nil, digest, nil, key.baseAddress, key.count, message, message.count, &result,
                result.count, &length)
        }
        guard done != nil, length == count else { throw .failed("HMAC") }
        return result
    }

    /// scrypt (RFC 7914): a key out of a passphrase, dear in time and memory.
    package func scrypt(
        _ passphrase: SensitiveBytes, salt: [UInt8], cost: ScryptCost, count: Int = 32
    ) throws(CryptoError) -> SensitiveBytes {
        guard let kdf = EVP_KDF_CTX_new(scryptKDF) else { throw .failed("scrypt") }
        defer { EVP_KDF_CTX_free(kdf) }
        var salt = salt
        return try SensitiveBytes(count: count) { buffer throws(CryptoError) in
            let result = passphrase.withUnsafeBytes { passphrase in
                strongroom_scrypt(
                    kdf, UnsafeMutablePointer(mutating: passphrase.bindMemory(to: UInt8.self).baseAddress),
                    passphrase.count,
                    &salt, salt.count, cost.n, cost.r, cost.p, 1 << 30, buffer.bindMemory(to: UInt8.self).baseAddress,
                    buffer.count)
            }
            guard result == 1 else { throw .failed("scrypt") }
        }
    }
}

/// Parameters of scrypt; memory is 128 · n · r bytes.
package struct ScryptCost: Hashable, Sendable {
    /// A power of two.
    package let n: UInt64
    package let r: UInt32
    package let p: UInt32

    package init?(n: UInt64, r: UInt32, p: UInt32) {
        guard n > 1, n & (n - 1) == 0, n <= 1 << 20, (1...16).contains(r), (1...4).contains(p) else { return nil }
        (self.n, self.r, self.p) = (n, r, p)
    }

    private init(checked n: UInt64, p: UInt32 = 1) { (self.n, r, self.p) = (n, 8, p) }

    /// 128 MiB: a person's passphrase, once at start.
    package static let passphrase = ScryptCost(checked: 1 << 17)
    /// 32 MiB, thrice: a person's password, at each sign-in.
    package static let password = ScryptCost(checked: 1 << 15, p: 3)
    /// 16 MiB: a client secret, which is random and long; many may be checked at once.
    package static let clientSecret = ScryptCost(checked: 1 << 14)
}

package enum CryptoError: Error, Sendable {
    /// The library lacks an algorithm.
    case unavailable(String)
    /// The library refused; never says why to a caller.
    case failed(String)
    /// A tag, signature or padding did not hold. One case for all reasons.
    case notAuthentic
    /// A hardware security module or its token does not answer; it may come back.
    case absent(String)
    /// A key or certificate could not be read.
    case malformed(String)
}
