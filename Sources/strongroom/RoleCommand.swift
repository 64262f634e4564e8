import Access
import ArgumentParser
import Domain
import NIOHTTP1

#if canImport(Glibc)
    import Glibc
#endif

/// Role assignments of the running server, by the API of Azure Resource Manager.
struct Role: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Assign roles on a running server.", subcommands: [Assign.self, Unassign.self, List.self])

    struct Target: ParsableArguments {
        @Option(help: "The object id of the principal.") var assignee: String
        @Option(help: "A role by name or GUID, such as 'Key Vault Secrets User'.") var role: String
        @Option(
            help: "/subscriptions/ID[/resourceGroups/GROUP[/providers/Microsoft.KeyVault/vaults/VAULT[/secrets/NAME]]]")
        var scope: String

        func resolved(_ connection: ConnectionOptions) async throws -> (principal: GUID, role: GUID, scope: Scope) {
            guard let principal = GUID(assignee) else {
                throw CommandFailure.usage("--assignee must be an object id (a GUID); see 'strongroom app list'")
            }
            guard let scope = Scope(scope) else {
                throw CommandFailure.usage("'\(self.scope)' is not a scope; see --help for its forms")
            }
            if let builtIn = BuiltInRoles.role(named: role) { return (principal, builtIn.id, scope) }
            let custom = try await Role.customRoles(try connection.client(), scope.description)
            guard let found = custom.first(where: { $0.name == role.lowercased() || $0.isCalled(role) }),
                let id = GUID(found.name)
            else {
                let names = BuiltInRoles.all.map(\.name) + custom.map(\.properties.roleName)
                throw CommandFailure.usage("there is no role '\(role)' here; roles: " + names.joined(separator: ", "))
            }
            return (principal, id, scope)
        }
    }

    /// A role that somebody made.
    struct Custom: Decodable {
        struct Properties: Decodable {
            let roleName: String
        }
        let name: String
        let properties: Properties

        func isCalled(_ text: String) -> Bool { properties.roleName.lowercased() == text.lowercased() }
    }

    /// Those that can be assigned at a scope.
    static func customRoles(_ client: ManagementClient, _ scope: String) async throws -> [Custom] {
        struct Answer: Decodable {
            let value: [Custom]
        }
        let filter = ManagementClient.formEncoded(Array("type eq 'CustomRole'".utf8))
        let answer = try await client.call(
            .GET, "\(scope)/providers/Microsoft.Authorization/roleDefinitions?api-version=2022-04-01&$filter=\(filter)")
        var limits = JSONLimits()
        limits.values = 1_000_000
        return try Answer.fromJSON(answer, limits: limits).value
    }

    struct Assignment: Decodable {
        struct Properties: Decodable {
            let roleDefinitionId: String
            let principalId: String
            let scope: String
        }
        let id: String
        let name: String
        let properties: Properties

        var roleName: String {
            let id = properties.roleDefinitionId.split(separator: "/").last.flatMap { GUID($0) }
            return id.flatMap { BuiltInRoles.role($0)?.name } ?? properties.roleDefinitionId
        }

        func write(to writer: inout JSONWriter) {
            writer.member("name", name)
            writer.member("principalId", properties.principalId)
            writer.member("roleName", roleName)
            writer.member("roleDefinitionId", properties.roleDefinitionId)
            writer.member("scope", properties.scope)
            writer.member("id", id)
        }

        func print(_ format: OutputFormat) {
            guard format == .json else {
                Terminal.print("\(properties.principalId)  \(roleName)  \(properties.scope)")
                return
            }
            var writer = JSONWriter()
            writer.object { write(to: &$0) }
            Terminal.print(String(decoding: writer.bytes, as: UTF8.self))
        }
    }

    static func assignments(_ client: ManagementClient, _ scope: String, _ filter: String) async throws -> [Assignment]
    {
        struct Answer: Decodable {
            let value: [Assignment]
        }
        var limits = JSONLimits()
        limits.values = 10_000_000
        let query = "?api-version=2022-04-01&$filter=" + ManagementClient.formEncoded(Array(filter.utf8))
        let answer = try await client.call(.GET, "\(scope)/providers/Microsoft.Authorization/roleAssignments\(query)")
        return try Answer.fromJSON(answer, limits: limits).value
    }

    struct Assign: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Give a principal a role at a scope.")
        @OptionGroup var target: Target
        @Option(help: "text or json.") var output = OutputFormat.text
        @OptionGroup var connection: ConnectionOptions

        func run() async throws {
            let (principal, role, scope) = try await target.resolved(connection)
            let client = try connection.client()
            var random = SystemRandomNumberGenerator()
            let id = GUID(random: (0..<16).map { _ in UInt8.random(in: 0...255, using: &random) })
            var body = JSONWriter()
            body.object { body in
                body.object("properties") { properties in
                    properties.member(
                        "roleDefinitionId",
                        "/subscriptions/\(client.subscription)/providers/Microsoft.Authorization/roleDefinitions/\(role)"
                    )
                    properties.member("principalId", principal)
                    properties.member("principalType", "ServicePrincipal")
                }
            }
            let path = "\(scope)/providers/Microsoft.Authorization/roleAssignments/\(id)?api-version=2022-04-01"
            try Assignment.fromJSON(try await client.call(.PUT, path, body: body.bytes)).print(output)
        }
    }

    struct Unassign: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Take a role at a scope away from a principal.")
        @OptionGroup var target: Target
        @OptionGroup var connection: ConnectionOptions

        func run() async throws {
            let (principal, role, scope) = try await target.resolved(connection)
            let client = try connection.client()
            let found = try await Role.assignments(client, scope.description, "principalId eq '\(principal)'").filter {
                Scope($0.properties.scope) == scope
                    && GUID($0.properties.roleDefinitionId.split(separator: "/").last ?? "") == role
            }
            guard !found.isEmpty else {
                throw CommandFailure("\(principal) does not hold '\(target.role)' at \(scope)")
            }
            for assignment in found { _ = try await client.call(.DELETE, assignment.id + "?api-version=2022-04-01") }
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "List role assignments at a scope, above it and below it.")
        @Option(help: "The scope. [default: the subscription]") var scope: String?
        @Option(help: "Only of the principal with this object id.") var assignee: String?
        @Option(help: "text or json.") var output = OutputFormat.text
        @OptionGroup var connection: ConnectionOptions

        func run() async throws {
            let client = try connection.client()
            let text = scope ?? "/subscriptions/\(client.subscription)"
            guard let scope = Scope(text) else { throw CommandFailure.usage("'\(text)' is not a scope") }
            var filter = "atScope()"
            if let assignee {
                guard let id = GUID(assignee) else {
                    throw CommandFailure.usage("--assignee must be an object id (a GUID)")
                }
                filter = "principalId eq '\(id)'"
            }
            let items = try await Role.assignments(client, scope.description, filter)
            if output == .json {
                var writer = JSONWriter()
                writer.array { list in for item in items { list.object { item.write(to: &$0) } } }
                Terminal.print(String(decoding: writer.bytes, as: UTF8.self))
            } else {
                for item in items { item.print(.text) }
            }
        }
    }
}
