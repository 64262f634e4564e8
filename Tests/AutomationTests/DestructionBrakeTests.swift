import Domain
import StrongroomTesting
import Testing

@testable import Automation

struct DestructionBrakeTests {
    /// A brake with its clocks: expectations take no mutating calls.
    private final class Watched {
        private var brake: DestructionBrake

        init(lastSeen: Timestamp? = nil, pause: Duration? = nil) {
            brake = DestructionBrake(wall: TestClock.start, uptime: .zero, lastSeen: lastSeen, pause: pause)
        }

        /// Time passes on both clocks, and the wall clock moves by `jump` besides.
        func alarms(after passed: Duration, jump: Duration = .zero) -> Bool {
            brake.observe(wall: TestClock.start + passed + jump, uptime: passed) != nil
        }

        func admits(after passed: Duration) -> Bool { brake.admit(uptime: passed) }
        func remaining(after passed: Duration) -> Duration? { brake.remaining(uptime: passed) }
    }

    @Test("Twenty-five a minute are let through, minute by minute")
    func perMinute() {
        let brake = Watched()
        var admitted: [Int] = []
        for second in 0..<180 {
            var count = 0
            for _ in 0..<10 where brake.admits(after: .seconds(second)) { count += 1 }
            admitted.append(count)
        }
        for minute in 0..<3 { #expect(admitted[(minute * 60)..<(minute * 60 + 60)].reduce(0, +) == 25) }
    }

    @Test("Clocks that go together raise no alarm, for days")
    func together() {
        let brake = Watched()
        for minute in 0..<5_000 { #expect(!brake.alarms(after: .minutes(minute))) }
        #expect(brake.admits(after: .minutes(5_000)))
    }

    @Test(
        "A step within the tolerance is none, and one beyond it stops everything for a day",
        arguments: [(299, false), (300, false), (301, true), (90 * 86_400, true)])
    func jump(_ seconds: Int, _ isJump: Bool) {
        let brake = Watched()
        let isAlarm = brake.alarms(after: .seconds(1), jump: .seconds(seconds))
        #expect(isAlarm == isJump)
        #expect(brake.admits(after: .seconds(2)) == !isJump)
        #expect(brake.admits(after: .hours(23)) == !isJump)
        #expect(brake.admits(after: .hours(24) + .seconds(2)))
    }

    @Test("An alarm is raised once for one jump")
    func once() {
        let brake = Watched()
        #expect(brake.alarms(after: .seconds(1), jump: .days(1)))
        #expect(!brake.alarms(after: .seconds(2), jump: .days(1)))
        #expect(!brake.alarms(after: .hours(3), jump: .days(1)))
    }

    @Test("Many small steps are a jump as well")
    func creeping() {
        let brake = Watched()
        var alarms = 0
        for second in 1...600 where brake.alarms(after: .seconds(second), jump: .seconds(second * 60)) {
            alarms += 1
        }
        #expect(alarms > 0)
        #expect(!brake.admits(after: .seconds(601)))
    }

    @Test("A clock that is set back raises no alarm, and setting it right again does")
    func setBack() {
        let brake = Watched()
        #expect(!brake.alarms(after: .seconds(1), jump: .days(-1)))
        #expect(brake.admits(after: .seconds(1)))
        #expect(brake.alarms(after: .seconds(2)))
    }

    @Test(
        "After a long absence nothing is destroyed for an hour",
        arguments: [(3 * 86_400, false), (3 * 86_400 + 1, true), (400 * 86_400, true)])
    func absence(_ seconds: Int, _ isLong: Bool) {
        let brake = Watched(lastSeen: TestClock.start - .seconds(seconds))
        #expect(brake.alarms(after: .zero) == isLong)
        #expect(brake.admits(after: .minutes(59)) == !isLong)
        #expect(brake.admits(after: .hours(1)))
    }

    @Test("What an earlier run left of a pause is kept in full")
    func resumed() {
        let brake = Watched(pause: .hours(5))
        #expect(!brake.admits(after: .hours(5) - .seconds(1)))
        #expect(brake.remaining(after: .hours(2)) == .hours(3))
        #expect(brake.admits(after: .hours(5)))
        #expect(brake.remaining(after: .hours(5)) == .zero)
        #expect(brake.remaining(after: .hours(5)) == nil)
    }
}
