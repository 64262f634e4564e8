import Synchronization

/// What the writer has told of.
final class Told: Sendable {
    private let number = Atomic<Int>(0)

    var value: Int {
        get { number.load(ordering: .acquiring) }
        set { number.store(newValue, ordering: .releasing) }
    }
}
