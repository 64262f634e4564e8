import Barrier
import Domain
import Objects
import Operations

struct PutResourceKey: OperationInput {
    let resource: ObjectResource
    let key: CreateKey

    private struct Body: Decodable {
        struct Properties: Decodable {
            let kty: String?
            let keyOps: [String]?
            let keySize: Int?
            let curveName: String?
            let attributes: AttributeParameters?
            let rotationPolicy: SetRotationPolicy.Body?
            let release_policy: KeyParameters.Policy?
        }
        let properties: Properties
        let tags: TagParameters?
    }

    init(_ request: Request) throws(VaultError) {
        resource = try ObjectResource(request)
        let name = try resource.name()
        let body = try Body.fromJSON(request.body)
        let properties = body.properties
        var key: CreateKey
        do throws(VaultError) {
            key = try CreateKey(
                name,
                CreateKey.Body(
                    kty: properties.kty, key_size: properties.keySize, public_exponent: nil,
                    key_ops: properties.keyOps, crv: properties.curveName, attributes: properties.attributes,
                    tags: body.tags, release_policy: properties.release_policy))
        } catch { throw error.inResourceTerms }
        key.rotation = properties.rotationPolicy.map { SetRotationPolicy(name, $0) }
        self.key = key
    }
}

/// Keys as resources of Azure Resource Manager, below their vault or pool: made if they are not there, and told of.
///
/// - Source: Azure REST "Keys" and "Managed Hsm Keys" of the management plane, to 2026-05-15.
extension Keys {
    var resources: [any AnyOperation] {
        resources("VaultKey", .vault, read: .resourceKeysRead, write: .resourceKeysWrite)
            + resources("ManagedHSMKey", .managedHSM, read: .poolResourceKeysRead, write: .poolResourceKeysWrite)
    }

    private func resources(
        _ name: String, _ service: Vault.Service, read: Permission, write: Permission
    ) -> [any AnyOperation] {
        let list = ObjectResource.path(service, "keys")
        let item = list + "/{object}"
        func at(_ permission: Permission) -> Requirement { .atScope(permission, scope: ObjectResource.scope) }
        return [
            Operation(name + "Put", .put, on: .management, item, requires: at(write), run: putResource),
            Operation(name + "Get", .get, on: .management, item, requires: at(read), run: getResource),
            Operation(name + "List", .get, on: .management, list, requires: at(read), run: listResources),
            Operation(
                name + "VersionGet", .get, on: .management, item + "/versions/{version}", requires: at(read),
                run: getResource),
            Operation(
                name + "VersionList", .get, on: .management, item + "/versions", requires: at(read),
                run: listResourceVersions),
        ]
    }

    /// Makes a key, unless there is one of the name: that one is answered as it is. A new version is never made.
    private func putResource(_ input: PutResourceKey, _ call: Call) async throws(VaultError) -> JSONOutput {
        let vault = try parts.vault(of: input.resource, call)
        let table = table(vault)
        call.concerns(objectID: vault.keysURL + input.key.name.spelling)
        if let head = try table.head(input.key.name, in: call.lane.reader) {
            return try answer(vault, head.name, head.current, call)
        }
        do throws(VaultError) {
            _ = try await create(input.key, call.entering(vault), isFirst: true)
        } catch {
            // Somebody else was quicker.
            guard case .conflict = error.code, try table.head(input.key.name, in: call.lane.reader) != nil else {
                throw error.inResourceTerms
            }
        }
        guard let head = try table.head(input.key.name, in: call.lane.reader) else {
            throw table.notFound(input.key.name, nil)
        }
        return try answer(vault, head.name, head.current, call)
    }

    private func answer(
        _ vault: Vault, _ name: ObjectName, _ record: ObjectRecord, isVersion: Bool = false, _ call: Call
    ) throws(VaultError) -> JSONOutput {
        let key = try KeyVersion(record)
        let policy = try KeySchedule(table(vault)).policy(of: name, in: call.lane.reader)
        let rotation = policy.map { RotationPolicyOutput(vault: vault, name: name, policy: $0) }
        return JSONOutput {
            write(vault, name, record, key, isVersion: isVersion, rotation: isVersion ? nil : rotation, to: &$0)
        }
    }

