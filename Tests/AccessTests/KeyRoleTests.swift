import Access
import Domain
import Testing

/// Who may do what with keys: the permissions against the built-in roles, and the two kinds of roles against one another.
struct KeyRoleTests {
    static let ofKeys = Permission.allCases.filter {
        $0.isDataAction && $0.action.hasPrefix("Microsoft.KeyVault/vaults/key")
    }

    private static func holders(_ permission: Permission, ofPool: Bool) -> Set<String> {
        Set(
            BuiltInRoles.all.filter { $0.isOfPool == ofPool && $0.permissions.contains(permission) }.map(\.name))
    }

    @Test("Each permission on keys is an action of a built-in role of vaults and of one of pools", arguments: ofKeys)
    func isHeld(_ permission: Permission) {
        #expect(Self.holders(permission, ofPool: false).contains("Key Vault Crypto Officer"))
        #expect(!Self.holders(permission, ofPool: true).isEmpty)
    }

    @Test("A role of vaults gives nothing in a pool and a role of pools nothing in a vault", arguments: ofKeys)
    func apart(_ permission: Permission) throws {
        for role in BuiltInRoles.all {
            let action = try #require(role.isOfPool ? permission.action : permission.poolAction)
            #expect(!role.dataActions.contains { RoleDefinition.matches(action, pattern: $0) }, "\(role.name)")
        }
    }

    @Test(
        "The roles of vaults hold what is published of them",
        arguments: [
            (
                "Key Vault Crypto User",
                [
                    .keysRead, .keysList, .keysReadDeleted, .keysListDeleted, .keysUpdate, .keysBackup, .keysEncrypt,
                    .keysDecrypt, .keysWrap,
                    .keysUnwrap, .keysSign, .keysVerify,
                ]
            ),
            (
                "Key Vault Crypto Service Encryption User",
                [.keysRead, .keysList, .keysReadDeleted, .keysListDeleted, .keysWrap, .keysUnwrap]
            ),
            ("Key Vault Crypto Service Release User", [.keysRelease]),
            (
                "Key Vault Reader",
                [.keysRead, .keysList, .keysReadDeleted, .keysListDeleted, .keyRotationPoliciesRead]
            ),
            ("Key Vault Certificate User", [.keysRead, .keysList, .keysReadDeleted, .keysListDeleted]),
            ("Key Vault Secrets Officer", []),
            ("Key Vault Certificates Officer", []), ("Key Vault Contributor", []), ("Owner", []), ("Reader", []),
        ] as [(String, [Permission])])
    func ofVaults(_ name: String, _ expected: [Permission]) throws {
        let role = try #require(BuiltInRoles.role(named: name))
        #expect(Self.ofKeys.filter { role.permissions.contains($0) } == expected.sorted { $0.rawValue < $1.rawValue })
    }

    @Test("Who administers a pool cannot use its keys, and who uses keys cannot recover or purge")
    func exclusive() throws {
        let administrator = try #require(BuiltInRoles.role(named: "Managed HSM Administrator"))
        #expect(!Self.ofKeys.contains { administrator.permissions.contains($0) })
        let officer = try #require(BuiltInRoles.role(named: "Managed HSM Crypto Officer"))
        #expect(
            Self.ofKeys.filter { officer.permissions.contains($0) } == [
                .keysListDeleted, .keysReadDeleted, .keysRecover, .keysPurge,
            ])
        let user = try #require(BuiltInRoles.role(named: "Managed HSM Crypto User"))
        #expect(
            Self.ofKeys.filter { !user.permissions.contains($0) } == [
                .keysListDeleted, .keysReadDeleted, .keysRecover, .keysPurge,
            ])
        #expect(user.permissions.contains(.randomBytes))
        let auditor = try #require(BuiltInRoles.role(named: "Managed HSM Crypto Auditor"))
        #expect(
            Self.ofKeys.filter { auditor.permissions.contains($0) } == [.keysList, .keysRead, .keyRotationPoliciesRead])
    }
}
