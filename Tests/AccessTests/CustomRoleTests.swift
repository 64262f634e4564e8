import Access
import Barrier
import Domain
import Store
import StrongroomTesting
import Testing

/// Roles that somebody made: where they may be assigned, what they allow, how they change, and how they are stored.
struct CustomRoleTests {
    private static let subscription = GUID(high: 1, low: 1)
    private static let otherSubscription = GUID(high: 2, low: 2)
    private static let roleID = GUID(high: 3, low: 3)
    private static let demo = VaultName("demo")!
    private static let name = ObjectName("Object-1")!
    private static let group = Scope.resourceGroup("Group", in: subscription)
    private static let vaultScope = Scope.vault(demo, group: "Group", subscription: subscription)
    private static let poolScope = Scope.pool(demo, group: "Group", subscription: subscription)
    private static let vaultChain = ScopeChain(vault: demo, group: "Group", subscription: subscription)
    private static let poolChain = ScopeChain(pool: demo, group: "Group", subscription: subscription)

    private static let readSecret = "Microsoft.KeyVault/vaults/secrets/getSecret/action"
    private static let deleteSecret = "Microsoft.KeyVault/vaults/secrets/delete"
    private static let readPoolKey = "Microsoft.KeyVault/managedHsm/keys/read/action"

    private let principal = Principal(
        kind: .application, objectID: GUID(high: 5, low: 5), applicationID: GUID(high: 6, low: 6),
        tenant: GUID(high: 7, low: 7), issuer: "i")

    private static func role(
        _ patterns: RoleDefinition.Patterns, scopes: [String] = ["/"], pool: VaultName? = nil,
        id: GUID = GUID(high: 3, low: 3), name: String = "Mine"
    ) -> RoleDefinition {
        RoleDefinition(
            name: name, id: id, description: "What for", patterns: patterns, assignableScopes: scopes, pool: pool)
    }

    private static func patterns(
        actions: [String] = [], without notActions: [String] = [], data dataActions: [String] = [],
        withoutData notDataActions: [String] = []
    ) -> RoleDefinition.Patterns {
        RoleDefinition.Patterns(
            actions: actions, notActions: notActions, dataActions: dataActions, notDataActions: notDataActions)
    }

    private func assignment(at scope: Scope, of role: GUID = CustomRoleTests.roleID, id: UInt64 = 1) -> RoleAssignment {
        RoleAssignment(
            id: GUID(high: 9, low: id), principalID: principal.objectID, roleID: role, scope: scope,
            created: TestClock.start, createdBy: principal.objectID)
    }

    // MARK: Where it may be assigned

    @Test(
        "A role may be assigned at its scope and below it, however they are spelled",
        arguments: [
            (Scope.subscription(subscription), false), (.subscription(otherSubscription), false),
            (.resourceGroup("Group", in: subscription), true), (.resourceGroup("gROUP", in: subscription), true),
            (.resourceGroup("Group2", in: subscription), false), (.resourceGroup("Grou", in: subscription), false),
            (.resourceGroup("Group", in: otherSubscription), false), (vaultScope, true),
            (vaultScope.object(name, in: "secrets"), true),
            (.vault(demo, group: "Group2", subscription: subscription), false),
        ])
    func scopes(_ scope: Scope, _ isAssignable: Bool) {
        let text = Self.group.description
        for spelling in [text, text.lowercased(), text.uppercased()] {
            let role = Self.role(Self.patterns(actions: ["*"]), scopes: [spelling])
            #expect(role.isAssignable(at: scope) == isAssignable, "\(spelling)")
        }
    }

    @Test("A role with several scopes may be assigned at each, one without a scope nowhere, one of the root everywhere")
    func severalScopes() {
        let other = Scope.subscription(Self.otherSubscription)
        let object = Self.vaultScope.object(Self.name, in: "keys")
        func assignable(_ scopes: [String]) -> [Bool] {
            let role = Self.role(Self.patterns(actions: ["*"]), scopes: scopes)
            return [other, Self.group, Self.vaultScope, object].map { role.isAssignable(at: $0) }
        }
        #expect(assignable([other.description, object.description]) == [true, false, false, true])
        #expect(assignable([Self.vaultScope.description]) == [false, false, true, true])
        #expect(assignable([]) == [false, false, false, false])
        #expect(assignable(["/"]) == [true, true, true, true])
    }

