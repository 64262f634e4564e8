import Cryptography
import Domain
import Identity
import Operations
import Threads

/// A token request's form. The secret goes straight into sensitive bytes.
struct TokenRequest: OperationInput {
    let tenant: String
    /// The client authenticates in a way that is not offered.
    let isOtherScheme: Bool
    let grantType: String
    let clientID: String
    let secret: SensitiveBytes?
    /// A token that proves the client; nil for none.
    let assertion: String?
    let scopes: Scopes
    /// As they were asked for; nil when they were not.
    let scope: String?
    let claims: ClaimsRequest
    let wantsClientInfo: Bool
    let isVersion2: Bool
    /// Of what a person allowed.
    let code: String?
    let codeVerifier: String?
    let redirectAddress: String?
    let deviceCode: String?
    let refreshToken: String?

    var audience: String? { scopes.audience }

    init(_ request: Request) throws(VaultError) {
        tenant = request.parameter("tenant") ?? ""
        isVersion2 = request.path.contains { $0.lowercased() == "v2.0" }
        let form = try Form(request.body)
        grantType = try form.value("grant_type") ?? ""
        let scheme = request.authorization?.split(separator: " ").first?.lowercased()
        isOtherScheme = scheme != nil && scheme != "basic"
        let basic =
            isOtherScheme
            ? nil : try request.authorization.map { (header) throws(VaultError) in try BasicCredentials(header) }
        let named = try form.value("client_id")
        let formSecret = try form.value("client_secret").map { SensitiveBytes($0.utf8) }
        if let basic, formSecret != nil || (named != nil && named != basic.clientID) {
            throw .badParameter("The client authenticates both by the Authorization header and in the form.")
        }
        clientID = basic?.clientID ?? named ?? ""
        secret = basic?.secret ?? formSecret
        assertion = try form.value("client_assertion")
        if assertion != nil {
            guard try form.value("client_assertion_type") == ClientAssertion.type else {
                throw .badParameter("The form field 'client_assertion_type' must be \(ClientAssertion.type).")
            }
            guard secret == nil else {
                throw .badParameter("The client authenticates both by a secret and by an assertion.")
            }
        }
        scope = try form.value("scope")
        let resource = try form.value("resource")
        scopes = scope.map { Scopes($0) } ?? Scopes(resource: resource)
        claims = try ClaimsRequest(try form.value("claims"))
        wantsClientInfo = try form.value("client_info") == "1"
        code = try form.value("code")
        codeVerifier = try form.value("code_verifier")
        redirectAddress = try form.value("redirect_uri")
        deviceCode = try form.value("device_code")
        refreshToken = try form.value("refresh_token")
    }
}

extension Login {
    /// Client credentials (RFC 6749 §4.4) with a client secret, or with an assertion (RFC 7523 §2.2): signed by a certificate's key, or by another
    /// issuer.
    func token(_ input: TokenRequest, _ call: Call) async throws(VaultError) -> JSONAnswer {
        call.didSlowWork()
        guard !input.isOtherScheme else {
            return Self.oauthError(
                401, "invalid_client", 7_000_218,
                "The client authenticates by a scheme that is not offered; use Basic, or the form.", call)
        }
        switch input.grantType {
        case "authorization_code", "refresh_token", "device_code", "urn:ietf:params:oauth:grant-type:device_code":
            guard knows(tenant: input.tenant) else { return Self.unknownTenant(input.tenant, call) }
            return try await tokenForPerson(input, call)
        case "client_credentials":
            guard GUID(input.tenant) == authority.tenant else { return Self.unknownTenant(input.tenant, call) }
            switch try await proof(of: input, call) {
            case .refused(let answer): return answer
            case .proven(let application, let used): return try await token(input, for: application, used, call)
            }
        default:
            return Self.oauthError(
                400, "unsupported_grant_type", 70_003,
                "The app requested an unsupported grant type"
                    + (input.grantType.utf8.allSatisfy { $0.isASCIILetter || "_:-".utf8.contains($0) }
                        ? " '\(input.grantType.prefix(64))'." : "."),
                call)
        }
    }

    /// Client credentials (RFC 6749 §4.4).
    private func token(_ input: TokenRequest, for application: Application, _ used: UsedAssertion?, _ call: Call)
        async throws(VaultError) -> JSONAnswer
    {
        authenticated(application, call)
        guard let audience = input.audience, authority.resource(ofAudience: audience) != nil else {
            return unknownResource(input, call)
        }
        let token = try await sign(.application(application), audience, input.claims, call)
        if let used {
            let now = call.now
            do throws(VaultError) {
                try await call.commit { transaction throws(VaultError) in try used.use(at: now, in: transaction) }
            } catch {
                guard case .conflict = error.code else { throw error }
                return Self.usedBefore(call)
            }
        }
        return answer(input, audience, token, call)
    }

    /// Whether a client is who it says.
    enum ClientProof: Sendable {
        /// By an assertion that is to be written down as used, or otherwise.
        case proven(Application, UsedAssertion?)
        case refused(JSONAnswer)
    }

