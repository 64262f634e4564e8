import Operations
import Testing

@testable import HTTPServer

struct TrustedProxiesTests {
    private static let proxies = TrustedProxies(
        ["10.0.0.0/8", "2001:db8::/32", "127.0.0.1"].compactMap { AddressRange($0) })

    private static func client(_ peer: String, _ forwarded: [String]) -> String? {
        proxies.client(behind: Peer(address: peer, isIPv6: peer.contains(":")), forwarded)?.address
    }

    @Test(
        "The first address from the end that is not a proxy's is the client's",
        arguments: [
            ("10.0.0.1", ["203.0.113.7"], "203.0.113.7"), ("10.0.0.1", ["1.2.3.4, 203.0.113.7"], "203.0.113.7"),
            ("10.0.0.1", ["1.2.3.4", "203.0.113.7"], "203.0.113.7"),
            ("10.0.0.1", ["203.0.113.7, 10.0.0.9,10.1.1.1"], "203.0.113.7"),
            ("10.0.0.1", ["10.0.0.9, 10.1.1.1"], "10.0.0.9"), ("10.0.0.1", [], "10.0.0.1"),
            ("::ffff:10.0.0.1", ["203.0.113.7"], "203.0.113.7"), ("2001:db8::1", ["2001:dead::2"], "2001:dead::2"),
            // What stands before the client's address anybody may have written.
            ("10.0.0.1", ["nonsense, 203.0.113.7"], "203.0.113.7"), ("127.0.0.1", ["127.0.0.1,9.9.9.9"], "9.9.9.9"),
        ] as [(String, [String], String)])
    func chain(_ peer: String, _ forwarded: [String], _ expected: String) {
        #expect(Self.client(peer, forwarded) == expected)
    }

    @Test("Nobody else is believed", arguments: ["203.0.113.9", "11.0.0.1", "2001:db9::1", ""])
    func stranger(_ peer: String) {
        #expect(Self.client(peer, ["10.0.0.1"]) == peer)
    }

    @Test("Without trusted proxies the header means nothing")
    func none() {
        let peer = Peer(address: "10.0.0.1", isIPv6: false)
        #expect(TrustedProxies().client(behind: peer, ["203.0.113.7"]) == peer)
    }

    @Test(
        "A proxy's word that is no list of addresses is refused",
        arguments: ["", "unknown", "203.0.113.7:443", "203.0.113.0/24", "203.0.113.7,", "1.2.3.4;5.6.7.8"])
    func malformed(_ value: String) {
        #expect(Self.client("10.0.0.1", [value]) == nil)
    }
}
