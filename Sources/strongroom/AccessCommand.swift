import ArgumentParser
import Domain
import NIOHTTP1

/// What is demanded of people beside their roles.
struct AccessCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "access", abstract: "Say where people need a second factor.",
        subcommands: [RequireMFA.self, ShowMFA.self])

    struct Demands: Decodable {
        struct Role: Decodable {
            let id: String
            let name: String
        }

        let roles: [Role]
        let scopes: [String]

        static func print(_ answer: [UInt8], _ format: OutputFormat) throws {
            guard format == .text else { return Terminal.print(String(decoding: answer, as: UTF8.self)) }
            let demands = try Demands.fromJSON(answer)
            for role in demands.roles { Terminal.print("role   \(role.id)  \(role.name)") }
            for scope in demands.scopes { Terminal.print("scope  \(scope)") }
        }
    }

    fileprivate static let path = "/strongroom/mfaDemands"

    struct RequireMFA: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "require-mfa",
            abstract: "Let a role, or whatever is in a scope, ask people for a second factor.")
        @Option(help: "A role, by name or id.") var role: [String] = []
        @Option(help: "A scope, such as that of a vault.") var scope: [String] = []
        @Flag(help: "Take the demand back.") var remove = false
        @Option(help: "text or json.") var output = OutputFormat.text
        @OptionGroup var connection: ConnectionOptions

        func validate() throws {
            guard !role.isEmpty || !scope.isEmpty else { throw ValidationError("give --role or --scope") }
        }

        func run() async throws {
            let client = try connection.client()
            let known = try Demands.fromJSON(try await client.call(.GET, AccessCommand.path))
            let named = Set(role.map { $0.lowercased() })
            let scoped = Set(scope.map { $0.lowercased() })
            let roles = known.roles.filter {
                !named.contains($0.id.lowercased()) && !named.contains($0.name.lowercased())
            }
            let scopes = known.scopes.filter { !scoped.contains($0.lowercased()) }
            if remove {
                guard known.roles.count + known.scopes.count - roles.count - scopes.count == role.count + scope.count
                else {
                    throw CommandFailure("not everything that was named demands a second factor; see 'access show-mfa'")
                }
            }
            var body = JSONWriter()
            body.object { body in
                body.array("roles") { list in
                    for id in roles.map(\.id) + (remove ? [] : role) { list.string(id) }
                }
                body.array("scopes") { list in for one in scopes + (remove ? [] : scope) { list.string(one) } }
            }
            try Demands.print(try await client.call(.PUT, AccessCommand.path, body: body.bytes), output)
        }
    }

    struct ShowMFA: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "show-mfa", abstract: "List the roles and scopes that ask people for a second factor.")
        @Option(help: "text or json.") var output = OutputFormat.text
        @OptionGroup var connection: ConnectionOptions

        func run() async throws {
            try Demands.print(try await connection.client().call(.GET, AccessCommand.path), output)
        }
    }
}
