import CLinux

#if canImport(Glibc)
    import Glibc
#endif

/// A thread of its own for work that blocks: the writer of the store, slow cryptography. Never the cooperative pool.
package final class BlockingThread: @unchecked Sendable {
    // Unchecked: the handle is written before `start` returns and read by `join` only.
    private var handle = pthread_t()
    private let body: @Sendable () -> Void
    private let name: String
    private let niceness: Int32

    /// - Parameters:
    ///   - name: at most 15 bytes are kept by the kernel.
    ///   - niceness: added to the process's; 5 to 10 keeps slow work from delaying the event loops.
    package static func start(name: String, niceness: Int32 = 0, _ body: @escaping @Sendable () -> Void)
        -> BlockingThread
    {
        let thread = BlockingThread(name: name, niceness: niceness, body)
        let context = Unmanaged.passRetained(thread).toOpaque()
        let result = pthread_create(
            &thread.handle, nil,
            { context in
                let thread = Unmanaged<BlockingThread>.fromOpaque(context!).takeRetainedValue()
                strongroom_name_thread(String(thread.name.prefix(15)))
                // In Linux niceness belongs to the thread when 0 names the caller.
                if thread.niceness != 0 { setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, thread.niceness) }
                // Short sleeps of the gathering policy would otherwise be rounded up by 50 microseconds.
                strongroom_timer_slack(1_000)
                thread.body()
                return nil
            }, context)
        precondition(result == 0, "a thread could not be started")
        return thread
    }

    private init(name: String, niceness: Int32, _ body: @escaping @Sendable () -> Void) {
        (self.name, self.niceness, self.body) = (name, niceness, body)
    }

    package func join() { pthread_join(handle, nil) }
}

/// Whether the calling thread, when it wakes, waits until another one has done its turn, and does not interrupt it.
package func waitForTurn(_ waits: Bool) { strongroom_wait_for_turn(waits ? 1 : 0) }
