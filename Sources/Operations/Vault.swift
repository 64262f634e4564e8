package import Access
package import Domain

/// A vault as the path of a request needs it: immutable, replaced as a whole when a setting changes.
package final class Vault: Sendable {
    package let name: VaultName
    package let subscription: GUID
    package let resourceGroup: String
    package let location: String
    package let retentionDays: Int
    package let isPurgeProtected: Bool
    /// Its host with the port that clients see; none for 443.
    package let authority: String
    /// `https://<authority>/secrets/`: what identifiers of secrets begin with.
    package let secretsURL: String
    /// `vault/<name>/`: what store keys of its objects begin with.
    package let keyPrefix: String
    package let scopes: ScopeChain

    package init(
        name: VaultName, subscription: GUID, resourceGroup: String, location: String, retentionDays: Int,
        isPurgeProtected: Bool,
        authority: String
    ) {
        self.name = name
        self.subscription = subscription
        self.resourceGroup = resourceGroup
        self.location = location
        self.retentionDays = retentionDays
        self.isPurgeProtected = isPurgeProtected
        self.authority = authority
        keyPrefix = "vault/\(name)/"
        secretsURL = "https://\(authority)/secrets/"
        scopes = ScopeChain(vault: name, group: resourceGroup, subscription: subscription)
    }

    /// The word for what a deletion leaves possible, by retention and purge protection.
    package var recoveryLevel: String {
        let base = retentionDays == 90 ? "Recoverable" : "CustomizedRecoverable"
        return isPurgeProtected ? base : base + "+Purgeable"
    }
}

/// What a host name stands for.
package enum HostRoute: Sendable, Hashable {
    /// The name when it can be one, and the label as it stood.
    case vault(VaultName?, label: String)
    case managedHSM(String)
    case login, management, console
    case unknown

    /// - Parameters:
    ///   - host: lower case, without port.
    ///   - suffix: such as `localhost`.
    package init(_ host: String, suffix: String) {
        guard host.hasSuffix("." + suffix) else {
            self = .unknown
            return
        }
        let labels = host.dropLast(suffix.utf8.count + 1).split(separator: ".", omittingEmptySubsequences: false)
        switch labels.count {
        case 1:
            switch labels[0] {
            case "login": self = .login
            case "management": self = .management
            case "console": self = .console
            default: self = .unknown
            }
        case 2 where labels[1] == "vault" && !labels[0].isEmpty:
            self = .vault(VaultName(labels[0]), label: String(labels[0]))
        case 2 where labels[1] == "managedhsm" && !labels[0].isEmpty: self = .managedHSM(String(labels[0]))
        default: self = .unknown
        }
    }
}
