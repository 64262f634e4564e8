import ArgumentParser
import Audit
import Barrier
import Cryptography
import Domain
import FoundationEssentials
import NIOHTTP1
import Operations
import Store
import StoreSQLite

/// The audit log, of a running server or straight from its folder.
struct Audit: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Check and export the audit log.",
        discussion: "With --data or --config the folder itself is read; otherwise the running server is asked.",
        subcommands: [Verify.self, Export.self])

    struct Source: ParsableArguments {
        @Option(help: "The data folder of 'strongroom dev'.") var data: String?
        @Option(help: "The configuration of 'strongroom serve', whose passphrase will be read.") var config: String?
        @OptionGroup var connection: ConnectionOptions

        /// The folder to read; nil when the running server is to be asked.
        func folder() throws -> LocalAudit? {
            if let config { return try LocalAudit(configuration: config) }
            if let data { return try LocalAudit(developmentFolder: data) }
            if ConnectionOptions.environment["ARM_URL"] == nil, connection.armURL == nil {
                guard DataFolder.exists(".strongroom") else {
                    throw CommandFailure.configuration(
                        "there is no server to ask: source its client.env (ARM_URL is not set) or give --data")
                }
                return try LocalAudit(developmentFolder: ".strongroom")
            }
            return nil
        }
    }

    struct Verify: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Check the hash chain and its signed checkpoints.")
        @OptionGroup var source: Source

        func run() async throws {
            struct Answer: Decodable {
                struct Broken: Decodable {
                    let sequence: Int64
                    let reason: String
                }
                let records: Int64
                let checkpoints: Int64
                let lastCheckpoint: String?
                let firstBrokenRecord: Broken?
            }
            let records: Int64
            let checkpoints: Int64
            let last: String?
            let fault: (Int64, String)?
            if let local = try source.folder() {
                let report = try local.verify()
                records = Int64(clamping: report.records)
                checkpoints = Int64(clamping: report.checkpoints)
                last = report.lastCheckpoint?.iso8601
                fault = report.fault.map { (Int64(clamping: $0.sequence), $0.text) }
            } else {
                let answer = try Answer.fromJSON(
                    try await source.connection.client().call(.GET, "/strongroom/audit/verification"))
                (records, checkpoints, last) = (answer.records, answer.checkpoints, answer.lastCheckpoint)
                fault = answer.firstBrokenRecord.map { ($0.sequence, $0.reason) }
            }
            if let fault {
                throw CommandFailure("the audit log is not whole: first broken record \(fault.0): \(fault.1)")
            }
            Terminal.print(
                "The audit log is whole: \(records) records, \(checkpoints) checkpoints\(last.map { ", the last at \($0)" } ?? "")."
            )
        }
    }

    struct Export: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Print AuditEvent records, one JSON object a line.")
        @Option(help: "First time, UTC, such as 2026-01-31T12:00:00Z.") var since: String?
        @Option(help: "First time that is not wanted any more.") var until: String?
        @Option(help: "Only this vault.") var vault: String?
        @OptionGroup var source: Source

        func run() async throws {
            let filter: AuditFilter
            do throws(VaultError) { filter = try AuditFilter(since: since, until: until, vault: vault) } catch {
                throw CommandFailure.usage(error.message)
            }
            if let local = try source.folder() {
                try local.export(filter)
            } else {
                try await exportFromServer()
            }
        }

        private func exportFromServer() async throws {
            let client = try source.connection.client()
            var after = "0"
            while true {
                var query = "?after=\(after)"
                for (name, value) in [("since", since), ("until", until), ("vault", vault)] {
                    if let value { query += "&\(name)=" + ManagementClient.formEncoded(Array(value.utf8)) }
                }
                let answer = try await client.call(.GET, "/strongroom/audit/events" + query)
                // Each record stands in the answer as it is to be printed.
                let page = try AuditLines(answer)
                for line in page.lines { Terminal.print(line) }
                guard let next = page.next else { return }
                after = next
            }
        }
    }
}

/// Takes the records out of an answer of the server without changing how they are written.
struct AuditLines {
    let lines: [String]
    let next: String?

