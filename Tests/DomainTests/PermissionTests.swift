import Domain
import Testing

struct PermissionTests {
    @Test("A set holds what was put in and nothing else", arguments: Permission.allCases)
    func set(_ permission: Permission) {
        let alone = PermissionSet([permission])
        #expect(Permission.allCases.filter { alone.contains($0) } == [permission])
        let others = PermissionSet(Permission.allCases.filter { $0 != permission })
        #expect(!others.contains(permission))
        var union = alone
        union.formUnion(others)
        #expect(union == PermissionSet(Permission.allCases))
        #expect(!alone.isEmpty)
        #expect(PermissionSet().isEmpty)
    }

    @Test("Permissions fit into the bits of a set")
    func bits() {
        #expect(Permission.allCases.allSatisfy { $0.rawValue < 128 })
    }

    /// What roles do not tell from another permission, and access policies or pools do.
    private static let alike: [Permission: Permission] = [
        .keysReadDeleted: .keysRead, .keysListDeleted: .keysRead, .keysList: .keysRead,
        .secretsReadDeleted: .secretsReadMetadata, .certificatesList: .certificatesRead,
        .certificatesPendingUpdate: .certificatesCreate, .certificatesPendingDelete: .certificatesCreate,
        .certificateIssuersList: .certificateIssuersRead,
    ]

    @Test("No two permissions are one action, in any spelling, but for those that only policies or pools tell apart")
    func actions() {
        let permissions = Permission.allCases.filter { Self.alike[$0] == nil }
        // Resources of the management plane share words with what is in a vault: as actions, not as data actions.
        #expect(Set(permissions.map { "\($0.isDataAction) \($0.action.lowercased())" }).count == permissions.count)
        for (permission, other) in Self.alike {
            #expect(permission.action == other.action)
            #expect(
                permission.policyPermissions != other.policyPermissions || permission.poolAction != other.poolAction,
                "\(permission)")
        }
        #expect(Permission.keysReadDeleted.action == Permission.keysRead.action)
        #expect(Permission.keysReadDeleted.poolAction != Permission.keysRead.poolAction)
    }

    @Test(
        "Data actions are those below a vault or a pool; to see that a vault is there is none",
        arguments: Permission.allCases)
    func dataActions(_ permission: Permission) {
        let below = ["Microsoft.KeyVault/vaults/", "Microsoft.KeyVault/managedHsm/"]
        let isBelow = below.contains { permission.action.hasPrefix($0) }
        let ofVaults: [Permission] = [
            .vaultsRead, .vaultsWrite, .vaultsDelete, .accessPoliciesWrite, .resourceKeysRead, .resourceKeysWrite,
            .resourceSecretsRead, .resourceSecretsWrite, .privateEndpointsRead, .privateEndpointsWrite,
            .privateEndpointsDelete,
        ]
        #expect(permission.isDataAction == (isBelow && !ofVaults.contains(permission)))
    }

    @Test("What an access policy gives is a data action, by a name that policies know", arguments: Permission.allCases)
    func policies(_ permission: Permission) {
        for given in permission.policyPermissions {
            #expect(permission.isDataAction)
            #expect(PolicyPermission.names[given.group]?.contains(given.name) == true)
        }
    }

    @Test("A pool has the actions of keys and of its own roles, and nothing of secrets", arguments: Permission.allCases)
    func poolActions(_ permission: Permission) {
        if let action = permission.poolAction {
            #expect(permission.isDataAction)
            #expect(action.hasPrefix("Microsoft.KeyVault/managedHsm/"))
            #expect(permission.concernsPoolKeys == action.hasPrefix("Microsoft.KeyVault/managedHsm/keys/"))
        } else {
            #expect(!permission.isDataAction || !permission.action.contains("/keys/"))
            #expect(!permission.concernsPoolKeys)
        }
    }
}
