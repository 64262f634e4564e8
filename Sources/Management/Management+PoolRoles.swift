import Access
import Barrier
import Domain
import Operations

/// The local roles of managed HSM pools, on the pool's own host: who holds them, and what they are.
///
/// Scopes are `/`, `/keys` and `/keys/<name>`. Rights of the management plane give none here.
/// - Source: Azure REST, Managed HSM role assignments and role definitions, 7.2 to 2025-07-01.
extension Management {
    private static let assignments = "/providers/Microsoft.Authorization/roleAssignments"
    private static let definitions = "/providers/Microsoft.Authorization/roleDefinitions"
    /// The prefix of a role's identifier as the service writes it.
    private static let definitionPrefix = "Microsoft.KeyVault" + definitions + "/"

    var poolRoleOperations: [any AnyOperation] {
        let scopes = ["", "/keys", "/keys/{key-name}"]
        let item = scopes.map { $0 + Self.assignments + "/{assignment}" }
        let list = scopes.map { $0 + Self.assignments }
        let role = scopes.map { $0 + Self.definitions + "/{definition}" }
        let roles = scopes.map { $0 + Self.definitions }
        let since = APIVersion.v7_2preview
        return [
            Operation(
                "LocalRoleAssignmentPut", .put, on: .managedHSM, item[0], item[1], item[2],
                requires: .permission(.localAssignmentsWrite), since: since, status: 201, run: putLocal),
            Operation(
                "LocalRoleAssignmentGet", .get, on: .managedHSM, item[0], item[1], item[2],
                requires: .permission(.localAssignmentsRead), since: since, run: getLocal),
            Operation(
                "LocalRoleAssignmentDelete", .delete, on: .managedHSM, item[0], item[1], item[2],
                requires: .permission(.localAssignmentsDelete), since: since, run: deleteLocal),
            Operation(
                "LocalRoleAssignmentList", .get, on: .managedHSM, list[0], list[1], list[2],
                requires: .permission(.localAssignmentsRead), since: since, run: listLocal),
            Operation(
                "LocalRoleDefinitionGet", .get, on: .managedHSM, role[0], role[1], role[2],
                requires: .permission(.localDefinitionsRead), since: since, run: getDefinition),
            Operation(
                "LocalRoleDefinitionPut", .put, on: .managedHSM, role[0], role[1], role[2],
                requires: .permission(.localDefinitionsWrite), since: since, status: 201, run: putDefinition),
            Operation(
                "LocalRoleDefinitionDelete", .delete, on: .managedHSM, role[0], role[1], role[2],
                requires: .permission(.localDefinitionsDelete), since: since, run: deleteDefinition),
            Operation(
                "LocalRoleDefinitionList", .get, on: .managedHSM, roles[0], roles[1], roles[2],
                requires: .permission(.localDefinitionsRead), since: since, run: listDefinitions),
        ]
    }

    // MARK: Scopes

    /// A scope inside a pool, from the path.
    struct LocalScope: Sendable {
        let key: ObjectName?
        let isAllKeys: Bool

        init(_ request: Request) throws(VaultError) {
            key = request.parameter("key-name") == nil ? nil : try request.objectName("key-name")
            isAllKeys = key == nil && request.path.first?.lowercased() == "keys"
        }

        func scope(in pool: Vault) -> Scope {
            if let key { return pool.scopes.vault.object(key, in: "keys") }
            return isAllKeys ? pool.scopes.vault.allKeys : pool.scopes.vault
        }

        /// `/`, `/keys`, `/keys/<name>`
        static func text(of scope: Scope, in pool: Vault) -> String {
            let rest = scope.description.dropFirst(pool.scopes.vault.description.count)
            return rest.isEmpty ? "/" : String(rest)
        }
    }

    struct LocalInput: OperationInput {
        let scope: LocalScope
        let id: GUID

        init(_ request: Request) throws(VaultError) {
            scope = try LocalScope(request)
            guard let id = GUID(request.parameter("assignment") ?? request.parameter("definition") ?? "") else {
                throw .badParameter("The name of a role assignment or definition must be a GUID.")
            }
            self.id = id
        }
    }

