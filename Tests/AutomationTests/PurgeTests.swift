import Audit
import Domain
import House
import Identity
import Operations
import Store
import StoreSQLite
import StrongroomTesting
import Testing

struct PurgeTests {
    @Test(
        "A deleted secret is purged when its retention has run out and not a second before",
        arguments: [("demo", 90), ("other", 7), ("locked", 90)])
    func onTime(_ vault: String, _ days: Int) async throws {
        let retention = try await Retention.open()
        let due = try #require(try await retention.delete("a", in: vault))
        #expect(due == TestClock.start + .days(days))
        await retention.pass(.days(days) - .seconds(1))
        #expect(try await retention.isKept("a", in: vault))
        await retention.pass(.seconds(1) - .nanoseconds(1))
        #expect(try await retention.isKept("a", in: vault))
        await retention.pass(.nanoseconds(1))
        #expect(try await !retention.isKept("a", in: vault))
        #expect(try await retention.admin.get("a", in: vault).status == 404)
        #expect(try await retention.admin.set("a", "anew", in: vault).status == 200)
        let versions = try await retention.admin.send(.get, "/secrets/a/versions", on: TestHouse.vaultHost(vault))
        #expect(versions.json["value"].array.count == 1)
    }

    @Test("A purge by the server is on record as its own")
    func recorded() async throws {
        let retention = try await Retention.open()
        try await retention.delete("a")
        await retention.pass(.days(7))
        let events = try retention.events("SecretPurgeIfDue")
        #expect(events.map(\.status) == [200])
        #expect(events.first?.principal == .system(tenant: retention.house.house.authority.tenant))
        #expect(try retention.house.audit().report.fault == nil)
        await retention.tick()
        #expect(try retention.events("SecretPurgeIfDue").count == 1)
    }

    @Test("A recovered secret is not purged, and one deleted again has its whole retention anew")
    func recovered() async throws {
        let retention = try await Retention.open()
        let host = TestHouse.vaultHost("other")
        try await retention.delete("a")
        await retention.pass(.days(6))
        #expect(try await retention.admin.send(.post, "/deletedsecrets/a/recover", on: host).status == 200)
        await retention.pass(.days(2))
        #expect(try await retention.admin.get("a", in: "other").json["value"].string == "value")
        #expect(try await retention.admin.delete("a", in: "other").status == 200)
        await retention.pass(.days(7) - .seconds(1))
        #expect(try await retention.isKept("a"))
        await retention.pass(.seconds(1))
        #expect(try await !retention.isKept("a"))
    }

    @Test("A secret purged by hand leaves nothing to do, and a new one of its name is left alone")
    func purgedByHand() async throws {
        let retention = try await Retention.open()
        try await retention.delete("a")
        let purged = try await retention.admin.send(.delete, "/deletedsecrets/a", on: TestHouse.vaultHost("other"))
        #expect(purged.status == 204)
        #expect(try await retention.admin.set("a", "anew", in: "other").status == 200)
        await retention.pass(.days(7))
        #expect(try await retention.admin.get("a", in: "other").json["value"].string == "anew")
        #expect(try retention.events("SecretPurgeIfDue").isEmpty)
    }

    @Test("What fell due while the server was down is purged after the next start")
    func afterRestart() async throws {
        var retention = try await Retention.open()
        try await retention.delete("a")
        retention.house.clock.advance(by: .days(5))
        _ = try await retention.admin.get("absent")
        retention = try await retention.reopened(down: .days(2))
        #expect(try await retention.isKept("a"))
        await retention.tick()
        #expect(try await !retention.isKept("a"))
    }

    @Test("At most 25 secrets are purged in a minute")
    func rate() async throws {
        let retention = try await Retention.open()
        let names = (1...60).map { "s\($0)" }
        for name in names { try await retention.delete(name) }
        await retention.pass(.days(7))
        #expect(try await retention.countKept(names) == 35)
        await retention.pass(.seconds(59))
        #expect(try await retention.countKept(names) == 35)
        await retention.pass(.seconds(1))
        #expect(try await retention.countKept(names) == 10)
        await retention.pass(.minutes(1))
        #expect(try await retention.countKept(names) == 0)
    }

    @Test("A damaged duty holds up no other and raises one alarm")
    func damaged() async throws {
        var retention = try await Retention.open()
        for name in ["a", "b", "c"] { try await retention.delete(name) }
        await retention.house.close()
        try Self.damage("secret-purge.other.b", in: retention.house.folder)
        retention = try await retention.reopened()
        retention.house.clock.advance(by: .days(7))
        for _ in 1...3 { await retention.pass(.seconds(1)) }
        #expect(try await retention.countKept(["a", "c"]) == 0)
        #expect(try await retention.isKept("b"))
        #expect(try retention.events("RecordIntegrityAlarm").count == 1)
        #expect(try retention.house.audit().report.fault == nil)
        // It can be cleared away by hand.
        let host = TestHouse.vaultHost("other")
        #expect(try await retention.admin.send(.delete, "/deletedsecrets/b", on: host).status == 204)
        retention = try await retention.reopened()
        await retention.tick()
        #expect(try retention.events("RecordIntegrityAlarm").count == 1)
    }

    /// Changes a bit of a duty in the file, behind the house's back.
    private static func damage(_ id: String, in folder: TemporaryFolder) throws {
        var options = SQLiteStore.Options()
        options.reserveBytes = 0
        let store = try SQLiteStore(folder: folder.path, options: options)
        defer { store.close() }
        let entries = try store.connection().entries(in: KeyRange(prefix: "due/"), limit: 1_000)
        let entry = try #require(entries.first { $0.key.hasSuffix("/" + id) })
        var value = entry.value
        value[value.count - 1] ^= 1
        try store.write { (batch) throws(StoreError) in try batch.put(value, at: entry.key) }
    }
}
