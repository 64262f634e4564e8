import Access
import Domain
import Operations

/// What a client wants of a vault: the body of create, replace and update.
///
/// - Source: Azure REST "Vaults - Create Or Update" and "Vaults - Update", to 2026-02-01.
struct VaultBody: Decodable, Sendable {
    struct Properties: Decodable, Sendable {
        struct SKU: Decodable, Sendable {
            let family: String?
            let name: String?
        }

        struct Network: Decodable, Sendable {
            struct Address: Decodable, Sendable { let value: String }
            struct Subnet: Decodable, Sendable { let id: String }

            let defaultAction: String?
            let bypass: String?
            let ipRules: [Address]?
            let virtualNetworkRules: [Subnet]?
        }

        let tenantId: String?
        let sku: SKU?
        let accessPolicies: [PolicyBody]?
        let enableRbacAuthorization: Bool?
        let enableSoftDelete: Bool?
        let softDeleteRetentionInDays: LooseInteger?
        let enablePurgeProtection: Bool?
        let networkAcls: Network?
        let publicNetworkAccess: String?
        let enabledForDeployment: Bool?
        let enabledForDiskEncryption: Bool?
        let enabledForTemplateDeployment: Bool?
        let createMode: String?
    }

    let location: String?
    let tags: [String: String]?
    let properties: Properties?

    /// Some clients send numbers as text.
    struct LooseInteger: Decodable, Sendable {
        let value: Int?

        init(from decoder: any Decoder) throws {
            let container = try decoder.singleValueContainer()
            if let number = try? container.decode(Int.self) {
                value = number
            } else {
                value = Int(try container.decode(String.self))
            }
        }
    }

    var recovers: Bool { properties?.createMode?.lowercased() == "recover" }

    /// - Throws: `.badParameter` for what no vault may have.
    func check(tenant: GUID) throws(VaultError) {
        if let mode = properties?.createMode?.lowercased(), mode != "default", mode != "recover" {
            throw Self.wrong("createMode", "it must be 'default' or 'recover'")
        }
        if let text = properties?.tenantId, GUID(text) != tenant {
            throw Self.wrong("tenantId", "this server's tenant is \(tenant)")
        }
        if properties?.enableSoftDelete == false {
            throw .badParameter(
                "The property \"enableSoftDelete\" cannot be set to false. Soft delete cannot be turned off.")
        }
        if properties?.enablePurgeProtection == false {
            throw .badParameter(
                "The property \"enablePurgeProtection\" cannot be set to false. Enabling the purge protection for a vault is an irreversible action."
            )
        }
        if let tags { try Self.check(tags) }
    }

    /// - Throws: `.badParameter` when what a vault cannot be without is not named.
    func requireWhole() throws(VaultError) {
        let missing: String? =
            location == nil
            ? "location"
            : properties == nil
                ? "properties"
                : properties?.tenantId == nil ? "properties.tenantId" : properties?.sku == nil ? "properties.sku" : nil
        if let missing { throw .badParameter("The request body lacks the member '\(missing)'.") }
    }

    static func check(_ tags: [String: String]) throws(VaultError) {
        guard tags.count <= 50, tags.allSatisfy({ $0.key.count <= 512 && $0.value.count <= 256 }) else {
            throw .badParameter("A resource has at most 50 tags, with names of 512 and values of 256 characters.")
        }
    }

    /// The location as it is kept: lower case without spaces.
    func normalizedLocation() throws(VaultError) -> String {
        guard let location else { throw .badParameter("The request body lacks the member 'location'.") }
        return try Self.normalized(location)
    }

    static func normalized(_ location: String) throws(VaultError) -> String {
        let name = location.lowercased().filter { $0 != " " }
        guard (1...64).contains(name.utf8.count),
            name.utf8.allSatisfy({ $0.isASCIILetter || $0.isASCIIDigit || $0 == 0x2D })
        else { throw wrong("location", "it must be letters, digits and hyphens") }
        return name
    }

    func retentionDays() throws(VaultError) -> Int? {
        guard let given = properties?.softDeleteRetentionInDays else { return nil }
        guard let days = given.value, (7...90).contains(days) else {
            throw Self.wrong("softDeleteRetentionInDays", "it must be from 7 to 90")
        }
        return days
    }

    func sku() throws(VaultError) -> (sku: Vault.SKU, name: String)? {
        guard let given = properties?.sku else { return nil }
        guard given.family == nil || given.family == "A", let name = given.name,
            let sku = Vault.SKU(rawValue: name.lowercased())
        else { throw Self.wrong("sku", "its family must be 'A' and its name 'standard' or 'premium'") }
        return (sku, name)
    }

    func policies(tenant: GUID) throws(VaultError) -> [AccessPolicy]? {
        guard let given = properties?.accessPolicies else { return nil }
        return try PolicyBody.policies(given, tenant: tenant)
    }

    /// - Parameter allowsPrivate: whether addresses for private use may be named.
    func network(allowsPrivate: Bool) throws(VaultError) -> NetworkRules? {
        try properties?.networkAcls.map { network throws(VaultError) in
            try network.rules(allowsPrivate: allowsPrivate)
        }
    }

    func isClosedToPublic() throws(VaultError) -> Bool? { try Self.isClosed(properties?.publicNetworkAccess) }

