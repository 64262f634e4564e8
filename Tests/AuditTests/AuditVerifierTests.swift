import Barrier
import Cryptography
import Domain
import Store
import StoreSQLite
import StrongroomTesting
import Testing
import Threads

@testable import Audit

/// Somebody edits the log. Without the keys of the barrier they can change, move and remove sealed rows; with them they can seal
/// rows of their own, but not sign.
struct AuditVerifierTests {
    private let fixture: AuditFixture
    /// Keys of the rows: six of one or two records each, with a checkpoint after the third and at the end.
    private let keys: [String]

    init() async throws {
        let fixture = try AuditFixture { $0.checkpointInterval = .seconds(3_600) }
        for number in 0..<3 { try await fixture.record("first-\(number)") }
        await fixture.stop()
        let again = try Committer(
            store: fixture.store, keyring: fixture.keyring, cache: nil, engine: fixture.engine,
            checkpointKey: fixture.checkpointKey,
            checkpointFile: CheckpointFile(folder: fixture.folder.path),
            chain: try AuditLog.end(fixture.database.connection(), cipher: fixture.cipher).chain, options: .init(),
            now: { TestClock.start },
            log: { _ in })
        again.start()
        for number in 0..<3 {
            let events = ["second-\(number)", "third-\(number)"].map { fixture.event($0).encoded() }
            try await again.record(events, waker: DirectWaker())
        }
        await fixture.stop(again)
        keys = try fixture.batchKeys()
        self.fixture = fixture
    }

    private func fault() throws -> AuditVerifier.Fault? { try fixture.verify().report.fault }

