package import Store
import Synchronization
import Threads

/// A store that can be told to hang or to fail before it hands a write to the store behind it.
package final class TroubledStore: Store {
    private struct Trouble: Sendable {
        var isHanging = false
        var hanging = 0
        var failure: StoreError?
        var failuresLeft = 0
        var writes = 0
    }

    private let store: any Store
    private let trouble = Monitor(Trouble())

    package init(_ store: any Store) { self.store = store }

    /// Writes from now on do not return until `resume`.
    package func hang() { trouble.withLock { $0.isHanging = true } }

    package func resume() {
        trouble.withLock { $0.isHanging = false }
        trouble.broadcast()
    }

    /// Whether a write is held up.
    package var isHanging: Bool { trouble.withLock { $0.isHanging && $0.hanging > 0 } }

    /// The next writes fail with this, all of them unless a number is given.
    package func fail(with failure: StoreError, times: Int = .max) {
        trouble.withLock { ($0.failure, $0.failuresLeft) = (failure, times) }
    }

    package func mend() { trouble.withLock { $0.failuresLeft = 0 } }

    /// How many writes were asked for, those that failed included.
    package var writes: Int { trouble.withLock { $0.writes } }

    package func write(synced: Bool, _ body: (any StoreBatch) throws(StoreError) -> Void) throws(StoreError) {
        let failure: StoreError? = trouble.withLock { trouble in
            trouble.writes += 1
            trouble.hanging += 1
            guard trouble.failuresLeft > 0 else { return nil }
            trouble.failuresLeft -= 1
            return trouble.failure
        }
        trouble.broadcast()
        _ = trouble.wait { $0.isHanging ? nil : true }
        trouble.withLock { $0.hanging -= 1 }
        if let failure { throw failure }
        try store.write(synced: synced, body)
    }

    package func connection() throws(StoreError) -> any StoreConnection { try store.connection() }
    package func maintain() throws(StoreError) { try store.maintain() }
    package func releaseReserve() -> Bool { store.releaseReserve() }
    package func restoreReserve() -> Bool { store.restoreReserve() }
    package func close() { store.close() }
}
