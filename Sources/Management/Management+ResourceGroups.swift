import Access
package import Barrier
package import Domain
import FoundationEssentials
import Operations
import Store
import Synchronization

/// Resource groups: names under which vaults are put together, and scopes of roles.
///
/// - Source: Azure REST "Resource Groups", 2022-12-01.
package final class ResourceGroupTable: Sendable {
    struct Group: Sendable, Codable {
        var format = 1
        let name: String
        let location: String
        var tags: [String: String]?
    }

    private static let prefix = "management/group/"
    private let current: Mutex<[String: Group]>
    /// That of the configuration, which is always there.
    let standing: String

    package init(loadingFrom reader: any RecordReader, standing name: String, location: String) throws(VaultError) {
        standing = name.lowercased()
        var groups = [standing: Group(name: name, location: location)]
        for entry in try reader.records(in: KeyRange(prefix: Self.prefix), limit: .max) {
            guard let group = try? JSONDecoder().decode(Group.self, from: Data(entry.value)), group.format == 1 else {
                throw .integrity(record: entry.key)
            }
            groups[group.name.lowercased()] = group
        }
        current = Mutex(groups)
    }

    var all: [Group] { current.withLock { Array($0.values) } }

    static func put(_ group: Group, in transaction: Transaction) throws(VaultError) {
        guard let bytes = try? JSONEncoder().encode(group) else { throw .internal("a group could not be encoded") }
        try transaction.put(Array(bytes), at: prefix + group.name.lowercased(), in: .system)
    }

    static func remove(_ name: String, in transaction: Transaction) throws(VaultError) {
        try transaction.remove(prefix + name.lowercased())
    }

    func publish(_ group: Group) { current.withLock { $0[group.name.lowercased()] = group } }

    func withdraw(_ name: String) { current.withLock { $0[name.lowercased()] = nil } }
}

extension Management {
    private static let group = "/subscriptions/{subscription}/resourcegroups/{group}"

    var resourceGroupOperations: [any AnyOperation] {
        // Who is known may know in which cloud.
        let known = Requirement.perItem(.vaultsRead)
        return [
            Operation(
                "ResourceGroupList", .get, on: .management, "/subscriptions/{subscription}/resourcegroups",
                requires: known, run: listGroups),
            Operation("ResourceGroupGet", .get, on: .management, Self.group, requires: known, run: getGroup),
            Operation(
                "ResourceGroupPut", .put, on: .management, Self.group,
                requires: .atScope(.resourceGroupsWrite, scope: Self.scope), run: putGroup),
            Operation(
                "ResourceGroupDelete", .delete, on: .management, Self.group,
                requires: .atScope(.resourceGroupsDelete, scope: Self.scope), run: deleteGroup),
        ]
    }

    /// Those that were made, and those that vaults or pools are in.
    var groups: [ResourceGroupTable.Group] {
        var found = resourceGroups.all
        for vault in vaults.all
        where !found.contains(where: { $0.name.lowercased() == vault.resourceGroup.lowercased() }) {
            found.append(ResourceGroupTable.Group(name: vault.resourceGroup, location: vault.location))
        }
        return found.sorted { $0.name.lowercased() < $1.name.lowercased() }
    }

    private func write(_ group: ResourceGroupTable.Group, to writer: inout JSONWriter) {
        writer.member("id", "/subscriptions/\(subscription)/resourceGroups/\(group.name)")
        writer.member("name", group.name)
        writer.member("type", "Microsoft.Resources/resourceGroups")
        writer.member("location", group.location)
        writer.object("tags") { Self.write(group.tags ?? [:], to: &$0) }
        writer.object("properties") { $0.member("provisioningState", "Succeeded") }
    }

    func listGroups(_ input: SubscriptionInput, _ call: Call) async throws(VaultError) -> JSONOutput {
        try requireOwn(input)
        return JSONOutput.list { list in for group in groups { list.object { write(group, to: &$0) } } }
    }

    func getGroup(_ input: SubscriptionInput, _ call: Call) async throws(VaultError) -> JSONOutput {
        try requireOwn(input)
        let wanted = input.group ?? ""
        guard let group = groups.first(where: { $0.name.lowercased() == wanted.lowercased() }) else {
            throw VaultError(.resourceGroupNotFound, "Resource group '\(wanted.prefix(90))' could not be found.")
        }
        return JSONOutput { write(group, to: &$0) }
    }

    struct GroupInput: OperationInput {
        let place: SubscriptionInput
        let location: String
        let tags: [String: String]?

        init(_ request: Request) throws(VaultError) {
            struct Body: Decodable {
                let location: String
                let tags: [String: String]?
            }
            place = try SubscriptionInput(request)
            let body = try Body.fromJSON(request.body)
            location = try VaultBody.normalized(body.location)
            tags = body.tags
            if let tags { try VaultBody.check(tags) }
        }
    }

    func putGroup(_ input: GroupInput, _ call: Call) async throws(VaultError) -> JSONOutput {
        try requireOwn(input.place)
        let name = input.place.group ?? ""
        let known = groups.first { $0.name.lowercased() == name.lowercased() }
        if let known, known.location != input.location {
            throw VaultError(
                .conflict,
                "The resource group '\(known.name)' already exists in location '\(known.location)'; its location cannot be changed."
            )
        }
        let group = ResourceGroupTable.Group(name: known?.name ?? name, location: input.location, tags: input.tags)
        try await call.commit { transaction throws(VaultError) in try ResourceGroupTable.put(group, in: transaction) }
        resourceGroups.publish(group)
        return JSONOutput { write(group, to: &$0) }
    }

    /// Removes an empty group. One with vaults in it is refused: vaults are deleted one by one, by name.
    func deleteGroup(_ input: SubscriptionInput, _ call: Call) async throws(VaultError) -> NoContentOr200 {
        try requireOwn(input)
        let name = input.group ?? ""
        guard groups.contains(where: { $0.name.lowercased() == name.lowercased() }) else {
            throw VaultError(.resourceGroupNotFound, "Resource group '\(name.prefix(90))' could not be found.")
        }
        guard name.lowercased() != resourceGroups.standing else {
            throw VaultError(.conflict, "The resource group '\(name)' is the server's own and cannot be deleted.")
        }
        let held = vaults.entries.filter { $0.settings.resourceGroup.lowercased() == name.lowercased() }
        guard held.isEmpty else {
            throw VaultError(
                .conflict,
                "The resource group '\(name)' holds \(held.count) vaults or pools, deleted ones included, and cannot be deleted."
            )
        }
        let scope = Scope.resourceGroup(name, in: subscription)
        // Roles and policies at it end with it: another group of its name must not find them.
        let roles = try await call.commit { transaction throws(VaultError) -> [GUID] in
            try ResourceGroupTable.remove(name, in: transaction)
            try ExtensionTable.removeAll(at: scope, in: transaction)
            return try Self.removeRoles(at: scope, in: transaction)
        }
        resourceGroups.withdraw(name)
        for role in roles { access.reload(role, from: call.lane.reader, committed: nil) }
        return NoContentOr200(isAbsent: false)
    }
}
