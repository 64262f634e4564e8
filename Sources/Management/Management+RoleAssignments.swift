import Access
import Barrier
import Domain
import Identity
import Operations

extension Management {
    /// The four kinds of scope, as paths.
    static let roleScopes = [
        "/subscriptions/{subscription}", "/subscriptions/{subscription}/resourceGroups/{group}",
        "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.KeyVault/vaults/{vault}",
        "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.KeyVault/vaults/{vault}/{collection}/{object}",
    ]
    private static let collection = "/providers/Microsoft.Authorization/roleAssignments"

    var roleAssignmentOperations: [any AnyOperation] {
        let item = Self.roleScopes.map { $0 + Self.collection + "/{assignment}" }
        let list = Self.roleScopes.map { $0 + Self.collection }
        return [
            Operation(
                "RoleAssignmentPut", .put, on: .management, item[0], item[1], item[2], item[3],
                requires: .atScope(.roleAssignmentsWrite, scope: Self.scope), status: 201, run: putRoleAssignment),
            Operation(
                "RoleAssignmentGet", .get, on: .management, item[0], item[1], item[2], item[3],
                requires: .atScope(.roleAssignmentsRead, scope: Self.scope), run: getRoleAssignment),
            Operation(
                "RoleAssignmentDelete", .delete, on: .management, item[0], item[1], item[2], item[3],
                requires: .atScope(.roleAssignmentsDelete, scope: Self.scope), run: deleteRoleAssignment),
            Operation(
                "RoleAssignmentList", .get, on: .management, list[0], list[1], list[2], list[3],
                requires: .atScope(.roleAssignmentsRead, scope: Self.scope), run: listRoleAssignments),
        ]
    }

    /// The scope that the path names.
    static func scope(_ request: Request) throws(VaultError) -> Scope? {
        var text = "/subscriptions/\(request.parameter("subscription") ?? "")"
        if let group = request.parameter("group") { text += "/resourceGroups/\(group)" }
        if let vault = request.parameter("vault") { text += "/providers/Microsoft.KeyVault/vaults/\(vault)" }
        if let pool = request.parameter("pool") { text += "/providers/Microsoft.KeyVault/managedHSMs/\(pool)" }
        if let collection = request.parameter("collection"), let object = request.parameter("object") {
            text += "/\(collection)/\(object)"
        }
        guard let scope = Scope(text) else { throw .badParameter("The scope '\(text.prefix(256))' is not valid.") }
        return scope
    }

    struct AssignmentInput: OperationInput {
        let scope: Scope
        let id: GUID

        init(_ request: Request) throws(VaultError) {
            guard let scope = try Management.scope(request) else { throw .badParameter("The path names no scope.") }
            self.scope = scope
            guard let id = GUID(request.parameter("assignment") ?? "") else {
                throw .badParameter("The role assignment's name must be a GUID.")
            }
            self.id = id
        }
    }

    struct PutAssignmentInput: OperationInput {
        let target: AssignmentInput
        let roleID: GUID
        let principalID: GUID
        let description: String?

        init(_ request: Request) throws(VaultError) {
            struct Body: Decodable {
                struct Properties: Decodable {
                    let roleDefinitionId: String
                    let principalId: String
                    let condition: String?
                    let description: String?
                }
                let properties: Properties
            }
            target = try AssignmentInput(request)
            let properties = try Body.fromJSON(request.body).properties
            guard let role = GUID(properties.roleDefinitionId.split(separator: "/").last ?? "") else {
                throw VaultError(
                    .resourceNotFound,
                    "The role definition '\(properties.roleDefinitionId.prefix(256))' does not exist.")
            }
            // To pass one over would give more than was asked for.
            guard properties.condition?.isEmpty ?? true else {
                throw .badParameter(
                    "Property 'properties.condition' has invalid value: conditions are not supported here.\r\n")
            }
            guard let principal = GUID(properties.principalId) else {
                throw .badParameter("Property 'properties.principalId' has invalid value: it is not a GUID.\r\n")
            }
            guard (properties.description?.utf16.count ?? 0) <= 1_024 else {
                throw .badParameter(
                    "Property 'properties.description' has invalid value: it is longer than 1,024 characters.\r\n")
            }
            (roleID, principalID) = (role, principal)
            description = properties.description.flatMap { $0.isEmpty ? nil : $0 }
        }
    }

