import Access
import Domain
import Identity
import Operations

/// What Azure Resource Manager tells of a cloud before anything in it is managed: its endpoints, its tenant and subscription, its resource
/// groups, and the resources that the caller may see.
///
/// - Source: Azure REST "Subscriptions", "Tenants", "Resource Groups", "Resources", 2022-12-01; the metadata of `az cloud register`.
extension Management {
    static let vaultType = "Microsoft.KeyVault/vaults"

    var resourceOperations: [any AnyOperation] {
        let subscription = "/subscriptions/{subscription}"
        // Who is known may know in which cloud.
        let known = Requirement.perItem(.vaultsRead)
        return [
            Operation(
                "CloudMetadataGet", .get, on: .management, "/metadata/endpoints", requires: .nothing, run: metadata),
            Operation("TenantList", .get, on: .management, "/tenants", requires: known, run: listTenants),
            Operation(
                "SubscriptionList", .get, on: .management, "/subscriptions", requires: known, run: listSubscriptions),
            Operation("SubscriptionGet", .get, on: .management, subscription, requires: known, run: getSubscription),
            Operation(
                "LocationList", .get, on: .management, subscription + "/locations", requires: known, run: listLocations),
            Operation(
                "ProviderList", .get, on: .management, subscription + "/providers", requires: known, run: listProviders),
            Operation(
                "ProviderGet", .get, on: .management, subscription + "/providers/{provider}", requires: known,
                run: getProvider),
            Operation(
                "ResourceList", .get, on: .management, subscription + "/resources", requires: known, run: listResources),
        ]
    }

    // MARK: Input

    /// A call of Azure Resource Manager on this server's subscription.
    struct SubscriptionInput: OperationInput {
        let subscription: String?
        let group: String?
        let provider: String?
        let filter: ResourceFilter

        init(_ request: Request) throws(VaultError) {
            try self.init(request, filter: request.query.value("$filter") ?? "")
        }

        /// - Parameter text: in place of the request's, which has words of its own.
        init(_ request: Request, filter text: String) throws(VaultError) {
            try Management.requireVersion(request)
            subscription = request.parameter("subscription")
            group = request.parameter("group")
            provider = request.parameter("provider")
            filter = try ResourceFilter(text)
        }
    }

    static func requireVersion(_ request: Request) throws(VaultError) { try ManagementVersion.require(request) }

    /// - Throws: `.resourceNotFound` for another subscription than this server's.
    func requireOwn(_ input: SubscriptionInput) throws(VaultError) {
        guard let text = input.subscription else { return }
        guard GUID(text) == subscription else {
            throw VaultError(.resourceNotFound, "The subscription '\(text.prefix(64))' could not be found.")
        }
    }

    /// The part of OData that clients use: `resourceType`, `name`, `resourceGroup`, `location`, `tagName`, `tagValue`, `roleName` or `type`,
    /// each `eq '…'`, joined by `and`.
    struct ResourceFilter: Sendable {
        private(set) var type: String?
        private(set) var name: String?
        private(set) var group: String?
        private(set) var location: String?
        private(set) var tagName: String?
        private(set) var tagValue: String?
        private(set) var roleName: String?
        /// `CustomRole` or `BuiltInRole`
        private(set) var roleType: String?

        /// Of role definitions: what can be assigned below the scope too.
        private(set) var isAtScopeAndBelow = false

        init(_ text: String) throws(VaultError) {
            var rest = text[...].trimmed
            while !rest.isEmpty {
                let below = "atscopeandbelow()"
                if rest.lowercased().hasPrefix(below) {
                    isAtScopeAndBelow = true
                    rest = rest.dropFirst(below.utf8.count).trimmed
                } else {
                    rest = try clause(rest, of: text).trimmed
                }
                guard !rest.isEmpty else { return }
                guard rest.lowercased().hasPrefix("and ") else { throw Self.unknown(text) }
                rest = rest.dropFirst(4).trimmed
                guard !rest.isEmpty else { throw Self.unknown(text) }
            }
        }

