package import Barrier
package import Domain
import FoundationEssentials
package import Operations
import Store
import Synchronization

/// The vaults of this server: settings on disk, and a picture of them for the path of a request.
package final class VaultTable: Sendable {
    package struct Settings: Sendable, Codable {
        var format = 1
        package let name: String
        package let resourceGroup: String
        package let location: String
        package let retentionDays: Int
        package let isPurgeProtected: Bool
        /// Absent in records of earlier versions: a vault.
        let service: Vault.Service?
        /// Absent in records of earlier versions: standard.
        let sku: Vault.SKU?

        package init(
            name: VaultName, service: Vault.Service = .vault, sku: Vault.SKU = .standard, resourceGroup: String,
            location: String, retentionDays: Int, isPurgeProtected: Bool
        ) {
            self.name = name.description
            self.resourceGroup = resourceGroup
            self.location = location
            self.retentionDays = retentionDays
            self.isPurgeProtected = isPurgeProtected
            self.service = service
            self.sku = sku
        }

        var key: VaultTable.Name? {
            VaultName(name).map { VaultTable.Name(name: $0, service: service ?? .vault) }
        }
    }

    /// Vaults and pools have names of their own each.
    struct Name: Hashable, Sendable {
        let name: VaultName
        let service: Vault.Service
    }

    private static let prefixes: [(service: Vault.Service, prefix: String)] = [
        (.vault, "management/vault/"), (.managedHSM, "management/pool/"),
    ]
    private let subscription: GUID
    /// Suffix and port, as they stand behind `<vault>.vault.`.
    private let suffix: String
    private let current: Mutex<[Name: Vault]>

    package init(loadingFrom reader: any RecordReader, subscription: GUID, suffix: String) throws(VaultError) {
        self.subscription = subscription
        self.suffix = suffix
        var vaults: [Name: Vault] = [:]
        for (service, prefix) in Self.prefixes {
            for entry in try reader.records(in: KeyRange(prefix: prefix), limit: .max) {
                guard let settings = try? JSONDecoder().decode(Settings.self, from: Data(entry.value)),
                    settings.format == 1,
                    let name = settings.key, name.service == service
                else { throw .integrity(record: entry.key) }
                vaults[name] = Self.vault(name.name, settings, subscription, suffix)
            }
        }
        current = Mutex(vaults)
    }

    package func vault(_ name: VaultName, _ service: Vault.Service = .vault) -> Vault? {
        current.withLock { $0[Name(name: name, service: service)] }
    }

    package var all: [Vault] { current.withLock { $0.values.sorted { $0.authority < $1.authority } } }

    package static func put(_ settings: Settings, in transaction: Transaction) throws(VaultError) {
        guard let bytes = try? JSONEncoder().encode(settings),
            let prefix = prefixes.first(where: { $0.service == settings.service ?? .vault })?.prefix
        else { throw .internal("a vault could not be encoded") }
        try transaction.put(Array(bytes), at: prefix + settings.name, in: .system)
    }

    package func publish(_ settings: Settings) {
        guard let name = settings.key else { return }
        let vault = Self.vault(name.name, settings, subscription, suffix)
        current.withLock { $0[name] = vault }
    }

    private static func vault(_ name: VaultName, _ settings: Settings, _ subscription: GUID, _ suffix: String) -> Vault
    {
        Vault(
            name: name, service: settings.service ?? .vault, sku: settings.sku ?? .standard,
            subscription: subscription, resourceGroup: settings.resourceGroup, location: settings.location,
            retentionDays: settings.retentionDays, isPurgeProtected: settings.isPurgeProtected,
            authority: "\(name).\(settings.service == .managedHSM ? "managedhsm" : "vault").\(suffix)")
    }
}
