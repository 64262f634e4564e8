import Audit
import Barrier
import Cryptography
package import Domain
import FoundationEssentials
import Identity
import Keys
import Login
import Management
import Objects
import Operations
import Threads

/// Who this server is: made at the first start, the same ever after.
package struct Instance: Sendable, Codable {
    var format = 1
    package let tenant: GUID
    package let subscription: GUID

    static let key = "instance"
}

/// Makes what a server needs and does not have yet. Every step is recorded, and safe to repeat after a crash in the middle.
struct Bootstrap {
    let configuration: HouseConfiguration
    let committer: Committer
    let reader: BarrierReader
    let engine: CryptoEngine
    let kek: SensitiveBytes
    let keyring: Keyring
    let random: RandomPool

    func instance() async throws -> Instance {
        if let bytes = try reader.record(at: Instance.key) {
            guard let instance = try? JSONDecoder().decode(Instance.self, from: Data(bytes)), instance.format == 1
            else {
                throw VaultError.integrity(record: Instance.key)
            }
            for (name, wanted, stored) in [
                ("tenant", configuration.tenant, instance.tenant),
                ("subscription", configuration.subscription, instance.subscription),
            ] where wanted != nil && wanted != stored {
                throw HouseError(
                    text: "the configuration's \(name) differs from the one this data folder was made with (\(stored))")
            }
            return instance
        }
        let instance = Instance(
            tenant: configuration.tenant ?? GUID(random: random.bytes(16)),
            subscription: configuration.subscription ?? GUID(random: random.bytes(16)))
        let bytes = Array(try JSONEncoder().encode(instance))
        let now = configuration.world.wall()
        try await commit("ServerInitialize", instance) { transaction throws(VaultError) in
            try transaction.put(bytes, at: Instance.key, in: .system)
            try Management.wearDuty(after: now).schedule(in: transaction)
        }
        return instance
    }

    func signingKeys() async throws -> SigningKeys {
        let stored = try SigningKeyTable.load(from: reader, engine: engine)
        guard stored.isEmpty else { return SigningKeys(stored) }
        let key = try SigningKey.make(engine: engine, now: configuration.world.wall())
        try await commit("SigningKeyCreate", nil) { transaction throws(VaultError) in
            try SigningKeyTable.put([key], in: transaction)
            try Login.rotationDuty(after: key).schedule(in: transaction)
        }
        return SigningKeys([key])
    }

    /// Signs page tokens; kept, so that they hold over a restart and over a change of the root key.
    func pagingKey() async throws -> SensitiveBytes {
        let path = "paging-key"
        if let bytes = try reader.record(at: path) { return SensitiveBytes(bytes) }
        let key = try engine.randomKey(count: 32)
        try await commit("PagingKeyCreate", nil) { transaction throws(VaultError) in
            try transaction.put(key.withUnsafeBytes { Array($0) }, at: path, in: .system)
        }
        return key
    }

    /// Names this server's objects in a token: two servers of one tenant must not take each other's for orphans.
    func tokenName() async throws -> GUID {
        let path = "token-name"
        if let bytes = try reader.record(at: path) {
            var record = ByteReader(bytes)
            guard record.byte() == 1, let name = record.guid(), record.isAtEnd else {
                throw VaultError.integrity(record: path)
            }
            return name
        }
        let name = GUID(random: random.bytes(16))
        try await commit("TokenNameCreate", nil) { transaction throws(VaultError) in
            var record = ByteWriter()
            record.byte(1)
            record.guid(name)
            try transaction.put(record.bytes, at: path, in: .system)
        }
        return name
    }

    /// Signs attestations and released keys.
    func statementKey() async throws -> StatementKey {
        if let stored = try StatementKey.load(from: reader, engine: engine) { return stored }
        let key = try StatementKey.make(
            commonName: "Strongroom statements \(configuration.suffix)", engine: engine,
            now: configuration.world.wall())
        let record = try key.record()
        try await commit("StatementKeyCreate", nil) { transaction throws(VaultError) in
            try StatementKey.put(record, in: transaction)
        }
        return key
    }

    func backupKeys() async throws -> BackupKeys {
        let stored = try BackupKeys(loadingFrom: reader)
        guard stored.newest == nil else { return stored }
        let key = BackupKeys.Key(
            id: GUID(random: random.bytes(16)), secret: try engine.randomKey(count: 32),
            created: configuration.world.wall(), isOwn: true)
        try await commit("BackupKeyCreate", nil) { transaction throws(VaultError) in
            try BackupKeys.put(key, in: transaction)
        }
        return BackupKeys([key])
    }

