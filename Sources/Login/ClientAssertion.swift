import Cryptography
import Domain
import Identity
import ProviderOpenSSL
import WebTokens

/// A token by which a client proves that it holds the key of one of its certificates (RFC 7523 §2.2).
///
/// Source of the two forms that clients send: RS256 with `x5t`, and PS256 with `x5t#S256`. Keys named inside the assertion are never
/// followed; a chain in `x5c` is passed over, since the certificate itself is known.
struct ClientAssertion: Sendable {
    enum Flaw: Error, Sendable {
        /// It cannot be read, or is not of this kind.
        case malformed
        /// No certificate of the client's that holds now, or the signature does not hold: alike.
        case notProven
        case notNow
        /// It is about another client, or for another server.
        case notOurs
    }

    static let type = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    static let mostBytes = 16 << 10
    /// How long before it ends an assertion may be made.
    private static let mostLife: Duration = .hours(24)
    private static let skew: Duration = .seconds(60)

    let clientID: GUID
    /// Names this one assertion.
    let identifier: String
    let expires: Timestamp
    private let algorithm: KeyAlgorithm
    private let thumbprint: [UInt8]?
    private let thumbprint256: [UInt8]?
    private let signed: [UInt8]
    private let signature: [UInt8]

    private struct Header: Decodable {
        let alg: String
        let x5t: String?
        let x5tS256: String?
        let jku: Mentioned
        let x5u: Mentioned
        let jwk: Mentioned
        let crit: Mentioned

        enum CodingKeys: String, CodingKey {
            case alg, x5t, jku, x5u, jwk, crit
            case x5tS256 = "x5t#S256"
        }
    }

    private struct Claims: Decodable {
        let iss: String
        let sub: String
        let aud: TrustedIssuers.Audience
        let jti: String
        /// Clients write fractions of seconds.
        let exp: Double
        let nbf: Double?
    }

    /// - Parameters:
    ///   - named: the client that the form names; nil for none.
    ///   - audiences: what this server is called in assertions.
    init(_ text: String, named: String?, audiences: Set<String>, at now: Timestamp) throws(Flaw) {
        let parts = Array(text.utf8).split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard text.utf8.count <= Self.mostBytes, parts.count == 3, let headerBytes = Self.decode(parts[0]),
            let claimBytes = Self.decode(parts[1]), let signature = Self.decode(parts[2])
        else { throw .malformed }
        let header: Header = try Self.json(headerBytes)
        guard ![header.jku, header.x5u, header.jwk, header.crit].contains(where: \.isMentioned) else {
            throw .malformed
        }
        switch header.alg {
        case "RS256": algorithm = .rsaPKCS1(.sha256)
        case "PS256": algorithm = .rsaPSS(.sha256)
        default: throw .malformed
        }
        thumbprint = try header.x5t.map { text throws(Flaw) in try Self.digest(text, count: 20) }
        thumbprint256 = try header.x5tS256.map { text throws(Flaw) in try Self.digest(text, count: 32) }
        guard thumbprint != nil || thumbprint256 != nil else { throw .malformed }
        signed = Array(text.utf8.prefix(parts[0].count + 1 + parts[1].count))
        self.signature = signature

        let claims: Claims = try Self.json(claimBytes)
        guard let subject = GUID(claims.sub), let issuer = GUID(claims.iss), subject == issuer,
            named.map({ GUID($0) == subject }) ?? true,
            claims.aud.values.contains(where: { $0.isASCII && audiences.contains($0.lowercased()) })
        else { throw .notOurs }
        clientID = subject
        guard (1...256).contains(claims.jti.utf8.count) else { throw .malformed }
        identifier = claims.jti
        let end = try Self.time(claims.exp)
        expires = end
        guard now < end + Self.skew, end - now <= Self.mostLife,
            try claims.nbf.map({ nbf throws(Flaw) in try Self.time(nbf) - Self.skew <= now }) ?? true
        else { throw .notNow }
    }

    /// Whether one of an application's certificates proves it.
    func prove(by application: Application, _ provider: OpenSSLProvider, at now: Timestamp) throws(Flaw) {
        guard
            let certificate = application.certificates.first(where: { certificate in
                (thumbprint.map { $0 == certificate.thumbprint } ?? true)
                    && (thumbprint256.map { $0 == certificate.thumbprint256 } ?? true)
            }), certificate.notBefore <= now + Self.skew, now < certificate.notAfter
        else { throw .notProven }
        let holds = try? provider.openPublic(.rsa(n: certificate.modulus, e: certificate.exponent)).verify(
            provider.digest(signed, .sha256), signature: signature, algorithm)
        guard holds == true else { throw .notProven }
    }

    // MARK: Reading

    /// Base64url, which some clients pad.
    private static func decode(_ bytes: ArraySlice<UInt8>) -> [UInt8]? { Base64.decodeURL(bytes) }

    private static func digest(_ text: String, count: Int) throws(Flaw) -> [UInt8] {
        guard let bytes = decode(Array(text.utf8)[...]), bytes.count == count else { throw .malformed }
        return bytes
    }

    private static func json<Value: Decodable>(_ bytes: [UInt8]) throws(Flaw) -> Value {
        var limits = JSONLimits()
        limits.depth = 4
        limits.values = 128
        do throws(VaultError) { return try Value.fromJSON(bytes, limits: limits) } catch { throw .malformed }
    }

    private static func time(_ seconds: Double) throws(Flaw) -> Timestamp {
        guard seconds > 0, seconds < 253_402_300_800 else { throw .malformed }
        return Timestamp(nanoseconds: Int64(seconds) * 1_000_000_000)
    }
}
