import Audit
import Cryptography
import Domain
import FoundationEssentials
import HTTPServer
import House
import Keys
import Operations
import Pools
import ProviderPKCS11
import WebTokens

#if canImport(Glibc)
    import Glibc
#endif

/// The configuration file of `strongroom serve`: JSON with comments (JSON5). A member it does not know is an error, so that a
/// mistyped one cannot be silently ignored.
struct Settings: Sendable {
    var dataFolder = ""
    var suffix = ""
    var addresses = ["0.0.0.0", "::"]
    var port = 8_443
    var publicPort = 443
    var certificate = ""
    var privateKey = ""
    var passphrase = ""
    var hsm: HSM?
    var attestation: [AttestationAuthorities.Authority] = []
    var isFIPSRequired = false
    var pki: PKI?
    var notices: NoticeSettings?
    var acme: ACMEConfiguration?
    var poolBackups = BackupPlaces()
    var tenant: GUID?
    var subscription: GUID?
    var resourceGroup = "strongroom"
    var location = "local"
    var vaults: [HouseConfiguration.VaultSettings] = []
    var allowsPrivateAddresses = false
    var trustedProxies: [AddressRange] = []
    var proxyProtocol: [AddressRange] = []
    var privateEndpoints: [HouseConfiguration.PrivateEndpoint] = []
    var federation: [TrustedIssuers.Issuer] = []
    var auditDurability = "synced"

    /// The token of a hardware security module, and where its PIN comes from.
    struct HSM: Decodable, Sendable {
        let module: String
        let tokenLabel: String
        let pin: String
        let sessions: Int?
    }

    /// Where lists and status of authorities are had without TLS.
    struct PKI: Decodable, Sendable {
        /// As it stands in certificates: `http://pki.example.com`.
        let address: String
        /// What the server listens on for it.
        let port: Int
    }

    /// - Throws: with status 78 and the member at fault.
    init(file: String, environment: [String: String]) throws {
        guard let bytes = DataFolder.read(file: file) else {
            throw CommandFailure.configuration("the configuration file '\(file)' cannot be read")
        }
        let decoder = JSONDecoder()
        decoder.allowsJSON5 = true
        try Self.requireKnownMembers(bytes, decoder, file)
        let content: File
        do { content = try decoder.decode(File.self, from: Data(bytes)) } catch {
            let fraction = (try? decoder.decode(Fractions.self, from: Data(bytes)))?.paths.sorted().first
            let reason = fraction.map { "'\($0)' is not a whole number" } ?? Self.describe(error)
            throw CommandFailure.configuration("the configuration file '\(file)' is wrong: \(reason)")
        }
        // A folder whose key is in the module needs no passphrase; any other does.
        guard content.unseal != nil || content.hsm != nil else {
            throw CommandFailure.configuration("the configuration file '\(file)' is wrong: 'unseal' is missing")
        }
        dataFolder = content.dataFolder
        suffix = content.suffix.lowercased()
        addresses = content.listen?.addresses ?? addresses
        port = content.listen?.port ?? port
        publicPort = content.listen?.publicPort ?? port
        certificate = content.tls.certificate
        privateKey = content.tls.privateKey
        passphrase = content.unseal?.passphrase ?? "stdin"
        hsm = content.hsm
        isFIPSRequired = try Self.fips(content.crypto?.fips)
        attestation = try (content.attestation ?? []).map { authority in
            guard AttestationSetting.isAddress(authority.issuer),
                authority.keysURL.map(AttestationSetting.isAddress) ?? true
            else { throw Self.wrong("attestation", "issuer and keysURL must be https addresses") }
            if let file = authority.caFile, access(file, R_OK) != 0 {
                throw Self.wrong("attestation.caFile", "the file '\(file)' cannot be read")
            }
            return AttestationAuthorities.Authority(
                issuer: authority.issuer, keysURL: authority.keysURL, caFile: authority.caFile)
        }
        federation = try (content.federation ?? []).map { issuer in
            guard AttestationSetting.isAddress(issuer.issuer), issuer.keysURL.map(AttestationSetting.isAddress) ?? true
            else { throw Self.wrong("federation", "issuer and keysURL must be https addresses") }
            if let file = issuer.caFile, access(file, R_OK) != 0 {
                throw Self.wrong("federation.caFile", "the file '\(file)' cannot be read")
            }
            return TrustedIssuers.Issuer(name: issuer.issuer, keysURL: issuer.keysURL, caFile: issuer.caFile)
        }
        pki = content.pki
        notices = content.notices
        acme = content.acme
        poolBackups = try content.poolBackups?.places() ?? poolBackups
        tenant = content.tenant
        subscription = content.subscription
        resourceGroup = content.resourceGroup ?? resourceGroup
        location = content.location ?? location
        auditDurability = content.audit?.durability ?? auditDurability
        allowsPrivateAddresses = content.network?.allowPrivateAddresses ?? false
        trustedProxies = try Self.ranges(content.network?.trustedProxies, "network.trustedProxies")
        proxyProtocol = try Self.ranges(content.network?.proxyProtocol, "network.proxyProtocol")
        privateEndpoints = try (content.network?.privateEndpoints ?? []).map { try $0.endpoint() }
        try override(with: environment)
        try validate()
        vaults = try Self.vaults(content.vaults ?? [], .vault) + Self.vaults(content.pools ?? [], .managedHSM)
    }

