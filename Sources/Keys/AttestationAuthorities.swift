import Cryptography
import Domain
import FoundationEssentials
import Objects
package import ProviderOpenSSL
package import WebTokens

/// The authorities whose statements about an environment are believed. Configured; none is trusted by default.
package final class AttestationAuthorities: Sendable {
    package struct Authority: Sendable {
        /// As the claim `iss` and release policies name it.
        package let issuer: String
        /// Where its keys are (JWKS, RFC 7517 §5).
        package let keysURL: String
        /// PEM bundle that its TLS certificate must lead to; nil for the system's.
        package let caFile: String?

        package init(issuer: String, keysURL: String? = nil, caFile: String? = nil) {
            self.issuer = ReleaseGrammar.normal(issuer)
            self.keysURL = keysURL ?? ReleaseGrammar.normal(issuer) + "/certs"
            self.caFile = caFile
        }
    }

    private let issuers: TrustedIssuers

    /// - Parameter fetch: fetches a document: bounded in size and time, redirects not followed.
    package init(_ authorities: [Authority], software: OpenSSLProvider, fetch: @escaping TrustedIssuers.Fetch) {
        issuers = TrustedIssuers(
            authorities.map { .init(name: $0.issuer, keysURL: $0.keysURL, caFile: $0.caFile) }, software: software,
            fetch: fetch)
    }

    /// A statement that was proven.
    struct Statement: Sendable {
        let authority: String
        let claims: ClaimSet
    }

    /// Proves a token: size, algorithm by an allow-list, key of a configured authority, signature, time.
    ///
    /// - Throws: `.forbiddenByVault` with the service's words, whatever is wrong.
    func verify(_ token: String, now: Timestamp) async throws(VaultError) -> Statement {
        let proven: TrustedIssuers.Proven
        do throws(TrustedIssuers.Flaw) {
            proven = try await issuers.verify(token, now: now, normal: ReleaseGrammar.normal)
        } catch { throw Self.refused(error) }
        do throws(VaultError) {
            return Statement(authority: proven.issuer, claims: try ClaimSet.fromJSON(proven.claims))
        } catch { throw Self.refused("it is not a JSON web token") }
    }

    private static func refused(_ flaw: TrustedIssuers.Flaw) -> VaultError {
        switch flaw {
        case .tooLong: refused("it is too long")
        case .malformed: refused("it is not a JSON web token")
        case .algorithm: refused("its algorithm is not allowed")
        case .unknownIssuer: refused("its issuer is not a trusted attestation authority")
        case .expired: refused("it has expired, or has no end")
        case .notYetValid: refused("it is not yet valid")
        case .noKeyNamed: refused("it names no key")
        case .unknownKey: refused("its key is not known")
        case .notSigned: refused("its signature is not valid")
        case .keysUnreachable(let cause): refused("the keys of its authority cannot be fetched", cause: cause)
        case .keysUnreadable: refused("the keys of its authority cannot be read")
        }
    }

    static func refused(_ reason: String, cause: VaultError.Cause? = nil) -> VaultError {
        VaultError(
            .forbiddenByVault, "Target environment attestation statement cannot be verified: \(reason).", cause: cause)
    }
}
