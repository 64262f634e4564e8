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

    @Test("No two permissions are one action, in any spelling")
    func actions() {
        #expect(Set(Permission.allCases.map { $0.action.lowercased() }).count == Permission.allCases.count)
    }

    @Test("Data actions are those below a vault", arguments: Permission.allCases)
    func dataActions(_ permission: Permission) {
        #expect(permission.isDataAction == permission.action.hasPrefix("Microsoft.KeyVault/vaults/"))
    }
}
