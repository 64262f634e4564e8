import ArgumentParser
import Barrier
import Cryptography
import Domain
import FoundationEssentials
import HTTPServer
import House
import Identity
import NIOSSL
import Operations
import Store
import StoreSQLite

#if canImport(Glibc)
    import Glibc
#endif

/// The production server.
struct Serve: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Run the server by a configuration file.",
        discussion: """
            Members: dataFolder, suffix, listen {addresses, port, publicPort}, tls {certificate, privateKey},
            unseal {passphrase: "stdin" | "fd:N" | "credential:NAME"}, tenant, subscription, resourceGroup, location,
            vaults [{name, sku: "standard" | "premium", retentionDays, purgeProtection}],
            pools [{name, retentionDays, purgeProtection, administrators: [object ids]}],
            hsm {module, tokenLabel, pin: "stdin" | "fd:N" | "credential:NAME", sessions},
            attestation [{issuer, keysURL, caFile}], federation [{issuer, keysURL, caFile}], crypto {fips: "off" | "required"},
            network {allowPrivateAddresses, trustedProxies}, audit {durability: "synced" | "written"},
            pki {address, port}, notices {webhook, secret, caFile, mail {server, port, security: "starttls" | "tls" | "none",
            user, password, from, caFile}}, acme {directories [{url, caFile}], dns {command | webhook, secret, caFile}}.
            The certificate files are read again when they change, and on SIGHUP.
            """)

    @Option(help: "The configuration file (JSON, comments allowed).") var config: String

    func run() async throws {
        let settings = try Settings(file: config, environment: ProcessInfo.processInfo.environment)
        let engine = try settings.engine()
        let folder = try DataFolder(existing: settings.dataFolder)
        var configuration = settings.house
        let store = try openStore(folder.path, configuration.storage)
        let unsealing = Unsealing(source: try Unsealing.source(of: store), passphrase: settings.passphrase)
        // The passphrase comes first where both come from standard input.
        let passphrase = try unsealing.readPassphrase()
        configuration.token = try settings.token()
        configuration.webhook = try settings.notices?.receiver()
        configuration.mail = try settings.notices?.mailServer(greeting: settings.suffix)
        configuration.challengePublisher = try settings.acme?.publisher()
        let kek = try unsealing.kek(passphrase, token: configuration.token, engine: engine)
        let house = try await openHouse(configuration, store: store, engine: engine, kek: kek)
        for pool in settings.vaults where pool.service == .managedHSM {
            for principal in pool.administrators {
                try await house.grantInPools(["Managed HSM Administrator"], to: principal, pools: [pool.name])
            }
        }
        if settings.auditDurability == "written" {
            StandardError.line("audit.durability is 'written': records of reads may be lost in a power cut")
        }
        let files = CertificateFiles(certificate: settings.certificate, privateKey: settings.privateKey)
        // Taken before they are read: what changes while the server starts is noticed.
        let seen = files.stamp
        let running = try await RunningServer.start(
            house, tls: try files.load(), addresses: settings.addresses, optional: ["::"], port: settings.port,
            plainPort: settings.pki?.port)
        let server = running.server
        let watch = Task { await files.watch(since: seen) { server.replaceTLS($0) } }
        Signals.expectHangup { files.reload { server.replaceTLS($0) } }
        Terminal.print("Strongroom is ready: https://<vault>.vault.\(settings.house.authoritySuffix)")
        try await running.untilSignalled()
        watch.cancel()
    }
}

/// Makes the keys of a new data folder and its first client.
struct Init: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Initialise the data folder of 'serve' and print its first client as JSON, once.")

    @Option(help: "The configuration file of 'serve'.") var config: String

    func run() async throws {
        let settings = try Settings(file: config, environment: ProcessInfo.processInfo.environment)
        let engine = try settings.engine()
        let folder = try DataFolder(creating: settings.dataFolder)
        var configuration = settings.house
        let store = try openStore(folder.path, configuration.storage)
        guard try Barrier.kekSource(of: store.connection()) == nil else {
            throw CommandFailure("the data folder '\(folder.path)' is initialised already")
        }
        let salt = try engine.random(count: 16)
        let passphrase = try Passphrase.read(settings.passphrase)
        guard passphrase.count >= 12 else {
            throw CommandFailure.configuration("the passphrase must be at least 12 bytes long")
        }
        let kek = try engine.scrypt(passphrase, salt: salt, cost: .passphrase)
        configuration.token = try settings.token()
        let house = try await openHouse(
            configuration, store: store, engine: engine, kek: kek,
            initializes: .passphrase(salt: salt, cost: .passphrase))
        let client = try await house.makeClient(named: "strongroom-administrator", roles: ["Owner"])
        try await house.grantInPools(["Managed HSM Administrator"], to: client.application.objectID)
        var json = JSONWriter()
        json.object { json in
            json.member("appId", client.application.id)
            json.member("displayName", client.application.displayName)
            json.member("objectId", client.application.objectID)
            json.member("password", client.password)
            json.member("tenant", house.instance.tenant)
            json.member("subscription", house.instance.subscription)
        }
        house.close()
        Terminal.print(String(decoding: json.bytes, as: UTF8.self))
    }
}