    // MARK: What it allows

    private static func all(where isMeant: (Permission) -> Bool) -> [Permission] { Permission.allCases.filter(isMeant) }

    private static let allowed: [(RoleDefinition.Patterns, [Permission])] = [
        (patterns(data: [readSecret]), [.secretsGet]),
        (patterns(data: [readSecret.uppercased(), deleteSecret.lowercased()]), [.secretsGet, .secretsDelete]),
        (
            patterns(data: ["microsoft.keyvault/VAULTS/secrets/*"], withoutData: ["*/getSecret/*", "*/PURGE/action"]),
            all { permission in
                permission.isDataAction && permission.action.hasPrefix("Microsoft.KeyVault/vaults/secrets/")
                    && permission != .secretsGet && permission != .secretsPurge
            }
        ),
        (patterns(data: ["*"]), all { $0.isDataAction }), (patterns(actions: ["*"]), all { !$0.isDataAction }),
        (patterns(actions: ["*"], data: ["*"]), Permission.allCases),
        (patterns(data: ["*"], withoutData: ["*"]), []), (patterns(actions: ["*"], without: ["*"]), []),
        (
            patterns(actions: ["Microsoft.Authorization/roleDefinitions/*"], without: ["*/delete"]),
            [.roleDefinitionsWrite]
        ),
        // Neither kind of list speaks of the other kind of action.
        (
            patterns(actions: ["Microsoft.KeyVault/vaults/secrets/*"]), [.resourceSecretsRead, .resourceSecretsWrite]
        ),
        (patterns(data: ["Microsoft.Authorization/*"]), []),
        (patterns(without: ["*"], data: [readSecret]), [.secretsGet]),
        (
            patterns(actions: ["Microsoft.KeyVault/vaults/read"], withoutData: ["Microsoft.KeyVault/vaults/read"]),
            [.vaultsRead]
        ),
        // The words of a pool say nothing outside of it.
        (patterns(data: ["Microsoft.KeyVault/managedHsm/keys/*"]), []),
        // Nor does what is of no vault at all.
        (patterns(actions: ["Microsoft.Compute/*"], data: ["Microsoft.Storage/*"]), []),
    ]

    @Test("A role allows what its patterns name less what they take back", arguments: allowed)
    func permissions(_ patterns: RoleDefinition.Patterns, _ expected: [Permission]) {
        let role = Self.role(patterns)
        for permission in Permission.allCases {
            #expect(role.permissions.contains(permission) == expected.contains(permission), "\(permission)")
        }
    }

    private static let allowedInPool: [(RoleDefinition.Patterns, [Permission])] = [
        (patterns(data: [readPoolKey]), [.keysRead, .keysList, .keyRotationPoliciesRead]),
        (patterns(data: ["*"]), all { $0.poolAction != nil }),
        (
            patterns(data: ["microsoft.keyvault/MANAGEDHSM/*"], withoutData: ["*/keys/*"]),
            all { $0.poolAction != nil && !$0.concernsPoolKeys }
        ),
        (patterns(data: ["Microsoft.KeyVault/vaults/*"]), []), (patterns(actions: ["*"]), []),
    ]

    @Test("A local role of a pool allows what the words of pools name", arguments: allowedInPool)
    func poolPermissions(_ patterns: RoleDefinition.Patterns, _ expected: [Permission]) {
        let role = Self.role(patterns, pool: Self.demo)
        for permission in Permission.allCases {
            #expect(role.permissions.contains(permission) == expected.contains(permission), "\(permission)")
        }
    }

