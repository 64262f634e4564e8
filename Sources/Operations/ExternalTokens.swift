package import Domain
package import Identity

/// Bearer tokens of other issuers: how they are told apart and proven.
package struct ExternalTokens: Sendable {
    /// Whether a token says that it comes from an issuer that is trusted; proves nothing, waits for nothing.
    let mayProve: @Sendable (Substring) -> Bool
    /// Nil when it does not hold.
    let prove: @Sendable (String, Timestamp) async -> ExternalToken?

    package init(
        mayProve: @escaping @Sendable (Substring) -> Bool,
        prove: @escaping @Sendable (String, Timestamp) async -> ExternalToken?
    ) {
        (self.mayProve, self.prove) = (mayProve, prove)
    }

    package static let none = ExternalTokens(mayProve: { _ in false }, prove: { _, _ in nil })

    /// The token in a header; nil when it is none of another issuer's.
    func candidate(_ header: String?) -> Substring? {
        guard let header, header.utf8.count <= TokenVerifier.largestToken, header.prefix(7).lowercased() == "bearer "
        else { return nil }
        let token = header.dropFirst(7).drop { $0 == " " }
        return mayProve(token) ? token : nil
    }
}
