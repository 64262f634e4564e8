import Access
import Barrier
import Domain
import Identity
import Operations

/// Managed HSM pools as resources of Azure Resource Manager: made, changed and told of.
///
/// A pool is on record at once and provisioned after the answer: the token is asked whether it is there, the pool gets a data key and its
/// first administrators. It answers on its host from then on, and does nothing but hand out its security domain until that was
/// downloaded.
/// - Source: Azure REST "Managed Hsms", api-versions to 2026-05-15.
extension Management {
    static let poolType = "Microsoft.KeyVault/managedHSMs"
    static let poolPath =
        "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.KeyVault/managedHSMs/{pool}"

    var poolOperations: [any AnyOperation] {
        let subscription = "/subscriptions/{subscription}"
        let provider = "/providers/Microsoft.KeyVault"
        return [
            Operation(
                "ManagedHSMGet", .get, on: .management, Self.poolPath, requires: .perItem(.poolsRead), run: getPool),
            Operation(
                "ManagedHSMList", .get, on: .management,
                subscription + "/resourceGroups/{group}" + provider + "/managedHSMs",
                subscription + provider + "/managedHSMs", requires: .perItem(.poolsRead), run: listPools),
            Operation(
                "ManagedHSMRegionList", .get, on: .management, Self.poolPath + "/regions",
                requires: .perItem(.poolsRead), run: listPoolRegions),
            Operation(
                "ManagedHSMPut", .put, on: .management, Self.poolPath,
                requires: .atScope(.poolsWrite, scope: Self.poolGroup), run: putPool),
            Operation(
                "ManagedHSMPatch", .patch, on: .management, Self.poolPath,
                requires: .atScope(.poolsWrite, scope: Self.poolGroup), run: patchPool),
            Operation(
                "ManagedHSMDelete", .delete, on: .management, Self.poolPath,
                requires: .atScope(.poolsDelete, scope: Self.poolGroup), run: deletePool),
            Operation(scheduled: "ManagedHSMProvision", requires: .poolsWrite, run: provisionPool),
        ]
    }

    /// What is inside a pool has roles of its own; the pool itself is managed by roles over its group.
    static func poolGroup(_ request: Request) throws(VaultError) -> Scope? {
        let name = request.parameter("pool") ?? ""
        guard VaultName(name) != nil else {
            throw VaultError(
                .vaultNameNotValid,
                "The managed HSM name '\(name.prefix(64))' is invalid. It must be 3 to 24 letters, digits and hyphens, begin with a letter, end with a letter or digit, and not have two hyphens in a row."
            )
        }
        guard let subscription = GUID(request.parameter("subscription") ?? ""),
            let scope = Scope("/subscriptions/\(subscription)/resourceGroups/\(request.parameter("group") ?? "")")
        else { throw .badParameter("The path names no resource group.") }
        return scope
    }

    // MARK: Reading

    /// Whether there is a pool is told to those only who may see it.
    func pool(_ input: NamedResource, _ call: Call) throws(VaultError) -> VaultTable.Entry {
        try requireOwn(input.place)
        let group = input.place.group ?? ""
        if let name = VaultName(input.name), let entry = vaults.entry(name, .managedHSM), entry.settings.deleted == nil,
            entry.settings.resourceGroup.lowercased() == group.lowercased()
        {
            call.concerns(resourceID: Self.identifier(of: entry.vault))
            try requireVisible(entry, call)
            return entry
        }
        if let place = Scope("/subscriptions/\(subscription)/resourceGroups/\(group)") {
            try require(.poolsRead, at: place, call)
        }
        throw Self.isAbsent(Self.poolType, input.name, group)
    }

    /// - Throws: `.authorizationFailed`.
    func requireVisible(_ entry: VaultTable.Entry, _ call: Call) throws(VaultError) {
        try require(.poolsRead, at: .resourceGroup(entry.settings.resourceGroup, in: subscription), call)
    }

    func getPool(_ input: NamedResource, _ call: Call) async throws(VaultError) -> JSONOutput {
        let entry = try pool(input, call)
        return JSONOutput { writePool(entry, to: &$0) }
    }

