import FoundationEssentials
import Store
import StoreSQLite
import StoreTesting
import StrongroomTesting
import Testing

struct SQLiteStoreTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func open() throws -> SQLiteStore {
        var options = SQLiteStore.Options()
        options.reserveBytes = 0
        return try SQLiteStore(folder: folder.path, options: options)
    }

    @Test("SQLite keeps the contract", arguments: StoreContract.laws)
    func keepsTheContract(_ law: StoreLaw) throws {
        let store = try open()
        defer { store.close() }
        try law.check(store)
    }

    @Test(
        "SQLite keeps the contract when every commit moves pages into the database file", arguments: StoreContract.laws)
    func keepsTheContractWithACheckpointAfterEveryBatch(_ law: StoreLaw) throws {
        var options = SQLiteStore.Options()
        options.reserveBytes = 0
        options.checkpointPages = 1
        let store = try SQLiteStore(folder: folder.path, options: options)
        defer { store.close() }
        try law.check(CheckpointingStore(store))
    }

    @Test("What was written is there after the store is opened anew")
    func reopens() throws {
        let first = try open()
        try first.write { (batch) throws(StoreError) in try batch.put([1, 2, 3], at: "key") }
        first.close()
        let second = try open()
        try #expect(second.connection().value(at: "key") == [1, 2, 3])
        second.close()
    }

    @Test("A folder has one store at a time")
    func oneStore() throws {
        let first = try open()
        #expect(throws: StoreError.unusable("the data folder is in use by another process")) { try open() }
        first.close()
        let second = try open()
        second.close()
    }

    @Test("A folder that is not there is said to be unusable")
    func noFolder() {
        #expect { try SQLiteStore(folder: folder.file("absent")) } throws: { isUnusable($0) }
    }

    @Test("Others of the machine read none of the files")
    func modes() throws {
        let store = try open()
        defer { store.close() }
        try store.write { (batch) throws(StoreError) in try batch.put([1], at: "key") }
        for name in ["strongroom.db", "strongroom.db-wal", "lock"] {
            let attributes = try FileManager.default.attributesOfItem(atPath: folder.file(name))
            let mode = try #require(attributes[.posixPermissions] as? Int)
            #expect(mode & 0o077 == 0, "\(name)")
        }
    }

    @Test("A file of a newer format is refused")
    func newerFormat() throws {
        let store = try open()
        try store.write { (batch) throws(StoreError) in try batch.put([1], at: "key") }
        store.close()
        // The user version of a database file (SQLite file format §1.3.12) is the big-endian integer at byte 60.
        var bytes = try folder.bytes(of: "strongroom.db")
        bytes[63] = 3
        let other = try TemporaryFolder()
        try Data(bytes).write(to: URL(filePath: other.file("strongroom.db")))
        #expect { try SQLiteStore(folder: other.path) } throws: { isUnusable($0) }
    }

    @Test("A file that is no database is refused")
    func noDatabase() throws {
        try folder.write(String(repeating: "no database ", count: 1_000), to: "strongroom.db")
        #expect(throws: StoreError.self) { try open() }
    }

    @Test("A damaged page is an error and never a wrong value")
    func damagedPage() throws {
        let store = try open()
        try store.write { (batch) throws(StoreError) in
            for number in 0..<2_000 {
                try batch.put([UInt8](repeating: UInt8(number & 255), count: 64), at: "key/\(number)")
            }
        }
        store.close()
        var bytes = try folder.bytes(of: "strongroom.db")
        for index in 8_192..<bytes.count - 4_096 where index % 4_096 < 16 { bytes[index] = 0xFF }
        let other = try TemporaryFolder()
        try Data(bytes).write(to: URL(filePath: other.file("strongroom.db")))
        let connection = try SQLiteStore.readOnlyConnection(folder: other.path)
        #expect { try connection.entries(in: KeyRange(prefix: "key/"), limit: .max) } throws: { error in
            if case .corrupt? = error as? StoreError { true } else { false }
        }
    }

    @Test("A connection for reading takes no lock and sees what was written")
    func readOnly() throws {
        let store = try open()
        defer { store.close() }
        try store.write { (batch) throws(StoreError) in try batch.put([1], at: "key") }
        try #expect(SQLiteStore.readOnlyConnection(folder: folder.path).value(at: "key") == [1])
    }

    @Test("The reserve takes its space at once and gives it back by eighths")
    func reserve() throws {
        var options = SQLiteStore.Options()
        options.reserveBytes = 80_000
        let store = try SQLiteStore(folder: folder.path, options: options)
        defer { store.close() }
        func size() throws -> Int? {
            try FileManager.default.attributesOfItem(atPath: folder.file("reserve"))[.size] as? Int
        }
        try #expect(size() == 80_000)
        #expect(store.releaseReserve())
        try #expect(size() == 70_000)
        for _ in 0..<7 { #expect(store.releaseReserve()) }
        #expect(!store.releaseReserve())
        try #expect(size() == 0)
        #expect(store.restoreReserve())
        try #expect(size() == 80_000)
    }

    private func isUnusable(_ error: any Error) -> Bool {
        if case .unusable? = error as? StoreError { true } else { false }
    }
}

/// Does its housekeeping after every write.
private final class CheckpointingStore: Store {
    private let store: SQLiteStore

    init(_ store: SQLiteStore) { self.store = store }

    func write(synced: Bool, _ body: (any StoreBatch) throws(StoreError) -> Void) throws(StoreError) {
        try store.write(synced: synced, body)
        try store.maintain()
    }

    func connection() throws(StoreError) -> any StoreConnection { try store.connection() }
    func maintain() throws(StoreError) { try store.maintain() }
    func releaseReserve() -> Bool { store.releaseReserve() }
    func restoreReserve() -> Bool { store.restoreReserve() }
    func close() { store.close() }
}
