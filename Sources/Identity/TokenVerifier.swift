package import Cryptography
package import Domain

/// Proves who holds a bearer token, and remembers tokens it has proven. Belongs to one thread.
///
/// Checked: size, three parts, `alg` by an allow-list, `kid` among our keys, signature, then `iss`, `aud`, `tid`, `nbf`, `exp`
/// (60 s of skew), no claim twice, and that the client still stands. Keys named inside a token (`jwk`, `jku`, `x5u`, `x5c`) are
/// never followed: such a token is refused.
/// - Source: RFC 7519 §7.2, RFC 8725 §3.
package final class TokenVerifier {
    package static let largestToken = 16_384
    private static let skew: Duration = .seconds(60)
    private static let cacheCapacity = 4_096

    private struct Verified {
        var principal: Principal
        let resource: Authority.Resource
        /// When it may be used, the skew allowed for.
        let validity: Range<Timestamp>
        let tokenGeneration: Int
        /// Its client acts on claims challenges.
        let understandsClaims: Bool
        /// Nil for a token of ours.
        var external: ExternalToken?
        var directoryVersion: UInt64
    }

    private let authority: Authority
    private let keys: SigningKeys
    private let directory: Directory
    private let hasher: SHA256Hasher
    private var verified: [SHA256Digest: Verified] = [:]

    package init(authority: Authority, keys: SigningKeys, directory: Directory, engine: CryptoEngine)
        throws(CryptoError)
    {
        self.authority = authority
        self.keys = keys
        self.directory = directory
        hasher = try SHA256Hasher(engine)
    }

    /// - Parameter header: the value of `Authorization`; nil when there is none.
    /// - Throws: `.missingToken`, `.invalidToken` with the service's texts.
    package func principal(authorization header: String?, for resource: Authority.Resource, now: Timestamp)
        throws(VaultError) -> Principal
    {
        guard let header else {
            throw VaultError(.missingToken, "AKV10000: Request is missing a Bearer or PoP token.")
        }
        // RFC 9110 §11.4: one space or more.
        let start = 7 + header.utf8.dropFirst(7).prefix { $0 == 0x20 }.count
        guard header.utf8.count > start,
            header.utf8.prefix(7).elementsEqual("Bearer ".utf8, by: { $0 | 0x20 == $1 | 0x20 })
        else {
            throw VaultError(.missingToken, "AKV10000: Request is missing a Bearer or PoP token.")
        }
        guard header.utf8.count <= Self.largestToken else {
            throw Self.invalid("Error validating token: 'The token is longer than \(Self.largestToken) bytes'.")
        }
        var token = header
        let digest = token.withUTF8 {
            hasher.digest(UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer($0)[start...]))
        }
        if let known = verified[digest] { return try check(known, digest, for: resource, now: now) }
        let fresh = try verify(String(token.utf8.dropFirst(start)) ?? "", now)
        if verified.count >= Self.cacheCapacity { verified.removeAll(keepingCapacity: true) }
        return try check(fresh, digest, for: resource, now: now)
    }

    /// Takes a token of another issuer, whose signature was proven elsewhere, and remembers it as one of ours.
    ///
    /// - Throws: `.invalidToken` when it stands for nobody here.
    package func adopt(
        _ token: ExternalToken, authorization header: String, for resource: Authority.Resource, now: Timestamp
    ) throws(VaultError) -> Principal {
        guard let principal = principal(of: token, for: resource) else { throw Self.nobody }
        var text = header
        let start = 7 + header.utf8.dropFirst(7).prefix { $0 == 0x20 }.count
        let digest = text.withUTF8 {
            hasher.digest(UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer($0)[start...]))
        }
        if verified.count >= Self.cacheCapacity { verified.removeAll(keepingCapacity: true) }
        return try check(
            Verified(
                principal: principal, resource: resource,
                validity: Self.validity(from: token.notBefore, to: token.expires),
                tokenGeneration: 0, understandsClaims: false, external: token, directoryVersion: 0), digest,
            for: resource, now: now)
    }

    private func principal(of token: ExternalToken, for resource: Authority.Resource) -> Principal? {
        switch directory.holder(of: token, where: { authority.resource(ofAudience: $0) == resource }) {
        case .application(let application) where application.isEnabled:
            Principal(
                kind: .application, objectID: application.objectID, applicationID: application.id,
                tenant: authority.tenant, issuer: token.issuer)
        case .user(let user) where user.isEnabled:
            Principal(
                kind: .user, objectID: user.id, applicationID: user.id, tenant: authority.tenant, issuer: token.issuer,
                lacksMFA: !token.isMultiFactor)
        default: nil
        }
    }

    private static let nobody = invalid(
        "Error validating token: 'The token of another issuer stands for nobody here, or not for this audience'.")

    private static func validity(from start: Timestamp, to end: Timestamp) -> Range<Timestamp> {
        let start = start - skew
        return start..<max(start, end + skew)
    }

    /// What can change while a token is remembered: the clock, the host it is shown to, and its client.
    private func check(
        _ known: Verified, _ digest: SHA256Digest, for resource: Authority.Resource, now: Timestamp
    ) throws(VaultError) -> Principal {
        guard now < known.validity.upperBound else {
            verified[digest] = nil
            throw Self.invalid("[TokenExpired] Error validating token: 'S2S12086'.")
        }
        guard now >= known.validity.lowerBound else {
            throw Self.invalid("Error validating token: 'The token is not yet valid'.")
        }
        guard known.resource == resource else {
            throw Self.invalid(
                "AKV10022: Invalid audience. Expected \(authority.url(of: resource)), found: \(authority.url(of: known.resource))."
            )
        }
        let version = directory.version
        if known.directoryVersion != version {
            guard stands(known) else {
                verified[digest] = nil
                throw Self.revoked(known.understandsClaims, now)
            }
            var kept = known
            kept.principal = known.principal.in(directory.groups(of: known.principal.objectID))
            kept.directoryVersion = version
            verified[digest] = kept
            return kept.principal
        }
        return known.principal
    }

    /// Whether whom a token is for is still there, enabled, and of the same generation.
    private func stands(_ known: Verified) -> Bool {
        let principal = known.principal
        if let external = known.external {
            return self.principal(of: external, for: known.resource)?.objectID == principal.objectID
        }
        switch principal.kind {
        case .application:
            guard let client = directory.application(principal.applicationID) else { return false }
            return client.isEnabled && client.tokenGeneration == known.tokenGeneration
                && client.objectID == principal.objectID
        case .user:
            guard let user = directory.user(principal.objectID),
                SignInClient(principal.applicationID, in: directory) != nil
            else { return false }
            return user.isEnabled && user.tokenGeneration == known.tokenGeneration
        case .system: return false
        }
    }

    private func verify(_ token: String, _ now: Timestamp) throws(VaultError) -> Verified {
        let parts = Array(token.utf8).split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        // RFC 7515 §2: without padding.
        guard parts.count == 3, !token.utf8.contains(UInt8(ascii: "=")), let headerBytes = Base64.decodeURL(parts[0]),
            let claimBytes = Base64.decodeURL(parts[1]),
            let signature = Base64.decodeURL(parts[2])
        else { throw Self.malformed }
        let header: Header = try decode(headerBytes)
        guard header.alg == "RS256" else {
            throw Self.invalid("Error validating token: 'The algorithm of the token is not allowed'.")
        }
        let foreign = [header.jku, header.x5u, header.jwk, header.x5c, header.crit]
        guard !foreign.contains(where: \.isMentioned) else {
            throw Self.invalid("Error validating token: 'The token names a key of its own'.")
        }
        guard let keyID = header.kid, let key = keys.key(keyID, at: now) else {
            throw Self.invalid("AKV10046: Unable to resolve the key used for signature validation.")
        }
        do throws(CryptoError) {
            try key.key.verifySHA256(
                Array(token.utf8.prefix(parts[0].count + 1 + parts[1].count)), signature: signature)
        } catch {
            throw Self.invalid("Error validating token: 'The signature is not valid'.")
        }
        let claims: Claims = try decode(claimBytes)
        guard claims.iss == authority.issuer else {
            throw Self.invalid(
                "AKV10032: Invalid issuer. Expected one of \(authority.issuer), found \(claims.iss.prefix(128)).")
        }
        guard let tenant = GUID(claims.tid), tenant == authority.tenant else {
            throw Self.invalid("Error validating token: 'The token is of another tenant'.")
        }
        guard let resource = authority.resource(ofAudience: claims.aud) else {
            throw Self.invalid(
                "AKV10022: Invalid audience. Expected \(authority.url(of: .vault)), found: \(claims.aud.prefix(128)).")
        }
        guard let objectID = GUID(claims.oid), let applicationID = GUID(claims.appid),
            ["app", "user"].contains(claims.idtyp)
        else { throw Self.malformed }
        let isUser = claims.idtyp == "user"
        return Verified(
            principal: Principal(
                kind: isUser ? .user : .application, objectID: objectID, applicationID: applicationID, tenant: tenant,
                issuer: claims.iss, lacksMFA: isUser && claims.amr?.contains("mfa") != true),
            resource: resource,
            validity: Self.validity(
                from: Timestamp(epochSeconds: claims.nbf), to: Timestamp(epochSeconds: claims.exp)),
            tokenGeneration: claims.strongroom_gen, understandsClaims: claims.xms_cc?.contains("cp1") == true,
            directoryVersion: 0)
    }

    private struct Header: Decodable {
        let alg: String
        let kid: String?
        let jku: Mentioned
        let x5u: Mentioned
        let jwk: Mentioned
        let x5c: Mentioned
        let crit: Mentioned
    }

    private struct Claims: Decodable {
        let iss: String
        let aud: String
        let tid: String
        let oid: String
        let appid: String
        let idtyp: String
        let nbf: Int64
        let exp: Int64
        let strongroom_gen: Int
        let amr: [String]?
        let xms_cc: [String]?
    }

    private func decode<Value: Decodable>(_ json: [UInt8]) throws(VaultError) -> Value {
        var limits = JSONLimits()
        limits.depth = 4
        limits.values = 128
        do throws(VaultError) { return try Value.fromJSON(json, limits: limits) } catch { throw Self.malformed }
    }

    private static func invalid(_ text: String) -> VaultError { VaultError(.invalidToken, text) }
    private static let malformed = invalid("Error validating token: 'The token is malformed'.")

    /// A client that understands it is told to ask for a token that was made from now on.
    private static func revoked(_ understandsClaims: Bool, _ now: Timestamp) -> VaultError {
        let claims = #"{"access_token":{"nbf":{"essential":true,"value":"\#(now.epochSeconds)"}}}"#
        return VaultError(
            .invalidToken,
            "Error validating token: 'The client or the person of the token is disabled, changed, deleted or signed out; sign in again'.",
            claims: understandsClaims ? claims : nil)
    }
}