    func listPools(_ input: SubscriptionInput, _ call: Call) async throws(VaultError) -> JSONOutput {
        let seen = try resources(.managedHSM, input, call).compactMap { vaults.entry($0.name, .managedHSM) }
        return JSONOutput.list { list in for entry in seen { list.object { writePool(entry, to: &$0) } } }
    }

    /// Where the pool is: in one place.
    func listPoolRegions(_ input: NamedResource, _ call: Call) async throws(VaultError) -> JSONOutput {
        let entry = try pool(input, call)
        return JSONOutput.list { list in list.object { Self.writeRegion(of: entry, to: &$0) } }
    }

    private static func writeRegion(of entry: VaultTable.Entry, to writer: inout JSONWriter) {
        writer.member("name", entry.settings.location)
        let state: String =
            switch entry.settings.provisioning {
            case .running: "Provisioning"
            case .failed: "Failed"
            case nil: "Succeeded"
            }
        writer.member("provisioningState", state)
        writer.member("isPrimary", true)
    }

    func writePool(_ entry: VaultTable.Entry, to writer: inout JSONWriter) {
        let (pool, settings) = (entry.vault, entry.settings)
        writer.member("id", Self.identifier(of: pool))
        writer.member("name", pool.name.description)
        writer.member("type", Self.poolType)
        writer.member("location", pool.location)
        writer.object("sku") { sku in
            let name = settings.skuName ?? PoolBody.skuNames[0]
            sku.member("family", PoolBody.family(of: name))
            sku.member("name", name)
        }
        if let identity = settings.identity { Self.write(identity, to: &writer) }
        writer.object("tags") { Self.write(pool.tags, to: &$0) }
        if let created = settings.created { writeChanges(created, settings.modified ?? created, to: &writer) }
        writer.object("properties") { properties in
            properties.member("tenantId", authority.tenant)
            if let administrators = settings.administrators {
                properties.array("initialAdminObjectIds") { list in
                    for id in administrators { list.string(id.description) }
                }
            }
            if settings.provisioning == nil { properties.member("hsmUri", "https://\(pool.authority)/") }
            properties.member("enableSoftDelete", true)
            properties.member("softDeleteRetentionInDays", pool.retentionDays)
            properties.member("enablePurgeProtection", pool.isPurgeProtected)
            if let network = pool.network { write(network, to: &properties) }
            properties.member("publicNetworkAccess", pool.isPublic ? "Enabled" : "Disabled")
            properties.array("regions") { _ in }
            writeConnections(of: entry, to: &properties)
            Self.writeState(of: settings, to: &properties)
        }
    }

    private static func writeState(of settings: VaultTable.Settings, to properties: inout JSONWriter) {
        let (state, message): (String, String) =
            switch settings.provisioning {
            case .running: ("Provisioning", "Allocating hardware")
            case .failed: ("Failed", settings.provisioningFailure ?? "The Managed HSM could not be provisioned.")
            case nil: ("Succeeded", "The Managed HSM is provisioned and ready to use.")
            }
        properties.member("provisioningState", state)
        properties.member("statusMessage", message)
        let isActive = settings.provisioning == nil && settings.isUnactivated != true
        properties.object("securityDomainProperties") { domain in
            domain.member("activationStatus", isActive ? "Active" : "NotActivated")
            domain.member(
                "activationStatusMessage",
                isActive
                    ? "Your HSM has been activated and is ready to use."
                    : settings.provisioning != nil
                        ? "Your HSM has not been provisioned."
                        : "Your HSM has been provisioned, but cannot be used for cryptographic operations until it is activated. To activate the HSM, download the security domain."
            )
        }
    }

    private static func write(_ identity: VaultTable.Settings.Identity, to writer: inout JSONWriter) {
        writer.object("identity") { member in
            member.member("type", identity.type)
            guard !identity.userAssigned.isEmpty else { return }
            member.object("userAssignedIdentities") { list in
                for id in identity.userAssigned { list.object(named: id) { _ in } }
            }
        }
    }

