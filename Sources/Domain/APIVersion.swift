/// A data-plane api-version, ordered by date of publication.
///
/// Every version since 7.0 is served, previews included: clients send the one they were built with and cannot be changed.
/// - Source: Azure REST, Key Vault data plane versions.
package enum APIVersion: Int, CaseIterable, Comparable, Sendable {
    case v7_0preview, v7_0, v7_1preview, v7_1, v7_2preview, v7_2, v7_3preview, v7_3, v7_4preview1, v7_4, v7_5preview1,
        v7_5
    case v7_6preview1, v7_6preview2, v7_6, v2025_06_01preview, v2025_07_01, v2026_01_01preview, v2026_03_01preview,
        v2026_04_01

    package var text: String {
        switch self {
        case .v7_0preview: "7.0-preview"
        case .v7_0: "7.0"
        case .v7_1preview: "7.1-preview"
        case .v7_1: "7.1"
        case .v7_2preview: "7.2-preview"
        case .v7_2: "7.2"
        case .v7_3preview: "7.3-preview"
        case .v7_3: "7.3"
        case .v7_4preview1: "7.4-preview.1"
        case .v7_4: "7.4"
        case .v7_5preview1: "7.5-preview.1"
        case .v7_5: "7.5"
        case .v7_6preview1: "7.6-preview.1"
        case .v7_6preview2: "7.6-preview.2"
        case .v7_6: "7.6"
        case .v2025_06_01preview: "2025-06-01-preview"
        case .v2025_07_01: "2025-07-01"
        case .v2026_01_01preview: "2026-01-01-preview"
        case .v2026_03_01preview: "2026-03-01-preview"
        case .v2026_04_01: "2026-04-01"
        }
    }

    package static let latest = APIVersion.v2026_04_01
    /// The newest version of the management plane.
    package static let management = "2026-02-01"

    private static let byText = Dictionary(uniqueKeysWithValues: allCases.map { ($0.text, $0) })

    package init?(_ text: String) {
        guard let version = Self.byText[text.lowercased()] else { return nil }
        self = version
    }

    package static func < (left: APIVersion, right: APIVersion) -> Bool { left.rawValue < right.rawValue }
}
