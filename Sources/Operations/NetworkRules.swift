package import Domain

#if canImport(Glibc)
    import Glibc
#endif

/// From where a vault may be reached. Applies to what is in it, not to its management, and says nothing of who may do what.
///
/// - Source: Azure REST "Vaults", `NetworkRuleSet`; the order of evaluation of the service.
package struct NetworkRules: Sendable, Hashable, Codable {
    package enum Action: String, Sendable, Codable { case allow = "Allow", deny = "Deny" }
    package enum Bypass: String, Sendable, Codable { case none = "None", azureServices = "AzureServices" }

    package static let mostAddresses = 1_000
    package static let mostSubnets = 200

    package var defaultAction: Action
    package var bypass: Bypass
    package var addresses: [AddressRange]
    /// Identifiers of subnets: kept and told; no address is known to lie in one.
    package var subnets: [String]

    package init(
        defaultAction: Action = .allow, bypass: Bypass = .azureServices, addresses: [AddressRange] = [],
        subnets: [String] = []
    ) {
        (self.defaultAction, self.bypass, self.addresses, self.subnets) = (defaultAction, bypass, addresses, subnets)
    }

    func allows(_ peer: Peer) -> Bool {
        guard defaultAction == .deny else { return true }
        guard let address = AddressRange(peer.address) else { return false }
        return addresses.contains { $0.contains(address) }
    }
}

/// An address or a range of addresses (RFC 4632 §3.1, RFC 4291 §2.3).
package struct AddressRange: Sendable, Hashable, Codable {
    /// As it is told: a single IPv4 address ends in `/32`, as the service has it.
    package var text: String { Self.text(of: network) + "/\(prefix)" }
    private let network: [UInt8]
    private let prefix: Int

    /// Nil when `text` is neither an address nor a range, or when bits behind the prefix are set.
    package init?(_ text: String) {
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard let first = parts.first, var bytes = Self.bytes(of: first) else { return nil }
        var prefix = bytes.count * 8
        if parts.count == 2 {
            guard (1...3).contains(parts[1].utf8.count), parts[1].utf8.allSatisfy(\.isASCIIDigit),
                let given = Int(parts[1]), given <= prefix
            else { return nil }
            prefix = given
        }
        // An IPv4 address in the clothes of IPv6 is the IPv4 address.
        if bytes.count == 16, prefix >= 96, bytes[..<12].elementsEqual(Self.mapped) {
            (bytes, prefix) = (Array(bytes[12...]), prefix - 96)
        }
        guard bytes == Self.masked(bytes, prefix) else { return nil }
        (network, self.prefix) = (bytes, prefix)
    }

    package init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        guard let range = AddressRange(try container.decode(String.self)) else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "not an address range")
        }
        self = range
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(text)
    }

    package func contains(_ other: AddressRange) -> Bool {
        network.count == other.network.count && prefix <= other.prefix
            && Self.masked(other.network, prefix) == network
    }

    /// Whether any of it is for private use (RFC 1918).
    package var isPrivate: Bool {
        ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"].compactMap { AddressRange($0) }.contains {
            $0.contains(self) || contains($0)
        }
    }

    private static let mapped: [UInt8] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF]

    private static func text(of network: [UInt8]) -> String {
        guard network.count == 16 else { return network.map(String.init).joined(separator: ".") }
        var characters = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
        guard inet_ntop(AF_INET6, network, &characters, socklen_t(characters.count)) != nil else { return "::" }
        return String(decoding: characters.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    private static func bytes(of text: Substring) -> [UInt8]? {
        guard text.utf8.allSatisfy({ Hex.value(of: $0) != nil || $0 == UInt8(ascii: ".") || $0 == UInt8(ascii: ":") })
        else { return nil }
        let text = String(text)
        var bytes = [UInt8](repeating: 0, count: 16)
        if inet_pton(AF_INET, text, &bytes) == 1 { return Array(bytes[..<4]) }
        return inet_pton(AF_INET6, text, &bytes) == 1 ? bytes : nil
    }

    private static func masked(_ bytes: [UInt8], _ prefix: Int) -> [UInt8] {
        bytes.indices.map { index in
            let bits = min(8, max(0, prefix - index * 8))
            return bits == 0 ? 0 : bytes[index] & (0xFF << UInt8(8 - bits))
        }
    }
}

extension Vault {
    /// Asked after the token and before any permission.
    ///
    /// - Throws: `.forbiddenByConnection` where public access is closed; `.forbiddenByFirewall` for an address that no rule allows.
    package func requireReachable(from peer: Peer, by principal: Principal?) throws(VaultError) {
        let caller = principal.map { "Caller: \($0.callerText)\r\n" } ?? ""
        let place = "Vault: \(name);location=\(location)"
        if let endpoint = peer.endpoint {
            guard !privateEndpoints.contains(endpoint) else { return }
            throw VaultError(
                .forbiddenByConnection,
                "The request came by a private endpoint, and the vault has no approved connection to it.\r\n\(caller)\(place)"
            )
        }
        guard isPublic else {
            throw VaultError(
                .forbiddenByConnection,
                "Public network access is disabled and request is not from a trusted service nor via an approved private link.\r\n"
                    + caller + place)
        }
        guard network?.allows(peer) ?? true else {
            throw VaultError(
                .forbiddenByFirewall,
                "Client address is not authorized and caller is not a trusted service.\r\nClient address: \(peer.address)\r\n"
                    + caller + place)
        }
    }
}
