import Access
import Barrier
import Domain
import Store
import StrongroomTesting
import Testing

struct AccessControlTests {
    private static let subscription = GUID(high: 1, low: 1)
    private static let otherSubscription = GUID(high: 2, low: 2)
    private static let demo = VaultName("demo")!
    private static let name = ObjectName("Secret-1")!
    private let principal = Principal(
        kind: .application, objectID: GUID(high: 5, low: 5), applicationID: GUID(high: 6, low: 6),
        tenant: GUID(high: 7, low: 7), issuer: "i")

    private func assignment(
        _ role: String = "Key Vault Secrets User", at scope: Scope, id: UInt64 = 1, to principalID: GUID? = nil
    ) throws -> RoleAssignment {
        RoleAssignment(
            id: GUID(high: 9, low: id), principalID: principalID ?? principal.objectID,
            roleID: try #require(BuiltInRoles.role(named: role)).id,
            scope: scope, created: TestClock.start, createdBy: principal.objectID)
    }

    private func chain(_ vault: String = "demo", group: String = "Group", subscription: GUID = subscription) throws
        -> ScopeChain
    {
        ScopeChain(vault: try #require(VaultName(vault)), group: group, subscription: subscription)
    }

    static let vaultScope = Scope.vault(demo, group: "Group", subscription: subscription)

    @Test(
        "A role reaches what its scope contains and nothing else",
        arguments: [
            (Scope.subscription(subscription), true), (.resourceGroup("group", in: subscription), true),
            (vaultScope, true),
            (vaultScope.object(name, in: "secrets"), true),
            (vaultScope.object(ObjectName("SECRET-1")!, in: "secrets"), true),
            (vaultScope.object(ObjectName("secret-10")!, in: "secrets"), false),
            (vaultScope.object(name, in: "keys"), false),
            (.subscription(otherSubscription), false), (.resourceGroup("Group2", in: subscription), false),
            (.resourceGroup("Group", in: otherSubscription), false),
            (.vault(VaultName("demo2")!, group: "Group", subscription: subscription), false),
            (.vault(demo, group: "Other", subscription: subscription), false),
        ])
    func scopes(_ scope: Scope, _ isGranted: Bool) throws {
        let decider = AccessDecider(AccessControl([try assignment(at: scope)]))
        let grant = decider.grant(.secretsGet, to: principal, on: try chain(), object: (Self.name, "secrets"))
        #expect((grant != nil) == isGranted)
        #expect(grant?.assignmentID == (isGranted ? GUID(high: 9, low: 1) : nil))
        // Asked again, now from memory.
        #expect(
            (decider.grant(.secretsGet, to: principal, on: try chain(), object: (Self.name, "secrets")) != nil)
                == isGranted)
    }

