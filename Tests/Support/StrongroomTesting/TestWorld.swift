package import Cryptography
package import Domain
import Synchronization

/// The wall clock and the uptime of a house, both set by the test.
package final class TestClock: Sendable {
    private let state: Mutex<(wall: Timestamp, uptime: Duration)>

    /// 2027-01-15T08:00:00Z, an hour after the machine started.
    package static let start = Timestamp(epochSeconds: 1_800_000_000)

    package init(wall: Timestamp = TestClock.start) { state = Mutex((wall, .hours(1))) }

    package var now: Timestamp { state.withLock { $0.wall } }
    package var uptime: Duration { state.withLock { $0.uptime } }

    /// Time passes.
    package func advance(by duration: Duration) {
        state.withLock { state in
            state.wall = state.wall + duration
            state.uptime += duration
        }
    }

    /// Somebody sets the wall clock.
    package func setWall(_ wall: Timestamp) { state.withLock { $0.wall = wall } }
}

/// What the house said to its operator.
package final class TestLog: Sendable {
    private let kept = Mutex<[String]>([])

    package init() {}

    package var lines: [String] { kept.withLock { $0 } }
    func append(_ line: String) { kept.withLock { $0.append(line) } }
}

/// Random bytes that are the same in every run. Good for repeating a test and for nothing else.
package func seededRandomness(_ seed: UInt64) -> CryptoEngine.Randomness {
    let state = RandomState(seed)
    return { buffer in
        state.random.withLock { random in
            for index in buffer.indices { buffer[index] = UInt8(truncatingIfNeeded: random.next()) }
        }
        return true
    }
}

private final class RandomState: Sendable {
    let random: Mutex<SplitMix64>
    init(_ seed: UInt64) { random = Mutex(SplitMix64(seed)) }
}

/// A small generator for tests that want to say which run failed.
package struct SplitMix64: RandomNumberGenerator, Sendable {
    private var state: UInt64

    package init(_ seed: UInt64) { state = seed }

    package mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
        return value ^ (value >> 31)
    }
}
