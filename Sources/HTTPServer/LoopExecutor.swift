import NIOCore
import Threads

/// Runs Swift tasks on the thread of an event loop, so that a call is answered where its connection lives, without a hop.
///
/// Jobs that the loop's own thread enqueues go into a local queue, run to the end before the loop goes on; jobs from other
/// threads arrive through the loop.
final class LoopExecutor: TaskExecutor, Waker, @unchecked Sendable {
    // Unchecked: `jobs` and `isRunning` are touched on the loop's thread only.
    let eventLoop: any EventLoop
    private var jobs: [UnownedJob] = []
    private var isRunning = false

    init(_ eventLoop: any EventLoop) {
        self.eventLoop = eventLoop
        jobs.reserveCapacity(64)
    }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        guard eventLoop.inEventLoop else {
            eventLoop.execute { self.run { self.jobs.append(job) } }
            return
        }
        jobs.append(job)
        // Outside `run` nobody would look at the queue.
        if !isRunning { eventLoop.execute { self.run {} } }
    }

    /// Runs `body` on the loop's thread, then every job that it made runnable.
    func run(_ body: () -> Void) {
        guard !isRunning else {
            body()
            return
        }
        isRunning = true
        body()
        var next = 0
        while next < jobs.count {
            jobs[next].runSynchronously(on: asUnownedTaskExecutor())
            next += 1
        }
        jobs.removeAll(keepingCapacity: true)
        isRunning = false
    }

    func wake(_ resume: @escaping @Sendable () -> Void) {
        eventLoop.execute { self.run(resume) }
    }
}
