import Barrier
import Cryptography
import Domain
import Identity
import Operations

/// Tokens for people: by an authorization code, by the code of a device, and by a refresh token.
///
/// - Source: RFC 6749 §4.1.3 and §6, RFC 7636 §4.6, RFC 8628 §3.4, RFC 9700 §4.14.
extension Login {
    /// What a person's sign-in gives a client.
    private struct Granted {
        let user: User
        let signIn: SignIn
        let scope: String
        var nonce: String?
    }

    func tokenForPerson(_ input: TokenRequest, _ call: Call) async throws(VaultError) -> JSONAnswer {
        guard let client = GUID(input.clientID).flatMap({ SignInClient($0, in: directory) }) else {
            return Self.unknownClient(input.clientID, call)
        }
        var used: UsedAssertion?
        if client.isPublic {
            guard input.secret == nil, input.assertion == nil else {
                return Self.oauthError(
                    401, "invalid_client", 700_025,
                    "Client is public so neither 'client_assertion' nor 'client_secret' "
                        + "should be presented.", call)
            }
        } else {
            switch try await proof(of: input, call) {
            case .refused(let answer): return answer
            case .proven(let application, let assertion):
                guard application.id == client.id else { return Self.unknownClient(input.clientID, call) }
                used = assertion
            }
        }
        switch input.grantType {
        case "authorization_code": return try await token(input, byCode: input.code ?? "", client, used, call)
        case "refresh_token": return try await token(input, byRefresh: input.refreshToken ?? "", client, used, call)
        default: return try await token(input, byDevice: input.deviceCode ?? "", client, used, call)
        }
    }

    private static func invalidGrant(_ number: Int, _ text: String, _ call: Call) -> JSONAnswer {
        oauthError(400, "invalid_grant", number, text, call)
    }

    // MARK: By an authorization code

    private func token(
        _ input: TokenRequest, byCode text: String, _ client: SignInClient, _ used: UsedAssertion?, _ call: Call
    )
        async throws(VaultError) -> JSONAnswer
    {
        guard let handle = Handle(text, engine: engine), call.now < handle.expires,
            let code = try SignInTable.code(handle, in: call.lane.reader), code.signIn.client == client.id
        else {
            return Self.invalidGrant(70_008, "The provided authorization code is not known or has expired.", call)
        }
        guard code.redirectAddress == input.redirectAddress else {
            return Self.invalidGrant(
                50_011, "The redirect URI specified in the request does not match the one the code was asked for with.",
                call)
        }
        guard proves(input.codeVerifier, code.challenge) else {
            return Self.invalidGrant(
                501_481, "The code_verifier does not match the code_challenge of the request.", call)
        }
        guard let granted = granted(code.signIn, code.scope, nonce: code.nonce) else { return Self.signedOut(call) }
        return try await answer(input, granted, used, call) { session, transaction throws(VaultError) in
            guard var code = try SignInTable.code(handle, in: transaction) else { return .gone }
            if let earlier = code.session {
                try SignInTable.removeSession(earlier, in: transaction)
                return .gone
            }
            code.session = session.id
            try SignInTable.replace(code, at: handle, in: transaction)
            return .fresh
        } refused: {
            Self.invalidGrant(
                54_005, "OAuth2 Authorization code was already redeemed, please retry with a new valid code.", call)
        }
    }

    /// PKCE by S256.
    private func proves(_ verifier: String?, _ challenge: String?) -> Bool {
        guard let challenge else { return verifier == nil }
        guard let verifier, (43...128).contains(verifier.utf8.count),
            let digest = try? engine.sha256(Array(verifier.utf8))
        else { return false }
        return constantTimeEqual(Array(Base64.encodeURL(digest).utf8), Array(challenge.utf8))
    }

    // MARK: By the code of a device

