internal import COpenSSL
package import Domain

extension CryptoEngine {
    /// A key out of a key and a label: NIST SP 800-108r1 §4.1, counter mode, HMAC-SHA-512, 32-bit counter, no context.
    ///
    /// - Parameter count: bytes.
    package func counterKDF(_ key: SensitiveBytes, label: String, count: Int) throws(CryptoError) -> SensitiveBytes {
        guard let kdf = EVP_KDF_fetch(context, "KBKDF", nil) else { throw .unavailable("KBKDF") }
        defer { EVP_KDF_free(kdf) }
        guard let state = EVP_KDF_CTX_new(kdf) else { throw .failed("KBKDF") }
        defer {
            EVP_KDF_CTX_free(state)
            ERR_clear_error()
        }
        var label = Array(label.utf8)
        return try SensitiveBytes(count: count) { output throws(CryptoError) in
            let result = key.withUnsafeBytes { key in
                strongroom_counter_kdf(
                    state, UnsafeMutablePointer(mutating: key.bindMemory(to: UInt8.self).baseAddress), key.count,
                    &label,
                    label.count, output.bindMemory(to: UInt8.self).baseAddress, output.count)
            }
            guard result == 1 else { throw .failed("KBKDF") }
        }
    }
}
