package import Barrier
package import Domain
import Synchronization

/// Proof that a principal may do something. Only this room can make one, and a handler cannot be called without.
package struct Grant: Sendable {
    package let permission: Permission
    /// The assignment that gave it; nil for the server acting on a duty of its own.
    package let assignmentID: GUID?

    init(permission: Permission, assignmentID: GUID?) {
        (self.permission, self.assignmentID) = (permission, assignmentID)
    }
}

/// The scopes that contain a vault, from the vault outwards; made once for a vault.
///
/// A managed HSM pool is contained in nothing: what is assigned outside of it gives no right to its data.
package struct ScopeChain: Sendable {
    package let name: VaultName
    package let isPool: Bool
    package let vault: Scope
    /// Keys of the scopes whose assignments reach everything in the vault.
    package let keys: [String]
    /// Decide alone about what is in the vault, in place of roles; nil where roles decide.
    package let policies: AccessPolicies?

    package init(vault: VaultName, group: String, subscription: GUID, policies: AccessPolicies? = nil) {
        name = vault
        isPool = false
        self.policies = policies
        self.vault = .vault(vault, group: group, subscription: subscription)
        keys = [self.vault.key, Scope.resourceGroup(group, in: subscription).key, Scope.subscription(subscription).key]
    }
}

extension ScopeChain {
    package init(pool: VaultName, group: String, subscription: GUID) {
        name = pool
        isPool = true
        policies = nil
        vault = .pool(pool, group: group, subscription: subscription)
        keys = [vault.key]
    }
}

/// Who holds which role where, as one immutable picture that every change replaces.
package final class AccessControl: Sendable {
    private let current: Mutex<Assignments>
    private let generation = Atomic<UInt64>(1)

    package init(
        _ assignments: [RoleAssignment], customRoles: [RoleDefinition] = [], demands: MFADemands = MFADemands()
    ) {
        current = Mutex(Assignments(assignments, customRoles: customRoles, demands: demands))
    }

    package convenience init(loadingFrom reader: any RecordReader) throws(VaultError) {
        self.init(
            try RoleAssignmentTable.all(in: reader), customRoles: try RoleDefinitionTable.all(in: reader),
            demands: try MFADemands.stored(in: reader))
    }

    // MARK: Roles

    package func role(_ id: GUID) -> RoleDefinition? {
        BuiltInRoles.role(id) ?? current.withLock { $0.customRoles[id] }
    }

    /// Built-in ones first, then those that somebody made, by name.
    package var roles: [RoleDefinition] {
        BuiltInRoles.all + current.withLock { Array($0.customRoles.values) }.sorted { $0.name < $1.name }
    }

    /// Takes one role anew from the store after a commit, as `reload` does with an assignment; what is assigned changes with it.
    package func reloadRole(_ id: GUID, from reader: any RecordReader, committed: RoleDefinition?) {
        current.withLock { index in
            var stored = committed
            do { stored = try RoleDefinitionTable.role(id, in: reader) } catch {}
            var roles = index.customRoles
            roles[id] = stored
            index = Assignments(
                index.byID.values, customRoles: Array(roles.values), demands: index.demands)
        }
        generation.add(1, ordering: .releasing)
    }

    // MARK: Second factors

    package var demands: MFADemands { current.withLock { $0.demands } }

    /// Takes the demands anew from the store after a commit.
    package func reloadDemands(from reader: any RecordReader, committed: MFADemands) {
        current.withLock { index in
            var stored = committed
            do { stored = try MFADemands.stored(in: reader) } catch {}
            index = Assignments(
                index.byID.values, customRoles: Array(index.customRoles.values), demands: stored)
        }
        generation.add(1, ordering: .releasing)
    }

    // MARK: Assignments

    /// Takes one assignment anew from the store after a commit. Reading under the lock makes the last of several
    /// concurrent changes win, whatever order they arrive in.
    ///
    /// - Parameter committed: what the commit wrote; taken when it cannot be read just then, since what is durable must not be
    ///   answered as refused.
    package func reload(_ id: GUID, from reader: any RecordReader, committed: RoleAssignment?) {
        current.withLock { index in
            var stored = committed
            do { stored = try RoleAssignmentTable.assignment(id, in: reader) } catch {}
            index.remove(id)
            if let stored { index.insert(stored) }
        }
        generation.add(1, ordering: .releasing)
    }

    /// Whether a principal holds a role at a scope already, by another assignment.
    package func isAssigned(_ role: GUID, to principal: GUID, at scope: Scope, otherThan id: GUID) -> Bool {
        current.withLock { index in
            (index.byPrincipal[principal]?.byScope[scope.key] ?? []).contains {
                $0.assignmentID != id && index.byID[$0.assignmentID]?.roleID == role
            }
        }
    }

    package var all: [RoleAssignment] { current.withLock { $0.byID.values } }

    var version: UInt64 { generation.load(ordering: .acquiring) }
    var assignments: Assignments { current.withLock { $0 } }
}