/// A passphrase comes from where no other process can see it: never from the environment or the command line.
enum Passphrase {
    /// - Parameter source: `stdin`, `fd:N`, or `credential:NAME` (a systemd credential).
    static func read(_ source: String, named member: String = "unseal.passphrase") throws -> SensitiveBytes {
        if source == "stdin" { return try line(STDIN_FILENO) }
        if source.hasPrefix("fd:"), let descriptor = Int32(source.dropFirst(3)), descriptor > 2 {
            return try line(descriptor)
        }
        if source.hasPrefix("credential:") {
            let name = source.dropFirst(11)
            guard let folder = ProcessInfo.processInfo.environment["CREDENTIALS_DIRECTORY"], !name.isEmpty,
                !name.contains("/")
            else {
                throw CommandFailure.configuration(
                    "there is no systemd credential '\(name)'; see LoadCredential= in systemd.exec")
            }
            let descriptor = open("\(folder)/\(name)", O_RDONLY | O_CLOEXEC)
            guard descriptor >= 0 else {
                throw CommandFailure.configuration("the systemd credential '\(name)' cannot be read")
            }
            defer { close(descriptor) }
            return try line(descriptor)
        }
        throw CommandFailure.configuration("\(member) must be 'stdin', 'fd:N' or 'credential:NAME'")
    }

    /// The bytes up to a line break or the end.
    private static func line(_ descriptor: Int32) throws -> SensitiveBytes {
        var terminal = termios()
        let isTerminal = tcgetattr(descriptor, &terminal) == 0
        let visible = terminal
        if isTerminal {
            terminal.c_lflag &= ~tcflag_t(ECHO)
            tcsetattr(descriptor, TCSAFLUSH, &terminal)
        }
        defer {
            if isTerminal {
                var visible = visible
                tcsetattr(descriptor, TCSAFLUSH, &visible)
            }
        }
        var bytes = [UInt8](repeating: 0, count: 1_025)
        var count = 0
        defer { explicit_bzero(&bytes, bytes.count) }
        while count < bytes.count {
            let got = bytes.withUnsafeMutableBytes { Glibc.read(descriptor, $0.baseAddress! + count, 1) }
            if got < 0, errno == EINTR { continue }
            guard got > 0, bytes[count] != UInt8(ascii: "\n") else { break }
            count += 1
        }
        guard (1...1_024).contains(count) else {
            throw CommandFailure.configuration("no passphrase of 1 to 1024 bytes could be read")
        }
        return SensitiveBytes(bytes[..<count])
    }
}

/// The TLS files of `serve`, read again when they change.
struct CertificateFiles: Sendable {
    let certificate: String
    let privateKey: String

    func load() throws -> NIOSSLContext {
        do {
            return try HTTPServer.tlsContext(
                certificateChain: try NIOSSLCertificate.fromPEMFile(certificate),
                privateKey: try NIOSSLPrivateKey(file: privateKey, format: .pem))
        } catch {
            throw CommandFailure.configuration(
                "the TLS files '\(certificate)' and '\(privateKey)' cannot be used: \(error)")
        }
    }

    /// A pair that cannot be used leaves the one in use as it is.
    func reload(_ use: (NIOSSLContext) -> Void) {
        do {
            use(try load())
            StandardError.line("tls: the certificate was read again")
        } catch {
            StandardError.line(
                "tls: the certificate was not read again: \((error as? CommandFailure)?.text ?? "\(error)")")
        }
    }

    /// - Parameter stamp: of the files that are in use.
    func watch(since stamp: [Int], _ use: @Sendable (NIOSSLContext) -> Void) async {
        var seen = stamp
        while !Task.isCancelled {
            try? await Task.sleep(for: .seconds(2))
            let now = self.stamp
            if now != seen {
                seen = now
                reload(use)
            }
        }
    }

    /// Changes with the files.
    var stamp: [Int] {
        [certificate, privateKey].flatMap { path in
            var status = stat()
            guard stat(path, &status) == 0 else { return [0, 0, 0] }
            return [status.st_mtim.tv_sec, status.st_mtim.tv_nsec, Int(status.st_ino)]
        }
    }
}
