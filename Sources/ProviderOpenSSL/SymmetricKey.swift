internal import COpenSSL
package import Cryptography
package import Domain

/// An AES key of libcrypto.
package final class SymmetricKey: CryptoKey {
    private let key: SensitiveBytes
    private let ciphers: CipherTable
    private let engine: CryptoEngine

    init(_ key: SensitiveBytes, _ engine: CryptoEngine, _ ciphers: CipherTable) {
        (self.key, self.engine, self.ciphers) = (key, engine, ciphers)
    }

    package func sign(_ digest: [UInt8], _ algorithm: KeyAlgorithm) throws(CryptoError) -> [UInt8] {
        guard case .hmac(let hash) = algorithm else { throw .unavailable(algorithm.text) }
        let name =
            switch hash {
            case .sha1: "SHA1"
            case .sha256: "SHA256"
            case .sha384: "SHA384"
            case .sha512: "SHA512"
            }
        var result = [UInt8](repeating: 0, count: hash.byteCount)
        var length = 0
        let done = key.withUnsafeBytes { key in
            EVP_Q_mac(
                engine.context, "HMAC", nil, name, nil, key.baseAddress, key.count, digest, digest.count, &result,
                result.count, &length)
        }
        guard done != nil, length == hash.byteCount else { throw .failed("HMAC") }
        return result
    }

    package func verify(_ digest: [UInt8], signature: [UInt8], _ algorithm: KeyAlgorithm) throws(CryptoError) -> Bool {
        constantTimeEqual(try sign(digest, algorithm), signature)
    }

    package func encrypt(_ text: [UInt8], _ algorithm: KeyAlgorithm, _ parameters: inout CipherParameters)
        throws(CryptoError) -> [UInt8]
    {
        if case .aesGCM = algorithm { parameters.iv = try engine.random(count: 12) }
        var tag = [UInt8](repeating: 0, count: 16)
        let sealed = try run(algorithm, isEncrypting: true, text, parameters, tag: &tag)
        guard let sealed else { throw .failed("encryption") }
        if case .aesGCM = algorithm { parameters.tag = tag }
        return sealed.withUnsafeBytes { Array($0) }
    }

    package func decrypt(_ text: [UInt8], _ algorithm: KeyAlgorithm, _ parameters: CipherParameters) throws(CryptoError)
        -> SensitiveBytes
    {
        if case .aesCBCPad = algorithm { return try unpad(text, algorithm, parameters) }
        switch algorithm {
        case .aesKW, .ckmAESKeyWrap, .ckmAESKeyWrapPad: guard text.count >= 16 else { throw .notAuthentic }
        default: break
        }
        var tag = parameters.tag
        let opened = try run(algorithm, isEncrypting: false, text, parameters, tag: &tag)
        guard let opened else { throw .notAuthentic }
        return opened
    }

    /// Decrypts without padding and takes the padding off in time that does not depend on it.
    private func unpad(_ text: [UInt8], _ algorithm: KeyAlgorithm, _ parameters: CipherParameters) throws(CryptoError)
        -> SensitiveBytes
    {
        guard case .aesCBCPad(let bits) = algorithm, text.count >= 16, text.count.isMultiple(of: 16) else {
            throw .notAuthentic
        }
        var tag: [UInt8] = []
        let padded = try run(.aesCBC(bits: bits), isEncrypting: false, text, parameters, tag: &tag)
        guard let padded, let count = padded.withUnsafeBytes({ Unpadding.pkcs7($0) }) else { throw .notAuthentic }
        return padded.withUnsafeBytes { SensitiveBytes($0[0..<count]) }
    }

    /// - Returns: nil when libcrypto refuses, for whatever reason.
    private func run(
        _ algorithm: KeyAlgorithm, isEncrypting: Bool, _ text: [UInt8], _ parameters: CipherParameters,
        tag: inout [UInt8]
    ) throws(CryptoError) -> SensitiveBytes? {
        guard let cipher = ciphers.cipher(algorithm, keyBits: key.count * 8) else {
            throw .unavailable(algorithm.text)
        }
        guard let context = EVP_CIPHER_CTX_new() else { throw .failed("cipher") }
        defer {
            EVP_CIPHER_CTX_free(context)
            ERR_clear_error()
        }
        let isWrap: Bool
        let isGCM: Bool
        switch algorithm {
        case .aesKW, .ckmAESKeyWrap, .ckmAESKeyWrapPad: (isWrap, isGCM) = (true, false)
        case .aesGCM: (isWrap, isGCM) = (false, true)
        default: (isWrap, isGCM) = (false, false)
        }
        if isWrap { _ = strongroom_cipher_allow_wrap(context) }
        let iv = parameters.iv.isEmpty ? nil : parameters.iv
        let ready = key.withUnsafeBytes { key in
            EVP_CipherInit_ex2(
                context, cipher, key.bindMemory(to: UInt8.self).baseAddress, iv, isEncrypting ? 1 : 0, nil)
        }
        guard ready == 1 else { return nil }
        if case .aesCBC = algorithm { EVP_CIPHER_CTX_set_padding(context, 0) }
        var count: Int32 = 0
        if isGCM {
            let data = parameters.associatedData
            guard data.isEmpty || EVP_CipherUpdate(context, nil, &count, data, Int32(data.count)) == 1 else {
                return nil
            }
            if !isEncrypting {
                guard tag.count == 16, EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, 16, &tag) == 1 else {
                    return nil
                }
            }
        }
        var total = 0
        var good = false
        // Key wrap grows by a block, padding by up to two.
        let buffer = SensitiveBytes(count: text.count + 32) { output in
            let start = output.bindMemory(to: UInt8.self).baseAddress!
            guard text.isEmpty || EVP_CipherUpdate(context, start, &count, text, Int32(text.count)) == 1 else { return }
            total = text.isEmpty ? 0 : Int(count)
            guard EVP_CipherFinal_ex(context, start + total, &count) == 1 else { return }
            total += Int(count)
            good = true
        }
        guard good else { return nil }
        if isGCM, isEncrypting, EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, 16, &tag) != 1 { return nil }
        return buffer.withUnsafeBytes { SensitiveBytes($0[0..<total]) }
    }
}

/// The ciphers, fetched once.
final class CipherTable: @unchecked Sendable {
    // Unchecked: fetched algorithms are safe to share.
    private var pointers: [String: OpaquePointer] = [:]

    init(_ engine: CryptoEngine) {
        for bits in KeySpecification.octSizes {
            for kind in ["GCM", "CBC", "WRAP", "WRAP-PAD"] {
                let name = "AES-\(bits)-\(kind)"
                pointers[name] = EVP_CIPHER_fetch(engine.context, name, nil)
            }
        }
        ERR_clear_error()
    }

    deinit { for pointer in pointers.values { EVP_CIPHER_free(pointer) } }

    /// Nil when libcrypto does not have it.
    func cipher(_ algorithm: KeyAlgorithm, keyBits: Int) -> OpaquePointer? {
        switch algorithm {
        case .aesGCM: pointers["AES-\(keyBits)-GCM"]
        case .aesCBC, .aesCBCPad: pointers["AES-\(keyBits)-CBC"]
        case .aesKW, .ckmAESKeyWrap: pointers["AES-\(keyBits)-WRAP"]
        case .ckmAESKeyWrapPad: pointers["AES-\(keyBits)-WRAP-PAD"]
        default: nil
        }
    }
}
