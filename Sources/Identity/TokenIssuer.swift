package import Cryptography
package import Domain

/// Signs access tokens (JWT, RS256) with the claims the service's own tokens carry.
package struct TokenIssuer: Sendable {
    package static let lifetime: Duration = .seconds(3_600)

    private let authority: Authority
    private let keys: SigningKeys

    package init(authority: Authority, keys: SigningKeys) {
        (self.authority, self.keys) = (authority, keys)
    }

    /// Whom a token is for.
    package enum Holder: Sendable {
        case application(Application)
        /// - isProven: the client has proven itself.
        case user(User, SignIn, isProven: Bool)
    }

    /// - Parameters:
    ///   - audience: as the client asked for it, a trailing slash kept.
    ///   - tokenID: `uti`, random.
    ///   - understandsClaims: the client acts on claims challenges.
    /// - Returns: the compact JWT. Takes a fraction of a millisecond: not on an event loop.
    package func accessToken(
        for holder: Holder, audience: String, tokenID: GUID, understandsClaims: Bool, now: Timestamp
    ) throws(CryptoError) -> SensitiveBytes {
        try sign { claims in
            claims.member("aud", audience)
            claims.member("iss", authority.issuer)
            claims.member("iat", now.epochSeconds)
            claims.member("nbf", now.epochSeconds)
            claims.member("exp", (now + Self.lifetime).epochSeconds)
            claims.member("idp", authority.issuer)
            switch holder {
            case .application(let application):
                claims.member("appid", application.id)
                claims.member("appidacr", "1")
                claims.member("idtyp", "app")
                claims.member("oid", application.objectID)
                claims.member("sub", application.objectID)
                claims.member("strongroom_gen", application.tokenGeneration)
            case .user(let user, let signIn, let isProven):
                claims.member("acr", "1")
                Self.write(methodsOf: signIn, to: &claims)
                claims.member("appid", signIn.client)
                claims.member("appidacr", isProven ? "1" : "0")
                claims.member("auth_time", signIn.time.epochSeconds)
                claims.member("idtyp", "user")
                claims.member("name", user.displayName)
                claims.member("oid", user.id)
                claims.member("scp", "user_impersonation")
                claims.member("sub", user.id)
                claims.member("unique_name", user.name.description)
                claims.member("upn", user.name.description)
                claims.member("strongroom_gen", signIn.tokenGeneration)
            }
            claims.member("tid", authority.tenant)
            claims.member("uti", tokenID)
            claims.member("ver", "1.0")
            if understandsClaims { claims.array("xms_cc") { $0.string("cp1") } }
        }
    }

    /// Tells a client who signed in (OpenID Connect Core 1.0 §2).
    package func idToken(for user: User, _ signIn: SignIn, nonce: String?, isVersion2: Bool, now: Timestamp)
        throws(CryptoError) -> SensitiveBytes
    {
        try sign { claims in
            claims.member("aud", signIn.client)
            claims.member("iss", isVersion2 ? authority.issuer2 : authority.issuer)
            claims.member("iat", now.epochSeconds)
            claims.member("nbf", now.epochSeconds)
            claims.member("exp", (now + Self.lifetime).epochSeconds)
            Self.write(methodsOf: signIn, to: &claims)
            claims.member("auth_time", signIn.time.epochSeconds)
            claims.member("name", user.displayName)
            if let nonce { claims.member("nonce", nonce) }
            claims.member("oid", user.id)
            claims.member("preferred_username", user.name.description)
            claims.member("sub", user.id)
            claims.member("tid", authority.tenant)
            claims.member("ver", isVersion2 ? "2.0" : "1.0")
        }
    }

    /// - Source: RFC 8176.
    private static func write(methodsOf signIn: SignIn, to claims: inout JSONWriter) {
        claims.array("amr") { methods in
            methods.string("pwd")
            if signIn.isMultiFactor { methods.string("mfa") }
        }
    }

    private func sign(_ write: (inout JSONWriter) -> Void) throws(CryptoError) -> SensitiveBytes {
        guard let key = keys.newest else { throw .failed("no signing key") }
        var header = JSONWriter()
        header.object { header in
            header.member("typ", "JWT")
            header.member("alg", "RS256")
            header.member("kid", key.keyID)
        }
        var claims = JSONWriter()
        claims.object(write)
        let signed = Base64.encodeURL(header.bytes) + "." + Base64.encodeURL(claims.bytes)
        let signature = try key.key.signSHA256(Array(signed.utf8))
        return SensitiveBytes((signed + "." + Base64.encodeURL(signature)).utf8)
    }
}
