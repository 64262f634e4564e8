import Cryptography
package import Domain
package import ProviderOpenSSL
import Synchronization

/// Issuers of JSON web tokens that are not this server, and the keys by which their tokens are proven. Configured; none is trusted by
/// default.
///
/// Checked: size, three parts, `alg` by an allow-list, no `crit`, an issuer that is known, signature by one of its keys, `exp` and `nbf` with
/// 60 s of skew. Keys named inside a token are never followed. Keys are fetched when a token names one that is not known: at most once
/// in 30 s, and anew after an hour.
/// - Source: RFC 7515, RFC 7517 §5, RFC 7519 §7.2, RFC 8725 §3; OpenID Connect Discovery 1.0 §4.
package final class TrustedIssuers: Sendable {
    package struct Issuer: Sendable {
        /// As the claim `iss` has it.
        package let name: String
        /// Where its keys are (JWKS); nil to ask its discovery document.
        package let keysURL: String?
        /// PEM bundle that its TLS certificate must lead to; nil for the system's.
        package let caFile: String?

        package init(name: String, keysURL: String? = nil, caFile: String? = nil) {
            (self.name, self.keysURL, self.caFile) = (name, keysURL, caFile)
        }
    }

    package enum Flaw: Error, Sendable {
        case tooLong, malformed, algorithm, unknownIssuer, expired, notYetValid, noKeyNamed, unknownKey, notSigned
        case keysUnreachable(VaultError.Cause?)
        case keysUnreadable
    }

    /// A token that holds.
    package struct Proven: Sendable {
        package let issuer: String
        /// JSON.
        package let claims: [UInt8]
        package let expires: Timestamp
        /// Nil for at once.
        package let notBefore: Timestamp?
    }

    /// What a token says of whom it is about (RFC 7519 §4.1, RFC 8176).
    package struct Claims: Decodable, Sendable {
        package let sub: String?
        package let aud: Audience?
        package let amr: [String]?
    }

    /// One, or several (RFC 7519 §4.1.3).
    package struct Audience: Decodable, Sendable {
        package let values: [String]

        package init(from decoder: any Decoder) throws {
            let container = try decoder.singleValueContainer()
            if let one = try? container.decode(String.self) {
                values = [one]
            } else {
                values = try container.decode([String].self)
            }
        }
    }

    private struct Issued: Decodable {
        let iss: String
    }

    /// Whether a token says that it comes from one of the issuers; proves nothing.
    package func mayProve(_ token: some StringProtocol) -> Bool {
        let parts = token.split(separator: ".", omittingEmptySubsequences: false)
        guard !issuers.isEmpty, token.utf8.count <= Self.largestToken, parts.count == 3,
            let payload = Base64.decodeURL(parts[1]), let issued = try? Issued.fromJSON(payload)
        else { return false }
        return isTrusted(issued.iss)
    }

    /// Fetches a document from an issuer: bounded in size and time, redirects not followed.
    package typealias Fetch = @Sendable (_ address: String, Issuer) async -> Result<[UInt8], VaultError>

    private struct Known {
        var keys: [String: any CryptoKey]
        /// When the keys were had.
        var fetched: Timestamp?
        /// When they were last asked for.
        var asked: Timestamp
        /// Those who ask at the same time wait for one answer.
        var asking: Task<Result<[String: any CryptoKey], Flaw>, Never>?
    }

    private let issuers: [String: Issuer]
    private let fetch: Fetch
    private let software: OpenSSLProvider
    private let known = Mutex<[String: Known]>([:])

    private static let keptFor: Duration = .minutes(60)
    private static let leastBetween: Duration = .seconds(30)
    private static let largestToken = 65_536
    private static let skew: Duration = .seconds(60)

    package init(_ issuers: [Issuer], software: OpenSSLProvider, fetch: @escaping Fetch) {
        self.issuers = Dictionary(issuers.map { ($0.name, $0) }) { first, _ in first }
        self.software = software
        self.fetch = fetch
    }

    package func isTrusted(_ issuer: String) -> Bool { issuers[issuer] != nil }

    private struct Header: Decodable {
        let alg: String
        let kid: String?
        let crit: Mentioned
    }

    private struct Times: Decodable {
        let iss: String
        let exp: Double?
        let nbf: Double?
    }

    /// Proves a token at a time.
    ///
    /// - Parameter normal: brings the name of an issuer to the form in which it was configured.
    package func verify(_ token: String, now: Timestamp, normal: (String) -> String = { $0 }) async throws(Flaw)
        -> Proven
    {
        guard token.utf8.count <= Self.largestToken else { throw .tooLong }
        let parts = token.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 3, !token.utf8.contains(UInt8(ascii: "=")), let headerBytes = Base64.decodeURL(parts[0]),
            let payload = Base64.decodeURL(parts[1]),
            let signature = Base64.decodeURL(parts[2])
        else { throw .malformed }
        let (header, times): (Header, Times)
        do throws(VaultError) {
            header = try Header.fromJSON(headerBytes)
            times = try Times.fromJSON(payload)
        } catch { throw .malformed }
        guard let algorithm = Self.algorithms[header.alg], !header.crit.isMentioned else { throw .algorithm }
        let named = normal(times.iss)
        guard let issuer = issuers[named], issuer.name.isSame(as: named) else { throw .unknownIssuer }
        guard let end = Self.moment(times.exp), now < end + Self.skew else { throw .expired }
        var notBefore: Timestamp?
        if let begin = times.nbf {
            guard let start = Self.moment(begin), now >= start - Self.skew else { throw .notYetValid }
            notBefore = start
        }
        let key = try await key(header.kid, of: issuer, now: now)
        let digest = software.digest(Array("\(parts[0]).\(parts[1])".utf8), algorithm.hash)
        guard (try? key.verify(digest, signature: signature, algorithm.algorithm)) == true else { throw .notSigned }
        return Proven(issuer: issuer.name, claims: payload, expires: end, notBefore: notBefore)
    }

    private static func moment(_ seconds: Double?) -> Timestamp? {
        guard let seconds, seconds.isFinite, abs(seconds) < 9e9 else { return nil }
        return Timestamp(epochSeconds: Int64(seconds))
    }

    private static let algorithms: [String: (algorithm: KeyAlgorithm, hash: HashFunction)] = [
        "RS256": (.rsaPKCS1(.sha256), .sha256), "RS384": (.rsaPKCS1(.sha384), .sha384),
        "RS512": (.rsaPKCS1(.sha512), .sha512), "PS256": (.rsaPSS(.sha256), .sha256),
        "ES256": (.ecdsa(.p256), .sha256), "ES384": (.ecdsa(.p384), .sha384),
    ]

    // MARK: Keys

    private func key(_ id: String?, of issuer: Issuer, now: Timestamp) async throws(Flaw) -> any CryptoKey {
        guard let id else { throw .noKeyNamed }
        let kept = known.withLock { $0[issuer.name] }
        let isFresh = kept?.fetched.map { now - $0 < Self.keptFor } ?? false
        // Strings that look alike are one to a dictionary; only ASCII is taken.
        guard id.isASCII else { throw .unknownKey }
        if isFresh, let key = kept?.keys[id] { return key }
        // Whoever does not answer, or does not know a key, is not asked again at once.
        if let kept, kept.asking == nil, now - kept.asked < Self.leastBetween {
            guard kept.fetched == nil || !isFresh else { throw .unknownKey }
            throw .keysUnreachable(nil)
        }
        let keys = try await ask(issuer, now).get()
        guard let key = keys[id] else { throw .unknownKey }
        return key
    }

    /// Asks an issuer for its keys, once for all who want them now. What it said before stands when it does not answer.
    private func ask(_ issuer: Issuer, _ now: Timestamp) async -> Result<[String: any CryptoKey], Flaw> {
        let task = known.withLock { known -> Task<Result<[String: any CryptoKey], Flaw>, Never> in
            if let running = known[issuer.name]?.asking { return running }
            let task = Task { [self] in
                let result = await Result { () async throws(Flaw) in try await keys(of: issuer) }
                self.known.withLock { known in
                    known[issuer.name]?.asking = nil
                    guard case .success(let keys) = result else { return }
                    known[issuer.name]?.keys = keys
                    known[issuer.name]?.fetched = now
                }
                return result
            }
            var entry = known[issuer.name] ?? Known(keys: [:], fetched: nil, asked: now, asking: nil)
            (entry.asked, entry.asking) = (now, task)
            known[issuer.name] = entry
            return task
        }
        return await task.value
    }

    private struct Discovery: Decodable {
        let issuer: String
        let jwks_uri: String
    }

    private struct KeySet: Decodable {
        struct Key: Decodable {
            let kid: String?
            let kty: String
            let use: String?
            let crv: String?
            let n: String?
            let e: String?
            let x: String?
            let y: String?
        }
        let keys: [Key]
    }

    private func keysAddress(of issuer: Issuer) async throws(Flaw) -> String {
        if let address = issuer.keysURL { return address }
        let base = issuer.name.hasSuffix("/") ? String(issuer.name.dropLast()) : issuer.name
        let document = try await fetched(base + "/.well-known/openid-configuration", issuer)
        // The document is about this issuer, or it is not believed (OpenID Connect Discovery 1.0 §4.3).
        guard let discovery = try? Discovery.fromJSON(document), discovery.issuer == issuer.name,
            discovery.jwks_uri.hasPrefix("https://")
        else { throw .keysUnreadable }
        return discovery.jwks_uri
    }

    private func fetched(_ address: String, _ issuer: Issuer) async throws(Flaw) -> [UInt8] {
        do throws(VaultError) { return try await fetch(address, issuer).get() } catch {
            throw .keysUnreachable(error.cause)
        }
    }

    private func keys(of issuer: Issuer) async throws(Flaw) -> [String: any CryptoKey] {
        let address = try await keysAddress(of: issuer)
        guard let set = try? KeySet.fromJSON(try await fetched(address, issuer)) else { throw .keysUnreadable }
        var keys: [String: any CryptoKey] = [:]
        for key in set.keys.prefix(64) where key.use == nil || key.use == "sig" {
            guard let id = key.kid, id.isASCII, let parsed = Self.publicKey(key),
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
}

extension Result {
    fileprivate init(_ body: () async throws(Failure) -> Success) async {
        do throws(Failure) { self = .success(try await body()) } catch { self = .failure(error) }
    }
}
