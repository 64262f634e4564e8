import Domain
import Testing

struct CalendarPeriodTests {
    @Test(
        "A period ends where the calendar says",
        arguments: [
            ("P30D", "2024-02-28", "2024-03-29"), ("P1M", "2023-01-31", "2023-02-28"),
            ("P1M", "2024-01-31", "2024-02-29"),
            ("P1Y", "2024-02-29", "2025-02-28"), ("P13M", "2023-01-31", "2024-02-29"),
            ("P2W", "2023-12-25", "2024-01-08"),
            ("P1Y10D", "2023-12-31", "2025-01-10"), ("P11M", "2023-01-15", "2023-12-15"),
            ("P0D", "2023-01-15", "2023-01-15"),
            ("PT48H", "2023-01-15", "2023-01-17"), ("P1DT24H", "2023-01-15", "2023-01-17"),
        ])
    func ends(_ period: String, _ start: String, _ end: String) throws {
        let period = try #require(CalendarPeriod(period))
        #expect(period.end(after: try #require(Timestamp(iso8601: start))) == Timestamp(iso8601: end))
    }

    @Test(
        "A period begins where the calendar says",
        arguments: [
            ("P30D", "2024-03-29", "2024-02-28"), ("P1M", "2023-03-31", "2023-02-28"),
            ("P1M", "2024-03-31", "2024-02-29"), ("P1M", "2024-03-30", "2024-02-29"),
            ("P1M", "2024-03-29", "2024-02-29"),
            ("P1Y", "2024-02-29", "2023-02-28"), ("P4Y", "2024-02-29", "2020-02-29"),
            ("P13M", "2024-03-31", "2023-02-28"),
            ("P1M", "2024-01-31", "2023-12-31"), ("P12M", "2024-01-01", "2023-01-01"),
            ("P2W", "2024-01-08", "2023-12-25"),
            ("P1Y10D", "2025-01-10", "2023-12-31"), ("P11M", "2023-12-15", "2023-01-15"),
            ("P0D", "2023-01-15", "2023-01-15"), ("PT48H", "2023-01-17", "2023-01-15"),
            ("P1DT24H", "2023-01-17", "2023-01-15"), ("P1Y", "1970-06-01", "1969-06-01"),
            ("P1D", "1970-01-01", "1969-12-31"), ("PT1S", "1970-01-01", "1969-12-31T23:59:59Z"),
        ])
    func begins(_ period: String, _ end: String, _ start: String) throws {
        let period = try #require(CalendarPeriod(period))
        #expect(period.start(before: try #require(Timestamp(iso8601: end))) == Timestamp(iso8601: start))
    }

    @Test(
        "Going back a period of days or hours undoes going forward",
        arguments: ["P1D", "P30D", "P365D", "P2W", "PT1H", "PT36H", "P3DT4H5M6S"])
    func undone(_ text: String) throws {
        let period = try #require(CalendarPeriod(text))
        for seconds in [0, 1, 951_782_400, 1_709_164_800, 1_800_000_000, 4_102_444_799] as [Int64] {
            let moment = Timestamp(epochSeconds: seconds)
            #expect(period.start(before: period.end(after: moment)) == moment)
            #expect(period.end(after: period.start(before: moment)) == moment)
        }
    }

    @Test("Months back and forth come to the same day, or to the last of a shorter month")
    func monthsUndone() throws {
        for months in 1...30 {
            let period = try #require(CalendarPeriod("P\(months)M"))
            for day in 1...31 {
                let moment = try #require(Timestamp(iso8601: "2024-03-" + (day < 10 ? "0" : "") + String(day)))
                let back = period.end(after: period.start(before: moment))
                #expect(back <= moment && moment - back <= .days(3))
                if day <= 28 { #expect(back == moment) }
            }
        }
    }

    @Test("A fraction of a second is left out")
    func fraction() throws {
        let period = try #require(CalendarPeriod("P1D"))
        let moment = Timestamp(nanoseconds: 1_800_000_000_999_999_999)
        #expect(period.start(before: moment) == Timestamp(epochSeconds: 1_799_913_600))
    }

    @Test("Hours, minutes and seconds add up")
    func clock() throws {
        let start = try #require(Timestamp(iso8601: "2023-12-31T23:00:00Z"))
        #expect(
            try #require(CalendarPeriod("PT1H30M15S")).end(after: start) == Timestamp(iso8601: "2024-01-01T00:30:15Z"))
    }

    @Test("M is a month before the T and a minute after it")
    func months() throws {
        #expect(try #require(CalendarPeriod("P1M")).months == 1)
        #expect(try #require(CalendarPeriod("PT1M")).seconds == 60)
    }

    @Test("The largest parts do not overflow")
    func largest() throws {
        let period = try #require(CalendarPeriod("P100000Y100000M100000DT100000H100000M100000S"))
        #expect(period.end(after: Timestamp(epochSeconds: 0)) > Timestamp(epochSeconds: 0))
    }

    @Test(
        "What is no period is refused",
        arguments: [
            "", "P", "PT", "30D", "P30", "P-30D", "-P30D", "P+30D", "P1.5D", "P1,5D", "P30d", "p30D", "P30D ", " P30D",
            "P1D1M", "P1D1D", "PT1S1M",
            "P1H", "P1DT", "PT1D", "P100001D", "P99999999999999999999D", "P1TD", "P1DTT1H", "P\u{663}D", "P1W1Y",
            "P30D\u{0}",
        ])
    func refuses(_ text: String) {
        #expect(CalendarPeriod(text) == nil)
    }
}
