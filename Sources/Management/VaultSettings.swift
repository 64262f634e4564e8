import Access
package import Domain
package import Operations

extension VaultTable {
    /// What is stored of a vault or a pool. Members that are optional are absent from records of earlier versions.
    package struct Settings: Sendable, Codable {
        var format = 1
        package let name: String
        package let resourceGroup: String
        package let location: String
        package let retentionDays: Int
        package var isPurgeProtected: Bool
        /// Absent: a vault.
        let service: Vault.Service?
        /// Absent: standard.
        var sku: Vault.SKU?
        /// Absent for what was made before this was kept.
        var incarnation: GUID?
        /// The SKU as it was spelled.
        var skuName: String?
        var tags: [String: String]?
        /// Access policies decide about what is in it in place of roles. Absent: roles.
        var usesPolicies: Bool?
        /// Kept where roles decide too; they count when that changes.
        var policies: [AccessPolicy]?
        var network: NetworkRules?
        /// Absent: it may be reached.
        var isClosedToPublic: Bool?
        var deployment: Deployment?
        /// Whose doing it is, and when.
        var created: Change?
        var modified: Change?
        /// When it was deleted; it can be recovered until its retention has passed.
        var deleted: Timestamp?
        /// Since when it is being purged.
        var purgeBegan: Timestamp?
        /// It is being purged under this name: nothing of it can be had back.
        var purge: GUID?

        /// Of a pool: the management plane may make keys in it. Absent: it may not.
        package var allowsKeysThroughARM: Bool?
        /// Of a pool made by the management plane: how far it has come. Absent: it is provisioned.
        var provisioning: Provisioning?
        /// Why it could not be provisioned.
        var provisioningFailure: String?
        /// Of a pool: its security domain was not downloaded. Absent: it is in use.
        package var isUnactivated: Bool?
        /// Who administers a pool from its provisioning.
        var administrators: [GUID]?
        /// Of a pool: identities that it may use elsewhere: kept and told.
        var identity: Identity?

        /// Absent: none.
        var privateEndpoints: [PrivateEndpointConnection]?

        enum Provisioning: String, Sendable, Codable { case running, failed }

        struct Identity: Sendable, Codable {
            let type: String
            let userAssigned: [String]
        }

        /// What other services of the cloud may do with it: kept and told.
        struct Deployment: Sendable, Codable, Equatable {
            var virtualMachines = false
            var diskEncryption = false
            var templates = false
        }

        struct Change: Sendable, Codable {
            let by: GUID
            let isUser: Bool
            let at: Timestamp
        }

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

        /// When nothing of a deleted vault can be recovered any more.
        var scheduledPurge: Timestamp? { deleted.map { $0 + .days(retentionDays) } }

        package mutating func set(sku: Vault.SKU, isPurgeProtected: Bool) {
            (self.sku, self.isPurgeProtected) = (sku, isPurgeProtected)
        }
    }
}