    struct PutLocalInput: OperationInput {
        let target: LocalInput
        let roleID: GUID
        let principalID: GUID

        init(_ request: Request) throws(VaultError) {
            struct Body: Decodable {
                struct Properties: Decodable {
                    let roleDefinitionId: String
                    let principalId: String
                }
                let properties: Properties
            }
            target = try LocalInput(request)
            let properties = try Body.fromJSON(request.body).properties
            guard let role = GUID(properties.roleDefinitionId.split(separator: "/").last ?? "") else {
                throw VaultError(
                    .resourceNotFound,
                    "The role definition '\(properties.roleDefinitionId.prefix(256))' does not exist in this pool.")
            }
            guard let principal = GUID(properties.principalId) else {
                throw .badParameter("Property 'properties.principalId' has invalid value: it is not a GUID.\r\n")
            }
            (roleID, principalID) = (role, principal)
        }
    }

    // MARK: Assignments

    struct LocalAssignmentOutput: OperationOutput {
        let assignment: RoleAssignment
        let pool: Vault
        var status: UInt16 = 200

        func response(_ call: Call) -> Response { .json(status) { Self.write(assignment, pool, to: &$0) } }

        static func write(_ assignment: RoleAssignment, _ pool: Vault, to writer: inout JSONWriter) {
            let scope = LocalScope.text(of: assignment.scope, in: pool)
            writer.member("id", "\(scope == "/" ? "" : scope)\(Management.assignments)/\(assignment.id)")
            writer.member("name", assignment.id)
            writer.object("properties") { properties in
                properties.member("principalId", assignment.principalID)
                properties.member("roleDefinitionId", "\(Management.definitionPrefix)\(assignment.roleID)")
                properties.member("scope", scope)
            }
            writer.member("type", "Microsoft.Authorization/roleAssignments")
        }
    }

    func putLocal(_ input: PutLocalInput, _ call: Call) async throws(VaultError) -> LocalAssignmentOutput {
        let pool = try call.vault()
        _ = try localRole(input.roleID, in: pool)
        guard let principal = call.principal else { throw .internal("a role was assigned without a principal") }
        let wanted = RoleAssignment(
            id: input.target.id, principalID: input.principalID, roleID: input.roleID,
            scope: input.target.scope.scope(in: pool), created: call.now, createdBy: principal.objectID)
        @Sendable func isSame(_ other: RoleAssignment) -> Bool {
            other.principalID == wanted.principalID && other.roleID == wanted.roleID && other.scope == wanted.scope
        }
        if access.all.contains(where: { $0.id != wanted.id && isSame($0) }) {
            throw VaultError(.roleAssignmentExists, "The role assignment already exists.")
        }
        call.concerns(objectID: "\(wanted.scope)\(Self.assignments)/\(wanted.id)")
        try await call.commit { transaction throws(VaultError) in
            if let existing = try RoleAssignmentTable.assignment(wanted.id, in: transaction) {
                guard isSame(existing) else {
                    throw VaultError(
                        .conflict,
                        "The role assignment's name is taken; its role, principal and scope cannot be changed.")
                }
                return
            }
            try Self.requireRole(wanted.roleID, in: transaction)
            try RoleAssignmentTable.put(wanted, in: transaction)
        }
        access.reload(wanted.id, from: call.lane.reader, committed: wanted)
        return LocalAssignmentOutput(assignment: wanted, pool: pool, status: 201)
    }

    private func found(_ input: LocalInput, _ pool: Vault, in reader: any RecordReader) throws(VaultError)
        -> RoleAssignment
    {
        guard let assignment = try RoleAssignmentTable.assignment(input.id, in: reader),
            assignment.scope == input.scope.scope(in: pool)
        else {
            throw VaultError(.resourceNotFound, "The role assignment '\(input.id)' is not found at this scope.")
        }
        return assignment
    }

    func getLocal(_ input: LocalInput, _ call: Call) async throws(VaultError) -> LocalAssignmentOutput {
        let pool = try call.vault()
        return LocalAssignmentOutput(assignment: try found(input, pool, in: call.lane.reader), pool: pool)
    }

