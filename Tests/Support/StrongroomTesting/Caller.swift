import Cryptography
package import Domain
import House
package import Identity
package import Operations
import Threads

/// A client with its token, and a lane of its own to ask on: one task's business at a time.
package final class Caller: @unchecked Sendable {
    // Unchecked: like the lane it holds, used by one task at a time.
    package let client: Client
    private let house: TestHouse
    private let lane: Lane
    private var tokens: [Authority.Resource: (text: String, made: Timestamp)] = [:]

    package init(_ client: Client, in house: TestHouse) throws {
        (self.client, self.house) = (client, house)
        lane = try house.house.makeLane(DirectWaker())
    }

    package enum Authorization: Sendable {
        /// The client's own token, signed by the house's own key, fresh by the test's clock.
        case own
        case none
        case header(String)
    }

    /// Asks as HTTP would, and waits for the answer.
    ///
    /// - Parameters:
    ///   - target: a path with its query if it has one; neither is percent-decoded.
    ///   - version: put into the query unless the target holds one.
    package func send(
        _ method: Request.Method?, _ target: String, _ body: String = "", on host: String = TestHouse.vaultHost("demo"),
        version: String? = "7.4", authorization: Authorization = .own, ifNoneMatch: String? = nil
    ) async throws -> Response {
        let parts = target.split(separator: "?", maxSplits: 1)
        var items: [(name: String, value: String)] = (parts.count > 1 ? parts[1] : "").split(separator: "&").map {
            item in
            let pair = item.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            return (pair[0].lowercased(), pair.count > 1 ? String(pair[1]) : "")
        }
        if let version, !items.contains(where: { $0.name == "api-version" }) { items.append(("api-version", version)) }
        let header: String? =
            switch authorization {
            case .own: try resource(host).map { "Bearer " + (try token(for: $0)) }
            case .none: nil
            case .header(let text): text
            }
        let request = Request(
            method: method, host: host, authority: host + ":8443", target: target,
            path: (parts.first ?? "").split(separator: "/").map(String.init),
            query: Query(items), authorization: header, ifNoneMatch: ifNoneMatch, userAgent: "test",
            body: Array(body.utf8),
            peer: Peer(address: "192.0.2.7", isIPv6: false), tlsVersion: "TLS1_3")
        return await house.house.dispatcher.respond(request, on: lane)
    }

    /// Asks the management host.
    package func manage(_ method: Request.Method, _ target: String, _ body: String = "") async throws -> Response {
        try await send(method, target, body, on: TestHouse.managementHost, version: "2022-04-01")
    }

    /// A token of the client for a resource, signed here and not asked for: asking costs a password hash.
    package func token(for resource: Authority.Resource) throws -> String {
        let now = house.clock.now
        if let known = tokens[resource], known.made <= now, now - known.made < .minutes(30) { return known.text }
        guard let application = house.house.directory.application(client.id) else { return "unknown" }
        let keys = SigningKeys(try SigningKeyTable.load(from: lane.reader, engine: house.house.engine))
        let token = try TokenIssuer(authority: house.house.authority, keys: keys).accessToken(
            for: .application(application), audience: house.house.authority.url(of: resource),
            tokenID: GUID(high: 1, low: 2), understandsClaims: false, now: now)
        let text = token.withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
        tokens[resource] = (text, now)
        return text
    }

    private func resource(_ host: String) -> Authority.Resource? {
        if host == TestHouse.managementHost { return .management }
        if host == TestHouse.loginHost { return nil }
        return host.contains(".managedhsm.") ? .managedHSM : .vault
    }
}

extension TestHouse {
    /// The client that has every role.
    package func admin() async throws -> Caller { try Caller(try await HouseTemplate.shared.admin, in: self) }

    /// A new client that holds roles at the subscription.
    package func caller(_ name: String = "client", roles: [String] = []) async throws -> Caller {
        try Caller(Client(try await house.makeClient(named: name, roles: roles)), in: self)
    }