    @Test("A role keeps what it was made of, and tells itself from a built-in one")
    func parts() throws {
        let patterns = Self.patterns(actions: ["a/b"], without: ["c/*"], data: ["*"], withoutData: ["d/e"])
        let role = Self.role(patterns, scopes: ["/x", "/y"])
        #expect((role.id, role.name, role.description) == (Self.roleID, "Mine", "What for"))
        #expect((role.actions, role.notActions) == (["a/b"], ["c/*"]))
        #expect((role.dataActions, role.notDataActions) == (["*"], ["d/e"]))
        #expect(role.assignableScopes == ["/x", "/y"])
        #expect(role.isCustom && !role.isOfPool && role.pool == nil && role.assignableRoles == nil)
        let local = Self.role(patterns, pool: Self.demo)
        #expect(local.isCustom && local.isOfPool && local.pool == Self.demo)
        let builtIn = try #require(BuiltInRoles.role(named: "Key Vault Secrets User"))
        #expect(!builtIn.isCustom && builtIn.pool == nil && builtIn.assignableScopes == ["/"])
        #expect(builtIn.isAssignable(at: Self.vaultScope))
    }

    // MARK: Who holds it

    @Test("A custom role that is assigned grants its permissions and no other")
    func grants() {
        let control = AccessControl(
            [assignment(at: Self.group)], customRoles: [Self.role(Self.patterns(data: [Self.readSecret]))])
        let decider = AccessDecider(control)
        let grant = decider.grant(.secretsGet, to: principal, on: Self.vaultChain, object: (Self.name, "secrets"))
        #expect(grant?.assignmentID == GUID(high: 9, low: 1))
        #expect(decider.grant(.secretsDelete, to: principal, on: Self.vaultChain, object: nil) == nil)
        #expect(decider.grant(.vaultsRead, to: principal, at: Self.vaultScope) == nil)
    }

    @Test("A change of a role is in force for the very next question, on every lane; one that is gone grants nothing")
    func instant() {
        let control = AccessControl(
            [assignment(at: Self.vaultScope)], customRoles: [Self.role(Self.patterns(data: [Self.readSecret]))])
        let deciders = [AccessDecider(control), AccessDecider(control)]
        func granted(_ permission: Permission) -> [Bool] {
            deciders.map { $0.grant(permission, to: principal, on: Self.vaultChain, object: nil) != nil }
        }
        #expect(granted(.secretsGet) == [true, true])
        #expect(granted(.secretsDelete) == [false, false])
        let changed = Self.role(Self.patterns(data: [Self.deleteSecret]))
        control.reloadRole(Self.roleID, from: Records(nil), committed: changed)
        #expect(granted(.secretsGet) == [false, false])
        #expect(granted(.secretsDelete) == [true, true])
        #expect(control.all.map(\.id) == [GUID(high: 9, low: 1)])
        control.reloadRole(Self.roleID, from: Records(nil), committed: nil)
        #expect(granted(.secretsDelete) == [false, false])
        #expect(control.role(Self.roleID) == nil)
    }

    @Test("What the store holds counts, not what was committed before it")
    func newest() throws {
        let control = AccessControl([assignment(at: Self.vaultScope)])
        let stored = Records([Self.key: Self.record(dataActions: [Self.readSecret])])
        control.reloadRole(Self.roleID, from: stored, committed: Self.role(Self.patterns(data: [Self.deleteSecret])))
        #expect(try #require(control.role(Self.roleID)).dataActions == [Self.readSecret])
        control.reloadRole(Self.roleID, from: stored, committed: nil)
        #expect(control.role(Self.roleID) != nil)
        control.reloadRole(Self.roleID, from: Records([:]), committed: Self.role(Self.patterns(data: ["*"])))
        #expect(control.role(Self.roleID) == nil)
    }

