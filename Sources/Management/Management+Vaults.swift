import Access
import Domain
import Identity
import Operations

/// Vaults and pools as resources of Azure Resource Manager: what is there, and which names are free.
///
/// - Source: Azure REST "Vaults" and "Managed Hsms", api-versions to 2026-02-01.
extension Management {
    var vaultOperations: [any AnyOperation] {
        let subscription = "/subscriptions/{subscription}"
        let group = subscription + "/resourceGroups/{group}"
        let provider = "/providers/Microsoft.KeyVault"
        return [
            Operation(
                "VaultGet", .get, on: .management, group + provider + "/vaults/{vault}",
                requires: .atScope(.vaultsRead, scope: Self.scope), run: getVault),
            Operation(
                "VaultList", .get, on: .management, group + provider + "/vaults", subscription + provider + "/vaults",
                requires: .perItem(.vaultsRead), run: listVaults),
            Operation(
                "VaultNameCheck", .post, on: .management, subscription + provider + "/checkNameAvailability",
                requires: .perItem(.vaultsRead), run: checkVaultName),
            Operation(
                "ManagedHSMNameCheck", .post, on: .management, subscription + provider + "/checkMhsmNameAvailability",
                requires: .perItem(.poolsRead), run: checkPoolName),
        ]
    }

    // MARK: Who sees what

    static func type(of vault: Vault) -> String { vault.service == .vault ? vaultType : poolType }

    static func identifier(of vault: Vault) -> String {
        "/subscriptions/\(vault.subscription)/resourceGroups/\(vault.resourceGroup)/providers/\(type(of: vault))/\(vault.name)"
    }

    /// The vaults and pools that the caller's roles show, in order of name.
    func visible(to call: Call) throws(VaultError) -> [Vault] {
        guard let principal = call.principal else { throw .internal("resources were listed without a principal") }
        return try vaults.all.filterTyped { vault throws(VaultError) in try isVisible(vault, to: principal, call) }
    }

    func isVisible(_ vault: Vault, to principal: Principal, _ call: Call) throws(VaultError) -> Bool {
        switch vault.service {
        case .vault: return call.lane.access.grant(.vaultsRead, to: principal, at: vault.scopes.vault) != nil
        case .managedHSM:
            // What is inside a pool has roles of its own; that it is there is told by roles over its group.
            guard let group = Scope("/subscriptions/\(vault.subscription)/resourceGroups/\(vault.resourceGroup)") else {
                throw .internal("a pool's group is no scope")
            }
            return call.lane.access.grant(.poolsRead, to: principal, at: group) != nil
        }
    }

    func resources(_ service: Vault.Service, _ input: SubscriptionInput, _ call: Call) throws(VaultError)
        -> [Vault]
    {
        try requireOwn(input)
        return try visible(to: call).filter { vault in
            vault.service == service
                && (input.group.map { $0.lowercased() == vault.resourceGroup.lowercased() } ?? true)
        }
    }

    // MARK: Vaults

    struct NamedResource: OperationInput {
        let place: SubscriptionInput
        let name: String

        init(_ request: Request) throws(VaultError) {
            place = try SubscriptionInput(request)
            name = request.parameter("vault") ?? request.parameter("pool") ?? ""
        }
    }

    func find(_ service: Vault.Service, _ input: NamedResource) throws(VaultError) -> Vault {
        try requireOwn(input.place)
        let group = input.place.group ?? ""
        guard let name = VaultName(input.name), let vault = vaults.vault(name, service),
            vault.resourceGroup.lowercased() == group.lowercased()
        else {
            throw Self.isAbsent(service == .vault ? Self.vaultType : Self.poolType, input.name, group)
        }
        return vault
    }

    static func isAbsent(_ type: String, _ name: String, _ group: String) -> VaultError {
        VaultError(
            .resourceNotFound,
            "The Resource '\(type)/\(name.prefix(64))' under resource group '\(group.prefix(90))' was not found.")
    }

    func getVault(_ input: NamedResource, _ call: Call) async throws(VaultError) -> JSONOutput {
        let vault = try find(.vault, input)
        guard let entry = vaults.entry(vault.name, .vault) else { throw .internal("a vault is gone") }
        return JSONOutput { writeVault(entry, to: &$0) }
    }

    func listVaults(_ input: SubscriptionInput, _ call: Call) async throws(VaultError) -> JSONOutput {
        let seen = try resources(.vault, input, call).compactMap { vaults.entry($0.name, .vault) }
        return JSONOutput.list({ list in for entry in seen { list.object { writeVault(entry, to: &$0) } } })
    }