    private static func ranges(_ list: [String]?, _ member: String) throws -> [AddressRange] {
        try (list ?? []).map { text in
            guard let range = AddressRange(text) else {
                throw wrong(member, "'\(text)' is no IP address and no range in CIDR notation")
            }
            return range
        }
    }

    private static func vaults(_ list: [File.Vault], _ service: Vault.Service) throws -> [HouseConfiguration
        .VaultSettings]
    {
        let member = service == .vault ? "vaults" : "pools"
        var names: Set<VaultName> = []
        return try list.map { vault in
            guard let name = VaultName(vault.name) else {
                throw wrong("\(member).name", "'\(vault.name)' is not a valid name")
            }
            let days = vault.retentionDays ?? 90
            guard (7...90).contains(days) else { throw wrong("\(member).retentionDays", "it must be from 7 to 90") }
            guard service == .vault || vault.sku == nil else { throw wrong("pools.sku", "a pool has none") }
            guard service == .managedHSM || vault.administrators == nil else {
                throw wrong("vaults.administrators", "only a pool has them")
            }
            guard names.insert(name).inserted else { throw wrong("\(member).name", "'\(name)' stands twice") }
            guard let sku = vault.sku.map({ Vault.SKU(rawValue: $0) }) ?? .standard else {
                throw wrong("vaults.sku", "it must be 'standard' or 'premium'")
            }
            return .init(
                name: name, service: service, sku: sku, retentionDays: days,
                isPurgeProtected: vault.purgeProtection ?? false, isStrict: true,
                administrators: vault.administrators ?? [])
        }
    }

    private static func fips(_ text: String?) throws -> Bool {
        switch text {
        case nil, "off": return false
        case "required": return true
        default: throw wrong("crypto.fips", "it must be 'off' or 'required'")
        }
    }

    /// The cryptographic library as the configuration asks for it.
    func engine() throws -> CryptoEngine {
        do throws(CryptoError) { return try CryptoEngine(requiresFIPS: isFIPSRequired) } catch {
            guard isFIPSRequired else { throw CommandFailure("\(HouseError(error).text)") }
            throw CommandFailure.configuration(
                "crypto.fips is 'required', and libcrypto's FIPS provider cannot be loaded; see docs/algorithms.md")
        }
    }

    /// Connects to the token; its PIN is read now.
    func token() throws -> Token? {
        guard let hsm else { return nil }
        let pin: SensitiveBytes
        do { pin = try Passphrase.read(hsm.pin, named: "hsm.pin") }
        let configuration = TokenConfiguration(
            module: hsm.module, label: hsm.tokenLabel, pin: pin, sessions: hsm.sessions ?? 16)
        do throws(CryptoError) { return try Token(configuration) } catch {
            throw CommandFailure(HouseError(error).text)
        }
    }

