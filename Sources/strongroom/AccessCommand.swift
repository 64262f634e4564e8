import ArgumentParser
import Domain
import NIOHTTP1

/// Why somebody may do something, and what is demanded of people beside their roles.
struct AccessCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "access", abstract: "Explain who may do what, and say where people need a second factor.",
        subcommands: [Explain.self, RequireMFA.self, ShowMFA.self])

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
            let scoped = Set(scope.map { ($0.hasSuffix("/") ? String($0.dropLast()) : $0).lowercased() })
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

    struct Explain: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Say why somebody may do something, or may not, step by step; exits 1 when they may not.")
        @Option(help: "An object id, an appId, or the name of a person.") var assignee: String
        @Option(help: "An operation, such as SecretGet; see 'strongroom operations'.") var operation: String
        @Option(help: "The scope: a vault, one object in it, a pool, a resource group or the subscription.") var scope:
            String
        @Option(help: "The address that the call comes from.") var address: String?
        @Option(help: "The private endpoint that the call comes by.") var privateEndpoint: String?
        @Option(help: "The appId of the client that a person calls through; for access policies that name one.")
        var client: String?
        @Flag(help: "As if the person had signed in with a second factor.") var mfa = false
        @Option(help: "text or json.") var output = OutputFormat.text
        @OptionGroup var connection: ConnectionOptions

        private struct Answer: Decodable {
            struct Step: Decodable {
                let step: String
                let passed: Bool?
                let detail: String
            }

            struct Assignment: Decodable {
                let roleName: String
                let scope: String
                let reachesScope: Bool
                let includesPermission: Bool
                let grants: Bool
            }

            let allowed: Bool
            let steps: [Step]
            let assignments: [Assignment]
        }

        func run() async throws {
            var query = [
                ("principal", assignee), ("operation", operation), ("scope", scope), ("mfa", mfa ? "true" : "false"),
            ]
            if let address { query.append(("address", address)) }
            if let privateEndpoint { query.append(("privateEndpoint", privateEndpoint)) }
            if let client { query.append(("client", client)) }
            let text = query.map { "\($0.0)=\(ManagementClient.formEncoded(Array($0.1.utf8)))" }.joined(separator: "&")
            let bytes = try await connection.client().call(.GET, "/strongroom/access/explanation?" + text)
            let answer = try Answer.fromJSON(bytes)
            if output == .json {
                Terminal.print(String(decoding: bytes, as: UTF8.self))
            } else {
                for step in answer.steps {
                    let mark = step.passed.map { $0 ? "yes" : "NO " } ?? "   "
                    Terminal.print("\(mark)  \(step.step): \(step.detail)")
                }
                for one in answer.assignments {
                    let why =
                        one.grants
                        ? "grants it"
                        : !one.reachesScope
                            ? "does not reach the scope"
                            : !one.includesPermission ? "does not hold it" : "asks for more"
                    Terminal.print("     - \(one.roleName) at \(one.scope): \(why)")
                }
                Terminal.print(answer.allowed ? "allowed" : "denied")
            }
            guard answer.allowed else { throw ExitCode(1) }
        }
    }
}
