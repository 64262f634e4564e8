import Domain
import NIOCore
import Operations
import Synchronization

/// Counts over all loops.
final class ServerLoad: Sendable {
    let connections = Atomic<Int>(0)
    let requests = Atomic<Int>(0)
    let isDraining = Atomic<Bool>(false)
}

/// Something with deadlines that its loop looks at once a second: cheaper than a timer for every request.
protocol TimedConnection: AnyObject {
    func checkDeadlines(_ now: NIODeadline)
    /// The server is stopping: close when nothing is being answered.
    func drain()
}

/// What the connections of one event loop share.
final class LoopState: @unchecked Sendable {
    // Unchecked: touched on the loop's thread only.
    let executor: LoopExecutor
    let dispatcher: Dispatcher
    let lane: Lane
    let limits: HTTPLimits
    let writer: ResponseWriter
    let load: ServerLoad
    private(set) var date: [UInt8]
    /// Where answers are put together, one after the other.
    var scratch: [UInt8] = []
    private let clock: @Sendable () -> Timestamp
    var now: Timestamp { clock() }
    private var connections: [ObjectIdentifier: any TimedConnection] = [:]

    init(
        executor: LoopExecutor, dispatcher: Dispatcher, lane: Lane, limits: HTTPLimits, writer: ResponseWriter,
        load: ServerLoad,
        clock: @escaping @Sendable () -> Timestamp
    ) {
        self.executor = executor
        self.dispatcher = dispatcher
        self.lane = lane
        self.limits = limits
        self.writer = writer
        self.load = load
        self.clock = clock
        date = ResponseWriter.dateHeader(clock())
    }

    /// Once a second, on the loop.
    func tick() {
        date = ResponseWriter.dateHeader(clock())
        let now = NIODeadline.now()
        // A connection that closes removes itself, so the walk is over a copy.
        for connection in Array(connections.values) { connection.checkDeadlines(now) }
    }

    func drain() { for connection in Array(connections.values) { connection.drain() } }

    func add(_ connection: any TimedConnection) { connections[ObjectIdentifier(connection)] = connection }
    func remove(_ connection: any TimedConnection) { connections[ObjectIdentifier(connection)] = nil }

    /// One more request; false when there are too many already.
    func beginRequest() -> Bool {
        load.requests.add(1, ordering: .relaxed).newValue <= limits.requestsInFlight
    }

    func endRequest() { load.requests.subtract(1, ordering: .relaxed) }

    static let overloaded = VaultError(
        .throttled,
        "Request was not processed because too many requests were received. Reason: ServerRequestLimitReached")
}

extension Duration {
    var timeAmount: TimeAmount { .nanoseconds(wholeNanoseconds) }
}
