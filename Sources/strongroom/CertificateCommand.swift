import ArgumentParser
import Domain
import FoundationEssentials
import NIOHTTP1

/// Certificates of a running server, as whoever looks after them sees them.
struct CertificateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "certificate", abstract: "Look after the certificates of a running server.",
        subcommands: [Register.self, Check.self, Create.self, Template.self])

    struct Register: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Print the register of a vault's certificates: owner, where used, issuer, end.",
            discussion: "Owner and use are the certificate's tags 'owner' and 'used-by'.")
        @Option(help: "csv or json.") var output = Format.csv
        @OptionGroup var place: Authority.Place

        enum Format: String, ExpressibleByArgument, CaseIterable { case csv, json }

        private struct Page: Decodable {
            struct Item: Decodable {
                let id: String
            }
            let value: [Item]
            let nextLink: String?
        }

        private struct Certificate: Decodable {
            struct Attributes: Decodable {
                let enabled: Bool
                let nbf: Int64?
                let exp: Int64?
            }
            struct Policy: Decodable {
                struct Issuer: Decodable {
                    let name: String
                }
                struct Properties: Decodable {
                    let subject: String
                }
                let issuer: Issuer
                let x509_props: Properties
            }
            let id: String
            let x5t: String
            let attributes: Attributes
            let tags: [String: String]?
            let policy: Policy?
        }

        func run() async throws {
            let reach = try place.reach()
            var rows: [[(name: String, value: String)]] = []
            var next: String? = "/certificates"
            while let path = next {
                let page = try Page.fromJSON(try await reach.client.call(.GET, vault: reach.address, path))
                for item in page.value {
                    let name = item.id.split(separator: "/").last.map(String.init) ?? ""
                    let answer = try await reach.client.exchange(.GET, vault: reach.address, "/certificates/\(name)")
                    // It may have been deleted since the list was made.
                    if answer.status == 404 { continue }
                    guard answer.status == 200 else { throw ManagementClient.refusal(answer.status, answer.body) }
                    rows.append(Self.row(name, try Certificate.fromJSON(answer.body)))
                }
                next = page.nextLink.flatMap { ManagementClient.path(of: $0) }
            }
            switch output {
            case .csv: Self.printCSV(rows)
            case .json: Self.printJSON(rows)
            }
        }

        private static let columns = [
            "name", "owner", "usedBy", "issuer", "subject", "notBefore", "expires", "enabled", "thumbprint", "id",
        ]

        private static func row(_ name: String, _ certificate: Certificate) -> [(name: String, value: String)] {
            func time(_ seconds: Int64?) -> String { seconds.map { Timestamp(epochSeconds: $0).iso8601 } ?? "" }
            let values = [
                name, certificate.tags?["owner"] ?? "", certificate.tags?["used-by"] ?? "",
                certificate.policy?.issuer.name ?? "", certificate.policy?.x509_props.subject ?? "",
                time(certificate.attributes.nbf), time(certificate.attributes.exp),
                certificate.attributes.enabled ? "true" : "false", certificate.x5t, certificate.id,
            ]
            return zip(columns, values).map { (name: $0, value: $1) }
        }

        /// RFC 4180. A value that a spreadsheet would take for a formula gets an apostrophe before it.
        private static func printCSV(_ rows: [[(name: String, value: String)]]) {
            Terminal.print(columns.joined(separator: ",") + "\r")
            for row in rows {
                let fields = row.map { field -> String in
                    let isFormula = field.value.utf8.first.map { "=+-@\t\r".utf8.contains($0) } ?? false
                    let value = (isFormula ? "'" : "") + field.value
                    guard value.utf8.contains(where: { ",\"\r\n".utf8.contains($0) }) else { return value }
                    return "\""
                        + value.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\"\"")
                        + "\""
                }
                Terminal.print(fields.joined(separator: ",") + "\r")
            }
        }

        private static func printJSON(_ rows: [[(name: String, value: String)]]) {
            var json = JSONWriter()
            json.array { list in
                for row in rows {
                    list.object { entry in
                        for field in row {
                            if field.name == "enabled" {
                                entry.member(named: field.name, field.value == "true")
                            } else {
                                entry.member(named: field.name, field.value)
                            }
                        }
                    }
                }
            }
            Terminal.print(String(decoding: json.bytes, as: UTF8.self))
        }
    }
}
