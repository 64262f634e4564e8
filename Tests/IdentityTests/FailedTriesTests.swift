import Domain
import StrongroomTesting
import Testing

@testable import Identity

struct FailedTriesTests {
    private let now = TestClock.start

    private func failed(_ count: Int, at now: Timestamp? = nil) -> FailedTries {
        var tries = FailedTries()
        for _ in 0..<count { tries.note("client", now: now ?? self.now) }
        return tries
    }

    @Test("Ten failed tries are free", arguments: 0...9)
    func free(_ count: Int) {
        #expect(failed(count).waitSeconds("client", now: now) == nil)
    }

    @Test("Every further one waits, longer each time, and never longer than five minutes")
    func waits() {
        var last = 0
        for count in 10...30 {
            let wait = failed(count).waitSeconds("client", now: now) ?? 0
            #expect(wait >= last)
            #expect((5...301).contains(wait))
            last = wait
        }
        #expect(last > 60)
    }

    @Test("After the wait the next try is let in")
    func ends() throws {
        let tries = failed(10)
        let wait = try #require(tries.waitSeconds("client", now: now))
        #expect(tries.waitSeconds("client", now: now + .seconds(wait - 2)) != nil)
        #expect(tries.waitSeconds("client", now: now + .seconds(wait)) == nil)
    }

    @Test("One client's failures are not another's")
    func others() {
        #expect(failed(50).waitSeconds("other", now: now) == nil)
    }

    @Test("A success forgets them, and so does time")
    func forgets() {
        var tries = failed(20)
        tries.forget("client")
        #expect(tries.waitSeconds("client", now: now) == nil)
        tries = failed(9)
        tries.note("client", now: now + .minutes(6))
        #expect(tries.waitSeconds("client", now: now + .minutes(6)) == nil)
    }

    @Test("A flood of names takes no more than its share of memory")
    func flood() {
        var tries = FailedTries()
        for number in 0..<25_000 { tries.note("client-\(number)", now: now) }
        for _ in 0..<10 { tries.note("client", now: now) }
        #expect(tries.waitSeconds("client", now: now) != nil)
    }
}