    private mutating func override(with environment: [String: String]) throws {
        if let value = environment["STRONGROOM_DATA_FOLDER"] { dataFolder = value }
        if let value = environment["STRONGROOM_SUFFIX"] { suffix = value.lowercased() }
        if let value = environment["STRONGROOM_TLS_CERTIFICATE"] { certificate = value }
        if let value = environment["STRONGROOM_TLS_PRIVATE_KEY"] { privateKey = value }
        if let value = environment["STRONGROOM_AUDIT_DURABILITY"] { auditDurability = value }
        for (name, path) in [("STRONGROOM_PORT", \Settings.port), ("STRONGROOM_PUBLIC_PORT", \Settings.publicPort)] {
            guard let value = environment[name] else { continue }
            guard let number = Int(value) else { throw Self.wrong(name, "it must be a number") }
            // A port that nothing stands in front of is the one that clients see.
            if path == \.port, publicPort == port { publicPort = number }
            self[keyPath: path] = number
        }
        let known: Set = [
            "STRONGROOM_DATA_FOLDER", "STRONGROOM_SUFFIX", "STRONGROOM_TLS_CERTIFICATE", "STRONGROOM_TLS_PRIVATE_KEY",
            "STRONGROOM_AUDIT_DURABILITY", "STRONGROOM_PORT", "STRONGROOM_PUBLIC_PORT",
        ]
        for name in environment.keys where name.hasPrefix("STRONGROOM_") && !known.contains(name) {
            let hint =
                name.contains("PASS") || name.contains("SECRET")
                ? "a passphrase is never taken from the environment" : "it means nothing"
            throw Self.wrong("environment variable \(name)", hint)
        }
    }

    private func validate() throws {
        guard dataFolder.hasPrefix("/") else { throw Self.wrong("dataFolder", "it must be an absolute path") }
        guard Self.isHostSuffix(suffix) else {
            throw Self.wrong("suffix", "it must be a host name such as kv.example.com")
        }
        guard !addresses.isEmpty else { throw Self.wrong("listen.addresses", "it must name an address") }
        for (name, value) in [("listen.port", port), ("listen.publicPort", publicPort)] {
            guard (1...65_535).contains(value) else { throw Self.wrong(name, "it must be from 1 to 65535") }
        }
        guard ["synced", "written"].contains(auditDurability) else {
            throw Self.wrong("audit.durability", "it must be 'synced' or 'written'")
        }
        guard Scope.isResourceGroupName(resourceGroup) else {
            throw Self.wrong("resourceGroup", "it is not a valid name")
        }
        guard (1...64).contains(location.utf8.count),
            location.utf8.allSatisfy({ $0.isASCIILetter || $0.isASCIIDigit || $0 == 0x2D })
        else {
            throw Self.wrong("location", "it must be letters, digits and hyphens")
        }
        if let hsm {
            guard hsm.module.hasPrefix("/"), access(hsm.module, R_OK) == 0 else {
                throw Self.wrong("hsm.module", "'\(hsm.module)' is not the absolute path of a file that can be read")
            }
            guard (1...32).contains(hsm.tokenLabel.utf8.count) else {
                throw Self.wrong("hsm.tokenLabel", "it must be 1 to 32 bytes")
            }
            guard (1...256).contains(hsm.sessions ?? 16) else {
                throw Self.wrong("hsm.sessions", "it must be from 1 to 256")
            }
        }
        if let pki {
            guard let rest = pki.address.hasPrefix("http://") ? pki.address.dropFirst(7) : nil, !rest.isEmpty,
                rest.utf8.allSatisfy({ $0.isASCIILetter || $0.isASCIIDigit || "-.:[]".utf8.contains($0) })
            else {
                throw Self.wrong("pki.address", "it must be an address such as http://pki.example.com, without a path")
            }
            guard (1...65_535).contains(pki.port), pki.port != port else {
                throw Self.wrong("pki.port", "it must be from 1 to 65535 and not that of listen.port")
            }
        }
        try PrivateEndpointSetting.validate(privateEndpoints)
        try notices?.validate()
        try acme?.validate()
        var status = stat()
        guard stat(privateKey, &status) == 0 else {
            throw Self.wrong("tls.privateKey", "the file '\(privateKey)' cannot be read")
        }
        guard status.st_mode & 0o007 == 0 else {
            throw Self.wrong("tls.privateKey", "others may read '\(privateKey)'; run 'chmod 640' or stricter on it")
        }
        guard access(certificate, R_OK) == 0 else {
            throw Self.wrong("tls.certificate", "the file '\(certificate)' cannot be read")
        }
    }

