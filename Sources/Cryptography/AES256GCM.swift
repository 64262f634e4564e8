internal import COpenSSL
package import Domain

/// AES-256-GCM (NIST SP 800-38D) under one key, with the key schedule kept between calls. Belongs to one thread.
///
/// The nonce is drawn inside from the caller's `RandomPool`; no interface takes one. Random 96-bit nonces bound the number of
/// seals under one key to 2³² (§8.3); the barrier rotates long before.
package final class AES256GCM {
    package static let nonceCount = 12
    package static let tagCount = 16
    /// What sealing adds.
    package static let overhead = nonceCount + tagCount

    private let sealing: OpaquePointer
    private let opening: OpaquePointer
    private let engine: CryptoEngine

    /// - Parameter key: 32 bytes.
    package init(key: SensitiveBytes, engine: CryptoEngine) throws(CryptoError) {
        guard key.count == 32 else { throw .malformed("AES-256 key") }
        guard let sealing = EVP_CIPHER_CTX_new() else { throw .failed("AES-256-GCM") }
        guard let opening = EVP_CIPHER_CTX_new() else {
            EVP_CIPHER_CTX_free(sealing)
            throw .failed("AES-256-GCM")
        }
        (self.sealing, self.opening, self.engine) = (sealing, opening, engine)
        let ready = key.withUnsafeBytes { bytes in
            let key = bytes.bindMemory(to: UInt8.self).baseAddress
            return EVP_EncryptInit_ex2(sealing, engine.aes256GCM, key, nil, nil) == 1
                && EVP_DecryptInit_ex2(opening, engine.aes256GCM, key, nil, nil) == 1
        }
        guard ready else { throw .failed("AES-256-GCM") }
    }

    deinit {
        EVP_CIPHER_CTX_free(sealing)
        EVP_CIPHER_CTX_free(opening)
    }

    /// Appends `nonce | ciphertext | tag` to `output`.
    package func seal(
        _ plaintext: UnsafeRawBufferPointer, associatedData: [UInt8], nonces: RandomPool, into output: inout [UInt8]
    ) throws(CryptoError) {
        let start = output.count
        output.reserveCapacity(start + plaintext.count + Self.overhead)
        nonces.append(Self.nonceCount, to: &output)
        output.append(contentsOf: repeatElement(0, count: plaintext.count + Self.tagCount))
        let sealed = output.withUnsafeMutableBufferPointer { bytes in
            let nonce = bytes.baseAddress! + start
            let text = nonce + Self.nonceCount
            var count: Int32 = 0
            return EVP_EncryptInit_ex2(sealing, nil, nil, nonce, nil) == 1
                && EVP_EncryptUpdate(sealing, nil, &count, associatedData, Int32(associatedData.count)) == 1
                && EVP_EncryptUpdate(
                    sealing, text, &count, plaintext.bindMemory(to: UInt8.self).baseAddress ?? UnsafePointer(text),
                    Int32(plaintext.count)) == 1
                && EVP_EncryptFinal_ex(sealing, text + plaintext.count, &count) == 1
                && EVP_CIPHER_CTX_ctrl(
                    sealing, EVP_CTRL_AEAD_GET_TAG, Int32(Self.tagCount), text + plaintext.count) == 1
        }
        guard sealed else { throw .failed("AES-256-GCM") }
    }

    /// Opens `nonce | ciphertext | tag`.
    ///
    /// - Throws: `.notAuthentic` for every reason alike; nothing of the plaintext is released then.
    package func open(_ sealed: UnsafeRawBufferPointer, associatedData: [UInt8]) throws(CryptoError) -> [UInt8] {
        let count = sealed.count - Self.overhead
        guard count >= 0 else { throw .notAuthentic }
        var authentic = false
        let plaintext = [UInt8](unsafeUninitializedCapacity: count) { output, initialized in
            let bytes = sealed.bindMemory(to: UInt8.self).baseAddress!
            let text = bytes + Self.nonceCount
            var written: Int32 = 0
            var empty: UInt8 = 0
            authentic =
                withUnsafeMutablePointer(to: &empty) { empty in
                    let target = output.baseAddress ?? empty
                    return EVP_DecryptInit_ex2(opening, nil, nil, bytes, nil) == 1
                        && EVP_DecryptUpdate(opening, nil, &written, associatedData, Int32(associatedData.count)) == 1
                        && EVP_DecryptUpdate(opening, target, &written, text, Int32(count)) == 1
                        && EVP_CIPHER_CTX_ctrl(
                            opening, EVP_CTRL_AEAD_SET_TAG, Int32(Self.tagCount),
                            UnsafeMutablePointer(mutating: text + count)) == 1
                        && EVP_DecryptFinal_ex(opening, target + count, &written) == 1
                }
            if !authentic { output.baseAddress?.update(repeating: 0, count: count) }
            initialized = authentic ? count : 0
        }
        guard authentic else { throw .notAuthentic }
        return plaintext
    }
}

/// Random bytes drawn from the engine in blocks, since one call to the generator costs as much as sealing a record.
/// Belongs to one thread. Bytes that were handed out are zeroed here.
package final class RandomPool {
    private let engine: CryptoEngine
    private var block: [UInt8] = []
    private var used = 0

    package init(_ engine: CryptoEngine) { self.engine = engine }

    package func append(_ count: Int, to output: inout [UInt8]) {
        if used + count > block.count { refill(atLeast: count) }
        for index in used..<(used + count) {
            output.append(block[index])
            block[index] = 0
        }
        used += count
    }

    package func bytes(_ count: Int) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(count)
        append(count, to: &bytes)
        return bytes
    }

    private func refill(atLeast count: Int) {
        do {
            block = try engine.random(count: max(4_096, count))
            used = 0
        } catch {
            // A process whose generator has failed must not go on: any value it would use instead is a broken nonce or key.
            fatalError("the random number generator failed")
        }
    }
}
