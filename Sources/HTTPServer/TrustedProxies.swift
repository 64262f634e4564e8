package import Operations

/// The proxies whose word about a client's address is taken.
///
/// `X-Forwarded-For` is read from its end, which the nearest proxy wrote: the first address that is not a trusted proxy's is the client's. What
/// stands before it anybody may have written, and is not looked at.
package struct TrustedProxies: Sendable {
    private let ranges: [AddressRange]

    package init(_ ranges: [AddressRange] = []) { self.ranges = ranges }

    var isEmpty: Bool { ranges.isEmpty }

    func contains(_ address: AddressRange) -> Bool { ranges.contains { $0.contains(address) } }

    /// Who the client behind a connection is.
    ///
    /// - Parameter forwarded: the values of `X-Forwarded-For`, in their order.
    /// - Returns: nil when a trusted proxy's word is no list of addresses.
    func client(behind peer: Peer, _ forwarded: [String]) -> Peer? {
        guard !isEmpty, !forwarded.isEmpty, let nearest = AddressRange(peer.address), contains(nearest) else {
            return peer
        }
        var last = peer
        for entry in forwarded.joined(separator: ",").split(separator: ",", omittingEmptySubsequences: false).reversed()
        {
            let text = String(entry.drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
            guard !text.contains("/"), let address = AddressRange(text) else { return nil }
            last = Peer(address: text, isIPv6: text.contains(":"), endpoint: peer.endpoint)
            if !contains(address) { return last }
        }
        return last
    }
}
