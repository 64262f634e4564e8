package import Access
package import Cryptography
package import Domain
package import Keys
package import Management
package import Operations
package import ProviderOpenSSL
package import Threads

/// Managed HSM pools as a whole, on their own hosts: the security domain that activates them and is
/// needed to recover them, backup and restore.
package struct Pools: Sendable {
    let vaults: VaultTable
    let engine: CryptoEngine
    let software: OpenSSLProvider
    let slow: WorkPool
    let access: AccessControl
    let keys: PoolKeys
    let places: BackupPlaces
    let exchange: Exchange
    /// Removes objects from the hardware security module.
    let removeObjects: @Sendable (Set<[UInt8]>) throws(VaultError) -> Void
    let now: @Sendable () -> Timestamp

    /// One exchange with a storage over TLS. Its failure says in words what went wrong, without the address.
    package typealias Exchange = @Sendable (_ request: BlobRequest) async -> Result<BlobAnswer, VaultError>

    package init(
        vaults: VaultTable, engine: CryptoEngine, software: OpenSSLProvider, slow: WorkPool, access: AccessControl,
        keys: PoolKeys, places: BackupPlaces, exchange: @escaping Exchange,
        removeObjects: @escaping @Sendable (Set<[UInt8]>) throws(VaultError) -> Void,
        now: @escaping @Sendable () -> Timestamp
    ) {
        (self.vaults, self.engine, self.software, self.slow) = (vaults, engine, software, slow)
        (self.access, self.keys, self.places, self.exchange) = (access, keys, places, exchange)
        (self.removeObjects, self.now) = (removeObjects, now)
    }

    package var operations: [any AnyOperation] { securityDomainOperations + backupOperations }

    /// Runs what takes long on threads that may be held.
    ///
    /// - Throws: `.throttled` when too much is waiting, or what the work threw.
    func slowly<Value: Sendable>(_ call: Call, _ work: @escaping @Sendable () throws(VaultError) -> Value)
        async throws(VaultError) -> Value
    {
        try await call.slowly(on: slow, work)
    }
}
