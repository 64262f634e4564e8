import Access
import Domain
import Operations

/// Role definitions as Azure Resource Manager shows them: the built-in ones, which hold everywhere alike.
///
/// - Source: Azure REST "Role Definitions", 2022-04-01.
extension Management {
    private static let definitions = "/providers/Microsoft.Authorization/roleDefinitions"

    var roleDefinitionOperations: [any AnyOperation] {
        let list = Self.roleScopes.map { $0 + Self.definitions } + [Self.definitions]
        let item = list.map { $0 + "/{role}" }
        // The built-in roles are no secret.
        let known = Requirement.perItem(.roleAssignmentsRead)
        return [
            Operation(
                "RoleDefinitionList", .get, on: .management, list[0], list[1], list[2], list[3], list[4],
                requires: known, run: listRoleDefinitions),
            Operation(
                "RoleDefinitionGet", .get, on: .management, item[0], item[1], item[2], item[3], item[4],
                requires: known, run: getRoleDefinition),
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

    func listRoleDefinitions(_ input: SubscriptionInput, _ call: Call) async throws(VaultError) -> JSONOutput {
        try requireOwn(input)
        let roles = BuiltInRoles.all.filter { !$0.isOfPool && input.filter.holds(roleName: $0.name) }
        return JSONOutput.list { list in for role in roles { list.object { write(role, to: &$0) } } }
    }

    func getRoleDefinition(_ input: RoleDefinitionInput, _ call: Call) async throws(VaultError) -> JSONOutput {
        try requireOwn(input.place)
        guard let id = GUID(input.role), let role = BuiltInRoles.role(id), !role.isOfPool else {
            throw VaultError(
                .resourceNotFound, "The role definition '\(input.role.prefix(64))' does not exist.")
        }
        return JSONOutput { write(role, to: &$0) }
    }

    private func write(_ role: RoleDefinition, to writer: inout JSONWriter) {
        writer.member("id", "/subscriptions/\(subscription)\(Self.definitions)/\(role.id)")
        writer.member("name", role.id)
        writer.member("type", "Microsoft.Authorization/roleDefinitions")
        writer.object("properties") { properties in
            properties.member("roleName", role.name)
            properties.member("type", "BuiltInRole")
            properties.member("description", "")
            properties.array("assignableScopes") { $0.string("/") }
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
