import Domain
import Testing

struct APIVersionTests {
    @Test("A version is read in any case and written as published", arguments: APIVersion.allCases)
    func reads(_ version: APIVersion) {
        #expect(APIVersion(version.text) == version)
        #expect(APIVersion(version.text.uppercased()) == version)
    }

    @Test(
        "Every published version since 7.0 is known",
        arguments: ["7.0", "7.1", "7.2", "7.3", "7.4", "7.5", "7.6", "2025-07-01", "2026-04-01"])
    func stable(_ text: String) {
        #expect(APIVersion(text) != nil)
    }

    @Test("Anything else is none", arguments: ["", "7", "7.7", "6.0", "2015-06-01", "7.4 ", "latest", "7.4-preview"])
    func unknown(_ text: String) {
        #expect(APIVersion(text) == nil)
    }

    @Test("Versions are ordered by date, and the latest is the last")
    func order() {
        #expect(APIVersion.allCases == APIVersion.allCases.sorted())
        #expect(APIVersion.allCases.last == .latest)
        #expect(APIVersion.v7_0 < .v7_1 && APIVersion.v7_6 < .v2025_07_01)
    }
}
