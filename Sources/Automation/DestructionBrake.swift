import Domain

/// Keeps a wrong clock from destroying what retention protects.
///
/// - The wall clock is compared with time that nobody can set. When it runs ahead by more than five minutes within an hour, at
///   once or by small steps, nothing is destroyed for a day of uptime, and an alarm is raised: time for an operator to notice.
/// - After the server was down for more than three days, or was started with a clock that claims so, nothing is destroyed in the
///   first hour.
/// - Whatever the clock says, at most 25 objects are destroyed in a minute.
struct DestructionBrake: Sendable {
    static let perMinute = 25
    static let tolerance: Duration = .minutes(5)
    static let comparedOver: Duration = .hours(1)
    static let pauseAfterJump: Duration = .hours(24)
    static let longAbsence: Duration = .days(3)
    static let pauseAfterAbsence: Duration = .hours(1)

    /// Both clocks at one moment, at most an hour ago.
    private var wall: Timestamp
    private var uptime: Duration
    private var pausedUntil: Duration
    private var minute: Duration
    private var destroyed = 0
    private var pendingAlarm: Alarm?
    /// Whether a pause is on record that has not ended.
    private var isPaused: Bool

    struct Alarm: Sendable {
        let text: String
        /// How long nothing is destroyed.
        let pause: Duration
    }

    /// - Parameter pause: what an earlier run left of one; time while the server was down does not count, since only a clock tells it.
    init(wall: Timestamp, uptime: Duration, lastSeen: Timestamp?, pause: Duration?) {
        self.wall = wall
        self.uptime = uptime
        minute = uptime
        pausedUntil = uptime + (pause ?? .zero)
        isPaused = pause != nil
        if let lastSeen, wall - lastSeen > Self.longAbsence {
            pausedUntil = max(pausedUntil, uptime + Self.pauseAfterAbsence)
            let text =
                "The server was last seen at \(lastSeen.iso8601) and the clock now says \(wall.iso8601). Nothing is purged for one hour."
            pendingAlarm = Alarm(text: text, pause: pausedUntil - uptime)
            isPaused = true
        }
    }

    /// - Returns: what to raise an alarm about, once.
    mutating func observe(wall now: Timestamp, uptime nowUptime: Duration) -> Alarm? {
        let ahead = (now - wall) - (nowUptime - uptime)
        if ahead > Self.tolerance {
            pausedUntil = max(pausedUntil, nowUptime + Self.pauseAfterJump)
            isPaused = true
            pendingAlarm = Alarm(
                text:
                    "The clock jumped forward by \(ahead.components.seconds) seconds. Nothing is purged for 24 hours.",
                pause: Self.pauseAfterJump)
        }
        if ahead > Self.tolerance || ahead < .zero || nowUptime - uptime >= Self.comparedOver {
            wall = now
            uptime = nowUptime
        }
        defer { pendingAlarm = nil }
        return pendingAlarm
    }

    /// What is left of a pause; zero once when it has ended, nil when there is none.
    mutating func remaining(uptime now: Duration) -> Duration? {
        guard isPaused else { return nil }
        if now < pausedUntil { return pausedUntil - now }
        isPaused = false
        return .zero
    }

    /// Whether one more object may be destroyed now; counts it if so.
    mutating func admit(uptime now: Duration) -> Bool {
        guard now >= pausedUntil else { return false }
        if now - minute >= .minutes(1) {
            minute = now
            destroyed = 0
        }
        guard destroyed < Self.perMinute else { return false }
        destroyed += 1
        return true
    }
}
