import Barrier
import Domain
import Operations

/// Diagnostic settings of vaults and pools: where their logs and metrics are to go. Stored, validated and told.
///
/// - Source: Azure REST "Diagnostic Settings", 2021-05-01-preview.
extension Management {
    var diagnosticOperations: [any AnyOperation] {
        let list = [Self.vaultPath, Self.poolPath].map { $0 + "/providers/Microsoft.Insights/diagnosticSettings" }
        let item = list.map { $0 + "/{setting}" }
        let categories = list.map { $0 + "Categories" }
        func at(_ permission: Permission) -> Requirement { .atScope(permission, scope: Self.scope) }
        return [
            Operation(
                "DiagnosticSettingPut", .put, on: .management, item[0], item[1], requires: at(.diagnosticsWrite),
                run: putDiagnostic),
            Operation(
                "DiagnosticSettingGet", .get, on: .management, item[0], item[1], requires: at(.diagnosticsRead),
                run: getDiagnostic),
            Operation(
                "DiagnosticSettingList", .get, on: .management, list[0], list[1], requires: at(.diagnosticsRead),
                run: listDiagnostics),
            Operation(
                "DiagnosticSettingDelete", .delete, on: .management, item[0], item[1],
                requires: at(.diagnosticsDelete), run: deleteDiagnostic),
            Operation(
                "DiagnosticCategoryList", .get, on: .management, categories[0], categories[1],
                requires: at(.diagnosticsRead), run: listCategories),
            Operation(
                "DiagnosticCategoryGet", .get, on: .management, categories[0] + "/{category}",
                categories[1] + "/{category}", requires: at(.diagnosticsRead), run: getCategory),
        ]
    }

    private static let mostSettings = 5

    struct DiagnosticInput: OperationInput {
        let resource: NamedResource
        let scope: Scope
        let isPool: Bool
        let name: String
        let properties: JSONValue

        init(_ request: Request) throws(VaultError) {
            try Management.requireVersion(request)
            resource = try NamedResource(request)
            guard let scope = try Management.scope(request) else { throw .internal("a setting without a scope") }
            self.scope = scope
            isPool = request.parameter("pool") != nil
            name = request.parameter("setting") ?? request.parameter("category") ?? ""
            guard request.method == .put else {
                properties = .null
                return
            }
            guard (1...260).contains(name.utf8.count), !name.contains(where: { "<>*%&:\\?+/".contains($0) }) else {
                throw .badParameter("The name of a diagnostic setting must be 1 to 260 characters without <>*%&:\\?+/.")
            }
            struct Body: Decodable {
                let properties: JSONValue
            }
            properties = try DiagnosticBody(try Body.fromJSON(request.body).properties, isPool: isPool).properties
        }
    }

    private func existing(_ input: DiagnosticInput) throws(VaultError) -> Vault {
        try find(input.isPool ? .managedHSM : .vault, input.resource)
    }

    func putDiagnostic(_ input: DiagnosticInput, _ call: Call) async throws(VaultError) -> JSONOutput {
        let vault = try existing(input)
        let made = try Self.made(call)
        call.concerns(resourceID: Self.identifier(of: vault))
        call.concerns(
            objectID: "\(Self.identifier(of: vault))/providers/Microsoft.Insights/diagnosticSettings/\(input.name)")
        let resource = try await call.commit { transaction throws(VaultError) -> ExtensionResource in
            let standing = try ExtensionTable.resources(.diagnosticSetting, at: input.scope, in: transaction)
            let known = standing.first { $0.name.lowercased() == input.name.lowercased() }
            guard known != nil || standing.count < Self.mostSettings else {
                throw VaultError(.conflict, "A resource has at most \(Self.mostSettings) diagnostic settings.")
            }
            let resource = ExtensionResource(
                kind: .diagnosticSetting, name: known?.name ?? input.name, scope: Self.identifier(of: vault),
                properties: input.properties, created: known?.created ?? made, modified: made)
            try ExtensionTable.put(resource, at: input.scope, in: transaction)
            return resource
        }
        return JSONOutput { resource.write(to: &$0) }
    }

    static func made(_ call: Call) throws(VaultError) -> ExtensionResource.Made {
        let caller = try call.caller()
        return ExtensionResource.Made(by: caller.objectID, at: call.now, isUser: caller.kind == .user)
    }

    func getDiagnostic(_ input: DiagnosticInput, _ call: Call) async throws(VaultError) -> JSONOutput {
        _ = try existing(input)
        guard
            let found = try ExtensionTable.resource(
                .diagnosticSetting, input.name, at: input.scope, in: call.lane.reader)
        else {
            throw VaultError(.resourceNotFound, "The diagnostic setting '\(input.name.prefix(260))' doesn't exist.")
        }
        return JSONOutput { found.write(to: &$0) }
    }

    func listDiagnostics(_ input: DiagnosticInput, _ call: Call) async throws(VaultError) -> JSONOutput {
        _ = try existing(input)
        let found = try ExtensionTable.resources(.diagnosticSetting, at: input.scope, in: call.lane.reader)
        return JSONOutput.list { list in for one in found { list.object { one.write(to: &$0) } } }
    }

    func deleteDiagnostic(_ input: DiagnosticInput, _ call: Call) async throws(VaultError) -> NoContentOr200 {
        let vault = try existing(input)
        call.concerns(resourceID: Self.identifier(of: vault))
        call.concerns(
            objectID:
                "\(Self.identifier(of: vault))/providers/Microsoft.Insights/diagnosticSettings/\(input.name.prefix(260))"
        )
        guard
            try ExtensionTable.resource(.diagnosticSetting, input.name, at: input.scope, in: call.lane.reader) != nil
        else { return NoContentOr200(isAbsent: true) }
        let isFound = try await call.commit { transaction throws(VaultError) -> Bool in
            guard
                let found = try ExtensionTable.resource(
                    .diagnosticSetting, input.name, at: input.scope, in: transaction)
            else { return false }
            try ExtensionTable.remove(found, at: input.scope, in: transaction)
            return true
        }
        return NoContentOr200(isAbsent: !isFound)
    }

    // MARK: Categories

    private func write(_ category: DiagnosticBody.Category, _ vault: Vault, to writer: inout JSONWriter) {
        let type = "microsoft.insights/diagnosticSettingsCategories"
        writer.member("id", "\(Self.identifier(of: vault))/providers/\(type)/\(category.name)")
        writer.member("name", category.name)
        writer.member("type", type)
        writer.object("properties") { properties in
            properties.member("categoryType", category.isMetric ? "Metrics" : "Logs")
            properties.array("categoryGroups") { list in for group in category.groups { list.string(group) } }
        }
    }

    func listCategories(_ input: DiagnosticInput, _ call: Call) async throws(VaultError) -> JSONOutput {
        let vault = try existing(input)
        return JSONOutput.list { list in
            for category in DiagnosticBody.categories(isPool: input.isPool) {
                list.object { write(category, vault, to: &$0) }
            }
        }
    }

    func getCategory(_ input: DiagnosticInput, _ call: Call) async throws(VaultError) -> JSONOutput {
        let vault = try existing(input)
        let all = DiagnosticBody.categories(isPool: input.isPool)
        guard let category = all.first(where: { $0.name.lowercased() == input.name.lowercased() }) else {
            throw VaultError(.resourceNotFound, "The diagnostic category '\(input.name.prefix(64))' doesn't exist.")
        }
        return JSONOutput { write(category, vault, to: &$0) }
    }
}