    // MARK: Create, replace, change

    struct PoolInput: OperationInput {
        let place: SubscriptionInput
        let name: VaultName
        let body: PoolBody

        init(_ request: Request) throws(VaultError) {
            place = try SubscriptionInput(request)
            guard let name = VaultName(request.parameter("pool") ?? "") else {
                throw .internal("a pool without a name")
            }
            self.name = name
            body = try PoolBody.fromJSON(request.body)
        }

        var group: String { place.group ?? "" }
        var key: VaultTable.Name { VaultTable.Name(name: name, service: .managedHSM) }
    }

    /// Makes a pool, replaces the settings of one, recovers a deleted one, or tries again to provision one.
    ///
    /// - Throws: `.vaultAlreadyExists`, `.vaultIsDeleted`, `.resourceGroupNotFound`; `.badParameter` for settings that cannot be.
    func putPool(_ input: PoolInput, _ call: Call) async throws(VaultError) -> PoolOutput {
        try requireOwn(input.place)
        let known = vaults.entry(input.name, .managedHSM)?.settings
        try input.body.check(tenant: authority.tenant, location: known?.location)
        concerns(input, call)
        if !input.body.recovers { try input.body.requireWhole() }
        guard let known else {
            guard !input.body.recovers else {
                throw VaultError(.resourceNotFound, "There is no deleted managed HSM '\(input.name)' to recover.")
            }
            return try await createPool(input, call)
        }
        if known.deleted != nil {
            guard input.body.recovers else { throw Self.isDeleted(known) }
            let recovered = try await recover(
                input.key, location: try input.body.normalizedLocation(), group: input.group, call)
            return answer(recovered)
        }
        if input.body.recovers {
            throw VaultBody.wrong("createMode", "the managed HSM '\(input.name)' is not deleted and needs no recovery")
        }
        return try await changePool(input, call, isWhole: true)
    }

    func patchPool(_ input: PoolInput, _ call: Call) async throws(VaultError) -> PoolOutput {
        try requireOwn(input.place)
        let known = vaults.entry(input.name, .managedHSM)?.settings
        try input.body.check(tenant: authority.tenant, location: known?.location)
        concerns(input, call)
        guard let known, known.deleted == nil else {
            throw Self.isAbsent(Self.poolType, input.name.description, input.group)
        }
        return try await changePool(input, call, isWhole: false)
    }

    private func concerns(_ input: PoolInput, _ call: Call) {
        call.concerns(
            resourceID: Scope.pool(input.name, group: input.group, subscription: subscription).description)
    }

    private func createPool(_ input: PoolInput, _ call: Call) async throws(VaultError) -> PoolOutput {
        try input.body.requireAdministrators()
        guard let group = groups.first(where: { $0.name.lowercased() == input.group.lowercased() }) else {
            throw VaultError(.resourceGroupNotFound, "Resource group '\(input.group.prefix(90))' could not be found.")
        }
        var settings = VaultTable.Settings(
            name: input.name, service: .managedHSM, sku: .premium, resourceGroup: group.name,
            location: try input.body.normalizedLocation(), retentionDays: try input.body.retentionDays() ?? 90,
            isPurgeProtected: false)
        settings.created = try change(call)
        settings.incarnation = call.lane.newGUID()
        settings.administrators = try input.body.administrators()
        settings.provisioning = .running
        settings.isUnactivated = true
        try apply(input.body, to: &settings, isWhole: true, call)
        let (wanted, name, now) = (settings, input.key, call.now)
        call.succeeds(with: 202)
        try await call.commit { transaction throws(VaultError) in
            if let other = try VaultTable.settings(name, in: transaction) {
                throw other.deleted == nil ? Self.isTaken(name.name, .managedHSM) : Self.isDeleted(other)
            }
            try VaultTable.put(wanted, in: transaction)
            try Self.provisionDuty(name, at: now).schedule(in: transaction)
        }
        vaults.reload(name, from: call.lane.reader, committed: settings)
        return try accepted(settings, call)
    }

