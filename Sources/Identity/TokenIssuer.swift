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

    /// - Parameters:
    ///   - audience: as the client asked for it, a trailing slash kept.
    ///   - tokenID: `uti`, random.
    /// - Returns: the compact JWT. Takes a fraction of a millisecond: not on an event loop.
    package func accessToken(
        for application: Application, audience: String, tokenID: GUID, now: Timestamp
    ) throws(CryptoError) -> SensitiveBytes {
        guard let key = keys.newest else { throw .failed("no signing key") }
        var header = JSONWriter()
        header.object { header in
            header.member("typ", "JWT")
            header.member("alg", "RS256")
            header.member("kid", key.keyID)
        }
        var claims = JSONWriter()
        claims.object { claims in
            claims.member("aud", audience)
            claims.member("iss", authority.issuer)
            claims.member("iat", now.epochSeconds)
            claims.member("nbf", now.epochSeconds)
            claims.member("exp", (now + Self.lifetime).epochSeconds)
            claims.member("appid", application.id)
            claims.member("appidacr", "1")
            claims.member("idp", authority.issuer)
            claims.member("idtyp", "app")
            claims.member("oid", application.objectID)
            claims.member("sub", application.objectID)
            claims.member("tid", authority.tenant)
            claims.member("uti", tokenID)
            claims.member("ver", "1.0")
            claims.member("strongroom_gen", application.tokenGeneration)
        }
        let signed = Base64.encodeURL(header.bytes) + "." + Base64.encodeURL(claims.bytes)
        let signature = try key.key.signSHA256(Array(signed.utf8))
        return SensitiveBytes((signed + "." + Base64.encodeURL(signature)).utf8)
    }
}
