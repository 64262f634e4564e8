import Barrier
import Domain
import Store
import StoreTesting
import StrongroomTesting
import Synchronization
import Testing
import Threads

@testable import Audit

struct CommitterTests {
    @Test("A change and its record are there together")
    func change() async throws {
        let fixture = try AuditFixture()
        try await fixture.change("a")
        try await fixture.record("read")
        await fixture.stop()
        #expect(try fixture.changes() == ["a"])
        let (report, names) = try fixture.verify()
        #expect(names == ["Change-a", "read"])
        #expect(report.fault == nil)
    }

    @Test("A change that refuses leaves nothing behind, and its caller hears why")
    func refusal() async throws {
        let fixture = try AuditFixture()
        #expect(
            await fixture.refusal { () throws(VaultError) in try await fixture.change("a", refusing: true) }
                == .conflict)
        await fixture.stop()
        #expect(try fixture.changes().isEmpty)
        #expect(try fixture.verify().names.isEmpty)
    }

    @Test("Calls that wait together become durable in one write")
    func group() async throws {
        let fixture = try AuditFixture()
        let outcomes = try await together(fixture, count: 60)
        #expect(outcomes.allSatisfy { $0.refusal == ($0.number.isMultiple(of: 7) ? .conflict : nil) })
        // The one that hung, and one for all the others.
        #expect(fixture.store.writes == 2)
        await fixture.stop()
        let written = Set(try fixture.changes())
        #expect(written == Set((0..<60).filter { !$0.isMultiple(of: 7) && !$0.isMultiple(of: 2) }.map { "\($0)" }))
        let (report, names) = try fixture.verify()
        #expect(report.fault == nil)
        #expect(names.count == 1 + 60 - 9)
    }

    /// Lets one write hang, submits reads (even), changes (odd) and refused changes (multiples of seven), then lets go.
    private func together(_ fixture: AuditFixture, count: Int) async throws -> [(
        number: Int, refusal: VaultError.Code?
    )] {
        fixture.store.hang()
        let hanging = Task { try await fixture.record("first") }
        _ = await waits { fixture.store.isHanging }
        return try await withThrowingTaskGroup(of: (Int, VaultError.Code?).self) { group in
            for number in 0..<count {
                group.addTask {
                    let refusal = await fixture.refusal { () throws(VaultError) in
                        if number.isMultiple(of: 7) {
                            try await fixture.change("\(number)", refusing: true)
                        } else if number.isMultiple(of: 2) {
                            try await fixture.record("read-\(number)")
                        } else {
                            try await fixture.change("\(number)")
                        }
                    }
                    return (number, refusal)
                }
            }
            _ = await waits { fixture.committer.waiting == count }
            fixture.store.resume()
            try await hanging.value
            return try await group.reduce(into: []) { $0.append(($1.0, $1.1)) }
        }
    }

    @Test(
        "A disk that hangs is answered for within five seconds, and what was refused in the queue is never carried out")
    func watchdog() async throws {
        let fixture = try AuditFixture()
        fixture.store.hang()
        let wakers = (TimedWaker(), TimedWaker(), TimedWaker())
        async let running = fixture.refusal { () throws(VaultError) in
            wakers.0.start()
            try await fixture.change("running", waker: wakers.0)
        }
        _ = await waits { fixture.store.isHanging }
        async let queued = fixture.refusal { () throws(VaultError) in
            wakers.1.start()
            try await fixture.change("queued", waker: wakers.1)
        }
        async let read = fixture.refusal { () throws(VaultError) in
            wakers.2.start()
            try await fixture.record("read", waker: wakers.2)
        }
        let refusals = (await running, await queued, await read)
        #expect(refusals == (.unavailable, .unavailable, .unavailable))
        for waker in [wakers.0, wakers.1, wakers.2] { #expect(try #require(waker.waited) < .seconds(5)) }
        #expect(!fixture.committer.isWritable)

        fixture.store.resume()
        try await fixture.change("later")
        #expect(fixture.committer.isWritable)
        await fixture.stop()
        // The one that hung was told that nobody knows; here it took effect. The one behind it was refused for good.
        #expect(try fixture.changes() == ["later", "running"])
        let (report, names) = try fixture.verify()
        #expect(names == ["Change-running", "Change-later"])
        #expect(report.fault == nil)
    }

    @Test("A store that fails refuses all that it was given, and says so")
    func failure() async throws {
        let fixture = try AuditFixture()
        fixture.store.fail(with: .failed("the disk is gone"))
        #expect(await fixture.refusal { () throws(VaultError) in try await fixture.change("a") } == .unavailable)
        #expect(!fixture.committer.isWritable)
        #expect(await fixture.refusal { () throws(VaultError) in try await fixture.record("read") } == .unavailable)
        fixture.store.mend()
        try await fixture.change("b")
        #expect(fixture.committer.isWritable)
        #expect(fixture.log.lines.contains { $0.contains("the disk is gone") })
        await fixture.stop()
        #expect(try fixture.changes() == ["b"])
        #expect(try fixture.verify().report.fault == nil)
    }

    @Test("A server that cannot write tries again by itself")
    func probe() async throws {
        let fixture = try AuditFixture()
        fixture.store.fail(with: .failed("for a moment"), times: 1)
        #expect(await fixture.refusal { () throws(VaultError) in try await fixture.record("read") } == .unavailable)
        #expect(await waits { fixture.committer.isWritable })
        await fixture.stop()
    }

    @Test("On a full disk changes are refused and records of reads are written")
    func full() async throws {
        let fixture = try AuditFixture()
        fixture.store.fail(with: .full, times: 1)
        #expect(await fixture.refusal { () throws(VaultError) in try await fixture.change("a") } == .storageFull)
        try await fixture.record("read")
        // It looks for space twice a second.
        try await Task.sleep(for: .milliseconds(600))
        try await fixture.change("c")
        await fixture.stop()
        #expect(try fixture.changes() == ["c"])
        let (report, names) = try fixture.verify()
        #expect(names == ["read", "Change-c"])
        #expect(report.fault == nil)
    }

    @Test("Stopping writes what waits and a last checkpoint, and takes nothing more")
    func stops() async throws {
        let fixture = try AuditFixture()
        try await fixture.change("a")
        await fixture.stop()
        #expect(await fixture.refusal { () throws(VaultError) in try await fixture.change("b") } == .unavailable)
        let report = try fixture.verify().report
        #expect(report.checkpoints == 1)
        #expect(report.records == 2)
        #expect(try CheckpointFile(folder: fixture.folder.path).read().map(\.chain.sequence) == [1])
    }

    @Test("Checkpoints are taken while calls come and while none come")
    func checkpoints() async throws {
        let fixture = try AuditFixture { $0.checkpointInterval = .milliseconds(200) }
        try await fixture.record("one")
        #expect(await waits { (try? fixture.verify().report.checkpoints) == 1 })
        // Nothing happened since: nothing more is stated.
        try await Task.sleep(for: .milliseconds(500))
        #expect(try fixture.verify().report.checkpoints == 1)
        try await fixture.record("two")
        #expect(await waits { (try? fixture.verify().report.checkpoints) == 2 })
        await fixture.stop()
        #expect(try fixture.verify().report.fault == nil)
    }

    @Test("A call without a record leaves no row")
    func noRecord() async throws {
        let fixture = try AuditFixture()
        try await fixture.committer.commit(waker: DirectWaker()) { transaction throws(VaultError) in
            try transaction.put([1], at: "room/a", in: .system)
            return []
        }
        #expect(try fixture.batchKeys().isEmpty)
        #expect(try fixture.changes() == ["a"])
        await fixture.stop()
    }

    @Test("Everybody is woken where they live, once for all who live there")
    func wakers() async throws {
        let fixture = try AuditFixture()
        let waker = CountingWaker()
        fixture.store.hang()
        async let hanging: Void = fixture.record("first")
        _ = await waits { fixture.store.isHanging }
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<20 {
                group.addTask { try? await fixture.committer.record([fixture.event("x").encoded()], waker: waker) }
            }
            _ = await waits { fixture.committer.waiting == 20 }
            fixture.store.resume()
        }
        try await hanging
        #expect(waker.count == 1)
        await fixture.stop()
    }

    /// Looks again and again until it is so; false when it never comes to be.
    private func waits(until isSo: () -> Bool) async -> Bool {
        for _ in 0..<500 {
            if isSo() { return true }
            try? await Task.sleep(for: .milliseconds(10))
        }
        return false
    }
}

/// Tells how long its caller waited until it was woken; the pool may be slow to go on after that.
private final class TimedWaker: Waker {
    private let times = Mutex<(started: ContinuousClock.Instant?, woken: ContinuousClock.Instant?)>((nil, nil))

    var waited: Duration? {
        times.withLock { times in
            if let started = times.started, let woken = times.woken { woken - started } else { nil }
        }
    }

    func start() { times.withLock { $0.started = .now } }

    func wake(_ resume: @escaping @Sendable () -> Void) {
        times.withLock { $0.woken = .now }
        resume()
    }
}

private final class CountingWaker: Waker {
    private let wakes = Atomic<Int>(0)
    var count: Int { wakes.load(ordering: .relaxed) }

    func wake(_ resume: @escaping @Sendable () -> Void) {
        wakes.add(1, ordering: .relaxed)
        resume()
    }
}