    struct AssignmentOutput: OperationOutput {
        let assignment: RoleAssignment
        let principalType: String
        var status: UInt16 = 200

        func response(_ call: Call) -> Response { .json(status) { Self.write(assignment, principalType, to: &$0) } }

        static func write(_ assignment: RoleAssignment, _ principalType: String, to writer: inout JSONWriter) {
            writer.object("properties") { properties in
                let subscription = assignment.scope.description.split(separator: "/").dropFirst().first ?? ""
                properties.member(
                    "roleDefinitionId",
                    "/subscriptions/\(subscription)/providers/Microsoft.Authorization/roleDefinitions/\(assignment.roleID)"
                )
                properties.member("principalId", assignment.principalID)
                properties.member("principalType", principalType)
                properties.member("scope", assignment.scope.description)
                if let description = assignment.description { properties.member("description", description) }
                properties.member("createdOn", assignment.created.iso8601)
                properties.member("updatedOn", assignment.created.iso8601)
                properties.member("createdBy", assignment.createdBy)
                properties.member("updatedBy", assignment.createdBy)
            }
            writer.member(
                "id", "\(assignment.scope)/providers/Microsoft.Authorization/roleAssignments/\(assignment.id)")
            writer.member("type", "Microsoft.Authorization/roleAssignments")
            writer.member("name", assignment.id)
        }
    }

    /// Gives a principal a role at a scope; in force for the very next request.
    ///
    /// - Throws: `.roleAssignmentExists` when the same is assigned under another name; `.conflict` when the name means another.
    /// - Source: Azure REST "Role Assignments - Create", 2022-04-01.
    func putRoleAssignment(_ input: PutAssignmentInput, _ call: Call) async throws(VaultError) -> AssignmentOutput {
        guard let principal = call.principal else { throw .internal("a role was assigned without a principal") }
        guard let role = access.role(input.roleID) else {
            throw Self.noRole(input.roleID)
        }
        guard !role.isOfPool else {
            throw .badParameter(
                "The role '\(role.id)' is a local role of managed HSM pools; assign it on the pool's own host.")
        }
        guard role.isAssignable(at: input.target.scope) else {
            throw .badParameter(
                "The role '\(role.name)' cannot be assigned at '\(input.target.scope)', only at its assignable scopes.")
        }
        try requireAssignable(input.roleID, .roleAssignmentsWrite, input.target.scope, principal, call)
        let wanted = RoleAssignment(
            id: input.target.id, principalID: input.principalID, roleID: input.roleID, scope: input.target.scope,
            created: call.now,
            createdBy: principal.objectID, description: input.description)
        @Sendable func isSame(_ other: RoleAssignment) -> Bool {
            other.principalID == wanted.principalID && other.roleID == wanted.roleID && other.scope == wanted.scope
        }
        if access.isAssigned(wanted.roleID, to: wanted.principalID, at: wanted.scope, otherThan: wanted.id) {
            throw VaultError(.roleAssignmentExists, "The role assignment already exists.")
        }
        call.concerns(
            objectID:
                "\(wanted.scope)\(Self.collection)/\(wanted.id)?principalId=\(wanted.principalID)&roleId=\(wanted.roleID)"
        )
        let existing = try await call.commit { transaction throws(VaultError) -> RoleAssignment? in
            if let existing = try RoleAssignmentTable.assignment(wanted.id, in: transaction) {
                guard isSame(existing) else {
                    throw VaultError(
                        .conflict,
                        "The role assignment's name is taken; its role, principal and scope cannot be changed.")
                }
                guard existing.description != wanted.description else { return existing }
                let described = RoleAssignment(
                    id: existing.id, principalID: existing.principalID, roleID: existing.roleID, scope: existing.scope,
                    created: existing.created, createdBy: existing.createdBy, description: wanted.description)
                try RoleAssignmentTable.put(described, in: transaction)
                return described
            }
            try Self.requireRole(wanted.roleID, in: transaction)
            try RoleAssignmentTable.put(wanted, in: transaction)
            return nil
        }
        if let existing {
            access.reload(existing.id, from: call.lane.reader, committed: existing)
            return AssignmentOutput(assignment: existing, principalType: principalType(existing))
        }
        access.reload(wanted.id, from: call.lane.reader, committed: wanted)
        return AssignmentOutput(assignment: wanted, principalType: principalType(wanted), status: 201)
    }

