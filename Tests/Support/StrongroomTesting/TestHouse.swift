package import Audit
import Barrier
import Cryptography
import Dispatch
package import Domain
package import House
import Identity
import Operations
package import Store
import StoreSQLite
import Synchronization
import Threads

/// A whole house in a temporary folder under a clock that the test sets.
package final class TestHouse: Sendable {
    package let house: House
    package let folder: TemporaryFolder
    package let clock: TestClock
    package let log: TestLog

    package static let suffix = "localhost"
    package static let kek = SensitiveBytes([UInt8](repeating: 0x4B, count: 32))
    /// What a data folder is made of, the shared-memory index and the lock aside.
    package static let files = ["strongroom.db", "strongroom.db-wal", "audit-checkpoints.jsonl"]

    /// Vaults of every house: 90 days and purgeable, 7 days and purgeable, 90 days and purge-protected.
    private static let vaults = [("demo", 90, false), ("other", 7, false), ("locked", 90, true)]

    private let isClosed = Atomic<Bool>(false)

    private init(house: House, folder: TemporaryFolder, clock: TestClock, log: TestLog) {
        (self.house, self.folder, self.clock, self.log) = (house, folder, clock, log)
    }

    deinit {
        guard !isClosed.load(ordering: .acquiring) else { return }
        DispatchQueue.global().async { [house, folder] in withExtendedLifetime(folder) { house.close() } }
    }

    /// Opens a house of its own for a test: three vaults, and a client that has every role (`admin`). It closes with its last
    /// reference.
    ///
    /// - Parameters:
    ///   - disk: the disk it stores on; nil is the system's.
    ///   - wrap: puts something between the house and its store.
    package static func open(
        clock: TestClock = TestClock(), disk: FaultDisk? = nil,
        configure: (inout HouseConfiguration) -> Void = { _ in },
        wrapping wrap: (any Store) -> any Store = { $0 }
    ) async throws -> TestHouse {
        let folder = try await HouseTemplate.shared.copy()
        return try await open(in: folder, clock: clock, disk: disk, configure: configure, wrapping: wrap)
    }

    /// One for all houses that bring no randomness of their own: libcrypto has some thread-local keys for each, and a process has 1,024.
    private static let shared = Result { try CryptoEngine() }

    /// Opens the house that stands in `folder`, or makes one there.
    package static func open(
        in folder: TemporaryFolder, clock: TestClock = TestClock(), disk: FaultDisk? = nil, seed: UInt64? = nil,
        configure: (inout HouseConfiguration) -> Void = { _ in }, wrapping wrap: (any Store) -> any Store = { $0 }
    ) async throws -> TestHouse {
        let log = TestLog()
        var configuration = HouseConfiguration(folder: folder.path, suffix: suffix, publicPort: 8443)
        configuration.vaults = vaults.map { name, days, isProtected in
            .init(name: VaultName(name)!, retentionDays: days, isPurgeProtected: isProtected)
        }
        configuration.storage.reserveBytes = 0
        configuration.storage.vfs = disk?.name
        configuration.world.wall = { clock.now }
        configuration.world.uptime = { clock.uptime }
        configuration.world.log = { log.append($0) }
        configure(&configuration)
        let store = try SQLiteStore(folder: folder.path, options: configuration.storage)
        do {
            let house = try await House(
                configuration, store: wrap(store),
                engine: try seed.map { try CryptoEngine(randomness: seededRandomness($0)) } ?? shared.get(), kek: kek,
                initializes: .key)
            return TestHouse(house: house, folder: folder, clock: clock, log: log)
        } catch {
            store.close()
            throw error
        }
    }

    /// Ends the house's threads and closes its files, so that the folder can be opened anew.
    package func close() async {
        guard !isClosed.exchange(true, ordering: .acquiringAndReleasing) else { return }
        // It waits for threads, which blocks: not on a thread of the pool.
        await withCheckedContinuation { continuation in
            DispatchQueue.global().async { [house] in
                house.close()
                continuation.resume()
            }
        }
    }

    /// Closes the house and opens it again.
    package func reopened(configure: (inout HouseConfiguration) -> Void = { _ in }) async throws -> TestHouse {
        await close()
        return try await TestHouse.open(in: folder, clock: clock, configure: configure)
    }

    package static func vaultHost(_ vault: String) -> String { "\(vault).vault.\(suffix)" }
    package static let managementHost = "management.\(suffix)"
    package static let loginHost = "login.\(suffix)"
}

/// A data folder with a client that has every role, made once in a process: making one takes an RSA key.
package struct HouseTemplate: Sendable {
    package let folder: TemporaryFolder
    package let admin: Client

    package static var shared: HouseTemplate { get async throws { try await making.value } }

    private static let making = Task { () throws -> HouseTemplate in
        let folder = try TemporaryFolder()
        let house = try await TestHouse.open(in: folder)
        let made = try await house.house.makeClient(named: "admin", roles: House.allRoles)
        await house.close()
        return HouseTemplate(folder: folder, admin: Client(made))
    }

    package func copy() throws -> TemporaryFolder { try folder.copy(TestHouse.files) }
}

/// Who may ask for tokens.
package struct Client: Sendable {
    package let id: GUID
    package let objectID: GUID
    package let password: String

    package init(_ made: House.NewClient) {
        id = made.application.id
        objectID = made.application.objectID
        password = made.password.withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
    }

    package init(id: GUID, objectID: GUID, password: String) {
        (self.id, self.objectID, self.password) = (id, objectID, password)
    }
}

extension TestHouse {
    /// What the audit log holds and whether it is whole.
    package func audit() throws -> (report: AuditVerifier.Report, events: [AuditEvent]) {
        let lane = try house.makeLane(DirectWaker())
        guard let seed = try AuditLog.checkpointSeed(lane.reader) else {
            throw VaultError.internal("the house has no checkpoint key")
        }
        let publicKey = try Ed25519PrivateKey(seed: seed, engine: house.engine).publicKey()
        var events: [AuditEvent] = []
        let report = try AuditVerifier(engine: house.engine, publicKey: publicKey).verify(
            lane.reader, witnessed: try CheckpointFile(folder: folder.path).read()
        ) { (event) throws(VaultError) in events.append(event) }
        return (report, events)
    }
}

// MARK: As someone with the database sees it

extension TestHouse {
    package func raw(_ key: String) throws -> [UInt8]? { try house.store.connection().value(at: key) }

    package func rawKeys(_ prefix: String) throws -> [String] {
        try house.store.connection().entries(in: KeyRange(prefix: prefix), limit: .max).map(\.key)
    }

    /// Writes below the barrier, past the committer; nil removes.
    package func overwrite(_ key: String, with value: [UInt8]?) throws {
        try house.store.write { batch throws(StoreError) in
            if let value { try batch.put(value, at: key) } else { try batch.remove(key) }
        }
    }
}