/// The index behind `AccessControl`.
struct Assignments: Sendable {
    struct Held: Sendable {
        let assignmentID: GUID
        let permissions: PermissionSet
        let assignableRoles: Set<GUID>?
        let demandsMFA: Bool

        func gives(_ permission: Permission, to principal: Domain.Principal) -> Bool {
            permissions.contains(permission) && !(demandsMFA && principal.lacksMFA)
        }
    }

    struct Principal: Sendable {
        var byScope: [String: [Held]] = [:]
        /// Whether any assignment names a single object; most principals have none, and then no object scope is spelled out.
        var objectScopes = 0
    }

    private(set) var customRoles: [GUID: RoleDefinition] = [:]
    private(set) var byID = ShardedDictionary<RoleAssignment>()
    private(set) var byPrincipal = ShardedDictionary<Principal>()
    let demands: MFADemands
    private let demandingScopes: Set<String>

    init(_ assignments: [RoleAssignment], customRoles: [RoleDefinition], demands: MFADemands) {
        self.demands = demands
        demandingScopes = demands.scopeKeys
        self.customRoles = Dictionary(customRoles.map { ($0.id, $0) }) { first, _ in first }
        for assignment in assignments { insert(assignment) }
    }

    mutating func insert(_ assignment: RoleAssignment) {
        // A role of pools holds in a pool, any other outside of them.
        guard let role = BuiltInRoles.role(assignment.roleID) ?? customRoles[assignment.roleID],
            role.isOfPool == assignment.scope.isInPool
        else { return }
        byID[assignment.id] = assignment
        let held = Held(
            assignmentID: assignment.id, permissions: role.permissions, assignableRoles: role.assignableRoles,
            demandsMFA: demands.roles.contains(role.id))
        byPrincipal[assignment.principalID, default: Principal()].byScope[assignment.scope.key, default: []].append(
            held)
        if assignment.scope.level == .object { byPrincipal[assignment.principalID]?.objectScopes += 1 }
    }

    /// Whether a second factor is demanded at a scope or at one that contains it.
    func demandsMFA(at key: String) -> Bool {
        demandingScopes.contains { key == $0 || key.hasPrefix($0 + "/") }
    }

    mutating func remove(_ id: GUID) {
        guard let old = byID.removeValue(forKey: id) else { return }
        byPrincipal[old.principalID]?.byScope[old.scope.key]?.removeAll { $0.assignmentID == id }
        if byPrincipal[old.principalID]?.byScope[old.scope.key]?.isEmpty == true {
            byPrincipal[old.principalID]?.byScope[old.scope.key] = nil
        }
        if old.scope.level == .object { byPrincipal[old.principalID]?.objectScopes -= 1 }
        if byPrincipal[old.principalID]?.byScope.isEmpty == true { byPrincipal[old.principalID] = nil }
    }
}

