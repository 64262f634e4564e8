import Domain
import Testing

@testable import ACME

struct RetryAfterTests {
    private let now = Timestamp(epochSeconds: 784_111_777)

    @Test(
        "Seconds and dates are understood, at most a week",
        arguments: [
            ("0", 0), ("120", 120), ("-5", 0), ("999999999999", 604_800), ("Sun, 06 Nov 1994 08:49:37 GMT", 0),
            ("Sun, 06 Nov 1994 08:50:37 GMT", 60), ("Sun, 06 Nov 2094 08:49:37 GMT", 604_800),
        ])
    func delays(_ text: String, _ seconds: Int) {
        #expect(RetryAfter.parse(text, at: now) == .seconds(seconds))
    }

    @Test(
        "Anything else is nothing",
        arguments: [
            "", "soon", "1.5", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun, 06 Foo 1994 08:49:37 GMT", "Sun, 06 Nov 1994",
        ])
    func unknown(_ text: String) {
        #expect(RetryAfter.parse(text, at: now) == nil)
    }
}