    private func token(
        _ input: TokenRequest, byDevice text: String, _ client: SignInClient, _ used: UsedAssertion?, _ call: Call
    )
        async throws(VaultError) -> JSONAnswer
    {
        guard let handle = Handle(text, engine: engine) else {
            return Self.invalidGrant(70_018, "The device code is not known.", call)
        }
        guard call.now < handle.expires else {
            return Self.oauthError(400, "expired_token", 70_020, "The device code has expired.", call)
        }
        guard let device = try SignInTable.device(handle, in: call.lane.reader), device.client == client.id else {
            return Self.invalidGrant(70_018, "The device code is not known, or was used.", call)
        }
        switch device.state {
        case .waiting:
            if polls.isTooSoon(device.userCode, now: call.now) {
                return Self.oauthError(
                    400, "slow_down", 70_016, "Ask at most once in \(DeviceSignIn.interval) seconds.", call)
            }
            return Self.oauthError(
                400, "authorization_pending", 70_016,
                "OAuth 2.0 device flow error. Authorization is pending. Continue polling.", call)
        case .denied:
            return Self.oauthError(400, "authorization_declined", 65_004, "The person declined to sign in.", call)
        case .granted(let signIn):
            guard let granted = granted(signIn, device.scope) else { return Self.signedOut(call) }
            return try await answer(input, granted, used, call) { _, transaction throws(VaultError) in
                guard try SignInTable.device(handle, in: transaction) != nil else { return .gone }
                try SignInTable.remove(device, at: handle, in: transaction)
                return .fresh
            } refused: {
                Self.invalidGrant(70_018, "The device code was used.", call)
            }
        }
    }

    // MARK: By a refresh token

    private func token(
        _ input: TokenRequest, byRefresh text: String, _ client: SignInClient, _ used: UsedAssertion?, _ call: Call
    )
        async throws(VaultError) -> JSONAnswer
    {
        guard let (id, number) = refreshTokens.read(text) else {
            return Self.invalidGrant(9_002_313, "The refresh token is malformed or not of this server.", call)
        }
        guard let session = try SignInTable.session(id, in: call.lane.reader), session.signIn.client == client.id,
            call.now < session.used + Session.lifetime
        else {
            return Self.invalidGrant(
                70_008, "The refresh token has expired or was taken back; the person must sign in again.", call)
        }
        guard let granted = granted(session.signIn, session.scope) else { return Self.signedOut(call) }
        if input.claims.demandsMFA, !session.signIn.isMultiFactor {
            return Self.oauthError(
                400, "interaction_required", 50_076,
                "Due to a configuration change made by your administrator, you must use multi-factor authentication.",
                call)
        }
        let now = call.now
        return try await answer(input, granted, used, call, session) { _, transaction throws(VaultError) in
            guard var session = try SignInTable.session(id, in: transaction) else { return .gone }
            if session.number == number {
                session.number += 1
                session.used = now
                try SignInTable.put(session, in: transaction)
                return .numbered(session.number)
            }
            // Another process of the same client was quicker.
            if session.number == number + 1, now - session.used < Session.overlap { return .numbered(session.number) }
            try SignInTable.removeSession(id, in: transaction)
            return .gone
        } refused: {
            Self.invalidGrant(
                70_000, "The refresh token was used before: everything that came of this sign-in is taken back.", call)
        }
    }

    // MARK: The answer

    private enum Kept: Sendable {
        case fresh
        case numbered(Int64)
        case gone
    }

    private static func signedOut(_ call: Call) -> JSONAnswer {
        invalidGrant(
            50_173, "The person is disabled or deleted, or signed out everywhere, since this sign-in.", call)
    }

    private func granted(_ signIn: SignIn, _ scope: String, nonce: String? = nil) -> Granted? {
        guard let user = directory.user(signIn.user), user.isEnabled, user.tokenGeneration == signIn.tokenGeneration
        else { return nil }
        return Granted(user: user, signIn: signIn, scope: scope, nonce: nonce)
    }

