import Audit
import Domain
import Operations
import StrongroomTesting
import Testing

struct ClockJumpTests {
    @Test("A clock set forward purges nothing for a day, and one alarm tells of it")
    func pauses() async throws {
        let retention = try await Retention.open()
        try await retention.delete("a")
        await retention.tick()
        await retention.jump(.days(7))
        #expect(try await retention.isKept("a"))
        #expect(try retention.events("ClockJumpAlarm").count == 1)
        #expect(retention.house.log.lines.contains { $0.hasPrefix("alarm: ClockJumpAlarm: ") })
        await retention.pass(.hours(24) - .seconds(1))
        #expect(try await retention.isKept("a"))
        await retention.pass(.seconds(1))
        #expect(try await !retention.isKept("a"))
        #expect(try retention.events("ClockJumpAlarm").count == 1)
        #expect(try retention.house.audit().report.fault == nil)
    }

    @Test("A clock set right again within the day loses nothing")
    func setRight() async throws {
        let retention = try await Retention.open()
        try await retention.delete("a")
        await retention.jump(.days(400))
        #expect(try await retention.isKept("a"))
        await retention.jump(.days(-400))
        await retention.pass(.hours(25))
        #expect(try await retention.isKept("a"))
        let host = TestHouse.vaultHost("other")
        #expect(try await retention.admin.send(.post, "/deletedsecrets/a/recover", on: host).status == 200)
        #expect(try retention.events("ClockJumpAlarm").count == 1)
    }

    @Test("A pause outlives a restart, and the time that the server is down does not count")
    func outlives() async throws {
        var retention = try await Retention.open()
        try await retention.delete("a")
        await retention.jump(.days(7))
        await retention.pass(.hours(6))
        retention = try await retention.reopened(down: .days(2))
        await retention.tick()
        #expect(try await retention.isKept("a"))
        await retention.pass(.hours(18) - .seconds(1))
        #expect(try await retention.isKept("a"))
        await retention.pass(.seconds(1))
        #expect(try await !retention.isKept("a"))
        #expect(try retention.events("ClockJumpAlarm").count == 1)
    }

    @Test("A restart right after the jump does not shorten the pause")
    func restartAtOnce() async throws {
        var retention = try await Retention.open()
        try await retention.delete("a")
        await retention.jump(.days(7))
        for _ in 1...3 {
            retention = try await retention.reopened()
            await retention.tick()
            #expect(try await retention.isKept("a"))
        }
        await retention.pass(.hours(24) - .seconds(1))
        #expect(try await retention.isKept("a"))
        await retention.pass(.seconds(1))
        #expect(try await !retention.isKept("a"))
    }

    @Test("A pause that has ended does not come back with a restart")
    func ended() async throws {
        var retention = try await Retention.open()
        await retention.jump(.hours(1))
        await retention.pass(.hours(24))
        try await retention.delete("a")
        retention.house.clock.advance(by: .days(6))
        _ = try await retention.admin.get("absent")
        retention = try await retention.reopened(down: .days(1))
        await retention.tick()
        #expect(try await !retention.isKept("a"))
    }

    @Test("After more than three days down nothing is purged for an hour, and an alarm tells of it")
    func absence() async throws {
        var retention = try await Retention.open()
        try await retention.delete("a")
        retention = try await retention.reopened(down: .days(8))
        await retention.tick()
        #expect(try await retention.isKept("a"))
        #expect(try retention.events("ClockJumpAlarm").count == 1)
        await retention.pass(.hours(1) - .seconds(1))
        #expect(try await retention.isKept("a"))
        await retention.pass(.seconds(1))
        #expect(try await !retention.isKept("a"))
    }

    @Test("A pause holds back what destroys and nothing else")
    func otherDuties() async throws {
        let retention = try await Retention.open()
        try await retention.delete("a")
        await retention.jump(.days(31))
        #expect(try retention.events("ClockJumpAlarm").count == 1)
        #expect(try await retention.isKept("a"))
        #expect(try retention.events("SigningKeyRotate").count == 1)
        #expect(try await retention.admin.set("b", "works").status == 200)
    }
}
