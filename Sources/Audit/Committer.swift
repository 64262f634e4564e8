package import Barrier
package import Cryptography
package import Domain
package import Store
package import Synchronization
package import Threads

/// The one writer thread: it owns the writing connection and the audit chain.
///
/// Calls push what they did (and, for a change, the work to do) and sleep. The thread takes all there is, runs each change as a
/// part of one transaction, chains the records of all of them into one sealed row of the same transaction, commits, and wakes
/// everybody: one sync for all, and a change and its record are durable together or not at all.
package final class Committer: @unchecked Sendable {
    // Unchecked: `chain`, `cipher`, `hasher`, `space` and the rest of the writer's state are touched by the writer thread only;
    // what other threads see is inside `queue` and the atomics.

    package struct Options: Sendable {
        /// Whether records of calls that change nothing wait for a sync.
        package var syncsReads = true
        package var checkpointInterval: Duration = .seconds(60)
        /// A call whose record is not durable after this long is answered 503.
        package var deadline: Duration = .seconds(4)
        /// How long to wait for company when few calls are waiting and more are on their way.
        package var gather: Duration = .microseconds(50)
        /// The same when all who wait did slow work: to them a millisecond is nothing.
        package var gatherSlow: Duration = .milliseconds(1)

        package init() {}
    }

    private struct Queue {
        var waiting: [CommitRequest] = []
        var running: [CommitRequest] = []
        var writerSleeps = false
        var isStopping = false
        /// The writer has ended.
        var isDone = false
    }

    private let queue = Monitor(Queue())
    private let store: any Store
    private let cipher: RecordCipher
    private let cache: SealedCache?
    private let hasher: SHA256Hasher
    private let checkpointKey: Ed25519PrivateKey
    private let checkpointFile: CheckpointFile
    private let options: Options
    private let longWork: LongWork
    private let now: @Sendable () -> Timestamp
    private let log: @Sendable (String) -> Void
    private var chain: AuditChain
    private var checkpointed: UInt64
    private var lastCheckpoint = ContinuousClock.now
    private var space = DiskSpace.ample
    private var lastSpaceCheck = ContinuousClock.now
    private var threads: [BlockingThread] = []
    private var waitsForTurn = false

    /// Calls being answered right now; tells whether waiting for company can pay.
    package let callsInFlight = Atomic<Int>(0)
    private let writable = Atomic<Bool>(true)

    private enum DiskSpace { case ample, scarce }

    /// Whether the last attempt to write a record succeeded.
    package var isWritable: Bool { writable.load(ordering: .relaxed) }

    /// Calls that wait for the writer to take them.
    package var waiting: Int { queue.withLock { $0.waiting.count } }

    package init(
        store: any Store, keyring: Keyring, cache: SealedCache?, engine: CryptoEngine, checkpointKey: Ed25519PrivateKey,
        checkpointFile: CheckpointFile,
        chain: AuditChain, options: Options, longWork: LongWork = LongWork(),
        now: @escaping @Sendable () -> Timestamp,
        log: @escaping @Sendable (String) -> Void
    ) throws(CryptoError) {
        self.store = store
        cipher = RecordCipher(keyring)
        self.cache = cache
        hasher = try SHA256Hasher(engine)
        self.checkpointKey = checkpointKey
        self.checkpointFile = checkpointFile
        self.chain = chain
        checkpointed = chain.sequence
        self.options = options
        self.longWork = longWork
        self.now = now
        self.log = log
    }

    package func start() {
        threads = [
            BlockingThread.start(name: "committer") { [self] in run() },
            BlockingThread.start(name: "commit-watchdog") { [self] in watch() },
        ]
    }

    /// Commits what waits, writes a last checkpoint and ends the threads.
    package func stop() {
        queue.withLock { $0.isStopping = true }
        queue.broadcast()
        for thread in threads { thread.join() }
        threads = []
    }

    // MARK: Submitting

    /// Makes the records of a call that changed nothing durable.
    ///
    /// - Parameter isSlow: the call did slow work, so that waiting up to a millisecond for company costs it nothing.
    /// - Throws: `.unavailable` within the deadline when they cannot be written.
    package func record(_ records: [AuditRecord], isSlow: Bool = false, waker: any Waker) async throws(VaultError) {
        try await submit(records, body: nil, isSlow: isSlow, waker: waker)
    }

    /// Runs `body` in a transaction and makes it durable together with the records it answers.
    ///
    /// - Throws: what `body` threw, and then nothing of it was written and no record either; `.storageFull`, `.unavailable`.
    package func commit(
        waker: any Waker, _ body: @escaping @Sendable (Transaction) throws(VaultError) -> [AuditRecord]
    ) async throws(VaultError) {
        try await submit([], body: body, isSlow: false, waker: waker)
    }

    private func submit(
        _ records: [AuditRecord], body: CommitRequest.Body?, isSlow: Bool, waker: any Waker
    ) async throws(VaultError) {
        let failure = await withUnsafeContinuation { (continuation: UnsafeContinuation<VaultError?, Never>) in
            let request = CommitRequest(
                records: records, body: body, isSlow: isSlow, waker: waker, continuation: continuation)
            let (accepted, mustWake) = queue.withLock { queue in
                guard !queue.isStopping else { return (false, false) }
                queue.waiting.append(request)
                defer { queue.writerSleeps = false }
                return (true, queue.writerSleeps)
            }
            if mustWake { queue.signal() }
            if !accepted { continuation.resume(returning: .unavailable("The server is stopping. Retry later.")) }
        }
        if let failure { throw failure }
    }

    // MARK: The writer thread

    private func run() {
        while let batch = nextBatch() {
            if !batch.isEmpty { process(batch) } else if !isWritable { probe() }
            checkpointIfDue(atLeastEvery: options.checkpointInterval)
            do { try store.maintain() } catch { log("storage: \(error.text)") }
        }
        checkpointIfDue(atLeastEvery: .zero)
        queue.withLock { $0.isDone = true }
    }

    /// All that waits; empty when a checkpoint fell due instead; nil when stopped and drained.
    private func nextBatch() -> [CommitRequest]? {
        let untilCheckpoint = max(
            .milliseconds(100),
            isWritable ? options.checkpointInterval - (ContinuousClock.now - lastCheckpoint) : .seconds(1))
        let waiting = queue.wait(timeout: untilCheckpoint) { queue -> Int? in
            if !queue.waiting.isEmpty { return queue.waiting.count }
            if queue.isStopping { return 0 }
            queue.writerSleeps = true
            return nil
        }
        takeTurns()
        if let waiting, waiting > 0 { gather(waiting) }
        return queue.withLock { queue -> [CommitRequest]? in
            queue.writerSleeps = false
            if queue.waiting.isEmpty, queue.isStopping { return nil }
            queue.running = queue.waiting
            queue.waiting = []
            return queue.running
        }
    }

    /// A writer that interrupts the loops takes smaller batches, and both pay for the change. Long work it does interrupt: a turn of
    /// that may last milliseconds.
    private func takeTurns() {
        let waits = !longWork.isRunning
        guard waits != waitsForTurn else { return }
        waitsForTurn = waits
        waitForTurn(waits)
    }

    /// Tries to write while nobody asks for it, so that a server that was taken out of service can come back.
    private func probe() {
        do throws(StoreError) {
            try store.write { batch throws(StoreError) in try batch.put([], at: StoreMarks.probe) }
            writable.store(true, ordering: .relaxed)
        } catch {
            if error == .full { _ = store.releaseReserve() }
        }
    }

    /// One sync costs as much as answering several calls: when others are on their way, wait for them a little.
    private func gather(_ waiting: Int) {
        let inFlight = callsInFlight.load(ordering: .relaxed)
        if inFlight > waiting, queue.withLock({ $0.waiting.allSatisfy(\.isSlow) }) {
            sleepThread(options.gatherSlow)
            return
        }
        guard waiting < 16, inFlight > waiting + 1 else { return }
        sleepThread(options.gather)
    }

    private func process(_ batch: [CommitRequest]) {
        var running = batch.filter { $0.begin() }
        if space == .scarce {
            restoreSpaceIfDue()
            if space == .scarce {
                for request in running where request.body != nil { request.failure = Self.full }
            }
        }
        do throws(StoreError) {
            try write(running.filter { $0.failure == nil })
            writable.store(true, ordering: .relaxed)
        } catch .full {
            runOutOfSpace(&running)
        } catch {
            log("storage: \(error.text)")
            writable.store(false, ordering: .relaxed)
            for request in running where request.failure == nil { request.failure = Self.unwritable(error.text) }
        }
        finish(batch)
    }

    private func write(_ requests: [CommitRequest]) throws(StoreError) {
        guard !requests.isEmpty else { return }
        var next = chain
        var changed: [String] = []
        let synced = options.syncsReads || requests.contains { $0.body != nil }
        // When the outcome of a commit is not known, what it may have changed must not be answered from memory.
        defer { if !changed.isEmpty { cache?.drop(changed) } }
        try store.write(synced: synced) { batch throws(StoreError) in
            var records: [[UInt8]] = []
            for request in requests {
                if let body = request.body {
                    do throws(StorePartError<VaultError>) {
                        try batch.part { () throws(VaultError) in
                            let transaction = Transaction(batch: batch, cipher: cipher)
                            request.records = try body(transaction)
                            changed += transaction.changed
                        }
                    } catch {
                        switch error {
                        case .refused(let refusal):
                            request.failure = refusal
                            continue
                        case .store(let failure): throw failure
                        }
                    }
                }
                records.append(contentsOf: request.records)
            }
            for record in records { next.append(record, hasher: hasher) }
            try put(AuditBatch(before: chain, after: next, records: records), in: batch)
        }
        chain = next
    }

    private func put(_ auditBatch: AuditBatch, in batch: any StoreBatch) throws(StoreError) {
        guard !auditBatch.records.isEmpty else { return }
        let key = auditBatch.key
        let sealed: [UInt8]
        do { sealed = try cipher.seal(auditBatch.encoded(), at: key, in: .system) } catch {
            throw .unusable("the audit row could not be sealed")
        }
        try batch.put(sealed, at: key)
    }

    private func finish(_ batch: [CommitRequest]) {
        queue.withLock { $0.running = [] }
        var byWaker: [ObjectIdentifier: (any Waker, [(UnsafeContinuation<VaultError?, Never>, VaultError?)])] = [:]
        for request in batch {
            guard let continuation = request.settle() else { continue }
            byWaker[ObjectIdentifier(request.waker), default: (request.waker, [])].1.append(
                (continuation, request.failure))
        }
        for (waker, settled) in byWaker.values {
            waker.wake { for (continuation, failure) in settled { continuation.resume(returning: failure) } }
        }
    }

    // MARK: A full disk

    /// Changes are refused. Records of reads go into the space that was kept in reserve for them.
    private func runOutOfSpace(_ requests: inout [CommitRequest]) {
        if space == .ample { log("storage: the disk is full; changes are refused until space returns") }
        space = .scarce
        lastSpaceCheck = .now
        for request in requests where request.body != nil && request.failure == nil { request.failure = Self.full }
        let reads = requests.filter { $0.failure == nil }
        while true {
            do throws(StoreError) {
                try write(reads)
                writable.store(true, ordering: .relaxed)
                return
            } catch {
                if error == .full, store.releaseReserve() { continue }
                writable.store(false, ordering: .relaxed)
                for request in reads { request.failure = Self.unwritable(error.text) }
                return
            }
        }
    }

    private func restoreSpaceIfDue() {
        guard ContinuousClock.now - lastSpaceCheck >= .milliseconds(500) else { return }
        lastSpaceCheck = .now
        if store.restoreReserve() {
            space = .ample
            log("storage: space is back; changes are accepted again")
        }
    }

    private static let full = VaultError(
        .storageFull, "The server has no space left to write. Nothing was changed; reads go on. Retry later.")

    private static func unwritable(_ cause: String) -> VaultError {
        VaultError(
            .unavailable,
            "The service cannot write its audit record, so the call was not carried out. Retry later.",
            cause: .unrecorded(cause))
    }

    // MARK: Checkpoints

    private func checkpointIfDue(atLeastEvery interval: Duration) {
        guard ContinuousClock.now - lastCheckpoint >= interval else { return }
        lastCheckpoint = .now
        guard chain.sequence > checkpointed else { return }
        do {
            let checkpoint = try Checkpoint.sign(chain, at: now(), key: checkpointKey)
            var next = chain
            let record = checkpoint.encoded()
            next.append(record, hasher: hasher)
            let batch = AuditBatch(before: chain, after: next, records: [record])
            try store.write(synced: true) { store throws(StoreError) in try put(batch, in: store) }
            chain = next
            checkpointed = next.sequence
            try checkpointFile.append(checkpoint)
        } catch {
            log("audit: a checkpoint could not be written: \(error)")
        }
    }

    // MARK: The watchdog

    /// A disk that hangs must not hang the callers: whoever waited for longer than the deadline is told.
    private func watch() {
        while true {
            // It sleeps and does not wait: a signal meant for the writer would wake it instead.
            sleepThread(.milliseconds(100))
            if queue.withLock({ $0.isDone }) { return }
            let limit = ContinuousClock.now - options.deadline
            let late = queue.withLock { queue in (queue.running + queue.waiting).filter { $0.submitted < limit } }
            guard !late.isEmpty else { continue }
            writable.store(false, ordering: .relaxed)
            for request in late {
                guard let continuation = request.settle() else { continue }
                request.waker.wake {
                    continuation.resume(
                        returning: VaultError(
                            .unavailable,
                            "The service could not write its audit record in time. Whether a change took effect is not "
                                + "known; read it back.", cause: .unrecorded("the storage did not answer in time")))
                }
            }
        }
    }
}