    @Test("A log that nobody touched is whole")
    func whole() throws {
        let (report, names) = try fixture.verify()
        #expect(report.fault == nil)
        #expect(keys.count == 8)
        #expect(report.records == 11)
        #expect(report.checkpoints == 2)
        #expect(report.lastCheckpoint == TestClock.start)
        #expect(
            names == [
                "first-0", "first-1", "first-2", "second-0", "third-0", "second-1", "third-1", "second-2", "third-2",
            ])
    }

    @Test("The chain goes on from where it ended")
    func end() throws {
        let (chain, time) = try AuditLog.end(fixture.database.connection(), cipher: fixture.cipher)
        #expect(chain.sequence == 11)
        #expect(time == TestClock.start)
    }

    @Test("An empty log is whole")
    func empty() async throws {
        let empty = try AuditFixture()
        await empty.stop()
        #expect(try empty.verify().report.fault == nil)
        #expect(try AuditLog.end(empty.database.connection(), cipher: empty.cipher).chain == .empty)
    }

    // The last row is the last checkpoint's own record, which only repeats what the file beside the database says.

    @Test("A row that was removed is missed", arguments: 0..<7)
    func removed(_ index: Int) throws {
        try fixture.overwrite(keys[index], nil)
        #expect(try fault() != nil)
    }

    @Test("A tail that was cut is missed, up to the last checkpoint", arguments: 2...8)
    func cut(_ count: Int) throws {
        for key in keys.suffix(count) { try fixture.overwrite(key, nil) }
        #expect(try fault() != nil)
    }

    @Test("A head that was cut is missed", arguments: 1..<8)
    func beheaded(_ count: Int) throws {
        for key in keys.prefix(count) { try fixture.overwrite(key, nil) }
        #expect(try fault()?.sequence == 1)
    }

    @Test("A flipped bit is found in every row", arguments: 0..<8)
    func flipped(_ index: Int) throws {
        let row = try #require(try fixture.raw(keys[index]))
        for position in stride(from: 0, to: row.count, by: 7) {
            var bytes = row
            bytes[position] ^= 0x10
            try fixture.overwrite(keys[index], bytes)
            #expect(try fault() != nil, "byte \(position)")
        }
    }

    @Test("Rows that changed places are found", arguments: 0..<7)
    func swapped(_ index: Int) throws {
        let (first, second) = (try fixture.raw(keys[index]), try fixture.raw(keys[index + 1]))
        try fixture.overwrite(keys[index], second)
        try fixture.overwrite(keys[index + 1], first)
        #expect(try fault() != nil)
    }

    @Test("A row put where none was is found")
    func added() throws {
        try fixture.overwrite(AuditBatch.key(firstSequence: 6), try fixture.raw(keys[0]))
        #expect(try fault() != nil)
    }

    // MARK: By somebody who has the keys of the barrier

    private func edited(_ index: Int) throws -> (batch: AuditBatch, records: [[UInt8]]) {
        let batch = try #require(try fixture.batch(at: keys[index]))
        return (batch, [fixture.event("forged").encoded()] + batch.records.dropFirst())
    }

    @Test("A record that was replaced, with the hashes left as they were, is found", arguments: [0, 2, 4, 6])
    func replaced(_ index: Int) throws {
        let (batch, records) = try edited(index)
        try fixture.reseal(AuditBatch(before: batch.before, after: batch.after, records: records))
        #expect(try fault()?.sequence == batch.after.sequence + 1)
    }

    @Test("A record that was replaced, with the hash of its row made anew, is found", arguments: [0, 2, 4, 6])
    func replacedWithHash(_ index: Int) throws {
        let (batch, records) = try edited(index)
        try fixture.reseal(
            AuditBatch(before: batch.before, after: chained(records, after: batch.before), records: records))
        #expect(try fault()?.sequence == batch.after.sequence + 1)
    }

    @Test("A chain rewritten to its end contradicts the next checkpoint", arguments: [0, 2, 4, 6])
    func rewritten(_ index: Int) throws {
        try rewrite(from: index) { records in [fixture.event("forged").encoded()] + records.dropFirst() }
        #expect(try fault() != nil)
    }

    @Test("A record taken out, with all after it moved up and chained anew, is found")
    func removedAndRewritten() throws {
        for key in keys { try fixture.overwrite(key, nil) }
        var chain = AuditChain.empty
        for number in [0, 2] {
            let records = [fixture.event("first-\(number)").encoded()]
            let after = try chained(records, after: chain)
            try fixture.reseal(AuditBatch(before: chain, after: after, records: records))
            chain = after
        }
        #expect(try fault() != nil)
    }

    @Test("A checkpoint signed by another key is found")
    func forgedCheckpoint() throws {
        let other = try Ed25519PrivateKey(
            seed: SensitiveBytes([UInt8](repeating: 9, count: 32)), engine: fixture.engine)
        let batch = try #require(try fixture.batch(at: keys[3]))
        #expect(Checkpoint(batch.records[0]) != nil)
        let forged = [try Checkpoint.sign(batch.before, at: TestClock.start, key: other).encoded()]
        try fixture.reseal(
            AuditBatch(before: batch.before, after: try chained(forged, after: batch.before), records: forged))
        #expect(try fault()?.sequence == 4)
    }

    @Test("A row that holds neither a call nor a checkpoint is found")
    func unreadable() throws {
        let batch = try #require(try fixture.batch(at: keys[7]))
        let records: [[UInt8]] = [[42]]
        try fixture.reseal(
            AuditBatch(before: batch.before, after: try chained(records, after: batch.before), records: records))
        #expect(try fault() != nil)
    }

    private func chained(_ records: [[UInt8]], after before: AuditChain) throws -> AuditChain {
        let hasher = try SHA256Hasher(fixture.engine)
        var chain = before
        for record in records { chain.append(record, hasher: hasher) }
        return chain
    }

    /// Changes the records of one row and chains it and all that follow anew.
    private func rewrite(from index: Int, _ change: ([[UInt8]]) -> [[UInt8]]) throws {
        var chain = try #require(try fixture.batch(at: keys[index])).before
        for position in index..<keys.count {
            let batch = try #require(try fixture.batch(at: keys[position]))
            let records = position == index ? change(batch.records) : batch.records
            let after = try chained(records, after: chain)
            try fixture.reseal(AuditBatch(before: chain, after: after, records: records))
            chain = after
        }
    }
}