    private static func noRole(_ id: GUID) -> VaultError {
        VaultError(.roleDefinitionNotFound, "The specified role definition with ID '\(id)' does not exist.")
    }

    /// A role that is deleted at the same time must not be assigned.
    static func requireRole(_ id: GUID, in transaction: Transaction) throws(VaultError) {
        if BuiltInRoles.role(id) == nil, try RoleDefinitionTable.role(id, in: transaction) == nil { throw noRole(id) }
    }

    /// What kind of principal an assignment names; one that is gone counts as an application.
    func principalType(_ assignment: RoleAssignment) -> String {
        if directory.group(assignment.principalID) != nil { return "Group" }
        return directory.user(assignment.principalID) == nil ? "ServicePrincipal" : "User"
    }

    func getRoleAssignment(_ input: AssignmentInput, _ call: Call) async throws(VaultError) -> AssignmentOutput {
        guard let assignment = try RoleAssignmentTable.assignment(input.id, in: call.lane.reader),
            assignment.scope == input.scope
        else {
            throw VaultError(.resourceNotFound, "The role assignment '\(input.id)' is not found at this scope.")
        }
        return AssignmentOutput(assignment: assignment, principalType: principalType(assignment))
    }

    /// Takes a role away; in force for the very next request.
    func deleteRoleAssignment(_ input: AssignmentInput, _ call: Call) async throws(VaultError) -> AssignmentOutput {
        call.concerns(objectID: "\(input.scope)\(Self.collection)/\(input.id)")
        guard let principal = call.principal else { throw .internal("a role was unassigned without a principal") }
        if let assignment = try RoleAssignmentTable.assignment(input.id, in: call.lane.reader) {
            try requireAssignable(assignment.roleID, .roleAssignmentsDelete, input.scope, principal, call)
        }
        let removed = try await call.commit { transaction throws(VaultError) -> RoleAssignment in
            guard let assignment = try RoleAssignmentTable.assignment(input.id, in: transaction),
                assignment.scope == input.scope
            else {
                throw VaultError(.resourceNotFound, "The role assignment '\(input.id)' is not found at this scope.")
            }
            try RoleAssignmentTable.remove(input.id, in: transaction)
            return assignment
        }
        access.reload(input.id, from: call.lane.reader, committed: nil)
        return AssignmentOutput(assignment: removed, principalType: principalType(removed))
    }

    /// Some roles may assign only certain others.
    private func requireAssignable(
        _ role: GUID, _ permission: Permission, _ scope: Scope, _ principal: Principal, _ call: Call
    ) throws(VaultError) {
        guard call.lane.access.mayChange(assignmentsOf: role, as: permission, principal, at: scope) else {
            throw VaultError(
                .authorizationFailed,
                "The client '\(principal.applicationID)' with object id '\(principal.objectID)' holds no role that allows to "
                    + "perform action '\(permission.action)' for the role '\(role)' over scope '\(scope)'.")
        }
    }

    struct ListInput: OperationInput {
        let scope: Scope
        let principalID: GUID?

        init(_ request: Request) throws(VaultError) {
            guard let scope = try Management.scope(request) else { throw .badParameter("The path names no scope.") }
            self.scope = scope
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

    struct AssignmentList: OperationOutput {
        let assignments: [(assignment: RoleAssignment, principalType: String)]

        func response(_ call: Call) -> Response {
            .json { list in
                list.array("value") { list in
                    for (assignment, type) in assignments {
                        list.object { AssignmentOutput.write(assignment, type, to: &$0) }
                    }
                }
            }
        }
    }

    /// The assignments at a scope, above it and below it.
    func listRoleAssignments(_ input: ListInput, _ call: Call) async throws(VaultError) -> AssignmentList {
        let wanted = input.scope.key
        let found = access.all.filter { assignment in
            let key = assignment.scope.key
            return !assignment.scope.isInPool
                && (key == wanted || key.hasPrefix(wanted + "/") || wanted.hasPrefix(key + "/"))
                && (input.principalID.map { $0 == assignment.principalID } ?? true)
        }
        return AssignmentList(assignments: found.sorted { $0.id < $1.id }.map { ($0, principalType($0)) })
    }
}
