import Access
import Domain
import Identity
import Operations

/// Why somebody may do something, or may not: the steps of a request's way, in their order, each with what it found.
///
/// The verdict is that of the same code which decides on requests.
extension Management {
    var explainOperations: [any AnyOperation] {
        [
            Operation(
                "AccessExplain", .get, on: .management, "/strongroom/access/explanation",
                requires: .perItem(.roleAssignmentsRead), run: explain)
        ]
    }

    struct ExplainInput: OperationInput {
        let principal: String
        let operation: String
        let scope: Scope
        let address: String?
        /// The listener that the call comes by; nil for those that are everybody's.
        let endpoint: String?
        let hasMFA: Bool
        /// Through which a person calls; nil for none in particular.
        let client: GUID?

        init(_ request: Request) throws(VaultError) {
            func need(_ name: String) throws(VaultError) -> String {
                guard let value = try request.query.value(name), !value.isEmpty else {
                    throw .badParameter("The query parameter '\(name)' is missing.")
                }
                return value
            }
            principal = try need("principal")
            operation = try need("operation")
            let text = try need("scope")
            guard let scope = Scope(text) else { throw .badParameter("The scope '\(text.prefix(256))' is not valid.") }
            self.scope = scope
            address = try request.query.value("address")
            if let address, AddressRange(address) == nil || address.contains("/") {
                throw .badParameter("The address '\(address.prefix(64))' is not an IP address.")
            }
            endpoint = try request.query.value("privateendpoint")
            if let endpoint, !PrivateEndpointConnection.isName(endpoint) {
                throw .badParameter("The private endpoint '\(endpoint.prefix(64))' is not a name.")
            }
            let mfa = try request.query.value("mfa") ?? "false"
            guard ["true", "false"].contains(mfa.lowercased()) else {
                throw .badParameter("The query parameter 'mfa' must be true or false.")
            }
            hasMFA = mfa.lowercased() == "true"
            let named = try request.query.value("client")
            client = named.flatMap { GUID($0) }
            guard named == nil || client != nil else {
                throw .badParameter("The query parameter 'client' must be the appId of an application, a GUID.")
            }
        }
    }

    struct Explanation: OperationOutput {
        struct Step: Sendable {
            let name: String
            /// Nil where nothing was asked.
            let isPassed: Bool?
            let detail: String
        }

        var steps: [Step] = []
        var isAllowed = true
        var reason = ""
        var considered: [AccessControl.Considered] = []

        mutating func add(_ name: String, _ isPassed: Bool?, _ detail: String) {
            steps.append(Step(name: name, isPassed: isPassed, detail: detail))
            guard isPassed == false, isAllowed else { return }
            (isAllowed, reason) = (false, "\(name): \(detail)")
        }

        func response(_ call: Call) -> Response {
            .json { answer in
                answer.member("allowed", isAllowed)
                answer.member("reason", reason)
                answer.array("steps") { list in
                    for step in steps {
                        list.object { entry in
                            entry.member("step", step.name)
                            if let isPassed = step.isPassed {
                                entry.member("passed", isPassed)
                            } else {
                                entry.null("passed")
                            }
                            entry.member("detail", step.detail)
                        }
                    }
                }
                answer.array("assignments") { list in
                    for one in considered {
                        list.object { entry in
                            entry.member("id", one.assignment.id)
                            entry.member("principalId", one.assignment.principalID)
                            entry.member("roleId", one.role.id)
                            entry.member("roleName", one.role.name)
                            entry.member("scope", one.assignment.scope.description)
                            entry.member("reachesScope", one.reaches)
                            entry.member("includesPermission", one.includes)
                            entry.member("lacksSecondFactor", one.lacksMFA)
                            entry.member("grants", one.grants)
                        }
                    }
                }
            }
        }
    }

