package import Domain

#if canImport(Glibc)
    import Glibc
#endif

extension Timestamp {
    /// The system's wall clock.
    package static var systemNow: Timestamp {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Timestamp(nanoseconds: Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec))
    }

    /// Time since the machine started, sleep included; nobody can set it.
    package static var systemUptime: Duration {
        var time = timespec()
        clock_gettime(CLOCK_BOOTTIME, &time)
        return .seconds(time.tv_sec) + .nanoseconds(time.tv_nsec)
    }
}

/// The operator's log: one line an event, on standard error.
package enum StandardError {
    package static func line(_ text: String) {
        // Line breaks and control characters would let a name forge a line.
        let safe = text.unicodeScalars.map { $0.value < 0x20 || $0.value == 0x7F ? " " : String($0) }.joined()
        let bytes = Array("\(Timestamp.systemNow.iso8601) \(safe)\n".utf8)
        write(STDERR_FILENO, bytes, bytes.count)
    }
}
