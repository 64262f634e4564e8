import Store
import StoreSQLite
import StrongroomTesting
import Testing

/// One failing call at a time; the whole house on such a disk is in `HouseTests`.
struct FailingDiskTests {
    private let folder: TemporaryFolder
    private let disk = FaultDisk()

    init() throws { folder = try TemporaryFolder() }

    private func open() throws -> SQLiteStore {
        var options = SQLiteStore.Options()
        options.reserveBytes = 0
        options.vfs = disk.name
        return try SQLiteStore(folder: folder.path, options: options)
    }

    private func put(_ key: String, in store: SQLiteStore) throws(StoreError) {
        try store.write { (batch) throws(StoreError) in try batch.put([1], at: key) }
    }

    @Test(
        "After a failed sync the store takes no more writes until it is opened anew",
        arguments: [FaultDisk.Kinds.sync, .write])
    func failedCommit(_ kind: FaultDisk.Kinds) throws {
        let store = try open()
        try put("acknowledged", in: store)
        disk.arm(.failsOnce, kind, at: 1)
        #expect(throws: StoreError.self) { try put("refused", in: store) }
        #expect(disk.hasTripped)
        disk.disarm()
        #expect { try put("later", in: store) } throws: { error in
            if case .failed? = error as? StoreError { true } else { false }
        }
        try #expect(store.connection().value(at: "acknowledged") == [1])
        store.close()

        let reopened = try open()
        try #expect(reopened.connection().value(at: "acknowledged") == [1])
        try #expect(reopened.connection().value(at: "refused") == nil)
        try #expect(reopened.connection().value(at: "later") == nil)
        try #expect(reopened.connection().value(at: StoreMarks.syncFailed) == [1])
        try put("later", in: reopened)
        reopened.close()
    }

    @Test("A read that fails inside a batch loses the batch and nothing else")
    func failedRead() throws {
        let first = try open()
        try put("a", in: first)
        first.close()
        let store = try open()
        disk.arm(.failsOnce, .read, at: 1)
        let connection = try? store.connection()
        _ = try? connection?.value(at: "a")
        _ = try? store.write { (batch) throws(StoreError) in
            _ = try batch.value(at: "a")
            try batch.put([2], at: "a")
        }
        disk.disarm()
        try put("b", in: store)
        try #expect(store.connection().value(at: "b") == [1])
        store.close()
    }

    @Test("A full disk refuses the batch and leaves the store well")
    func fullDisk() throws {
        let store = try open()
        try put("a", in: store)
        disk.fill(reserve: folder.file("reserve"))
        #expect(throws: StoreError.full) {
            try store.write { (batch) throws(StoreError) in
                for number in 0..<64 { try batch.put([UInt8](repeating: 1, count: 4_096), at: "large/\(number)") }
            }
        }
        try #expect(store.connection().value(at: "a") == [1])
        try #expect(store.connection().value(at: "large/0") == nil)
        disk.empty()
        try put("b", in: store)
        try #expect(store.connection().value(at: "b") == [1])
        store.close()
    }

    @Test("A store that stops in the middle of a commit is as it was before, or after, it")
    func stops() throws {
        disk.disarm()
        let counted = try open()
        let before = disk.calls()
        try put("a", in: counted)
        try put("b", in: counted)
        let calls = disk.calls() - before
        counted.close()
        for nth in 1...calls {
            let (disk, folder) = (FaultDisk(), try TemporaryFolder())
            var options = SQLiteStore.Options()
            options.reserveBytes = 0
            options.vfs = disk.name
            let store = try SQLiteStore(folder: folder.path, options: options)
            disk.arm(.stops, at: nth)
            let a = (try? put("a", in: store)) != nil
            let b = (try? put("b", in: store)) != nil
            for kept in [FaultDisk.Salvage.everything, .synced, .some(seed: UInt64(nth))] {
                let salvaged = try TemporaryFolder()
                disk.salvage(kept, into: salvaged)
                let connection = try SQLiteStore(folder: salvaged.path).connection()
                if a { try #expect(connection.value(at: "a") == [1], "stopped at call \(nth)") }
                if b { try #expect(connection.value(at: "b") == [1], "stopped at call \(nth)") }
                if try connection.value(at: "b") != nil { try #expect(connection.value(at: "a") != nil) }
            }
            store.close()
        }
    }
}
