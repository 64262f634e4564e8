import Barrier
import Domain
import Objects
import Operations

struct ListKeys: OperationInput {
    let page: Paging.Page

    init(_ request: Request) throws(VaultError) { page = try Paging.Page(request) }
}

struct ListKeyVersions: OperationInput {
    let name: ObjectName
    let page: Paging.Page

    init(_ request: Request) throws(VaultError) {
        name = try request.objectName("key-name")
        page = try Paging.Page(request)
    }
}

extension Keys {
    /// The keys of a vault in order of name.
    ///
    /// - Source: Azure REST "Get Keys".
    func list(_ input: ListKeys, _ call: Call) async throws(VaultError) -> KeyList {
        let table = try table(call)
        let marker = try paging.marker(input.page, list: "keys", in: table.vault)
        var heads = try table.heads(after: marker, limit: input.page.size + 1, in: call.lane.reader)
        let link = try paging.next(
            after: &heads, page: input.page, path: "/keys", list: "keys", in: table.vault, call.apiVersion
        ) { $0.name.key }
        return KeyList(
            vault: table.vault,
            items: try heads.mapTyped { head throws(VaultError) in try KeyList.Item(head.name, head.current) },
            nextLink: link)
    }

    /// The versions of a key in order of their text, as the service lists them; empty for an unknown name.
    ///
    /// - Source: Azure REST "Get Key Versions".
    func listVersions(_ input: ListKeyVersions, _ call: Call) async throws(VaultError) -> KeyList {
        let table = try table(call)
        let list = "keys/\(input.name.key)/versions"
        let marker = try paging.marker(input.page, list: list, in: table.vault)
        var (name, records) = try call.lane.reader.snapshot { () throws(VaultError) in
            try table.versions(input.name, after: marker, limit: input.page.size + 1, in: call.lane.reader)
        }
        let link = try paging.next(
            after: &records, page: input.page, path: "/keys/\(name)/versions", list: list, in: table.vault,
            call.apiVersion
        ) {
            $0.version.description
        }
        return KeyList(
            vault: table.vault,
            items: try records.mapTyped { record throws(VaultError) in
                try KeyList.Item(name, record, version: record.version)
            }, nextLink: link)
    }

    /// The deleted keys of a vault in order of name.
    ///
    /// - Source: Azure REST "Get Deleted Keys".
    func listDeleted(_ input: ListKeys, _ call: Call) async throws(VaultError) -> KeyList {
        let table = try table(call)
        let marker = try paging.marker(input.page, list: "deletedkeys", in: table.vault)
        var objects = try table.deletedObjects(after: marker, limit: input.page.size + 1, in: call.lane.reader)
        let link = try paging.next(
            after: &objects, page: input.page, path: "/deletedkeys", list: "deletedkeys", in: table.vault,
            call.apiVersion
        ) {
            $0.head.name.key
        }
        return KeyList(
            vault: table.vault,
            items: try objects.mapTyped { object throws(VaultError) in
                try KeyList.Item(object.head.name, object.head.current, deleted: object)
            }, nextLink: link)
    }
}
