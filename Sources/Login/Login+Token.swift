import Cryptography
import Domain
import Identity
import Operations
import Threads

/// A token request's form. The secret goes straight into sensitive bytes.
struct TokenRequest: OperationInput {
    let tenant: String
    let grantType: String
    let clientID: String
    let secret: SensitiveBytes?
    /// A token that proves the client; nil for none.
    let assertion: String?
    /// `scope` of v2, or `resource` of v1.
    let audience: String?
    let isVersion2: Bool

    init(_ request: Request) throws(VaultError) {
        tenant = request.parameter("tenant") ?? ""
        isVersion2 = request.path.contains { $0.lowercased() == "v2.0" }
        let form = try Form(request.body)
        grantType = try form.value("grant_type") ?? ""
        let basic = try request.authorization.map { (header) throws(VaultError) in try BasicCredentials(header) }
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
        let suffix = "/.default"
        if let scope = try form.value("scope") {
            let scopes = scope.split(separator: " ").map(String.init).filter { $0.hasSuffix(suffix) }
            // `resource//.default` names the resource with its trailing slash.
            audience = scopes.count == 1 ? String(scopes[0].dropLast(suffix.utf8.count)) : nil
        } else {
            audience = try form.value("resource")
        }
    }
}

extension Login {
    /// Client credentials (RFC 6749 §4.4) with a client secret, or with an assertion (RFC 7523 §2.2): signed by a certificate's key, or by another
    /// issuer.
    func token(_ input: TokenRequest, _ call: Call) async throws(VaultError) -> JSONAnswer {
        call.didSlowWork()
        guard GUID(input.tenant) == authority.tenant else { return Self.unknownTenant(input.tenant, call) }
        guard input.grantType == "client_credentials" else {
            return Self.oauthError(
                400, "unsupported_grant_type", 70_003,
                "The app requested an unsupported grant type '\(input.grantType.prefix(64))'.", call)
        }
        if let assertion = input.assertion {
            return isFederated(assertion)
                ? try await token(input, byFederated: assertion, call)
                : try await token(input, byAssertion: assertion, call)
        }
        guard !input.clientID.isEmpty else {
            return Self.oauthError(
                400, "invalid_request", 900_144, "The request body must contain the following parameter: 'client_id'.",
                call)
        }
        guard let secret = input.secret else {
            return Self.oauthError(
                401, "invalid_client", 7_000_218,
                "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.", call)
        }
        let application: Application
        switch await clients.authenticate(
            clientID: input.clientID, secret: secret, waker: call.lane.waker, now: call.now)
        {
        case .client(let client): application = client
        case .refused:
            // Who tried, as far as it can be said without repeating what is no identifier.
            if let claimed = GUID(input.clientID) { call.concerns(objectID: "/strongroom/applications/\(claimed)") }
            return Self.oauthError(
                401, "invalid_client", 7_000_215,
                "Invalid client secret provided, or the application '\(input.clientID.prefix(64))' is not known or not enabled.",
                call)
        case .throttled(let seconds):
            if let claimed = GUID(input.clientID) { call.concerns(objectID: "/strongroom/applications/\(claimed)") }
            throw VaultError(
                .throttled, "Too many failed attempts for this client. Try again in \(seconds) seconds.",
                retryAfter: seconds)
        case .busy:
            throw VaultError(.throttled, "Too many token requests are waiting. Try again later.")
        }
        authenticated(application, call)
        guard let audience = input.audience, authority.resource(ofAudience: audience) != nil else {
            return unknownResource(input, call)
        }
        return answer(input, audience, try await sign(application, audience, call), call)
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

    func answer(_ input: TokenRequest, _ audience: String, _ token: SensitiveBytes, _ call: Call) -> JSONAnswer {
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
        }
    }

    func sign(_ application: Application, _ audience: String, _ call: Call) async throws(VaultError)
        -> SensitiveBytes
    {
        let (issuer, id, now) = (issuer, call.lane.newGUID(), call.now)
        let signed = await pool.run(on: call.lane.waker) {
            Result { () throws(CryptoError) in
                try issuer.accessToken(for: application, audience: audience, tokenID: id, now: now)
            }
        }
        switch signed {
        case nil: throw VaultError(.throttled, "Too many token requests are waiting. Try again later.")
        case .success(let token): return token
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

/// `application/x-www-form-urlencoded`.
private struct Form {
    private let fields: [(name: String, value: String)]

    init(_ body: [UInt8]) throws(VaultError) {
        var fields: [(String, String)] = []
        for pair in body.split(separator: UInt8(ascii: "&")) {
            let parts = pair.split(separator: UInt8(ascii: "="), maxSplits: 1, omittingEmptySubsequences: false)
            guard fields.count < 64, let name = Self.decode(parts[0]),
                let value = Self.decode(parts.count > 1 ? parts[1] : [])
            else {
                throw .badParameter("The request body is not a valid form.")
            }
            fields.append((name, value))
        }
        self.fields = fields
    }

    /// - Throws: `.badParameter` when a field is given twice.
    func value(_ name: String) throws(VaultError) -> String? {
        let found = fields.filter { $0.name == name }
        guard found.count <= 1 else { throw .badParameter("The form field '\(name)' is given more than once.") }
        return found.first?.value
    }

    static func decode(_ bytes: ArraySlice<UInt8>) -> String? {
        var result: [UInt8] = []
        var index = bytes.startIndex
        while index < bytes.endIndex {
            switch bytes[index] {
            case UInt8(ascii: "%"):
                guard index + 2 < bytes.endIndex, let high = Hex.value(of: bytes[index + 1]),
                    let low = Hex.value(of: bytes[index + 2])
                else { return nil }
                result.append(high << 4 | low)
                index += 3
                continue
            case UInt8(ascii: "+"): result.append(0x20)
            case let byte: result.append(byte)
            }
            index += 1
        }
        return String(validating: result, as: UTF8.self)
    }
}