        /// `name eq 'value'`, a quote in the value being doubled.
        ///
        /// - Returns: what follows it.
        private mutating func clause(_ rest: Substring, of text: String) throws(VaultError) -> Substring {
            let words = rest.split(separator: " ", maxSplits: 2, omittingEmptySubsequences: true)
            guard words.count == 3, words[1].lowercased() == "eq", words[2].first == "'" else {
                throw Self.unknown(text)
            }
            var value = ""
            var left = words[2].dropFirst()
            while let character = left.popFirst() {
                if character == "'" {
                    guard left.first == "'" else {
                        switch words[0].lowercased() {
                        case "resourcetype" where type == nil: type = value
                        case "name" where name == nil: name = value
                        case "resourcegroup" where group == nil: group = value
                        case "location" where location == nil: location = value
                        case "tagname" where tagName == nil: tagName = value
                        case "tagvalue" where tagValue == nil: tagValue = value
                        case "rolename" where roleName == nil: roleName = value
                        case "type" where roleType == nil: roleType = value
                        default: throw Self.unknown(text)
                        }
                        return left
                    }
                    left = left.dropFirst()
                }
                value.append(character)
            }
            throw Self.unknown(text)
        }

        private static func unknown(_ text: String) -> VaultError {
            .badParameter(
                "The $filter '\(text.prefix(256))' is not supported: use resourceType, name, resourceGroup, location, tagName, tagValue, roleName or type with eq '…', joined by and."
            )
        }

        func holds(custom isCustom: Bool) -> Bool {
            roleType.map { $0.lowercased() == (isCustom ? "customrole" : "builtinrole") } ?? true
        }

        func holds(roleName: String) -> Bool {
            self.roleName.map { $0.lowercased() == roleName.lowercased() } ?? true
        }

        func holds(type: String, _ vault: Vault) -> Bool {
            func isSame(_ wanted: String?, _ text: String) -> Bool {
                wanted.map { $0.lowercased() == text.lowercased() } ?? true
            }
            guard isSame(self.type, type), isSame(name, vault.name.description), isSame(group, vault.resourceGroup),
                location.map({ (try? VaultBody.normalized($0)) == vault.location }) ?? true
            else { return false }
            guard tagName != nil || tagValue != nil else { return true }
            return vault.tags.contains { isSame(tagName, $0.key) && (tagValue ?? $0.value) == $0.value }
        }
    }

    // MARK: The cloud

    struct MetadataInput: OperationInput {
        init(_ request: Request) throws(VaultError) { try Management.requireVersion(request) }
    }

    /// What `az cloud register` reads. Nobody need be known to ask: it names addresses only.
    func metadata(_ input: MetadataInput, _ call: Call) async throws(VaultError) -> JSONOutput {
        let base = authority.url(of: .management)
        func suffix(_ resource: Authority.Resource) -> String { String(authority.url(of: resource).dropFirst(8)) }
        let (vaults, pools) = (suffix(.vault), suffix(.managedHSM))
        return JSONOutput { cloud in
            cloud.member("name", "Strongroom")
            cloud.member("portal", "https://console." + vaults.dropFirst(6))
            cloud.member("resourceManager", base)
            cloud.object("authentication") { authentication in
                authentication.member("loginEndpoint", authority.loginURL)
                authentication.array("audiences") { $0.string(base) }
                authentication.member("tenant", "common")
                authentication.member("identityProvider", "AAD")
            }
            cloud.member("microsoftGraphResourceId", "https://graph." + vaults.dropFirst(6) + "/")
            cloud.object("suffixes") { suffixes in
                suffixes.member("keyVaultDns", vaults)
                suffixes.member("mhsmDns", pools)
                // Backups of pools go to whatever holds blobs there.
                suffixes.member("storage", "storage." + vaults.dropFirst(6))
            }
        }
    }

