import Audit
import House
import Operations
import StrongroomTesting
import Testing

/// After a sync that failed nobody can say what is on the disk.
struct FailedSyncTests {
    private let disk = FaultDisk()
    private let house: TestHouse
    private let admin: Caller

    init() async throws {
        let disk = disk
        house = try await TestHouse.open(disk: disk)
        admin = try await house.admin()
        _ = try await admin.set("a", "before")
        disk.arm(.failsOnce, .sync, at: 1)
    }

    @Test("Everything is refused until the house is opened anew, which raises an alarm")
    func refuses() async throws {
        #expect(try await admin.set("a", "refused").status == 503)
        #expect(disk.hasTripped)
        disk.disarm()
        for _ in 0..<3 {
            #expect(try await admin.set("a", "later").status == 503)
            #expect(try await admin.get("a").status == 503)
        }
        #expect(try await admin.send(.get, "/readyz").status == 503)
        #expect(try await admin.send(.get, "/livez").status == 200)

        let again = try await house.reopened()
        let caller = try await again.admin()
        #expect(try await caller.get("a").json["value"].string == "before")
        #expect(try await caller.send(.get, "/secrets/a/versions").json["value"].array.count == 1)
        #expect(try await caller.set("a", "after").status == 200)
        let (report, events) = try again.audit()
        #expect(report.fault == nil)
        #expect(events.count { $0.operationName == "StorageSyncAlarm" } == 1)
    }

    @Test("The alarm is raised once")
    func once() async throws {
        _ = try await admin.set("a", "refused")
        disk.disarm()
        let third = try await house.reopened().reopened()
        #expect(try third.audit().events.count { $0.operationName == "StorageSyncAlarm" } == 1)
    }

    @Test("A read whose record could not be synced is refused as well")
    func read() async throws {
        #expect(try await admin.get("a").status == 503)
        #expect(disk.hasTripped)
    }
}
