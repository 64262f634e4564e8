import Access
package import Barrier
package import Domain
import FoundationEssentials
package import Operations
import Store
import Synchronization

/// The vaults of this server: settings on disk, and a picture of them for the path of a request.
package final class VaultTable: Sendable {
    /// Vaults and pools have names of their own each.
    package struct Name: Hashable, Sendable {
        let name: VaultName
        let service: Vault.Service

        package init(name: VaultName, service: Vault.Service) { (self.name, self.service) = (name, service) }

        /// The duty of a pool that backs it up or restores it.
        package var jobDuty: String { "pool-job.\(name)" }

        var key: String { (service == .vault ? "management/vault/" : "management/pool/") + name.description }
    }

    /// A vault as it is kept, and as a request needs it.
    package struct Entry: Sendable {
        package let settings: Settings
        package let vault: Vault
    }

    private static let prefixes = ["management/vault/", "management/pool/"]
    private let subscription: GUID
    /// Suffix and port, as they stand behind `<vault>.vault.`.
    private let suffix: String
    private let current: Mutex<[Name: Entry]>

    package init(loadingFrom reader: any RecordReader, subscription: GUID, suffix: String) throws(VaultError) {
        self.subscription = subscription
        self.suffix = suffix
        var vaults: [Name: Entry] = [:]
        for prefix in Self.prefixes {
            for entry in try reader.records(in: KeyRange(prefix: prefix), limit: .max) {
                let settings = try Self.decode(entry.value, at: entry.key)
                guard let name = settings.key, name.key == entry.key else { throw .integrity(record: entry.key) }
                vaults[name] = Self.entry(settings, name, subscription, suffix)
            }
        }
        current = Mutex(vaults)
    }

    /// Nil for one that is deleted, and for a pool that is not provisioned.
    package func vault(_ name: VaultName, _ service: Vault.Service = .vault) -> Vault? {
        current.withLock { current in
            current[Name(name: name, service: service)].flatMap { entry in
                entry.settings.deleted == nil && entry.settings.provisioning == nil ? entry.vault : nil
            }
        }
    }

    /// Deleted or not.
    package func entry(_ name: VaultName, _ service: Vault.Service) -> Entry? {
        current.withLock { $0[Name(name: name, service: service)] }
    }

    /// Whether the name is held, by a deleted one too.
    package func isKnown(_ name: VaultName, _ service: Vault.Service) -> Bool { entry(name, service) != nil }

    /// Those that are not deleted.
    package var all: [Vault] { entries.filter { $0.settings.deleted == nil }.map(\.vault) }

    /// Deleted ones too, as long as something of them can be had back.
    package var recoverable: [Vault] { entries.filter { $0.settings.purge == nil }.map(\.vault) }

    /// As it would be with these settings.
    func entry(for settings: Settings) -> Entry? {
        settings.key.map { Self.entry(settings, $0, subscription, suffix) }
    }

    var entries: [Entry] { current.withLock { $0.values.sorted { $0.vault.authority < $1.vault.authority } } }

    /// The settings of a vault with one connection more; nil when it has one to that listener, or there is no such vault.
    package func settings(of name: Name, connectedTo connection: PrivateEndpointConnection) -> Settings? {
        guard var settings = entry(name.name, name.service)?.settings, settings.deleted == nil,
            (settings.privateEndpoints ?? []).count < Management.mostPrivateEndpoints,
            !(settings.privateEndpoints ?? []).contains(where: {
                $0.endpoint == connection.endpoint || $0.name.lowercased() == connection.name.lowercased()
            })
        else { return nil }
        settings.privateEndpoints = (settings.privateEndpoints ?? []) + [connection]
        return settings
    }

    // MARK: Changes

    package static func settings(_ name: Name, in reader: any RecordReader) throws(VaultError) -> Settings? {
        guard let bytes = try reader.record(at: name.key) else { return nil }
        return try decode(bytes, at: name.key)
    }

    package static func put(_ settings: Settings, in transaction: Transaction) throws(VaultError) {
        guard let bytes = try? JSONEncoder().encode(settings), let name = settings.key else {
            throw .internal("a vault could not be encoded")
        }
        try transaction.put(Array(bytes), at: name.key, in: .system)
    }

    static func remove(_ name: Name, in transaction: Transaction) throws(VaultError) {
        try transaction.remove(name.key)
    }

    /// Takes one vault anew from the store after a commit. Reading under the lock makes the last of several concurrent changes win,
    /// whatever order they arrive in.
    ///
    /// - Parameter committed: what the commit wrote; taken when it cannot be read just then, since what is durable must not be
    ///   answered as refused.
    package func reload(_ name: Name, from reader: any RecordReader, committed: Settings?) {
        current.withLock { current in
            var stored = committed
            do { stored = try Self.settings(name, in: reader) } catch {}
            current[name] = stored.map { Self.entry($0, name, subscription, suffix) }
        }
    }

    package func publish(_ settings: Settings) {
        guard let name = settings.key else { return }
        current.withLock { $0[name] = Self.entry(settings, name, subscription, suffix) }
    }

    private static func decode(_ bytes: [UInt8], at key: String) throws(VaultError) -> Settings {
        guard let settings = try? JSONDecoder().decode(Settings.self, from: Data(bytes)), settings.format == 1 else {
            throw .integrity(record: key)
        }
        return settings
    }

    private static func entry(_ settings: Settings, _ name: Name, _ subscription: GUID, _ suffix: String) -> Entry {
        let vault = Vault(
            name: name.name, service: name.service, sku: settings.sku ?? .standard, subscription: subscription,
            resourceGroup: settings.resourceGroup, location: settings.location, retentionDays: settings.retentionDays,
            isPurgeProtected: settings.isPurgeProtected,
            authority: "\(name.name).\(name.service == .managedHSM ? "managedhsm" : "vault").\(suffix)",
            incarnation: settings.incarnation, tags: settings.tags ?? [:],
            policies: settings.usesPolicies == true ? AccessPolicies(settings.policies ?? []) : nil,
            isPublic: settings.isClosedToPublic != true, network: settings.network,
            isActivated: settings.isUnactivated != true,
            allowsKeysThroughARM: name.service == .vault || settings.allowsKeysThroughARM == true,
            privateEndpoints: Set(
                (settings.privateEndpoints ?? []).filter { $0.status == .approved }.map(\.endpoint)))
        return Entry(settings: settings, vault: vault)
    }
}
