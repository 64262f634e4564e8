import Audit
import Automation
import Domain
import House
import Operations
import StrongroomTesting

/// Words for what automation does to a house over days.
struct Retention {
    let house: TestHouse
    let admin: Caller

    init(_ house: TestHouse) async throws {
        self.house = house
        admin = try await house.admin()
    }

    static func open() async throws -> Retention { try await Retention(try await TestHouse.open()) }

    /// - Parameter down: how long the server is not running.
    func reopened(down: Duration = .zero) async throws -> Retention {
        await house.close()
        house.clock.advance(by: down)
        return try await Retention(try await TestHouse.open(in: house.folder, clock: house.clock))
    }

    func tick() async { await house.house.automation.tick() }

    /// Time passes, and automation looks at the end of it.
    func pass(_ duration: Duration) async {
        house.clock.advance(by: duration)
        await tick()
    }

    /// Somebody sets the clock forward, and automation looks.
    func jump(_ duration: Duration) async {
        house.clock.setWall(house.clock.now + duration)
        await tick()
    }

    /// Makes a secret and deletes it.
    ///
    /// - Returns: when it is to be purged, by the answer.
    @discardableResult
    func delete(_ name: String, in vault: String = "other") async throws -> Timestamp? {
        _ = try await admin.set(name, "value", in: vault)
        let response = try await admin.delete(name, in: vault)
        guard response.status == 200 else { return nil }
        return response.json["scheduledPurgeDate"].integer.map { Timestamp(epochSeconds: $0) }
    }

    /// Whether a deleted secret can still be recovered.
    func isKept(_ name: String, in vault: String = "other") async throws -> Bool {
        try await admin.send(.get, "/deletedsecrets/\(name)", on: TestHouse.vaultHost(vault)).status == 200
    }

    func countKept(_ names: [String]) async throws -> Int {
        var count = 0
        for name in names where try await isKept(name) { count += 1 }
        return count
    }

    func events(_ operation: String) throws -> [AuditEvent] {
        try house.audit().events.filter { $0.operationName == operation }
    }
}
