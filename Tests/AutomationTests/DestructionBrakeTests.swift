import Domain
import Testing

@testable import Automation

struct DestructionBrakeTests {
    private static let wall = Timestamp(epochSeconds: 1_800_000_000)
    private static let uptime: Duration = .hours(5)

    /// A reference, so that an expectation can move it on.
    private final class Brake {
        private var brake: DestructionBrake

        init(lastSeen: Timestamp?, pause: Duration?) {
            brake = DestructionBrake(wall: wall, uptime: uptime, lastSeen: lastSeen, pause: pause)
        }

        func observe(wall: Timestamp, uptime: Duration) -> DestructionBrake.Alarm? {
            brake.observe(wall: wall, uptime: uptime)
        }

        func remaining(uptime: Duration) -> Duration? { brake.remaining(uptime: uptime) }
        func admit(uptime: Duration) -> Bool { brake.admit(uptime: uptime) }
    }

    private static func brake(lastSeen: Timestamp? = wall, pause: Duration? = nil) -> Brake {
        Brake(lastSeen: lastSeen, pause: pause)
    }

    private static func after(_ duration: Duration) -> Duration { uptime + duration }

    // MARK: Jumps

    @Test(
        "A clock that goes with the uptime, falls behind it or runs ahead a little raises no alarm",
        arguments: [
            (Duration.seconds(1), Duration.seconds(1)), (.days(400), .days(400)), (.minutes(5), .zero),
            (.minutes(6), .minutes(1)), (.seconds(-86_400), .zero), (.zero, .days(3)),
        ] as [(Duration, Duration)])
    func steady(_ wall: Duration, _ uptime: Duration) {
        let brake = Self.brake()
        #expect(brake.observe(wall: Self.wall + wall, uptime: Self.after(uptime)) == nil)
        #expect(brake.admit(uptime: Self.after(uptime)))
        #expect(brake.remaining(uptime: Self.after(uptime)) == nil)
    }

    @Test(
        "A clock that runs ahead by more than five minutes stops destruction for a day of uptime",
        arguments: [
            (Duration.minutes(5) + .nanoseconds(1), Duration.zero), (.days(90), .zero), (.minutes(7), .seconds(1)),
            (.days(40_000), .days(2)),
        ] as [(Duration, Duration)])
    func jump(_ wall: Duration, _ uptime: Duration) throws {
        let brake = Self.brake()
        let seen = Self.after(uptime)
        let alarm = try #require(brake.observe(wall: Self.wall + wall, uptime: seen))
        #expect(alarm.pause == .hours(24))
        #expect(!brake.admit(uptime: seen))
        #expect(brake.remaining(uptime: seen) == .hours(24))
        #expect(!brake.admit(uptime: seen + .hours(24) - .nanoseconds(1)))
        #expect(brake.admit(uptime: seen + .hours(24)))
    }

    @Test("An alarm is raised once for each jump")
    func once() {
        let brake = Self.brake()
        let jumped = Self.wall + .hours(1)
        #expect(brake.observe(wall: jumped, uptime: Self.uptime) != nil)
        #expect(brake.observe(wall: jumped + .seconds(1), uptime: Self.after(.seconds(1))) == nil)
        #expect(brake.observe(wall: jumped + .hours(2), uptime: Self.after(.seconds(2))) != nil)
        #expect(!brake.admit(uptime: Self.after(.hours(24) + .seconds(1))))
        #expect(brake.admit(uptime: Self.after(.hours(24) + .seconds(2))))
    }

    @Test("A clock set back does not end a pause, and set forward again it begins anew")
    func setBack() {
        let brake = Self.brake()
        #expect(brake.observe(wall: Self.wall + .days(1), uptime: Self.uptime) != nil)
        #expect(brake.observe(wall: Self.wall, uptime: Self.after(.hours(1))) == nil)
        #expect(!brake.admit(uptime: Self.after(.hours(1))))
        #expect(brake.observe(wall: Self.wall + .days(1), uptime: Self.after(.hours(2))) != nil)
        #expect(!brake.admit(uptime: Self.after(.hours(25))))
        #expect(brake.admit(uptime: Self.after(.hours(26))))
    }

