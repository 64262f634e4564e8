import Domain
import Identity

/// What a token is asked for: one resource, and what goes with it.
struct Scopes: Sendable {
    private static let forResource = ["/.default", "/user_impersonation"]

    /// The resource as it was spelled, a trailing slash kept; nil when none or more than one is named.
    let audience: String?
    let isAmbiguous: Bool
    /// Also a refresh token.
    let wantsRefresh: Bool
    /// Also a token that tells who signed in.
    let wantsID: Bool

    /// - Parameter scope: of v2, such as `https://vault.example/.default offline_access`.
    init(_ scope: String) {
        let words = scope.split(separator: " ").map(String.init)
        // `resource//.default` names the resource with its trailing slash.
        let resources = Set(
            words.compactMap { word in
                Self.forResource.first { word.hasSuffix($0) }.map { String(word.dropLast($0.utf8.count)) }
            })
        audience = resources.count == 1 ? resources.first : nil
        isAmbiguous = resources.count > 1
        wantsRefresh = words.contains("offline_access")
        wantsID = words.contains("openid")
    }

    /// - Parameter resource: of v1, where a person always gets all there is.
    init(resource: String?) {
        (audience, isAmbiguous) = (resource, false)
        (wantsRefresh, wantsID) = (true, true)
    }
}

/// The parameter `claims`: what a client asks a token to say.
///
/// - Source: OpenID Connect Core 1.0 §5.5.
struct ClaimsRequest: Sendable {
    /// The client acts on claims challenges.
    let understandsClaims: Bool
    /// The token must tell that a code was given beside the password.
    let demandsMFA: Bool

    private struct Asked: Decodable {
        struct Claims: Decodable {
            let xms_cc: Claim?
            let amr: Claim?
        }

        struct Claim: Decodable {
            let essential: Bool?
            let value: String?
            let values: [String]?
            var all: [String] { (values ?? []) + (value.map { [$0] } ?? []) }
        }

        let access_token: Claims?
    }

    /// - Throws: `.badParameter`.
    init(_ text: String?) throws(VaultError) {
        guard let text, !text.isEmpty else {
            (understandsClaims, demandsMFA) = (false, false)
            return
        }
        guard let asked = try? Asked.fromJSON(Array(text.utf8)) else {
            throw .badParameter("The parameter 'claims' is not a valid claims request.")
        }
        understandsClaims = asked.access_token?.xms_cc?.all.contains { $0.lowercased() == "cp1" } == true
        demandsMFA = asked.access_token?.amr?.all.contains("mfa") == true
    }
}
