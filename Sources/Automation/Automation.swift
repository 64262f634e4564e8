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

    /// Duties of one tick, so that one tick cannot hold up the server.
    private static let dutiesPerTick = 64
    /// Looked at in one tick: more, so that duties the brake holds back do not hide the others.
    private static let lookedAt = 4_096
    private static let retryAfter: Duration = .minutes(5)

    private let dispatcher: Dispatcher
    private let lane: Lane
    private let clocks: Clocks
    private let log: @Sendable (String) -> Void
    private let brake: Mutex<DestructionBrake>

    /// - Parameter lastSeen: the wall clock when this server last ran; nil at the first start.
    package init(
        dispatcher: Dispatcher, lane: Lane, clocks: Clocks, lastSeen: Timestamp?,
        log: @escaping @Sendable (String) -> Void
    ) {
        self.dispatcher = dispatcher
        self.lane = lane
        self.clocks = clocks
        self.log = log
        brake = Mutex(DestructionBrake(wall: clocks.wall(), uptime: clocks.uptime(), lastSeen: lastSeen))
    }

    /// Ticks every second until cancelled.
    package func run() async {
        while !Task.isCancelled {
            await tick()
            try? await Task.sleep(for: .seconds(1))
        }
    }

    /// Fulfils what is due now.
    package func tick() async {
        let now = clocks.wall()
        let uptime = clocks.uptime()
        if let jump = brake.withLock({ $0.observe(wall: now, uptime: uptime) }) {
            do throws(VaultError) { try await dispatcher.raiseAlarm("ClockJumpAlarm", jump, on: lane) } catch {
                log("automation: an alarm could not be recorded: \(error.message)")
            }
        }
        do throws(VaultError) {
            var performed = 0
            for duty in try Duty.due(at: now, in: lane.reader, limit: Self.lookedAt)
            where performed < Self.dutiesPerTick {
                if dispatcher.destroys(duty), !brake.withLock({ $0.admit(uptime: uptime) }) { continue }
                performed += 1
                do throws(VaultError) {
                    try await dispatcher.perform(duty, retryAt: now + Self.retryAfter, on: lane)
                } catch {
                    log("automation: \(duty.operation) failed and is put off: \(error.message)")
                }
            }
        } catch {
            log("automation: the due index could not be read: \(error.message)")
        }
    }
}