    var house: HouseConfiguration {
        var configuration = HouseConfiguration(folder: dataFolder, suffix: suffix, publicPort: publicPort)
        configuration.tenant = tenant
        configuration.subscription = subscription
        configuration.resourceGroup = resourceGroup
        configuration.location = location
        configuration.vaults = vaults
        configuration.federation = federation
        configuration.limits.proxies = TrustedProxies(trustedProxies)
        configuration.limits.proxyProtocol = TrustedProxies(proxyProtocol)
        configuration.privateEndpoints = privateEndpoints
        configuration.allowsPrivateAddresses = allowsPrivateAddresses
        configuration.attestationAuthorities = attestation
        configuration.publicAddress = pki?.address
        configuration.acmeDirectories = acme?.allowed ?? []
        configuration.poolBackups = poolBackups
        configuration.committer.syncsReads = auditDurability == "synced"
        return configuration
    }

    static func isHostSuffix(_ text: String) -> Bool {
        (1...200).contains(text.utf8.count)
            && text.split(separator: ".", omittingEmptySubsequences: false).allSatisfy { label in
                (1...63).contains(label.utf8.count) && label.first != "-" && label.last != "-"
                    && label.utf8.allSatisfy { $0.isASCIILetter || $0.isASCIIDigit || $0 == 0x2D }
            }
    }

    static func wrong(_ name: String, _ reason: String) -> CommandFailure {
        .configuration("\(name) in the configuration is wrong: \(reason)")
    }

    private static func describe(_ error: any Error) -> String {
        switch error {
        case DecodingError.keyNotFound(let key, let context):
            "'\((context.codingPath + [key]).map(\.stringValue).joined(separator: "."))' is missing"
        case DecodingError.typeMismatch(_, let context), DecodingError.valueNotFound(_, let context):
            "'\(context.codingPath.map(\.stringValue).joined(separator: "."))' has the wrong type"
        case DecodingError.dataCorrupted(let context):
            (context.codingPath.isEmpty ? "" : "'\(context.codingPath.map(\.stringValue).joined(separator: "."))' is ")
                + context.debugDescription
        default: "\(error)"
        }
    }
}

extension Settings {
    /// The file's own shape.
    private struct File: Decodable {
        struct Listen: Decodable {
            let addresses: [String]?
            let port: Int?
            let publicPort: Int?
        }
        struct TLS: Decodable {
            let certificate: String
            let privateKey: String
        }
        struct Unseal: Decodable {
            let passphrase: String
        }
        struct Vault: Decodable {
            let name: String
            let sku: String?
            let administrators: [GUID]?
            let retentionDays: Int?
            let purgeProtection: Bool?
        }
        struct Attestation: Decodable {
            let issuer: String
            let keysURL: String?
            let caFile: String?
        }
        struct Crypto: Decodable {
            let fips: String?
        }
        struct Network: Decodable {
            let allowPrivateAddresses: Bool?
            let trustedProxies: [String]?
            let proxyProtocol: [String]?
            let privateEndpoints: [PrivateEndpointSetting]?
        }
        struct Audit: Decodable {
            let durability: String?
        }

