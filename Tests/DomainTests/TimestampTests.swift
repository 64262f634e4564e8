import Domain
import FoundationEssentials
import Testing

struct TimestampTests {
    @Test(
        "ISO 8601 has seven digits behind the second",
        arguments: [
            (0, 0, "1970-01-01T00:00:00.0000000Z"), (1_451_957_521, 269_122_600, "2016-01-05T01:32:01.2691226Z"),
            (951_782_399, 0, "2000-02-28T23:59:59.0000000Z"), (951_782_400, 0, "2000-02-29T00:00:00.0000000Z"),
            (-1, 999_999_900, "1969-12-31T23:59:59.9999999Z"), (4_107_542_399, 100, "2100-02-28T23:59:59.0000001Z"),
            (4_107_542_400, 0, "2100-03-01T00:00:00.0000000Z"),
        ] as [(Int64, Int64, String)])
    func iso8601(_ seconds: Int64, _ nanoseconds: Int64, _ text: String) {
        let time = Timestamp(nanoseconds: seconds * 1_000_000_000 + nanoseconds)
        #expect(time.iso8601 == text)
        #expect(Timestamp(iso8601: text) == time)
    }

    @Test(
        "Times of fewer parts are read",
        arguments: [
            ("2016-01-05", 1_451_952_000_000_000_000), ("2016-01-05T01:32:01Z", 1_451_957_521_000_000_000),
            ("2016-01-05T01:32:01.5Z", 1_451_957_521_500_000_000),
            ("2016-01-05T01:32:01.123456789Z", 1_451_957_521_123_456_789),
        ] as [(String, Int64)])
    func reads(_ text: String, _ nanoseconds: Int64) {
        #expect(Timestamp(iso8601: text)?.nanoseconds == nanoseconds)
    }

    @Test(
        "What is no UTC time is refused",
        arguments: [
            "", "2016", "2016-1-5", "2016-13-01", "2016-00-01", "2016-02-30", "2015-02-29", "2100-02-29", "2016-01-32",
            "2016-01-05T",
            "2016-01-05T24:00:00Z", "2016-01-05T01:60:00Z", "2016-01-05T01:32:60Z", "2016-01-05T01:32:01",
            "2016-01-05T01:32:01+01:00",
            "2016-01-05T01:32:01.Z", "2016-01-05T01:32:01.1234567890Z", "2016-01-05 01:32:01Z", "2016/01/05",
            "1066-10-14", "9999-12-31",
            "2016-01-05Z", "+016-01-05", "2016-01-0\u{663}",
        ])
    func refuses(_ text: String) {
        #expect(Timestamp(iso8601: text) == nil)
    }

    @Test("The calendar agrees with Foundation's on every thousandth day of 600 years")
    func calendar() {
        var gregorian = Calendar(identifier: .gregorian)
        gregorian.timeZone = .gmt
        for days in stride(from: Int64(-98_000), through: 120_000, by: 997) {
            let date = CivilDate(daysSinceEpoch: days)
            let parts = gregorian.dateComponents(
                [.year, .month, .day], from: Date(timeIntervalSince1970: Double(days) * 86_400))
            #expect(
                (Int(date.year), Int(date.month), Int(date.day)) == (parts.year, parts.month, parts.day), "day \(days)")
            #expect(date.daysSinceEpoch == days)
        }
    }

    @Test(
        "Seconds beyond what nanoseconds can hold are cut, not overflowed",
        arguments: [Int64.max, Int64.min, 1 << 40, -(1 << 40)])
    func clamps(_ seconds: Int64) {
        let time = Timestamp(epochSeconds: seconds)
        #expect((time.nanoseconds > 0) == (seconds > 0))
    }

    @Test(
        "Whole seconds round towards the past",
        arguments: [(-1, -1), (-1_000_000_000, -1), (-1_000_000_001, -2), (999_999_999, 0)] as [(Int64, Int64)])
    func floors(_ nanoseconds: Int64, _ seconds: Int64) {
        #expect(Timestamp(nanoseconds: nanoseconds).epochSeconds == seconds)
    }

    @Test("Adding and taking away a duration are inverses")
    func arithmetic() {
        let time = Timestamp(epochSeconds: 1_700_000_000)
        for duration in [Duration.zero, .nanoseconds(1), .milliseconds(1_500), .hours(25), .days(400)] {
            #expect(time + duration - duration == time)
            #expect((time + duration) - time == duration)
        }
        #expect(time < time + .nanoseconds(1))
    }
}