    private func getResource(_ input: ObjectResource, _ call: Call) async throws(VaultError) -> JSONOutput {
        let vault = try parts.vault(of: input, call)
        let (name, version) = (try input.name(), try input.objectVersion())
        call.concerns(objectID: vault.keysURL + name.spelling)
        let (head, record) = try table(vault).record(name, version: version, in: call.lane.reader)
        return try answer(vault, head.name, record, isVersion: version != nil, call)
    }

    private func listResources(_ input: ObjectResource, _ call: Call) async throws(VaultError) -> JSONOutput {
        let vault = try parts.vault(of: input, call)
        let list = "resources/keys"
        let marker = try paging.marker(input.page, list: list, in: vault)
        let heads = try table(vault).heads(after: marker, limit: input.page.size + 1, in: call.lane.reader)
        let items = try heads.mapTyped { head throws(VaultError) in (head, try KeyVersion(head.current)) }
        return try parts.page(
            items, of: input, in: vault, list: list, path: "keys", paging, marker: { $0.0.name.key }
        ) { item, writer in
            write(vault, item.0.name, item.0.current, item.1, isVersion: false, to: &writer)
        }
    }

    private func listResourceVersions(_ input: ObjectResource, _ call: Call) async throws(VaultError) -> JSONOutput {
        let vault = try parts.vault(of: input, call)
        let name = try input.name()
        let list = "resources/keys/\(name.key)/versions"
        let marker = try paging.marker(input.page, list: list, in: vault)
        let table = table(vault)
        let (spelled, records) = try call.lane.reader.snapshot { () throws(VaultError) in
            try table.versions(name, after: marker, limit: input.page.size + 1, in: call.lane.reader)
        }
        let items = try records.mapTyped { record throws(VaultError) in (record, try KeyVersion(record)) }
        return try parts.page(
            items, of: input, in: vault, list: list, path: "keys/\(spelled)/versions", paging,
            marker: { $0.0.version.description }
        ) { item, writer in
            write(vault, spelled, item.0, item.1, isVersion: true, to: &writer)
        }
    }

    private func write(
        _ vault: Vault, _ name: ObjectName, _ record: ObjectRecord, _ key: KeyVersion, isVersion: Bool,
        rotation: RotationPolicyOutput? = nil, to writer: inout JSONWriter
    ) {
        parts.writeHead(
            vault, "keys", name.spelling, version: isVersion ? record.version : nil, record, to: &writer)
        writer.object("properties") { properties in
            parts.writeAttributes(record, vault, to: &properties) { $0.member("exportable", key.isExportable) }
            properties.member("kty", key.type.text)
            properties.array("keyOps") { list in for operation in key.operations { list.string(operation.text) } }
            switch key.specification {
            case .rsa(let bits), .oct(let bits): properties.member("keySize", bits)
            case .ec(let curve): properties.member("curveName", curve.text)
            case .ed25519: properties.member("curveName", "Ed25519")
            }
            properties.member("keyUri", vault.keysURL + name.spelling)
            properties.member("keyUriWithVersion", "\(vault.keysURL)\(name.spelling)/\(record.version)")
            if let rotation { properties.object("rotationPolicy") { rotation.write(to: &$0, isResource: true) } }
            if let policy = key.releasePolicy {
                properties.object("release_policy") { release in
                    release.member("contentType", policy.contentType)
                    release.member("data", Base64.encodeURL(policy.data))
                }
            }
        }
    }
}

extension VaultError {
    /// With the names that the management plane has for members of a body.
    fileprivate var inResourceTerms: VaultError {
        let names = ["key_size": "keySize", "crv": "curveName", "key_ops": "keyOps"]
        for (name, own) in names {
            let begin = "Property '\(name)'"
            guard case .badParameter = code, message.hasPrefix(begin) else { continue }
            return .badParameter("Property '\(own)'" + message.dropFirst(begin.count))
        }
        return self
    }
}
