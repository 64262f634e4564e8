import ArgumentParser
import Domain
import NIOHTTP1

/// Groups of the running server's directory.
struct Group: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Put applications and groups into groups, which hold roles for their members.",
        subcommands: [Create.self, List.self, Delete.self, Members.self, AddMember.self, RemoveMember.self])

    /// What the server tells of a member of the directory.
    struct Entry: Decodable {
        let id: String
        let displayName: String
        let kind: String?

        enum CodingKeys: String, CodingKey {
            case id, displayName
            case kind = "@odata.type"
        }

        static func print(_ answer: [UInt8], _ format: OutputFormat) throws {
            guard format == .text else { return Terminal.print(String(decoding: answer, as: UTF8.self)) }
            struct List: Decodable { let value: [Entry] }
            var limits = JSONLimits()
            limits.values = 1_000_000
            let entries = try (try? List.fromJSON(answer, limits: limits))?.value ?? [Entry.fromJSON(answer)]
            for entry in entries {
                let kind = entry.kind.map { String($0.dropFirst("#microsoft.graph.".count)) } ?? ""
                Terminal.print("\(entry.id)  \(kind)  \(entry.displayName)")
            }
        }
    }

    static func path(_ group: String, _ rest: String = "") throws -> String {
        guard let id = GUID(group) else {
            throw CommandFailure.usage("'\(group)' is not the id of a group (a GUID); see 'strongroom group list'")
        }
        return "/v1.0/groups/\(id)\(rest)"
    }

    struct Create: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Create a group.")
        @Argument(help: "Its display name.") var name: String
        @Option(help: "text or json.") var output = OutputFormat.text
        @OptionGroup var connection: ConnectionOptions

        func run() async throws {
            var body = JSONWriter()
            body.object { $0.member("displayName", name) }
            try Entry.print(try await connection.client().call(graph: .POST, "/v1.0/groups", body: body.bytes), output)
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List the groups.")
        @Option(help: "text or json.") var output = OutputFormat.text
        @OptionGroup var connection: ConnectionOptions

        func run() async throws {
            try Entry.print(try await connection.client().call(graph: .GET, "/v1.0/groups"), output)
        }
    }

    struct Delete: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Delete a group.")
        @Argument(help: "The group's id.") var group: String
        @OptionGroup var connection: ConnectionOptions

        func run() async throws { _ = try await connection.client().call(graph: .DELETE, try Group.path(group)) }
    }

    struct Members: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List the members of a group.")
        @Argument(help: "The group's id.") var group: String
        @Option(help: "text or json.") var output = OutputFormat.text
        @OptionGroup var connection: ConnectionOptions

        func run() async throws {
            try Entry.print(try await connection.client().call(graph: .GET, try Group.path(group, "/members")), output)
        }
    }

    struct AddMember: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "add-member", abstract: "Put an application or a group into a group.")
        @Argument(help: "The group's id.") var group: String
        @Argument(help: "The object id of the member.") var member: String
        @OptionGroup var connection: ConnectionOptions

        func run() async throws {
            guard let id = GUID(member) else { throw CommandFailure.usage("'\(member)' is not an object id (a GUID)") }
            let client = try connection.client()
            var body = JSONWriter()
            body.object { $0.member(named: "@odata.id", client.graphURL + "/v1.0/directoryObjects/\(id)") }
            _ = try await client.call(graph: .POST, try Group.path(group, "/members/$ref"), body: body.bytes)
        }
    }

    struct RemoveMember: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "remove-member", abstract: "Take a member out of a group.")
        @Argument(help: "The group's id.") var group: String
        @Argument(help: "The object id of the member.") var member: String
        @OptionGroup var connection: ConnectionOptions

        func run() async throws {
            guard let id = GUID(member) else { throw CommandFailure.usage("'\(member)' is not an object id (a GUID)") }
            _ = try await connection.client().call(graph: .DELETE, try Group.path(group, "/members/\(id)/$ref"))
        }
    }
}
