import Domain
import Objects
import Operations

struct PutResourceSecret: OperationInput {
    let resource: ObjectResource
    let name: ObjectName
    let parameters: SecretParameters

    private struct Body: Decodable {
        struct Properties: Decodable {
            let value: String?
            let contentType: String?
            let attributes: AttributeParameters?
        }
        let properties: Properties?
        let tags: TagParameters?
    }

    init(_ request: Request) throws(VaultError) {
        resource = try ObjectResource(request)
        name = try resource.name()
        let body = try Body.fromJSON(request.body)
        parameters = SecretParameters(
            value: body.properties?.value, contentType: body.properties?.contentType,
            attributes: body.properties?.attributes, tags: body.tags)
    }
}

/// Secrets as resources of Azure Resource Manager, below their vault: made and changed, and told of without their values.
///
/// - Source: Azure REST "Secrets" of the management plane, to 2026-05-15.
extension Secrets {
    var resources: [any AnyOperation] {
        let list = ObjectResource.path(.vault, "secrets")
        let item = list + "/{object}"
        func at(_ permission: Permission) -> Requirement { .atScope(permission, scope: ObjectResource.scope) }
        return [
            Operation(
                "VaultSecretPut", .put, on: .management, item, requires: at(.resourceSecretsWrite), run: putResource),
            Operation(
                "VaultSecretPatch", .patch, on: .management, item, requires: at(.resourceSecretsWrite),
                run: patchResource),
            Operation(
                "VaultSecretGet", .get, on: .management, item, requires: at(.resourceSecretsRead), run: getResource),
            Operation(
                "VaultSecretList", .get, on: .management, list, requires: at(.resourceSecretsRead), run: listResources),
        ]
    }

    /// Makes a new version, or the secret.
    private func putResource(_ input: PutResourceSecret, _ call: Call) async throws(VaultError) -> JSONOutput {
        let vault = try parts.vault(of: input.resource, call)
        call.concerns(objectID: vault.secretsURL + input.name.spelling)
        let made = try await add(
            try SetSecret(input.name, input.parameters), call.entering(vault), firstStatus: 201)
        return answer(made.bundle, status: made.isFirst ? 201 : 200)
    }

    /// Changes the newest version; with a value it makes a new one.
    private func patchResource(_ input: PutResourceSecret, _ call: Call) async throws(VaultError) -> JSONOutput {
        let vault = try parts.vault(of: input.resource, call)
        call.concerns(objectID: vault.secretsURL + input.name.spelling)
        let inside = call.entering(vault)
        guard input.parameters.value != nil else {
            return answer(try await update(try UpdateSecret(input.name, nil, input.parameters), inside))
        }
        let table = ObjectTable(Self.kind, in: vault)
        guard try table.head(input.name, in: call.lane.reader) != nil else { throw table.notFound(input.name, nil) }
        return answer(try await set(try SetSecret(input.name, input.parameters), inside))
    }

    private func getResource(_ input: ObjectResource, _ call: Call) async throws(VaultError) -> JSONOutput {
        let vault = try parts.vault(of: input, call)
        let name = try input.name()
        call.concerns(objectID: vault.secretsURL + name.spelling)
        let (head, record) = try ObjectTable(Self.kind, in: vault).record(name, version: nil, in: call.lane.reader)
        return answer(try SecretBundle(vault, head.name, record, showsValue: false))
    }

    private func listResources(_ input: ObjectResource, _ call: Call) async throws(VaultError) -> JSONOutput {
        let vault = try parts.vault(of: input, call)
        let list = "resources/secrets"
        let marker = try paging.marker(input.page, list: list, in: vault)
        let heads = try ObjectTable(Self.kind, in: vault).heads(
            after: marker, limit: input.page.size + 1, in: call.lane.reader)
        let bundles = try heads.mapTyped { head throws(VaultError) in
            try SecretBundle(vault, head.name, head.current, showsValue: false)
        }
        return try parts.page(
            bundles, of: input, in: vault, list: list, path: "secrets", paging, marker: { $0.name.key }
        ) { bundle, writer in write(bundle, to: &writer) }
    }

    private func answer(_ bundle: SecretBundle, status: UInt16 = 200) -> JSONOutput {
        JSONOutput(status: status) { write(bundle, to: &$0) }
    }

    /// Never the value.
    private func write(_ bundle: SecretBundle, to writer: inout JSONWriter) {
        let (vault, name, record) = (bundle.vault, bundle.name.spelling, bundle.record)
        parts.writeHead(vault, "secrets", name, record, to: &writer)
        writer.object("properties") { properties in
            if let contentType = bundle.secret.contentType { properties.member("contentType", contentType) }
            parts.writeAttributes(record, vault, to: &properties)
            properties.member("secretUri", vault.secretsURL + name)
            properties.member("secretUriWithVersion", "\(vault.secretsURL)\(name)/\(record.version)")
        }
    }
}