    func deleteLocal(_ input: LocalInput, _ call: Call) async throws(VaultError) -> LocalAssignmentOutput {
        let pool = try call.vault()
        call.concerns(objectID: "\(input.scope.scope(in: pool))\(Self.assignments)/\(input.id)")
        let removed = try await call.commit { transaction throws(VaultError) in
            let assignment = try found(input, pool, in: transaction)
            try RoleAssignmentTable.remove(input.id, in: transaction)
            return assignment
        }
        access.reload(input.id, from: call.lane.reader, committed: nil)
        return LocalAssignmentOutput(assignment: removed, pool: pool)
    }

    struct LocalListInput: OperationInput {
        let scope: LocalScope
        let principalID: GUID?

        init(_ request: Request) throws(VaultError) {
            scope = try LocalScope(request)
            let filter = try request.query.value("$filter") ?? "atScope()"
            let parts = filter.split(separator: "'", omittingEmptySubsequences: false)
            if parts.count == 3, parts[0].lowercased().hasPrefix("principalid eq"), let id = GUID(parts[1]) {
                principalID = id
            } else if filter.lowercased() == "atscope()" {
                principalID = nil
            } else {
                throw .badParameter("The $filter query parameter understands atScope() and principalId eq '<GUID>'.")
            }
        }
    }

    struct LocalAssignmentList: OperationOutput {
        let assignments: [RoleAssignment]
        let pool: Vault

        func response(_ call: Call) -> Response {
            .json { list in
                list.array("value") { list in
                    for assignment in assignments {
                        list.object { LocalAssignmentOutput.write(assignment, pool, to: &$0) }
                    }
                }
            }
        }
    }

    /// The assignments at a scope and above it; at `/`, all of the pool.
    func listLocal(_ input: LocalListInput, _ call: Call) async throws(VaultError) -> LocalAssignmentList {
        let pool = try call.vault()
        let (root, wanted) = (pool.scopes.vault.key, input.scope.scope(in: pool).key)
        let found = access.all.filter { assignment in
            let key = assignment.scope.key
            guard key == root || key.hasPrefix(root + "/") else { return false }
            return (wanted == root || key == wanted || wanted.hasPrefix(key + "/"))
                && (input.principalID.map { $0 == assignment.principalID } ?? true)
        }
        return LocalAssignmentList(assignments: found.sorted { $0.id < $1.id }, pool: pool)
    }

    // MARK: Definitions

    struct DefinitionOutput: OperationOutput {
        let roles: [RoleDefinition]
        let isList: Bool
        var status: UInt16 = 200

        func response(_ call: Call) -> Response {
            .json(status) { document in
                guard isList else {
                    Self.write(roles[0], to: &document)
                    return
                }
                document.array("value") { list in
                    for role in roles { list.object { Self.write(role, to: &$0) } }
                }
            }
        }

        private static func write(_ role: RoleDefinition, to writer: inout JSONWriter) {
            writer.member("id", "\(Management.definitionPrefix)\(role.id)")
            writer.member("name", role.id)
            writer.object("properties") { properties in
                properties.array("assignableScopes") { $0.string("/") }
                properties.member("description", role.description)
                properties.array("permissions") { list in
                    list.object { permission in
                        permission.array("actions") { _ in }
                        permission.array("dataActions") { list in
                            for action in role.dataActions { list.string(action) }
                        }
                        permission.array("notActions") { _ in }
                        permission.array("notDataActions") { list in
                            for action in role.notDataActions { list.string(action) }
                        }
                    }
                }
                properties.member("roleName", role.name)
                properties.member("type", role.isCustom ? "CustomRole" : "AKVBuiltInRole")
            }
            writer.member("type", "Microsoft.Authorization/roleDefinitions")
        }
    }

    /// A role of every pool, or one that was made in this pool.
    private func localRole(_ id: GUID, in pool: Vault) throws(VaultError) -> RoleDefinition {
        guard let role = access.role(id), role.isOfPool, role.pool == nil || role.pool == pool.name else {
            throw VaultError(.resourceNotFound, "The role definition '\(id)' does not exist in this pool.")
        }
        return role
    }

