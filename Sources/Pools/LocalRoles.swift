import Access
import Barrier
import Domain
import FoundationEssentials
import Operations

/// A role that somebody made in a pool, as a backup holds it.
struct LocalRole: Codable, Sendable {
    let id: GUID
    let name: String
    let description: String
    let dataActions: [String]
    let notDataActions: [String]

    init(_ role: RoleDefinition) {
        (id, name, description) = (role.id, role.name, role.description)
        (dataActions, notDataActions) = (role.dataActions, role.notDataActions)
    }

    func role(_ id: GUID, in pool: Vault) -> RoleDefinition {
        RoleDefinition(
            name: name, id: id, description: description,
            patterns: .init(actions: [], notActions: [], dataActions: dataActions, notDataActions: notDataActions),
            assignableScopes: ["/"], pool: pool.name)
    }
}

/// Who holds a role in a pool, as a backup holds it.
struct LocalAssignment: Codable, Sendable {
    let id: GUID
    let principal: GUID
    let role: GUID
    /// Below the pool: empty, `/keys` or `/keys/<name>`.
    let scope: String
    let created: Int64
    let createdBy: GUID

    init(_ assignment: RoleAssignment, in pool: Vault) {
        (id, principal, role) = (assignment.id, assignment.principalID, assignment.roleID)
        scope = String(assignment.scope.description.dropFirst(pool.scopes.vault.description.count))
        (created, createdBy) = (assignment.created.epochSeconds, assignment.createdBy)
    }

    func assignment(_ id: GUID, role: GUID, in pool: Vault) -> RoleAssignment? {
        Scope(pool.scopes.vault.description + scope).map { scope in
            RoleAssignment(
                id: id, principalID: principal, roleID: role, scope: scope, created: Timestamp(epochSeconds: created),
                createdBy: createdBy)
        }
    }
}

extension Encodable where Self: Sendable {
    fileprivate func json() throws(VaultError) -> [UInt8] {
        guard let bytes = try? JSONEncoder().encode(self) else { throw .internal("a part of a backup is no JSON") }
        return Array(bytes)
    }
}

extension LocalRole { func encoded() throws(VaultError) -> [UInt8] { try json() } }
extension LocalAssignment { func encoded() throws(VaultError) -> [UInt8] { try json() } }

/// The local roles of a pool, replaced as a whole by those of a backup.
struct LocalRoles: Sendable {
    let roles: [LocalRole]
    let assignments: [LocalAssignment]

    struct Replaced: Sendable {
        var roles: [GUID: RoleDefinition?] = [:]
        var assignments: [GUID: RoleAssignment?] = [:]
    }

    /// Whoever administers the pool goes on to do so, lest a restore leave nobody who can.
    ///
    /// - Parameter newGUIDs: as many as there are roles and assignments: for those whose identifier something else on this server has.
    /// - Returns: what is there afterwards under each identifier that was touched.
    func replaceAll(in pool: Vault, _ newGUIDs: [GUID], _ transaction: Transaction) throws(VaultError) -> Replaced {
        var replaced = Replaced()
        var free = newGUIDs[...]
        let administrator = BuiltInRoles.role(named: "Managed HSM Administrator")?.id
        let root = pool.scopes.vault
        let all = try RoleAssignmentTable.all(in: transaction)
        for old in all where old.scope.key == root.key || old.scope.key.hasPrefix(root.key + "/") {
            if old.roleID == administrator, old.scope == root { continue }
            try RoleAssignmentTable.remove(old.id, in: transaction)
            replaced.assignments[old.id] = .some(nil)
        }
        for old in try RoleDefinitionTable.all(in: transaction) where old.pool == pool.name {
            try RoleDefinitionTable.remove(old.id, in: transaction)
            replaced.roles[old.id] = .some(nil)
        }
        var renamed: [GUID: GUID] = [:]
        for role in roles {
            let isTaken = try RoleDefinitionTable.role(role.id, in: transaction) != nil
            let id = isTaken ? free.popFirst() ?? role.id : role.id
            renamed[role.id] = id
            let definition = role.role(id, in: pool)
            try RoleDefinitionTable.put(definition, in: transaction)
            replaced.roles[id] = definition
        }
        let kept = all.filter { $0.roleID == administrator && $0.scope == root }
        for entry in assignments {
            if entry.role == administrator, entry.scope.isEmpty,
                kept.contains(where: { $0.principalID == entry.principal })
            {
                continue
            }
            let isTaken = try RoleAssignmentTable.assignment(entry.id, in: transaction) != nil
            let id = isTaken ? free.popFirst() ?? entry.id : entry.id
            guard let assignment = entry.assignment(id, role: renamed[entry.role] ?? entry.role, in: pool) else {
                throw PoolBackup.damaged
            }
            try RoleAssignmentTable.put(assignment, in: transaction)
            replaced.assignments[id] = assignment
        }
        return replaced
    }
}
