import Access
import Barrier
import Domain
import Operations

/// Policy definitions and where they are assigned. Stored, validated and told.
///
/// - Source: Azure REST "Policy Definitions" and "Policy Assignments", 2023-04-01.
extension Management {
    var policyOperations: [any AnyOperation] {
        let subscription = "/subscriptions/{subscription}"
        let definitions = subscription + "/providers/Microsoft.Authorization/policyDefinitions"
        let places = [subscription, subscription + "/resourceGroups/{group}", Self.vaultPath, Self.poolPath]
        let list = places.map { $0 + "/providers/Microsoft.Authorization/policyAssignments" }
        let item = list.map { $0 + "/{assignment}" }
        func at(_ permission: Permission) -> Requirement { .atScope(permission, scope: Self.scope) }
        return [
            Operation(
                "PolicyDefinitionPut", .put, on: .management, definitions + "/{definition}",
                requires: at(.policyDefinitionsWrite), status: 201, run: putPolicy),
            Operation(
                "PolicyDefinitionGet", .get, on: .management, definitions + "/{definition}",
                requires: at(.policyDefinitionsRead), run: getPolicy),
            Operation(
                "PolicyDefinitionList", .get, on: .management, definitions, requires: at(.policyDefinitionsRead),
                run: listPolicies),
            Operation(
                "PolicyDefinitionDelete", .delete, on: .management, definitions + "/{definition}",
                requires: at(.policyDefinitionsDelete), run: deletePolicy),
            Operation(
                "PolicyAssignmentPut", .put, on: .management, item[0], item[1], item[2], item[3],
                requires: at(.policyAssignmentsWrite), status: 201, run: assignPolicy),
            Operation(
                "PolicyAssignmentGet", .get, on: .management, item[0], item[1], item[2], item[3],
                requires: at(.policyAssignmentsRead), run: getPolicyAssignment),
            Operation(
                "PolicyAssignmentList", .get, on: .management, list[0], list[1], list[2], list[3],
                requires: at(.policyAssignmentsRead), run: listPolicyAssignments),
            Operation(
                "PolicyAssignmentDelete", .delete, on: .management, item[0], item[1], item[2], item[3],
                requires: at(.policyAssignmentsDelete), run: deletePolicyAssignment),
        ]
    }

    struct PolicyInput: OperationInput {
        let place: SubscriptionInput
        let scope: Scope
        let name: String
        let properties: JSONValue

        init(_ request: Request) throws(VaultError) {
            // The filter of assignments has words of its own.
            try Management.requireVersion(request)
            guard let scope = try Management.scope(request) else { throw .internal("a policy without a scope") }
            self.scope = scope
            place = try SubscriptionInput(request, filter: "")
            name = request.parameter("definition") ?? request.parameter("assignment") ?? ""
            guard request.method == .put else {
                properties = .null
                return
            }
            guard (1...64).contains(name.utf8.count), !name.contains(where: { "<>*%&:?./\\".contains($0) }),
                name.last != " "
            else { throw .badParameter("The name of a policy must be 1 to 64 characters without <>*%&:?./\\.") }
            struct Body: Decodable {
                let properties: JSONValue
            }
            let given = try Body.fromJSON(request.body).properties
            properties =
                request.parameter("definition") != nil
                ? try PolicyRules.definition(given) : try PolicyRules.assignment(given, at: scope)
        }
    }

    private func write(_ resource: ExtensionResource, _ status: UInt16 = 200) -> JSONOutput {
        JSONOutput(status: status) { resource.write(to: &$0) }
    }

