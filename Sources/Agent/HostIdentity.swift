package import Cryptography
package import Domain
import FoundationEssentials
import HTTPSClient
import Synchronization

/// Who a host is to the server, and the tokens that the server gives it.
///
/// Proven by the key of a certificate, or by a token of another issuer that is read from its file each time.
package final class HostIdentity: Sendable {
    package enum Proof: Sendable {
        /// - Parameter thumbprint256: SHA-256 of the certificate's DER.
        case certificate(key: RSAPrivateKey, thumbprint256: [UInt8])
        case federated(file: String)
    }

    package struct Token: Sendable {
        package let value: SensitiveBytes
        package let expires: Timestamp
    }

    package enum Failure: Error, Sendable {
        /// The server refused; its words.
        case refused(String)
        /// It could not be asked, or the proof could not be read.
        case unreachable(String)
    }

    package let clientID: GUID
    private let endpoint: String
    private let proof: Proof
    private let engine: CryptoEngine
    private let client: HTTPSClient
    let clock: @Sendable () -> Timestamp
    private let kept = Mutex<[String: Token]>([:])

    /// A token is asked for anew this long before it ends.
    private static let renewal: Duration = .minutes(5)
    private static let mostKept = 64

    /// - Parameter authority: `https://login.example.com:8443`
    package init(
        authority: String, tenant: GUID, clientID: GUID, proof: Proof, caFile: String?, engine: CryptoEngine,
        clock: @escaping @Sendable () -> Timestamp
    ) {
        endpoint =
            (authority.hasSuffix("/") ? String(authority.dropLast()) : authority) + "/\(tenant)/oauth2/v2.0/token"
        self.clientID = clientID
        self.proof = proof
        self.engine = engine
        self.clock = clock
        client = HTTPSClient(caFile: caFile, mostBytes: 64 << 10, timeout: .seconds(20))
    }

    package func token(for resource: String) async throws(Failure) -> Token {
        let now = clock()
        if let known = kept.withLock({ $0[resource] }), now < known.expires - Self.renewal { return known }
        let form = [
            ("grant_type", "client_credentials"), ("client_id", clientID.description),
            ("scope", resource + "/.default"),
            ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
            ("client_assertion", try assertion(now)),
        ]
        let body = form.map { "\($0.0)=\(Self.encoded($0.1))" }.joined(separator: "&")
        let answer: HTTPSClient.Answer
        do throws(HTTPSClient.Failure) {
            answer = try await client.exchange(
                "POST", endpoint, headers: [("Content-Type", "application/x-www-form-urlencoded")],
                body: Array(body.utf8))
        } catch { throw .unreachable(error.text) }
        struct Given: Decodable {
            let access_token: String
            let expires_in: Int64
        }
        struct Refusal: Decodable {
            let error_description: String
        }
        guard answer.status == 200 else {
            guard answer.status < 500, answer.status != 429, let refusal = try? Refusal.fromJSON(answer.body) else {
                throw .unreachable("the token service answered with status \(answer.status)")
            }
            throw .refused(refusal.error_description)
        }
        guard let given = try? Given.fromJSON(answer.body) else {
            throw .unreachable("the token service answered what is no token")
        }
        let token = Token(value: SensitiveBytes(given.access_token.utf8), expires: now + .seconds(given.expires_in))
        kept.withLock { kept in
            if kept.count >= Self.mostKept { kept.removeAll() }
            kept[resource] = token
        }
        return token
    }

    private func assertion(_ now: Timestamp) throws(Failure) -> String {
        switch proof {
        case .federated(let file):
            guard let bytes = try? Data(contentsOf: URL(fileURLWithPath: file)), bytes.count <= 16 << 10 else {
                throw .unreachable("the token file '\(file)' cannot be read")
            }
            return String(decoding: bytes, as: UTF8.self).filter { !$0.isWhitespace }
        case .certificate(let key, let thumbprint256):
            var (header, claims) = (JSONWriter(), JSONWriter())
            do throws(CryptoError) {
                let identifier = GUID(random: try engine.random(count: 16))
                header.object { header in
                    header.member("alg", "RS256")
                    header.member("typ", "JWT")
                    header.member(named: "x5t#S256", Base64.encodeURL(thumbprint256))
                }
                claims.object { claims in
                    claims.member("aud", endpoint)
                    claims.member("iss", clientID)
                    claims.member("sub", clientID)
                    claims.member("jti", identifier)
                    claims.member("nbf", now.epochSeconds)
                    claims.member("exp", (now + .minutes(10)).epochSeconds)
                }
                let signed = Base64.encodeURL(header.bytes) + "." + Base64.encodeURL(claims.bytes)
                return signed + "." + Base64.encodeURL(try key.signSHA256(Array(signed.utf8)))
            } catch { throw .unreachable("the assertion could not be signed") }
        }
    }

    private static func encoded(_ text: String) -> String {
        text.utf8.map { byte in
            byte.isASCIILetter || byte.isASCIIDigit || "-._~".utf8.contains(byte)
                ? String(Unicode.Scalar(byte)) : "%" + Hex.encode([byte]).uppercased()
        }.joined()
    }
}
