import ArgumentParser
import Domain
import FoundationEssentials
import NIOHTTP1

/// Rotation of the keys behind the barrier, while the server runs.
struct BarrierCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "barrier", abstract: "Look after the keys that seal the store of a running server.",
        subcommands: [Rotate.self, Move.self])

    struct Move: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract:
                "Change how the server is unsealed at its next start: by the HSM, or by a passphrase from standard input."
        )
        @Option(help: "hsm or passphrase.") var to: String
        @OptionGroup var connection: ConnectionOptions

        func run() async throws {
            guard ["hsm", "passphrase"].contains(to) else {
                throw CommandFailure.usage("--to must be hsm or passphrase")
            }
            let client = try connection.client()
            var body = JSONWriter()
            let passphrase = to == "passphrase" ? try Passphrase.read("stdin") : nil
            body.object { body in
                body.member("to", to)
                if let passphrase { body.member("passphrase", passphrase) }
            }
            _ = try await client.call(.POST, "/strongroom/barrier/move", body: body.bytes)
            Terminal.print(
                "From the next start the server is unsealed by \(to == "hsm" ? "the HSM" : "the passphrase").")
        }
    }

    struct Rotate: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Make a new root key or a new data key.")
        @Argument(help: "root, system, vault/NAME or pool/NAME.") var target: String
        @OptionGroup var connection: ConnectionOptions

        func run() async throws {
            var body = JSONWriter()
            body.object { $0.member("target", target) }
            _ = try await connection.client().call(.POST, "/strongroom/barrier/rotate", body: body.bytes)
            Terminal.print("Rotated \(target).")
        }
    }
}

/// The key that seals object backups, for another server that is to restore them.
struct BackupKey: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "backup-key", abstract: "Carry the backup key to another server.",
        subcommands: [Export.self, Import.self])

    struct Export: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Write the backup key, sealed under a passphrase read from standard input.")
        @Option(help: "The file to write.") var out: String
        @OptionGroup var connection: ConnectionOptions

        func run() async throws {
            var body = JSONWriter()
            let passphrase = try Passphrase.read("stdin")
            body.object { $0.member("passphrase", passphrase) }
            let answer = try await connection.client().call(.POST, "/strongroom/backupKeys/export", body: body.bytes)
            let folder = out.contains("/") ? String(out[..<out.lastIndex(of: "/")!]) : "."
            try DataFolder(existing: folder.isEmpty ? "/" : folder).write(
                answer, to: String(out.split(separator: "/").last ?? ""), mode: 0o600)
        }
    }

    struct Import: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Take another server's backup key; its passphrase is read from standard input.")
        @Option(help: "The file that 'export' wrote.") var file: String
        @OptionGroup var connection: ConnectionOptions

        func run() async throws {
            guard let content = DataFolder.read(file: file) else {
                throw CommandFailure("the file '\(file)' cannot be read")
            }
            try JSONLimits().check(content)
            var body = JSONWriter()
            let passphrase = try Passphrase.read("stdin")
            body.object { body in
                body.member("passphrase", passphrase)
                body.embed("file", content)
            }
            _ = try await connection.client().call(.POST, "/strongroom/backupKeys/import", body: body.bytes)
        }
    }
}