        static let members: Set = [
            "dataFolder", "suffix", "listen", "listen.addresses", "listen.port", "listen.publicPort", "tls",
            "tls.certificate",
            "tls.privateKey", "unseal", "unseal.passphrase", "tenant", "subscription", "resourceGroup", "location",
            "vaults",
            "vaults.name", "vaults.sku", "vaults.retentionDays", "vaults.purgeProtection", "pools", "pools.name",
            "pools.sku", "pools.administrators", "vaults.administrators", "pools.retentionDays",
            "pools.purgeProtection", "hsm", "hsm.module", "hsm.tokenLabel",
            "hsm.pin",
            "hsm.sessions", "attestation", "attestation.issuer", "attestation.keysURL", "attestation.caFile",
            "federation",
            "federation.issuer", "federation.keysURL", "federation.caFile", "crypto",
            "crypto.fips", "network", "network.allowPrivateAddresses", "network.trustedProxies",
            "network.proxyProtocol",
            "network.privateEndpoints", "network.privateEndpoints.name", "network.privateEndpoints.addresses",
            "network.privateEndpoints.port", "network.privateEndpoints.vaults", "network.privateEndpoints.pools",
            "audit",
            "audit.durability", "pki",
            "pki.address", "pki.port", "notices", "notices.webhook",
            "notices.secret", "notices.caFile", "notices.mail", "notices.mail.server", "notices.mail.port",
            "notices.mail.security", "notices.mail.user", "notices.mail.password", "notices.mail.from",
            "notices.mail.caFile", "acme", "acme.directories", "acme.directories.url", "acme.directories.caFile",
            "acme.dns", "acme.dns.command", "acme.dns.webhook", "acme.dns.secret", "acme.dns.caFile",
            "poolBackups", "poolBackups.folders", "poolBackups.folders.name", "poolBackups.folders.path",
            "poolBackups.hosts", "poolBackups.caFile",
        ]
        let dataFolder: String
        let suffix: String
        let listen: Listen?
        let tls: TLS
        let unseal: Unseal?
        let hsm: HSM?
        let pools: [Vault]?
        let attestation: [Attestation]?
        let federation: [Attestation]?
        let crypto: Crypto?
        let tenant: GUID?
        let subscription: GUID?
        let resourceGroup: String?
        let location: String?
        let vaults: [Vault]?
        let audit: Audit?
        let network: Network?
        let pki: PKI?
        let notices: NoticeSettings?
        let acme: ACMEConfiguration?
        let poolBackups: PoolBackupSettings?
    }

    /// The names of all members of a JSON text, as paths; elements of an array count as the array.
    private struct MemberPaths: Decodable {
        var paths: Set<String> = []

        fileprivate struct Name: CodingKey {
            let stringValue: String
            let intValue: Int? = nil
            init(stringValue: String) { self.stringValue = stringValue }
            init?(intValue: Int) { nil }
        }

        init(from decoder: any Decoder) throws {
            if let object = try? decoder.container(keyedBy: Name.self) {
                for name in object.allKeys {
                    paths.insert(name.stringValue)
                    let inner = try object.decode(MemberPaths.self, forKey: name)
                    paths.formUnion(inner.paths.map { name.stringValue + "." + $0 })
                }
            } else if var array = try? decoder.unkeyedContainer() {
                while !array.isAtEnd { paths.formUnion(try array.decode(MemberPaths.self).paths) }
            }
        }
    }

    /// The paths of numbers that are not whole: the decoder does not say where one stands.
    private struct Fractions: Decodable {
        var paths: Set<String> = []

        init(from decoder: any Decoder) throws {
            if let object = try? decoder.container(keyedBy: MemberPaths.Name.self) {
                for name in object.allKeys {
                    let inner = try object.decode(Fractions.self, forKey: name).paths
                    paths.formUnion(inner.map { $0.isEmpty ? name.stringValue : "\(name.stringValue).\($0)" })
                }
            } else if var array = try? decoder.unkeyedContainer() {
                while !array.isAtEnd { paths.formUnion(try array.decode(Fractions.self).paths) }
            } else if let value = try? decoder.singleValueContainer(), (try? value.decode(Bool.self)) == nil,
                (try? value.decode(Int.self)) == nil, (try? value.decode(Double.self)) != nil
            {
                paths = [""]
            }
        }
    }

    private static func requireKnownMembers(_ bytes: [UInt8], _ decoder: JSONDecoder, _ file: String) throws {
        let paths = (try? decoder.decode(MemberPaths.self, from: Data(bytes)).paths) ?? []
        if let unknown = paths.subtracting(File.members).sorted().first {
            throw wrong("'\(unknown)'", "there is no such member")
        }
    }
}