    @Test("A role on one object grants nothing on the whole vault")
    func objectScope() throws {
        let decider = AccessDecider(
            AccessControl([try assignment(at: Self.vaultScope.object(Self.name, in: "secrets"))]))
        #expect(decider.grant(.secretsReadMetadata, to: principal, on: try chain(), object: nil) == nil)
        #expect(
            decider.grant(.secretsReadMetadata, to: principal, on: try chain(), object: (Self.name, "secrets")) != nil)
    }

    @Test("A role grants its permissions and no other", arguments: Permission.allCases)
    func permissions(_ permission: Permission) throws {
        let role = try #require(BuiltInRoles.role(named: "Key Vault Secrets User"))
        let decider = AccessDecider(AccessControl([try assignment(at: Self.vaultScope)]))
        let isGranted = decider.grant(permission, to: principal, on: try chain(), object: nil) != nil
        #expect(isGranted == role.permissions.contains(permission))
        #expect(isGranted == [.secretsGet, .secretsReadMetadata, .secretsReadDeleted].contains(permission))
    }

    @Test("Nobody holds what another was given")
    func others() throws {
        let control = AccessControl([try assignment(at: Self.vaultScope, to: GUID(high: 5, low: 6))])
        #expect(AccessDecider(control).grant(.secretsGet, to: principal, on: try chain(), object: nil) == nil)
        // By its object id, not by its application id.
        let byApplication = AccessControl([try assignment(at: Self.vaultScope, to: principal.applicationID)])
        #expect(AccessDecider(byApplication).grant(.secretsGet, to: principal, on: try chain(), object: nil) == nil)
    }

    @Test("Roles add up")
    func union() throws {
        let control = AccessControl([
            try assignment("Key Vault Secrets User", at: .subscription(Self.subscription), id: 1),
            try assignment("Key Vault Secrets Officer", at: Self.vaultScope.object(Self.name, in: "secrets"), id: 2),
        ])
        let decider = AccessDecider(control)
        #expect(
            decider.grant(.secretsGet, to: principal, on: try chain(), object: nil)?.assignmentID
                == GUID(high: 9, low: 1))
        #expect(
            decider.grant(.secretsDelete, to: principal, on: try chain(), object: (Self.name, "secrets"))?.assignmentID
                == GUID(high: 9, low: 2))
        #expect(decider.grant(.secretsDelete, to: principal, on: try chain(), object: nil) == nil)
    }

    @Test("A change is in force for the very next question, on every lane")
    func instant() throws {
        let control = AccessControl([])
        let deciders = [AccessDecider(control), AccessDecider(control)]
        func granted() throws -> [Bool] {
            try deciders.map { $0.grant(.secretsGet, to: principal, on: try chain(), object: nil) != nil }
        }
        #expect(try granted() == [false, false])
        let given = try assignment(at: Self.vaultScope)
        control.reload(given.id, from: Unreadable(), committed: given)
        #expect(try granted() == [true, true])
        control.reload(given.id, from: Unreadable(), committed: nil)
        #expect(try granted() == [false, false])
        #expect(control.all.isEmpty)
    }

    @Test("Taking one of two roles away leaves the other")
    func removal() throws {
        let first = try assignment(at: Self.vaultScope, id: 1)
        let second = try assignment(at: .subscription(Self.subscription), id: 2)
        let object = try assignment(at: Self.vaultScope.object(Self.name, in: "secrets"), id: 3)
        let control = AccessControl([first, second, object])
        let decider = AccessDecider(control)
        for removed in [first, second] {
            control.reload(removed.id, from: Unreadable(), committed: nil)
            #expect(decider.grant(.secretsGet, to: principal, on: try chain(), object: (Self.name, "secrets")) != nil)
        }
        control.reload(object.id, from: Unreadable(), committed: nil)
        #expect(decider.grant(.secretsGet, to: principal, on: try chain(), object: (Self.name, "secrets")) == nil)
    }

    @Test("A role that is not known grants nothing")
    func unknownRole() throws {
        let unknown = RoleAssignment(
            id: GUID(high: 9, low: 1), principalID: principal.objectID, roleID: GUID(high: 0, low: 0),
            scope: Self.vaultScope,
            created: TestClock.start, createdBy: principal.objectID)
        #expect(
            AccessDecider(AccessControl([unknown])).grant(.secretsGet, to: principal, on: try chain(), object: nil)
                == nil)
    }

    @Test(
        "On the management plane a role reaches its scope and all below",
        arguments: [
            (Scope.subscription(subscription), true), (.resourceGroup("Group", in: subscription), true),
            (vaultScope, true),
            (vaultScope.object(name, in: "secrets"), false), (.resourceGroup("Grou", in: subscription), false),
            (.subscription(otherSubscription), false),
            (.vault(VaultName("dem")!, group: "Group", subscription: subscription), false),
        ])
    func management(_ scope: Scope, _ isGranted: Bool) throws {
        let decider = AccessDecider(AccessControl([try assignment("Owner", at: scope)]))
        #expect((decider.grant(.roleAssignmentsWrite, to: principal, at: Self.vaultScope) != nil) == isGranted)
    }

    @Test("Only the server itself is granted what a duty needs")
    func system() throws {
        let decider = AccessDecider(AccessControl([]))
        #expect(decider.grantToSystem(.secretsPurge, .system(tenant: principal.tenant)) != nil)
        #expect(decider.grantToSystem(.secretsPurge, principal) == nil)
    }
}

/// A store that cannot be read just now.
private final class Unreadable: RecordReader {
    func record(at key: String) throws(VaultError) -> [UInt8]? { throw .unavailable("not now") }
    func records(in range: KeyRange, limit: Int) throws(VaultError) -> [StoreEntry] { throw .unavailable("not now") }
}

extension AccessControlTests {
    @Test("What is remembered of a vault does not hold for another one of its name in another group")
    func remadeElsewhere() throws {
        let decider = AccessDecider(AccessControl([try assignment(at: .resourceGroup("Group", in: Self.subscription))]))
        #expect(decider.grant(.secretsGet, to: principal, on: try chain(), object: nil) != nil)
        #expect(decider.grant(.secretsGet, to: principal, on: try chain(group: "Other"), object: nil) == nil)
    }

    @Test("A role or a scope that demands a second factor gives nothing to people without, and all to programs")
    func secondFactor() throws {
        func person(lacksMFA: Bool) -> Principal {
            Principal(
                kind: .user, objectID: principal.objectID, applicationID: principal.applicationID,
                tenant: principal.tenant, issuer: "i", lacksMFA: lacksMFA)
        }
        let role = try #require(BuiltInRoles.role(named: "Key Vault Secrets User")).id
        for demands in [
            MFADemands(roles: [role]), MFADemands(scopes: ["\(Self.vaultScope)"]),
            MFADemands(scopes: ["/subscriptions/\(Self.subscription)"]),
        ] {
            let control = AccessControl([try assignment(at: Self.vaultScope)], demands: demands)
            let decider = AccessDecider(control)
            func isGranted(_ principal: Principal) throws -> Bool {
                decider.grant(.secretsGet, to: principal, on: try chain(), object: (Self.name, "secrets")) != nil
            }
            #expect(try !isGranted(person(lacksMFA: true)))
            #expect(try isGranted(person(lacksMFA: true).withMFA))
            #expect(try isGranted(person(lacksMFA: false)))
            #expect(try isGranted(principal))
        }
    }
}
