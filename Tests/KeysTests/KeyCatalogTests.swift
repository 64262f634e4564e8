import Domain
import House
import Operations
import StrongroomTesting
import Testing

/// What each operation of keys asks of its caller.
struct KeyCatalogTests {
    /// Operation, method, action in a vault, action in a pool; behaviour.md §6.1.
    static let table: [(String, Request.Method?, String, String)] = [
        ("KeyCreate", .post, "keys/create/action", "keys/create"),
        ("KeyImport", .put, "keys/import/action", "keys/import/action"),
        ("KeyGet", .get, "keys/read", "keys/read/action"),
        ("KeyUpdate", .patch, "keys/update/action", "keys/write/action"),
        ("KeyDelete", .delete, "keys/delete", "keys/delete"), ("KeyList", .get, "keys/read", "keys/read/action"),
        ("KeyListVersions", .get, "keys/read", "keys/read/action"),
        ("KeyListDeleted", .get, "keys/read", "keys/deletedKeys/read/action"),
        ("KeyGetDeleted", .get, "keys/read", "keys/deletedKeys/read/action"),
        ("KeyRecover", .post, "keys/recover/action", "keys/deletedKeys/recover/action"),
        ("KeyPurge", .delete, "keys/purge/action", "keys/deletedKeys/delete"),
        ("KeyBackup", .post, "keys/backup/action", "keys/backup/action"),
        ("KeyRestore", .post, "keys/restore/action", "keys/restore/action"),
        ("KeyEncrypt", .post, "keys/encrypt/action", "keys/encrypt/action"),
        ("KeyDecrypt", .post, "keys/decrypt/action", "keys/decrypt/action"),
        ("KeySign", .post, "keys/sign/action", "keys/sign/action"),
        ("KeyVerify", .post, "keys/verify/action", "keys/verify/action"),
        ("KeyWrap", .post, "keys/wrap/action", "keys/wrap/action"),
        ("KeyUnwrap", .post, "keys/unwrap/action", "keys/unwrap/action"),
        ("KeyRotate", .post, "keys/rotate/action", "keys/rotate/action"),
        ("KeyRotationPolicyGet", .get, "keyrotationpolicies/read", "keys/read/action"),
        ("KeyRotationPolicySet", .put, "keyrotationpolicies/write", "keys/write/action"),
        ("KeyAttestationGet", .get, "keys/read", "keys/read/action"),
        ("KeyRelease", .post, "keys/release/action", "keys/release/action"),
        ("KeySecureWrap", .post, "keys/wrap/action", "keys/wrap/action"),
        ("KeySecureUnwrap", .post, "keys/unwrap/action", "keys/unwrap/action"),
        ("RandomBytesGet", .post, "rng/action", "rng/action"),
        ("KeyPurgeIfDue", nil, "keys/purge/action", "keys/deletedKeys/delete"),
        ("KeyRotateIfDue", nil, "keys/rotate/action", "keys/rotate/action"),
        ("KeyNearExpiryEventGridNotification", nil, "keys/read", "keys/read/action"),
        ("KeyExpiredEventGridNotification", nil, "keys/read", "keys/read/action"),
    ]

    @Test("Each operation has the method and asks for the action of the service")
    func actions() async throws {
        let catalog = try await TestHouse.open().house.catalog
        for (name, method, action, poolAction) in Self.table {
            let operation = try #require(catalog.operation(named: name), "\(name)")
            #expect(operation.method == method, "\(name)")
            let permission = try #require(operation.requirement.permission, "\(name)")
            #expect(permission.action == "Microsoft.KeyVault/vaults/" + action, "\(name)")
            #expect(permission.poolAction == "Microsoft.KeyVault/managedHsm/" + poolAction, "\(name)")
        }
        let names = Set(Self.table.map(\.0))
        #expect(
            catalog.operations.filter { $0.name.hasPrefix("Key") && $0.hosts.contains(.vault) }.allSatisfy {
                names.contains($0.name)
            })
    }

    @Test("Only what the public half can do is open to who may read, and only what removes for good destroys")
    func alternatives() async throws {
        let catalog = try await TestHouse.open().house.catalog
        for (name, method, _, _) in Self.table {
            let operation = try #require(catalog.operation(named: name))
            guard case .permission(_, let alternative) = operation.requirement else {
                Issue.record("\(name)")
                continue
            }
            #expect(
                alternative == (["KeyEncrypt", "KeyVerify", "KeyWrap"].contains(name) ? .keysRead : nil), "\(name)")
            #expect(operation.destroys == (name == "KeyPurgeIfDue"), "\(name)")
            #expect(operation.paths.isEmpty == (method == nil), "\(name)")
            if method != nil {
                #expect(operation.hosts == (name == "RandomBytesGet" ? .managedHSM : [.vault, .managedHSM]), "\(name)")
                #expect(operation.status == (name == "KeyPurge" ? 204 : 200), "\(name)")
            }
        }
    }

    @Test("A caller without the role for an operation is refused before the key is looked for")
    func refused() async throws {
        let house = try await TestHouse.open()
        let nobody = try await house.caller("nobody")
        let catalog = house.house.catalog
        for (name, method, action, _) in Self.table {
            guard let method, let path = catalog.operation(named: name)?.paths.first, name != "RandomBytesGet" else {
                continue
            }
            let target = path.split(separator: "/").map { segment in
                switch segment {
                case "{key-name}": "absent"
                case "{key-version}": "00000000000000000000000000000000"
                default: String(segment)
                }
            }.reduce("") { $0 + "/" + $1 }
            let response = try await nobody.key(method, target, "{}", version: "2026-04-01")
            #expect(response.status == 403 && response.errorCode == "Forbidden/ForbiddenByRbac", "\(name)")
            #expect(response.message.contains("Action: 'Microsoft.KeyVault/vaults/\(action)'"), "\(name)")
        }
    }
}
