import Audit
import Domain
import StrongroomTesting
import Testing
import Threads

struct AuditPageTests {
    private func event(_ name: String, at time: Timestamp, vault: String = "demo") -> AuditEvent {
        var event = AuditEvent(time: time, operationName: name, status: 200, correlationID: GUID(high: 1, low: 1))
        event.resourceID = "/subscriptions/s/resourceGroups/g/providers/Microsoft.KeyVault/vaults/\(vault)"
        return event
    }

    @Test(
        "A filter admits a time from its beginning up to its end",
        arguments: [
            (nil, nil, true), ("2027-01-15T08:00:00Z", nil, true), ("2027-01-15T08:00:01Z", nil, false),
            (nil, "2027-01-15T08:00:00Z", false),
            (nil, "2027-01-15T08:00:01Z", true), ("2027-01-15", "2027-01-16", true),
        ] as [(String?, String?, Bool)])
    func times(_ since: String?, _ until: String?, _ isAdmitted: Bool) throws {
        let filter = try AuditFilter(since: since, until: until, vault: nil)
        #expect(filter.admits(event("x", at: TestClock.start)) == isAdmitted)
    }

    @Test("A filter admits one vault in any spelling")
    func vaults() throws {
        let filter = try AuditFilter(since: nil, until: nil, vault: "DEMO")
        #expect(filter.admits(event("x", at: TestClock.start)))
        #expect(!filter.admits(event("x", at: TestClock.start, vault: "other")))
        #expect(!filter.admits(event("x", at: TestClock.start, vault: "my-demo")))
    }

    @Test(
        "A filter that makes no sense is refused",
        arguments: [("yesterday", nil, nil), (nil, "2027-13-01", nil), (nil, nil, "a/b")]
            as [(String?, String?, String?)])
    func refused(_ since: String?, _ until: String?, _ vault: String?) {
        #expect(throws: VaultError.self) { try AuditFilter(since: since, until: until, vault: vault) }
    }

    @Test("Pages follow one another to the end of the log and show every record once")
    func pages() async throws {
        let fixture = try AuditFixture()
        for round in 0..<5 {
            let records = (0..<500).map { event("\(round * 500 + $0)", at: TestClock.start).encoded() }
            try await fixture.committer.record(records, waker: DirectWaker())
        }
        let filter = try AuditFilter(since: nil, until: nil, vault: nil)
        var names: [String] = []
        var after: UInt64? = 0
        var pages = 0
        while let position = after {
            let page = try AuditPage(after: position, filter: filter, from: fixture.reader)
            names += page.events.map(\.operationName)
            after = page.last
            pages += 1
        }
        #expect(names == (0..<2_500).map { "\($0)" })
        #expect(pages > 1)
        await fixture.stop()
    }
}