    /// Proof by a secret, by a certificate's key, or by the token of another issuer.
    func proof(of input: TokenRequest, _ call: Call) async throws(VaultError) -> ClientProof {
        if let assertion = input.assertion {
            return isFederated(assertion)
                ? try await proof(of: input, byFederated: assertion, call)
                : try proof(of: input, byAssertion: assertion, call)
        }
        guard !input.clientID.isEmpty else {
            return .refused(
                Self.oauthError(
                    400, "invalid_request", 900_144,
                    "The request body must contain the following parameter: 'client_id'.",
                    call))
        }
        guard let secret = input.secret else {
            return .refused(
                Self.oauthError(
                    401, "invalid_client", 7_000_218,
                    "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.",
                    call))
        }
        let application: Application
        switch await clients.authenticate(
            clientID: input.clientID, secret: secret, waker: call.lane.waker, now: call.now)
        {
        case .client(let client): application = client
        case .refused:
            // Who tried, as far as it can be said without repeating what is no identifier.
            if let claimed = GUID(input.clientID) { call.concerns(objectID: "/strongroom/applications/\(claimed)") }
            return .refused(
                Self.oauthError(
                    401, "invalid_client", 7_000_215,
                    "Invalid client secret provided, or the application \(GUID(input.clientID).map { "'\($0)' " } ?? "")is not known or not enabled.",
                    call))
        case .throttled(let seconds):
            if let claimed = GUID(input.clientID) { call.concerns(objectID: "/strongroom/applications/\(claimed)") }
            throw VaultError(
                .throttled, "Too many failed attempts for this client. Try again in \(seconds) seconds.",
                retryAfter: seconds)
        case .busy:
            throw VaultError(.throttled, "Too many token requests are waiting. Try again later.")
        }
        authenticated(application, call)
        return .proven(application, nil)
    }

    func authenticated(_ application: Application, _ call: Call) {
        call.authenticated(
            as: Principal(
                kind: .application, objectID: application.objectID, applicationID: application.id,
                tenant: authority.tenant,
                issuer: authority.issuer))
    }

    func unknownResource(_ input: TokenRequest, _ call: Call) -> JSONAnswer {
        Self.oauthError(
            400, "invalid_resource", 500_011,
            "The resource principal named \((input.audience ?? "").prefix(128)) was not found in the tenant. Ask for one of "
                + Authority.Resource.allCases.map { authority.url(of: $0) + "/.default" }.joined(separator: ", ")
                + ".", call)
    }

    /// - Parameter more: what a person's client gets besides.
    func answer(
        _ input: TokenRequest, _ audience: String, _ token: SensitiveBytes, _ call: Call,
        more: (inout JSONWriter) -> Void = { _ in }
    ) -> JSONAnswer {
        let lifetime = Int64(TokenIssuer.lifetime.components.seconds) - 1
        return JSONAnswer { answer in
            answer.member("token_type", "Bearer")
            if input.isVersion2 {
                answer.member("expires_in", lifetime)
                answer.member("ext_expires_in", lifetime)
            } else {
                answer.member("expires_in", String(lifetime))
                answer.member("ext_expires_in", String(lifetime))
                answer.member("expires_on", String(call.now.epochSeconds + lifetime + 1))
                answer.member("not_before", String(call.now.epochSeconds))
                answer.member("resource", audience)
            }
            answer.member("access_token", token)
            more(&answer)
        }
    }

    func sign(_ holder: TokenIssuer.Holder, _ audience: String, _ claims: ClaimsRequest, _ call: Call)
        async throws(VaultError) -> SensitiveBytes
    {
        let (issuer, id, now) = (issuer, call.lane.newGUID(), call.now)
        return try await signed(call) { () throws(CryptoError) in
            try issuer.accessToken(
                for: holder, audience: audience, tokenID: id, understandsClaims: claims.understandsClaims, now: now)
        }
    }

    /// Makes something that needs a signature, off the event loop.
    func signed<Value: Sendable>(_ call: Call, _ make: @escaping @Sendable () throws(CryptoError) -> Value)
        async throws(VaultError) -> Value
    {
        switch await pool.run(on: call.lane.waker, { Result { () throws(CryptoError) in try make() } }) {
        case nil: throw VaultError(.throttled, "Too many token requests are waiting. Try again later.")
        case .success(let made): return made
        case .failure: throw .internal("a token could not be signed")
        }
    }
}

/// A client's id and secret in the `Authorization` header (RFC 6749 §2.3.1, RFC 7617).
private struct BasicCredentials {
    let clientID: String
    let secret: SensitiveBytes

    init(_ header: String) throws(VaultError) {
        let parts = header.split(separator: " ")
        guard parts.count == 2, parts[0].lowercased() == "basic", let bytes = Base64.decode(parts[1]),
            let colon = bytes.firstIndex(of: UInt8(ascii: ":")), let name = Form.decode(bytes[..<colon]),
            let secret = Form.decode(bytes[(colon + 1)...])
        else { throw .badParameter("The Authorization header is not valid Basic credentials.") }
        clientID = name
        self.secret = SensitiveBytes(secret.utf8)
    }
}