    package var subscription: String { "/subscriptions/\(house.instance.subscription)" }
    package var resourceGroup: String { subscription + "/resourceGroups/\(house.configuration.resourceGroup)" }
    package func scope(ofVault vault: String) -> String {
        resourceGroup + "/providers/Microsoft.KeyVault/vaults/\(vault)"
    }
}

extension Caller {
    /// Gives a role to another client, as an administrator does.
    ///
    /// - Returns: the path of the assignment.
    package func assign(_ roleID: GUID, to other: Client, at scope: String, id: GUID) async throws -> Response {
        try await manage(
            .put, Self.assignment(id, at: scope),
            #"{"properties":{"roleDefinitionId":"/providers/Microsoft.Authorization/roleDefinitions/\#(roleID)","principalId":"\#(other.objectID)"}}"#
        )
    }

    package static func assignment(_ id: GUID, at scope: String) -> String {
        scope + "/providers/Microsoft.Authorization/roleAssignments/\(id)"
    }

    /// Sets a secret to a value that needs no escaping.
    package func set(_ name: String, _ value: String, in vault: String = "demo") async throws -> Response {
        try await send(.put, "/secrets/\(name)", #"{"value":"\#(value)"}"#, on: TestHouse.vaultHost(vault))
    }

    package func get(_ name: String, in vault: String = "demo") async throws -> Response {
        try await send(.get, "/secrets/\(name)", on: TestHouse.vaultHost(vault))
    }

    package func delete(_ name: String, in vault: String = "demo") async throws -> Response {
        try await send(.delete, "/secrets/\(name)", on: TestHouse.vaultHost(vault))
    }
}

extension Caller {
    /// Asks for a change of a secret.
    ///
    /// - Parameter backup: the blob to restore from, when the change is a restoration.
    package func change(_ name: String, _ change: SecretModel.Change, backup: String = "", in vault: String = "demo")
        async throws -> Response
    {
        let host = TestHouse.vaultHost(vault)
        switch change {
        case .set(let value): return try await set(name, value, in: vault)
        case .setContentType(let type):
            return try await send(.patch, "/secrets/\(name)", #"{"contentType":"\#(type)"}"#, on: host)
        case .delete: return try await delete(name, in: vault)
        case .recover: return try await send(.post, "/deletedsecrets/\(name)/recover", on: host)
        case .purge: return try await send(.delete, "/deletedsecrets/\(name)", on: host)
        case .restore: return try await send(.post, "/secrets/restore", #"{"value":"\#(backup)"}"#, on: host)
        }
    }

    /// What is there of these secrets, by the API alone. Deleted ones are recovered on the way, since only then their values can be
    /// read.
    package func observe(_ names: [String], in vault: String = "demo") async throws -> SecretModel {
        let host = TestHouse.vaultHost(vault)
        var secrets: [String: SecretModel.Secret] = [:]
        for name in names {
            var isDeleted = false
            if try await send(.get, "/deletedsecrets/\(name)", on: host).status == 200 {
                isDeleted = true
                _ = try await change(name, .recover, in: vault)
            }
            let current = try await get(name, in: vault)
            if current.status == 404 { continue }
            guard current.status == 200 else { throw Unexpected(status: current.status, name: name) }
            let list = try await send(.get, "/secrets/\(name)/versions", on: host)
            var past: [SecretModel.Version] = []
            for item in list.json["value"].array where item["id"] != current.json["id"] {
                let version = item["id"].string?.split(separator: "/").last ?? ""
                let response = try await send(.get, "/secrets/\(name)/\(version)", on: host)
                guard response.status == 200 else { throw Unexpected(status: response.status, name: name) }
                past.append(Self.version(response))
            }
            secrets[name] = SecretModel.Secret(current: Self.version(current), past: past, isDeleted: isDeleted)
        }
        return SecretModel(secrets)
    }

    package struct Unexpected: Error {
        let status: UInt16
        let name: String
    }

    private static func version(_ response: Response) -> SecretModel.Version {
        SecretModel.Version(
            value: response.json["value"].string ?? "(none)", contentType: response.json["contentType"].string)
    }
}
