import Barrier
import Domain
import Synchronization
import Threads

/// What one call hands to the committer: the records of what happened and, for a change, the work that makes it.
///
/// Settled exactly once, by the committer or by the watchdog, whichever comes first.
final class CommitRequest: @unchecked Sendable {
    // Unchecked: `records` and `failure` are written by the committer thread while the request is running, and read after it
    // was settled through `state`, which orders the two.
    enum State: UInt8, AtomicRepresentable { case queued, running, settled }

    typealias Body = @Sendable (Transaction) throws(VaultError) -> [AuditRecord]

    let state = Atomic(State.queued)
    let waker: any Waker
    let submitted: ContinuousClock.Instant
    let body: Body?
    let isSlow: Bool
    var records: [AuditRecord]
    var failure: VaultError?
    private var continuation: UnsafeContinuation<VaultError?, Never>?

    init(
        records: [AuditRecord], body: Body?, isSlow: Bool, waker: any Waker,
        continuation: UnsafeContinuation<VaultError?, Never>
    ) {
        (self.records, self.body, self.isSlow, self.waker, self.continuation) = (
            records, body, isSlow, waker, continuation
        )
        submitted = .now
    }

    func begin() -> Bool {
        state.compareExchange(expected: .queued, desired: .running, ordering: .acquiringAndReleasing).exchanged
    }

    /// The right to resume the caller; given once.
    func settle() -> UnsafeContinuation<VaultError?, Never>? {
        guard state.exchange(.settled, ordering: .acquiringAndReleasing) != .settled else { return nil }
        defer { continuation = nil }
        return continuation
    }
}
