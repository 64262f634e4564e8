import Access
import Barrier
import Domain
import Operations

/// Role definitions as Azure Resource Manager shows them: the built-in ones, which hold everywhere alike, and those that somebody made.
///
/// - Source: Azure REST "Role Definitions", 2022-04-01.
extension Management {
    private static let definitions = "/providers/Microsoft.Authorization/roleDefinitions"

    var roleDefinitionOperations: [any AnyOperation] {
        let list = Self.roleScopes.map { $0 + Self.definitions } + [Self.definitions]
        let item = list.map { $0 + "/{role}" }
        // What roles there are is no secret.
        let known = Requirement.perItem(.roleAssignmentsRead)
        return [
            Operation(
                "RoleDefinitionList", .get, on: .management, list[0], list[1], list[2], list[3], list[4],
                requires: known, run: listRoleDefinitions),
            Operation(
                "RoleDefinitionGet", .get, on: .management, item[0], item[1], item[2], item[3], item[4],
                requires: known, run: getRoleDefinition),
            Operation(
                "RoleDefinitionPut", .put, on: .management, item[0], item[1], item[2], item[3],
                requires: .atScope(.roleDefinitionsWrite, scope: Self.scope), status: 201, run: putRoleDefinition),
            Operation(
                "RoleDefinitionDelete", .delete, on: .management, item[0], item[1], item[2], item[3],
                requires: .atScope(.roleDefinitionsDelete, scope: Self.scope), run: deleteRoleDefinition),
        ]
    }

    struct RoleDefinitionInput: OperationInput {
        let place: SubscriptionInput
        let role: String

        init(_ request: Request) throws(VaultError) {
            place = try SubscriptionInput(request)
            role = request.parameter("role") ?? ""
        }
    }

    struct RoleDefinitionListInput: OperationInput {
        let place: SubscriptionInput
        /// Nil for everything.
        let scope: Scope?

        init(_ request: Request) throws(VaultError) {
            place = try SubscriptionInput(request)
            scope = place.subscription == nil ? nil : try Management.scope(request)
        }
    }

    /// The roles that can be assigned at a scope; with `atScopeAndBelow()` also those that can be below it.
    func listRoleDefinitions(_ input: RoleDefinitionListInput, _ call: Call) async throws(VaultError) -> JSONOutput {
        try requireOwn(input.place)
        let filter = input.place.filter
        let roles = access.roles.filter { role in
            guard !role.isOfPool, filter.holds(roleName: role.name), filter.holds(custom: role.isCustom) else {
                return false
            }
            guard let scope = input.scope, !role.isAssignable(at: scope) else { return true }
            return filter.isAtScopeAndBelow
                && role.assignableScopes.contains { $0.lowercased().hasPrefix(scope.key + "/") }
        }
        return JSONOutput.list { list in for role in roles { list.object { write(role, to: &$0) } } }
    }

    private func role(_ input: RoleDefinitionInput) throws(VaultError) -> RoleDefinition {
        try requireOwn(input.place)
        guard let id = GUID(input.role), let role = access.role(id), !role.isOfPool else {
            throw VaultError(
                .roleDefinitionNotFound,
                "The specified role definition with ID '\(input.role.prefix(64))' does not exist.")
        }
        return role
    }

    func getRoleDefinition(_ input: RoleDefinitionInput, _ call: Call) async throws(VaultError) -> JSONOutput {
        let role = try role(input)
        return JSONOutput { write(role, to: &$0) }
    }

    // MARK: Custom roles

    struct PutRoleDefinitionInput: OperationInput {
        let place: SubscriptionInput
        let id: GUID
        let body: RoleDefinitionBody

        init(_ request: Request) throws(VaultError) {
            place = try SubscriptionInput(request)
            guard let id = GUID(request.parameter("role") ?? "") else {
                throw .badParameter("The name of a role definition must be a GUID.")
            }
            self.id = id
            body = try RoleDefinitionBody.fromJSON(request.body)
        }
    }

