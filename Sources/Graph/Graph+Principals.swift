import Domain
import Identity
import Operations

/// Applications and their service principals, and objects by their ids.
extension Graph {
    var principalOperations: [any AnyOperation] {
        let read = Self.anywhere(.applicationsRead)
        return [
            // Who one is may be asked by anybody who is somebody.
            Operation("DirectoryMeGet", .get, on: .graph, "/v1.0/me", requires: .perItem(.applicationsRead), run: me),
            Operation(
                "ServicePrincipalList", .get, on: .graph, "/v1.0/servicePrincipals", requires: read,
                run: listServicePrincipals),
            Operation(
                "ServicePrincipalGet", .get, on: .graph, "/v1.0/servicePrincipals/{id}", requires: read,
                run: getServicePrincipal),
            Operation(
                "GraphApplicationList", .get, on: .graph, "/v1.0/applications", requires: read, run: listApplications),
            Operation(
                "GraphApplicationGet", .get, on: .graph, "/v1.0/applications/{id}", requires: read, run: getApplication),
            Operation(
                "DirectoryObjectsGetByIds", .post, on: .graph, "/v1.0/directoryObjects/getByIds", requires: read,
                run: getByIDs),
            Operation(
                "DirectoryObjectMemberOfList", .get, on: .graph, "/v1.0/servicePrincipals/{id}/memberOf",
                "/v1.0/groups/{id}/memberOf", "/v1.0/users/{id}/memberOf", requires: read, run: listMemberOf),
            Operation(
                "DirectoryObjectGetMemberGroups", .post, on: .graph, "/v1.0/servicePrincipals/{id}/getMemberGroups",
                "/v1.0/groups/{id}/getMemberGroups", "/v1.0/users/{id}/getMemberGroups",
                "/v1.0/directoryObjects/{id}/getMemberGroups", requires: read,
                run: getMemberGroups),
            Operation(
                "DirectoryObjectCheckMemberGroups", .post, on: .graph, "/v1.0/directoryObjects/{id}/checkMemberGroups",
                requires: read, run: checkMemberGroups),
        ]
    }

    struct ApplicationFilter: OperationInput {
        let filter: GraphFilter

        init(_ request: Request) throws(VaultError) {
            filter = try GraphFilter(
                request.query.value("$filter") ?? "",
                on: ["serviceprincipalnames", "appid", "id", "displayname", "identifieruris"])
        }
    }

    func writeServicePrincipal(_ application: Application, to writer: inout JSONWriter) {
        writer.member(named: "@odata.type", "#microsoft.graph.servicePrincipal")
        writer.member("id", application.objectID)
        writer.member("appId", application.id)
        writer.member("displayName", application.displayName)
        writer.member("appDisplayName", application.displayName)
        writer.member("accountEnabled", application.isEnabled)
        writer.member("appOwnerOrganizationId", authority.tenant)
        writer.member("createdDateTime", application.created.iso8601)
        writer.array("servicePrincipalNames") { $0.string(application.id.description) }
        writer.member(
            "servicePrincipalType", application.kind == .managedIdentity ? "ManagedIdentity" : "Application")
    }

    private func writeApplication(_ application: Application, to writer: inout JSONWriter) {
        // One id serves for the application; its service principal has another.
        writer.member("id", application.id)
        writer.member("appId", application.id)
        writer.member("displayName", application.displayName)
        writer.member("createdDateTime", application.created.iso8601)
        writer.member("signInAudience", "AzureADMyOrg")
        writer.array("identifierUris") { _ in }
        writer.array("keyCredentials") { list in
            for certificate in application.certificates {
                list.object { entry in
                    entry.member("customKeyIdentifier", Hex.encode(certificate.thumbprint).uppercased())
                    entry.member("displayName", certificate.subject)
                    entry.member("startDateTime", certificate.notBefore.iso8601)
                    entry.member("endDateTime", certificate.notAfter.iso8601)
                    entry.member("type", "AsymmetricX509Cert")
                    entry.member("usage", "Verify")
                }
            }
        }
        writer.array("passwordCredentials") { list in
            for secret in application.secrets {
                list.object { $0.member("startDateTime", secret.created.iso8601) }
            }
        }
    }

    private static func values(_ application: Application, _ objectID: GUID) -> (String) -> [String] {
        { name in
            switch name {
            case "serviceprincipalnames", "appid": [application.id.description]
            case "id": [objectID.description]
            case "displayname": [application.displayName]
            case "identifieruris": []
            default: []
            }
        }
    }

