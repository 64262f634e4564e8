import Access
package import Domain
package import Operations

/// An object of a vault, or all of a kind, as a resource of Azure Resource Manager: named by the path, below its vault or pool.
///
/// - Source: Azure REST "Keys" and "Secrets" of the management plane, to 2026-05-15.
package struct ObjectResource: OperationInput {
    package let subscription: String
    package let group: String
    package let vault: VaultName
    package let service: Vault.Service
    /// Empty for a list of all.
    package let object: String
    package let version: String?
    package let page: Paging.Page
    fileprivate let apiVersion: String
    /// The member of the query that asks for a size.
    fileprivate let sizing: String

    package init(_ request: Request) throws(VaultError) {
        try ManagementVersion.require(request)
        apiVersion = try request.query.value("api-version") ?? ""
        subscription = request.parameter("subscription") ?? ""
        group = request.parameter("group") ?? ""
        service = request.parameter("pool") == nil ? .vault : .managedHSM
        guard let vault = VaultName(request.parameter("vault") ?? request.parameter("pool") ?? "") else {
            throw .internal("a vault without a name")
        }
        self.vault = vault
        object = request.parameter("object") ?? ""
        version = request.parameter("version")
        page = try Paging.Page(resources: request)
        sizing = try request.query.value("$top") == nil ? "maxresults" : "$top"
    }

    /// Where a path of this kind stands.
    package static func path(_ service: Vault.Service, _ collection: String) -> String {
        let kind = service == .vault ? "vaults/{vault}" : "managedHSMs/{pool}"
        return
            "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.KeyVault/\(kind)/\(collection)"
    }

    /// Who may is judged at the vault; for a pool, inside which local roles hold, at its group.
    package static func scope(_ request: Request) throws(VaultError) -> Scope? {
        let group =
            "/subscriptions/\(request.parameter("subscription") ?? "")/resourceGroups/\(request.parameter("group") ?? "")"
        let vault = request.parameter("vault").map { "/providers/Microsoft.KeyVault/vaults/\($0)" } ?? ""
        guard let scope = Scope(group + vault), request.parameter("pool").map({ VaultName($0) != nil }) ?? true else {
            throw .badParameter("The scope '\((group + vault).prefix(256))' is not valid.")
        }
        return scope
    }

    /// - Throws: `.badParameter`.
    package func name() throws(VaultError) -> ObjectName {
        guard let name = ObjectName(object) else {
            throw .badParameter("The request URI contains an invalid name: \(object.prefix(128))")
        }
        return name
    }

    /// - Throws: `.badParameter`.
    package func objectVersion() throws(VaultError) -> ObjectVersion? {
        guard let version else { return nil }
        guard let parsed = ObjectVersion(version) else {
            throw .badParameter("The request URI contains an invalid version: \(version.prefix(128))")
        }
        return parsed
    }
}

/// Finds the vault that a resource is below, and writes what all such resources have in common.
package struct ObjectResources: Sendable {
    private let subscription: GUID
    /// `https://management.…`
    private let address: String
    private let find: @Sendable (VaultName, Vault.Service) -> Vault?

    package init(
        subscription: GUID, address: String, find: @escaping @Sendable (VaultName, Vault.Service) -> Vault?
    ) {
        (self.subscription, self.address, self.find) = (subscription, address, find)
    }

    /// - Throws: `.resourceNotFound`; `.forbiddenByVault` for a pool that is not active, or that keeps its keys to itself.
    package func vault(of resource: ObjectResource, _ call: Call) throws(VaultError) -> Vault {
        guard GUID(resource.subscription) == subscription, let vault = find(resource.vault, resource.service),
            vault.resourceGroup.lowercased() == resource.group.lowercased()
        else {
            let type = resource.service == .vault ? "vaults" : "managedHSMs"
            throw VaultError(
                .resourceNotFound,
                "The Resource 'Microsoft.KeyVault/\(type)/\(resource.vault)' under resource group '\(resource.group.prefix(90))' was not found."
            )
        }
        call.concerns(resourceID: vault.scopes.vault.description)
        guard vault.isActivated else {
            throw VaultError(
                .forbiddenByVault,
                "The managed HSM '\(vault.name)' is not activated. Download its security domain to activate it.")
        }
        guard vault.allowsKeysThroughARM else {
            throw VaultError(
                .forbiddenByVault,
                "The managed HSM '\(vault.name)' does not allow key management through Azure Resource Manager; its setting AllowKeyManagementOperationsThroughARM does."
            )
        }
        return vault
    }

    /// `id`, `name`, `type`, `location` and the tags.
    package func writeHead(
        _ vault: Vault, _ collection: String, _ name: String, version: ObjectVersion? = nil, _ record: ObjectRecord,
        to writer: inout JSONWriter
    ) {
        let type = "Microsoft.KeyVault/\(vault.service == .vault ? "vaults" : "managedHSMs")/\(collection)"
        let below = version.map { "/versions/\($0)" } ?? ""
        writer.member("id", "\(vault.scopes.vault)/\(collection)/\(name)\(below)")
        writer.member("name", version?.description ?? name)
        writer.member("type", version == nil ? type : type + "/versions")
        writer.member("location", vault.location)
        writer.object("tags") { tags in for tag in record.tags ?? [] { tags.member(named: tag.name, tag.value) } }
    }

    package func writeAttributes(
        _ record: ObjectRecord, _ vault: Vault, to writer: inout JSONWriter, more: (inout JSONWriter) -> Void = { _ in }
    ) {
        ObjectJSON.writeAttributes(record.attributes, vault, .v7_0, to: &writer, more: more)
    }

    /// One page of a list, read with one element more than it shows.
    package func page<Element>(
        _ elements: [Element], of resource: ObjectResource, in vault: Vault, list: String, path: String,
        _ paging: Paging, marker: (Element) -> String, _ write: (Element, inout JSONWriter) -> Void
    ) throws(VaultError) -> JSONOutput {
        var shown = elements
        var link: String?
        if shown.count > resource.page.size {
            shown.removeLast()
            let token = try paging.token(after: marker(shown[shown.count - 1]), list: list, in: vault)
            let size = resource.page.asked.map { "&\(resource.sizing)=\($0)" } ?? ""
            link =
                "\(address)\(vault.scopes.vault)/\(path)?api-version=\(resource.apiVersion)&$skiptoken=\(token)\(size)"
        }
        return JSONOutput { page in
            page.array("value") { list in
                for element in shown { list.object { write(element, &$0) } }
            }
            if let link { page.member("nextLink", link) }
        }
    }
}