    /// Everybody may ask about themselves; about others, who may read role assignments there.
    func explain(_ input: ExplainInput, _ call: Call) async throws(VaultError) -> Explanation {
        let caller = try call.caller()
        let asked = person(input)
        call.concerns(resourceID: input.scope.description)
        call.concerns(
            objectID: "/strongroom/access/explanation?principal=\(asked?.principal.objectID.description ?? "")")
        if asked?.principal.objectID != caller.objectID {
            guard call.lane.access.grant(.roleAssignmentsRead, to: caller, at: input.scope) != nil else {
                call.wasNotAuthorized()
                throw VaultError(
                    .authorizationFailed,
                    "The client '\(caller.applicationID)' with object id '\(caller.objectID)' does not have authorization to perform "
                        + "action '\(Permission.roleAssignmentsRead.action)' over scope '\(input.scope)'.")
            }
        }
        guard let operation = catalog.operation(named: input.operation) else {
            throw .badParameter(
                "There is no operation '\(input.operation.prefix(64))'; 'strongroom operations' lists them.")
        }
        var explanation = Explanation()
        guard let asked else {
            explanation.add("Principal", false, "nobody in the directory is '\(input.principal.prefix(128))'")
            return explanation
        }
        explanation.add("Principal", asked.isEnabled, asked.text)
        let principal = asked.principal
        let names = principal.groups.map { id in
            directory.group(id).map { "\($0.displayName) (\(id))" } ?? id.description
        }
        explanation.add("Groups", nil, names.isEmpty ? "in none" : names.joined(separator: ", "))
        switch operation.requirement {
        case .nothing:
            explanation.add("Permission", true, "\(operation.name) asks for none")
        case .atScope(let permission, _):
            // What names no subscription is asked at this server's.
            let isBelow = operation.paths.contains { $0.contains("{subscription}") }
            explainManagement(
                permission, principal, isBelow ? input.scope : .subscription(subscription), call, &explanation)
        case .permission(let permission, let alternative):
            try explainData(permission, alternative, operation, principal, input, call, &explanation)
        case .perItem(let permission):
            if operation.hosts.isDisjoint(with: [.vault, .managedHSM]), operation.method != .get {
                explainManagement(permission, principal, input.scope, call, &explanation)
            } else if operation.hosts.isDisjoint(with: [.vault, .managedHSM]) {
                explanation.add(
                    "Permission", true,
                    "\(operation.name) is open to everybody who is known; what is not one's own is shown by \(permission.action)"
                )
            } else {
                try explainData(permission, nil, operation, principal, input, call, &explanation)
            }
        }
        return explanation
    }

    // MARK: Steps

    private struct Asked {
        let principal: Principal
        let isEnabled: Bool
        let text: String
    }

    private func person(_ input: ExplainInput) -> Asked? {
        let id = GUID(input.principal)
        if let application = id.flatMap({ directory.application(objectID: $0) ?? directory.application($0) }) {
            let state = application.isEnabled ? "enabled" : "disabled: its tokens are refused"
            return Asked(
                principal: Principal(
                    kind: .application, objectID: application.objectID, applicationID: application.id,
                    tenant: authority.tenant, issuer: authority.issuer,
                    groups: directory.groups(of: application.objectID)), isEnabled: application.isEnabled,
                text: "application '\(application.displayName)' (\(application.objectID)), \(state)")
        }
        guard let user = directory.user(idOrName: input.principal) else { return nil }
        let state = user.isEnabled ? "enabled" : "disabled: sign-ins and tokens are refused"
        let factor = input.hasMFA ? "with a second factor" : "without a second factor"
        return Asked(
            principal: Principal(
                kind: .user, objectID: user.id, applicationID: input.client ?? user.id, tenant: authority.tenant,
                issuer: authority.issuer,
                groups: directory.groups(of: user.id), lacksMFA: !input.hasMFA), isEnabled: user.isEnabled,
            text: "person '\(user.name)' (\(user.id)), signed in \(factor), \(state)")
    }

    private func explainManagement(
        _ permission: Permission, _ principal: Principal, _ scope: Scope, _ call: Call,
        _ explanation: inout Explanation
    ) {
        explainSecondFactor(principal, scope, &explanation)
        let key = scope.key
        explanation.considered = access.considered([permission], for: principal) {
            key == $0.key || key.hasPrefix($0.key + "/")
        }
        let grant = call.lane.access.grant(permission, to: principal, at: scope)
        explainRoles(grant, [permission.action], &explanation)
    }