    private var applications: [Application] {
        directory.all.sorted { ($0.displayName.lowercased(), $0.id) < ($1.displayName.lowercased(), $1.id) }
    }

    func listServicePrincipals(_ input: ApplicationFilter, _ call: Call) async throws(VaultError) -> JSONOutput {
        let found = applications.filter { input.filter.holds(Self.values($0, $0.objectID)) }
        return list("servicePrincipals", found) { writeServicePrincipal($0, to: &$1) }
    }

    func getServicePrincipal(_ input: ObjectInput, _ call: Call) async throws(VaultError) -> JSONOutput {
        guard let application = GUID(input.id).flatMap({ directory.application(objectID: $0) }) else {
            throw Self.absent("servicePrincipal", input.id)
        }
        return JSONOutput { writeServicePrincipal(application, to: &$0) }
    }

    func listApplications(_ input: ApplicationFilter, _ call: Call) async throws(VaultError) -> JSONOutput {
        let found = applications.filter { $0.kind == .application && input.filter.holds(Self.values($0, $0.id)) }
        return list("applications", found) { writeApplication($0, to: &$1) }
    }

    func application(_ text: String) throws(VaultError) -> Application {
        guard let application = GUID(text).flatMap({ directory.application($0) ?? directory.application(objectID: $0) })
        else { throw Self.absent("application", text) }
        return application
    }

    func getApplication(_ input: ObjectInput, _ call: Call) async throws(VaultError) -> JSONOutput {
        let application = try application(input.id)
        return JSONOutput { writeApplication(application, to: &$0) }
    }

    func me(_ input: NoInput, _ call: Call) async throws(VaultError) -> JSONOutput {
        guard let principal = call.principal, let object = object(principal.objectID) else {
            throw Self.absent("me", "me")
        }
        return JSONOutput { write(object, to: &$0) }
    }

    // MARK: By id

    struct IDsInput: OperationInput {
        let ids: [String]
        let types: Set<String>?

        init(_ request: Request) throws(VaultError) {
            struct Body: Decodable {
                let ids: [String]
                let types: [String]?
            }
            let body = try Body.fromJSON(request.body)
            guard body.ids.count <= 1_000 else { throw .badParameter("At most 1,000 ids may be asked for at once.") }
            ids = body.ids
            types = body.types.map { Set($0.map { $0.lowercased() }) }
        }
    }

    func getByIDs(_ input: IDsInput, _ call: Call) async throws(VaultError) -> JSONOutput {
        let found = input.ids.compactMap { GUID($0) }.compactMap { object($0) }.filter { object in
            guard let types = input.types else { return true }
            switch object {
            case .application: return types.contains("serviceprincipal")
            case .group: return types.contains("group")
            case .user: return types.contains("user")
            }
        }
        return list("directoryObjects", found) { write($0, to: &$1) }
    }

    private func known(_ text: String) throws(VaultError) -> Object {
        if let object = GUID(text).flatMap({ object($0) }) { return object }
        guard let user = directory.user(idOrName: text) else { throw Self.absent("directoryObject", text) }
        return .user(user)
    }

    /// The groups it is in by itself.
    func listMemberOf(_ input: ObjectInput, _ call: Call) async throws(VaultError) -> JSONOutput {
        let id = try known(input.id).id
        let found = directory.groups.filter { $0.members.contains(id) }.sorted { $0.id < $1.id }
        return list("directoryObjects", found) { write($0, to: &$1) }
    }

    /// The groups it is in, through others too.
    func getMemberGroups(_ input: ObjectInput, _ call: Call) async throws(VaultError) -> JSONOutput {
        let groups = directory.groups(of: try known(input.id).id)
        return JSONOutput { $0.array("value") { list in for group in groups { list.string(group.description) } } }
    }

    struct CheckInput: OperationInput {
        let id: String
        let groups: [String]

        init(_ request: Request) throws(VaultError) {
            struct Body: Decodable {
                let groupIds: [String]
            }
            id = request.parameter("id") ?? ""
            groups = try Body.fromJSON(request.body).groupIds
        }
    }

    func checkMemberGroups(_ input: CheckInput, _ call: Call) async throws(VaultError) -> JSONOutput {
        let groups = Set(directory.groups(of: try known(input.id).id))
        let held = input.groups.filter { GUID($0).map { groups.contains($0) } ?? false }
        return JSONOutput { $0.array("value") { list in for group in held { list.string(group) } } }
    }
}
