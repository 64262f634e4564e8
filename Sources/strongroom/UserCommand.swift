import ArgumentParser
import Domain
import NIOHTTP1

/// People of the running server.
struct UserCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "user", abstract: "Create and look after people of a running server.",
        subcommands: [
            Create.self, List.self, Show.self, Disable.self, Enable.self, ResetPassword.self, ResetAuthenticator.self,
            RemoveAuthenticator.self, RevokeSessions.self, SetIdentity.self, Delete.self,
        ])

    /// What the server tells of a person.
    struct Description: Decodable {
        struct Authenticator: Decodable {
            let secret: String
            let uri: String
        }

        let id: String
        let userPrincipalName: String
        let displayName: String
        let enabled: Bool
        let mustChangePassword: Bool
        let hasAuthenticator: Bool
        let password: String?
        let authenticator: Authenticator?

        var text: String {
            var lines = [
                "id             \(id)", "name           \(userPrincipalName)", "displayName    \(displayName)",
                "enabled        \(enabled ? "yes" : "no")",
            ]
            if let password {
                lines.append(
                    "password       \(password)\(mustChangePassword ? "  (to be changed at the first sign-in)" : "")")
            }
            if let authenticator {
                lines.append("authenticator  \(authenticator.secret)")
                lines.append("               \(authenticator.uri)")
            } else {
                lines.append("authenticator  \(hasAuthenticator ? "registered" : "none")")
            }
            return lines.joined(separator: "\n")
        }

        static func print(_ answer: [UInt8], _ format: OutputFormat) throws {
            guard format == .text else { return Terminal.print(String(decoding: answer, as: UTF8.self)) }
            Terminal.print(try Description.fromJSON(answer).text)
        }
    }

    static func path(_ user: String, _ action: String = "") -> String {
        "/strongroom/users/" + ManagementClient.formEncoded(Array(user.utf8)) + action
    }

    struct Create: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Create a person with a first password, which is shown once.")
        @Argument(help: "The name to sign in by, such as alice@example.com.") var name: String
        @Option(help: "The name to show. [default: the name to sign in by]") var displayName: String?
        @Flag(help: "Register an authenticator; its secret is shown once.") var authenticator = false
        @Option(help: "A file that holds the first password. [default: a random one]") var passwordFile: String?
        @Flag(help: "Do not ask for another password at the first sign-in.") var keepPassword = false
        @Option(help: "text or json.") var output = OutputFormat.text
        @OptionGroup var connection: ConnectionOptions

        func run() async throws {
            var password: String?
            if let passwordFile {
                guard let bytes = DataFolder.read(file: passwordFile),
                    let line = String(decoding: bytes, as: UTF8.self).split(whereSeparator: \.isNewline).first
                else { throw CommandFailure.configuration("the file '\(passwordFile)' cannot be read, or is empty") }
                password = String(line)
            }
            var body = JSONWriter()
            body.object { body in
                body.member("userPrincipalName", name)
                if let displayName { body.member("displayName", displayName) }
                if let password { body.member("password", password) }
                body.member("authenticator", authenticator)
                body.member("mustChangePassword", !keepPassword)
            }
            let answer = try await connection.client().call(.POST, "/strongroom/users", body: body.bytes)
            try Description.print(answer, output)
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List the people.")
        @Option(help: "text or json.") var output = OutputFormat.text
        @OptionGroup var connection: ConnectionOptions

        func run() async throws {
            struct Answer: Decodable { let value: [Description] }
            let answer = try await connection.client().call(.GET, "/strongroom/users")
            guard output == .text else { return Terminal.print(String(decoding: answer, as: UTF8.self)) }
            var limits = JSONLimits()
            limits.values = 1_000_000
            for user in try Answer.fromJSON(answer, limits: limits).value {
                Terminal.print("\(user.id)  \(user.enabled ? "enabled " : "disabled")  \(user.userPrincipalName)")
            }
        }
    }

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Show a person.")
        @Argument(help: "The name or the id.") var user: String
        @Option(help: "text or json.") var output = OutputFormat.text
        @OptionGroup var connection: ConnectionOptions

        func run() async throws {
            try Description.print(try await connection.client().call(.GET, UserCommand.path(user)), output)
        }
    }

    struct Disable: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Refuse a person's sign-ins and tokens from the next request on.")
        @OptionGroup var change: Change
        func run() async throws { try await change.post("/disable") }
    }

    struct Enable: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Accept a disabled person again.")
        @OptionGroup var change: Change
        func run() async throws { try await change.post("/enable") }
    }

    struct ResetPassword: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "reset-password",
            abstract: "Give a person a new first password; they are signed out everywhere.")
        @OptionGroup var change: Change
        func run() async throws { try await change.post("/resetPassword") }
    }

    struct ResetAuthenticator: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "reset-authenticator",
            abstract: "Register a new authenticator; its secret is shown once, and codes of an old one are refused.")
        @OptionGroup var change: Change
        func run() async throws { try await change.post("/resetAuthenticator") }
    }

    struct RemoveAuthenticator: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "remove-authenticator", abstract: "Let a person sign in by the password alone.")
        @OptionGroup var change: Change
        func run() async throws { try await change.post("/removeAuthenticator") }
    }

    struct RevokeSessions: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "revoke-sessions", abstract: "Sign a person out everywhere.")
        @OptionGroup var change: Change
        func run() async throws { try await change.post("/revokeSessions") }
    }

    struct SetIdentity: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "set-identity",
            abstract: "Let bearer tokens of another issuer stand for a person; without options, none do.",
            discussion: "The issuer must be one that the server is configured to trust.")
        @Argument(help: "The name or the id.") var user: String
        @Option(help: "The issuer, as its tokens name it in 'iss'.") var issuer: String?
        @Option(help: "The subject, as its tokens name it in 'sub'.") var subject: String?
        @OptionGroup var connection: ConnectionOptions

        func validate() throws {
            guard (issuer == nil) == (subject == nil) else {
                throw ValidationError("give both --issuer and --subject, or neither")
            }
        }

        func run() async throws {
            var body = JSONWriter()
            body.object { body in
                body.array("identities") { list in
                    guard let issuer, let subject else { return }
                    list.object { identity in
                        identity.member("signInType", "federated")
                        identity.member("issuer", issuer)
                        identity.member("issuerAssignedId", subject)
                    }
                }
            }
            _ = try await connection.client().call(
                graph: .PATCH, "/v1.0/users/" + ManagementClient.formEncoded(Array(user.utf8)), body: body.bytes)
        }
    }

    struct Delete: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Delete a person.")
        @Argument(help: "The name or the id.") var user: String
        @OptionGroup var connection: ConnectionOptions

        func run() async throws { _ = try await connection.client().call(.DELETE, UserCommand.path(user)) }
    }

    /// What all changes of a person take.
    struct Change: ParsableArguments {
        @Argument(help: "The name or the id.") var user: String
        @Option(help: "text or json.") var output = OutputFormat.text
        @OptionGroup var connection: ConnectionOptions

        func post(_ action: String) async throws {
            try Description.print(try await connection.client().call(.POST, UserCommand.path(user, action)), output)
        }
    }
}
