import Glibc
import Testing
import Threads

struct WorkPoolTests {
    /// What a job waits at until it is let go.
    private final class Gate: Sendable {
        private let state = Monitor((isReached: false, isOpen: false))

        func pass() {
            state.withLock { $0.isReached = true }
            state.wait { $0.isOpen ? () : nil }
        }

        func open() {
            state.withLock { $0.isOpen = true }
            state.broadcast()
        }

        func isReached() async throws {
            while !state.withLock({ $0.isReached }) { try await Task.sleep(for: .milliseconds(1)) }
        }
    }

    @Test("Long work is counted while it runs, and no longer", .timeLimit(.minutes(1)))
    func countsLongWork() async throws {
        let work = LongWork()
        let pool = WorkPool(name: "test", threads: 2, capacity: 8, countedIn: work)
        defer { pool.stop() }
        let gates = [Gate(), Gate()]
        #expect(!work.isRunning)
        async let first: Int? = pool.run(on: DirectWaker()) {
            gates[0].pass()
            return 1
        }
        async let second: Int? = pool.run(on: DirectWaker()) {
            gates[1].pass()
            return 2
        }
        for gate in gates { try await gate.isReached() }
        #expect(work.isRunning)
        gates[0].open()
        #expect(await first == 1)
        #expect(work.isRunning)
        gates[1].open()
        #expect(await second == 2)
        // The caller goes on a moment before the job has ended.
        while work.isRunning { try await Task.sleep(for: .milliseconds(1)) }
    }

    @Test("What is more than may wait is refused at once", .timeLimit(.minutes(1)))
    func refusesMore() async throws {
        let pool = WorkPool(name: "test", threads: 1, capacity: 1)
        defer { pool.stop() }
        let gate = Gate()
        async let running: Int? = pool.run(on: DirectWaker()) {
            gate.pass()
            return 0
        }
        try await gate.isReached()
        let answers = await withTaskGroup(of: Int?.self) { group in
            for number in 1...2 { group.addTask { await pool.run(on: DirectWaker()) { number } } }
            var answers = [await group.next()!]
            gate.open()
            answers.append(await group.next()!)
            return answers
        }
        #expect(answers[0] == nil)
        #expect(answers[1] != nil)
        #expect(await running == 0)
    }

    @Test(
        "A thread waits for its turn when it is told to, and does not when it is told not to", arguments: [true, false])
    func waitsForTurn(_ waits: Bool) {
        let policy = Monitor<Int32?>(nil)
        let thread = BlockingThread.start(name: "test") {
            waitForTurn(true)
            waitForTurn(waits)
            policy.withLock { $0 = sched_getscheduler(0) }
        }
        thread.join()
        // SCHED_BATCH is 3.
        #expect(policy.withLock { $0 } == (waits ? 3 : SCHED_OTHER))
    }
}
