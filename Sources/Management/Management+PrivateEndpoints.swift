import Access
import Barrier
import Domain
import Identity
import Operations

/// The private endpoints by which vaults and pools may be reached: told, approved, rejected and taken away.
///
/// - Source: Azure REST "Private Endpoint Connections", "Private Link Resources" and their twins of Managed HSMs, to 2026-05-15.
extension Management {
    static let mostPrivateEndpoints = 64

    var privateEndpointOperations: [any AnyOperation] {
        endpointOperations(
            "Vault", .vault, Self.vaultPath,
            read: .atScope(.privateEndpointsRead, scope: Self.vaultScope),
            write: .atScope(.privateEndpointsWrite, scope: Self.vaultScope),
            delete: .atScope(.privateEndpointsDelete, scope: Self.vaultScope))
            + endpointOperations(
                "ManagedHSM", .managedHSM, Self.poolPath, read: .atScope(.poolsRead, scope: Self.poolGroup),
                write: .atScope(.poolsWrite, scope: Self.poolGroup),
                delete: .atScope(.poolsWrite, scope: Self.poolGroup))
    }

    private func endpointOperations(
        _ prefix: String, _ service: Vault.Service, _ path: String, read: Requirement, write: Requirement,
        delete: Requirement
    ) -> [any AnyOperation] {
        let list = path + "/privateEndpointConnections"
        let item = list + "/{connection}"
        return [
            Operation(prefix + "PrivateEndpointConnectionList", .get, on: .management, list, requires: read) {
                (input: ConnectionInput, call) throws(VaultError) in try listConnections(input, service, call)
            },
            Operation(prefix + "PrivateEndpointConnectionGet", .get, on: .management, item, requires: read) {
                (input: ConnectionInput, call) throws(VaultError) in try getConnection(input, service, call)
            },
            Operation(prefix + "PrivateEndpointConnectionPut", .put, on: .management, item, requires: write) {
                (input: PutConnectionInput, call) throws(VaultError) in
                try await putConnection(input, service, call)
            },
            Operation(prefix + "PrivateEndpointConnectionDelete", .delete, on: .management, item, requires: delete) {
                (input: ConnectionInput, call) throws(VaultError) in
                try await deleteConnection(input, service, call)
            },
            Operation(
                prefix + "PrivateLinkResourceList", .get, on: .management, path + "/privateLinkResources",
                requires: read
            ) {
                (input: ConnectionInput, call) throws(VaultError) in try listLinkResources(input, service, call)
            },
        ]
    }

    struct ConnectionInput: OperationInput {
        let resource: NamedResource
        let name: String

        init(_ request: Request) throws(VaultError) {
            resource = try NamedResource(request)
            name = request.parameter("connection") ?? ""
        }
    }

    struct PutConnectionInput: OperationInput {
        let target: ConnectionInput
        let body: PrivateEndpointBody

        init(_ request: Request) throws(VaultError) {
            target = try ConnectionInput(request)
            guard PrivateEndpointConnection.isName(target.name) else {
                throw .badParameter(
                    "The name of a connection has 1 to 80 letters, digits, hyphens, underscores and full stops.")
            }
            body = try PrivateEndpointBody.fromJSON(request.body)
        }
    }

    private func resource(_ input: ConnectionInput, _ service: Vault.Service, _ call: Call) throws(VaultError)
        -> VaultTable.Entry
    {
        let vault = try find(service, input.resource)
        call.concerns(resourceID: Self.identifier(of: vault))
        guard let entry = vaults.entry(vault.name, service) else { throw .internal("a vault is gone") }
        return entry
    }

    private static func connection(_ name: String, of settings: VaultTable.Settings) -> PrivateEndpointConnection? {
        settings.privateEndpoints?.first { $0.name.lowercased() == name.lowercased() }
    }

    private func listConnections(_ input: ConnectionInput, _ service: Vault.Service, _ call: Call) throws(VaultError)
        -> JSONOutput
    {
        let entry = try resource(input, service, call)
        return JSONOutput.list { list in
            for connection in entry.settings.privateEndpoints ?? [] {
                list.object { write(connection, of: entry.vault, to: &$0) }
            }
        }
    }

    private func getConnection(_ input: ConnectionInput, _ service: Vault.Service, _ call: Call) throws(VaultError)
        -> JSONOutput
    {
        let entry = try resource(input, service, call)
        guard let connection = Self.connection(input.name, of: entry.settings) else {
            throw VaultError(
                .resourceNotFound, "The private endpoint connection '\(input.name.prefix(80))' was not found.")
        }
        return JSONOutput { write(connection, of: entry.vault, to: &$0) }
    }

