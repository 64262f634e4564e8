import Audit
import Domain
import House
import Identity
import Operations
import StrongroomTesting
import Testing

/// Rotation by hand and by the clock.
struct KeyRotationTests {
    private let house: TestHouse
    private let admin: Caller

    init() async throws {
        house = try await TestHouse.open()
        admin = try await house.admin()
    }

    private static let monthly =
        #"{"lifetimeActions":[{"trigger":{"timeAfterCreate":"P30D"},"action":{"type":"Rotate"}}],"attributes":{"expiryTime":"P90D"}}"#

    private func count(_ name: String = "a") async throws -> Int { try await admin.versions(of: name).count }

    @Test(
        "A rotated key is like the one before it, with a new value and a new end",
        arguments: [
            #"{"kty":"EC","crv":"P-384","key_ops":["verify"]"#, #"{"kty":"RSA","key_size":3072,"key_ops":["sign"]"#,
            #"{"kty":"EC","crv":"P-256K""#, #"{"kty":"OKP","crv":"Ed25519""#,
        ])
    func byHand(_ body: String) async throws {
        let made = try await admin.create("a", body + #","tags":{"k":"v"},"attributes":{"nbf":100,"exp":4000000000}}"#)
        #expect(made.status == 200)
        house.clock.advance(by: .days(1))
        let plain = try await admin.key(.post, "/keys/a/rotate")
        #expect(plain.status == 200)
        #expect(plain.json["attributes"]["exp"] == .null && plain.json["attributes"]["nbf"] == .null)
        _ = try await admin.setPolicy("a", #"{"attributes":{"expiryTime":"P90D"}}"#)
        let rotated = try await admin.key(.post, "/keys/a/rotate")
        for member in ["kty", "crv", "key_ops"] { #expect(rotated.json["key"][member] == made.json["key"][member]) }
        #expect(rotated.json["key"]["n"].string?.count == made.json["key"]["n"].string?.count)
        #expect(rotated.json["key"].publicKey != made.json["key"].publicKey)
        #expect(rotated.json["key"].publicKey != plain.json["key"].publicKey)
        #expect(rotated.json["tags"]["k"].string == "v")
        let attributes = rotated.json["attributes"]
        #expect(attributes["enabled"].bool == true && attributes["nbf"] == .null)
        #expect(attributes["exp"].integer == start + 91 * day)
        #expect(attributes["created"].integer == start + day)
        // The one before it is as it was.
        let old = try await admin.key(.get, "/keys/a/\(made.keyVersion)")
        #expect(old.json["key"] == made.json["key"] && old.json["attributes"] == made.json["attributes"])
        #expect(try await count() == 3)
    }

    @Test("A key that is not there cannot be rotated")
    func absent() async throws {
        #expect(try await admin.key(.post, "/keys/absent/rotate").errorCode == "KeyNotFound")
        try await admin.create("a")
        #expect(try await admin.key(.post, "/keys/a/rotate", version: "7.2").status == 400)
    }

    // MARK: By the clock

    @Test("A key is rotated at its time and not a second before, once, however often the clock looks")
    func onTime() async throws {
        try await admin.create("a")
        _ = try await admin.setPolicy("a", Self.monthly)
        await house.pass(.days(30) - .seconds(1))
        #expect(try await count() == 1)
        await house.pass(.seconds(1))
        #expect(try await count() == 2)
        for _ in 0..<10 { await house.tick() }
        await house.pass(.days(30) - .seconds(1))
        #expect(try await count() == 2)
        await house.pass(.seconds(1))
        #expect(try await count() == 3)
        let newest = try await admin.key(.get, "/keys/a").json["attributes"]
        #expect(newest["created"].integer == start + 60 * day && newest["exp"].integer == start + 150 * day)
        let events = try house.events("KeyRotateIfDue")
        #expect(events.map(\.status) == [200, 200])
        #expect(events.allSatisfy { $0.principal == .system(tenant: house.house.authority.tenant) })
        #expect(events.allSatisfy { $0.objectID == "https://demo.vault.localhost:8443/keys/a" })
        #expect(try house.audit().report.fault == nil)
    }

    @Test("After a long absence a key is rotated once, and its next time counts from then")
    func afterAbsence() async throws {
        try await admin.create("a")
        _ = try await admin.setPolicy("a", Self.monthly)
        await house.close()
        house.clock.advance(by: .days(100))
        let again = try await TestHouse.open(in: house.folder, clock: house.clock)
        let admin = try await again.admin()
        await again.tick()
        await again.pass(.hours(1))
        #expect(try await admin.versions(of: "a").count == 2)
        let created = try await admin.key(.get, "/keys/a").json["attributes"]["created"].integer
        #expect(created == start + 100 * day)
        #expect(try again.keyDuties().filter { $0.operation == "KeyRotateIfDue" }.map(\.due) == [start + 130 * day])
    }

    @Test("A policy that is set late rotates at once")
    func lateSetting() async throws {
        try await admin.create("a")
        house.clock.advance(by: .days(45))
        _ = try await admin.setPolicy("a", Self.monthly)
        await house.tick()
        #expect(try await count() == 2)
        await house.tick()
        #expect(try await count() == 2)
    }

    @Test("A key that was rotated by hand, disabled or deleted is not rotated at the old time")
    func overtaken() async throws {
        for name in ["a", "b", "c"] {
            try await admin.create(name)
            _ = try await admin.setPolicy(name, Self.monthly)
        }
        house.clock.advance(by: .days(20))
        _ = try await admin.key(.post, "/keys/a/rotate")
        _ = try await admin.key(.patch, "/keys/b", #"{"attributes":{"enabled":false}}"#)
        _ = try await admin.key(.delete, "/keys/c")
        await house.pass(.days(10))
        #expect(try await count("a") == 2)
        #expect(try await count("b") == 1)
        await house.pass(.days(20))
        #expect(try await count("a") == 3)
        #expect(try await count("b") == 1)
        #expect(try await admin.key(.post, "/deletedkeys/c/recover").status == 200)
        await house.tick()
        #expect(try await count("c") == 2)
    }

    @Test("A duty of a version that is no longer the newest does nothing, however often it comes")
    func staleDuty() async throws {
        let first = try await admin.create("a").keyVersion
        _ = try await admin.setPolicy("a", Self.monthly)
        await house.pass(.days(30))
        #expect(try await count() == 2)
        let second = try await admin.key(.get, "/keys/a").keyVersion
        for version in [first, second, "00000000000000000000000000000000"] {
            let duty = Duty(
                due: house.clock.now, id: "again", operation: "KeyRotateIfDue", vault: VaultName("demo"),
                parameters: ["key-name": "a", "key-version": version])
            for _ in 0..<2 {
                try await house.house.dispatcher.perform(
                    duty, retryAt: house.clock.now + .hours(1), on: house.house.ownLane)
            }
        }
        #expect(try await count() == 2)
        #expect(try house.rawKeys("due/").filter { $0.hasSuffix("/again") }.isEmpty)
    }

    @Test("A rotation before expiry follows the end of each version")
    func beforeExpiry() async throws {
        try await admin.create("a", #"{"kty":"EC","attributes":{"exp":\#(start + 50 * day)}}"#)
        _ = try await admin.setPolicy(
            "a",
            #"{"lifetimeActions":[{"trigger":{"timeBeforeExpiry":"P10D"},"action":{"type":"Rotate"}}],"attributes":{"expiryTime":"P60D"}}"#
        )
        await house.pass(.days(40) - .seconds(1))
        #expect(try await count() == 1)
        await house.pass(.seconds(1))
        #expect(try await count() == 2)
        #expect(
            try await admin.key(.get, "/keys/a").json["attributes"]["exp"].integer == start + 100 * day)
        await house.pass(.days(50))
        #expect(try await count() == 3)
    }

    // MARK: Failure

    /// Damages the record of a key, so that its duty fails.
    private func damaged(_ name: String) throws -> [UInt8] {
        let key = "vault/demo/key/\(name)"
        let whole = try #require(try house.raw(key))
        try house.overwrite(key, with: Array(whole.dropLast()))
        return whole
    }

    @Test("A rotation that fails is put off, 5 minutes and then 10, and made up for once")
    func putOff() async throws {
        try await admin.create("a")
        _ = try await admin.setPolicy("a", Self.monthly)
        let whole = try damaged("a")
        await house.pass(.days(30))
        await house.pass(.minutes(5))
        await house.pass(.minutes(10) - .seconds(1))
        #expect(try house.events("KeyRotateIfDue").map(\.status) == [500, 500])
        try house.overwrite("vault/demo/key/a", with: whole)
        await house.pass(.seconds(1))
        #expect(try await count() == 2)
        await house.pass(.days(1))
        #expect(try await count() == 2)
        #expect(try house.events("KeyRotateIfDue").map(\.status) == [500, 500, 200])
    }

    @Test("One that was put off and is then done by hand is not done again")
    func doneByHand() async throws {
        try await admin.create("a")
        _ = try await admin.setPolicy("a", Self.monthly)
        let whole = try damaged("a")
        await house.pass(.days(30))
        try house.overwrite("vault/demo/key/a", with: whole)
        #expect(try await admin.key(.post, "/keys/a/rotate").status == 200)
        await house.pass(.minutes(5))
        await house.pass(.hours(6))
        #expect(try await count() == 2)
    }

    @Test("A key that is disabled after its rotation was put off is not rotated")
    func disabledMeanwhile() async throws {
        try await admin.create("a")
        _ = try await admin.setPolicy("a", Self.monthly)
        let whole = try damaged("a")
        await house.pass(.days(30))
        try house.overwrite("vault/demo/key/a", with: whole)
        #expect(
            try await admin.key(.patch, "/keys/a", #"{"attributes":{"enabled":false}}"#).status == 200)
        await house.pass(.minutes(5))
        await house.pass(.hours(6))
        // A duty that was put off is not the one that the schedule crosses off.
        #expect(try await count() == 1)
    }

    @Test("A key that is given a later time after its rotation was put off is rotated at that time")
    func movedMeanwhile() async throws {
        try await admin.create("a")
        _ = try await admin.setPolicy("a", Self.monthly)
        let whole = try damaged("a")
        await house.pass(.days(30))
        try house.overwrite("vault/demo/key/a", with: whole)
        _ = try await admin.setPolicy(
            "a", #"{"lifetimeActions":[{"trigger":{"timeAfterCreate":"P60D"},"action":{"type":"Rotate"}}]}"#)
        await house.pass(.hours(6))
        #expect(try await count() == 1)
        await house.pass(.days(30))
        #expect(try await count() == 2)
    }
}
