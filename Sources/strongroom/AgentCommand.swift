import Agent
import ArgumentParser
import Cryptography
import Domain
import FoundationEssentials
import House
import X509

#if canImport(Glibc)
    import Glibc
#endif

/// Managed identity for the programs of a host.
struct AgentCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "agent",
        abstract: "Give programs of this host tokens of its identity, by the endpoints of IMDS and App Service.",
        discussion: """
            Programs find it by AZURE_POD_IDENTITY_AUTHORITY_HOST=http://ADDRESS:PORT (IMDS), or by
            IDENTITY_ENDPOINT=http://ADDRESS:PORT/msi/token and IDENTITY_HEADER (App Service); then
            DefaultAzureCredential() works without arguments. The identity is an application of the server that is proven by a
            certificate ('strongroom app add-certificate') or by another issuer's token ('strongroom app add-federated').
            """)

    @Option(help: "The token service. [default: $AZURE_AUTHORITY_HOST]") var authorityHost: String?
    @Option(help: "The tenant. [default: $AZURE_TENANT_ID]") var tenant: String?
    @Option(help: "The appId of the host's identity. [default: $AZURE_CLIENT_ID]") var clientID: String?
    @Option(help: "A PEM file with a certificate and its RSA key, for nobody else to read.") var certificate: String?
    @Option(help: "A file with a token of another issuer; read anew each time.") var federatedTokenFile: String?
    @Option(help: "A PEM bundle of trusted authorities. [default: $SSL_CERT_FILE]") var caFile: String?
    @Option(help: "ADDRESS:PORT on loopback, or 169.254.169.254:80; may be repeated. [default: 127.0.0.1:50342]")
    var listen: [String] = []
    @Option(
        help: "A file with the text that callers of the App Service endpoint must show; without it that one is off.")
    var identityHeaderFile: String?
    @Option(help: "A user, by name or number, that may ask; may be repeated. [default: every user of the host]")
    var allowUser: [String] = []

    func run() async throws {
        let environment = ProcessInfo.processInfo.environment
        func need(_ option: String?, _ name: String, _ flag: String) throws -> String {
            guard let value = option ?? environment[name], !value.isEmpty else {
                throw CommandFailure.configuration("\(name) is not set; give \(flag)")
            }
            return value
        }
        func identifier(_ text: String, _ what: String) throws -> GUID {
            guard let id = GUID(text) else { throw CommandFailure.usage("\(what) must be a GUID, not '\(text)'") }
            return id
        }
        let authority = try need(authorityHost, "AZURE_AUTHORITY_HOST", "--authority-host")
        guard AttestationSetting.isAddress(authority) else {
            throw CommandFailure.usage("the authority host must be an https address, not '\(authority)'")
        }
        let engine = try CryptoEngine()
        let identity = HostIdentity(
            authority: authority, tenant: try identifier(try need(tenant, "AZURE_TENANT_ID", "--tenant"), "the tenant"),
            clientID: try identifier(try need(clientID, "AZURE_CLIENT_ID", "--client-id"), "the client id"),
            proof: try proof(engine), caFile: caFile ?? environment["SSL_CERT_FILE"], engine: engine,
            clock: World().wall)
        let addresses = try (listen.isEmpty ? ["127.0.0.1:50342"] : listen).map(Self.address)
        let options = AgentServer.Options(
            addresses: addresses, identityHeader: try identityHeaderFile.map(Self.secret),
            users: allowUser.isEmpty ? nil : Set(try allowUser.map(Self.user)), log: World().log)
        let server = AgentServer(identity, options)
        let termination = Signals.expectTermination()
        do {
            for (host, port) in try await server.start() {
                Terminal.print("Agent is ready: http://\(host.contains(":") ? "[\(host)]" : host):\(port)")
            }
        } catch {
            throw CommandFailure("the agent cannot listen: \(error)")
        }
        await termination.value
        await server.stop()
    }

    private func proof(_ engine: CryptoEngine) throws -> HostIdentity.Proof {
        switch (certificate, federatedTokenFile) {
        case (let file?, nil): return try Self.certificate(file, engine)
        case (nil, let file?):
            guard access(file, R_OK) == 0 else { throw CommandFailure.usage("the file '\(file)' cannot be read") }
            return .federated(file: file)
        default: throw CommandFailure.usage("give either --certificate or --federated-token-file")
        }
    }

    private static func certificate(_ file: String, _ engine: CryptoEngine) throws -> HostIdentity.Proof {
        try requirePrivate(file)
        guard let bytes = DataFolder.read(file: file), let blocks = PEM.decode(String(decoding: bytes, as: UTF8.self)),
            let der = blocks.first(where: { $0.label == "CERTIFICATE" })?.der,
            let pkcs8 = blocks.first(where: { $0.label == "PRIVATE KEY" })?.der
        else {
            throw CommandFailure.usage("the file '\(file)' must hold a CERTIFICATE and a PRIVATE KEY (PKCS #8) in PEM")
        }
        guard let key = try? RSAPrivateKey(pkcs8: SensitiveBytes(pkcs8), engine: engine) else {
            throw CommandFailure.usage("the private key in '\(file)' is not an RSA key")
        }
        return .certificate(key: key, thumbprint256: try engine.sha256(der))
    }

    private static func secret(_ file: String) throws -> SensitiveBytes {
        try requirePrivate(file)
        let line = DataFolder.read(file: file).map { String(decoding: $0, as: UTF8.self) }?
            .split(whereSeparator: \.isNewline).first
        guard let line, (16...512).contains(line.utf8.count) else {
            throw CommandFailure.usage("the file '\(file)' must hold a line of 16 to 512 bytes")
        }
        return SensitiveBytes(line.utf8)
    }

    private static func requirePrivate(_ file: String) throws {
        var status = stat()
        guard stat(file, &status) == 0 else { throw CommandFailure.usage("the file '\(file)' cannot be read") }
        guard status.st_mode & 0o007 == 0 else {
            throw CommandFailure.usage("others may read '\(file)'; run 'chmod 640' or stricter on it")
        }
    }

    private static func user(_ text: String) throws -> UInt32 {
        if let number = UInt32(text) { return number }
        guard let entry = getpwnam(text) else { throw CommandFailure.usage("there is no user '\(text)' on this host") }
        return entry.pointee.pw_uid
    }

    private static func address(_ text: String) throws -> (host: String, port: Int) {
        guard let colon = text.lastIndex(of: ":"), let port = Int(text[text.index(after: colon)...]),
            (0...65_535).contains(port)
        else { throw CommandFailure.usage("--listen must be ADDRESS:PORT, not '\(text)'") }
        let host = text[..<colon].filter { $0 != "[" && $0 != "]" }
        let isLoopback = host == "::1" || (host.hasPrefix("127.") && host.split(separator: ".").count == 4)
        guard isLoopback || host == "169.254.169.254" else {
            throw CommandFailure.usage("the agent listens on loopback or 169.254.169.254 only, not on '\(host)'")
        }
        return (host, port)
    }
}
