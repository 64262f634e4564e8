internal import CPKCS11
package import Cryptography
package import Domain
import Synchronization

/// The token's own AES-256 key that wraps what leaves the token: keys for backup, and the server's key-encryption key. Shared by all
/// servers that use the token; made when there is none; never to be read or extracted.
package final class WrappingKey: Sendable {
    package static let label = "strongroom-wrapping-key"

    private let token: Token
    private let known = Mutex<(generation: UInt64, object: UInt)?>(nil)

    static let mechanism = CK_MECHANISM_TYPE(CKM_AES_KEY_WRAP_PAD)

    package init(_ token: Token) { self.token = token }

    func handle(in session: Token.Session) throws(TokenFailure) -> CK_OBJECT_HANDLE {
        if let known = known.withLock({ $0 }), known.generation == session.generation {
            return CK_OBJECT_HANDLE(known.object)
        }
        let object: CK_OBJECT_HANDLE
        if let found = try find(in: session) { object = found } else { object = try make(in: session) }
        known.withLock { $0 = (session.generation, UInt(object)) }
        return object
    }

    private func find(in session: Token.Session) throws(TokenFailure) -> CK_OBJECT_HANDLE? {
        let template = Template().number(CK_ATTRIBUTE_TYPE(CKA_CLASS), Object.secretKey)
            .text(CK_ATTRIBUTE_TYPE(CKA_LABEL), Self.label).flag(CK_ATTRIBUTE_TYPE(CKA_TOKEN), true)
        return try Objects.find(template, in: session, limit: 1).first
    }

    private func make(in session: Token.Session) throws(TokenFailure) -> CK_OBJECT_HANDLE {
        var mechanism = CK_MECHANISM(
            mechanism: CK_MECHANISM_TYPE(CKM_AES_KEY_GEN), pParameter: nil, ulParameterLen: 0)
        let template = Templates.wrappingKey(label: Self.label)
        var attributes = template.attributes
        var handle: CK_OBJECT_HANDLE = 0
        try check(
            session.list.C_GenerateKey(session.handle, &mechanism, &attributes, CK_ULONG(attributes.count), &handle))
        return handle
    }

    /// Wraps a secret of the server's, a multiple of 8 bytes.
    package func seal(_ secret: SensitiveBytes) throws(CryptoError) -> [UInt8] {
        try token.withSession { session throws(TokenFailure) in
            let key = try handle(in: session)
            let template = Templates.transientSecret()
            secret.withUnsafeBytes { _ = template.bytes(CK_ATTRIBUTE_TYPE(CKA_VALUE), $0) }
            let target = try Objects.create(template, in: session.handle, session.list)
            defer { Objects.destroy(target, in: session) }
            return try Objects.wrap(target, by: key, Self.mechanism, in: session)
        }
    }

    /// - Throws: `.notAuthentic` when another token's key wrapped it.
    package func open(_ wrapped: [UInt8]) throws(CryptoError) -> SensitiveBytes {
        do throws(CryptoError) {
            return try token.withSession { session throws(TokenFailure) in
                let key = try handle(in: session)
                let target = try Objects.unwrap(
                    wrapped, by: key, Self.mechanism, Templates.transientSecret(), in: session.handle, session.list)
                defer { Objects.destroy(target, in: session) }
                return try Objects.readSecret(of: target, in: session)
            }
        } catch {
            if case .failed = error { throw .notAuthentic }
            throw error
        }
    }
}