    /// Approves or rejects a connection, or makes one to a listener of the configuration.
    private func putConnection(_ input: PutConnectionInput, _ service: Vault.Service, _ call: Call)
        async throws(VaultError) -> JSONOutput
    {
        let entry = try resource(input.target, service, call)
        let (status, description) = (try input.body.status(), try input.body.description())
        let named = try input.body.endpoint()
        if let named, !endpoints.contains(named.name) {
            throw VaultBody.wrong(
                "privateEndpoint.id",
                "the configuration names no listener '\(named.name)' (network.privateEndpoints)")
        }
        guard let key = entry.settings.key else { throw .internal("a vault without a name") }
        let (name, incarnation) = (input.target.name, entry.settings.incarnation)
        let (settings, connection) = try await call.commit {
            transaction throws(VaultError) -> (VaultTable.Settings, PrivateEndpointConnection) in
            guard var settings = try VaultTable.settings(key, in: transaction), settings.deleted == nil,
                settings.incarnation == incarnation
            else { throw VaultError(.conflict, "The vault '\(key.name)' was deleted meanwhile.") }
            var all = settings.privateEndpoints ?? []
            let connection: PrivateEndpointConnection
            if let index = all.firstIndex(where: { $0.name.lowercased() == name.lowercased() }) {
                if let named, named.name != all[index].endpoint {
                    throw VaultError(.conflict, "A connection keeps its private endpoint; make another one.")
                }
                if let status { all[index].status = status }
                if let description { all[index].description = description }
                all[index].revision += 1
                connection = all[index]
            } else {
                guard let named else {
                    throw VaultError(
                        .resourceNotFound,
                        "The private endpoint connection '\(name)' was not found; a new one names its 'privateEndpoint.id'."
                    )
                }
                guard all.count < Self.mostPrivateEndpoints else {
                    throw VaultBody.wrong(
                        "privateEndpointConnections", "at most \(Self.mostPrivateEndpoints) are allowed")
                }
                connection = PrivateEndpointConnection(
                    name: name, endpoint: named.name, endpointID: named.id, status: status ?? .pending,
                    description: description ?? "", revision: 1)
                all.append(connection)
            }
            settings.privateEndpoints = all
            try VaultTable.put(settings, in: transaction)
            return (settings, connection)
        }
        vaults.reload(key, from: call.lane.reader, committed: settings)
        return JSONOutput { write(connection, of: entry.vault, to: &$0) }
    }

    private func deleteConnection(_ input: ConnectionInput, _ service: Vault.Service, _ call: Call)
        async throws(VaultError) -> NoContentOr200
    {
        let entry = try resource(input, service, call)
        guard let key = entry.settings.key, Self.connection(input.name, of: entry.settings) != nil else {
            return NoContentOr200(isAbsent: true)
        }
        let settings = try await call.commit { transaction throws(VaultError) -> VaultTable.Settings? in
            guard var settings = try VaultTable.settings(key, in: transaction) else { return nil }
            settings.privateEndpoints?.removeAll { $0.name.lowercased() == input.name.lowercased() }
            try VaultTable.put(settings, in: transaction)
            return settings
        }
        vaults.reload(key, from: call.lane.reader, committed: settings)
        return NoContentOr200(isAbsent: false)
    }

    private func listLinkResources(_ input: ConnectionInput, _ service: Vault.Service, _ call: Call)
        throws(VaultError) -> JSONOutput
    {
        let entry = try resource(input, service, call)
        let group = service == .vault ? "vault" : "managedhsm"
        let zone = entry.vault.authority.drop { $0 != "." }.dropFirst().prefix { $0 != ":" }
        return JSONOutput.list { list in
            list.object { link in
                link.member("id", "\(Self.identifier(of: entry.vault))/privateLinkResources/\(group)")
                link.member("name", group)
                link.member("type", Self.type(of: entry.vault) + "/privateLinkResources")
                link.object("properties") { properties in
                    properties.member("groupId", group)
                    properties.array("requiredMembers") { $0.string("default") }
                    properties.array("requiredZoneNames") { $0.string(String(zone)) }
                }
            }
        }
    }

    private func write(_ connection: PrivateEndpointConnection, of vault: Vault, to writer: inout JSONWriter) {
        writer.member("id", "\(Self.identifier(of: vault))/privateEndpointConnections/\(connection.name)")
        writer.member("name", connection.name)
        writer.member("type", Self.type(of: vault) + "/privateEndpointConnections")
        writer.member("location", vault.location)
        writer.member("etag", String(connection.revision))
        writeProperties(of: connection, to: &writer)
    }

    private func writeProperties(of connection: PrivateEndpointConnection, to writer: inout JSONWriter) {
        writer.object("properties") { properties in
            properties.member("provisioningState", "Succeeded")
            properties.object("privateEndpoint") { $0.member("id", connection.endpointID) }
            properties.object("privateLinkServiceConnectionState") { state in
                state.member("status", connection.status.rawValue)
                state.member("description", connection.description)
                state.member("actionsRequired", "None")
            }
        }
    }

    /// As part of the vault or pool; nothing when there are none.
    func writeConnections(of entry: VaultTable.Entry, to properties: inout JSONWriter) {
        guard let connections = entry.settings.privateEndpoints, !connections.isEmpty else { return }
        properties.array("privateEndpointConnections") { list in
            for connection in connections {
                list.object { item in
                    item.member(
                        "id", "\(Self.identifier(of: entry.vault))/privateEndpointConnections/\(connection.name)")
                    item.member("etag", String(connection.revision))
                    writeProperties(of: connection, to: &item)
                }
            }
        }
    }
}
