import ArgumentParser
import Domain
import FoundationEssentials
import NIOHTTP1

extension CertificateCommand {
    struct Create: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Make a certificate by a template, and wait for its issuer.")
        @Argument(help: "The name of the certificate.") var name: String
        @Option(help: "The name of the template.") var template: String
        @Option(name: .customLong("tag"), help: "A tag, KEY=VALUE; may be repeated.") var tags: [String] = []
        @OptionGroup var place: Authority.Place

        func run() async throws {
            let name = try Authority.validated(name)
            let pairs = try tags.map { text in
                let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
                guard parts.count == 2, !parts[0].isEmpty else {
                    throw CommandFailure.usage("--tag must be KEY=VALUE, not '\(text)'")
                }
                return (name: String(parts[0]), value: String(parts[1]))
            }
            var json = JSONWriter()
            json.object { body in
                body.member("template", template)
                if !pairs.isEmpty {
                    body.object("tags") { tags in for pair in pairs { tags.member(named: pair.name, pair.value) } }
                }
            }
            let reach = try place.reach()
            try await reach.make(name, json.bytes)
            let answer = try await reach.client.call(.GET, vault: reach.address, "/certificates/\(name)")
            struct Bundle: Decodable {
                let id: String
            }
            Terminal.print(try Bundle.fromJSON(answer).id)
        }
    }

    struct Template: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Look after the templates of a vault's certificates.",
            subcommands: [Set.self, Show.self, List.self, Delete.self])

        static func validated(_ name: String) throws -> String {
            guard ObjectName(name) != nil else {
                throw CommandFailure.usage("'\(name)' is not a valid name for a template")
            }
            return name
        }

        struct Set: AsyncParsableCommand {
            static let configuration = CommandConfiguration(
                abstract: "Make a template, or replace it.",
                discussion: """
                    The file is a policy as the REST interface has it (key_props …), or as az and PowerShell have it (keyProperties …), also
                    inside a member 'certificatePolicy'. Subject and alternative names may hold {{cert-name}} and {{vault-name}}.
                    """)
            @Argument(help: "The name of the template.") var name: String
            @Option(help: "A JSON file with the policy.") var policy: String
            @OptionGroup var place: Authority.Place

            func run() async throws {
                let name = try Template.validated(name)
                guard let bytes = DataFolder.read(file: policy) else {
                    throw CommandFailure.usage("the file '\(policy)' cannot be read")
                }
                let body = try PolicyFile.wireForm(bytes, file: policy)
                let reach = try place.reach()
                let answer = try await reach.client.call(
                    .PUT, vault: reach.address, "/certificatetemplates/\(name)", body: body)
                Terminal.print(String(decoding: answer, as: UTF8.self))
            }
        }

        struct Show: AsyncParsableCommand {
            static let configuration = CommandConfiguration(abstract: "Print a template.")
            @Argument(help: "The name of the template.") var name: String
            @OptionGroup var place: Authority.Place

            func run() async throws {
                let name = try Template.validated(name)
                let reach = try place.reach()
                let answer = try await reach.client.call(.GET, vault: reach.address, "/certificatetemplates/\(name)")
                Terminal.print(String(decoding: answer, as: UTF8.self))
            }
        }

        struct List: AsyncParsableCommand {
            static let configuration = CommandConfiguration(abstract: "List the templates of a vault.")
            @OptionGroup var place: Authority.Place

            private struct Page: Decodable {
                struct Item: Decodable {
                    let id: String
                }
                let value: [Item]
                let nextLink: String?
            }

            func run() async throws {
                let reach = try place.reach()
                var next: String? = "/certificatetemplates"
                while let path = next {
                    let page = try Page.fromJSON(try await reach.client.call(.GET, vault: reach.address, path))
                    for item in page.value { Terminal.print(item.id.split(separator: "/").last.map(String.init) ?? "") }
                    next = page.nextLink.flatMap { ManagementClient.path(of: $0) }
                }
            }
        }

        struct Delete: AsyncParsableCommand {
            static let configuration = CommandConfiguration(
                abstract: "Delete a template; certificates that were made by it stay as they are.")
            @Argument(help: "The name of the template.") var name: String
            @OptionGroup var place: Authority.Place

            func run() async throws {
                let name = try Template.validated(name)
                let reach = try place.reach()
                _ = try await reach.client.call(.DELETE, vault: reach.address, "/certificatetemplates/\(name)")
                Terminal.print("deleted \(name)")
            }
        }
    }
}
