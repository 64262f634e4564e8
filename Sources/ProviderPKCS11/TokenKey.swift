internal import CPKCS11
package import Cryptography
package import Domain
import ProviderOpenSSL
import Synchronization

/// A key inside a token. Its handle is looked up again after the token was lost.
package final class TokenKey: CryptoKey {
    private let provider: PKCS11Provider
    private let material: KeyMaterial
    private let id: [UInt8]

    private struct Handle {
        let generation: UInt64
        let object: CK_OBJECT_HANDLE
    }

    private let handle = Mutex<Handle?>(nil)
    /// A symmetric key as the module wants it for HMAC: of another type.
    private let secret = Mutex<Handle?>(nil)

    init(_ provider: PKCS11Provider, _ material: KeyMaterial, _ id: [UInt8]) {
        (self.provider, self.material, self.id) = (provider, material, id)
    }

    private func object(in session: Token.Session) throws(TokenFailure) -> CK_OBJECT_HANDLE {
        if let known = handle.withLock({ $0 }), known.generation == session.generation { return known.object }
        let object = try provider.object(of: material, id: id, in: session)
        handle.withLock { $0 = Handle(generation: session.generation, object: object) }
        return object
    }

    private func secretObject(in session: Token.Session) throws(TokenFailure) -> CK_OBJECT_HANDLE {
        if let known = secret.withLock({ $0 }), known.generation == session.generation { return known.object }
        let object = try provider.genericSecret(of: material, in: session)
        secret.withLock { $0 = Handle(generation: session.generation, object: object) }
        return object
    }

    // MARK: Signatures

    package func sign(_ digest: [UInt8], _ algorithm: KeyAlgorithm) throws(CryptoError) -> [UInt8] {
        try provider.token.withSession { session throws(TokenFailure) in
            let isHMAC: Bool = if case .hmac = algorithm { true } else { false }
            let key = isHMAC ? try secretObject(in: session) : try object(in: session)
            return try Mechanisms.signing(algorithm) { mechanism, prefix throws(TokenFailure) in
                try Crypt.run(
                    session.list.C_SignInit, session.list.C_Sign, &mechanism, key, prefix + digest, room: 1_024,
                    in: session)
            }
        }.withUnsafeBytes { Array($0) }
    }

    package func verify(_ digest: [UInt8], signature: [UInt8], _ algorithm: KeyAlgorithm) throws(CryptoError) -> Bool {
        if case .hmac = algorithm { return constantTimeEqual(try sign(digest, algorithm), signature) }
        return try provider.software.openPublic(material.publicKey).verify(digest, signature: signature, algorithm)
    }

    // MARK: Encryption

    package func encrypt(_ text: [UInt8], _ algorithm: KeyAlgorithm, _ parameters: inout CipherParameters)
        throws(CryptoError) -> [UInt8]
    {
        if material.specification.family != .oct {
            return try provider.software.openPublic(material.publicKey).encrypt(text, algorithm, &parameters)
        }
        switch algorithm {
        case .aesKW, .ckmAESKeyWrap, .ckmAESKeyWrapPad: return try wrap(text, algorithm)
        case .aesGCM: parameters.iv = try provider.nonce()
        default: break
        }
        let settings = parameters
        let sealed = try provider.token.withSession { session throws(TokenFailure) in
            let key = try object(in: session)
            return try Mechanisms.cipher(algorithm, settings) { mechanism throws(TokenFailure) in
                try Crypt.run(
                    session.list.C_EncryptInit, session.list.C_Encrypt, &mechanism, key, text, room: text.count + 32,
                    in: session)
            }
        }.withUnsafeBytes { Array($0) }
        guard case .aesGCM = algorithm else { return sealed }
        guard sealed.count == text.count + 16 else { throw .failed("AES-GCM") }
        parameters.tag = Array(sealed.suffix(16))
        return Array(sealed.dropLast(16))
    }

    package func decrypt(_ text: [UInt8], _ algorithm: KeyAlgorithm, _ parameters: CipherParameters) throws(CryptoError)
        -> SensitiveBytes
    {
        if case .rsa(let bits) = material.specification, text.count != bits / 8 { throw .notAuthentic }
        do throws(CryptoError) {
            switch algorithm {
            case .aesKW, .ckmAESKeyWrap, .ckmAESKeyWrapPad: return try unwrap(text, algorithm)
            case .aesGCM: return try run(text + parameters.tag, algorithm, parameters)
            case .aesCBCPad(let bits):
                let padded = try run(text, .aesCBC(bits: bits), parameters)
                guard padded.count > 0, let count = padded.withUnsafeBytes({ Unpadding.pkcs7($0) }) else {
                    throw .notAuthentic
                }
                return padded.withUnsafeBytes { SensitiveBytes($0[0..<count]) }
            case .rsaOAEP(.sha256) where !provider.probes.offersOAEP256: return try unpadOAEP(text, .sha256)
            default: return try run(text, algorithm, parameters)
            }
        } catch {
            // Modules have many words for input that is wrong. A token that is away is another matter.
            if case .failed = error { throw .notAuthentic }
            throw error
        }
    }

    private func run(_ text: [UInt8], _ algorithm: KeyAlgorithm, _ parameters: CipherParameters) throws(CryptoError)
        -> SensitiveBytes
    {
        try provider.token.withSession { session throws(TokenFailure) in
            let key = try object(in: session)
            return try Mechanisms.cipher(algorithm, parameters) { mechanism throws(TokenFailure) in
                try Crypt.run(
                    session.list.C_DecryptInit, session.list.C_Decrypt, &mechanism, key, text,
                    room: max(text.count, 16), in: session)
            }
        }
    }

    /// For a token without OAEP on this hash: the bare operation there, the padding here.
    private func unpadOAEP(_ text: [UInt8], _ hash: HashFunction) throws(CryptoError) -> SensitiveBytes {
        guard case .rsa(let bits) = material.specification, text.count == bits / 8 else { throw .notAuthentic }
        let raw = try provider.token.withSession { session throws(TokenFailure) in
            let key = try object(in: session)
            var mechanism = CK_MECHANISM(
                mechanism: CK_MECHANISM_TYPE(CKM_RSA_X_509), pParameter: nil, ulParameterLen: 0)
            return try Crypt.run(
                session.list.C_DecryptInit, session.list.C_Decrypt, &mechanism, key, text, room: text.count,
                in: session)
        }
        // Modules may drop leading zeros.
        let encoded = raw.withUnsafeBytes { bytes in
            SensitiveBytes([UInt8](repeating: 0, count: max(0, text.count - bytes.count)) + bytes)
        }
        let software = provider.software
        guard let opened = Unpadding.oaep(encoded, hash, { software.digest($1, $0) }) else { throw .notAuthentic }
        return opened
    }

    private func wrap(_ text: [UInt8], _ algorithm: KeyAlgorithm) throws(CryptoError) -> [UInt8] {
        try provider.token.withSession { session throws(TokenFailure) in
            let key = try object(in: session)
            if case .ckmAESKeyWrapPad = algorithm, !provider.probes.wrapsExactly {
                return try PaddedKeyWrap(session: session, key: key).wrap(text)
            }
            let template = Templates.transientSecret().bytes(CK_ATTRIBUTE_TYPE(CKA_VALUE), text)
            let target = try Objects.create(template, in: session.handle, session.list)
            defer { Objects.destroy(target, in: session) }
            return try Objects.wrap(target, by: key, Mechanisms.wrapping(algorithm), in: session)
        }
    }

    private func unwrap(_ text: [UInt8], _ algorithm: KeyAlgorithm) throws(CryptoError) -> SensitiveBytes {
        let opened = try provider.token.withSession { session throws(TokenFailure) -> SensitiveBytes? in
            let key = try object(in: session)
            if case .ckmAESKeyWrapPad = algorithm, !provider.probes.wrapsExactly {
                return try PaddedKeyWrap(session: session, key: key).unwrap(text)
            }
            let target = try Objects.unwrap(
                text, by: key, Mechanisms.wrapping(algorithm), Templates.transientSecret(), in: session.handle,
                session.list)
            defer { Objects.destroy(target, in: session) }
            return try Objects.readSecret(of: target, in: session)
        }
        guard let opened else { throw .notAuthentic }
        return opened
    }
}
