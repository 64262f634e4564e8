/// Where a role assignment holds: a subscription, a resource group, a vault, or one object of a vault.
///
/// Each kind contains the ones below it. Compared without regard to case.
/// - Source: Azure RBAC scope levels; `contract` spelling of vault scopes.
package struct Scope: Hashable, Sendable, CustomStringConvertible {
    package enum Level: Int, Sendable { case subscription, resourceGroup, vault, collection, object }

    package let level: Level
    /// As the client wrote it, without a trailing slash.
    package let description: String
    /// Lower case; what comparison uses.
    package let key: String

    private init(level: Level, text: String) {
        self.level = level
        description = text
        key = text.lowercased()
    }

    package static func subscription(_ subscription: GUID) -> Scope {
        Scope(level: .subscription, text: "/subscriptions/\(subscription)")
    }

    package static func resourceGroup(_ group: String, in subscription: GUID) -> Scope {
        Scope(level: .resourceGroup, text: "/subscriptions/\(subscription)/resourceGroups/\(group)")
    }

    package static func vault(_ vault: VaultName, group: String, subscription: GUID) -> Scope {
        Scope(
            level: .vault,
            text: "/subscriptions/\(subscription)/resourceGroups/\(group)/providers/Microsoft.KeyVault/vaults/\(vault)")
    }

    package static func pool(_ pool: VaultName, group: String, subscription: GUID) -> Scope {
        Scope(
            level: .vault,
            text:
                "/subscriptions/\(subscription)/resourceGroups/\(group)/providers/Microsoft.KeyVault/managedHSMs/\(pool)"
        )
    }

    /// All keys of the pool that this scope names.
    package var allKeys: Scope { Scope(level: .collection, text: description + "/keys") }

    /// Whether it lies in a managed HSM pool, where local roles hold and no others.
    package var isInPool: Bool { key.contains("/providers/microsoft.keyvault/managedhsms/") }

    /// The scope of one object of the vault this scope names. `collection` is `secrets`, `keys` or `certificates`.
    package func object(_ name: ObjectName, in collection: String) -> Scope {
        Scope(level: .object, text: description + "/" + collection + "/" + name.spelling)
    }

    /// Parses the four forms of the contract, and a pool in place of a vault; nil for anything else, `..` and empty segments included.
    package init?(_ text: String) {
        var segments = text.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        guard segments.first == "" else { return nil }
        segments.removeFirst()
        if segments.last == "" { segments.removeLast() }
        func matches(_ index: Int, _ word: String) -> Bool {
            index < segments.count && segments[index].lowercased() == word
        }
        guard segments.count >= 2, matches(0, "subscriptions"), GUID(segments[1]) != nil else { return nil }
        let level: Level
        switch segments.count {
        case 2:
            level = .subscription
        case 4, 8, 9, 10:
            guard matches(2, "resourcegroups"), Scope.isResourceGroupName(segments[3]) else { return nil }
            guard segments.count > 4 else {
                level = .resourceGroup
                break
            }
            guard matches(4, "providers"), matches(5, "microsoft.keyvault"),
                matches(6, "vaults") || matches(6, "managedhsms"),
                VaultName(segments[7]) != nil
            else { return nil }
            guard segments.count > 8 else {
                level = .vault
                break
            }
            guard segments.count > 9 else {
                // Only the local roles of pools know this one.
                guard matches(6, "managedhsms"), matches(8, "keys") else { return nil }
                level = .collection
                break
            }
            guard ["secrets", "keys", "certificates"].contains(segments[8].lowercased()), ObjectName(segments[9]) != nil
            else { return nil }
            level = .object
        default:
            return nil
        }
        self.init(level: level, text: "/" + segments.joined(separator: "/"))
    }

    /// 1 to 90 of letters, digits, hyphen, underscore, full stop, parentheses; not ending in a full stop.
    package static func isResourceGroupName(_ text: String) -> Bool {
        (1...90).contains(text.utf8.count) && text.utf8.last != UInt8(ascii: ".")
            && text.utf8.allSatisfy { $0.isASCIILetter || $0.isASCIIDigit || "-_.()".utf8.contains($0) }
    }

    package static func == (left: Scope, right: Scope) -> Bool { left.key == right.key }
    package func hash(into hasher: inout Hasher) { hasher.combine(key) }
}
