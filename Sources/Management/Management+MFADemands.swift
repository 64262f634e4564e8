import Access
import Barrier
import Domain
import Operations

/// Which roles and scopes ask people for a second factor; replaced as a whole.
extension Management {
    /// Set by who may write role definitions: those who may only assign some roles must not lift what others demand.
    var mfaDemandOperations: [any AnyOperation] {
        func anywhere(_ permission: Permission) -> Requirement { .atScope(permission) { _ in nil } }
        return [
            Operation(
                "MFADemandsGet", .get, on: .management, "/strongroom/mfaDemands",
                requires: anywhere(.roleAssignmentsRead), run: getDemands),
            Operation(
                "MFADemandsSet", .put, on: .management, "/strongroom/mfaDemands",
                requires: anywhere(.roleDefinitionsWrite), run: setDemands),
        ]
    }

    struct DemandsInput: OperationInput {
        let roles: [String]
        let scopes: [String]

        init(_ request: Request) throws(VaultError) {
            struct Body: Decodable {
                let roles: [String]?
                let scopes: [String]?
            }
            let body = try Body.fromJSON(request.body)
            (roles, scopes) = (body.roles ?? [], body.scopes ?? [])
            guard roles.count <= MFADemands.most, scopes.count <= MFADemands.most else {
                throw .badParameter("At most \(MFADemands.most) roles and as many scopes may demand a second factor.")
            }
            for text in scopes where Scope(text) == nil {
                throw .badParameter("The scope '\(text.prefix(256))' is not valid.")
            }
        }
    }

    struct DemandsOutput: OperationOutput {
        let roles: [(id: GUID, name: String)]
        let scopes: [String]

        func response(_ call: Call) -> Response {
            .json { document in
                document.array("roles") { list in
                    for role in roles {
                        list.object { entry in
                            entry.member("id", role.id)
                            entry.member("name", role.name)
                        }
                    }
                }
                document.array("scopes") { list in for scope in scopes { list.string(scope) } }
            }
        }
    }

    func getDemands(_ input: NoInput, _ call: Call) async throws(VaultError) -> DemandsOutput { output(access.demands) }

    private func output(_ demands: MFADemands) -> DemandsOutput {
        let roles = demands.roles.map { ($0, access.role($0)?.name ?? "") }
        return DemandsOutput(roles: roles.sorted { ($0.1, $0.0) < ($1.1, $1.0) }, scopes: demands.scopes.sorted())
    }

    func setDemands(_ input: DemandsInput, _ call: Call) async throws(VaultError) -> DemandsOutput {
        var roles: Set<GUID> = []
        for text in input.roles {
            let named = access.roles.first { $0.name.lowercased() == text.lowercased() }
            guard let role = GUID(text).flatMap({ access.role($0) }) ?? named else {
                throw VaultError(.resourceNotFound, "The role '\(text.prefix(128))' does not exist.")
            }
            roles.insert(role.id)
        }
        var seen: Set<String> = []
        let scopes = input.scopes.compactMap { Scope($0) }.filter { seen.insert($0.key).inserted }.map(\.description)
        let demands = MFADemands(roles: roles, scopes: scopes)
        call.concerns(objectID: "/strongroom/mfaDemands")
        try await call.commit { transaction throws(VaultError) in try demands.put(in: transaction) }
        access.reloadDemands(from: call.lane.reader, committed: demands)
        return output(demands)
    }
}
