import Domain
import Operations

/// What a client wants of a managed HSM pool: the body of create, replace and update.
///
/// - Source: Azure REST "Managed Hsms - Create Or Update" and "Managed Hsms - Update", to 2026-05-15.
struct PoolBody: Decodable, Sendable {
    struct Properties: Decodable, Sendable {
        struct Region: Decodable, Sendable { let name: String? }

        let tenantId: String?
        let initialAdminObjectIds: [String]?
        let enableSoftDelete: Bool?
        let softDeleteRetentionInDays: VaultBody.LooseInteger?
        let enablePurgeProtection: Bool?
        let createMode: String?
        let networkAcls: VaultBody.Properties.Network?
        let publicNetworkAccess: String?
        let regions: [Region]?
    }

    struct SKU: Decodable, Sendable {
        let family: String?
        let name: String?
    }

    struct Identity: Decodable, Sendable {
        struct Nothing: Decodable, Sendable {}

        let type: String?
        let userAssignedIdentities: [String: Nothing?]?
    }

    let location: String?
    let tags: [String: String]?
    let sku: SKU?
    let identity: Identity?
    let properties: Properties?

    /// Of the reference service; they say how much hardware it is, which here is the token's matter.
    static let skuNames = [
        "Standard_B1", "Custom_B6", "Custom_B32", "Custom_C10", "Custom_C42", "Standard_B1v2", "Standard_B5v2",
        "Standard_B10v2", "Standard_B15v2", "Standard_B20v2",
    ]
    static let mostAdministrators = 100

    /// `B` or `C`, which stands in the name.
    static func family(of sku: String) -> String { sku.contains("_C") ? "C" : "B" }

    var recovers: Bool { properties?.createMode?.lowercased() == "recover" }

    /// - Throws: `.badParameter` for what no pool may have.
    func check(tenant: GUID, location: String?) throws(VaultError) {
        if let mode = properties?.createMode?.lowercased(), mode != "default", mode != "recover" {
            throw VaultBody.wrong("createMode", "it must be 'default' or 'recover'")
        }
        if let text = properties?.tenantId, GUID(text) != tenant {
            throw VaultBody.wrong("tenantId", "this server's tenant is \(tenant)")
        }
        if properties?.enableSoftDelete == false {
            throw .badParameter(
                "The property \"enableSoftDelete\" cannot be set to false. Soft delete cannot be turned off.")
        }
        if let regions = properties?.regions {
            let location = if let location { location } else { try normalizedLocation() }
            guard
                regions.allSatisfy({ region in
                    region.name.map { (try? VaultBody.normalized($0)) == location } ?? false
                })
            else {
                throw VaultBody.wrong("regions", "this server is in one region, that of the pool")
            }
        }
        if let tags { try VaultBody.check(tags) }
        _ = try skuName()
        _ = try administrators()
        _ = try identityToKeep()
    }

    /// - Throws: `.badParameter` when what a pool cannot be without is not named.
    func requireWhole() throws(VaultError) {
        let missing: String? =
            location == nil ? "location" : sku == nil ? "sku" : properties == nil ? "properties" : nil
        if let missing { throw .badParameter("The request body lacks the member '\(missing)'.") }
    }

    /// - Throws: `.badParameter` when nobody is to administer a new pool.
    func requireAdministrators() throws(VaultError) {
        guard properties?.initialAdminObjectIds != nil else {
            throw .badParameter("The request body lacks the member 'properties.initialAdminObjectIds'.")
        }
    }

    func normalizedLocation() throws(VaultError) -> String {
        guard let location else { throw .badParameter("The request body lacks the member 'location'.") }
        return try VaultBody.normalized(location)
    }

    func skuName() throws(VaultError) -> String? {
        guard let sku else { return nil }
        guard let name = Self.skuNames.first(where: { $0.lowercased() == sku.name?.lowercased() }),
            sku.family.map({ $0.uppercased() == Self.family(of: name) }) ?? true
        else {
            throw VaultBody.wrong(
                "sku",
                "its name must be one of \(Self.skuNames.joined(separator: ", ")), and its family the letter in it")
        }
        return name
    }

    func retentionDays() throws(VaultError) -> Int? {
        guard let given = properties?.softDeleteRetentionInDays else { return nil }
        guard let days = given.value, (7...90).contains(days) else {
            throw VaultBody.wrong("softDeleteRetentionInDays", "it must be from 7 to 90")
        }
        return days
    }

    func administrators() throws(VaultError) -> [GUID]? {
        guard let given = properties?.initialAdminObjectIds else { return nil }
        guard (1...Self.mostAdministrators).contains(given.count) else {
            throw VaultBody.wrong(
                "initialAdminObjectIds", "a pool begins with 1 to \(Self.mostAdministrators) administrators")
        }
        var ids: [GUID] = []
        for text in given {
            guard let id = GUID(text) else {
                throw VaultBody.wrong("initialAdminObjectIds", "'\(text.prefix(64))' is not a GUID")
            }
            if !ids.contains(id) { ids.append(id) }
        }
        return ids
    }

    func identityToKeep() throws(VaultError) -> VaultTable.Settings.Identity?? {
        guard let identity else { return nil }
        let types = ["None", "SystemAssigned", "UserAssigned", "SystemAssigned,UserAssigned"]
        let wanted = identity.type?.filter { $0 != " " }.lowercased()
        guard let type = types.first(where: { $0.lowercased() == wanted }) else {
            throw VaultBody.wrong("identity.type", "it must be one of \(types.joined(separator: "; "))")
        }
        let assigned = (identity.userAssignedIdentities ?? [:]).keys.sorted()
        guard assigned.count <= 10, assigned.allSatisfy({ $0.utf8.count <= 1_024 && $0.isPrintable }) else {
            throw VaultBody.wrong("identity.userAssignedIdentities", "at most 10 are allowed, of 1024 characters each")
        }
        return .some(type == "None" ? nil : .init(type: type, userAssigned: assigned))
    }
}
