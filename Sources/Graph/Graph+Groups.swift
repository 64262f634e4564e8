import Barrier
import Domain
import Identity
import Operations

/// Groups and who is in them; in force for the very next request of a member.
extension Graph {
    var groupOperations: [any AnyOperation] {
        let (read, write) = (Self.anywhere(.applicationsRead), Self.anywhere(.applicationsWrite))
        let item = "/v1.0/groups/{id}"
        return [
            Operation("GroupList", .get, on: .graph, "/v1.0/groups", requires: read, run: listGroups),
            Operation("GroupCreate", .post, on: .graph, "/v1.0/groups", requires: write, status: 201, run: createGroup),
            Operation("GroupGet", .get, on: .graph, item, requires: read, run: getGroup),
            Operation("GroupUpdate", .patch, on: .graph, item, requires: write, status: 204, run: updateGroup),
            Operation(
                "GroupDelete", .delete, on: .graph, item, requires: Self.anywhere(.applicationsDelete), status: 204,
                run: deleteGroup),
            Operation("GroupMemberList", .get, on: .graph, item + "/members", requires: read, run: listMembers),
            Operation(
                "GroupMemberAdd", .post, on: .graph, item + "/members/$ref", requires: write, status: 204,
                run: addMember),
            Operation(
                "GroupMemberRemove", .delete, on: .graph, item + "/members/{member}/$ref", requires: write, status: 204,
                run: removeMember),
        ]
    }

    func write(_ group: DirectoryGroup, to writer: inout JSONWriter) {
        writer.member(named: "@odata.type", "#microsoft.graph.group")
        writer.member("id", group.id)
        writer.member("displayName", group.displayName)
        if !group.description.isEmpty { writer.member("description", group.description) }
        writer.member("createdDateTime", group.created.iso8601)
        writer.array("groupTypes") { _ in }
        writer.member("mailEnabled", false)
        if let nickname = group.mailNickname { writer.member("mailNickname", nickname) }
        writer.member("securityEnabled", true)
    }

    struct GroupFilter: OperationInput {
        let filter: GraphFilter

        init(_ request: Request) throws(VaultError) {
            filter = try GraphFilter(
                request.query.value("$filter") ?? "", on: ["id", "displayname", "mailnickname"])
        }
    }

    func listGroups(_ input: GroupFilter, _ call: Call) async throws(VaultError) -> JSONOutput {
        let found = directory.groups.filter { group in
            input.filter.holds { name in
                switch name {
                case "id": [group.id.description]
                case "displayname": [group.displayName]
                default: group.mailNickname.map { [$0] } ?? []
                }
            }
        }
        let sorted = found.sorted { ($0.displayName.lowercased(), $0.id) < ($1.displayName.lowercased(), $1.id) }
        return list("groups", sorted) { write($0, to: &$1) }
    }

    struct GroupInput: OperationInput {
        let id: String
        let displayName: String?
        let description: String?
        let mailNickname: String?

        init(_ request: Request) throws(VaultError) {
            struct Body: Decodable {
                let displayName: String?
                let description: String?
                let mailNickname: String?
                let securityEnabled: Bool?
                let mailEnabled: Bool?
            }
            id = request.parameter("id") ?? ""
            let body = try Body.fromJSON(request.body)
            guard body.securityEnabled != false, body.mailEnabled != true else {
                throw .badParameter("Groups here are security groups without mail.")
            }
            for (name, value, most) in [
                ("displayName", body.displayName, 256), ("description", body.description, 1_024),
                ("mailNickname", body.mailNickname, 64),
            ] {
                guard let value else { continue }
                guard value.utf16.count <= most, value.isPrintable, name == "description" || !value.isEmpty else {
                    throw .badParameter(
                        "Property '\(name)' has invalid value: it must be at most \(most) printable characters.\r\n")
                }
            }
            mailNickname = body.mailNickname
            (displayName, description) = (body.displayName, body.description)
        }
    }

    func createGroup(_ input: GroupInput, _ call: Call) async throws(VaultError) -> JSONOutput {
        guard let name = input.displayName else {
            throw .badParameter("The request body lacks the member 'displayName'.")
        }
        let group = DirectoryGroup(
            id: call.lane.newGUID(), displayName: name, description: input.description ?? "",
            mailNickname: input.mailNickname, created: call.now)
        call.concerns(objectID: "/strongroom/groups/\(group.id)")
        try await call.commit { transaction throws(VaultError) in try GroupTable.put(group, in: transaction) }
        directory.reloadGroup(group.id, from: call.lane.reader, committed: group)
        return JSONOutput(status: 201) { write(group, to: &$0) }
    }