    func writeVault(_ entry: VaultTable.Entry, to writer: inout JSONWriter) {
        let (vault, settings) = (entry.vault, entry.settings)
        writer.member("id", Self.identifier(of: vault))
        writer.member("name", vault.name.description)
        writer.member("type", Self.vaultType)
        writer.member("location", vault.location)
        writer.object("tags") { Self.write(vault.tags, to: &$0) }
        if let created = settings.created { writeChanges(created, settings.modified ?? created, to: &writer) }
        writer.object("properties") { properties in
            properties.object("sku") { sku in
                sku.member("family", "A")
                sku.member("name", settings.skuName ?? vault.sku.rawValue)
            }
            properties.member("tenantId", authority.tenant)
            if let network = vault.network { write(network, to: &properties) }
            writePolicies(settings.policies ?? [], to: &properties)
            properties.member("enabledForDeployment", settings.deployment?.virtualMachines ?? false)
            properties.member("enabledForDiskEncryption", settings.deployment?.diskEncryption ?? false)
            properties.member("enabledForTemplateDeployment", settings.deployment?.templates ?? false)
            properties.member("enableSoftDelete", true)
            properties.member("softDeleteRetentionInDays", vault.retentionDays)
            properties.member("enableRbacAuthorization", settings.usesPolicies != true)
            if vault.isPurgeProtected { properties.member("enablePurgeProtection", true) }
            properties.member("vaultUri", "https://\(vault.authority)/")
            properties.member("provisioningState", "Succeeded")
            properties.member("publicNetworkAccess", vault.isPublic ? "Enabled" : "Disabled")
            writeConnections(of: entry, to: &properties)
        }
    }

    func writeChanges(
        _ created: VaultTable.Settings.Change, _ modified: VaultTable.Settings.Change, to writer: inout JSONWriter
    ) {
        writer.object("systemData") { data in
            data.member("createdBy", created.by)
            data.member("createdByType", created.isUser ? "User" : "Application")
            data.member("createdAt", created.at.iso8601)
            data.member("lastModifiedBy", modified.by)
            data.member("lastModifiedByType", modified.isUser ? "User" : "Application")
            data.member("lastModifiedAt", modified.at.iso8601)
        }
    }

    func write(_ network: NetworkRules, to writer: inout JSONWriter) {
        writer.object("networkAcls") { acls in
            acls.member("bypass", network.bypass.rawValue)
            acls.member("defaultAction", network.defaultAction.rawValue)
            acls.array("ipRules") { list in
                for address in network.addresses { list.object { $0.member("value", address.text) } }
            }
            acls.array("virtualNetworkRules") { list in
                for subnet in network.subnets {
                    list.object { rule in
                        rule.member("id", subnet)
                        rule.member("ignoreMissingVnetServiceEndpoint", true)
                    }
                }
            }
        }
    }

    // MARK: Names

    struct NameInput: OperationInput {
        let place: SubscriptionInput
        let name: String

        init(_ request: Request) throws(VaultError) {
            struct Body: Decodable {
                let name: String
            }
            place = try SubscriptionInput(request)
            name = try Body.fromJSON(request.body).name
        }
    }

    func checkVaultName(_ input: NameInput, _ call: Call) async throws(VaultError) -> JSONOutput {
        try check(input, .vault, "vault")
    }

    func checkPoolName(_ input: NameInput, _ call: Call) async throws(VaultError) -> JSONOutput {
        try check(input, .managedHSM, "managed HSM")
    }

    private func check(_ input: NameInput, _ service: Vault.Service, _ noun: String) throws(VaultError) -> JSONOutput {
        try requireOwn(input.place)
        let name = VaultName(input.name)
        let isTaken = name.map { vaults.entry($0, service) != nil } ?? false
        return JSONOutput { answer in
            answer.member("nameAvailable", name != nil && !isTaken)
            if name == nil {
                answer.member("reason", "AccountNameInvalid")
                answer.member(
                    "message",
                    "The name must be 3 to 24 letters, digits and hyphens, begin with a letter, end with a letter or digit, and not have two hyphens in a row."
                )
            } else if isTaken {
                answer.member("reason", "AlreadyExists")
                answer.member(
                    "message",
                    "The \(noun) name '\(input.name)' is already in use, possibly by one that was deleted and can be recovered."
                )
            }
        }
    }
}

extension Array {
    fileprivate func filterTyped(_ isIncluded: (Element) throws(VaultError) -> Bool) throws(VaultError) -> [Element] {
        var kept: [Element] = []
        for element in self where try isIncluded(element) { kept.append(element) }
        return kept
    }
}
