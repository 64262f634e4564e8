import Barrier
import Domain
import Objects
import Operations

struct ListSecrets: OperationInput {
    let page: Paging.Page

    init(_ request: Request) throws(VaultError) { page = try Paging.Page(request) }
}

struct ListSecretVersions: OperationInput {
    let name: ObjectName
    let page: Paging.Page

    init(_ request: Request) throws(VaultError) {
        name = try request.objectName("secret-name")
        page = try Paging.Page(request)
    }
}

/// `{"value":[…],"nextLink":…}`, the link null on the last page.
struct SecretList: OperationOutput {
    struct Item: Sendable {
        let name: ObjectName
        /// Part of the identifier in lists of versions only.
        var version: ObjectVersion?
        let record: ObjectRecord
        let secret: SecretValue
        var deleted: DeletedObject?
    }

    let vault: Vault
    let items: [Item]
    let nextLink: String?

    func response(_ call: Call) -> Response {
        var writer = JSONWriter(reserving: 256 + items.count * 320)
        writer.object { list in
            list.array("value") { list in
                for item in items {
                    SecretItem.write(
                        item.name, version: item.version, item.record, item.secret, vault, call.apiVersion,
                        to: &list,
                        deleted: item.deleted)
                }
            }
            if let nextLink { list.member("nextLink", nextLink) } else { list.null("nextLink") }
        }
        return Response(status: 200, body: writer.bytes)
    }
}

extension Secrets {
    /// The secrets of a vault in order of name, without values.
    ///
    /// - Source: Azure REST "Get Secrets".
    func list(_ input: ListSecrets, _ call: Call) async throws(VaultError) -> SecretList {
        let table = try table(call)
        let marker = try paging.marker(input.page, list: "secrets", in: table.vault)
        var heads = try table.heads(after: marker, limit: input.page.size + 1, in: call.lane.reader)
        var link: String?
        if heads.count > input.page.size {
            heads.removeLast()
            link = try paging.link(
                after: heads[heads.count - 1].name.key, page: input.page, path: "/secrets", list: "secrets",
                in: table.vault, call.apiVersion)
        }
        return SecretList(
            vault: table.vault, items: try heads.mapTyped { head throws(VaultError) in try item(head, table.vault) },
            nextLink: link)
    }

    /// The versions of a secret in order of their text, as the service lists them; empty for an unknown name.
    ///
    /// - Source: Azure REST "Get Secret Versions".
    func listVersions(_ input: ListSecretVersions, _ call: Call) async throws(VaultError) -> SecretList {
        let table = try table(call)
        let list = "secrets/\(input.name.key)/versions"
        let marker = try paging.marker(input.page, list: list, in: table.vault)
        var (name, records) = try call.lane.reader.snapshot { () throws(VaultError) in
            try table.versions(input.name, after: marker, limit: input.page.size + 1, in: call.lane.reader)
        }
        var link: String?
        if records.count > input.page.size {
            records.removeLast()
            link = try paging.link(
                after: records[records.count - 1].version.description, page: input.page,
                path: "/secrets/\(name)/versions", list: list,
                in: table.vault, call.apiVersion)
        }
        return SecretList(
            vault: table.vault,
            items: try records.mapTyped { record throws(VaultError) in
                SecretList.Item(
                    name: name, version: record.version, record: record,
                    secret: try SecretValue(record))
            }, nextLink: link)
    }

    /// The deleted secrets of a vault in order of name.
    ///
    /// - Source: Azure REST "Get Deleted Secrets".
    func listDeleted(_ input: ListSecrets, _ call: Call) async throws(VaultError) -> SecretList {
        let table = try table(call)
        let marker = try paging.marker(input.page, list: "deletedsecrets", in: table.vault)
        var objects = try table.deletedObjects(after: marker, limit: input.page.size + 1, in: call.lane.reader)
        var link: String?
        if objects.count > input.page.size {
            objects.removeLast()
            link = try paging.link(
                after: objects[objects.count - 1].head.name.key, page: input.page, path: "/deletedsecrets",
                list: "deletedsecrets",
                in: table.vault, call.apiVersion)
        }
        return SecretList(
            vault: table.vault,
            items: try objects.mapTyped { object throws(VaultError) in
                var item = try item(object.head, table.vault)
                item.deleted = object
                return item
            }, nextLink: link)
    }

    func item(_ head: ObjectHead, _ vault: Vault) throws(VaultError) -> SecretList.Item {
        SecretList.Item(
            name: head.name, record: head.current, secret: try SecretValue(head.current))
    }
}
