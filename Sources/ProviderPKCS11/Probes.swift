internal import CPKCS11
import Cryptography
import Domain

/// What a module can do beyond its list of mechanisms: found out by trying, once at start.
struct Probes: Sendable {
    /// OAEP with SHA-256. Without it the bare RSA operation is used, and the padding comes off here.
    let offersOAEP256: Bool
    /// CKM_AES_KEY_WRAP_PAD as RFC 5649 has it, also where the length is not a multiple of 8.
    let wrapsExactly: Bool
    /// Ed25519 keys can be wrapped for backup.
    let wrapsEdwards: Bool
    /// One AES operation takes less than 25 microseconds.
    let isQuick: Bool

    init(_ token: Token) throws(CryptoError) {
        offersOAEP256 = try token.withSession { session throws(TokenFailure) in try Self.oaep256(session) }
        wrapsExactly = try token.withSession { session throws(TokenFailure) in try Self.exactWrap(session) }
        isQuick = try token.withSession { session throws(TokenFailure) in try Self.quickCipher(session) }
        wrapsEdwards = try token.withSession { session throws(TokenFailure) in try Self.edwardsWrap(session) }
    }

    private static func pair(
        _ specification: KeySpecification, _ publicTemplate: Template, _ session: Token.Session
    ) -> (CK_OBJECT_HANDLE, CK_OBJECT_HANDLE)? {
        var mechanism = CK_MECHANISM(
            mechanism: Mechanisms.generation(specification), pParameter: nil, ulParameterLen: 0)
        let privateTemplate = Templates.newborn(specification, hasClass: false)
        var (publicPart, privatePart) = (publicTemplate.attributes, privateTemplate.attributes)
        var (publicKey, privateKey): (CK_OBJECT_HANDLE, CK_OBJECT_HANDLE) = (0, 0)
        let made = session.list.C_GenerateKeyPair(
            session.handle, &mechanism, &publicPart, CK_ULONG(publicPart.count), &privatePart,
            CK_ULONG(privatePart.count), &publicKey, &privateKey)
        return made == CKR_OK ? (publicKey, privateKey) : nil
    }

    private static func oaep256(_ session: Token.Session) throws(TokenFailure) -> Bool {
        let template = Template().number(CK_ATTRIBUTE_TYPE(CKA_MODULUS_BITS), 1_024)
            .bytes(CK_ATTRIBUTE_TYPE(CKA_PUBLIC_EXPONENT), [1, 0, 1]).flag(CK_ATTRIBUTE_TYPE(CKA_TOKEN), false)
        // Only a probe: a module that makes no such short key is asked nothing more, and gets the safe way.
        guard let (publicKey, privateKey) = pair(.rsa(bits: 1_024), template, session) else { return false }
        defer {
            Objects.destroy(publicKey, in: session)
            Objects.destroy(privateKey, in: session)
        }
        var accepted = false
        try Mechanisms.cipher(.rsaOAEP(.sha256), CipherParameters()) { mechanism throws(TokenFailure) in
            accepted = session.list.C_DecryptInit(session.handle, &mechanism, privateKey) == CKR_OK
            guard accepted else { return }
            // Ends the operation that was begun.
            var input = [UInt8](repeating: 1, count: 128)
            var output = [UInt8](repeating: 0, count: 128)
            var count: CK_ULONG = 128
            _ = session.list.C_Decrypt(session.handle, &input, 128, &output, &count)
        }
        return accepted
    }

    /// A known answer: nine bytes under a key of zeros.
    private static func exactWrap(_ session: Token.Session) throws(TokenFailure) -> Bool {
        let key = try Objects.create(
            Templates.transport(SensitiveBytes([UInt8](repeating: 0, count: 16))), in: session.handle, session.list)
        defer { Objects.destroy(key, in: session) }
        let template = Templates.transientSecret().bytes(CK_ATTRIBUTE_TYPE(CKA_VALUE), Array(0...8))
        let target = try Objects.create(template, in: session.handle, session.list)
        defer { Objects.destroy(target, in: session) }
        let wrapped = try? Objects.wrap(target, by: key, WrappingKey.mechanism, in: session)
        return wrapped == [
            0xC0, 0x6E, 0x21, 0x63, 0xE0, 0xCC, 0x84, 0x5B, 0x34, 0x8E, 0x01, 0x2A, 0xC9, 0x41, 0x3D, 0xEE, 0xE4, 0x0C,
            0x8C, 0x3B, 0x03, 0x0A, 0x36, 0x81,
        ]
    }

    private static func quickCipher(_ session: Token.Session) throws(TokenFailure) -> Bool {
        let template = Templates.transport(SensitiveBytes([UInt8](repeating: 0, count: 32)))
            .flag(CK_ATTRIBUTE_TYPE(CKA_ENCRYPT), true)
        let key = try Objects.create(template, in: session.handle, session.list)
        defer { Objects.destroy(key, in: session) }
        var times: [Duration] = []
        for _ in 0..<15 {
            let start = ContinuousClock.now
            let settings = CipherParameters(iv: [UInt8](repeating: 0, count: 12))
            _ = try Mechanisms.cipher(.aesGCM(bits: 256), settings) { mechanism throws(TokenFailure) in
                try Crypt.run(
                    session.list.C_EncryptInit, session.list.C_Encrypt, &mechanism, key,
                    [UInt8](repeating: 0, count: 64), room: 128, in: session)
            }
            times.append(.now - start)
        }
        return times.sorted()[7] < .microseconds(25)
    }

    private static func edwardsWrap(_ session: Token.Session) throws(TokenFailure) -> Bool {
        let template = Template().bytes(CK_ATTRIBUTE_TYPE(CKA_EC_PARAMS), edwards25519)
            .flag(CK_ATTRIBUTE_TYPE(CKA_TOKEN), false)
        guard let (publicKey, privateKey) = pair(.ed25519, template, session) else { return false }
        defer {
            Objects.destroy(publicKey, in: session)
            Objects.destroy(privateKey, in: session)
        }
        let key = try Objects.create(
            Templates.transport(SensitiveBytes([UInt8](repeating: 0, count: 32))), in: session.handle, session.list)
        defer { Objects.destroy(key, in: session) }
        return (try? Objects.wrap(privateKey, by: key, WrappingKey.mechanism, in: session)) != nil
    }
}
