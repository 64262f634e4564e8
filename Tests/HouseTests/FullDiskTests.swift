import Audit
import House
import Operations
import StoreSQLite
import StrongroomTesting
import Testing

/// A full disk refuses changes and lets reads go on, as long as the reserve lasts; when space returns, so does service.
struct FullDiskTests {
    private let disk = FaultDisk()
    private let house: TestHouse
    private let admin: Caller

    init() async throws {
        let disk = disk
        house = try await TestHouse.open(disk: disk) { $0.storage.reserveBytes = 1 << 20 }
        admin = try await house.admin()
        _ = try await admin.set("a", "before")
    }

    private func fill() { disk.fill(reserve: house.folder.file("reserve")) }

    /// Asks again and again until the answer has this status; false when it does not come within ten seconds.
    private func comes(_ status: UInt16, _ ask: () async throws -> Response) async throws -> Bool {
        for _ in 0..<100 {
            if try await ask().status == status { return true }
            try await Task.sleep(for: .milliseconds(100))
        }
        return false
    }

    @Test("Changes are refused and change nothing, reads go on, and service comes back by itself")
    func full() async throws {
        fill()
        let refused = try await admin.set("a", "refused")
        #expect(refused.status == 503)
        #expect(refused.errorCode == "ServiceUnavailable")
        #expect(refused.header("Retry-After") != nil)
        #expect(try await admin.set("new", "refused").status == 503)
        for _ in 0..<10 {
            #expect(try await admin.get("a").json["value"].string == "before")
            #expect(try await admin.get("new").status == 404)
            #expect(try await admin.send(.get, "/secrets", authorization: .none).status == 401)
            #expect(try await admin.send(.get, "/secrets").json["value"].array.count == 1)
        }
        #expect(try await admin.delete("a").status == 503)

        disk.empty()
        #expect(try await comes(200) { try await admin.set("a", "after") })
        #expect(try await admin.get("a").json["value"].string == "after")
        let (report, events) = try house.audit()
        #expect(report.fault == nil)
        #expect(events.count { $0.operationName == "SecretGet" && $0.status == 200 } == 11)
        #expect(events.count { $0.operationName == "SecretGet" && $0.status == 404 } == 10)
        #expect(house.log.lines.contains { $0.contains("the disk is full") })
        #expect(house.log.lines.contains { $0.contains("space is back") })
    }

    @Test("When the reserve is used up too, calls are refused quickly and not left hanging, until space returns")
    func exhausted() async throws {
        fill()
        #expect(try await usesUp())
        let started = ContinuousClock.now
        #expect(try await admin.get("a").status == 503)
        #expect(try await admin.set("a", "refused").status == 503)
        #expect(ContinuousClock.now - started < .seconds(5))
        #expect(try await admin.send(.get, "/livez").status == 200)
        #expect(try await admin.send(.get, "/readyz").status == 503)

        disk.empty()
        #expect(try await comes(200) { try await admin.send(.get, "/readyz") })
        #expect(try await admin.get("a").json["value"].string == "before")
        #expect(try await comes(200) { try await admin.set("a", "after") })
        #expect(try house.audit().report.fault == nil)
    }

    /// Reads until the reserve is gone.
    private func usesUp() async throws -> Bool {
        for _ in 0..<2_000 where try await admin.get("a").status == 503 { return true }
        return false
    }

    @Test("What is refused on a full disk is still refused after a restart, and what was there is there")
    func restart() async throws {
        fill()
        #expect(try await admin.set("a", "refused").status == 503)
        _ = try await admin.get("a")
        disk.empty()
        let again = try await house.reopened()
        #expect(try await again.admin().get("a").json["value"].string == "before")
        #expect(try again.audit().report.fault == nil)
    }
}
