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
