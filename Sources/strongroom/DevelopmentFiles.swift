import Domain
import House
import Identity
import Management
import Operations

/// The files that `strongroom dev` leaves for clients: `client.env`, `ca.pem`, and a bundle of the system's roots with our own.
struct DevelopmentFiles {
    let folder: DataFolder
    let house: House
    let vault: VaultName
    let pool: VaultName

    private static let systemRoots = [
        "/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem",
    ]

    func write(authority: String) async throws {
        try folder.write(authority.utf8, to: "ca.pem", mode: 0o644)
        let roots = Self.systemRoots.lazy.compactMap { DataFolder.read(file: $0) }.first ?? []
        try folder.write(roots + [UInt8(ascii: "\n")] + Array(authority.utf8), to: "ca-bundle.pem", mode: 0o644)
        let client = try await client()
        if let id = GUID(client.id), let application = house.directory.application(id) {
            // A pool that somebody made has administrators of its own.
            let pools = house.configuration.vaults.filter { $0.service == .managedHSM }.map(\.name)
            try await house.grantInPools(House.allPoolRoles, to: application.objectID, pools: Set(pools))
        }
        let suffix = house.configuration.authoritySuffix
        let bundle = folder.absolute("ca-bundle.pem")
        let lines = [
            ("VAULT_URL", "https://\(vault).vault.\(suffix)"), ("MHSM_URL", "https://\(pool).managedhsm.\(suffix)"),
            ("ARM_URL", "https://management.\(suffix)"), ("AZURE_AUTHORITY_HOST", house.authority.loginURL),
            ("AZURE_TENANT_ID", house.instance.tenant.description), ("AZURE_CLIENT_ID", client.id),
            ("AZURE_CLIENT_SECRET", client.secret),
            ("AZURE_SUBSCRIPTION_ID", house.instance.subscription.description),
            ("AZURE_RESOURCE_GROUP", house.configuration.resourceGroup), ("SSL_CERT_FILE", bundle),
            ("REQUESTS_CA_BUNDLE", bundle),
        ]
        let text = lines.map { "\($0)='\($1)'\n" }.joined()
        try folder.write(text.utf8, to: "client.env", mode: 0o600)
    }

    /// The client of an earlier start when its file is still there; a new one otherwise.
    private func client() async throws -> (id: String, secret: String) {
        if let bytes = folder.read("client.env") {
            let known = Self.parse(String(decoding: bytes, as: UTF8.self))
            if let id = known["AZURE_CLIENT_ID"], let secret = known["AZURE_CLIENT_SECRET"], let guid = GUID(id),
                house.directory.application(guid) != nil
            {
                return (id, secret)
            }
        }
        let client = try await house.makeClient(named: "strongroom-dev", roles: House.allRoles)
        let secret = client.password.withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
        return (client.application.id.description, secret)
    }

    static func parse(_ text: String) -> [String: String] {
        var values: [String: String] = [:]
        for line in text.split(separator: "\n") {
            let parts = line.split(separator: "=", maxSplits: 1)
            guard parts.count == 2 else { continue }
            values[String(parts[0])] =
                parts[1].hasPrefix("'") ? String(parts[1].dropFirst().dropLast()) : String(parts[1])
        }
        return values
    }
}
