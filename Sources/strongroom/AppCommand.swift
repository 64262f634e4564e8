import ArgumentParser
import Domain
import NIOHTTP1
import X509

/// Applications of the running server.
struct App: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Create and look after applications (clients) of a running server.",
        subcommands: [
            Create.self, List.self, Disable.self, Enable.self, Delete.self, ResetPassword.self, AddCertificate.self,
            RemoveCertificate.self, AddFederated.self, RemoveFederated.self,
        ])

    /// What the server tells of an application.
    struct Description: Decodable {
        let appId: String
        let displayName: String
        let objectId: String
        let enabled: Bool
        let created: String
        let password: String?
        let tenant: String
        let certificates: [Certificate]?

        struct Certificate: Decodable {
            let thumbprint: String
            let subject: String
            let notAfter: String
        }

        var json: String {
            var writer = JSONWriter()
            writer.object { write(to: &$0) }
            return String(decoding: writer.bytes, as: UTF8.self)
        }

        func write(to writer: inout JSONWriter) {
            writer.member("appId", appId)
            writer.member("displayName", displayName)
            writer.member("objectId", objectId)
            if let password { writer.member("password", password) } else { writer.member("enabled", enabled) }
            writer.member("tenant", tenant)
            if let certificates {
                writer.array("certificates") { list in
                    for certificate in certificates {
                        list.object { entry in
                            entry.member("thumbprint", certificate.thumbprint)
                            entry.member("subject", certificate.subject)
                            entry.member("notAfter", certificate.notAfter)
                        }
                    }
                }
            }
        }

        var text: String {
            var lines = ["appId        \(appId)", "displayName  \(displayName)", "objectId     \(objectId)"]
            lines.append(password.map { "password     \($0)" } ?? "enabled      \(enabled ? "yes" : "no")")
            lines.append("tenant       \(tenant)")
            for certificate in certificates ?? [] {
                lines.append(
                    "certificate  \(certificate.thumbprint) to \(certificate.notAfter.prefix(10)) \(certificate.subject)"
                )
            }
            return lines.joined(separator: "\n")
        }

        func print(_ format: OutputFormat) { Terminal.print(format == .json ? json : text) }
    }

    struct Create: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Create an application with a secret, which is shown once.")
        @Argument(help: "Its display name.") var name: String
        @Flag(help: "Make a managed identity, which has no secret: a certificate or another issuer proves it.")
        var managedIdentity = false
        @Option(
            name: .customLong("redirect-uri"),
            help: "Let people sign in through it and send them back there; may be given several times.")
        var redirectURI: [String] = []
        @Flag(
            name: .customLong("public"), help: "Make a public client, which has no secret: people sign in through it.")
        var isPublic = false
        @Option(help: "text or json.") var output = OutputFormat.text
        @OptionGroup var connection: ConnectionOptions

        func run() async throws {
            var body = JSONWriter()
            body.object { body in
                body.member("displayName", name)
                if managedIdentity { body.member("kind", "managedIdentity") }
                if !redirectURI.isEmpty {
                    body.array("redirectUris") { list in for address in redirectURI { list.string(address) } }
                }
                if isPublic { body.member("isPublicClient", true) }
            }
            let answer = try await connection.client().call(.POST, "/strongroom/applications", body: body.bytes)
            try Description.fromJSON(answer).print(output)
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List the applications.")
        @Option(help: "text or json.") var output = OutputFormat.text
        @OptionGroup var connection: ConnectionOptions

        func run() async throws {
            struct Answer: Decodable {
                let value: [Description]
            }
            var limits = JSONLimits()
            limits.values = 1_000_000
            let items = try Answer.fromJSON(
                try await connection.client().call(.GET, "/strongroom/applications"), limits: limits
            ).value
            if output == .json {
                var writer = JSONWriter()
                writer.array { list in for item in items { list.object { item.write(to: &$0) } } }
                Terminal.print(String(decoding: writer.bytes, as: UTF8.self))
            } else {
                Terminal.print(
                    ([
                        "appId                                 objectId                              state     displayName"
                    ]
                        + items.map {
                            "\($0.appId)  \($0.objectId)  \($0.enabled ? "enabled " : "disabled")  \($0.displayName)"
                        })
                        .joined(separator: "\n"))
            }
        }
    }

    struct Disable: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Refuse an application's secret and tokens from the next request on.")
        @Argument(help: "The application's appId.") var appID: String
        @Option(help: "text or json.") var output = OutputFormat.text
        @OptionGroup var connection: ConnectionOptions

        func run() async throws { try await post("disable", appID, connection).print(output) }
    }

    struct Enable: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Accept a disabled application again.")
        @Argument(help: "The application's appId.") var appID: String
        @Option(help: "text or json.") var output = OutputFormat.text
        @OptionGroup var connection: ConnectionOptions

        func run() async throws { try await post("enable", appID, connection).print(output) }
    }

    struct ResetPassword: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "reset-password",
            abstract: "Replace an application's secret; tokens of the old one are refused.")
        @Argument(help: "The application's appId.") var appID: String
        @Option(help: "text or json.") var output = OutputFormat.text
        @OptionGroup var connection: ConnectionOptions

        func run() async throws { try await post("resetPassword", appID, connection).print(output) }
    }

    struct AddCertificate: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "add-certificate", abstract: "Let an application prove who it is by a certificate's key.")
        @Argument(help: "The application's appId.") var appID: String
        @Option(help: "A PEM file with the certificate; a private key in it is passed over.") var certificate: String
        @Option(help: "text or json.") var output = OutputFormat.text
        @OptionGroup var connection: ConnectionOptions

        func run() async throws {
            let id = try identifier(appID)
            guard let bytes = DataFolder.read(file: certificate),
                let block = PEM.decode(String(decoding: bytes, as: UTF8.self))?.first(where: {
                    $0.label == "CERTIFICATE"
                })
            else { throw CommandFailure.usage("the file '\(certificate)' holds no certificate in PEM") }
            var body = JSONWriter()
            let text = Base64.encode(block.der)
            body.object { $0.member("certificate", text) }
            let answer = try await connection.client().call(
                .POST, "/strongroom/applications/\(id)/certificates", body: body.bytes)
            try Description.fromJSON(answer).print(output)
        }
    }

    struct RemoveCertificate: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "remove-certificate",
            abstract: "Refuse a certificate of an application; its tokens are refused too.")
        @Argument(help: "The application's appId.") var appID: String
        @Argument(help: "The certificate's SHA-1 thumbprint.") var thumbprint: String
        @Option(help: "text or json.") var output = OutputFormat.text
        @OptionGroup var connection: ConnectionOptions

        func run() async throws {
            let id = try identifier(appID)
            let digits = thumbprint.filter { $0 != ":" }
            guard Hex.decode(digits)?.count == 20 else {
                throw CommandFailure.usage("'\(thumbprint)' is not a thumbprint of 40 hexadecimal digits")
            }
            let answer = try await connection.client().call(
                .DELETE, "/strongroom/applications/\(id)/certificates/\(digits)")
            try Description.fromJSON(answer).print(output)
        }
    }

    struct Delete: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Delete an application.")
        @Argument(help: "The application's appId.") var appID: String
        @OptionGroup var connection: ConnectionOptions

        func run() async throws {
            _ = try await connection.client().call(.DELETE, "/strongroom/applications/\(try identifier(appID))")
        }
    }
}

private func post(_ action: String, _ appID: String, _ connection: ConnectionOptions) async throws -> App.Description {
    let path = "/strongroom/applications/\(try identifier(appID))/\(action)"
    return try App.Description.fromJSON(try await connection.client().call(.POST, path))
}

private func identifier(_ text: String) throws -> GUID {
    guard let id = GUID(text) else {
        throw CommandFailure.usage("'\(text)' is not an appId (a GUID); see 'strongroom app list'")
    }
    return id
}
