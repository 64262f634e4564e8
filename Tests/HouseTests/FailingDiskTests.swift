import Audit
import House
import Identity
import Operations
import StoreSQLite
import StrongroomTesting
import Testing

/// The promise of durability, at every point where a disk can break it: for every n, the n-th read, write, sync or truncation of a
/// run fails, or the process stops there, or the power is cut there. Nothing acknowledged is lost, nothing refused took effect, and
/// the audit log is whole and tells of every answer.
struct FailingDiskTests {
    @Test("Whichever call of the disk fails, nothing acknowledged is lost and nothing refused took effect")
    func failsOnce() async throws {
        let calls = try await countCalls()
        try await forEach(1...calls) { nth in
            let disk = FaultDisk()
            let house = try await open(disk)
            var script = try await Script(house, other: try await Self.template.value.other)
            disk.arm(.failsOnce, at: nth)
            script.circumstances = "call \(nth) of \(calls) failed"
            try await script.run()
            await house.close()
            // In a folder of its own: what the process still remembers of the old one must not help.
            let folder = try house.folder.copy(TestHouse.files)
            try await Aftermath(folder, other: script.other.client).check(script)
        }
    }

    @Test(
        "Wherever the process stops or the power is cut, nothing acknowledged is lost and nothing refused took effect")
    func stops() async throws {
        // A stop at a read leaves the files as one at the next write does.
        let kinds: FaultDisk.Kinds = [.write, .sync, .truncate]
        let calls = try await countCalls(kinds)
        try await forEach(1...calls) { nth in
            let disk = FaultDisk()
            let house = try await open(disk)
            var script = try await Script(house, other: try await Self.template.value.other)
            disk.arm(.stops, kinds, at: nth)
            try await script.run { disk.hasTripped }
            for kept in [FaultDisk.Salvage.everything, .synced, .some(seed: UInt64(nth))] {
                let folder = try TemporaryFolder()
                disk.salvage(kept, into: folder)
                try house.folder.copyFiles(["audit-checkpoints.jsonl"], to: folder)
                let circumstances: Comment = "stopped at call \(nth) of \(calls), kept \(kept)"
                try await Aftermath(folder, other: script.other.client).check(script, circumstances)
            }
        }
    }

    @Test("Of calls that arrive together, those acknowledged before a stop are there")
    func stopsAmongMany() async throws {
        let template = try await Self.template.value
        let kinds: FaultDisk.Kinds = [.write, .sync, .truncate]
        let calls = try await countCalls(kinds) { house in
            _ = try await Self.setMany(by: try await Self.manyCallers(house))
        }
        try await forEach(1...calls) { nth in
            let disk = FaultDisk()
            let house = try await open(disk)
            let callers = try await Self.manyCallers(house)
            disk.arm(.stops, kinds, at: nth)
            let acknowledged = try await Self.setMany(by: callers)
            for kept in [FaultDisk.Salvage.everything, .synced, .some(seed: UInt64(nth))] {
                let folder = try TemporaryFolder()
                disk.salvage(kept, into: folder)
                try house.folder.copyFiles(["audit-checkpoints.jsonl"], to: folder)
                let after = try await Aftermath(folder, other: template.other)
                for name in acknowledged {
                    #expect(
                        try await after.admin.get(name).json["value"].string == name,
                        "stopped at call \(nth), kept \(kept)")
                }
                #expect(try after.house.audit().report.fault == nil, "stopped at call \(nth), kept \(kept)")
            }
        }
    }

    @Test("Wherever the first start of a server is interrupted, the next start finishes it")
    func stopsWhileOpening() async throws {
        let counting = FaultDisk()
        let whole = try await TestHouse.open(in: try TemporaryFolder(), disk: counting)
        let calls = counting.calls()
        await whole.close()
        try await forEach(stride(from: 1, through: calls, by: 3)) { nth in
            let disk = FaultDisk()
            let folder = try TemporaryFolder()
            disk.arm(.stops, at: nth)
            _ = try? await TestHouse.open(in: folder, disk: disk)
            let salvaged = try TemporaryFolder()
            disk.salvage(nth.isMultiple(of: 2) ? .synced : .some(seed: UInt64(nth)), into: salvaged)
            try folder.copyFiles(["audit-checkpoints.jsonl"], to: salvaged)
            let house = try await TestHouse.open(in: salvaged)
            let client = try await house.caller(roles: House.allRoles)
            for vault in ["demo", "other", "locked"] {
                #expect(
                    try await client.set("a", "works", in: vault).status == 200, "stopped at call \(nth) of \(calls)")
            }
            #expect(try house.audit().report.fault == nil, "stopped at call \(nth) of \(calls)")
        }
    }

    // MARK: Small words

    /// A data folder with two clients, of which one holds no role.
    private static let template = Task { () throws -> (folder: TemporaryFolder, other: Client) in
        let house = try await TestHouse.open()
        let other = try await house.caller("other").client
        await house.close()
        return (house.folder, other)
    }

    /// A house that goes to its disk often: next to no caches, and checkpoints all the time.
    private func open(_ disk: FaultDisk) async throws -> TestHouse {
        let folder = try await Self.template.value.folder.copy(TestHouse.files)
        return try await TestHouse.open(in: folder, disk: disk, seed: 1) { configuration in
            configuration.storage.checkpointPages = 24
            configuration.storage.cacheKiB = 16
            configuration.cacheBytes = 0
        }
    }

    private func countCalls(_ kinds: FaultDisk.Kinds = .any) async throws -> Int {
        try await countCalls(kinds) { house in
            var script = try await Script(house, other: try await Self.template.value.other)
            try await script.run()
        }
    }

    private func countCalls(_ kinds: FaultDisk.Kinds, _ run: (TestHouse) async throws -> Void) async throws -> Int {
        let disk = FaultDisk()
        let house = try await open(disk)
        disk.disarm()
        try await run(house)
        await house.close()
        return disk.calls(kinds)
    }

    private static func manyCallers(_ house: TestHouse) async throws -> [Caller] {
        let admin = try await HouseTemplate.shared.admin
        let callers = try (0..<12).map { _ in try Caller(admin, in: house) }
        for caller in callers { _ = try caller.token(for: .vault) }
        return callers
    }

    /// All at once, each a secret of its own.
    ///
    /// - Returns: the names of those that were told that it is set.
    private static func setMany(by callers: [Caller]) async throws -> [String] {
        try await withThrowingTaskGroup(of: String?.self) { group in
            for (number, caller) in callers.enumerated() {
                group.addTask {
                    try await caller.set("many-\(number)", "many-\(number)").status == 200 ? "many-\(number)" : nil
                }
            }
            return try await group.reduce(into: []) { names, name in if let name { names.append(name) } }
        }
    }

    /// A few at a time: each spends most of its time waiting for threads to end.
    private func forEach(_ numbers: some Sequence<Int>, _ body: @escaping @Sendable (Int) async throws -> Void)
        async throws
    {
        try await withThrowingTaskGroup(of: Void.self) { group in
            var running = 0
            for number in numbers {
                if running == 8 {
                    try await group.next()
                    running -= 1
                }
                group.addTask { try await body(number) }
                running += 1
            }
            try await group.waitForAll()
        }
    }
}