    private func changePool(_ input: PoolInput, _ call: Call, isWhole: Bool) async throws(VaultError) -> PoolOutput {
        guard let known = vaults.entry(input.name, .managedHSM)?.settings else {
            throw Self.isAbsent(Self.poolType, input.name.description, input.group)
        }
        guard known.resourceGroup.lowercased() == input.group.lowercased() else {
            throw isWhole
                ? Self.isTaken(input.name, .managedHSM)
                : Self.isAbsent(Self.poolType, input.name.description, input.group)
        }
        if let location = input.body.location, try VaultBody.normalized(location) != known.location {
            throw VaultError(
                .conflict,
                "The resource '\(input.name)' already exists in location '\(known.location)'; its location cannot be changed."
            )
        }
        let (name, body, now, group) = (input.key, input.body, call.now, input.group)
        let changed = try await call.commit { transaction throws(VaultError) in
            guard var settings = try VaultTable.settings(name, in: transaction), settings.deleted == nil else {
                throw Self.isAbsent(Self.poolType, name.name.description, group)
            }
            try self.apply(body, to: &settings, isWhole: isWhole, call)
            if isWhole, settings.provisioning == .failed {
                (settings.provisioning, settings.provisioningFailure) = (.running, nil)
                try Self.provisionDuty(name, at: now).schedule(in: transaction)
            }
            try VaultTable.put(settings, in: transaction)
            return settings
        }
        vaults.reload(name, from: call.lane.reader, committed: changed)
        return changed.provisioning == .running ? try accepted(changed, call) : answer(changed)
    }

    /// Brings settings to what a body wants.
    ///
    /// - Parameter isWhole: tags that the body leaves out go; everything else that it leaves out stays.
    private func apply(_ body: PoolBody, to settings: inout VaultTable.Settings, isWhole: Bool, _ call: Call)
        throws(VaultError)
    {
        if let days = try body.retentionDays(), days != settings.retentionDays {
            throw VaultBody.wrong(
                "softDeleteRetentionInDays", "it is \(settings.retentionDays) and cannot be changed after creation")
        }
        if let sku = try body.skuName() { settings.skuName = sku }
        if let isOn = body.properties?.enablePurgeProtection {
            guard isOn || !settings.isPurgeProtected else {
                throw .badParameter(
                    "The property \"enablePurgeProtection\" cannot be set to false. Enabling the purge protection for a managed HSM is an irreversible action."
                )
            }
            settings.isPurgeProtected = isOn
        }
        if let acls = body.properties?.networkAcls {
            settings.network = try acls.rules(allowsPrivate: allowsPrivateAddresses)
        }
        if let isClosed = try VaultBody.isClosed(body.properties?.publicNetworkAccess) {
            settings.isClosedToPublic = isClosed ? true : nil
        }
        if let identity = try body.identityToKeep() { settings.identity = identity }
        if body.tags != nil || isWhole { settings.tags = body.tags }
        settings.modified = try change(call)
    }

    struct PoolOutput: OperationOutput {
        let status: UInt16
        let body: JSONOutput
        /// Where the end of it is told.
        let location: String?

        func response(_ call: Call) -> Response {
            var response = body.response(call)
            response.status = status
            if let location { response.headers += [("Location", location), ("Retry-After", "1")] }
            return response
        }
    }

    private func answer(_ settings: VaultTable.Settings) -> PoolOutput {
        PoolOutput(status: 200, body: poolBody(settings), location: nil)
    }

    private func accepted(_ settings: VaultTable.Settings, _ call: Call) throws(VaultError) -> PoolOutput {
        guard let name = settings.key, let incarnation = settings.incarnation else {
            throw .internal("a pool without a name")
        }
        return PoolOutput(
            status: 202, body: poolBody(settings),
            location: try operationURL(name, "managedHsmOperationResults", at: settings.location, incarnation, call.now)
        )
    }