    @Test("One role's change and end leave what else is held")
    func others() throws {
        let reader = try #require(BuiltInRoles.role(named: "Key Vault Secrets User"))
        let otherID = GUID(high: 3, low: 4)
        let control = AccessControl(
            [
                assignment(at: Self.vaultScope), assignment(at: Self.vaultScope, of: reader.id, id: 2),
                assignment(at: Self.vaultScope.object(Self.name, in: "secrets"), of: otherID, id: 3),
            ],
            customRoles: [
                Self.role(Self.patterns(data: ["*"])),
                Self.role(Self.patterns(data: [Self.deleteSecret]), id: otherID, name: "Other"),
            ])
        let decider = AccessDecider(control)
        control.reloadRole(Self.roleID, from: Records(nil), committed: nil)
        let object = (name: Self.name, collection: "secrets")
        #expect(
            decider.grant(.secretsGet, to: principal, on: Self.vaultChain, object: object)?.assignmentID
                == GUID(high: 9, low: 2))
        #expect(
            decider.grant(.secretsDelete, to: principal, on: Self.vaultChain, object: object)?.assignmentID
                == GUID(high: 9, low: 3))
        #expect(decider.grant(.secretsSet, to: principal, on: Self.vaultChain, object: object) == nil)
    }

    @Test("A local role holds in a pool and nowhere else, and no other role holds there")
    func apart() {
        func granted(_ role: RoleDefinition, at scope: Scope) -> [Bool] {
            let decider = AccessDecider(AccessControl([assignment(at: scope)], customRoles: [role]))
            return [Self.vaultChain, Self.poolChain].map { chain in
                decider.grant(.keysRead, to: principal, on: chain, object: nil) != nil
            }
        }
        let local = Self.role(Self.patterns(data: ["*"]), pool: Self.demo)
        let outer = Self.role(Self.patterns(actions: ["*"], data: ["*"]))
        #expect(granted(local, at: Self.poolScope) == [false, true])
        #expect(granted(local, at: Self.vaultScope) == [false, false])
        #expect(granted(outer, at: Self.vaultScope) == [true, false])
        #expect(granted(outer, at: Self.group) == [true, false])
        #expect(granted(outer, at: Self.poolScope) == [false, false])
    }

    @Test("A local role at all keys of a pool grants what concerns keys")
    func allKeys() {
        let control = AccessControl(
            [assignment(at: Self.poolScope.allKeys)],
            customRoles: [Self.role(Self.patterns(data: ["*"]), pool: Self.demo)])
        let decider = AccessDecider(control)
        for permission in Permission.allCases where permission.poolAction != nil {
            let isGranted = decider.grant(permission, to: principal, on: Self.poolChain, object: nil) != nil
            #expect(isGranted == permission.concernsPoolKeys, "\(permission)")
        }
    }

    @Test("Who may assign roles by a custom role may assign any, and who may only write them none")
    func delegation() {
        func mayAssign(_ action: String) -> [Bool] {
            let role = Self.role(Self.patterns(actions: [action]))
            let decider = AccessDecider(AccessControl([assignment(at: Self.group)], customRoles: [role]))
            return [Self.vaultScope, .subscription(Self.subscription)].map { scope in
                decider.mayChange(assignmentsOf: Self.roleID, as: .roleAssignmentsWrite, principal, at: scope)
            }
        }
        #expect(mayAssign("Microsoft.Authorization/roleAssignments/write") == [true, false])
        #expect(mayAssign("Microsoft.Authorization/roleAssignments/delete") == [false, false])
        #expect(mayAssign("Microsoft.Authorization/roleDefinitions/*") == [false, false])
    }

    @Test("Custom roles are listed by name after the built-in ones, and none stands in for a built-in one")
    func listing() throws {
        let builtIn = try #require(BuiltInRoles.role(named: "Reader"))
        let control = AccessControl(
            [],
            customRoles: [
                Self.role(Self.patterns(data: ["*"]), id: GUID(high: 3, low: 1), name: "b"),
                Self.role(Self.patterns(data: ["*"]), id: GUID(high: 3, low: 2), name: "a"),
            ])
        let names = control.roles.map(\.name)
        #expect(names == BuiltInRoles.all.map(\.name) + ["a", "b"])
        #expect(control.role(GUID(high: 3, low: 1))?.name == "b")
        #expect(control.role(Self.roleID) == nil)
        let impostor = AccessControl(
            [], customRoles: [Self.role(Self.patterns(actions: ["*"]), id: builtIn.id, name: "Impostor")])
        #expect(impostor.role(builtIn.id)?.name == "Reader")
    }

    // MARK: The store

    private static let key = "access/role/00000000-0000-0003-0000-000000000003"

    private static func record(
        format: Int = 1, id: String = "00000000-0000-0003-0000-000000000003", dataActions: [String] = ["*"],
        patterns: String = "patterns", rest: String = ""
    ) -> String {
        let data = dataActions.map { "\"\($0)\"" }.joined(separator: ",")
        return """
            {"format":\(format),"id":"\(id)","name":"Mine","description":"What for","assignableScopes":["/x","/y"],
            "\(patterns)":{"actions":["a/b"],"notActions":["c/*"],"dataActions":[\(data)],"notDataActions":["d/e"]}\(rest)}
            """
    }

    @Test("A role is read from its record as it was written")
    func reading() throws {
        let records = Records([Self.key: Self.record()])
        let role = try #require(try RoleDefinitionTable.role(Self.roleID, in: records))
        #expect((role.id, role.name, role.description) == (Self.roleID, "Mine", "What for"))
        #expect((role.actions, role.notActions) == (["a/b"], ["c/*"]))
        #expect((role.dataActions, role.notDataActions) == (["*"], ["d/e"]))
        #expect(role.assignableScopes == ["/x", "/y"])
        #expect(role.isCustom && !role.isOfPool)
        #expect(role.permissions.contains(.secretsGet))
        #expect(try RoleDefinitionTable.role(GUID(high: 3, low: 4), in: records) == nil)
    }

    @Test("A role of a pool is read as one of this pool")
    func readingOfPool() throws {
        let records = Records([Self.key: Self.record(rest: #","pool":"demo""#)])
        let role = try #require(try RoleDefinitionTable.role(Self.roleID, in: records))
        #expect(role.isOfPool && role.pool == Self.demo)
        #expect(role.permissions.contains(.randomBytes) && !role.permissions.contains(.secretsGet))
    }

    @Test("All roles are read, and nothing beside them")
    func readingAll() throws {
        let second = "00000000-0000-0004-0000-000000000004"
        let records = Records([
            Self.key: Self.record(), "access/role/\(second)": Self.record(id: second), "access/role0": "no role",
            "access/assignment/\(second)": "no role", "access/rolf/\(second)": "no role",
        ])
        #expect(try RoleDefinitionTable.all(in: records).map(\.id) == [Self.roleID, GUID(high: 4, low: 4)])
        #expect(try RoleDefinitionTable.all(in: Records([:])).isEmpty)
        let control = try AccessControl(loadingFrom: Records([Self.key: Self.record()]))
        #expect(control.role(Self.roleID)?.name == "Mine")
    }

    @Test(
        "A record that is not as it was written is named as damaged",
        arguments: [
            "", "{}", "no JSON", record(format: 2), record(id: "mine"), String(record().dropLast()),
            record(patterns: "pattern"),
        ])
    func damage(_ text: String) {
        let records = Records([Self.key: text])
        #expect(isDamageNamed { _ = try RoleDefinitionTable.role(Self.roleID, in: records) })
        #expect(isDamageNamed { _ = try RoleDefinitionTable.all(in: records) })
        #expect(isDamageNamed { _ = try AccessControl(loadingFrom: records) })
    }

    private func isDamageNamed(_ body: () throws -> Void) -> Bool {
        do {
            try body()
            return false
        } catch let error as VaultError {
            guard error.code == .integrity, case .integrity(let record)? = error.cause else { return false }
            return record == Self.key
        } catch {
            return false
        }
    }
}

/// Records as the barrier would open them; nil for a store that cannot be read just now.
private final class Records: RecordReader {
    private let held: [String: String]?

    init(_ held: [String: String]?) { self.held = held }

    private func all() throws(VaultError) -> [String: String] {
        guard let held else { throw .unavailable("not now") }
        return held
    }

    func record(at key: String) throws(VaultError) -> [UInt8]? { try all()[key].map { Array($0.utf8) } }

    func records(in range: KeyRange, limit: Int) throws(VaultError) -> [StoreEntry] {
        let held = try all()
        let keys = held.keys.filter { range.lower <= $0 && $0 < range.upper }.sorted()
        return keys.prefix(limit).map { StoreEntry(key: $0, value: Array((held[$0] ?? "").utf8)) }
    }
}
