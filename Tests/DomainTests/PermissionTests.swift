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
        #expect(Permission.allCases.allSatisfy { $0.rawValue < 64 })
    }

    @Test("No two permissions are one action, in any spelling, but for reading deleted keys, which pools tell apart")
    func actions() {
        let permissions = Permission.allCases.filter { $0 != .keysReadDeleted }
        #expect(Set(permissions.map { $0.action.lowercased() }).count == permissions.count)
        #expect(Permission.keysReadDeleted.action == Permission.keysRead.action)
        #expect(Permission.keysReadDeleted.poolAction != Permission.keysRead.poolAction)
    }

    @Test(
        "Data actions are those below a vault or a pool; to see that a vault is there is none",
        arguments: Permission.allCases)
    func dataActions(_ permission: Permission) {
        let below = ["Microsoft.KeyVault/vaults/", "Microsoft.KeyVault/managedHsm/"]
        let isBelow = below.contains { permission.action.hasPrefix($0) }
        #expect(permission.isDataAction == (isBelow && permission != .vaultsRead))
    }

    @Test("A pool has the actions of keys and of its own roles, and nothing of secrets", arguments: Permission.allCases)
    func poolActions(_ permission: Permission) {
        if let action = permission.poolAction {
            #expect(permission.isDataAction)
            #expect(action.hasPrefix("Microsoft.KeyVault/managedHsm/"))
            #expect(permission.concernsPoolKeys == action.hasPrefix("Microsoft.KeyVault/managedHsm/keys/"))
        } else {
            #expect(!permission.action.contains("/keys/") && !permission.concernsPoolKeys)
        }
    }
}
