package import Cryptography
import Domain
package import Management
package import Operations
package import ProviderOpenSSL
package import Threads

/// Managed HSM pools as a whole, on their own hosts: the security domain that activates them and is needed to recover them.
package struct Pools: Sendable {
    let vaults: VaultTable
    let engine: CryptoEngine
    let software: OpenSSLProvider
    let slow: WorkPool

    package init(vaults: VaultTable, engine: CryptoEngine, software: OpenSSLProvider, slow: WorkPool) {
        (self.vaults, self.engine, self.software, self.slow) = (vaults, engine, software, slow)
    }

    package var operations: [any AnyOperation] { securityDomainOperations }

    /// Runs what takes long on threads that may be held.
    ///
    /// - Throws: `.throttled` when too much is waiting, or what the work threw.
    func slowly<Value: Sendable>(_ call: Call, _ work: @escaping @Sendable () throws(VaultError) -> Value)
        async throws(VaultError) -> Value
    {
        call.didSlowWork()
        let result = await slow.run(on: call.lane.waker) { Result { () throws(VaultError) in try work() } }
        guard let result else { throw VaultError(.throttled, "Too many slow requests are waiting. Try again later.") }
        return try result.get()
    }
}