    private func poolBody(_ settings: VaultTable.Settings) -> JSONOutput {
        let entry = vaults.entry(for: settings)
        return JSONOutput { body in if let entry { writePool(entry, to: &body) } }
    }

    // MARK: Provisioning

    static func provisionDuty(_ name: VaultTable.Name, at time: Timestamp) -> Duty {
        Duty(
            due: time, id: "provision-\(name.key)", operation: "ManagedHSMProvision", vault: nil,
            parameters: ["name": name.name.description, "service": name.service.rawValue])
    }

    /// The duty: gives a new pool what it needs, or says what is missing.
    func provisionPool(_ input: ScheduledVault, _ call: Call) async throws(VaultError) -> NoContent {
        let name = input.name
        guard let entry = vaults.entry(name.name, name.service), entry.settings.provisioning == .running,
            entry.settings.deleted == nil
        else { return NoContent() }
        call.concerns(resourceID: Self.identifier(of: entry.vault))
        let hardware = hardware
        let flaw = try await slowly(call) { () throws(VaultError) in hardware.flaw() }
        let (kek, engine, now, root) = (kek.current, engine, call.now, entry.vault.scopes.vault)
        let ids = (entry.settings.administrators ?? []).map { _ in call.lane.newGUID() }
        let (settings, keys, roles) = try await call.commit {
            transaction throws(VaultError) -> (VaultTable.Settings?, Keys?, [RoleAssignment]) in
            guard var settings = try VaultTable.settings(name, in: transaction), settings.provisioning == .running,
                settings.deleted == nil, settings.incarnation == entry.settings.incarnation
            else { return (nil, nil, []) }
            guard flaw == nil, let administrator = BuiltInRoles.role(named: "Managed HSM Administrator") else {
                (settings.provisioning, settings.provisioningFailure) = (.failed, flaw)
                try VaultTable.put(settings, in: transaction)
                return (settings, nil, [])
            }
            settings.provisioning = nil
            try VaultTable.put(settings, in: transaction)
            var roles: [RoleAssignment] = []
            for (id, principal) in zip(ids, settings.administrators ?? []) {
                let role = RoleAssignment(
                    id: id, principalID: principal, roleID: administrator.id, scope: root, created: now,
                    createdBy: settings.created?.by ?? principal)
                try RoleAssignmentTable.put(role, in: transaction)
                roles.append(role)
            }
            let keys = try Barrier.addDataKey(
                for: .pool(name.name), kek: kek, engine: engine, now: now, in: transaction)
            return (settings, keys, roles)
        }
        // The keys first: what the table shows can be used.
        if let keys { keyring.reload(from: call.lane.reader, kek: kek, committed: keys) }
        for role in roles { access.reload(role.id, from: call.lane.reader, committed: role) }
        if let settings { vaults.reload(name, from: call.lane.reader, committed: settings) }
        return NoContent()
    }

    // MARK: Delete

    /// Deletes a pool; it can be recovered with all that is in it, its local roles included, until its retention has passed.
    func deletePool(_ input: NamedResource, _ call: Call) async throws(VaultError) -> NoContentOr200 {
        try requireOwn(input.place)
        let group = (input.place.group ?? "").lowercased()
        guard let name = VaultName(input.name), let entry = vaults.entry(name, .managedHSM),
            entry.settings.deleted == nil, entry.settings.resourceGroup.lowercased() == group
        else { return NoContentOr200(isAbsent: true) }
        call.concerns(resourceID: Self.identifier(of: entry.vault))
        let key = VaultTable.Name(name: name, service: .managedHSM)
        let now = call.now
        let deleted = try await call.commit { transaction throws(VaultError) -> VaultTable.Settings? in
            guard var settings = try VaultTable.settings(key, in: transaction), settings.deleted == nil else {
                return nil
            }
            settings.deleted = now
            try VaultTable.put(settings, in: transaction)
            try Self.purgeDuty(key, settings)?.schedule(in: transaction)
            return settings
        }
        if let deleted { vaults.reload(key, from: call.lane.reader, committed: deleted) }
        return NoContentOr200(isAbsent: false)
    }
}