    func listTenants(_ input: SubscriptionInput, _ call: Call) async throws(VaultError) -> JSONOutput {
        JSONOutput.list({ list in
            list.object { tenant in
                tenant.member("id", "/tenants/\(authority.tenant)")
                tenant.member("tenantId", authority.tenant)
                tenant.member("displayName", "Strongroom")
                tenant.member("tenantCategory", "Home")
            }
        })
    }

    func listSubscriptions(_ input: SubscriptionInput, _ call: Call) async throws(VaultError) -> JSONOutput {
        JSONOutput.list({ list in list.object { writeSubscription(to: &$0) } })
    }

    func getSubscription(_ input: SubscriptionInput, _ call: Call) async throws(VaultError) -> JSONOutput {
        try requireOwn(input)
        return JSONOutput { writeSubscription(to: &$0) }
    }

    private func writeSubscription(to writer: inout JSONWriter) {
        writer.member("id", "/subscriptions/\(subscription)")
        writer.member("subscriptionId", subscription)
        writer.member("tenantId", authority.tenant)
        writer.member("displayName", "Strongroom")
        writer.member("state", "Enabled")
        writer.array("managedByTenants") { _ in }
        writer.member("authorizationSource", "RoleBased")
    }

    // MARK: Places and providers

    func listLocations(_ input: SubscriptionInput, _ call: Call) async throws(VaultError) -> JSONOutput {
        try requireOwn(input)
        let locations = Set(vaults.all.map(\.location)).sorted()
        return JSONOutput.list({ list in
            for location in locations {
                list.object { entry in
                    entry.member("id", "/subscriptions/\(subscription)/locations/\(location)")
                    entry.member("name", location)
                    entry.member("displayName", location)
                    entry.member("regionalDisplayName", location)
                }
            }
        })
    }

    func listProviders(_ input: SubscriptionInput, _ call: Call) async throws(VaultError) -> JSONOutput {
        try requireOwn(input)
        return JSONOutput.list({ list in list.object { writeProvider(to: &$0) } })
    }

    func getProvider(_ input: SubscriptionInput, _ call: Call) async throws(VaultError) -> JSONOutput {
        try requireOwn(input)
        guard input.provider?.lowercased() == "microsoft.keyvault" else {
            throw VaultError(
                .resourceNotFound, "The resource provider '\((input.provider ?? "").prefix(64))' is not of this server."
            )
        }
        return JSONOutput { writeProvider(to: &$0) }
    }

    private func writeProvider(to writer: inout JSONWriter) {
        let locations = Set(vaults.all.map(\.location)).sorted()
        writer.member("id", "/subscriptions/\(subscription)/providers/Microsoft.KeyVault")
        writer.member("namespace", "Microsoft.KeyVault")
        writer.member("registrationState", "Registered")
        writer.array("resourceTypes") { list in
            for type in ["vaults", "managedHSMs", "deletedVaults"] {
                list.object { entry in
                    entry.member("resourceType", type)
                    entry.array("locations") { list in for location in locations { list.string(location) } }
                    entry.array("apiVersions") { list in
                        for version in ManagementVersion.supported { list.string(version) }
                    }
                }
            }
        }
    }

    /// Vaults and pools that the caller may see, as an index of names.
    func listResources(_ input: SubscriptionInput, _ call: Call) async throws(VaultError) -> JSONOutput {
        try requireOwn(input)
        let seen = try visible(to: call).filter {
            input.filter.holds(type: Self.type(of: $0), $0)
        }
        return JSONOutput.list({ list in
            for vault in seen {
                list.object { entry in
                    entry.member("id", Self.identifier(of: vault))
                    entry.member("name", vault.name.description)
                    entry.member("type", Self.type(of: vault))
                    entry.member("location", vault.location)
                    entry.object("tags") { Self.write(vault.tags, to: &$0) }
                }
            }
        })
    }
}

extension Substring {
    /// Without spaces at its begin.
    fileprivate var trimmed: Substring { drop { $0 == " " } }
}