    /// What `publicNetworkAccess` says; nil for nothing.
    static func isClosed(_ publicNetworkAccess: String?) throws(VaultError) -> Bool? {
        switch publicNetworkAccess?.lowercased() {
        case nil: return nil
        case "enabled": return false
        case "disabled": return true
        default: throw wrong("publicNetworkAccess", "it must be 'Enabled' or 'Disabled'")
        }
    }

    static func wrong(_ property: String, _ reason: String) -> VaultError {
        .badParameter("Property '\(property)' has invalid value: \(reason).\r\n")
    }
}

extension VaultBody.Properties.Network {
    /// - Parameter allowsPrivate: whether addresses for private use may be named.
    func rules(allowsPrivate: Bool) throws(VaultError) -> NetworkRules {
        var rules = NetworkRules()
        if let text = defaultAction {
            guard
                let action = [NetworkRules.Action.allow, .deny].first(where: {
                    $0.rawValue.lowercased() == text.lowercased()
                })
            else { throw VaultBody.wrong("networkAcls.defaultAction", "it must be 'Allow' or 'Deny'") }
            rules.defaultAction = action
        }
        if let text = bypass {
            guard
                let bypass = [NetworkRules.Bypass.none, .azureServices].first(where: {
                    $0.rawValue.lowercased() == text.lowercased()
                })
            else { throw VaultBody.wrong("networkAcls.bypass", "it must be 'None' or 'AzureServices'") }
            rules.bypass = bypass
        }
        let addresses = ipRules ?? []
        guard addresses.count <= NetworkRules.mostAddresses else {
            throw VaultBody.wrong("networkAcls.ipRules", "at most \(NetworkRules.mostAddresses) are allowed")
        }
        for address in addresses {
            guard let range = AddressRange(address.value) else {
                throw VaultBody.wrong(
                    "networkAcls.ipRules",
                    "'\(address.value.prefix(64))' is not an IP address or a range in CIDR notation")
            }
            guard allowsPrivate || !range.isPrivate else {
                throw VaultBody.wrong(
                    "networkAcls.ipRules",
                    "'\(address.value.prefix(64))' is for private use (RFC 1918); 'network.allowPrivateAddresses' in the configuration allows those"
                )
            }
            if !rules.addresses.contains(where: { $0.text == range.text }) { rules.addresses.append(range) }
        }
        let subnets = virtualNetworkRules ?? []
        guard subnets.count <= NetworkRules.mostSubnets else {
            throw VaultBody.wrong("networkAcls.virtualNetworkRules", "at most \(NetworkRules.mostSubnets) are allowed")
        }
        for subnet in subnets {
            let segments = subnet.id.lowercased().split(separator: "/")
            guard segments.count == 10, segments[0] == "subscriptions", segments[6] == "virtualnetworks",
                segments[8] == "subnets", subnet.id.utf8.count <= 1_024
            else { throw VaultBody.wrong("networkAcls.virtualNetworkRules", "the identifier of a subnet is not valid") }
            rules.subnets.append(subnet.id.lowercased())
        }
        return rules
    }
}

/// An access policy as a client writes it.
struct PolicyBody: Decodable, Sendable {
    struct Permissions: Decodable, Sendable {
        let keys: [String]?
        let secrets: [String]?
        let certificates: [String]?
        let storage: [String]?
    }

    let tenantId: String?
    let objectId: String
    let applicationId: String?
    let permissions: Permissions

    static func policies(_ given: [PolicyBody], tenant: GUID) throws(VaultError) -> [AccessPolicy] {
        guard given.count <= AccessPolicy.most else {
            throw VaultBody.wrong("accessPolicies", "at most \(AccessPolicy.most) are allowed")
        }
        var policies: [AccessPolicy] = []
        for body in given {
            let policy = try body.policy(tenant: tenant)
            guard !policies.contains(where: { $0.isAbout(theSameAs: policy) }) else {
                throw VaultBody.wrong("accessPolicies", "the principal '\(policy.objectID)' has two of them")
            }
            policies.append(policy)
        }
        return policies
    }

    private func policy(tenant: GUID) throws(VaultError) -> AccessPolicy {
        if let tenantId, GUID(tenantId) != tenant {
            throw VaultBody.wrong("accessPolicies.tenantId", "it must be the vault's tenant, \(tenant)")
        }
        guard let object = GUID(objectId) else {
            throw VaultBody.wrong("accessPolicies.objectId", "'\(objectId.prefix(64))' is not a GUID")
        }
        var application: GUID?
        if let applicationId {
            guard let id = GUID(applicationId) else {
                throw VaultBody.wrong("accessPolicies.applicationId", "'\(applicationId.prefix(64))' is not a GUID")
            }
            application = id
        }
        let given = AccessPolicy.Permissions(
            keys: permissions.keys, secrets: permissions.secrets, certificates: permissions.certificates,
            storage: permissions.storage)
        for group in PolicyPermission.Group.allCases {
            for name in given[group] ?? [] where PolicyPermission.names[group]?.contains(name.lowercased()) != true {
                throw VaultBody.wrong(
                    "accessPolicies.permissions.\(group.rawValue)", "'\(name.prefix(64))' is not a permission")
            }
        }
        return AccessPolicy(objectID: object, applicationID: application, permissions: given)
    }
}
