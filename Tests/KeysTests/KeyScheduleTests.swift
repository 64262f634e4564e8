import Audit
import Domain
import House
import Identity
import Operations
import StrongroomTesting
import Testing

/// The duties that a key leaves in the due index, after every change of it.
struct KeyScheduleTests {
    private let house: TestHouse
    private let admin: Caller

    init() async throws {
        house = try await TestHouse.open()
        admin = try await house.admin()
    }

    private func expect(_ duties: [KeyDuty], sourceLocation: SourceLocation = #_sourceLocation) throws {
        #expect(Set(try house.keyDuties()) == Set(duties), sourceLocation: sourceLocation)
        #expect(try house.keyDuties().count == duties.count, sourceLocation: sourceLocation)
    }

    private static let rotating =
        #"{"lifetimeActions":[{"trigger":{"timeAfterCreate":"P30D"},"action":{"type":"Rotate"}}]}"#

    private func body(_ expires: Int64) -> String { #"{"kty":"EC","attributes":{"exp":\#(expires)}}"# }

    @Test("A key without an end or a policy has no duties")
    func none() async throws {
        try await admin.create("a")
        try expect([])
        #expect(try house.rawKeys("vault/demo/key-schedule/").isEmpty)
    }

    @Test("A key with an end has a notice thirty days before it and one at it")
    func expiry() async throws {
        let end = start + 100 * day
        try await admin.create("a", body(end))
        try expect([.near("a", end - 30 * day), .expired("a", end)])
    }

    @Test("A notice that would have been before the key was made is given at once")
    func late() async throws {
        let end = start + 10 * day
        try await admin.create("a", body(end))
        try expect([.near("a", start), .expired("a", end)])
    }

    @Test("A new version takes the duties of the one before it away")
    func newVersion() async throws {
        try await admin.create("a", body(start + 100 * day))
        try await admin.create("a", body(start + 200 * day))
        try expect([.near("a", start + 170 * day), .expired("a", start + 200 * day)])
        try await admin.create("a")
        try expect([])
    }

    @Test("A change of the newest version moves its duties; one of an earlier version does not")
    func update() async throws {
        let first = try await admin.create("a", body(start + 100 * day)).keyVersion
        try await admin.create("a", body(start + 200 * day))
        let duties: [KeyDuty] = [.near("a", start + 170 * day), .expired("a", start + 200 * day)]
        #expect(
            try await admin.key(.patch, "/keys/a/\(first)", #"{"attributes":{"exp":\#(start + 50 * day)}}"#).status
                == 200)
        try expect(duties)
        _ = try await admin.key(.patch, "/keys/a/\(first)", #"{"attributes":{"enabled":false}}"#)
        try expect(duties)
        _ = try await admin.key(.patch, "/keys/a", #"{"attributes":{"exp":\#(start + 300 * day)}}"#)
        try expect([.near("a", start + 270 * day), .expired("a", start + 300 * day)])
        _ = try await admin.key(.patch, "/keys/a", #"{"tags":{"k":"v"}}"#)
        try expect([.near("a", start + 270 * day), .expired("a", start + 300 * day)])
    }

    @Test("A disabled key has no duties, and has them again when it is enabled")
    func disabled() async throws {
        let end = start + 100 * day
        try await admin.create("a", body(end))
        _ = try await admin.setPolicy("a", Self.rotating)
        let duties: [KeyDuty] = [.rotate("a", start + 30 * day), .near("a", end - 30 * day), .expired("a", end)]
        try expect(duties)
        _ = try await admin.key(.patch, "/keys/a", #"{"attributes":{"enabled":false}}"#)
        try expect([])
        _ = try await admin.key(.patch, "/keys/a", #"{"attributes":{"enabled":true}}"#)
        try expect(duties)
    }

    @Test("A deleted key has no duties but its purge, and has them again when it is recovered")
    func deleted() async throws {
        let end = start + 200 * day
        try await admin.create("a", body(end))
        _ = try await admin.setPolicy("a", Self.rotating)
        let duties: [KeyDuty] = [.rotate("a", start + 30 * day), .near("a", end - 30 * day), .expired("a", end)]
        try expect(duties)
        #expect(try await admin.key(.delete, "/keys/a").status == 200)
        try expect([])
        #expect(try house.rawKeys("due/").filter { $0.contains("key-purge.demo.a") }.count == 1)
        #expect(try await admin.key(.post, "/deletedkeys/a/recover").status == 200)
        try expect(duties)
        #expect(try house.rawKeys("due/").filter { $0.contains("key-purge") }.isEmpty)
    }

    @Test("A purged key leaves nothing behind, and a new one of its name begins without a policy")
    func purged() async throws {
        try await admin.create("a", body(start + 100 * day))
        _ = try await admin.setPolicy("a", Self.rotating)
        _ = try await admin.key(.delete, "/keys/a")
        #expect(try await admin.key(.delete, "/deletedkeys/a").status == 204)
        try expect([])
        for kind in ["key", "key-version", "deleted-key", "key-schedule", "key-rotation"] {
            #expect(try house.rawKeys("vault/demo/\(kind)/").isEmpty, "\(kind)")
        }
        try await admin.create("a")
        try expect([])
        let policy = try await admin.key(.get, "/keys/a/rotationpolicy").json
        #expect(policy["attributes"].members.isEmpty)
    }

    @Test("A policy brings a rotation, and takes it away again")
    func policy() async throws {
        try await admin.create("a")
        _ = try await admin.setPolicy("a", Self.rotating)
        try expect([.rotate("a", start + 30 * day)])
        _ = try await admin.setPolicy(
            "a", #"{"lifetimeActions":[{"trigger":{"timeAfterCreate":"P2M"},"action":{"type":"Rotate"}}]}"#)
        try expect([.rotate("a", start + 59 * day)])
        // The version has no end to rotate before.
        _ = try await admin.setPolicy(
            "a",
            #"{"lifetimeActions":[{"trigger":{"timeBeforeExpiry":"P30D"},"action":{"type":"Rotate"}}],"attributes":{"expiryTime":"P90D"}}"#
        )
        try expect([])
        _ = try await admin.key(.patch, "/keys/a", #"{"attributes":{"exp":\#(start + 90 * day)}}"#)
        try expect([
            .rotate("a", start + 60 * day), .near("a", start + 60 * day), .expired("a", start + 90 * day),
        ])
        _ = try await admin.setPolicy(
            "a",
            #"{"lifetimeActions":[{"trigger":{"timeBeforeExpiry":"P10D"},"action":{"type":"Notify"}}]}"#)
        try expect([.near("a", start + 80 * day), .expired("a", start + 90 * day)])
    }

    @Test("A rotation by hand moves the duties to the new version")
    func rotated() async throws {
        try await admin.create("a")
        _ = try await admin.setPolicy(
            "a",
            #"{"lifetimeActions":[{"trigger":{"timeAfterCreate":"P30D"},"action":{"type":"Rotate"}}],"attributes":{"expiryTime":"P90D"}}"#
        )
        house.clock.advance(by: .days(10))
        #expect(try await admin.key(.post, "/keys/a/rotate").status == 200)
        let end = start + 100 * day
        try expect([.rotate("a", start + 40 * day), .near("a", end - 30 * day), .expired("a", end)])
    }

    @Test("A restored key has the duties that it had, in its new vault")
    func restored() async throws {
        let end = start + 100 * day
        try await admin.create("a", body(end))
        _ = try await admin.setPolicy("a", Self.rotating)
        let duties = try house.keyDuties()
        let blob = try #require(try await admin.key(.post, "/keys/a/backup").json["value"].string)
        _ = try await admin.key(.delete, "/keys/a")
        _ = try await admin.key(.delete, "/deletedkeys/a")
        try expect([])
        let restored = try await admin.key(
            .post, "/keys/restore", #"{"value":"\#(blob)"}"#, on: TestHouse.vaultHost("other"))
        #expect(restored.status == 200)
        try expect(duties)
        #expect(try house.rawKeys("due/").filter { $0.contains(".other.a") }.count == 3)
    }

    @Test("Keys of one name in two vaults have duties of their own")
    func vaults() async throws {
        for vault in ["demo", "other"] {
            try await admin.create("a", body(start + 100 * day), on: TestHouse.vaultHost(vault))
        }
        #expect(try house.keyDuties().count == 4)
        _ = try await admin.key(.delete, "/keys/a", on: TestHouse.vaultHost("other"))
        try expect([.near("a", start + 70 * day), .expired("a", start + 100 * day)])
    }

    @Test("The end of the year 9999 is no reason to fail")
    func farthest() async throws {
        #expect(try await admin.create("a", body(253_402_300_799)).status == 200)
        #expect(try house.keyDuties().count == 2)
        #expect(try await admin.create("a").status == 200)
        try expect([])
    }

    // MARK: Notices

    @Test("A notice is on record once, at its time, and not again after a change that leaves its time")
    func notices() async throws {
        let end = start + 100 * day
        let version = try await admin.create("a", body(end)).keyVersion
        await house.pass(.days(70) - .seconds(1))
        #expect(try house.events("KeyNearExpiryEventGridNotification").isEmpty)
        await house.pass(.seconds(1))
        for _ in 0..<3 { await house.pass(.hours(1)) }
        let near = try house.events("KeyNearExpiryEventGridNotification")
        #expect(near.map(\.status) == [200])
        #expect(near.first?.objectID == "https://demo.vault.localhost:8443/keys/a/\(version)")
        #expect(near.first?.principal == .system(tenant: house.house.authority.tenant))
        _ = try await admin.key(.patch, "/keys/a", #"{"tags":{"k":"v"}}"#)
        await house.pass(.hours(1))
        #expect(try house.events("KeyNearExpiryEventGridNotification").count == 1)
        try expect([.expired("a", end)])
        await house.pass(.days(30))
        await house.pass(.days(1))
        #expect(try house.events("KeyExpiredEventGridNotification").count == 1)
        try expect([])
        #expect(try house.audit().report.fault == nil)
    }

    @Test("A key that is given more time is told of again")
    func moreTime() async throws {
        try await admin.create("a", body(start + 40 * day))
        await house.pass(.days(10))
        #expect(try house.events("KeyNearExpiryEventGridNotification").count == 1)
        _ = try await admin.key(.patch, "/keys/a", #"{"attributes":{"exp":\#(start + 90 * day)}}"#)
        try expect([.near("a", start + 60 * day), .expired("a", start + 90 * day)])
        await house.pass(.days(50))
        #expect(try house.events("KeyNearExpiryEventGridNotification").count == 2)
    }
}