    // MARK: Absence

    @Test(
        "At the first start, and after three days or less, nothing is held back", arguments: [nil, 0, 259_200, -86_400])
    func shortAbsence(_ seconds: Int?) {
        let brake = Self.brake(lastSeen: seconds.map { Self.wall - .seconds($0) })
        #expect(brake.observe(wall: Self.wall, uptime: Self.uptime) == nil)
        #expect(brake.admit(uptime: Self.uptime))
        #expect(brake.remaining(uptime: Self.uptime) == nil)
    }

    @Test("After more than three days nothing is destroyed for an hour, and the first look at the clock tells of it")
    func longAbsence() throws {
        let brake = Self.brake(lastSeen: Self.wall - .days(3) - .nanoseconds(1))
        #expect(!brake.admit(uptime: Self.uptime))
        let alarm = try #require(brake.observe(wall: Self.wall, uptime: Self.uptime))
        #expect(alarm.pause == .hours(1))
        #expect(brake.observe(wall: Self.wall, uptime: Self.uptime) == nil)
        #expect(!brake.admit(uptime: Self.after(.hours(1) - .nanoseconds(1))))
        #expect(brake.admit(uptime: Self.after(.hours(1))))
    }

    // MARK: What is left of a pause

    @Test("What an earlier run left of a pause goes on by uptime")
    func kept() {
        let brake = Self.brake(pause: .hours(7))
        #expect(brake.observe(wall: Self.wall, uptime: Self.uptime) == nil)
        #expect(brake.remaining(uptime: Self.after(.hours(3))) == .hours(4))
        #expect(!brake.admit(uptime: Self.after(.hours(7) - .nanoseconds(1))))
        #expect(brake.admit(uptime: Self.after(.hours(7))))
    }

    @Test("Of two pauses the longer one counts", arguments: [(30, 60), (90, 90)])
    func longer(_ kept: Int, _ minutes: Int) throws {
        let brake = Self.brake(lastSeen: Self.wall - .days(4), pause: .minutes(kept))
        let alarm = try #require(brake.observe(wall: Self.wall, uptime: Self.uptime))
        #expect(alarm.pause == .minutes(minutes))
        #expect(!brake.admit(uptime: Self.after(.minutes(minutes) - .nanoseconds(1))))
        #expect(brake.admit(uptime: Self.after(.minutes(minutes))))
    }

    @Test("The end of a pause is told once")
    func end() {
        let brake = Self.brake(pause: .hours(1))
        #expect(brake.remaining(uptime: Self.after(.minutes(59))) == .minutes(1))
        #expect(brake.remaining(uptime: Self.after(.hours(1))) == .zero)
        #expect(brake.remaining(uptime: Self.after(.hours(1))) == nil)
    }

    @Test("A pause on record that had run out is crossed out too")
    func spent() {
        let brake = Self.brake(pause: .zero)
        #expect(brake.admit(uptime: Self.uptime))
        #expect(brake.remaining(uptime: Self.uptime) == .zero)
        #expect(brake.remaining(uptime: Self.uptime) == nil)
    }

    // MARK: Rate

    @Test("25 are admitted in a minute, however often it is asked")
    func rate() {
        let brake = Self.brake()
        func admitted(_ moment: Duration) -> Int {
            (0..<100).count { _ in brake.admit(uptime: Self.after(moment)) }
        }
        #expect(admitted(.zero) == 25)
        #expect(admitted(.seconds(1)) == 0)
        #expect(admitted(.minutes(1) - .nanoseconds(1)) == 0)
        #expect(admitted(.minutes(1)) == 25)
        #expect(admitted(.seconds(119)) == 0)
        #expect(admitted(.minutes(10)) == 25)
    }

    @Test("What is not admitted does not count")
    func refused() {
        let brake = Self.brake(pause: .minutes(1))
        for _ in 0..<100 { #expect(!brake.admit(uptime: Self.uptime)) }
        #expect((0..<100).count { _ in brake.admit(uptime: Self.after(.minutes(1))) } == 25)
    }
}
