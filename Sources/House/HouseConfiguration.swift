package import ACME
package import Audit
package import Domain
package import HTTPServer
package import Keys
package import Management
package import Operations
package import Pools
package import ProviderPKCS11
package import SMTPClient
package import StoreSQLite
package import WebTokens

/// Everything that is decided outside the house: where it stands, what it is called, and the world it lives in.
package struct HouseConfiguration: Sendable {
    package var folder: String
    /// Suffix of every host name.
    package var suffix: String
    /// The port that clients see; 443 is left out of addresses.
    package var publicPort: Int
    package var location = "local"
    package var resourceGroup = "strongroom"
    /// Made at the first start when nil; a stored one wins over nil and must equal what is given.
    package var tenant: GUID?
    package var subscription: GUID?
    /// Vaults to make when they are not there yet.
    package var vaults: [VaultSettings] = []
    /// Network rules of vaults may name addresses for private use (RFC 1918), which the reference service refuses.
    package var allowsPrivateAddresses = false
    /// Listeners of their own, by which vaults may be reached that are closed to everybody else.
    package var privateEndpoints: [PrivateEndpoint] = []
    /// Where pools may be backed up to.
    package var poolBackups = BackupPlaces()
    package var limits = HTTPLimits()
    package var storage = SQLiteStore.Options()
    package var committer = Committer.Options()
    /// Bound on the sealed records kept in memory.
    package var cacheBytes = 48 << 20
    package var world = World()
    /// The token that holds HSM keys; nil when there is none.
    package var token: Token?
    /// Whose attestations open exportable keys.
    package var attestationAuthorities: [AttestationAuthorities.Authority] = []
    /// Whose tokens may stand for applications (workload identity federation).
    package var federation: [TrustedIssuers.Issuer] = []
    /// Where clients reach what is served over plain HTTP, such as `http://pki.example.com`; stands in certificates. Nil for nowhere.
    package var publicAddress: String?
    /// Where notices go; nil for nowhere.
    package var webhook: Webhook?
    /// The mail server that takes notices for people; nil for none.
    package var mail: SMTPClient.Configuration?

    /// Which ACME authorities may be asked.
    package var acmeDirectories: [ACMESettings.Directory] = []
    /// Who publishes records of the domain name system for their challenges; nil for nobody.
    package var challengePublisher: Publisher?

    package struct PrivateEndpoint: Sendable {
        package let name: String
        package let addresses: [String]
        package let port: Int
        /// Which are asked for a connection.
        package let vaults: [VaultTable.Name]

        package init(name: String, addresses: [String], port: Int, vaults: [VaultTable.Name]) {
            (self.name, self.addresses, self.port, self.vaults) = (name, addresses, port, vaults)
        }
    }

    package enum Publisher: Sendable {
        /// Absolute path of a program.
        case command(String)
        case webhook(Webhook)
    }

    /// A receiver of calls, and the key by which it knows them to be ours.
    package struct Webhook: Sendable {
        let address: String
        let secret: SensitiveBytes
        let caFile: String?

        package init(address: String, secret: SensitiveBytes, caFile: String? = nil) {
            (self.address, self.secret, self.caFile) = (address, secret, caFile)
        }
    }

    package struct VaultSettings: Sendable {
        package let name: VaultName
        package let retentionDays: Int
        package let isPurgeProtected: Bool
        /// Whether a vault that is there already must be like this; false only asks for one of the name.
        package let isStrict: Bool
        package let service: Vault.Service
        package let sku: Vault.SKU
        /// Who administers a pool from its first start with this configuration.
        package let administrators: [GUID]

        package init(
            name: VaultName, service: Vault.Service = .vault, sku: Vault.SKU = .standard, retentionDays: Int = 90,
            isPurgeProtected: Bool = false, isStrict: Bool = false, administrators: [GUID] = []
        ) {
            self.administrators = administrators
            self.service = service
            self.sku = sku
            self.name = name
            self.retentionDays = retentionDays
            self.isPurgeProtected = isPurgeProtected
            self.isStrict = isStrict
        }
    }

    package init(folder: String, suffix: String, publicPort: Int) {
        (self.folder, self.suffix, self.publicPort) = (folder, suffix, publicPort)
    }

    /// The suffix with the port behind it, as it stands in addresses.
    package var authoritySuffix: String { publicPort == 443 ? suffix : "\(suffix):\(publicPort)" }
}

/// Clocks and log: what comes into the house from outside, so that a test can bring its own.
/// Randomness comes in with the `CryptoEngine`, the disk with the `Store`.
package struct World: Sendable {
    package var wall: @Sendable () -> Timestamp = { Timestamp.systemNow }
    package var uptime: @Sendable () -> Duration = { Timestamp.systemUptime }
    package var log: @Sendable (String) -> Void = { StandardError.line($0) }

    package init() {}
}
