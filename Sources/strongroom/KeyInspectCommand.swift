import ArgumentParser
import Domain
import FoundationEssentials
import NIOHTTP1

/// Keys of a running server, as whoever looks after them sees them.
struct Key: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Look after the keys of a running server.", subcommands: [Inspect.self])

    struct Inspect: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show strength, age, use count and last use of each version of a key.",
            discussion: "Uses are counted from the audit log.")
        @Argument(help: "The name of the key.") var name: String
        @Option(help: "The vault. [default: demo]") var vault: String?
        @Option(help: "The managed HSM pool, in place of a vault.") var hsm: String?
        @Option(help: "text or json.") var output = OutputFormat.text
        @OptionGroup var connection: ConnectionOptions

        private struct Report: Decodable {
            struct Version: Decodable {
                let version: String
                let isCurrent: Bool
                let enabled: Bool
                let type: String
                let algorithm: String
                let strengthBits: Int
                let ageDays: Int
                let uses: Int
                let lastUsed: String?
            }
            let key: String
            let versions: [Version]
        }

        func run() async throws {
            guard ObjectName(name) != nil else { throw CommandFailure.usage("'\(name)' is not a valid name for a key") }
            guard vault == nil || hsm == nil else { throw CommandFailure.usage("give --vault or --hsm, not both") }
            let holder = hsm ?? vault ?? "demo"
            guard let holder = VaultName(holder) else { throw CommandFailure.usage("'\(holder)' is not a valid name") }
            let answer = try await connection.client().call(
                .GET, "/strongroom/keys/\(hsm == nil ? "vault" : "managedhsm")/\(holder)/\(name)")
            guard output == .text else {
                Terminal.print(String(decoding: answer, as: UTF8.self))
                return
            }
            let report = try Report.fromJSON(answer)
            Terminal.print(report.key)
            for version in report.versions {
                let state = (version.isCurrent ? "current" : "earlier") + (version.enabled ? "" : ", disabled")
                Terminal.print(
                    "  \(version.version)  \(version.type), \(version.algorithm), \(version.strengthBits) bits of strength, "
                        + "\(version.ageDays) days old, used \(version.uses) times"
                        + (version.lastUsed.map { ", last \($0)" } ?? "") + " (\(state))")
            }
        }
    }
}
