import Barrier
import Cryptography
package import Domain
import Objects
import Operations
import Synchronization

/// The key-encryption key of the running server; replaced when it moves.
package final class KEKHolder: Sendable {
    private let key: Mutex<SensitiveBytes>

    package init(_ key: SensitiveBytes) { self.key = Mutex(key) }

    package var current: SensitiveBytes { key.withLock { $0 } }

    func replace(_ new: SensitiveBytes) { key.withLock { $0 = new } }
}

/// Where the key-encryption key comes from at the next start: a passphrase, or the hardware security module.
extension Management {
    struct MoveInput: OperationInput {
        enum Target: Sendable {
            case token
            case passphrase(SensitiveBytes)
        }

        let target: Target

        init(_ request: Request) throws(VaultError) {
            struct Body: Decodable {
                let to: String
                let passphrase: String?
            }
            let body = try Body.fromJSON(request.body)
            switch (body.to, body.passphrase) {
            case ("hsm", nil): target = .token
            case ("passphrase", let text?):
                guard (12...1_024).contains(text.utf8.count) else {
                    throw .invalid("passphrase", "it must be 12 to 1024 bytes")
                }
                target = .passphrase(SensitiveBytes(text.utf8))
            case ("passphrase", nil): throw .badParameter("The request body lacks the member 'passphrase'.")
            case ("hsm", _): throw .invalid("passphrase", "a move to the module takes none")
            default: throw .invalid("to", "it is not one of hsm and passphrase")
            }
        }
    }

    struct MoveOutput: OperationOutput {
        let target: String

        func response(_ call: Call) -> Response { .json { $0.member("unsealedBy", target) } }
    }

    /// Puts the root key under a new key-encryption key while serving; the old one opens nothing any more.
    func moveBarrier(_ input: MoveInput, _ call: Call) async throws(VaultError) -> MoveOutput {
        let engine = engine
        let (key, source, name) = try await newKey(input.target, call)
        let old = kek.current
        try await call.commit { transaction throws(VaultError) in
            try Barrier.move(from: old, to: key, source: source, engine: engine, in: transaction)
        }
        kek.replace(key)
        return MoveOutput(target: name)
    }

    private func newKey(_ target: MoveInput.Target, _ call: Call) async throws(VaultError)
        -> (SensitiveBytes, Barrier.KEKSource, String)
    {
        let (engine, sealByToken) = (engine, sealByToken)
        return try await slowly(call) { () throws(VaultError) in
            do throws(CryptoError) {
                switch target {
                case .token:
                    guard let sealByToken else {
                        throw CryptoError.absent("this server has no hardware security module")
                    }
                    let key = try engine.randomKey(count: 32)
                    return (key, .token(wrapped: try sealByToken(key)), "hsm")
                case .passphrase(let passphrase):
                    let salt = try engine.random(count: 16)
                    let key = try engine.scrypt(passphrase, salt: salt, cost: .passphrase)
                    return (key, .passphrase(salt: salt, cost: .passphrase), "passphrase")
                }
            } catch {
                guard case .absent(let what) = error else { throw .internal("a key could not be made") }
                throw .unavailable("The hardware security module does not answer, or there is none.", cause: what)
            }
        }
    }
}
