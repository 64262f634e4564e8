import Access
package import Audit
package import Barrier
package import Domain
package import Identity
import Synchronization

/// The one path that every call walks. HTTP, command line and automation all enter here.
package final class Dispatcher: Sendable {
    private let catalog: Catalog
    private let authority: Authority
    private let suffix: String
    private let subscription: GUID
    private let subscriptionID: String
    private let vaults: @Sendable (VaultName, Vault.Service) -> Vault?
    private let committer: Committer
    private let clock: @Sendable () -> Timestamp
    private let log: @Sendable (String) -> Void
    private let isStorageReadable: @Sendable (Lane) -> Bool
    private let externalTokens: ExternalTokens

    /// - Parameters:
    ///   - suffix: of host names, without port.
    ///   - vaults: the vault of a name.
    package init(
        catalog: Catalog, authority: Authority, suffix: String, subscription: GUID,
        vaults: @escaping @Sendable (VaultName, Vault.Service) -> Vault?,
        committer: Committer, clock: @escaping @Sendable () -> Timestamp, log: @escaping @Sendable (String) -> Void,
        isStorageReadable: @escaping @Sendable (Lane) -> Bool, externalTokens: ExternalTokens = .none
    ) {
        self.externalTokens = externalTokens
        self.catalog = catalog
        self.authority = authority
        self.suffix = suffix
        self.subscription = subscription
        subscriptionID = "/subscriptions/\(subscription)"
        self.vaults = vaults
        self.committer = committer
        self.clock = clock
        self.log = log
        self.isStorageReadable = isStorageReadable
    }

    // MARK: Doors

    /// Answers a request. Nothing leaves before its audit record is durable; if that cannot be, the answer says so.
    package func respond(_ request: Request, on lane: Lane) async -> Response {
        committer.callsInFlight.add(1, ordering: .relaxed)
        defer { committer.callsInFlight.subtract(1, ordering: .relaxed) }
        let host = lane.route(of: request.host, suffix: suffix)
        if let health = health(request, host, lane) {
            return finished(health, request, lane.nextRequestID(), host.style)
        }
        let id = lane.nextRequestID()
        let now = clock()
        let matched = match(request, host)
        let trail = Trail(event: event(request, id, now, matched), successStatus: matched.operation?.status ?? 200)
        var response: Response
        do throws(VaultError) {
            response = try await answer(request, host, matched, id, now, lane, trail)
            if !trail.isRecorded {
                try await committer.record(
                    trail.finished(status: response.status, description: ""), isSlow: trail.isSlow, waker: lane.waker)
            }
        } catch {
            response = await refuse(error, host, matched, trail, lane)
        }
        return finished(response, request, id, host.style)
    }

    /// Answers for what never became a request: broken framing, a head too large. Recorded like everything else.
    package func refuse(_ error: VaultError, target: String, host: String, peer: Peer, on lane: Lane) async -> Response
    {
        let request = Request(
            method: nil, host: host, target: target, path: [], query: Query(), authorization: nil, peer: peer,
            tlsVersion: "")
        let id = lane.nextRequestID()
        let trail = Trail(event: event(request, id, clock(), .nothing), successStatus: 400)
        let route = HostRoute(host, suffix: suffix)
        return finished(await refuse(error, route, .nothing, trail, lane), request, id, route.style)
    }

    /// Fulfils a duty as the server. It is crossed off in the transaction that fulfils it, or put off when that failed.
    ///
    /// - Throws: what the operation threw; the failure is recorded.
    package func perform(_ duty: Duty, retryAt: Timestamp, on lane: Lane) async throws(VaultError) {
        guard let declared = catalog.operation(named: duty.operation) else {
            throw .internal("no operation is called \(duty.operation)")
        }
        let principal = Principal.system(tenant: authority.tenant)
        let request = Request(
            method: nil, host: "", target: "", path: [], query: Query(), authorization: nil, userAgent: "strongroom",
            peer: .local,
            tlsVersion: "")
        request.parameters = duty.parameters.map { ($0.key, $0.value) }
        let now = clock()
        let id = lane.nextRequestID()
        let trail = Trail(event: event(request, id, now, .operation(declared, [])), successStatus: declared.status)
        trail.event.principal = principal
        let vault = duty.vault.flatMap { vaults($0, duty.service) }
        if duty.vault != nil, vault == nil { return try await sleep(duty, on: lane) }
        trail.event.resourceID = vault?.scopes.vault.description ?? trail.event.resourceID
        do throws(VaultError) {
            guard let permission = declared.requirement.permission,
                let grant = lane.access.grantToSystem(permission, principal)
            else {
                throw .internal("\(duty.operation) is not a duty of the server")
            }
            let call = Call(
                id: id, now: now, principal: principal, grant: .granted(grant), apiVersion: .latest, lane: lane,
                vault: vault, vaults: vaults, trail: trail, committer: committer, duty: duty)
            _ = try await declared.respond(request, call)
            if !trail.isRecorded { try await call.commit { _ in } }
        } catch {
            // The server stops: the duty stays as it is, and is begun anew at the next start.
            if Task.isCancelled, !trail.isRecorded { throw error }
            if let cause = error.cause { log("\(duty.operation) \(id): \(cause)") }
            let records = trail.finished(status: error.answer.status, description: error.message)
            try await committer.commit(waker: lane.waker) { transaction throws(VaultError) in
                try duty.cancel(in: transaction)
                try duty.postponed(to: retryAt).schedule(in: transaction)
                return records
            }
            throw error
        }
    }

    /// Lets a duty of a vault that is deleted wait: the vault may be recovered.
    private func sleep(_ duty: Duty, on lane: Lane) async throws(VaultError) {
        let later = clock() + .seconds(600)
        try await remember(on: lane) { transaction throws(VaultError) in
            try duty.cancel(in: transaction)
            try duty.moved(to: later).schedule(in: transaction)
        }
    }

    /// Writes state of the server itself that belongs to no call and needs no record.
    package func remember(
        on lane: Lane, _ body: @escaping @Sendable (Transaction) throws(VaultError) -> Void
    ) async throws(VaultError) {
        try await committer.commit(waker: lane.waker) { transaction throws(VaultError) in
            try body(transaction)
            return []
        }
    }

    /// Whether a duty removes what cannot be had back.
    package func destroys(_ duty: Duty) -> Bool { catalog.operation(named: duty.operation)?.destroys ?? true }

    /// Whether a duty waits for a server that is not ours.
    package func isElsewhere(_ duty: Duty) -> Bool { catalog.operation(named: duty.operation)?.isElsewhere ?? false }

    /// Leaves a record that belongs to no call: an alarm of the server itself.
    ///
    /// - Parameter body: what is to be written with it.
    package func raiseAlarm(
        _ name: String, _ text: String, status: UInt16 = 500, on lane: Lane,
        writing body: @escaping @Sendable (Transaction) throws(VaultError) -> Void = { _ in }
    ) async throws(VaultError) {
        log("alarm: \(name): \(text)")
        var alarm = AuditEvent(time: clock(), operationName: name, status: status, correlationID: lane.nextRequestID())
        alarm.principal = .system(tenant: authority.tenant)
        alarm.resultDescription = text
        let record = alarm.encoded()
        try await committer.commit(waker: lane.waker) { transaction throws(VaultError) in
            try body(transaction)
            return [record]
        }
    }

    /// Whether a request will be answered with a challenge, whatever its body: then the body need not be read, nor judged.
    package func isChallenged(_ request: Request, on lane: Lane) -> Bool {
        let host = lane.route(of: request.host, suffix: suffix)
        guard let resource = host.resource, !match(request, host).isOpen else { return false }
        return (try? lane.tokens.principal(authorization: request.authorization, for: resource, now: clock())) == nil
    }

    package static let usualBodyLimit = 1 << 20

    /// The largest body that the operation behind a request takes; what is longer need not be read. More than the usual is
    /// held for a caller with a valid token only.
    package func bodyLimit(_ request: Request, on lane: Lane) -> Int {
        let host = lane.route(of: request.host, suffix: suffix)
        guard let kind = host.kind,
            case .operation(let operation, _) = catalog.match(kind, request.method, request.path)
        else { return Self.usualBodyLimit }
        guard operation.bodyLimit > Self.usualBodyLimit, let resource = host.resource else {
            return operation.bodyLimit
        }
        let caller = try? lane.tokens.principal(authorization: request.authorization, for: resource, now: clock())
        return caller == nil ? Self.usualBodyLimit : operation.bodyLimit
    }

    // MARK: The path

    private func answer(
        _ request: Request, _ host: HostRoute, _ matched: Matched, _ id: GUID, _ now: Timestamp, _ lane: Lane,
        _ trail: Trail
    ) async throws(VaultError) -> Response {
        // For the record only: whether the vault exists is not told before the caller is known.
        if let vault = named(host) {
            trail.event.resourceID = vault.scopes.vault.description
        }
        // Who is it? Before the route is judged: a client without a token must always get its challenge.
        var principal: Principal?
        if let resource = host.resource, !matched.isOpen {
            do throws(VaultError) {
                principal = try await authenticate(request, for: resource, lane, now)
            } catch {
                trail.event.operationName = "Authentication"
                throw error
            }
            trail.event.principal = principal
            // A token of another issuer is judged here only.
            if let limit = request.exceededLimit { throw .bodyTooLarge(limit) }
        }
        let vault = try hostedVault(host, request)
        // From where?
        if let vault, vault.isRestricted || request.peer.endpoint != nil {
            trail.event.isAddressAuthorized = false
            try vault.requireReachable(from: request.peer, by: principal)
            trail.event.isAddressAuthorized = true
        }
        // What do they want?
        let (operation, parameters) = try matched.found(request)
        let version = try apiVersion(request, operation)
        request.parameters = parameters
        // May they? Before the body is read and before existence is revealed.
        let grant = try admit(principal, operation, request, vault, lane, trail)
        if let vault, !vault.isActivated, operation.needsActivation {
            throw VaultError(
                .forbiddenByVault,
                "The managed HSM '\(vault.name)' is not activated. Download its security domain to activate it.")
        }
        let call = Call(
            id: id, now: now, principal: principal, grant: grant, apiVersion: version, lane: lane, vault: vault,
            vaults: vaults, trail: trail,
            committer: committer)
        return try await operation.respond(request, call)
    }

    private func authenticate(_ request: Request, for resource: Authority.Resource, _ lane: Lane, _ now: Timestamp)
        async throws(VaultError) -> Principal
    {
        do throws(VaultError) {
            return try lane.tokens.principal(authorization: request.authorization, for: resource, now: now)
        } catch {
            // Only what is none of ours.
            guard case .invalidToken = error.code, let header = request.authorization,
                let token = externalTokens.candidate(header)
            else { throw error }
            guard let proven = await externalTokens.prove(String(token), now) else {
                throw VaultError(
                    .invalidToken, "Error validating token: 'The token of another issuer does not hold'.")
            }
            return try lane.tokens.adopt(proven, authorization: header, for: resource, now: now)
        }
    }

    private func admit(
        _ principal: Principal?, _ operation: any AnyOperation, _ request: Request, _ vault: Vault?, _ lane: Lane,
        _ trail: Trail
    ) throws(VaultError) -> Admission {
        switch operation.requirement {
        case .nothing:
            return .open
        case .perItem:
            guard principal != nil else { throw .internal("\(operation.name) was reached without a principal") }
            trail.event.isAboutPolicy = vault?.scopes.policies != nil
            return .perItem
        case .permission(let permission, let alternative):
            guard let principal, let vault else { throw .internal("\(operation.name) was reached without a principal") }
            let object = Self.object(in: request)
            if let object { trail.event.objectID = vault.url(of: object.collection) + object.name.spelling }
            trail.event.isAboutPolicy = vault.scopes.policies != nil
            let isOnAllKeys = vault.service == .managedHSM && request.path.first?.lowercased() == "keys"
            func granted(to principal: Principal) -> Grant? {
                let found = lane.access.grant(
                    permission, to: principal, on: vault.scopes, object: object, isOnAllKeys: isOnAllKeys)
                // The other permission counts among roles; a policy names each by itself.
                guard found == nil, let alternative, vault.scopes.policies == nil else { return found }
                return lane.access.grant(alternative, to: principal, on: vault.scopes, object: object)
            }
            guard let grant = granted(to: principal) else {
                trail.event.isAuthorized = false
                if principal.lacksMFA, granted(to: principal.withMFA) != nil { throw .needsMFA }
                throw .notGranted(permission, to: principal, on: vault, object: object)
            }
            trail.event.isAuthorized = true
            trail.event.assignmentID = grant.assignmentID
            return .granted(grant)
        case .atScope(let permission, let scopeOf):
            guard let principal else { throw .internal("\(operation.name) was reached without a principal") }
            let scope = try scopeOf(request) ?? .subscription(subscription)
            trail.event.resourceID = scope.description
            guard let grant = lane.access.grant(permission, to: principal, at: scope) else {
                trail.event.isAuthorized = false
                if principal.lacksMFA, lane.access.grant(permission, to: principal.withMFA, at: scope) != nil {
                    throw .needsMFA
                }
                throw VaultError(
                    .authorizationFailed,
                    "The client '\(principal.applicationID)' with object id '\(principal.objectID)' does not have authorization to "
                        + "perform action '\(permission.action)' over scope '\(scope)' or the scope is invalid. If access was "
                        + "recently granted, please refresh your credentials.")
            }
            trail.event.isAuthorized = true
            trail.event.assignmentID = grant.assignmentID
            return .granted(grant)
        }
    }

    /// The vault or pool of a host, if there is one.
    private func named(_ host: HostRoute) -> Vault? {
        switch host {
        case .vault(let name?, _): vaults(name, .vault)
        case .managedHSM(let name?, _): vaults(name, .managedHSM)
        default: nil
        }
    }

    private func hostedVault(_ host: HostRoute, _ request: Request) throws(VaultError) -> Vault? {
        switch host {
        case .vault(_, let label):
            guard let vault = named(host) else {
                throw VaultError(.vaultNotFound, "A vault with the name '\(label)' was not found on this server.")
            }
            return vault
        case .managedHSM(_, let label):
            guard let pool = named(host) else {
                throw VaultError(
                    .vaultNotFound, "A managed HSM with the name '\(label)' was not found on this server.")
            }
            return pool
        case .login, .management, .graph: return nil
        case .console, .unknown:
            throw VaultError(
                .hostNotFound,
                "The host '\(request.host.prefix(128))' is not served here. Vaults are at <vault>.vault.\(suffix).")
        }
    }

    private func apiVersion(_ request: Request, _ operation: any AnyOperation) throws(VaultError) -> APIVersion {
        guard let since = operation.since else { return .latest }
        guard let text = try request.query.value("api-version") else {
            throw .badParameter(
                "The api-version query parameter is missing. Consider using the latest supported version (\(APIVersion.latest.text))."
            )
        }
        guard let version = APIVersion(text), version >= since else {
            throw .badParameter(
                "The specified version (\(text.prefix(32))) is not recognized. Consider using the latest supported version "
                    + "(\(APIVersion.latest.text)).")
        }
        return version
    }

    private static let collections = [
        "secret-name": "secrets", "key-name": "keys", "certificate-name": "certificates",
    ]

    private static func object(in request: Request) -> (name: ObjectName, collection: String)? {
        for (name, value) in request.parameters {
            guard let collection = collections[name] else { continue }
            return ObjectName(value).map { ($0, collection) }
        }
        return nil
    }

    // MARK: Refusals

    private func refuse(_ error: VaultError, _ host: HostRoute, _ matched: Matched, _ trail: Trail, _ lane: Lane) async
        -> Response
    {
        var error = error
        if let cause = error.cause { log("\(trail.event.operationName) \(trail.event.correlationID): \(cause)") }
        if case .unrecorded? = error.cause { trail.isRecorded = true }
        if !trail.isRecorded {
            var records = trail.finished(status: error.answer.status, description: error.message)
            if case .integrity(let record) = error.cause {
                var alarm = trail.event
                alarm.operationName = "RecordIntegrityAlarm"
                alarm.resultDescription = "The stored record '\(record)' was edited, moved, truncated or grafted."
                records.append(alarm.encoded())
            }
            do throws(VaultError) {
                try await committer.record(records, waker: lane.waker)
            } catch let failure {
                if let cause = failure.cause { log("audit \(trail.event.correlationID): \(cause)") }
                error = failure
            }
        }
        if case .login = host, matched.operation != nil {
            return error.oauthResponse(requestID: trail.event.correlationID)
        }
        return error.response(challenge: host.resource.map { authority.challenge(for: $0) }, allowed: matched.allowed)
    }

    private func event(_ request: Request, _ id: GUID, _ now: Timestamp, _ matched: Matched) -> AuditEvent {
        var event = AuditEvent(
            time: now, operationName: matched.operation?.name ?? "RequestRefused", status: 500, correlationID: id)
        event.callerAddress = request.peer.address
        event.clientInfo = request.userAgent.bounded(toBytes: 256)
        event.requestURI =
            request.authority.isEmpty ? "" : "https://" + request.authority + request.target.bounded(toBytes: 2_048)
        event.resourceID = subscriptionID
        event.apiVersion =
            (try? request.query.value("api-version")).flatMap { $0 }.map { $0.bounded(toBytes: 32) } ?? ""
        event.tlsVersion = request.tlsVersion
        return event
    }

    private func finished(_ response: Response, _ request: Request, _ id: GUID, _ style: Response.Style) -> Response {
        var response = response
        response.requestID = id
        response.clientRequestID = request.clientRequestID
        response.style = style
        return response
    }

    // MARK: Routing

    private enum Matched {
        case operation(any AnyOperation, [(name: String, value: String)])
        case methodNotAllowed([Request.Method])
        case nothing

        var operation: (any AnyOperation)? {
            if case .operation(let operation, _) = self { operation } else { nil }
        }

        /// Whether the call needs no token.
        var isOpen: Bool {
            if case .nothing? = operation?.requirement { true } else { false }
        }

        var allowed: [Request.Method] {
            if case .methodNotAllowed(let methods) = self { methods } else { [] }
        }

        func found(_ request: Request) throws(VaultError) -> (any AnyOperation, [(name: String, value: String)]) {
            switch self {
            case .operation(let operation, let parameters): return (operation, parameters)
            case .methodNotAllowed:
                throw VaultError(.methodNotAllowed, "The method is not allowed on this path; see the Allow header.")
            case .nothing:
                throw VaultError(
                    .routeNotFound, "The path '/\(request.path.joined(separator: "/").prefix(256))' does not exist.")
            }
        }
    }

    private func match(_ request: Request, _ host: HostRoute) -> Matched {
        guard let kind = host.kind else { return .nothing }
        switch catalog.match(kind, request.method, request.path) {
        case .operation(let operation, let parameters): return .operation(operation, parameters)
        case .methodNotAllowed(let methods): return .methodNotAllowed(methods)
        case .none: return .nothing
        }
    }

    // MARK: Health

    /// State and nothing else, without a token and without a record: a probe must be answered when the audit log cannot be written.
    private func health(_ request: Request, _ host: HostRoute, _ lane: Lane) -> Response? {
        guard request.method == .get, request.path.count == 1 else { return nil }
        switch request.path[0] {
        case "livez", "health":
            return .json { $0.member("status", "Healthy") }
        case "healthstatus":
            switch host {
            case .vault, .managedHSM: break
            default: return nil
            }
            return .json { $0.member("status", "Healthy") }
        case "readyz":
            guard committer.isWritable, isStorageReadable(lane) else {
                var response = Response.json(503) { $0.member("status", "Unavailable") }
                response.headers.append(("Retry-After", "10"))
                return response
            }
            return .json { $0.member("status", "Ready") }
        default:
            return nil
        }
    }
}
