import Access
import Barrier
import Domain
import Identity
import Operations

/// Vaults as they are made, changed and deleted by Azure Resource Manager.
///
/// - Source: Azure REST "Vaults", api-versions to 2026-02-01.
extension Management {
    static let vaultPath =
        "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.KeyVault/vaults/{vault}"

    var vaultLifecycleOperations: [any AnyOperation] {
        [
            Operation(
                "VaultPut", .put, on: .management, Self.vaultPath,
                requires: .atScope(.vaultsWrite, scope: Self.vaultScope), run: putVault),
            Operation(
                "VaultPatch", .patch, on: .management, Self.vaultPath,
                requires: .atScope(.vaultsWrite, scope: Self.vaultScope), run: patchVault),
            Operation(
                "VaultDelete", .delete, on: .management, Self.vaultPath,
                requires: .atScope(.vaultsDelete, scope: Self.vaultScope), run: deleteVault),
            Operation(
                "VaultAccessPolicyPut", .put, on: .management, Self.vaultPath + "/accessPolicies/{kind}",
                requires: .atScope(.accessPoliciesWrite, scope: Self.vaultScope), run: putAccessPolicies),
        ]
    }

    /// 1,024 policies with all their permissions fit.
    fileprivate static var policyLimits: JSONLimits {
        var limits = JSONLimits()
        limits.values = 100_000
        return limits
    }

    /// The scope of the vault that the path names.
    static func vaultScope(_ request: Request) throws(VaultError) -> Scope? {
        let name = request.parameter("vault") ?? ""
        guard VaultName(name) != nil else {
            throw VaultError(
                .vaultNameNotValid,
                "The vault name '\(name.prefix(64))' is invalid. A vault's name must be between 3-24 alphanumeric characters. The name must begin with a letter, end with a letter or digit, and not contain consecutive hyphens."
            )
        }
        return try scope(request)
    }

    struct VaultInput: OperationInput {
        let place: SubscriptionInput
        let name: VaultName
        let body: VaultBody
        /// Vaults that are made by earlier versions use access policies when nothing is said.
        let defaultsToRoles: Bool

        init(_ request: Request) throws(VaultError) {
            place = try SubscriptionInput(request)
            guard let name = VaultName(request.parameter("vault") ?? "") else {
                throw .internal("a vault without a name")
            }
            self.name = name
            body = try VaultBody.fromJSON(request.body, limits: Management.policyLimits)
            defaultsToRoles = try request.query.value("api-version").map { $0.prefix(10) >= "2026-02-01" } ?? true
        }

        var group: String { place.group ?? "" }
    }

    // MARK: Create, replace

    /// Makes a vault, replaces the settings of one, or recovers a deleted one.
    ///
    /// - Throws: `.vaultAlreadyExists`, `.vaultIsDeleted`, `.resourceGroupNotFound`; `.badParameter` for settings that cannot be.
    func putVault(_ input: VaultInput, _ call: Call) async throws(VaultError) -> JSONOutput {
        try requireOwn(input.place)
        try input.body.check(tenant: authority.tenant)
        try input.body.requireWhole()
        let name = VaultTable.Name(name: input.name, service: .vault)
        if let known = vaults.entry(input.name, .vault)?.settings {
            if known.deleted != nil {
                guard input.body.recovers else { throw Self.isDeleted(known) }
                let recovered = try await recover(
                    name, location: try input.body.normalizedLocation(), group: input.group, call)
                return try answer(recovered)
            }
            if input.body.recovers {
                throw VaultBody.wrong("createMode", "the vault '\(input.name)' is not deleted and needs no recovery")
            }
            return try await changeVault(input, name, call, isWhole: true)
        }
        guard !input.body.recovers else {
            throw VaultError(.resourceNotFound, "There is no deleted vault '\(input.name)' to recover.")
        }
        return try await createVault(input, name, call)
    }

