package import Cryptography
package import Domain
package import Threads

/// Makes passwords and hashes them, away from event loops.
package struct PasswordWork: Sendable {
    private let engine: CryptoEngine
    private let pool: WorkPool

    package init(engine: CryptoEngine, pool: WorkPool) { (self.engine, self.pool) = (engine, pool) }

    /// 120 random bits, as text.
    package func newPassword() throws(VaultError) -> SensitiveBytes {
        do throws(CryptoError) {
            let random = try engine.randomKey(count: 15)
            return SensitiveBytes(random.withUnsafeBytes { Base64.encodeURL($0) }.utf8)
        } catch { throw .internal("a password could not be made") }
    }

    package func newAuthenticator() throws(VaultError) -> Authenticator {
        do throws(CryptoError) {
            return Authenticator(secret: try engine.randomKey(count: TimedCode.secretLength))
        } catch { throw .internal("an authenticator could not be made") }
    }

    /// - Throws: `.badParameter` for a password that may not be chosen, `.throttled` when too many are waiting.
    package func hash(_ password: SensitiveBytes, for name: UserName, waker: any Waker) async throws(VaultError)
        -> PasswordHash
    {
        let flaw = password.withUnsafeBytes { PasswordHash.flaw(of: String(decoding: $0, as: UTF8.self), for: name) }
        if let flaw { throw .badParameter("The password does not do: \(flaw).") }
        let engine = engine
        let hashed = await pool.run(on: waker) {
            Result { () throws(CryptoError) in try PasswordHash(of: password, engine: engine) }
        }
        switch hashed {
        case nil: throw VaultError(.throttled, "Too many slow requests are waiting. Try again later.")
        case .success(let hash): return hash
        case .failure: throw .internal("a password could not be hashed")
        }
    }
}