    private func group(_ text: String) throws(VaultError) -> DirectoryGroup {
        guard let group = GUID(text).flatMap({ directory.group($0) }) else { throw Self.absent("group", text) }
        return group
    }

    func getGroup(_ input: ObjectInput, _ call: Call) async throws(VaultError) -> JSONOutput {
        let group = try group(input.id)
        return JSONOutput { write(group, to: &$0) }
    }

    private func change(
        _ text: String, _ call: Call, _ change: @escaping @Sendable (inout DirectoryGroup) throws(VaultError) -> Void
    ) async throws(VaultError) -> NoContent {
        let id = try group(text).id
        let changed = try await call.commit { transaction throws(VaultError) -> DirectoryGroup in
            guard var group = try GroupTable.group(id, in: transaction) else { throw Self.absent("group", text) }
            try change(&group)
            try GroupTable.put(group, in: transaction)
            return group
        }
        directory.reloadGroup(id, from: call.lane.reader, committed: changed)
        return NoContent()
    }

    func updateGroup(_ input: GroupInput, _ call: Call) async throws(VaultError) -> NoContent {
        call.concerns(objectID: "/strongroom/groups/\(input.id.prefix(64))")
        return try await change(input.id, call) { group in
            group.displayName = input.displayName ?? group.displayName
            group.description = input.description ?? group.description
            group.mailNickname = input.mailNickname ?? group.mailNickname
        }
    }

    /// Its role assignments stay, naming nobody.
    func deleteGroup(_ input: ObjectInput, _ call: Call) async throws(VaultError) -> NoContent {
        let id = try group(input.id).id
        call.concerns(objectID: "/strongroom/groups/\(id)")
        let parents = try await call.commit { transaction throws(VaultError) -> [DirectoryGroup] in
            try GroupTable.remove(id, in: transaction)
            var parents: [DirectoryGroup] = []
            for var parent in try GroupTable.all(in: transaction) where parent.members.contains(id) {
                parent.members.removeAll { $0 == id }
                try GroupTable.put(parent, in: transaction)
                parents.append(parent)
            }
            return parents
        }
        directory.reloadGroup(id, from: call.lane.reader, committed: nil)
        for parent in parents { directory.reloadGroup(parent.id, from: call.lane.reader, committed: parent) }
        return NoContent()
    }

    // MARK: Members

    func listMembers(_ input: ObjectInput, _ call: Call) async throws(VaultError) -> JSONOutput {
        let members = try group(input.id).members.compactMap { object($0) }
        return list("directoryObjects", members) { write($0, to: &$1) }
    }

    struct MemberInput: OperationInput {
        let id: String
        let member: GUID

        init(_ request: Request) throws(VaultError) {
            struct Body: Decodable {
                let address: String

                enum CodingKeys: String, CodingKey { case address = "@odata.id" }
            }
            id = request.parameter("id") ?? ""
            let text = try Body.fromJSON(request.body).address
            guard let member = text.split(separator: "/").last.flatMap({ GUID($0) }) else {
                throw .badParameter("The member '@odata.id' must be an address that ends in an object id.")
            }
            self.member = member
        }
    }

    func addMember(_ input: MemberInput, _ call: Call) async throws(VaultError) -> NoContent {
        let (id, member) = (try group(input.id).id, input.member)
        call.concerns(objectID: "/strongroom/groups/\(id)/members/\(member)")
        guard object(member) != nil else { throw Self.absent("directoryObject", member.description) }
        guard member != id else { throw .badParameter("A group cannot be a member of itself.") }
        return try await change(input.id, call) { group throws(VaultError) in
            guard !group.members.contains(member) else {
                throw .badParameter(
                    "One or more added object references already exist for the following modified properties: 'members'."
                )
            }
            guard group.members.count < DirectoryGroup.mostMembers else {
                throw .badParameter("A group has at most \(DirectoryGroup.mostMembers) members.")
            }
            group.members.append(member)
        }
    }

    func removeMember(_ input: ObjectInput, _ call: Call) async throws(VaultError) -> NoContent {
        guard let member = GUID(input.member) else { throw Self.absent("directoryObject", input.member) }
        call.concerns(objectID: "/strongroom/groups/\(input.id.prefix(64))/members/\(member)")
        return try await change(input.id, call) { group throws(VaultError) in
            guard group.members.contains(member) else { throw Self.absent("member", member.description) }
            group.members.removeAll { $0 == member }
        }
    }
}
