import Audit
import Domain
import Operations
import StrongroomTesting
import Testing

struct FailingDutyTests {
    @Test("A duty that cannot be carried out is recorded, put off for five minutes and tried again")
    func putOff() async throws {
        let retention = try await Retention.open()
        try await retention.delete("a")
        await retention.pass(.days(7) - .seconds(1))
        let key = "vault/other/deleted-secret/a"
        let whole = try #require(try retention.house.raw(key))
        try retention.house.overwrite(key, with: Array(whole.dropLast()))
        await retention.pass(.seconds(1))
        #expect(try retention.events("SecretPurgeIfDue").map(\.status) == [500])

        try retention.house.overwrite(key, with: whole)
        await retention.pass(.minutes(5) - .seconds(1))
        #expect(try await retention.isKept("a"))
        await retention.pass(.seconds(1))
        #expect(try await !retention.isKept("a"))
        #expect(try retention.events("SecretPurgeIfDue").count == 2)
    }
}
