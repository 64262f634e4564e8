import Audit
import Barrier
import Cryptography
import Domain
import House
import Identity
import Management
import Operations
import Store
import StoreSQLite
import StrongroomTesting
import Testing

struct OpeningTests {
    @Test("A house is the same when it is opened again")
    func same() async throws {
        let house = try await TestHouse.open()
        let (tenant, subscription) = (house.house.instance.tenant, house.house.instance.subscription)
        _ = try await house.admin().set("a", "x")
        let again = try await house.reopened()
        #expect(again.house.instance.tenant == tenant)
        #expect(again.house.instance.subscription == subscription)
        #expect(try await again.admin().get("a").json["value"].string == "x")
        #expect(again.house.vaults.all.map { "\($0.name)" } == ["demo", "locked", "other"])
    }

    @Test("A new house is recorded from its first step, and its log verifies")
    func first() async throws {
        let house = try await TestHouse.open(in: try TemporaryFolder())
        let (report, events) = try house.audit()
        #expect(report.fault == nil)
        let names = events.map(\.operationName)
        #expect(
            names.starts(with: [
                "ServerInitialize", "SigningKeyCreate", "BackupKeyCreate", "VaultPut", "VaultPut", "VaultPut",
            ]))
        #expect(events.allSatisfy { $0.principal?.kind == .system })
    }

    private func open(_ folder: TemporaryFolder, kek: SensitiveBytes, initializes: Bool) async throws {
        var configuration = HouseConfiguration(folder: folder.path, suffix: "localhost", publicPort: 8443)
        configuration.storage.reserveBytes = 0
        let store = try SQLiteStore(folder: folder.path, options: configuration.storage)
        defer { store.close() }
        let house = try await House(
            configuration, store: store, engine: try CryptoEngine(), kek: kek, initializes: initializes ? .key : nil)
        house.close()
    }

    @Test("Another key opens nothing, and the folder is as it was")
    func wrongKey() async throws {
        let folder = try await HouseTemplate.shared.copy()
        let before = try folder.bytes(of: "strongroom.db")
        await #expect(throws: HouseError.self) {
            try await open(folder, kek: SensitiveBytes([UInt8](repeating: 1, count: 32)), initializes: true)
        }
        #expect(try folder.bytes(of: "strongroom.db") == before)
        try await open(folder, kek: TestHouse.kek, initializes: false)
    }

    @Test("An empty folder is not made into a server unless that was asked for")
    func notInitialized() async throws {
        let folder = try TemporaryFolder()
        let error = await #expect(throws: HouseError.self) {
            try await open(folder, kek: TestHouse.kek, initializes: false)
        }
        #expect(error?.text.contains("strongroom init") == true)
    }

    @Test("A configuration of another tenant or subscription is refused")
    func mismatch() async throws {
        let folder = try await HouseTemplate.shared.copy()
        for change in [\HouseConfiguration.tenant, \.subscription] as [WritableKeyPath<HouseConfiguration, GUID?>] {
            await #expect(throws: HouseError.self) {
                try await TestHouse.open(in: folder) { $0[keyPath: change] = GUID(high: 1, low: 1) }
            }
        }
        _ = try await TestHouse.open(in: folder)
    }

    @Test("A log whose tail was cut raises an alarm at the next start")
    func cutTail() async throws {
        let house = try await TestHouse.open()
        _ = try await house.admin().set("a", "x")
        await house.close()
        var options = SQLiteStore.Options()
        options.reserveBytes = 0
        let store = try SQLiteStore(folder: house.folder.path, options: options)
        let rows = try store.connection().entries(in: KeyRange(prefix: "audit/"), limit: .max)
        try store.write { (batch) throws(StoreError) in for row in rows.suffix(3) { try batch.remove(row.key) } }
        store.close()
        let again = try await TestHouse.open(in: house.folder, clock: house.clock)
        #expect(try again.audit().events.contains { $0.operationName == "AuditIntegrityAlarm" })
        #expect(again.log.lines.contains { $0.contains("AuditIntegrityAlarm") })
    }

    @Test("A second house in the folder of a running one is refused")
    func second() async throws {
        let house = try await TestHouse.open()
        await #expect(throws: (any Error).self) { try await TestHouse.open(in: house.folder) }
        #expect(try await house.admin().set("a", "x").status == 200)
    }

    @Test("Calls that come after the house was closed are refused and harm nothing")
    func closed() async throws {
        let house = try await TestHouse.open()
        let admin = try await house.admin()
        _ = try admin.token(for: .vault)
        await house.close()
        #expect(try await admin.set("a", "x").status == 503)
        let again = try await house.reopened()
        #expect(try await again.admin().get("a").status == 404)
    }
}
