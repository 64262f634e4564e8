import Access
import Domain
import StrongroomTesting
import Testing

struct RoleDefinitionTests {
    @Test(
        "A pattern's stars stand for any run of characters",
        arguments: [
            ("*", "anything/at/all", true), ("*", "", true), ("*/read", "a/b/read", true), ("*/read", "read", false),
            ("*/read", "a/read/x", false),
            ("a/*", "a/", true), ("a/*", "a/b/c", true), ("a/*", "ab", false), ("a/*/c", "a/b/c", true),
            ("a/*/c", "a/c", false),
            ("a/*/c", "a//c", true), ("a/*/c/*", "a/b/c/d", true), ("a/*/c/*", "a/c/c/d", true), ("a/b", "a/b", true),
            ("a/b", "a/bc", false),
            ("A/B", "a/b", true), ("a/*", "A/X", true), ("a*a", "a", false), ("a*a", "aa", true),
            ("a*b*a", "aba", true), ("a*b*a", "aab", false),
            ("**", "x", true), ("", "", true), ("", "x", false), ("a/*/Write", "a/b/write", true),
            ("a/*ab", "a/aab", true),
        ])
    func matching(_ pattern: String, _ action: String, _ isMatch: Bool) {
        #expect(RoleDefinition.matches(action, pattern: pattern) == isMatch)
    }

    /// A role as it is published.
    struct Published: Decodable, Sendable, CustomTestStringConvertible {
        let roleName: String
        let id: String
        let actions, notActions, dataActions, notDataActions: [String]

        var testDescription: String { roleName }

        /// Whether the role grants an action, worked out by other means than the server's.
        func grants(_ action: String, isDataAction: Bool) -> Bool {
            func fits(_ pattern: String) -> Bool {
                let pieces = pattern.lowercased().split(separator: "*", omittingEmptySubsequences: false).map(
                    String.init)
                return fits(action.lowercased()[...], pieces[...], isFirst: true)
            }
            // Tries every length for every star.
            func fits(_ text: Substring, _ pieces: ArraySlice<String>, isFirst: Bool) -> Bool {
                guard let piece = pieces.first else { return text.isEmpty }
                if isFirst {
                    return text.hasPrefix(piece)
                        && fits(text.dropFirst(piece.count), pieces.dropFirst(), isFirst: false)
                }
                return (0...text.count).contains { skipped in
                    let rest = text.dropFirst(skipped)
                    return rest.hasPrefix(piece)
                        && fits(rest.dropFirst(piece.count), pieces.dropFirst(), isFirst: false)
                }
            }
            let (granted, withheld) = isDataAction ? (dataActions, notDataActions) : (actions, notActions)
            return granted.contains(where: fits) && !withheld.contains(where: fits)
        }
    }

    static let published = try! Vectors.json("azure/built-in-roles.json", as: [Published].self)

    @Test("A built-in role grants what the published one grants", arguments: published)
    func builtIn(_ role: Published) throws {
        let ours = try #require(BuiltInRoles.role(named: role.roleName))
        #expect(ours.id == GUID(role.id))
        for permission in Permission.allCases {
            #expect(
                ours.permissions.contains(permission)
                    == role.grants(permission.action, isDataAction: permission.isDataAction),
                "\(permission)")
        }
    }

    @Test("Every published role is there, and beside them the four general ones and those of pools")
    func complete() {
        #expect(Set(BuiltInRoles.all.map(\.id)).count == BuiltInRoles.all.count)
        #expect(Set(BuiltInRoles.all.map(\.name)).count == BuiltInRoles.all.count)
        let ofVaults = BuiltInRoles.all.filter { !$0.isOfPool }
        let names = Set(ofVaults.map(\.name))
        #expect(
            names
                == Set(Self.published.map(\.roleName)).union([
                    "Owner", "Contributor", "Reader", "User Access Administrator",
                ]))
        #expect(names.count == ofVaults.count)
    }

    private static let reading: [Permission] = [
        .vaultsRead, .deletedVaultsRead, .deletedVaultGet, .poolsRead, .deletedPoolsRead, .deletedPoolGet,
        .resourceKeysRead, .resourceSecretsRead, .poolResourceKeysRead, .privateEndpointsRead, .roleAssignmentsRead,
        .applicationsRead, .usersRead, .diagnosticsRead, .policyDefinitionsRead, .policyAssignmentsRead, .auditRead,
    ]

    /// What makes, changes and removes resources.
    private static let managing: [Permission] = [
        .vaultsWrite, .vaultsDelete, .accessPoliciesWrite, .deletedVaultsPurge, .poolsWrite, .poolsDelete,
        .deletedPoolsPurge, .resourceKeysWrite, .resourceSecretsWrite, .poolResourceKeysWrite, .privateEndpointsWrite,
        .privateEndpointsDelete, .resourceGroupsWrite, .resourceGroupsDelete, .barrierRotate,
        .diagnosticsWrite, .diagnosticsDelete,
    ]

    @Test(
        "The general roles reach the management plane and nothing stored in a vault",
        arguments: [
            ("Owner", Permission.allCases.filter { !$0.isDataAction }), ("Reader", reading),
            (
                "User Access Administrator",
                reading + [
                    .roleAssignmentsWrite, .roleAssignmentsDelete, .roleDefinitionsWrite, .roleDefinitionsDelete,
                    .applicationsWrite, .applicationsDelete, .usersWrite, .usersDelete,
                    .policyDefinitionsWrite, .policyDefinitionsDelete, .policyAssignmentsWrite,
                    .policyAssignmentsDelete,
                ]
            ),
            ("Contributor", reading.filter { $0 != .applicationsRead && $0 != .usersRead } + managing),
        ])
    func general(_ name: String, _ permissions: [Permission]) throws {
        let role = try #require(BuiltInRoles.role(named: name))
        #expect(role.permissions == PermissionSet(permissions))
    }

    @Test("A role is found by its name in any case and by its identifier")
    func lookUp() throws {
        let role = try #require(BuiltInRoles.role(named: "key vault secrets user"))
        #expect(role.name == "Key Vault Secrets User")
        #expect(BuiltInRoles.role(role.id)?.name == role.name)
        #expect(BuiltInRoles.role(named: role.id.description.uppercased())?.name == role.name)
        #expect(BuiltInRoles.role(named: "Key Vault Nobody") == nil)
    }
}
