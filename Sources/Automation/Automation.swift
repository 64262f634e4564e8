import Barrier
package import Domain
package import Operations
import Synchronization

/// The due index and the clock: dispatches what falls due, as the server, through the same path as every other caller.
package final class Automation: Sendable {
    package struct Clocks: Sendable {
        let wall: @Sendable () -> Timestamp
        let uptime: @Sendable () -> Duration

        /// - Parameter uptime: grows with real time, whatever is done to the wall clock.
        package init(wall: @escaping @Sendable () -> Timestamp, uptime: @escaping @Sendable () -> Duration) {
            (self.wall, self.uptime) = (wall, uptime)
        }
    }

    /// Duties of one round, so that clock and brake are looked at again in time.
    private static let dutiesPerRound = 256
    /// Looked at when more than a round's duties are due and none could be done: those that the brake holds back must not hide the others.
    private static let lookedAt = 4_096
    /// Duties that are worked on at once: they share the writer's syncs.
    private static let atOnce = 8
    /// Duties that wait for servers elsewhere at once: a server that hangs holds up nothing else.
    private static let elsewhereAtOnce = 32
    private static let elsewhereAtOncePerParty = 8

    /// 5 minutes after the first failure, twice as long after each further one, up to 6 hours.
    static func retryDelay(after failures: Int) -> Duration { .minutes(min(360, 5 << min(failures, 10))) }

    private let dispatcher: Dispatcher
    private let lane: Lane
    private let own: DutyLanes
    private let elsewhere: DutyLanes
    /// Identifiers of the duties that are being worked on: what concerns one thing is done one after the other.
    private let inProgress = Mutex<Set<String>>([])
    /// How many duties wait for each party elsewhere.
    private let waiting = Mutex<[String: Int]>([:])
    private let clocks: Clocks
    private let log: @Sendable (String) -> Void
    private let brake: Mutex<DestructionBrake>
    /// Duties that do not open, each told of once.
    private let alarmed = Mutex<Set<String>>([])
    private let lastKept = Mutex<Duration>(.zero)

    private static let pauseKey = "automation/pause"
    private static let keepEvery: Duration = .minutes(10)

    /// - Parameters:
    ///   - makeLane: for duties that are worked on at once.
    ///   - lastSeen: the wall clock when this server last ran; nil at the first start.
    /// - Throws: `.integrity` when the record of a pause does not open.
    package init(
        dispatcher: Dispatcher, lane: Lane, makeLane: @escaping @Sendable () throws(VaultError) -> Lane,
        clocks: Clocks, lastSeen: Timestamp?, log: @escaping @Sendable (String) -> Void
    ) throws(VaultError) {
        self.dispatcher = dispatcher
        self.lane = lane
        own = DutyLanes(most: Self.atOnce - 1, make: makeLane)
        elsewhere = DutyLanes(most: Self.elsewhereAtOnce, make: makeLane)
        self.clocks = clocks
        self.log = log
        brake = Mutex(
            DestructionBrake(
                wall: clocks.wall(), uptime: clocks.uptime(), lastSeen: lastSeen, pause: try Self.pause(in: lane.reader)
            ))
    }

    /// Looks every second until cancelled, and at once again while more is due than one round does.
    package func run() async {
        await withDiscardingTaskGroup { tasks in
            while !Task.isCancelled {
                let isMore = await round { work in tasks.addTask { await work() } }
                if !isMore { try? await Task.sleep(for: .seconds(1)) }
            }
        }
    }

    /// Fulfils what is due now, what waits for servers elsewhere included.
    package func tick() async {
        await withDiscardingTaskGroup { tasks in
            _ = await round { work in tasks.addTask { await work() } }
        }
    }

    /// - Parameter launch: begins what waits for servers elsewhere.
    /// - Returns: whether more was due than was done.
    private func round(launch: (@escaping @Sendable () async -> Void) -> Void) async -> Bool {
        let now = clocks.wall()
        let uptime = clocks.uptime()
        if let jump = brake.withLock({ $0.observe(wall: now, uptime: uptime) }) {
            do throws(VaultError) {
                try await dispatcher.raiseAlarm("ClockJumpAlarm", jump.text, on: lane) {
                    transaction throws(VaultError) in
                    try Self.put(pause: jump.pause, in: transaction)
                }
            } catch {
                log("automation: an alarm could not be recorded: \(error.message)")
            }
        }
        await keepPause(uptime)
        do throws(VaultError) {
            var own = try await collect(Self.dutiesPerRound, at: now, uptime, launch)
            if own.isEmpty { own = try await collect(Self.lookedAt, at: now, uptime, launch) }
            await perform(own, at: now)
            return own.count == Self.dutiesPerRound
        } catch {
            log("automation: the due index could not be read: \(error.message)")
            return false
        }
    }

    /// Begins what waits for servers elsewhere, and gives what else may be done now, at most a round's worth.
    private func collect(
        _ limit: Int, at now: Timestamp, _ uptime: Duration, _ launch: (@escaping @Sendable () async -> Void) -> Void
    ) async throws(VaultError) -> [Duty] {
        let (duties, damaged) = try Duty.due(at: now, in: lane.reader, limit: limit)
        for key in damaged where alarmed.withLock({ $0.insert(key).inserted }) {
            try await dispatcher.raiseAlarm(
                "RecordIntegrityAlarm", "The stored record '\(key)' was edited, moved, truncated or grafted.",
                on: lane)
        }
        var own: [Duty] = []
        for duty in duties where own.count < Self.dutiesPerRound {
            guard inProgress.withLock({ $0.insert(duty.id).inserted }) else { continue }
            if dispatcher.isElsewhere(duty) {
                guard isAdmitted(duty), let lane = try? elsewhere.take() else {
                    finished(duty)
                    continue
                }
                waiting.withLock { $0[Self.party(duty), default: 0] += 1 }
                launch { [self] in
                    await perform(duty, at: now, on: lane)
                    waiting.withLock { $0[Self.party(duty), default: 1] -= 1 }
                    elsewhere.giveBack(lane)
                }
            } else if !dispatcher.destroys(duty) || brake.withLock({ $0.admit(uptime: uptime) }) {
                own.append(duty)
            } else {
                finished(duty)
            }
        }
        return own
    }

    private static func party(_ duty: Duty) -> String { duty.party ?? duty.operation }

    /// A party that hangs does not get all lanes.
    private func isAdmitted(_ duty: Duty) -> Bool {
        waiting.withLock { $0[Self.party(duty), default: 0] < Self.elsewhereAtOncePerParty }
    }

    private func finished(_ duty: Duty) { inProgress.withLock { _ = $0.remove(duty.id) } }

    private func perform(_ duties: [Duty], at now: Timestamp) async {
        let queue = DutyQueue(duties)
        await withDiscardingTaskGroup { tasks in
            // A few duties need no company.
            for _ in 0..<min(duties.count / 4, Self.atOnce - 1) {
                tasks.addTask { [self] in
                    guard let lane = try? own.take() else { return }
                    while let duty = queue.next() { await perform(duty, at: now, on: lane) }
                    own.giveBack(lane)
                }
            }
            while let duty = queue.next() { await perform(duty, at: now, on: lane) }
        }
    }

    private func perform(_ duty: Duty, at now: Timestamp, on lane: Lane) async {
        do throws(VaultError) {
            try await dispatcher.perform(duty, retryAt: now + Self.retryDelay(after: duty.failures), on: lane)
        } catch {
            log("automation: \(duty.operation) failed and is put off: \(error.message)")
        }
        finished(duty)
    }

    // MARK: The pause outlives a restart

    /// Writes down what is left of a pause now and then, and crosses it out when it has ended.
    private func keepPause(_ uptime: Duration) async {
        guard let remaining = brake.withLock({ $0.remaining(uptime: uptime) }) else { return }
        let isDue = lastKept.withLock { last in
            guard remaining == .zero || uptime - last >= Self.keepEvery else { return false }
            last = uptime
            return true
        }
        guard isDue else { return }
        do throws(VaultError) {
            try await dispatcher.remember(on: lane) { transaction throws(VaultError) in
                if remaining == .zero {
                    try transaction.remove(Self.pauseKey)
                } else {
                    try Self.put(pause: remaining, in: transaction)
                }
            }
        } catch {
            log("automation: the pause could not be kept: \(error.message)")
        }
    }

    private static func put(pause: Duration, in transaction: Transaction) throws(VaultError) {
        var record = ByteWriter()
        record.byte(1)
        record.integer(pause.components.seconds)
        try transaction.put(record.bytes, at: pauseKey, in: .system)
    }

    private static func pause(in reader: any RecordReader) throws(VaultError) -> Duration? {
        guard let bytes = try reader.record(at: pauseKey) else { return nil }
        var record = ByteReader(bytes)
        guard record.byte() == 1, let seconds = record.integer(Int64.self), record.isAtEnd else {
            throw .integrity(record: pauseKey)
        }
        return .seconds(seconds)
    }
}
