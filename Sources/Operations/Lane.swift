package import Access
package import Barrier
package import Cryptography
package import Domain
package import Identity
package import Threads

/// What belongs to one event loop alone: its store connection, key schedules, verified tokens, remembered grants and random
/// bytes. Because nothing here is shared, the path of a read takes no lock and makes no hop.
package final class Lane: @unchecked Sendable {
    // Unchecked: a lane is handed from task to task of one event loop and touched on its thread only.
    package let reader: BarrierReader
    package let tokens: TokenVerifier
    package let access: AccessDecider
    package let random: RandomPool
    package let waker: any Waker
    /// What host names stand for, as far as they were asked for.
    private var hosts: [String: HostRoute] = [:]
    private let requestPrefix: UInt64
    private var requestCount: UInt64 = 0

    package init(
        reader: BarrierReader, tokens: TokenVerifier, access: AccessDecider, random: RandomPool, waker: any Waker
    ) {
        self.reader = reader
        self.tokens = tokens
        self.access = access
        self.random = random
        self.waker = waker
        requestPrefix = random.bytes(8).reduce(0) { $0 << 8 | UInt64($1) }
    }

    /// A request id: unique by a random prefix and a counter, formed as a version 4 GUID.
    package func nextRequestID() -> GUID {
        requestCount &+= 1
        return GUID(
            high: requestPrefix & 0xFFFF_FFFF_FFFF_0FFF | 0x4000,
            low: (requestCount &* 0x9E37_79B9_7F4A_7C15) & 0x3FFF_FFFF_FFFF_FFFF | 0x8000_0000_0000_0000)
    }

    package func route(of host: String, suffix: String) -> HostRoute {
        if let known = hosts[host] { return known }
        let route = HostRoute(host, suffix: suffix)
        if hosts.count >= 1_024 { hosts.removeAll(keepingCapacity: true) }
        hosts[host] = route
        return route
    }

    package func newVersion() -> ObjectVersion { ObjectVersion(random: random.bytes(16)) }
    package func newGUID() -> GUID { GUID(random: random.bytes(16)) }
}