    private func keep(
        _ kind: ExtensionResource.Kind, _ input: PolicyInput, _ call: Call,
        check: @escaping @Sendable (Transaction) throws(VaultError) -> Void
    )
        async throws(VaultError) -> JSONOutput
    {
        try requireOwn(input.place)
        let made = try Self.made(call)
        let identifier = try identifier(of: input.scope)
        call.concerns(objectID: "\(identifier)/providers/\(kind.type)/\(input.name)")
        var members = input.properties.members ?? [:]
        if kind == .policyAssignment { members["scope"] = .string(identifier) }
        let properties = JSONValue.object(members)
        let resource = try await call.commit { transaction throws(VaultError) -> ExtensionResource in
            try check(transaction)
            let known = try ExtensionTable.resource(kind, input.name, at: input.scope, in: transaction)
            let resource = ExtensionResource(
                kind: kind, name: known?.name ?? input.name, scope: identifier,
                properties: properties, created: known?.created ?? made, modified: made)
            try ExtensionTable.put(resource, at: input.scope, in: transaction)
            return resource
        }
        return write(resource, 201)
    }

    /// A scope as what is there spells it.
    ///
    /// - Throws: `.resourceNotFound`, `.resourceGroupNotFound` where nothing is.
    private func identifier(of scope: Scope) throws(VaultError) -> String {
        let parts = scope.description.split(separator: "/").map(String.init)
        switch scope.level {
        case .subscription: return Scope.subscription(subscription).description
        case .resourceGroup:
            guard let group = groups.first(where: { $0.name.lowercased() == parts[3].lowercased() }) else {
                throw VaultError(.resourceGroupNotFound, "Resource group '\(parts[3].prefix(90))' could not be found.")
            }
            return Scope.resourceGroup(group.name, in: subscription).description
        case .vault, .collection, .object:
            guard let name = VaultName(parts[7]), let vault = vaults.vault(name, scope.isInPool ? .managedHSM : .vault),
                vault.scopes.vault.key == scope.key
            else { throw VaultError(.resourceNotFound, "The resource '\(scope)' was not found.") }
            return Self.identifier(of: vault)
        }
    }

    private func get(_ kind: ExtensionResource.Kind, _ input: PolicyInput, _ call: Call) throws(VaultError)
        -> JSONOutput
    {
        try requireOwn(input.place)
        guard let found = try ExtensionTable.resource(kind, input.name, at: input.scope, in: call.lane.reader) else {
            throw VaultError(
                .resourceNotFound,
                "The \(kind == .policyDefinition ? "policy definition" : "policy assignment") "
                    + "'\(input.name.prefix(64))' is not found at '\(input.scope)'.")
        }
        return write(found)
    }

    private func remove(
        _ kind: ExtensionResource.Kind, _ input: PolicyInput, _ call: Call,
        check: @escaping @Sendable (ExtensionResource, Transaction) throws(VaultError) -> Void
    ) async throws(VaultError) -> JSONOutput {
        try requireOwn(input.place)
        call.concerns(objectID: "\(input.scope)/providers/\(kind.type)/\(input.name)")
        guard try ExtensionTable.resource(kind, input.name, at: input.scope, in: call.lane.reader) != nil else {
            return .nothing
        }
        let found = try await call.commit { transaction throws(VaultError) -> ExtensionResource? in
            guard let found = try ExtensionTable.resource(kind, input.name, at: input.scope, in: transaction) else {
                return nil
            }
            try check(found, transaction)
            try ExtensionTable.remove(found, at: input.scope, in: transaction)
            return found
        }
        return found.map { write($0) } ?? .nothing
    }

    // MARK: Definitions

    func putPolicy(_ input: PolicyInput, _ call: Call) async throws(VaultError) -> JSONOutput {
        try await keep(.policyDefinition, input, call) { _ in }
    }

    func getPolicy(_ input: PolicyInput, _ call: Call) async throws(VaultError) -> JSONOutput {
        try get(.policyDefinition, input, call)
    }

    func listPolicies(_ input: PolicyInput, _ call: Call) async throws(VaultError) -> JSONOutput {
        try requireOwn(input.place)
        let found = try ExtensionTable.resources(.policyDefinition, at: input.scope, in: call.lane.reader)
        return JSONOutput.list { list in for one in found { list.object { one.write(to: &$0) } } }
    }

