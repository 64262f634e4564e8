/// A moment of the wall clock: nanoseconds since 1970-01-01T00:00:00Z, leap seconds not counted (POSIX time).
package struct Timestamp: Hashable, Comparable, Sendable {
    package let nanoseconds: Int64

    package init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

    package init(epochSeconds: Int64) {
        // The service's own times end in the year 9999; a larger value would not fit in nanoseconds.
        nanoseconds = max(-Self.farthest, min(Self.farthest, epochSeconds)) * 1_000_000_000
    }

    private static let farthest: Int64 = 9_223_372_036

    package var epochSeconds: Int64 { nanoseconds.floorDivided(by: 1_000_000_000) }

    package static func < (left: Timestamp, right: Timestamp) -> Bool { left.nanoseconds < right.nanoseconds }

    package static func + (left: Timestamp, right: Duration) -> Timestamp {
        Timestamp(nanoseconds: left.nanoseconds &+ right.wholeNanoseconds)
    }

    package static func - (left: Timestamp, right: Duration) -> Timestamp {
        Timestamp(nanoseconds: left.nanoseconds &- right.wholeNanoseconds)
    }

    package static func - (left: Timestamp, right: Timestamp) -> Duration {
        .nanoseconds(left.nanoseconds &- right.nanoseconds)
    }
}

extension Duration {
    package var wholeNanoseconds: Int64 {
        components.seconds &* 1_000_000_000 &+ components.attoseconds / 1_000_000_000
    }

    package static func days(_ count: Int) -> Duration { .seconds(count * 86_400) }
    package static func hours(_ count: Int) -> Duration { .seconds(count * 3_600) }
    package static func minutes(_ count: Int) -> Duration { .seconds(count * 60) }
}

extension Int64 {
    package func floorDivided(by divisor: Int64) -> Int64 {
        let (quotient, remainder) = quotientAndRemainder(dividingBy: divisor)
        return remainder < 0 ? quotient - 1 : quotient
    }
}

/// A day of the proleptic Gregorian calendar. Conversions by the era method (400-year cycles of 146,097 days).
package struct CivilDate: Hashable, Sendable {
    package var year: Int64
    package var month: Int64
    package var day: Int64

    package init(year: Int64, month: Int64, day: Int64) {
        (self.year, self.month, self.day) = (year, month, day)
    }

    package init(daysSinceEpoch: Int64) {
        let shifted = daysSinceEpoch + 719_468
        let era = shifted.floorDivided(by: 146_097)
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        day = dayOfYear - (153 * shiftedMonth + 2) / 5 + 1
        month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
    }

    package var daysSinceEpoch: Int64 {
        let shiftedYear = month <= 2 ? year - 1 : year
        let era = shiftedYear.floorDivided(by: 400)
        let yearOfEra = shiftedYear - era * 400
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }

    package static func lengthOfMonth(_ month: Int64, in year: Int64) -> Int64 {
        switch month {
        case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }
}

extension Timestamp {
    /// ISO 8601 with seven fractional digits, as the service's log records carry it: `2016-01-05T01:32:01.2691226Z`.
    package var iso8601: String {
        let seconds = epochSeconds
        let days = seconds.floorDivided(by: 86_400)
        let date = CivilDate(daysSinceEpoch: days)
        let time = seconds - days * 86_400
        let fraction = (nanoseconds - seconds * 1_000_000_000) / 100
        func padded(_ value: Int64, _ width: Int) -> String {
            let text = String(value)
            return String(repeating: "0", count: max(0, width - text.count)) + text
        }
        return padded(date.year, 4) + "-" + padded(date.month, 2) + "-" + padded(date.day, 2) + "T"
            + padded(time / 3_600, 2)
            + ":" + padded(time / 60 % 60, 2) + ":" + padded(time % 60, 2) + "." + padded(fraction, 7) + "Z"
    }

    /// Parses `2016-01-05`, `2016-01-05T01:32:01Z` and the same with up to nine fractional digits. UTC only.
    package init?(iso8601 text: String) {
        let bytes = Array(text.utf8)
        func number(_ range: Range<Int>) -> Int64? {
            guard range.upperBound <= bytes.count else { return nil }
            var value: Int64 = 0
            for byte in bytes[range] {
                guard byte >= 0x30, byte <= 0x39 else { return nil }
                value = value * 10 + Int64(byte - 0x30)
            }
            return value
        }
        guard let year = number(0..<4), let month = number(5..<7), let day = number(8..<10), bytes[4] == 0x2D,
            bytes[7] == 0x2D,
            (1...12).contains(month), (1...CivilDate.lengthOfMonth(month, in: year)).contains(day),
            (1700...2260).contains(year)
        else { return nil }
        var seconds = CivilDate(year: year, month: month, day: day).daysSinceEpoch * 86_400
        var fraction: Int64 = 0
        if bytes.count > 10 {
            guard bytes.count >= 20, bytes[10] == 0x54, bytes[13] == 0x3A, bytes[16] == 0x3A, bytes.last == 0x5A,
                let hour = number(11..<13), let minute = number(14..<16), let second = number(17..<19),
                hour < 24, minute < 60, second < 60
            else { return nil }
            seconds += hour * 3_600 + minute * 60 + second
            if bytes.count > 20 {
                let digits = bytes.count - 21
                guard bytes[19] == 0x2E, (1...9).contains(digits), let value = number(20..<(20 + digits)) else {
                    return nil
                }
                fraction = (digits..<9).reduce(value) { result, _ in result * 10 }
            }
        }
        nanoseconds = seconds * 1_000_000_000 + fraction
    }
}

extension Timestamp: Codable {
    /// As nanoseconds.
    package init(from decoder: any Decoder) throws {
        self.init(nanoseconds: try decoder.singleValueContainer().decode(Int64.self))
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(nanoseconds)
    }
}
