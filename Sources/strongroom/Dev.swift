import ArgumentParser
import Barrier
import Cryptography
import Domain
import FoundationEssentials
import HTTPServer
import House
import Management
import Operations
import Pools
import Store
import StoreSQLite

/// A server that configures itself: laptop, CI, evaluation.
struct Dev: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Run a zero-configuration server, durable in its folder.",
        discussion: "Same code and same security as 'serve'; only the configuration is made for you.")

    @Option(help: "The data folder.") var data = ".strongroom"
    @Option(help: "The address to listen on. [default: 127.0.0.1 and ::1]") var bind: String?
    @Option(help: "The port to listen on.") var port = 8_443
    @Option(help: "The suffix of all host names.") var suffix = "localhost"
    @Option(name: .customLong("vault"), help: "A vault to make; may be repeated. [default: demo]") var vaults:
        [String] = []
    @Option(name: .customLong("hsm"), help: "A Managed HSM pool to name; may be repeated. [default: demohsm]") var hsms:
        [String] = []

    @Option(
        name: .customLong("attestation-authority"),
        help: "An attestation authority to trust for key release, ISSUER or ISSUER,CA_FILE; may be repeated.")
    var authorities: [String] = []

    @Option(
        name: .customLong("federation-issuer"),
        help: "An issuer whose tokens may stand for applications, URL or URL,CA_FILE; may be repeated.")
    var issuers: [String] = []

    @Option(
        name: .customLong("acme-directory"),
        help: "The directory of an ACME authority that may be asked, URL or URL,CA_FILE; may be repeated.")
    var directories: [String] = []

    @Option(
        name: .customLong("acme-dns-command"),
        help: "A program that publishes records for ACME: present|remove NAME VALUE.")
    var publisher: String?

    @Option(
        name: .customLong("backup-host"),
        help: "A host of blob storage that pools may be backed up to, HOST or HOST,CA_FILE. [default: only the folder]")
    var backupHost: String?

    func run() async throws {
        let names = try (vaults.isEmpty ? ["demo"] : vaults).map { text in
            guard let name = VaultName(text) else {
                throw CommandFailure.usage("'\(text)' is not a valid name for a vault")
            }
            return name
        }
        let pools = try (hsms.isEmpty ? ["demohsm"] : hsms).map { text in
            guard let name = VaultName(text) else {
                throw CommandFailure.usage("'\(text)' is not a valid name for a pool")
            }
            return name
        }
        guard (1...65_535).contains(port) else { throw CommandFailure.usage("--port must be from 1 to 65535") }
        guard Settings.isHostSuffix(suffix) else {
            throw CommandFailure.usage("--suffix must be a host name such as localhost")
        }

        let allowed = try directories.map { try ACMEConfiguration.Directory.parse($0) }
        if let publisher {
            try ACMEConfiguration.requireProgram(publisher) { CommandFailure.usage("--acme-dns-command: \($0)") }
        }
        let federation = try issuers.map { try AttestationSetting.parseIssuer($0) }
        let trusted = try authorities.map { try AttestationSetting.parse($0) }

        let storage = try backupHost.map { try PoolBackupSettings.parse($0) }
            .map { BackupPlaces.Storage(hosts: [$0.host], caFile: $0.caFile) }

        let engine = try CryptoEngine()
        let folder = try DataFolder(creating: data)
        var configuration = HouseConfiguration(folder: folder.path, suffix: suffix.lowercased(), publicPort: port)
        configuration.attestationAuthorities = trusted
        configuration.federation = federation
        configuration.acmeDirectories = allowed
        configuration.challengePublisher = publisher.map { .command($0) }
        configuration.publicAddress = "http://pki.\(configuration.authoritySuffix)"
        configuration.vaults =
            names.map { .init(name: $0, sku: .premium) } + pools.map { .init(name: $0, service: .managedHSM) }
        // The lock comes before anything is written, so that a second start changes nothing.
        let store = try openStore(folder.path, configuration.storage)
        let backups = try DataFolder(creating: folder.absolute("pool-backups"))
        configuration.poolBackups = BackupPlaces(folders: ["backups": backups.path], storage: storage)
        configuration.token = try SoftwareModule(folder: folder, engine: engine).prepare()
        let kek =
            try Unsealing.developmentKEK(
                try Barrier.kekSource(of: try store.connection()), folder, configuration.token, engine)
        let house = try await openHouse(configuration, store: store, engine: engine, kek: kek, initializes: .key)

        let hosts =
            ["*.vault.\(suffix)", "*.managedhsm.\(suffix)"]
            + ["login", "management", "graph", "console"].map { "\($0).\(suffix)" }
        let named = names.map { "\($0).vault.\(suffix)" } + pools.map { "\($0).managedhsm.\(suffix)" }
        let certificates = try await OwnCertificates.current(
            house, hosts: named + hosts + [suffix], addresses: ["127.0.0.1", "::1"])
        let running = try await RunningServer.start(
            house, tls: try certificates.tlsContext(), addresses: bind.map { [$0] } ?? ["127.0.0.1", "::1"],
            optional: bind == nil ? ["::1"] : [], port: port, speaking: .both)
        let files = DevelopmentFiles(folder: folder, house: house, vault: names[0], pool: pools[0])
        try await files.write(authority: certificates.authority.certificate)
        Terminal.print(
            """
            Strongroom is ready: https://\(names[0]).vault.\(configuration.authoritySuffix)
              vaults     \(house.vaults.all.map(\.name.description).joined(separator: ", "))
              client     set -a; . \(folder.file("client.env")); set +a
              authority  \(folder.file("ca.pem"))
              audit      strongroom audit verify --data \(folder.path)
            """)
        try await running.untilSignalled()
    }
}