    private func explainData(
        _ permission: Permission, _ alternative: Permission?, _ operation: any AnyOperation, _ principal: Principal,
        _ input: ExplainInput, _ call: Call, _ explanation: inout Explanation
    ) throws(VaultError) {
        let parts = input.scope.description.split(separator: "/").map(String.init)
        guard parts.count >= 8, let name = VaultName(parts[7]),
            let vault = vaults.vault(name, input.scope.isInPool ? .managedHSM : .vault),
            input.scope.key == vault.scopes.vault.key || input.scope.key.hasPrefix(vault.scopes.vault.key + "/")
        else {
            throw VaultError(
                .resourceNotFound,
                "\(operation.name) is about a vault or a pool, and none is at the scope '\(input.scope)'.")
        }
        guard operation.hosts.contains(vault.service == .vault ? .vault : .managedHSM) else {
            throw .badParameter(
                "\(operation.name) is not an operation of a \(vault.service == .vault ? "vault" : "pool").")
        }
        var object: (name: ObjectName, collection: String)?
        // An object counts where the operation is about one of its kind.
        if parts.count == 10, let named = ObjectName(parts[9]),
            operation.paths.contains(where: { $0.contains("{\(parts[8].lowercased().dropLast())-name}") })
        {
            object = (named, parts[8].lowercased())
        }
        let isOnAllKeys =
            vault.service == .managedHSM && parts.count == 9 && operation.paths.contains { $0.hasPrefix("/keys") }
        let asked = object != nil || isOnAllKeys ? input.scope : vault.scopes.vault
        explainNetwork(vault, principal, input, &explanation)
        if !vault.isActivated, operation.needsActivation {
            explanation.add("Activation", false, "the security domain of the pool was not downloaded")
        }
        explainSecondFactor(principal, asked, &explanation)
        var grant = call.lane.access.grant(
            permission, to: principal, on: vault.scopes, object: object, isOnAllKeys: isOnAllKeys)
        if let policies = vault.scopes.policies {
            let found = policies.considered(permission, for: principal)
            let words = permission.policyPermissions.map { "\($0.group.rawValue) \($0.name)" }.joined(separator: " or ")
            let holders = found.filter { $0.includes && $0.isThrough }.map(\.id.description)
            let others = found.filter { $0.includes && !$0.isThrough }.compactMap { $0.applicationID?.description }
            let detail =
                !holders.isEmpty
                ? "the policy of \(holders.joined(separator: ", ")) gives \(words)"
                : !others.isEmpty
                    ? "a policy gives \(words) to calls through the application \(others.joined(separator: ", ")) only"
                    : found.isEmpty
                        ? "no access policy names the principal or a group of it; \(words) is needed"
                        : "policies name the principal, and none gives \(words)"
            explanation.add("Permission model", nil, "access policies; roles do not count in this vault")
            explanation.add("Access policies", grant != nil || !holders.isEmpty, detail)
            return
        }
        if grant == nil, let alternative {
            grant = call.lane.access.grant(
                alternative, to: principal, on: vault.scopes, object: object, isOnAllKeys: isOnAllKeys)
        }
        explanation.add(
            "Permission model", nil, vault.service == .vault ? "roles (Azure RBAC)" : "local roles of the pool")
        let needed = [permission] + (alternative.map { [$0] } ?? [])
        let key = asked.key
        let chain = Set(vault.scopes.keys)
        explanation.considered = access.considered(needed, for: principal) { scope in
            chain.contains(scope.key) || key == scope.key || (scope.isInPool && key.hasPrefix(scope.key + "/"))
        }
        let actions = needed.map { vault.service == .managedHSM ? $0.poolAction ?? $0.action : $0.action }
        explainRoles(grant, actions, &explanation)
    }

    private func explainNetwork(
        _ vault: Vault, _ principal: Principal, _ input: ExplainInput, _ explanation: inout Explanation
    ) {
        if let endpoint = input.endpoint?.lowercased() {
            let isApproved = vault.privateEndpoints.contains(endpoint)
            let state = isApproved ? "an approved connection" : "no approved connection"
            return explanation.add("Network", isApproved, "there is \(state) to the private endpoint '\(endpoint)'")
        }
        guard vault.isRestricted else {
            return explanation.add("Network", true, "the vault is reached from everywhere")
        }
        guard let address = input.address else {
            return explanation.add("Network", nil, "the vault has network rules; give an address to have it judged")
        }
        do throws(VaultError) {
            try vault.requireReachable(from: Peer(address: address, isIPv6: address.contains(":")), by: principal)
            explanation.add("Network", true, "\(address) is let in")
        } catch {
            let why =
                if case .forbiddenByConnection = error.code { "public network access is disabled" } else {
                    "no rule lets \(address) in"
                }
            explanation.add("Network", false, why)
        }
    }

    private func explainSecondFactor(_ principal: Principal, _ scope: Scope, _ explanation: inout Explanation) {
        let scopes = access.demandingScopes(of: scope)
        guard principal.kind == .user, !scopes.isEmpty else {
            let text = principal.kind == .user ? "no scope here demands one" : "not asked of programs"
            return explanation.add("Second factor", nil, text)
        }
        explanation.add(
            "Second factor", !principal.lacksMFA, "demanded at \(scopes.joined(separator: ", "))")
    }

    private func explainRoles(_ grant: Grant?, _ actions: [String], _ explanation: inout Explanation) {
        let words = actions.joined(separator: " or ")
        let considered = explanation.considered
        if let grant {
            let found = considered.first { $0.assignment.id == grant.assignmentID }
            let text = found.map { "role '\($0.role.name)' at \($0.assignment.scope)" } ?? "a role"
            explanation.add("Role assignments", true, "\(text) gives \(words)")
        } else if let near = considered.first(where: { $0.reaches && $0.includes && $0.lacksMFA }) {
            explanation.add(
                "Role assignments", false, "role '\(near.role.name)' would give \(words), and asks for a second factor")
        } else if considered.contains(where: \.grants) {
            explanation.add(
                "Role assignments", explanation.isAllowed ? false : nil,
                explanation.isAllowed ? "\(words) is not given here" : "a role gives \(words); an earlier step refuses")
        } else if let reaching = considered.first(where: \.reaches) {
            explanation.add(
                "Role assignments", false,
                "\(words) is needed; the roles that reach this scope, such as '\(reaching.role.name)', do not hold it")
        } else {
            explanation.add(
                "Role assignments", false,
                considered.isEmpty
                    ? "\(words) is needed; no role is assigned" : "\(words) is needed; no assignment reaches this scope"
            )
        }
        explanation.add("Conditions", nil, "role assignments have none here")
    }
}