    private func createVault(_ input: VaultInput, _ name: VaultTable.Name, _ call: Call) async throws(VaultError)
        -> JSONOutput
    {
        guard let group = groups.first(where: { $0.name.lowercased() == input.group.lowercased() }) else {
            throw VaultError(.resourceGroupNotFound, "Resource group '\(input.group.prefix(90))' could not be found.")
        }
        guard let sku = try input.body.sku() else { throw .internal("a whole body without a SKU") }
        var settings = VaultTable.Settings(
            name: input.name, sku: sku.sku, resourceGroup: group.name, location: try input.body.normalizedLocation(),
            retentionDays: try input.body.retentionDays() ?? 90, isPurgeProtected: false)
        settings.created = try change(call)
        settings.incarnation = call.lane.newGUID()
        settings.usesPolicies = input.defaultsToRoles ? nil : true
        try apply(input.body, to: &settings, isWhole: true, call)
        if settings.usesPolicies == true, settings.policies == nil {
            throw .badParameter("The request body lacks the member 'properties.accessPolicies'.")
        }
        let (kek, engine, now, wanted) = (kek.current, engine, call.now, settings)
        let keys = try await call.commit { transaction throws(VaultError) in
            if let other = try VaultTable.settings(name, in: transaction) {
                throw other.deleted == nil ? Self.isTaken(name.name) : Self.isDeleted(other)
            }
            try VaultTable.put(wanted, in: transaction)
            return try Barrier.addDataKey(for: .vault(name.name), kek: kek, engine: engine, now: now, in: transaction)
        }
        keyring.reload(from: call.lane.reader, kek: kek, committed: keys)
        vaults.reload(name, from: call.lane.reader, committed: settings)
        return try answer(settings)
    }

    static func isTaken(_ name: VaultName, _ service: Vault.Service = .vault) -> VaultError {
        guard service == .vault else {
            return VaultError(
                .vaultAlreadyExists,
                "The managed HSM name '\(name)' is already in use, perhaps by one that was deleted and is not purged. Names of managed HSMs are unique on this server."
            )
        }
        return VaultError(
            .vaultAlreadyExists,
            "The vault name '\(name)' is already in use. Vault names are globally unique so it is possible that the name is already taken. If you are sure that the vault name was not taken then it is possible that a vault with the same name was recently deleted but not purged after being placed in a recoverable state. If the vault is in a recoverable state then the vault will need to be purged before reusing the name."
        )
    }

    static func isDeleted(_ settings: VaultTable.Settings) -> VaultError {
        let isPool = settings.key?.service == .managedHSM
        let (noun, existing) = isPool ? ("managed HSM", "managed HSM") : ("vault", "key vault")
        return settings.purge == nil
            ? VaultError(
                .vaultIsDeleted,
                "A \(noun) with the same name already exists in deleted state. You need to either recover or purge existing \(existing)."
            )
            : VaultError(.vaultIsDeleted, "A \(noun) with the same name is being purged. Try again later.")
    }

    // MARK: Change

    func patchVault(_ input: VaultInput, _ call: Call) async throws(VaultError) -> JSONOutput {
        try requireOwn(input.place)
        try input.body.check(tenant: authority.tenant)
        return try await changeVault(
            input, VaultTable.Name(name: input.name, service: .vault), call, isWhole: false)
    }

