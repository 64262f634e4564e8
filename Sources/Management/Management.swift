package import Access
package import Audit
package import Barrier
package import Cryptography
package import Domain
package import Identity
package import Objects
package import Operations
package import Threads

/// The management plane on the `management.` host: role assignments in the form of Azure Resource Manager, and the server's own
/// affairs under `/strongroom`.
package struct Management: Sendable {
    let authority: Authority
    let subscription: GUID
    let access: AccessControl
    let directory: Directory
    let keyring: Keyring
    let backupKeys: BackupKeys
    let engine: CryptoEngine
    let pool: WorkPool
    let passwords: PasswordWork
    let vaults: VaultTable
    let resourceGroups: ResourceGroupTable
    let hardware: Hardware
    /// Network rules may name addresses for private use.
    let allowsPrivateAddresses: Bool
    /// The names of the listeners that are private endpoints.
    let endpoints: Set<String>
    /// Signs the names of operations that go on after their answer.
    let operationKey: SensitiveBytes
    let audit: AuditAccess
    let catalog: CatalogBox
    let kek: KEKHolder
    /// Wraps a key by the hardware security module; nil without one.
    let sealByToken: (@Sendable (SensitiveBytes) throws(CryptoError) -> [UInt8])?

    /// The hardware security module, as far as managing vaults and pools has to do with it.
    package struct Hardware: Sendable {
        /// Why no keys can be kept in it now; nil when they can.
        let flaw: @Sendable () -> String?
        /// What a vault that is purged leaves in it.
        let versions: @Sendable (Vault, any RecordReader) throws(VaultError) -> [[UInt8]]
        let remove: @Sendable (Set<[UInt8]>) throws(VaultError) -> Void

        package init(
            flaw: @escaping @Sendable () -> String?,
            versions: @escaping @Sendable (Vault, any RecordReader) throws(VaultError) -> [[UInt8]],
            remove: @escaping @Sendable (Set<[UInt8]>) throws(VaultError) -> Void
        ) {
            (self.flaw, self.versions, self.remove) = (flaw, versions, remove)
        }
    }

    /// How the log is read while the server runs.
    package struct AuditAccess: Sendable {
        let makeReader: @Sendable () throws(VaultError) -> BarrierReader
        let witnessed: @Sendable () throws(VaultError) -> [Checkpoint]
        let publicKey: [UInt8]

        package init(
            makeReader: @escaping @Sendable () throws(VaultError) -> BarrierReader,
            witnessed: @escaping @Sendable () throws(VaultError) -> [Checkpoint], publicKey: [UInt8]
        ) {
            (self.makeReader, self.witnessed, self.publicKey) = (makeReader, witnessed, publicKey)
        }
    }

    package init(
        authority: Authority, subscription: GUID, access: AccessControl, directory: Directory, keyring: Keyring,
        backupKeys: BackupKeys, engine: CryptoEngine, pool: WorkPool, vaults: VaultTable,
        resourceGroups: ResourceGroupTable, hardware: Hardware, allowsPrivateAddresses: Bool, endpoints: Set<String>,
        operationKey: SensitiveBytes, audit: AuditAccess, catalog: CatalogBox,
        kek: SensitiveBytes, sealByToken: (@Sendable (SensitiveBytes) throws(CryptoError) -> [UInt8])? = nil
    ) {
        self.authority = authority
        self.subscription = subscription
        self.access = access
        self.directory = directory
        self.keyring = keyring
        self.backupKeys = backupKeys
        self.engine = engine
        self.pool = pool
        passwords = PasswordWork(engine: engine, pool: pool)
        self.vaults = vaults
        self.resourceGroups = resourceGroups
        self.hardware = hardware
        self.allowsPrivateAddresses = allowsPrivateAddresses
        self.endpoints = endpoints
        self.operationKey = operationKey
        self.audit = audit
        self.catalog = catalog
        self.kek = KEKHolder(kek)
        self.sealByToken = sealByToken
    }

    package var operations: [any AnyOperation] {
        resourceOperations + resourceGroupOperations + vaultOperations + vaultLifecycleOperations
            + poolOperations + deletedVaultOperations + operationResultOperations + privateEndpointOperations
            + poolSettingsOperations
            + roleAssignmentOperations + roleDefinitionOperations
            + poolRoleOperations
            + applicationOperations + userOperations + mfaDemandOperations + explainOperations + diagnosticOperations
            + policyOperations
            + auditOperations + keyOperations
    }

    /// Runs work that takes long on the pool.
    ///
    /// - Throws: `.throttled` when too much is waiting, or what the work threw.
    func slowly<Value: Sendable>(_ call: Call, _ work: @escaping @Sendable () throws(VaultError) -> Value)
        async throws(VaultError) -> Value
    {
        try await call.slowly(on: pool, work)
    }
}
