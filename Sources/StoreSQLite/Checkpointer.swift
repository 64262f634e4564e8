import CSQLite
import Store
import Threads

/// Moves pages from the log into the database file on a thread of its own, with a connection of its own, while batches go on.
///
/// It cannot finish the job: the writer adds pages meanwhile, and the log begins anew only when all of them have been moved. So the
/// writer moves the few that are left, which takes a fraction of what moving all of them would hold it up.
final class Checkpointer: Sendable {
    enum Progress {
        case idle, wanted
        case done(StoreError?)
    }

    private struct State {
        var progress = Progress.idle
        var isStopping = false
    }

    private let state = Monitor(State())
    private let thread: BlockingThread

    /// - Parameter connection: writable; belongs to the thread from here on.
    init(_ connection: sending SQLiteConnection) {
        let state = state
        let owned = Owned(connection: connection)
        thread = BlockingThread.start(name: "checkpointer") {
            while Self.isWanted(state) {
                let error = owned.connection.checkpoint()
                state.withLock { $0.progress = .done(error) }
            }
        }
    }

    /// Hands the connection to the thread, which is its only user.
    private struct Owned: @unchecked Sendable {
        let connection: SQLiteConnection
    }

    private static func isWanted(_ state: Monitor<State>) -> Bool {
        state.wait { state -> Bool? in
            if state.isStopping { return false }
            if case .wanted = state.progress { return true }
            return nil
        } ?? false
    }

    /// Asks for a run when none is under way; tells once of one that has ended.
    func progress(starting isDue: Bool) -> Progress {
        let progress = state.withLock { state -> Progress in
            defer {
                switch state.progress {
                case .idle: if isDue { state.progress = .wanted }
                case .wanted: break
                case .done: state.progress = .idle
                }
            }
            return state.progress
        }
        if case .idle = progress, isDue { state.signal() }
        return progress
    }

    /// Ends the thread after the run that is under way; once.
    func stop() {
        let isFirst = state.withLock { state in
            defer { state.isStopping = true }
            return !state.isStopping
        }
        guard isFirst else { return }
        state.signal()
        thread.join()
    }
}
