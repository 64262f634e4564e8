import Domain
import Identity
import Operations
import WebTokens

extension Login {
    private struct Claims: Decodable {
        let iss: String
    }

    /// Whether an assertion says that it comes from an issuer which is not the client itself.
    func isFederated(_ assertion: String) -> Bool {
        let parts = assertion.split(separator: ".", omittingEmptySubsequences: false)
        guard assertion.utf8.count <= ClientAssertion.mostBytes, parts.count == 3,
            let payload = Base64.decodeURL(parts[1]), let claims = try? Claims.fromJSON(payload)
        else { return false }
        return claims.iss.hasPrefix("https://")
    }

    /// Proof by another issuer that vouches for the client (workload identity federation). The issuer and the subject stand for
    /// the client together; neither does alone.
    func proof(of input: TokenRequest, byFederated text: String, _ call: Call) async throws(VaultError) -> ClientProof {
        guard let id = GUID(input.clientID) else {
            return .refused(
                Self.oauthError(
                    400, "invalid_request", 900_144,
                    "The request body must contain the following parameter: 'client_id', a GUID.", call))
        }
        call.concerns(objectID: "/strongroom/applications/\(id)")
        let proven: TrustedIssuers.Proven
        do throws(TrustedIssuers.Flaw) { proven = try await issuers.verify(text, now: call.now) } catch {
            if case .keysUnreachable(let cause?) = error { log("federation: \(cause)") }
            return .refused(Self.refusedFederated(error, call))
        }
        guard let claims = try? TrustedIssuers.Claims.fromJSON(proven.claims) else {
            return .refused(Self.refusedFederated(.malformed, call))
        }
        guard let subject = claims.sub,
            let application = directory.application(id), application.isEnabled,
            case let credentials = application.federated.filter({
                $0.issuer.isSame(as: proven.issuer) && $0.subject.isSame(as: subject)
            }), !credentials.isEmpty
        else {
            return .refused(
                Self.oauthError(
                    401, "invalid_client", 700_213,
                    "No matching federated identity record found for the presented issuer and subject of this client.",
                    call
                ))
        }
        let expected = credentials.flatMap(\.audiences)
        guard let audiences = claims.aud?.values,
            audiences.contains(where: { audience in expected.contains { $0.isSame(as: audience) } })
        else {
            return .refused(
                Self.oauthError(
                    401, "invalid_client", 700_212,
                    "No matching federated identity record found for the presented assertion audience. Expected one of "
                        + expected.map { "'\($0.prefix(128))'" }.joined(separator: ", ") + ".", call))
        }
        authenticated(application, call)
        return .proven(application, nil)
    }

    private static func refusedFederated(_ flaw: TrustedIssuers.Flaw, _ call: Call) -> JSONAnswer {
        let (code, text): (Int, String) =
            switch flaw {
            case .tooLong, .malformed: (50_027, "The client assertion is not a valid JWT with iss, sub, aud and exp.")
            case .algorithm: (5_002_738, "The algorithm of the client assertion is not allowed.")
            case .unknownIssuer: (700_211, "No trusted issuer is configured by the name in the client assertion.")
            case .expired, .notYetValid:
                (700_024, "The client assertion is not within its valid time range.")
            case .noKeyNamed, .unknownKey: (700_027, "The key of the client assertion is not one of its issuer's.")
            case .notSigned: (700_027, "The signature of the client assertion is not valid.")
            case .keysUnreachable, .keysUnreadable:
                (50_166, "The keys of the issuer of the client assertion cannot be had now.")
            }
        return oauthError(401, "invalid_client", code, text, call)
    }
}
