import Domain
import Operations
import Synchronization

/// The lanes that duties run on, made when they are first needed. A lane carries one duty at a time.
final class DutyLanes: Sendable {
    private struct State {
        var free: [Lane] = []
        var made = 0
    }

    private let most: Int
    private let make: @Sendable () throws(VaultError) -> Lane
    private let state = Mutex(State())

    /// - Parameter most: how many duties may be worked on at once.
    init(most: Int, make: @escaping @Sendable () throws(VaultError) -> Lane) {
        self.most = most
        self.make = make
    }

    /// - Returns: nil when all are in use.
    func take() throws(VaultError) -> Lane? {
        let (lane, isNew) = state.withLock { state -> (Lane?, Bool) in
            if let lane = state.free.popLast() { return (lane, false) }
            guard state.made < most else { return (nil, false) }
            state.made += 1
            return (nil, true)
        }
        guard isNew else { return lane }
        do throws(VaultError) { return try make() } catch {
            state.withLock { $0.made -= 1 }
            throw error
        }
    }

    func giveBack(_ lane: Lane) { state.withLock { $0.free.append(lane) } }
}

/// The duties of a round, handed out in their order.
final class DutyQueue: Sendable {
    private let duties: Mutex<ArraySlice<Duty>>

    init(_ duties: [Duty]) { self.duties = Mutex(duties[...]) }

    func next() -> Duty? { duties.withLock { $0.popFirst() } }
}
