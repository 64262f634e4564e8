import Audit
import Domain
import StrongroomTesting
import Testing

@testable import Automation

struct RetryDelayTests {
    @Test(
        "A duty that failed waits twice as long each time, from 5 minutes to 6 hours",
        arguments: [
            (0, 5), (1, 10), (2, 20), (3, 40), (4, 80), (5, 160), (6, 320), (7, 360), (8, 360), (10, 360), (11, 360),
            (63, 360), (64, 360), (1_000_000, 360), (.max, 360),
        ])
    func delays(_ failures: Int, _ minutes: Int) {
        #expect(Automation.retryDelay(after: failures) == .minutes(minutes))
    }

    @Test("A duty that goes on failing is tried after 5, 10, 20, 40 minutes, and once it succeeds no more")
    func failing() async throws {
        let retention = try await Retention.open()
        try await retention.delete("a")
        let key = "vault/other/deleted-secret/a"
        let whole = try #require(try retention.house.raw(key))
        try retention.house.overwrite(key, with: Array(whole.dropLast()))
        await retention.pass(.days(7))
        var tries = 1
        #expect(try retention.events("SecretPurgeIfDue").count == tries)
        for minutes in [5, 10, 20, 40] {
            await retention.pass(.minutes(minutes) - .seconds(1))
            #expect(try retention.events("SecretPurgeIfDue").count == tries)
            await retention.pass(.seconds(1))
            tries += 1
            #expect(try retention.events("SecretPurgeIfDue").count == tries)
        }
        try retention.house.overwrite(key, with: whole)
        await retention.pass(.minutes(80))
        #expect(try retention.events("SecretPurgeIfDue").map(\.status).last == 200)
        await retention.pass(.days(1))
        #expect(try retention.events("SecretPurgeIfDue").count == tries + 1)
        #expect(try retention.house.rawKeys("due/").filter { $0.contains("secret-purge") }.isEmpty)
    }

    @Test("Putting a duty off keeps count over a restart")
    func restart() async throws {
        var retention = try await Retention.open()
        try await retention.delete("a")
        let key = "vault/other/deleted-secret/a"
        let whole = try #require(try retention.house.raw(key))
        try retention.house.overwrite(key, with: Array(whole.dropLast()))
        await retention.pass(.days(7))
        await retention.pass(.minutes(5))
        retention = try await retention.reopened(down: .minutes(10) - .seconds(1))
        await retention.tick()
        #expect(try retention.events("SecretPurgeIfDue").count == 2)
        await retention.pass(.seconds(1))
        #expect(try retention.events("SecretPurgeIfDue").count == 3)
    }
}
