internal import COpenSSL
package import Cryptography
package import Domain
import Synchronization

/// An RSA, EC or Ed25519 key of libcrypto, private or public.
package final class AsymmetricKey: CryptoKey, @unchecked Sendable {
    // Unchecked: an EVP_PKEY that nobody changes is safe to share; libcrypto zeroes it when the last reference goes.
    let pointer: OpaquePointer
    let specification: KeySpecification
    private let engine: CryptoEngine
    private let hashes: HashTable
    /// Set up for a signature and not in use. Making one and setting it up takes some 30,000 instructions.
    private let signers = Mutex<[Signer]>([])

    private struct Signer: @unchecked Sendable {
        // Unchecked: used by whoever took it out of the list.
        let algorithm: KeyAlgorithm
        let context: OpaquePointer
    }

    init(
        adopting pointer: OpaquePointer, _ specification: KeySpecification, _ engine: CryptoEngine, _ hashes: HashTable
    ) {
        (self.pointer, self.specification, self.engine, self.hashes) = (pointer, specification, engine, hashes)
    }

    deinit {
        signers.withLock { signers in for signer in signers { EVP_PKEY_CTX_free(signer.context) } }
        EVP_PKEY_free(pointer)
    }

    // MARK: Signatures

    package func sign(_ digest: [UInt8], _ algorithm: KeyAlgorithm) throws(CryptoError) -> [UInt8] {
        if case .edDSA = algorithm { return try signMessage(digest) }
        let signer = try signer(algorithm)
        // The most that a signature of this key takes.
        var count = Int(EVP_PKEY_get_size(pointer))
        var signature = [UInt8](repeating: 0, count: count)
        guard EVP_PKEY_sign(signer.context, &signature, &count, digest, digest.count) == 1 else {
            EVP_PKEY_CTX_free(signer.context)
            throw failure("signature")
        }
        signers.withLock { $0.append(signer) }
        signature.removeLast(signature.count - count)
        if case .ecdsa(let curve) = algorithm { return try Self.raw(signature, curve) }
        return signature
    }

    private func signer(_ algorithm: KeyAlgorithm) throws(CryptoError) -> Signer {
        let idle = signers.withLock { signers in
            signers.lastIndex { $0.algorithm == algorithm }.map { signers.remove(at: $0) }
        }
        if let idle { return idle }
        let context = try context()
        do throws(CryptoError) {
            guard EVP_PKEY_sign_init(context) == 1 else { throw failure("signature") }
            try configure(context, algorithm)
        } catch {
            EVP_PKEY_CTX_free(context)
            throw error
        }
        return Signer(algorithm: algorithm, context: context)
    }

    package func verify(_ digest: [UInt8], signature: [UInt8], _ algorithm: KeyAlgorithm) throws(CryptoError) -> Bool {
        defer { ERR_clear_error() }
        if case .edDSA = algorithm { return try verifyMessage(digest, signature) }
        // RFC 8017 §8.1.2, §8.2.2: as long as the modulus, while libcrypto lets leading zeros be left out.
        if case .rsa = specification, signature.count != Int(EVP_PKEY_get_size(pointer)) { return false }
        var encoded = signature
        if case .ecdsa(let curve) = algorithm {
            guard let der = try Self.der(signature, curve) else { return false }
            encoded = der
        }
        let context = try context()
        defer { EVP_PKEY_CTX_free(context) }
        guard EVP_PKEY_verify_init(context) == 1 else { throw .failed("verification") }
        try configure(context, algorithm)
        return EVP_PKEY_verify(context, encoded, encoded.count, digest, digest.count) == 1
    }

    private func configure(_ context: OpaquePointer, _ algorithm: KeyAlgorithm) throws(CryptoError) {
        let done: Bool
        switch algorithm {
        case .rsaPKCS1(let hash):
            done =
                EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PADDING) == 1
                && EVP_PKEY_CTX_set_signature_md(context, hashes[hash]) == 1
        case .rsaPSS(let hash):
            done =
                EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PSS_PADDING) == 1
                && EVP_PKEY_CTX_set_signature_md(context, hashes[hash]) == 1
                && EVP_PKEY_CTX_set_rsa_mgf1_md(context, hashes[hash]) == 1
                && EVP_PKEY_CTX_set_rsa_pss_saltlen(context, Int32(hash.byteCount)) == 1
        case .rsNull:
            done = EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PADDING) == 1
        case .ecdsa:
            done = true
        default:
            throw .unavailable(algorithm.text)
        }
        guard done else { throw failure("algorithm") }
    }

    private func signMessage(_ message: [UInt8]) throws(CryptoError) -> [UInt8] {
        guard let context = EVP_MD_CTX_new() else { throw .failed("signature") }
        defer { EVP_MD_CTX_free(context) }
        var signature = [UInt8](repeating: 0, count: 64)
        var count = 64
        guard EVP_DigestSignInit_ex(context, nil, nil, engine.context, nil, pointer, nil) == 1,
            EVP_DigestSign(context, &signature, &count, message, message.count) == 1
        else { throw failure("signature") }
        return signature
    }

    private func verifyMessage(_ message: [UInt8], _ signature: [UInt8]) throws(CryptoError) -> Bool {
        guard let context = EVP_MD_CTX_new() else { throw .failed("verification") }
        defer { EVP_MD_CTX_free(context) }
        guard EVP_DigestVerifyInit_ex(context, nil, nil, engine.context, nil, pointer, nil) == 1 else {
            throw failure("verification")
        }
        return EVP_DigestVerify(context, signature, signature.count, message, message.count) == 1
    }

    /// `r` and `s` side by side out of DER.
    private static func raw(_ der: [UInt8], _ curve: EllipticCurve) throws(CryptoError) -> [UInt8] {
        let size = curve.byteCount
        let parsed: OpaquePointer? = der.withUnsafeBufferPointer { bytes in
            var start = bytes.baseAddress
            return d2i_ECDSA_SIG(nil, &start, bytes.count)
        }
        guard let parsed else { throw .failed("signature") }
        defer { ECDSA_SIG_free(parsed) }
        var bytes = [UInt8](repeating: 0, count: 2 * size)
        let done = bytes.withUnsafeMutableBufferPointer { output in
            BN_bn2binpad(ECDSA_SIG_get0_r(parsed), output.baseAddress, Int32(size)) == Int32(size)
                && BN_bn2binpad(ECDSA_SIG_get0_s(parsed), output.baseAddress! + size, Int32(size)) == Int32(size)
        }
        guard done else { throw .failed("signature") }
        return bytes
    }

    /// Nil when the length is not that of the curve.
    private static func der(_ raw: [UInt8], _ curve: EllipticCurve) throws(CryptoError) -> [UInt8]? {
        let size = curve.byteCount
        guard raw.count == 2 * size else { return nil }
        guard let signature = ECDSA_SIG_new() else { throw .failed("signature") }
        defer { ECDSA_SIG_free(signature) }
        guard let r = BN_bin2bn(raw, Int32(size), nil), let s = BN_bin2bn(Array(raw[size...]), Int32(size), nil),
            ECDSA_SIG_set0(signature, r, s) == 1
        else { throw .failed("signature") }
        var start: UnsafeMutablePointer<UInt8>?
        let count = i2d_ECDSA_SIG(signature, &start)
        guard count > 0, let start else { throw .failed("signature") }
        defer { strongroom_free(start) }
        return Array(UnsafeBufferPointer(start: start, count: Int(count)))
    }

    // MARK: Encryption

    package func encrypt(_ text: [UInt8], _ algorithm: KeyAlgorithm, _ parameters: inout CipherParameters)
        throws(CryptoError) -> [UInt8]
    {
        let context = try context()
        defer { EVP_PKEY_CTX_free(context) }
        guard EVP_PKEY_encrypt_init(context) == 1 else { throw .failed("encryption") }
        try configurePadding(context, algorithm)
        var count = 0
        guard EVP_PKEY_encrypt(context, nil, &count, text, text.count) == 1 else { throw failure("encryption") }
        var result = [UInt8](repeating: 0, count: count)
        guard EVP_PKEY_encrypt(context, &result, &count, text, text.count) == 1 else { throw failure("encryption") }
        return result
    }

    package func decrypt(_ text: [UInt8], _ algorithm: KeyAlgorithm, _ parameters: CipherParameters) throws(CryptoError)
        -> SensitiveBytes
    {
        guard text.count == Int(EVP_PKEY_get_size(pointer)) else { throw .notAuthentic }
        let context = try context()
        defer { EVP_PKEY_CTX_free(context) }
        guard EVP_PKEY_decrypt_init(context) == 1 else { throw .failed("decryption") }
        try configurePadding(context, algorithm)
        var count = text.count
        var opened = false
        let buffer = SensitiveBytes(count: count) { output in
            opened =
                EVP_PKEY_decrypt(
                    context, output.bindMemory(to: UInt8.self).baseAddress, &count, text, text.count) == 1
        }
        ERR_clear_error()
        guard opened else { throw .notAuthentic }
        return buffer.withUnsafeBytes { SensitiveBytes($0[0..<count]) }
    }

    private func configurePadding(_ context: OpaquePointer, _ algorithm: KeyAlgorithm) throws(CryptoError) {
        switch algorithm {
        case .rsa15:
            guard EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PADDING) == 1 else { throw failure("padding") }
            strongroom_no_implicit_rejection(context)
            ERR_clear_error()
        case .rsaOAEP(let hash):
            guard EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_OAEP_PADDING) == 1,
                EVP_PKEY_CTX_set_rsa_oaep_md(context, hashes[hash]) == 1,
                EVP_PKEY_CTX_set_rsa_mgf1_md(context, hashes[hash]) == 1
            else { throw failure("padding") }
        default:
            throw .unavailable(algorithm.text)
        }
    }

    // MARK: Parts

    private func context() throws(CryptoError) -> OpaquePointer {
        guard let context = EVP_PKEY_CTX_new_from_pkey(engine.context, pointer, nil) else { throw failure("context") }
        return context
    }

    private func failure(_ what: String) -> CryptoError {
        ERR_clear_error()
        return .failed(what)
    }

    func publicKey() throws(CryptoError) -> PublicKey {
        switch specification {
        case .rsa:
            return .rsa(n: try number(OSSL_PKEY_PARAM_RSA_N, nil), e: try number(OSSL_PKEY_PARAM_RSA_E, nil))
        case .ec(let curve):
            return .ec(
                curve, x: try number(OSSL_PKEY_PARAM_EC_PUB_X, curve.byteCount),
                y: try number(OSSL_PKEY_PARAM_EC_PUB_Y, curve.byteCount))
        case .ed25519:
            var bytes = [UInt8](repeating: 0, count: 32)
            var count = 32
            guard EVP_PKEY_get_raw_public_key(pointer, &bytes, &count) == 1, count == 32 else {
                throw failure("public key")
            }
            return .ed25519(x: bytes)
        case .oct: throw .failed("public key")
        }
    }

    private func number(_ name: String, _ size: Int?) throws(CryptoError) -> [UInt8] {
        var number: OpaquePointer?
        guard EVP_PKEY_get_bn_param(pointer, name, &number) == 1, let number else { throw failure("public key") }
        defer { BN_free(number) }
        let count = size ?? Int((BN_num_bits(number) + 7) / 8)
        var bytes = [UInt8](repeating: 0, count: count)
        guard BN_bn2binpad(number, &bytes, Int32(count)) == Int32(count) else { throw failure("public key") }
        return bytes
    }
}

/// The hash functions, fetched once.
final class HashTable: @unchecked Sendable {
    // Unchecked: fetched algorithms are safe to share.
    private let pointers: [OpaquePointer]

    init(_ engine: CryptoEngine) throws(CryptoError) {
        var pointers: [OpaquePointer] = []
        for (hash, name) in [
            (HashFunction.sha1, "SHA1"), (.sha256, "SHA256"), (.sha384, "SHA384"), (.sha512, "SHA512"),
        ] {
            guard let pointer = EVP_MD_fetch(engine.context, name, nil) else { throw .unavailable(name) }
            precondition(Int(hash.rawValue) == pointers.count)
            pointers.append(pointer)
        }
        self.pointers = pointers
    }

    deinit { for pointer in pointers { EVP_MD_free(pointer) } }

    subscript(_ hash: HashFunction) -> OpaquePointer { pointers[Int(hash.rawValue)] }
}