    /// Makes a role, or changes one; whoever holds it can do what it says from the next request on.
    ///
    /// - Throws: `.authorizationFailed` when the caller may not write roles at each of its scopes, or may not assign roles there and
    ///   somebody holds it already: changing that is giving.
    func putRoleDefinition(_ input: PutRoleDefinitionInput, _ call: Call) async throws(VaultError) -> JSONOutput {
        try requireOwn(input.place)
        guard BuiltInRoles.role(input.id) == nil, access.role(input.id)?.isOfPool != true else {
            throw VaultError(.authorizationFailed, "The role '\(input.id)' is built in and cannot be changed.")
        }
        let scopes = try assignableScopes(input.body)
        let role = try input.body.role(input.id, scopes: scopes.map(\.description), pool: nil)
        guard let principal = call.principal else { throw .internal("a role was written without a principal") }
        let before = access.role(role.id)?.assignableScopes.compactMap { Scope($0) } ?? []
        for scope in scopes + before { try require(.roleDefinitionsWrite, at: scope, call) }
        let mayAssign = (scopes + before).allSatisfy {
            call.lane.access.mayChange(assignmentsOf: role.id, as: .roleAssignmentsWrite, principal, at: $0)
        }
        call.concerns(objectID: "\(Self.definitions)/\(role.id)")
        do throws(VaultError) {
            try await call.commit { transaction throws(VaultError) in
                try Self.requireFree(role, in: transaction)
                let holders = try RoleAssignmentTable.all(in: transaction).filter { $0.roleID == role.id }
                guard holders.isEmpty || mayAssign else {
                    throw VaultError(
                        .authorizationFailed,
                        "The client '\(principal.applicationID)' with object id '\(principal.objectID)' may not assign the role "
                            + "'\(role.id)' at all of its scopes, and somebody holds it: to change it is to give it.")
                }
                if let outside = holders.first(where: { !role.isAssignable(at: $0.scope) }) {
                    throw RoleDefinitionBody.wrong(
                        "assignableScopes", "the role is assigned at '\(outside.scope)', which they do not contain")
                }
                try RoleDefinitionTable.put(role, in: transaction)
            }
        } catch {
            if case .authorizationFailed = error.code { call.wasNotAuthorized() }
            throw error
        }
        access.reloadRole(role.id, from: call.lane.reader, committed: role)
        return JSONOutput(status: 201) { write(role, to: &$0) }
    }

    /// - Throws: `.roleDefinitionNameTaken` when another role of the same place has the name.
    static func requireFree(_ role: RoleDefinition, in transaction: Transaction) throws(VaultError) {
        guard !role.name.isEmpty else { return }
        let others = try BuiltInRoles.all + RoleDefinitionTable.all(in: transaction)
        let isTaken = others.contains { other in
            other.id != role.id && other.isOfPool == role.isOfPool && (other.pool == nil || other.pool == role.pool)
                && other.name.lowercased() == role.name.lowercased()
        }
        guard !isTaken else {
            throw VaultError(
                .roleDefinitionNameTaken,
                "A custom role with the name '\(role.name)' already exists in this directory. Use a different name.")
        }
    }

    private func assignableScopes(_ body: RoleDefinitionBody) throws(VaultError) -> [Scope] {
        guard let texts = body.properties.assignableScopes, (1...100).contains(texts.count) else {
            throw RoleDefinitionBody.wrong("assignableScopes", "there must be 1 to 100")
        }
        var scopes: [Scope] = []
        for text in texts {
            guard let scope = Scope(text), !scope.isInPool,
                scope.key == Scope.subscription(subscription).key
                    || scope.key.hasPrefix(Scope.subscription(subscription).key + "/")
            else {
                throw RoleDefinitionBody.wrong(
                    "assignableScopes", "'\(text.prefix(256))' is not a scope of this server's subscription")
            }
            if !scopes.contains(scope) { scopes.append(scope) }
        }
        return scopes
    }

    /// - Returns: nothing, with 204, when there is none.
    func deleteRoleDefinition(_ input: RoleDefinitionInput, _ call: Call) async throws(VaultError) -> JSONOutput {
        try requireOwn(input.place)
        guard let id = GUID(input.role), let role = access.role(id), !role.isOfPool else { return JSONOutput.nothing }
        guard role.isCustom else {
            throw VaultError(.authorizationFailed, "The role '\(role.name)' is built in and cannot be deleted.")
        }
        for scope in role.assignableScopes.compactMap({ Scope($0) }) {
            try require(.roleDefinitionsDelete, at: scope, call)
        }
        call.concerns(objectID: "\(Self.definitions)/\(role.id)")
        try await call.commit { transaction throws(VaultError) in
            guard try !RoleAssignmentTable.all(in: transaction).contains(where: { $0.roleID == role.id }) else {
                throw VaultError(
                    .roleDefinitionAssigned,
                    "There are existing role assignments referencing the role. Remove them first.")
            }
            try RoleDefinitionTable.remove(role.id, in: transaction)
        }
        access.reloadRole(role.id, from: call.lane.reader, committed: nil)
        return JSONOutput { write(role, to: &$0) }
    }

    private func write(_ role: RoleDefinition, to writer: inout JSONWriter) {
        writer.member("id", "/subscriptions/\(subscription)\(Self.definitions)/\(role.id)")
        writer.member("name", role.id)
        writer.member("type", "Microsoft.Authorization/roleDefinitions")
        writer.object("properties") { properties in
            properties.member("roleName", role.name)
            properties.member("type", role.isCustom ? "CustomRole" : "BuiltInRole")
            properties.member("description", role.description)
            properties.array("assignableScopes") { list in for scope in role.assignableScopes { list.string(scope) } }
            properties.array("permissions") { list in
                list.object { permission in
                    func write(_ name: StaticString, _ actions: [String]) {
                        permission.array(name) { list in for action in actions { list.string(action) } }
                    }
                    write("actions", role.actions)
                    write("notActions", role.notActions)
                    write("dataActions", role.dataActions)
                    write("notDataActions", role.notDataActions)
                }
            }
        }
    }
}