/// Decides for one thread, remembering what each principal holds on each vault until an assignment changes.
package final class AccessDecider {
    private struct Question: Hashable {
        let principal: GUID
        let groups: [GUID]
        /// Of the vault's scope, which names its group too: a vault that was made anew may lie in another one.
        let vault: String
    }

    private let control: AccessControl
    private var assignments: Assignments
    private var version: UInt64
    private var onVault: [Question: [Assignments.Held]] = [:]

    package init(_ control: AccessControl) {
        self.control = control
        version = control.version
        assignments = control.assignments
    }

    /// - Parameters:
    ///   - object: the name and collection of one object, when the operation is about one.
    ///   - isOnAllKeys: it is about what is assigned at all keys of a pool.
    /// - Returns: nil when nothing grants it.
    package func grant(
        _ permission: Permission, to principal: Principal, on chain: ScopeChain,
        object: (name: ObjectName, collection: String)?, isOnAllKeys: Bool = false
    ) -> Grant? {
        refresh()
        if principal.lacksMFA {
            let isOnKeys = chain.isPool && (isOnAllKeys || permission.concernsPoolKeys)
            let key = isOnKeys && object == nil ? chain.vault.key + "/keys" : Self.key(of: object, in: chain)
            if assignments.demandsMFA(at: key) { return nil }
        }
        if let policies = chain.policies { return policies.grant(permission, to: principal) }
        let question = Question(
            principal: principal.objectID, groups: principal.groups, vault: chain.vault.key)
        let held = onVault[question] ?? remember(question, chain)
        for assigned in held where assigned.gives(permission, to: principal) {
            return Grant(permission: permission, assignmentID: assigned.assignmentID)
        }
        if chain.isPool, permission.concernsPoolKeys || isOnAllKeys || object != nil {
            let key = chain.vault.key + "/keys"
            for holder in holders(principal) {
                for assigned in holder.byScope[key] ?? [] where assigned.gives(permission, to: principal) {
                    return Grant(permission: permission, assignmentID: assigned.assignmentID)
                }
            }
        }
        guard let object else { return nil }
        for holder in holders(principal) where holder.objectScopes > 0 {
            let key = Self.key(of: object, in: chain)
            for assigned in holder.byScope[key] ?? [] where assigned.gives(permission, to: principal) {
                return Grant(permission: permission, assignmentID: assigned.assignmentID)
            }
        }
        return nil
    }

    private static func key(of object: (name: ObjectName, collection: String)?, in chain: ScopeChain) -> String {
        object.map { chain.vault.key + "/" + $0.collection + "/" + $0.name.key } ?? chain.vault.key
    }

    /// The principal and the groups it is in, as far as they hold anything.
    private func holders(_ principal: Principal) -> [Assignments.Principal] {
        guard !principal.groups.isEmpty else { return assignments.byPrincipal[principal.objectID].map { [$0] } ?? [] }
        return ([principal.objectID] + principal.groups).compactMap { assignments.byPrincipal[$0] }
    }

    /// For management: the scope itself and every scope that contains it.
    package func grant(_ permission: Permission, to principal: Principal, at scope: Scope) -> Grant? {
        refresh()
        if principal.lacksMFA, assignments.demandsMFA(at: scope.key) { return nil }
        for holder in holders(principal) {
            for (key, held) in holder.byScope where scope.key == key || scope.key.hasPrefix(key + "/") {
                for assigned in held where assigned.gives(permission, to: principal) {
                    return Grant(permission: permission, assignmentID: assigned.assignmentID)
                }
            }
        }
        return nil
    }

    /// Whether one of the principal's roles lets it change assignments of `role` at `scope`.
    package func mayChange(assignmentsOf role: GUID, as permission: Permission, _ principal: Principal, at scope: Scope)
        -> Bool
    {
        refresh()
        return holders(principal).contains { holder in
            holder.byScope.contains { key, held in
                (scope.key == key || scope.key.hasPrefix(key + "/"))
                    && held.contains {
                        $0.gives(permission, to: principal) && ($0.assignableRoles?.contains(role) ?? true)
                    }
            }
        }
    }

    /// The server on a duty that it wrote down for itself.
    package func grantToSystem(_ permission: Permission, _ principal: Principal) -> Grant? {
        principal.kind == .system ? Grant(permission: permission, assignmentID: nil) : nil
    }

    private func remember(_ question: Question, _ chain: ScopeChain) -> [Assignments.Held] {
        var held: [Assignments.Held] = []
        for id in [question.principal] + question.groups {
            guard let byScope = assignments.byPrincipal[id]?.byScope else { continue }
            for key in chain.keys { held += byScope[key] ?? [] }
        }
        if onVault.count >= 10_000 { onVault.removeAll(keepingCapacity: true) }
        onVault[question] = held
        return held
    }

    private func refresh() {
        let newest = control.version
        guard newest != version else { return }
        version = newest
        assignments = control.assignments
        onVault.removeAll(keepingCapacity: true)
    }
}
