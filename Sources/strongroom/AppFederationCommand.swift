import ArgumentParser
import Domain
import NIOHTTP1

extension App {
    struct AddFederated: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "add-federated",
            abstract: "Let tokens of another issuer stand for an application (workload identity federation).",
            discussion: "The issuer must be one that the server is configured to trust.")
        @Argument(help: "The application's appId.") var appID: String
        @Option(help: "The issuer, as its tokens name it in 'iss'.") var issuer: String
        @Option(help: "The subject, as its tokens name it in 'sub'.") var subject: String
        @Option(help: "What its tokens name in 'aud'.") var audience = "api://AzureADTokenExchange"
        @Option(help: "A name for it.") var name: String
        @OptionGroup var connection: ConnectionOptions

        func run() async throws {
            guard let id = GUID(appID) else { throw CommandFailure.usage("'\(appID)' is not an appId (a GUID)") }
            var body = JSONWriter()
            body.object { body in
                body.member("name", name)
                body.member("issuer", issuer)
                body.member("subject", subject)
                body.array("audiences") { $0.string(audience) }
            }
            let answer = try await connection.client().call(
                graph: .POST, "/v1.0/applications/\(id)/federatedIdentityCredentials", body: body.bytes)
            Terminal.print(String(decoding: answer, as: UTF8.self))
        }
    }

    struct RemoveFederated: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "remove-federated",
            abstract: "Refuse the tokens of another issuer for an application; what they got is refused too.")
        @Argument(help: "The application's appId.") var appID: String
        @Argument(help: "The name of the federated credential.") var name: String
        @OptionGroup var connection: ConnectionOptions

        func run() async throws {
            guard let id = GUID(appID) else { throw CommandFailure.usage("'\(appID)' is not an appId (a GUID)") }
            let word = ManagementClient.formEncoded(Array(name.utf8))
            _ = try await connection.client().call(
                graph: .DELETE, "/v1.0/applications/\(id)/federatedIdentityCredentials/\(word)")
        }
    }
}
