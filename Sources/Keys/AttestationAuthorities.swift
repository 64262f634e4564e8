import Cryptography
package import Domain
import FoundationEssentials
import Objects
package import ProviderOpenSSL
import Synchronization

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

    /// Fetches a document: bounded in size and time, redirects not followed.
    typealias Fetch = @Sendable (Authority) async -> Result<[UInt8], VaultError>

    private struct Known {
        let keys: [String: any CryptoKey]
        let fetched: Timestamp
    }

    private let authorities: [String: Authority]
    private let fetch: Fetch
    private let software: OpenSSLProvider
    private let known = Mutex<[String: Known]>([:])

    private static let keptFor: Duration = .minutes(60)
    /// A token with an unknown key asks for the keys anew, but not more often than this.
    private static let leastBetween: Duration = .seconds(30)
    private static let largestToken = 65_536
    private static let skew: Duration = .seconds(60)

    package init(
        _ authorities: [Authority], software: OpenSSLProvider,
        fetch: @escaping @Sendable (Authority) async -> Result<[UInt8], VaultError>
    ) {
        self.authorities = Dictionary(authorities.map { ($0.issuer, $0) }) { first, _ in first }
        self.software = software
        self.fetch = fetch
    }

    /// A statement that was proven.
    struct Statement: Sendable {
        let authority: String
        let claims: ClaimSet
    }

    private struct Header: Decodable {
        let alg: String
        let kid: String?
        let crit: [String]?
    }

    /// Proves a token: size, algorithm by an allow-list, key of a configured authority, signature, time.
    ///
    /// - Throws: `.forbiddenByVault` with the service's words, whatever is wrong.
    func verify(_ token: String, now: Timestamp) async throws(VaultError) -> Statement {
        guard token.utf8.count <= Self.largestToken else { throw Self.refused("it is too long") }
        let parts = token.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 3, let headerBytes = Base64.decodeURL(parts[0]), let payload = Base64.decodeURL(parts[1]),
            let signature = Base64.decodeURL(parts[2])
        else { throw Self.refused("it is not a JSON web token") }
        let (header, claims): (Header, ClaimSet)
        do throws(VaultError) {
            header = try Header.fromJSON(headerBytes)
            claims = try ClaimSet.fromJSON(payload)
        } catch { throw Self.refused("it is not a JSON web token") }
        guard let algorithm = Self.algorithms[header.alg], header.crit == nil else {
            throw Self.refused("its algorithm is not allowed")
        }
        guard let issuer = claims["iss"]?.text, let authority = authorities[ReleaseGrammar.normal(issuer)] else {
            throw Self.refused("its issuer is not a trusted attestation authority")
        }
        try Self.requireTime(claims, now)
        let key = try await key(header.kid, of: authority, now: now)
        let signed = Array("\(parts[0]).\(parts[1])".utf8)
        let digest = software.digest(signed, algorithm.hash)
        let isValid = (try? key.verify(digest, signature: signature, algorithm.algorithm)) ?? false
        guard isValid else { throw Self.refused("its signature is not valid") }
        return Statement(authority: authority.issuer, claims: claims)
    }

    private static let algorithms: [String: (algorithm: KeyAlgorithm, hash: HashFunction)] = [
        "RS256": (.rsaPKCS1(.sha256), .sha256), "RS384": (.rsaPKCS1(.sha384), .sha384),
        "RS512": (.rsaPKCS1(.sha512), .sha512), "PS256": (.rsaPSS(.sha256), .sha256),
        "ES256": (.ecdsa(.p256), .sha256), "ES384": (.ecdsa(.p384), .sha384),
    ]

    private static func requireTime(_ claims: ClaimSet, _ now: Timestamp) throws(VaultError) {
        guard case .value(.number(let end))? = claims["exp"], end.isFinite, abs(end) < 1e12,
            now < Timestamp(epochSeconds: Int64(end)) + skew
        else { throw refused("it has expired, or has no end") }
        if let begin = claims["nbf"] {
            guard case .value(.number(let start)) = begin, start.isFinite, abs(start) < 1e12,
                now >= Timestamp(epochSeconds: Int64(start)) - skew
            else { throw refused("it is not yet valid") }
        }
    }

    private func key(_ id: String?, of authority: Authority, now: Timestamp) async throws(VaultError) -> any CryptoKey {
        guard let id else { throw Self.refused("it names no key") }
        let kept = known.withLock { $0[authority.issuer] }
        if let kept, now - kept.fetched < Self.keptFor {
            if let key = kept.keys[id] { return key }
            guard now - kept.fetched >= Self.leastBetween else { throw Self.refused("its key is not known") }
        }
        let keys: [String: any CryptoKey]
        do throws(VaultError) { keys = try await self.keys(of: authority) } catch {
            // An authority that does not answer is not asked again at once; what it said before stands as long as it would.
            known.withLock { known in
                if known[authority.issuer] == nil { known[authority.issuer] = Known(keys: [:], fetched: now) }
            }
            throw error
        }
        known.withLock { $0[authority.issuer] = Known(keys: keys, fetched: now) }
        guard let key = keys[id] else { throw Self.refused("its key is not known") }
        return key
    }

    private struct KeySet: Decodable {
        struct Key: Decodable {
            let kid: String?
            let kty: String
            let crv: String?
            let n: String?
            let e: String?
            let x: String?
            let y: String?
        }
        let keys: [Key]
    }

    private func keys(of authority: Authority) async throws(VaultError) -> [String: any CryptoKey] {
        let document: [UInt8]
        do throws(VaultError) { document = try await fetch(authority).get() } catch {
            throw Self.refused("the keys of its authority cannot be fetched", cause: error.cause)
        }
        guard let set = try? KeySet.fromJSON(document) else {
            throw Self.refused("the keys of its authority cannot be read")
        }
        var keys: [String: any CryptoKey] = [:]
        for key in set.keys.prefix(64) {
            guard let id = key.kid, let parsed = Self.publicKey(key),
                let opened = try? software.openPublic(parsed)
            else { continue }
            keys[id] = opened
        }
        return keys
    }

    private static func publicKey(_ key: KeySet.Key) -> PublicKey? {
        switch key.kty {
        case "RSA":
            guard let n = key.n.flatMap({ Base64.decodeURL($0) }), let e = key.e.flatMap({ Base64.decodeURL($0) }),
                (256...1_024).contains(n.count), (1...8).contains(e.count)
            else { return nil }
            return .rsa(n: n, e: e)
        case "EC":
            guard let curve = key.crv.flatMap({ EllipticCurve($0) }), let x = key.x.flatMap({ Base64.decodeURL($0) }),
                let y = key.y.flatMap({ Base64.decodeURL($0) }), x.count == curve.byteCount, y.count == curve.byteCount
            else { return nil }
            return .ec(curve, x: x, y: y)
        default: return nil
        }
    }

    static func refused(_ reason: String, cause: VaultError.Cause? = nil) -> VaultError {
        VaultError(
            .forbiddenByVault, "Target environment attestation statement cannot be verified: \(reason).", cause: cause)
    }
}