    private func changeVault(
        _ input: VaultInput, _ name: VaultTable.Name, _ call: Call, isWhole: Bool
    ) async throws(VaultError) -> JSONOutput {
        let known = try existing(input.name, input.group, isWhole: isWhole)
        if isWhole, known.usesPolicies == true, input.body.properties?.accessPolicies == nil {
            throw .badParameter("The request body lacks the member 'properties.accessPolicies'.")
        }
        if let location = input.body.location, try VaultBody.normalized(location) != known.location {
            throw VaultError(
                .conflict,
                "The resource '\(input.name)' already exists in location '\(known.location)'; its location cannot be changed."
            )
        }
        // The settings as they would be, so that a refusal comes before anything is written.
        var wanted = known
        try apply(input.body, to: &wanted, isWhole: isWhole, call)
        if (wanted.usesPolicies == true) != (known.usesPolicies == true) { try requireRoleWriter(known, call) }
        let (body, switchesTo) = (input.body, wanted.usesPolicies)
        let changed = try await call.commit { transaction throws(VaultError) in
            guard var settings = try VaultTable.settings(name, in: transaction), settings.deleted == nil else {
                throw Self.isAbsent(Self.vaultType, input.name.description, input.group)
            }
            guard (settings.usesPolicies == true) == (known.usesPolicies == true) || settings.usesPolicies == switchesTo
            else { throw VaultError(.conflict, "The permission model of the vault changed meanwhile. Try again.") }
            try self.apply(body, to: &settings, isWhole: isWhole, call)
            try VaultTable.put(settings, in: transaction)
            return settings
        }
        vaults.reload(name, from: call.lane.reader, committed: changed)
        return try answer(changed)
    }

    private func existing(_ name: VaultName, _ group: String, isWhole: Bool = false) throws(VaultError)
        -> VaultTable.Settings
    {
        guard let known = vaults.entry(name, .vault)?.settings, known.deleted == nil else {
            throw Self.isAbsent(Self.vaultType, name.description, group)
        }
        guard known.resourceGroup.lowercased() == group.lowercased() else {
            throw isWhole ? Self.isTaken(name) : Self.isAbsent(Self.vaultType, name.description, group)
        }
        return known
    }

    /// Whoever changes what decides about access could give it to himself: that is for those who may assign roles.
    private func requireRoleWriter(_ settings: VaultTable.Settings, _ call: Call) throws(VaultError) {
        guard let vault = settings.key.flatMap({ vaults.entry($0.name, $0.service)?.vault }) else {
            throw .internal("a vault without a name")
        }
        try require(.roleAssignmentsWrite, at: vault.scopes.vault, call)
    }

    /// - Throws: `.authorizationFailed`.
    func require(_ permission: Permission, at scope: Scope, _ call: Call) throws(VaultError) {
        guard let principal = call.principal else { throw .internal("a permission was asked for without a principal") }
        guard call.lane.access.grant(permission, to: principal, at: scope) != nil else {
            call.wasNotAuthorized()
            throw VaultError(
                .authorizationFailed,
                "The client '\(principal.applicationID)' with object id '\(principal.objectID)' does not have authorization to "
                    + "perform action '\(permission.action)' over scope '\(scope)' or the scope is invalid. If access was "
                    + "recently granted, please refresh your credentials.")
        }
    }

    func change(_ call: Call) throws(VaultError) -> VaultTable.Settings.Change {
        guard let principal = call.principal else { throw .internal("a vault was changed without a principal") }
        return .init(by: principal.objectID, isUser: principal.kind == .user, at: call.now)
    }

    /// Brings settings to what a body wants.
    ///
    /// - Parameter isWhole: tags that the body leaves out go; everything else that it leaves out stays.
    private func apply(_ body: VaultBody, to settings: inout VaultTable.Settings, isWhole: Bool, _ call: Call)
        throws(VaultError)
    {
        let properties = body.properties
        if let days = try body.retentionDays(), days != settings.retentionDays {
            throw VaultBody.wrong(
                "softDeleteRetentionInDays", "it is \(settings.retentionDays) and cannot be changed after creation")
        }
        if let sku = try body.sku() {
            guard sku.sku == .premium || settings.sku != .premium else {
                throw VaultBody.wrong("sku", "a premium vault cannot become a standard one")
            }
            (settings.sku, settings.skuName) = (sku.sku, sku.name)
        }
        if properties?.enablePurgeProtection == true { settings.isPurgeProtected = true }
        if let uses = properties?.enableRbacAuthorization { settings.usesPolicies = uses ? nil : true }
        if let policies = try body.policies(tenant: authority.tenant) { settings.policies = policies }
        if let network = try body.network(allowsPrivate: allowsPrivateAddresses) { settings.network = network }
        if let isClosed = try body.isClosedToPublic() { settings.isClosedToPublic = isClosed ? true : nil }
        if body.tags != nil || isWhole { settings.tags = body.tags }
        var deployment = settings.deployment ?? .init()
        if let on = properties?.enabledForDeployment { deployment.virtualMachines = on }
        if let on = properties?.enabledForDiskEncryption { deployment.diskEncryption = on }
        if let on = properties?.enabledForTemplateDeployment { deployment.templates = on }
        settings.deployment = deployment == .init() ? nil : deployment
        settings.modified = try change(call)
    }

