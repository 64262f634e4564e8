package import Domain

/// The `api-version` of the management plane: a date. What a version newer than this server has is asked for as what it is in the newest
/// that it knows.
package enum ManagementVersion {
    package static let supported = [APIVersion.management, "2024-11-01", "2023-07-01", "2022-07-01"]

    /// - Throws: `.apiVersionNotValid` when it is missing or no date.
    package static func require(_ request: Request) throws(VaultError) {
        guard let version = try request.query.value("api-version"), !version.isEmpty else {
            throw VaultError(
                .apiVersionNotValid, "The api-version query parameter (?api-version=) is required for all requests.")
        }
        let (date, rest) = (version.prefix(10), version.dropFirst(10))
        guard date.utf8.count == 10, Timestamp(iso8601: String(date)) != nil,
            rest.isEmpty || rest.lowercased() == "-preview"
        else {
            throw VaultError(
                .apiVersionNotValid,
                "The api-version '\(version.prefix(32))' is invalid. The supported versions are '\(supported.joined(separator: ", "))'."
            )
        }
    }
}