    func getDefinition(_ input: LocalInput, _ call: Call) async throws(VaultError) -> DefinitionOutput {
        DefinitionOutput(roles: [try localRole(input.id, in: try call.vault())], isList: false)
    }

    func listDefinitions(_ input: LocalListInput, _ call: Call) async throws(VaultError) -> DefinitionOutput {
        let pool = try call.vault()
        return DefinitionOutput(
            roles: access.roles.filter { $0.isOfPool && ($0.pool == nil || $0.pool == pool.name) }, isList: true)
    }

    struct PutDefinitionInput: OperationInput {
        let target: LocalInput
        let body: RoleDefinitionBody

        init(_ request: Request) throws(VaultError) {
            target = try LocalInput(request)
            body = try RoleDefinitionBody.fromJSON(request.body)
            guard !target.scope.isAllKeys, target.scope.key == nil else {
                throw .badParameter("Role definitions of a pool are made at the scope '/'.")
            }
            let scopes = body.properties.assignableScopes ?? ["/"]
            guard scopes == ["/"] || scopes.isEmpty else {
                throw RoleDefinitionBody.wrong("assignableScopes", "a local role of a pool has '/'")
            }
        }
    }

    /// Makes a role of this pool, or changes one. Who may not assign roles does not change one that somebody holds.
    func putDefinition(_ input: PutDefinitionInput, _ call: Call) async throws(VaultError) -> DefinitionOutput {
        let pool = try call.vault()
        guard let principal = call.principal else { throw .internal("a role was written without a principal") }
        if let known = access.role(input.target.id) {
            guard known.isCustom, known.pool == pool.name else {
                throw VaultError(
                    .forbiddenByVault, "The role '\(known.id)' is built in, or not of this pool, and cannot be changed."
                )
            }
        }
        let role = try input.body.role(input.target.id, scopes: ["/"], pool: pool.name)
        let mayAssign =
            call.lane.access.grant(.localAssignmentsWrite, to: principal, on: pool.scopes, object: nil) != nil
        call.concerns(objectID: "\(pool.scopes.vault)\(Self.definitions)/\(role.id)")
        do throws(VaultError) {
            try await call.commit { transaction throws(VaultError) in
                try Self.requireFree(role, in: transaction)
                let isHeld = try RoleAssignmentTable.all(in: transaction).contains { $0.roleID == role.id }
                guard !isHeld || mayAssign else {
                    throw .notGranted(.localAssignmentsWrite, to: principal, on: pool, object: nil)
                }
                try RoleDefinitionTable.put(role, in: transaction)
            }
        } catch {
            if case .forbiddenByRBAC = error.code { call.wasNotAuthorized() }
            throw error
        }
        access.reloadRole(role.id, from: call.lane.reader, committed: role)
        return DefinitionOutput(roles: [role], isList: false, status: 201)
    }

    /// A role belongs to the whole pool: a right on some keys takes none away.
    func deleteDefinition(_ input: LocalInput, _ call: Call) async throws(VaultError) -> DefinitionOutput {
        let pool = try call.vault()
        guard let principal = call.principal,
            call.lane.access.grant(.localDefinitionsDelete, to: principal, on: pool.scopes, object: nil) != nil
        else {
            call.wasNotAuthorized()
            throw try VaultError.notGranted(.localDefinitionsDelete, to: call.caller(), on: pool, object: nil)
        }
        let role = try localRole(input.id, in: pool)
        guard role.isCustom else {
            throw VaultError(.forbiddenByVault, "The role '\(role.name)' is built in and cannot be deleted.")
        }
        call.concerns(objectID: "\(pool.scopes.vault)\(Self.definitions)/\(role.id)")
        try await call.commit { transaction throws(VaultError) in
            guard try !RoleAssignmentTable.all(in: transaction).contains(where: { $0.roleID == role.id }) else {
                throw VaultError(.conflict, "The role '\(role.name)' is assigned. Remove the assignments first.")
            }
            try RoleDefinitionTable.remove(role.id, in: transaction)
        }
        access.reloadRole(role.id, from: call.lane.reader, committed: nil)
        return DefinitionOutput(roles: [role], isList: false)
    }
}