    /// - Parameters:
    ///   - session: that goes on; nil to begin one.
    ///   - keep: writes down what was used; everything is durable before the tokens go out.
    private func answer(
        _ input: TokenRequest, _ granted: Granted, _ used: UsedAssertion?, _ call: Call, _ standing: Session? = nil,
        _ keep: @escaping @Sendable (Session, Transaction) throws(VaultError) -> Kept, refused: () -> JSONAnswer
    ) async throws(VaultError) -> JSONAnswer {
        let (user, signIn) = (granted.user, granted.signIn)
        call.authenticated(as: principal(of: user, client: signIn.client, isMultiFactor: signIn.isMultiFactor))
        call.concerns(objectID: "/strongroom/users/\(user.id)")
        let first = Scopes(granted.scope)
        guard !input.scopes.isAmbiguous else {
            return Self.oauthError(400, "invalid_scope", 28_000, "The scope names more than one resource.", call)
        }
        let audience = input.audience ?? first.audience ?? authority.url(of: .graph)
        guard authority.resource(ofAudience: audience) != nil else { return unknownResource(input, call) }
        let isProven = SignInClient(signIn.client, in: directory)?.isPublic == false
        let access = try await sign(.user(user, signIn, isProven: isProven), audience, input.claims, call)
        let wantsID = first.wantsID
        let (issuer, now, isVersion2) = (issuer, call.now, input.isVersion2)
        let id =
            wantsID
            ? try await signed(call) { () throws(CryptoError) in
                try issuer.idToken(for: user, signIn, nonce: granted.nonce, isVersion2: isVersion2, now: now)
            } : nil
        let begins = standing == nil && first.wantsRefresh
        let session = standing ?? Session(id: call.lane.newGUID(), signIn: signIn, scope: granted.scope)
        let kept: Kept
        do throws(VaultError) {
            kept = try await call.commit(refusal: { kept in
                guard case .gone = kept else { return nil }
                return (400, "What was shown had been used before: everything that came of it is taken back.")
            }) { transaction throws(VaultError) -> Kept in
                try used?.use(at: now, in: transaction)
                let kept = try keep(session, transaction)
                if case .fresh = kept, begins {
                    try SignInTable.put(session, in: transaction)
                    try Self.expiry(of: session).schedule(in: transaction)
                }
                return kept
            }
        } catch {
            guard case .conflict = error.code else { throw error }
            return Self.usedBefore(call)
        }
        let number: Int64?
        switch kept {
        case .gone: return refused()
        case .fresh: number = begins ? session.number : nil
        case .numbered(let standing): number = standing
        }
        return answer(input, audience, access, call) { answer in
            answer.member("scope", "\(audience)/user_impersonation \(audience)/.default")
            if let number, let token = refreshTokens.make(session.id, number) { answer.member("refresh_token", token) }
            if let id { answer.member("id_token", id) }
            if input.wantsClientInfo {
                var info = JSONWriter()
                info.object { info in
                    info.member("uid", user.id)
                    info.member("utid", authority.tenant)
                }
                answer.member("client_info", Base64.encodeURL(info.bytes))
            }
        }
    }

    // MARK: The end of a session

    /// The duty to forget a session that was not used for long.
    static func expiry(of session: Session) -> Duty {
        Duty(
            due: session.used + Session.lifetime, id: "session-expire/\(session.id)", operation: "SessionExpire",
            vault: nil, parameters: ["session": session.id.description])
    }

    struct SessionInput: OperationInput {
        let id: GUID

        init(_ request: Request) throws(VaultError) {
            guard let id = GUID(request.parameter("session") ?? "") else { throw .internal("a duty names no session") }
            self.id = id
        }
    }

    func expireSession(_ input: SessionInput, _ call: Call) async throws(VaultError) -> NoContent {
        let now = call.now
        try await call.commit { transaction throws(VaultError) in
            guard let session = try SignInTable.session(input.id, in: transaction) else { return }
            if session.used + Session.lifetime <= now {
                try SignInTable.removeSession(session.id, in: transaction)
            } else {
                try Self.expiry(of: session).schedule(in: transaction)
            }
        }
        return NoContent()
    }
}

/// Refresh tokens: a session, a number and random bytes under a key of the server, so that nothing but the number is kept.
struct RefreshTokens: Sendable {
    private let key: SensitiveBytes
    private let engine: CryptoEngine

    /// - Parameter key: of this server, for names that it hands out.
    init(key: SensitiveBytes, engine: CryptoEngine) throws(CryptoError) {
        self.key = SensitiveBytes(try engine.hmacSHA256(key: key, Array("refresh tokens".utf8)))
        self.engine = engine
    }

    func make(_ session: GUID, _ number: Int64) -> SensitiveBytes? {
        var bytes = ByteWriter(reserving: 72)
        bytes.guid(session)
        bytes.integer(number)
        guard let random = try? engine.random(count: 16) else { return nil }
        bytes.raw(random)
        guard let mac = try? engine.hmacSHA256(key: key, bytes.bytes) else { return nil }
        bytes.raw(mac)
        return SensitiveBytes(("1." + Base64.encodeURL(bytes.bytes)).utf8)
    }

    func read(_ text: String) -> (session: GUID, number: Int64)? {
        guard text.hasPrefix("1."), let bytes = Base64.decodeURL(text.dropFirst(2)), bytes.count == 72,
            let mac = try? engine.hmacSHA256(key: key, Array(bytes[..<40])), constantTimeEqual(mac, Array(bytes[40...]))
        else { return nil }
        var reader = ByteReader(bytes)
        guard let session = reader.guid(), let number = reader.integer(Int64.self) else { return nil }
        return (session, number)
    }
}