    /// Makes the vaults of the configuration that are not there, each with a data key of its own.
    func ensureVaults(_ table: VaultTable) async throws {
        for wanted in configuration.vaults {
            if table.vault(wanted.name, wanted.service) == nil, table.isKnown(wanted.name, wanted.service) {
                configuration.world.log(
                    "vaults: '\(wanted.name)' of the configuration is deleted, or not provisioned, and stays so")
                continue
            }
            if let vault = table.vault(wanted.name, wanted.service) {
                try await bring(vault, to: wanted, in: table)
                continue
            }
            let settings = VaultTable.Settings(
                name: wanted.name, service: wanted.service, sku: wanted.sku,
                resourceGroup: configuration.resourceGroup, location: configuration.location,
                retentionDays: wanted.retentionDays, isPurgeProtected: wanted.isPurgeProtected)
            let (kek, engine, now) = (kek, engine, configuration.world.wall())
            try await commit("VaultPut", nil) { transaction throws(VaultError) in
                _ = try Barrier.addDataKey(
                    for: wanted.service == .vault ? .vault(wanted.name) : .pool(wanted.name), kek: kek, engine: engine,
                    now: now, in: transaction)
                try VaultTable.put(settings, in: transaction)
            }
            try keyring.reload(from: reader, kek: kek)
            table.publish(settings)
        }
    }

    /// Asks vaults for the connections of the configuration: whoever manages a vault approves its own.
    func ensureConnections(_ table: VaultTable, _ instance: Instance) async throws {
        for endpoint in configuration.privateEndpoints {
            let id = PrivateEndpointConnection.identifier(
                of: endpoint.name, subscription: instance.subscription, group: configuration.resourceGroup)
            for name in endpoint.vaults {
                guard let changed = table.settings(of: name, connectedTo: .init(pendingTo: endpoint.name, id)) else {
                    continue
                }
                try await commit("PrivateEndpointConnectionRequest", instance) { transaction throws(VaultError) in
                    try VaultTable.put(changed, in: transaction)
                }
                table.publish(changed)
            }
        }
    }

    /// What may change of a vault that is there: purge protection can be put in force, never lifted; retention is fixed.
    private func bring(_ vault: Vault, to wanted: HouseConfiguration.VaultSettings, in table: VaultTable) async throws {
        guard wanted.isStrict else {
            if wanted.sku == .premium, vault.sku == .standard {
                try await put(vault, sku: .premium, isPurgeProtected: vault.isPurgeProtected, in: table)
            }
            return
        }
        guard wanted.retentionDays == vault.retentionDays else {
            throw HouseError(
                text:
                    "the retention of vault '\(vault.name)' is \(vault.retentionDays) days and cannot be changed after creation"
            )
        }
        // Either may have been raised since, by Azure Resource Manager.
        if vault.isPurgeProtected, !wanted.isPurgeProtected {
            configuration.world.log("vaults: the purge protection of '\(vault.name)' cannot be lifted and stays")
        }
        if vault.sku == .premium, wanted.sku == .standard {
            configuration.world.log("vaults: the SKU of '\(vault.name)' is premium, cannot be lowered and stays")
        }
        let isPurgeProtected = wanted.isPurgeProtected || vault.isPurgeProtected
        let sku = vault.sku == .premium ? Vault.SKU.premium : wanted.sku
        guard isPurgeProtected != vault.isPurgeProtected || sku != vault.sku else { return }
        try await put(vault, sku: sku, isPurgeProtected: isPurgeProtected, in: table)
    }

    private func put(_ vault: Vault, sku: Vault.SKU, isPurgeProtected: Bool, in table: VaultTable) async throws {
        guard var settings = table.entry(vault.name, vault.service)?.settings else { return }
        settings.set(sku: sku, isPurgeProtected: isPurgeProtected)
        let changed = settings
        try await commit("VaultPatch", nil) { transaction throws(VaultError) in
            try VaultTable.put(changed, in: transaction)
        }
        table.publish(changed)
    }

    private func commit(
        _ operation: String, _ instance: Instance?, _ body: @escaping @Sendable (Transaction) throws(VaultError) -> Void
    ) async throws {
        var event = AuditEvent(
            time: configuration.world.wall(), operationName: operation, status: 200,
            correlationID: GUID(random: random.bytes(16)))
        event.principal = .system(tenant: instance?.tenant ?? GUID(high: 0, low: 0))
        event.clientInfo = "strongroom"
        let recorded = event.encoded()
        try await committer.commit(waker: DirectWaker()) { transaction throws(VaultError) in
            try body(transaction)
            return [recorded]
        }
    }
}