    func deletePolicy(_ input: PolicyInput, _ call: Call) async throws(VaultError) -> JSONOutput {
        try await remove(.policyDefinition, input, call) { definition, transaction throws(VaultError) in
            let isAssigned = try ExtensionTable.all(.policyAssignment, in: transaction).contains {
                $0.properties["policyDefinitionId"]?.text?.lowercased() == definition.id.lowercased()
            }
            guard !isAssigned else {
                throw VaultError(
                    .conflict, "The policy definition '\(definition.name)' is assigned; delete its assignments first.")
            }
        }
    }

    // MARK: Assignments

    func assignPolicy(_ input: PolicyInput, _ call: Call) async throws(VaultError) -> JSONOutput {
        let wanted = input.properties["policyDefinitionId"]?.text ?? ""
        return try await keep(.policyAssignment, input, call) { transaction throws(VaultError) in
            let all = try ExtensionTable.all(.policyDefinition, in: transaction)
            guard let definition = all.first(where: { $0.id.lowercased() == wanted.lowercased() }) else {
                throw VaultError(
                    .resourceNotFound, "The policy definition '\(wanted.prefix(256))' is not found.")
            }
            try PolicyRules.check(input.properties["parameters"], against: definition.properties["parameters"])
        }
    }

    func getPolicyAssignment(_ input: PolicyInput, _ call: Call) async throws(VaultError) -> JSONOutput {
        try get(.policyAssignment, input, call)
    }

    struct PolicyListInput: OperationInput {
        enum Reach: Sendable { case exact, above, below, all }

        let place: SubscriptionInput
        let scope: Scope
        let reach: Reach
        let definition: String?

        init(_ request: Request) throws(VaultError) {
            try Management.requireVersion(request)
            guard let scope = try Management.scope(request) else { throw .internal("a policy without a scope") }
            self.scope = scope
            place = try SubscriptionInput(request, filter: "")
            let filter = try request.query.value("$filter") ?? ""
            let parts = filter.split(separator: "'", omittingEmptySubsequences: false)
            definition =
                parts.count == 3 && parts[2].allSatisfy { $0 == " " }
                    && parts[0].lowercased().filter({ $0 != " " }) == "policydefinitionideq"
                ? String(parts[1]) : nil
            switch filter.lowercased().filter({ $0 != " " }) {
            case "": reach = .all
            case "atexactscope()": reach = .exact
            case "atscope()": reach = .above
            case "atscopeandbelow()": reach = .below
            case _ where definition != nil: reach = .all
            default:
                throw .badParameter(
                    "The $filter query parameter understands atScope(), atExactScope(), atScopeAndBelow() and policyDefinitionId eq '<id>'."
                )
            }
        }
    }

    /// Without a filter: what is assigned here, above and below.
    func listPolicyAssignments(_ input: PolicyListInput, _ call: Call) async throws(VaultError) -> JSONOutput {
        try requireOwn(input.place)
        let found = try ExtensionTable.all(.policyAssignment, in: call.lane.reader).filter { assignment in
            guard let scope = Scope(assignment.scope) else { return false }
            if let wanted = input.definition,
                assignment.properties["policyDefinitionId"]?.text?.lowercased() != wanted.lowercased()
            {
                return false
            }
            let isAbove = input.scope.key == scope.key || input.scope.key.hasPrefix(scope.key + "/")
            switch input.reach {
            case .exact: return input.scope.key == scope.key
            case .above: return isAbove
            case .below: return scope.key == input.scope.key || scope.key.hasPrefix(input.scope.key + "/")
            case .all: return isAbove || scope.key.hasPrefix(input.scope.key + "/")
            }
        }
        return JSONOutput.list { list in for one in found { list.object { one.write(to: &$0) } } }
    }

    func deletePolicyAssignment(_ input: PolicyInput, _ call: Call) async throws(VaultError) -> JSONOutput {
        try await remove(.policyAssignment, input, call) { _, _ in }
    }
}
