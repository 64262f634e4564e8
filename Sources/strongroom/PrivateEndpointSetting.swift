import Domain
import House
import Management
import Operations

/// A private endpoint in the configuration: a listener of its own, and who is asked for a connection to it.
struct PrivateEndpointSetting: Decodable, Sendable {
    let name: String
    let addresses: [String]
    let port: Int?
    let vaults: [String]?
    let pools: [String]?

    private static let member = "network.privateEndpoints"

    func endpoint() throws -> HouseConfiguration.PrivateEndpoint {
        guard PrivateEndpointConnection.isName(name) else {
            throw Settings.wrong(
                Self.member + ".name", "'\(name)' must be letters, digits, hyphens, underscores and full stops")
        }
        guard !addresses.isEmpty else { throw Settings.wrong(Self.member + ".addresses", "it must name an address") }
        for address in addresses where address.contains("/") || AddressRange(address) == nil {
            throw Settings.wrong(Self.member + ".addresses", "'\(address)' is no IP address")
        }
        let port = port ?? 443
        guard (1...65_535).contains(port) else {
            throw Settings.wrong(Self.member + ".port", "it must be from 1 to 65535")
        }
        func names(_ list: [String]?, _ service: Vault.Service, _ member: String) throws -> [VaultTable.Name] {
            try (list ?? []).map { text in
                guard let name = VaultName(text) else {
                    throw Settings.wrong("\(Self.member).\(member)", "'\(text)' is not a valid name")
                }
                return VaultTable.Name(name: name, service: service)
            }
        }
        return .init(
            name: name, addresses: addresses, port: port,
            vaults: try names(vaults, .vault, "vaults") + names(pools, .managedHSM, "pools"))
    }

    static func validate(_ endpoints: [HouseConfiguration.PrivateEndpoint]) throws {
        var names: Set<String> = []
        for endpoint in endpoints where !names.insert(endpoint.name.lowercased()).inserted {
            throw Settings.wrong(member + ".name", "'\(endpoint.name)' stands twice")
        }
    }
}