    /// - Throws: `.resourceNotFound` when it was purged at the same moment.
    private func answer(_ settings: VaultTable.Settings) throws(VaultError) -> JSONOutput {
        guard let name = settings.key else { throw .internal("a vault without a name") }
        guard let entry = vaults.entry(name.name, name.service) else {
            throw Self.isAbsent(Self.vaultType, name.name.description, settings.resourceGroup)
        }
        return JSONOutput { writeVault(entry, to: &$0) }
    }

    // MARK: Delete

    /// Deletes a vault; it can be recovered until its retention has passed. Roles assigned at it are gone for good.
    func deleteVault(_ input: NamedResource, _ call: Call) async throws(VaultError) -> NoContentOr200 {
        try requireOwn(input.place)
        guard let name = VaultName(input.name), let known = try? existing(name, input.place.group ?? "") else {
            return NoContentOr200(isAbsent: true)
        }
        let key = VaultTable.Name(name: name, service: .vault)
        let now = call.now
        let scope = Scope.vault(name, group: known.resourceGroup, subscription: subscription)
        let (deleted, roles) = try await call.commit {
            transaction throws(VaultError) -> (VaultTable.Settings?, [GUID]) in
            guard var settings = try VaultTable.settings(key, in: transaction), settings.deleted == nil else {
                return (nil, [])
            }
            settings.deleted = now
            try VaultTable.put(settings, in: transaction)
            try Self.purgeDuty(key, settings)?.schedule(in: transaction)
            return (settings, try Self.removeRoles(at: scope, in: transaction))
        }
        if let deleted { vaults.reload(key, from: call.lane.reader, committed: deleted) }
        for role in roles { access.reload(role, from: call.lane.reader, committed: nil) }
        return NoContentOr200(isAbsent: false)
    }

    /// Removes what is assigned at a scope and below it.
    static func removeRoles(at scope: Scope, in transaction: Transaction) throws(VaultError) -> [GUID] {
        let roles = try RoleAssignmentTable.all(in: transaction).filter {
            $0.scope.key == scope.key || $0.scope.key.hasPrefix(scope.key + "/")
        }
        for role in roles { try RoleAssignmentTable.remove(role.id, in: transaction) }
        return roles.map(\.id)
    }

    /// Gone, or never there.
    struct NoContentOr200: OperationOutput {
        let isAbsent: Bool

        func response(_ call: Call) -> Response { Response(status: isAbsent ? 204 : 200) }
    }

    // MARK: Access policies

    struct AccessPolicyInput: OperationInput {
        enum Kind: String { case add, replace, remove }

        let place: SubscriptionInput
        let name: VaultName
        let kind: Kind
        let policies: [PolicyBody]

