package import Access
package import Barrier
package import Domain

/// A vault or a managed HSM pool as the path of a request needs it: immutable, replaced as a whole when a setting changes.
package final class Vault: Sendable {
    package enum Service: String, Sendable, Codable {
        case vault, managedHSM

        /// By case: an enumeration with texts would hash those.
        package func hash(into hasher: inout Hasher) { hasher.combine(self == .vault) }
    }
    /// What a vault may hold: keys in a hardware security module are for premium vaults and for pools.
    package enum SKU: String, Sendable, Codable { case standard, premium }

    package let name: VaultName
    package let service: Service
    package let sku: SKU
    package let subscription: GUID
    package let resourceGroup: String
    package let location: String
    package let retentionDays: Int
    package let isPurgeProtected: Bool
    /// Made with the vault: another one that has its name after a purge has another. Nil for those that were there before this was kept.
    package let incarnation: GUID?
    package let tags: [String: String]
    /// Whether it may be reached from outside a private endpoint.
    package let isPublic: Bool
    package let network: NetworkRules?
    /// Of a pool: its security domain was downloaded, or it needs none. Nothing else can be done with one that is not.
    package let isActivated: Bool
    /// Of a pool: the management plane may reach its keys; always of a vault.
    package let allowsKeysThroughARM: Bool
    /// The private endpoints by which it may be reached, whatever its rules say.
    package let privateEndpoints: Set<String>
    /// Its host with the port that clients see; none for 443.
    package let authority: String
    /// `https://<authority>/secrets/`: what identifiers of secrets begin with.
    package let secretsURL: String
    /// `https://<authority>/keys/`
    package let keysURL: String
    /// `vault/<name>/` or `pool/<name>/`: what store keys of its objects begin with.
    package let keyPrefix: String
    package let scopes: ScopeChain
    /// The word for what a deletion leaves possible, by retention and purge protection.
    package let recoveryLevel: String

    package init(
        name: VaultName, service: Service = .vault, sku: SKU = .standard, subscription: GUID, resourceGroup: String,
        location: String, retentionDays: Int,
        isPurgeProtected: Bool,
        authority: String, incarnation: GUID? = nil, tags: [String: String] = [:], policies: AccessPolicies? = nil,
        isPublic: Bool = true,
        network: NetworkRules? = nil, isActivated: Bool = true, allowsKeysThroughARM: Bool = true,
        privateEndpoints: Set<String> = []
    ) {
        self.privateEndpoints = privateEndpoints
        self.isActivated = isActivated
        self.allowsKeysThroughARM = allowsKeysThroughARM
        self.name = name
        self.service = service
        self.sku = sku
        self.subscription = subscription
        self.resourceGroup = resourceGroup
        self.location = location
        self.retentionDays = retentionDays
        self.isPurgeProtected = isPurgeProtected
        self.authority = authority
        self.incarnation = incarnation
        self.tags = tags
        self.isPublic = isPublic
        self.network = network
        recoveryLevel =
            (retentionDays == 90 ? "Recoverable" : "CustomizedRecoverable") + (isPurgeProtected ? "" : "+Purgeable")
        secretsURL = "https://\(authority)/secrets/"
        keysURL = "https://\(authority)/keys/"
        switch service {
        case .vault:
            keyPrefix = "vault/\(name)/"
            scopes = ScopeChain(
                vault: name, group: resourceGroup, subscription: subscription, policies: policies)
        case .managedHSM:
            keyPrefix = "pool/\(name)/"
            scopes = ScopeChain(pool: name, group: resourceGroup, subscription: subscription)
        }
    }

    /// Whether it may not be reached from everywhere.
    package var isRestricted: Bool { !isPublic || network != nil }

    /// Whose data keys seal its records.
    package var sealDomain: SealDomain {
        switch service {
        case .vault: .vault(name)
        case .managedHSM: .pool(name)
        }
    }

    /// What identifiers of a collection begin with.
    package func url(of collection: String) -> String {
        collection == "secrets" ? secretsURL : collection == "keys" ? keysURL : "https://\(authority)/\(collection)/"
    }

}
