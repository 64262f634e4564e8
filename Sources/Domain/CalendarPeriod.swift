/// A period of ISO 8601 §5.5.2 such as `P30D`, `P3M`, `PT48H`, `P1Y10D`: calendar parts and clock parts kept apart,
/// since a month has no fixed length.
package struct CalendarPeriod: Hashable, Sendable {
    package var months: Int64 = 0
    package var days: Int64 = 0
    package var seconds: Int64 = 0

    /// Parses a non-negative period of at least one part. Fractions are refused; the largest part is 100,000.
    package init?(_ text: String) {
        var rest = Substring(text)
        guard rest.popFirst() == "P" else { return nil }
        var inTime = false
        var parts = 0
        var lastRank = -1
        while !rest.isEmpty {
            if rest.first == "T" {
                guard !inTime else { return nil }
                inTime = true
                rest.removeFirst()
                guard !rest.isEmpty else { return nil }
                continue
            }
            let digits = rest.prefix { $0.isASCII && $0.isNumber }
            rest = rest.dropFirst(digits.count)
            guard let value = Int64(digits), value <= 100_000, let unit = rest.popFirst() else { return nil }
            let order: [Character] = inTime ? ["H", "M", "S"] : ["Y", "M", "W", "D"]
            guard let position = order.firstIndex(of: unit) else { return nil }
            let rank = position + (inTime ? 10 : 0)
            guard rank > lastRank else { return nil }
            lastRank = rank
            switch (inTime, unit) {
            case (false, "Y"): months += value * 12
            case (false, "M"): months += value
            case (false, "W"): days += value * 7
            case (false, _): days += value
            case (true, "H"): seconds += value * 3_600
            case (true, "M"): seconds += value * 60
            case (true, _): seconds += value
            }
            parts += 1
        }
        guard parts > 0 else { return nil }
    }

    /// The moment one period after `start`. A day that the target month lacks becomes that month's last day.
    package func end(after start: Timestamp) -> Timestamp { moved(start, by: 1) }

    /// The moment one period before `end`, by the same rule.
    package func start(before end: Timestamp) -> Timestamp { moved(end, by: -1) }

    private func moved(_ start: Timestamp, by sign: Int64) -> Timestamp {
        let wholeDays = start.epochSeconds.floorDivided(by: 86_400)
        let timeOfDay = start.epochSeconds - wholeDays * 86_400
        var date = CivilDate(daysSinceEpoch: wholeDays)
        let monthIndex = date.year * 12 + date.month - 1 + sign * months
        date.year = monthIndex.floorDivided(by: 12)
        date.month = monthIndex - date.year * 12 + 1
        date.day = min(date.day, CivilDate.lengthOfMonth(date.month, in: date.year))
        return Timestamp(epochSeconds: (date.daysSinceEpoch + sign * days) * 86_400 + timeOfDay + sign * seconds)
    }
}