        init(_ request: Request) throws(VaultError) {
            struct Body: Decodable {
                struct Properties: Decodable {
                    let accessPolicies: [PolicyBody]
                }
                let properties: Properties
            }
            place = try SubscriptionInput(request)
            guard let name = VaultName(request.parameter("vault") ?? "") else {
                throw .internal("a vault without a name")
            }
            self.name = name
            let text = request.parameter("kind") ?? ""
            guard let kind = Kind(rawValue: text.lowercased()) else {
                throw .badParameter("The path must end in 'add', 'replace' or 'remove', not in '\(text.prefix(64))'.")
            }
            self.kind = kind
            policies = try Body.fromJSON(request.body, limits: Management.policyLimits).properties.accessPolicies
        }
    }

    /// Adds to, replaces or takes from the policies of the principals that are named.
    func putAccessPolicies(_ input: AccessPolicyInput, _ call: Call) async throws(VaultError) -> JSONOutput {
        try requireOwn(input.place)
        let group = input.place.group ?? ""
        _ = try existing(input.name, group)
        let given = try PolicyBody.policies(input.policies, tenant: authority.tenant)
        let key = VaultTable.Name(name: input.name, service: .vault)
        let (kind, modified) = (input.kind, try change(call))
        let changed = try await call.commit { transaction throws(VaultError) in
            guard var settings = try VaultTable.settings(key, in: transaction), settings.deleted == nil else {
                throw Self.isAbsent(Self.vaultType, input.name.description, group)
            }
            var policies = settings.policies ?? []
            for policy in given { Self.merge(policy, kind, into: &policies) }
            guard policies.count <= AccessPolicy.most else {
                throw VaultBody.wrong("accessPolicies", "at most \(AccessPolicy.most) are allowed")
            }
            (settings.policies, settings.modified) = (policies, modified)
            try VaultTable.put(settings, in: transaction)
            return settings
        }
        vaults.reload(key, from: call.lane.reader, committed: changed)
        guard let vault = vaults.entry(input.name, .vault)?.vault else {
            throw Self.isAbsent(Self.vaultType, input.name.description, group)
        }
        return JSONOutput { answer in
            answer.member("id", Self.identifier(of: vault) + "/accessPolicies/")
            answer.member("type", Self.vaultType + "/accessPolicies")
            answer.object("properties") { writePolicies(changed.policies ?? [], to: &$0) }
        }
    }

    private static func merge(
        _ policy: AccessPolicy, _ kind: AccessPolicyInput.Kind, into policies: inout [AccessPolicy]
    ) {
        guard let index = policies.firstIndex(where: { $0.isAbout(theSameAs: policy) }) else {
            if kind != .remove { policies.append(policy) }
            return
        }
        if kind == .replace {
            policies[index] = policy
            return
        }
        for group in PolicyPermission.Group.allCases {
            let named = policy.permissions[group] ?? []
            var held = policies[index].permissions[group] ?? []
            let lower = Set(named.map { $0.lowercased() })
            if kind == .add {
                let known = Set(held.map { $0.lowercased() })
                held += named.filter { !known.contains($0.lowercased()) }
            } else {
                held.removeAll { lower.contains($0.lowercased()) }
            }
            if !held.isEmpty || policies[index].permissions[group] != nil { policies[index].permissions[group] = held }
        }
        if kind == .remove, policies[index].permissions.isEmpty || policy.permissions.isEmpty {
            policies.remove(at: index)
        }
    }

    func writePolicies(_ policies: [AccessPolicy], to writer: inout JSONWriter) {
        writer.array("accessPolicies") { list in
            for policy in policies {
                list.object { entry in
                    entry.member("tenantId", authority.tenant)
                    entry.member("objectId", policy.objectID)
                    if let application = policy.applicationID { entry.member("applicationId", application) }
                    entry.object("permissions") { permissions in
                        func write(_ name: StaticString, _ names: [String]?) {
                            guard let names else { return }
                            permissions.array(name) { list in for name in names { list.string(name) } }
                        }
                        write("keys", policy.permissions.keys)
                        write("secrets", policy.permissions.secrets)
                        write("certificates", policy.permissions.certificates)
                        write("storage", policy.permissions.storage)
                    }
                }
            }
        }
    }
}