    init(_ answer: [UInt8]) throws {
        struct Next: Decodable {
            let next: String?
        }
        var limits = JSONLimits()
        limits.values = 1_000_000
        next = try Next.fromJSON(answer, limits: limits).next
        var lines: [String] = []
        var depth = 0
        var start = 0
        var index = 0
        while index < answer.count {
            switch answer[index] {
            case UInt8(ascii: "\""):
                index += 1
                while index < answer.count, answer[index] != UInt8(ascii: "\"") {
                    index += answer[index] == UInt8(ascii: "\\") ? 2 : 1
                }
            case UInt8(ascii: "{"):
                depth += 1
                if depth == 2 { start = index }
            case UInt8(ascii: "}"):
                if depth == 2 { lines.append(String(decoding: answer[start...index], as: UTF8.self)) }
                depth -= 1
            default: break
            }
            index += 1
        }
        self.lines = lines
    }
}

/// Reads the log from a data folder, whether its server runs or not.
struct LocalAudit {
    private let reader: BarrierReader
    private let publicKey: [UInt8]
    private let engine: CryptoEngine
    private let checkpoints: CheckpointFile

    init(developmentFolder path: String) throws {
        let engine = try CryptoEngine()
        let folder = try DataFolder(existing: path)
        let source = try Barrier.kekSource(of: try Self.connection(folder)) ?? .key
        let kek = try Unsealing.developmentKEK(
            source, folder, try SoftwareModule(folder: folder, engine: engine).prepare(), engine)
        try self.init(folder: folder, kek: kek, engine: engine)
    }

    init(configuration path: String) throws {
        let engine = try CryptoEngine()
        let settings = try Settings(file: path, environment: ConnectionOptions.environment)
        let folder = try DataFolder(existing: settings.dataFolder)
        let connection = try Self.connection(folder)
        let kek: SensitiveBytes
        switch try Barrier.kekSource(of: connection) {
        case .passphrase(let salt, let cost)?:
            kek = try engine.scrypt(try Passphrase.read(settings.passphrase), salt: salt, cost: cost)
        case .token(let wrapped)?: kek = try Unsealing.open(wrapped, try settings.token())
        case .key?, nil:
            throw CommandFailure.configuration("the data folder '\(folder.path)' was not made by 'strongroom init'")
        }
        try self.init(folder: folder, kek: kek, engine: engine)
    }

    private init(folder: DataFolder, kek: SensitiveBytes, engine: CryptoEngine) throws {
        let connection = try Self.connection(folder)
        let keyring: Keyring
        do { keyring = try Barrier.unseal(connection, kek: kek, engine: engine) } catch {
            throw CommandFailure(
                "the data folder '\(folder.path)' cannot be unsealed: the key is not its own, or its root key was altered"
            )
        }
        reader = BarrierReader(connection: connection, cipher: RecordCipher(keyring))
        guard let seed = try AuditLog.checkpointSeed(reader) else {
            throw CommandFailure("the data folder holds no audit log")
        }
        publicKey = try Ed25519PrivateKey(seed: seed, engine: engine).publicKey()
        self.engine = engine
        checkpoints = CheckpointFile(folder: folder.path)
    }

    private static func connection(_ folder: DataFolder) throws -> any StoreConnection {
        do throws(StoreError) { return try SQLiteStore.readOnlyConnection(folder: folder.path) } catch {
            throw CommandFailure("the data folder '\(folder.path)' cannot be opened: \(error.text)")
        }
    }

    func verify() throws -> AuditVerifier.Report {
        do {
            return try AuditVerifier(engine: engine, publicKey: publicKey).verify(
                reader, witnessed: try checkpoints.read())
        } catch let error as CheckpointFile.Failure {
            throw CommandFailure("the audit log is not whole: \(error.text)")
        }
    }

    func export(_ filter: AuditFilter) throws {
        var after: UInt64 = 0
        while true {
            let page = try AuditPage(after: after, filter: filter, from: reader)
            for event in page.events {
                Terminal.print(String(decoding: event.json(reason: Response.reason), as: UTF8.self))
            }
            guard let last = page.last else { return }
            after = last
        }
    }
}
