import Synchronization

/// Where a suspended call is taken up again: the event loop that owns its connection.
package protocol Waker: AnyObject, Sendable {
    /// Runs `resume` where the caller lives. Several resumptions in one call cost one wake-up.
    func wake(_ resume: @escaping @Sendable () -> Void)
}

/// For callers that belong to no event loop: resumes on the thread that finished the work.
package final class DirectWaker: Waker {
    package init() {}
    package func wake(_ resume: @escaping @Sendable () -> Void) { resume() }
}

/// Counts jobs that hold a processor for long. Who can wait for others should not do so while there are any.
package final class LongWork: Sendable {
    private let jobs = Atomic<Int>(0)

    package init() {}

    package var isRunning: Bool { jobs.load(ordering: .relaxed) > 0 }

    func run(_ job: () -> Void) {
        jobs.add(1, ordering: .relaxed)
        defer { jobs.subtract(1, ordering: .relaxed) }
        job()
    }
}

/// A few threads for work that takes longer than an event loop should be held: key derivation, signatures.
package final class WorkPool: Sendable {
    private struct Queue {
        var jobs: [@Sendable () -> Void] = []
        var isStopping = false
    }

    private let queue = Monitor(Queue())
    private let threads: [BlockingThread]
    private let capacity: Int

    /// - Parameters:
    ///   - threads: how many jobs run at once.
    ///   - capacity: how many may wait; one more is refused.
    ///   - work: where its jobs are counted.
    package init(
        name: String, threads count: Int, capacity: Int, niceness: Int32 = 5, countedIn work: LongWork = LongWork()
    ) {
        self.capacity = capacity
        let queue = queue
        threads = (0..<count).map { _ in
            BlockingThread.start(name: name, niceness: niceness) {
                while let job = queue.wait(until: { queue -> (@Sendable () -> Void)?? in
                    if !queue.jobs.isEmpty { return .some(queue.jobs.removeFirst()) }
                    return queue.isStopping ? .some(nil) : nil
                }).flatMap({ $0 }) {
                    work.run(job)
                }
            }
        }
    }

    /// Runs `work` on a thread of the pool and answers where `waker` says; nil when too much is waiting.
    package func run<Value: Sendable>(on waker: any Waker, _ work: @escaping @Sendable () -> Value) async -> Value? {
        await withUnsafeContinuation { (continuation: UnsafeContinuation<Value?, Never>) in
            let accepted = queue.withLock { queue in
                guard queue.jobs.count < capacity, !queue.isStopping else { return false }
                queue.jobs.append {
                    let value = work()
                    waker.wake { continuation.resume(returning: value) }
                }
                return true
            }
            if accepted { queue.signal() } else { continuation.resume(returning: nil) }
        }
    }

    package func stop() {
        queue.withLock { $0.isStopping = true }
        queue.broadcast()
        for thread in threads { thread.join() }
    }
}
