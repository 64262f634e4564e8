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

        package init(
            name: VaultName, resourceGroup: String, location: String, retentionDays: Int, isPurgeProtected: Bool
        ) {
            self.name = name.description
            self.resourceGroup = resourceGroup
            self.location = location
            self.retentionDays = retentionDays
            self.isPurgeProtected = isPurgeProtected
        }
    }

    private static let prefix = "management/vault/"
    private let subscription: GUID
    /// Suffix and port, as they stand behind `<vault>.vault.`.
    private let suffix: String
    private let current: Mutex<[VaultName: Vault]>

    package init(loadingFrom reader: any RecordReader, subscription: GUID, suffix: String) throws(VaultError) {
        self.subscription = subscription
        self.suffix = suffix
        var vaults: [VaultName: Vault] = [:]
        for entry in try reader.records(in: KeyRange(prefix: Self.prefix), limit: .max) {
            guard let settings = try? JSONDecoder().decode(Settings.self, from: Data(entry.value)),
                settings.format == 1,
                let name = VaultName(settings.name)
            else { throw .integrity(record: entry.key) }
            vaults[name] = Self.vault(name, settings, subscription, suffix)
        }
        current = Mutex(vaults)
    }

    package func vault(_ name: VaultName) -> Vault? { current.withLock { $0[name] } }

    package var all: [Vault] { current.withLock { $0.values.sorted { $0.name.description < $1.name.description } } }

    package static func put(_ settings: Settings, in transaction: Transaction) throws(VaultError) {
        guard let bytes = try? JSONEncoder().encode(settings) else { throw .internal("a vault could not be encoded") }
        try transaction.put(Array(bytes), at: prefix + settings.name, in: .system)
    }

    package func publish(_ settings: Settings) {
        guard let name = VaultName(settings.name) else { return }
        let vault = Self.vault(name, settings, subscription, suffix)
        current.withLock { $0[name] = vault }
    }

    private static func vault(_ name: VaultName, _ settings: Settings, _ subscription: GUID, _ suffix: String) -> Vault
    {
        Vault(
            name: name, subscription: subscription, resourceGroup: settings.resourceGroup, location: settings.location,
            retentionDays: settings.retentionDays, isPurgeProtected: settings.isPurgeProtected,
            authority: "\(name).vault.\(suffix)")
    }
}
