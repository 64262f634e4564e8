import Barrier
import Cryptography
import Domain
package import Identity
package import Operations
import Threads

extension Login {
    /// The duty to make a successor for the key that signs tokens. The old key verifies on until its last token has expired.
    package static func rotationDuty(after key: SigningKey) -> Duty {
        Duty(
            due: key.created + SigningKeys.rotationInterval, id: "signing-key-rotate", operation: "SigningKeyRotate",
            vault: nil)
    }

    func rotateSigningKey(_ input: NoInput, _ call: Call) async throws(VaultError) -> NoContent {
        call.didSlowWork()
        let (engine, now) = (engine, call.now)
        let made = await pool.run(on: call.lane.waker) {
            Result { () throws(CryptoError) in try SigningKey.make(engine: engine, now: now) }
        }
        guard case .success(let next)? = made else { throw .internal("a signing key could not be made") }
        let all = keys.adding(next)
        try await call.commit { transaction throws(VaultError) in
            try SigningKeyTable.put(all, in: transaction)
            try Self.rotationDuty(after: next).schedule(in: transaction)
        }
        keys.publish(all)
        return NoContent()
    }
}
