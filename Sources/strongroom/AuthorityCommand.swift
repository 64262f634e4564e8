import ArgumentParser
import Domain
import FoundationEssentials
import NIOHTTP1

/// Certificate authorities of a running server.
struct Authority: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Set up and run certificate authorities of a vault.",
        subcommands: [
            CreateRoot.self, CreateIntermediate.self, Enable.self, Show.self, List.self, Issue.self, Issued.self,
            Revoke.self, Publish.self,
        ])

    /// The key and the names of a certificate that is made for an authority.
    struct CertificateOptions: ParsableArguments {
        @Option(help: "The subject, such as 'CN=Example Root, O=Example'.") var subject: String
        @Option(help: "RSA, EC, RSA-HSM or EC-HSM.") var keyType = "EC"
        @Option(help: "Bits of an RSA key.") var keySize: Int?
        @Option(help: "The curve of an EC key. [default: P-384]") var curve: String?
        @Option(help: "How many authorities may follow below it.") var pathLength: Int?
        @Option(
            name: .customLong("permit"),
            help: "A name that is allowed below it, such as DNS:example.com; may be repeated.")
        var permitted: [String] = []
        @Option(name: .customLong("exclude"), help: "A name that is not allowed below it; may be repeated.")
        var excluded: [String] = []

        func policy(issuer: String, type: String?, months: Int) -> [UInt8] {
            var json = JSONWriter()
            json.object { body in
                body.object("policy") { policy in
                    policy.object("key_props") { key in
                        key.member("kty", keyType)
                        key.member("exportable", false)
                        key.member("reuse_key", false)
                        if keyType.uppercased().hasPrefix("EC") {
                            key.member("crv", curve ?? "P-384")
                        } else {
                            key.member("key_size", keySize ?? 4_096)
                        }
                    }
                    policy.object("secret_props") { $0.member("contentType", "application/x-pem-file") }
                    policy.object("x509_props") { props in
                        props.member("subject", subject)
                        props.array("ekus") { _ in }
                        props.array("key_usage") { list in
                            for usage in ["keyCertSign", "cRLSign", "digitalSignature"] { list.string(usage) }
                        }
                        props.member("validity_months", months)
                        props.object("basic_constraints") { constraints in
                            constraints.member("ca", true)
                            if let pathLength { constraints.member("path_length", pathLength) }
                        }
                        if !permitted.isEmpty || !excluded.isEmpty {
                            props.object("name_constraints") { names in
                                if !permitted.isEmpty {
                                    names.array("permitted") { list in for name in permitted { list.string(name) } }
                                }
                                if !excluded.isEmpty {
                                    names.array("excluded") { list in for name in excluded { list.string(name) } }
                                }
                            }
                        }
                    }
                    policy.object("issuer") { entry in
                        entry.member("name", issuer)
                        if let type { entry.member("cty", type) }
                    }
                    policy.array("lifetime_actions") { _ in }
                }
            }
            return json.bytes
        }
    }

    /// Which vault.
    struct Place: ParsableArguments {
        @Option(help: "The vault. [default: that of $VAULT_URL]") var vault: String?
        @OptionGroup var connection: ConnectionOptions

        func reach() throws -> Reach {
            Reach(client: try connection.client(), address: try connection.vaultAddress(vault))
        }
    }

    /// A vault of a running server.
    struct Reach {
        let client: ManagementClient
        let address: String

        /// Makes a certificate and waits until its issuer has answered.
        func make(_ name: String, _ body: [UInt8]) async throws {
            struct Pending: Decodable {
                struct Failure: Decodable {
                    let message: String
                }
                let status: String
                let error: Failure?
            }
            _ = try await client.call(.POST, vault: address, "/certificates/\(name)/create", body: body)
            for _ in 0..<120 {
                let pending = try Pending.fromJSON(
                    try await client.call(.GET, vault: address, "/certificates/\(name)/pending"))
                if pending.status == "completed" { return }
                if pending.status != "inProgress" {
                    throw CommandFailure("the certificate was not made: \(pending.error?.message ?? pending.status)")
                }
                try await Task.sleep(for: .milliseconds(500))
            }
            throw CommandFailure("the certificate is still in progress after a minute; see its pending operation")
        }

        func enable(_ name: String, settings: [UInt8] = []) async throws {
            let answer = try await client.call(.PUT, vault: address, "/certificates/\(name)/authority", body: settings)
            Terminal.print(String(decoding: answer, as: UTF8.self))
        }
    }

    static func validated(_ name: String) throws -> String {
        guard ObjectName(name) != nil else {
            throw CommandFailure.usage("'\(name)' is not a valid name for a certificate")
        }
        return name
    }

    struct CreateRoot: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Make a root: a certificate that signs itself, and an authority of it.")
        @Argument(help: "The name of its certificate.") var name: String
        @OptionGroup var certificate: CertificateOptions
        @Option(help: "Years until it ends.") var years = 20
        @OptionGroup var place: Place

        func run() async throws {
            let name = try Authority.validated(name)
            guard (1...50).contains(years) else { throw CommandFailure.usage("--years must be from 1 to 50") }
            let reach = try place.reach()
            try await reach.make(name, certificate.policy(issuer: "Self", type: nil, months: years * 12))
            try await reach.enable(name)
        }
    }

    struct CreateIntermediate: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Make an intermediate that an authority of this vault signs, and an authority of it.",
            discussion:
                "The issuer must be an issuer of the vault with the provider OnPremiseCA; one of that name is made when there is none."
        )
        @Argument(help: "The name of its certificate.") var name: String
        @Option(help: "The authority that signs it.") var issuer: String
        @OptionGroup var certificate: CertificateOptions
        @Option(help: "Years until it ends.") var years = 5
        @OptionGroup var place: Place

        func run() async throws {
            let (name, issuer) = (try Authority.validated(name), try Authority.validated(issuer))
            guard (1...30).contains(years) else { throw CommandFailure.usage("--years must be from 1 to 30") }
            let reach = try place.reach()
            let found = try await reach.client.exchange(.GET, vault: reach.address, "/certificates/issuers/\(issuer)")
            if found.status == 404 {
                var json = JSONWriter()
                json.object { body in
                    body.member("provider", "OnPremiseCA")
                    body.object("credentials") { $0.member("account_id", issuer) }
                }
                _ = try await reach.client.call(
                    .PUT, vault: reach.address, "/certificates/issuers/\(issuer)", body: json.bytes)
            } else if found.status >= 300 {
                throw ManagementClient.refusal(found.status, found.body)
            }
            try await reach.make(name, certificate.policy(issuer: issuer, type: "intermediate", months: years * 12))
            try await reach.enable(name)
        }
    }

    struct Enable: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Make an authority of a certificate, or change how it issues.")
        @Argument(help: "The name of its certificate.") var name: String
        @Option(help: "A file with settings in JSON: profiles, crl, ocsp, enabled.") var settings: String?
        @OptionGroup var place: Place

        func run() async throws {
            let name = try Authority.validated(name)
            var bytes: [UInt8] = []
            if let settings {
                guard let read = DataFolder.read(file: settings) else {
                    throw CommandFailure.configuration("the file '\(settings)' cannot be read")
                }
                bytes = read
            }
            try await place.reach().enable(name, settings: bytes)
        }
    }

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Show an authority.")
        @Argument(help: "The name of its certificate.") var name: String
        @OptionGroup var place: Place

        func run() async throws {
            let reach = try place.reach()
            let answer = try await reach.client.call(
                .GET, vault: reach.address, "/certificates/\(try Authority.validated(name))/authority")
            Terminal.print(String(decoding: answer, as: UTF8.self))
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List the authorities of a vault.")
        @OptionGroup var place: Place

        func run() async throws { try await Authority.pages("/authorities", try place.reach()) }
    }

    struct Issued: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List what an authority has issued.")
        @Argument(help: "The name of its certificate.") var name: String
        @OptionGroup var place: Place

        func run() async throws {
            try await Authority.pages(
                "/certificates/\(try Authority.validated(name))/authority/issued", try place.reach())
        }
    }

    private struct Page: Decodable {
        struct Item: Decodable {
            let id: String
            let subject: String
            let exp: Int64
            let serial_number: String?
            let profile: String?
            let status: String?
            let enabled: Bool?
        }
        let value: [Item]
        let nextLink: String?
    }

    /// Prints every page of a list, an item a line.
    private static func pages(_ path: String, _ reach: Reach) async throws {
        var next: String? = path
        while let path = next {
            let page = try Page.fromJSON(try await reach.client.call(.GET, vault: reach.address, path))
            for item in page.value {
                let state = item.status ?? (item.enabled == false ? "disabled" : "enabled")
                let parts = [
                    item.serial_number, item.subject, item.profile,
                    "until \(Timestamp(epochSeconds: item.exp).iso8601)", state,
                ]
                Terminal.print(
                    ([item.serial_number == nil ? item.id : nil] + parts).compactMap { $0 }.joined(separator: "  "))
            }
            next = page.nextLink.flatMap { ManagementClient.path(of: $0) }
        }
    }

    struct Issue: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Have an authority sign a certification request (PKCS #10).",
            discussion: "The certificate and its chain are printed as PEM.")
        @Argument(help: "The name of the authority's certificate.") var name: String
        @Option(help: "The request, a file in PEM or DER.") var csr: String
        @Option(help: "tlsServer, tlsClient, codeSigning or intermediate.") var profile: String?
        @Option(help: "Days until it ends.") var days: Int?
        @OptionGroup var place: Place

        private struct Answer: Decodable {
            let x5c: [String]
        }

        func run() async throws {
            guard let bytes = DataFolder.read(file: csr) else {
                throw CommandFailure.configuration("the file '\(csr)' cannot be read")
            }
            let text = String(validating: bytes, as: UTF8.self).flatMap { $0.contains("-----BEGIN") ? $0 : nil }
            var json = JSONWriter()
            json.object { body in
                body.member("csr", text ?? Base64.encode(bytes))
                if let profile { body.member("profile", profile) }
                if let days { body.member("validity_days", days) }
            }
            let reach = try place.reach()
            let answer = try Answer.fromJSON(
                try await reach.client.call(
                    .POST, vault: reach.address, "/certificates/\(try Authority.validated(name))/authority/issue",
                    body: json.bytes))
            for certificate in answer.x5c {
                var lines = "-----BEGIN CERTIFICATE-----\n"
                var rest = certificate[...]
                while !rest.isEmpty {
                    lines += rest.prefix(64) + "\n"
                    rest = rest.dropFirst(64)
                }
                Terminal.print(lines + "-----END CERTIFICATE-----")
            }
        }
    }

    struct Revoke: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Revoke a certificate of an authority.",
            discussion: "A certificate on hold is released with --reason removeFromCRL.")
        @Argument(help: "The name of the authority's certificate.") var name: String
        @Argument(help: "The serial number, in hexadecimal.") var serialNumber: String
        @Option(
            help:
                "unspecified, keyCompromise, cACompromise, affiliationChanged, superseded, cessationOfOperation, certificateHold, removeFromCRL or privilegeWithdrawn."
        ) var reason = "unspecified"
        @OptionGroup var place: Place

        func run() async throws {
            var json = JSONWriter()
            json.object { body in
                body.member("serial_number", serialNumber)
                body.member("reason", reason)
            }
            let reach = try place.reach()
            let answer = try await reach.client.call(
                .POST, vault: reach.address, "/certificates/\(try Authority.validated(name))/authority/revoke",
                body: json.bytes)
            Terminal.print(String(decoding: answer, as: UTF8.self))
        }
    }

    struct Publish: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Make the revocation lists of an authority now.")
        @Argument(help: "The name of its certificate.") var name: String
        @OptionGroup var place: Place

        func run() async throws {
            let reach = try place.reach()
            let answer = try await reach.client.call(
                .POST, vault: reach.address, "/certificates/\(try Authority.validated(name))/authority/publish")
            Terminal.print(String(decoding: answer, as: UTF8.self))
        }
    }
}
