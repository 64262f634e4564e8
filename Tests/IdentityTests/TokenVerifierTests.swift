import Cryptography
import Domain
import Identity
import StoreTesting
import StrongroomTesting
import Testing

struct TokenVerifierTests {
    private let fixture = TokenFixture()

    /// Nil when the token holds.
    private func refusal(
        _ token: String, for resource: Authority.Resource = .vault, at now: Timestamp = TokenFixture.now
    ) throws -> VaultError? {
        let verifier = try fixture.verifier()
        do throws(VaultError) {
            _ = try verifier.principal(authorization: "Bearer " + token, for: resource, now: now)
            return nil
        } catch {
            return error
        }
    }

    // MARK: What holds

    @Test("A token of ours proves who holds it")
    func holds() throws {
        let principal = try fixture.verifier().principal(
            authorization: "Bearer " + (try fixture.token()), for: .vault, now: TokenFixture.now)
        #expect(
            principal
                == Principal(
                    kind: .application, objectID: TokenFixture.objectID, applicationID: TokenFixture.clientID,
                    tenant: TokenFixture.tenant,
                    issuer: fixture.authority.issuer))
    }

    @Test("The issuer's own tokens hold for each resource", arguments: Authority.Resource.allCases)
    func issued(_ resource: Authority.Resource) throws {
        let issuer = TokenIssuer(authority: fixture.authority, keys: fixture.keys)
        for audience in fixture.authority.audiences(of: resource) + [fixture.authority.url(of: resource) + "/"] {
            let token = try issuer.accessToken(
                for: .application(TokenFixture.application()), audience: audience, tokenID: GUID(high: 9, low: 9),
                understandsClaims: false, now: TokenFixture.now)
            let text = token.withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
            for other in Authority.Resource.allCases {
                #expect((try refusal(text, for: other) == nil) == (other == resource), "\(audience) shown to \(other)")
            }
        }
    }

    @Test("The scheme is read in any case", arguments: ["Bearer ", "bearer ", "BEARER "])
    func scheme(_ scheme: String) throws {
        _ = try fixture.verifier().principal(
            authorization: scheme + (try fixture.token()), for: .vault, now: TokenFixture.now)
    }

    // MARK: What is missing

    @Test(
        "Without a bearer token a token is missing",
        arguments: [nil, "", "Bearer", "Bearer ", "Basic abcdefgh", "PoP abcdefgh", "Bearerabcdef"])
    func missing(_ header: String?) throws {
        let verifier = try fixture.verifier()
        #expect { try verifier.principal(authorization: header, for: .vault, now: TokenFixture.now) } throws: {
            ($0 as? VaultError)?.code == .missingToken
        }
    }

    // MARK: What does not hold

    @Test(
        "A header that asks for other keys or algorithms is refused",
        arguments: [
            ("alg", #""none""#), ("alg", #""None""#), ("alg", #""HS256""#), ("alg", #""rs256""#), ("alg", #""RS384""#),
            ("alg", #""PS256""#),
            ("alg", #""""#), ("alg", "null"), ("alg", nil), ("alg", "[\"RS256\"]"), ("kid", #""unknown""#),
            ("kid", #""""#), ("kid", "null"),
            ("kid", nil), ("jku", #""https://attacker.example/keys""#), ("x5u", #""https://attacker.example/chain""#),
            ("jwk", #"{"kty":"RSA","n":"AQAB","e":"AQAB"}"#), ("x5c", #"["MIIB"]"#), ("crit", #"["exp"]"#),
        ] as [(String, String?)])
    func header(_ name: String, _ value: String?) throws {
        let error = try #require(try refusal(try fixture.token(header: [name: value])))
        #expect(error.code == .invalidToken)
    }

    @Test(
        "Claims of others are refused",
        arguments: [
            ("iss", #""https://login.localhost:8443/""#), ("iss", #""https://sts.windows.net/x/""#), ("iss", nil),
            ("aud", #""https://management.localhost:8443""#), ("aud", #""https://vault.localhost""#),
            ("aud", #""https://vault.localhost:8443.evil""#),
            ("aud", #""https://vault.localhost:8443//""#), ("aud", #"["https://vault.localhost:8443"]"#), ("aud", nil),
            ("tid", #""00000000-0000-0000-0000-000000000000""#), ("tid", #""nonsense""#), ("tid", nil),
            ("oid", #""00000000-0000-0000-0000-000000000000""#), ("oid", #""nonsense""#), ("oid", nil),
            ("appid", #""00000000-0000-0000-0000-000000000000""#), ("appid", nil), ("idtyp", #""user""#),
            ("idtyp", nil),
            ("strongroom_gen", "0"), ("strongroom_gen", "2"), ("strongroom_gen", nil), ("nbf", nil), ("nbf", #""0""#),
            ("exp", nil), ("exp", "null"),
            ("exp", "1e12"), ("exp", "-1"),
        ] as [(String, String?)])
    func claims(_ name: String, _ value: String?) throws {
        let error = try #require(try refusal(try fixture.token(claims: [name: value])))
        #expect(error.code == .invalidToken)
    }

    @Test(
        "A token is valid from a minute before nbf to a minute after exp",
        arguments: [
            (-61, false), (-60, true), (0, true), (3_600, true), (3_659, true), (3_660, false), (100_000, false),
        ])
    func skew(_ seconds: Int, _ holds: Bool) throws {
        let token = try fixture.token()
        #expect((try refusal(token, at: TokenFixture.now + .seconds(seconds)) == nil) == holds)
        // The same for a verifier that has it in memory.
        let verifier = try fixture.verifier()
        _ = try verifier.principal(authorization: "Bearer " + token, for: .vault, now: TokenFixture.now)
        let again = try? verifier.principal(
            authorization: "Bearer " + token, for: .vault, now: TokenFixture.now + .seconds(seconds))
        #expect((again != nil) == holds)
    }

    @Test("An expired token is called so, as clients know it")
    func expiredText() throws {
        let error = try #require(try refusal(try fixture.token(), at: TokenFixture.now + .hours(2)))
        #expect(error.message == "[TokenExpired] Error validating token: 'S2S12086'.")
    }

    @Test("A token signed by another key under our key's name is refused")
    func otherKey() throws {
        let error = try #require(try refusal(try fixture.token(signedBy: fixture.strange)))
        #expect(error.code == .invalidToken)
    }

    @Test("A token with any of its characters changed is refused")
    func altered() throws {
        let token = Array(try fixture.token().utf8)
        for position in stride(from: 0, to: token.count, by: 11) {
            var altered = token
            altered[position] = altered[position] == UInt8(ascii: "A") ? UInt8(ascii: "B") : UInt8(ascii: "A")
            #expect(try refusal(String(decoding: altered, as: UTF8.self)) != nil, "character \(position)")
        }
    }

    @Test("What is no token in three parts is refused")
    func malformed() throws {
        let token = try fixture.token()
        let parts = token.split(separator: ".").map(String.init)
        for text in [
            "x", "..", "...", token + ".", "." + token, token + "=", parts[0] + "." + parts[1],
            parts[0] + "." + parts[1] + ".", token + " ",
            parts[0] + ".." + parts[2], "." + parts[1] + "." + parts[2], token + "." + parts[2], token + "\n",
            token + token,
        ] { #expect(try refusal(text) != nil, "\(text.prefix(20))") }
    }

    @Test("An unsigned token is refused, whatever it says of itself")
    func unsigned() throws {
        for algorithm in [#""none""#, #""RS256""#] {
            let header = TokenFixture.json(["alg": algorithm, "kid": "\"\(fixture.key.keyID)\""])
            let text =
                Base64.encodeURL(Array(header.utf8)) + "."
                + Base64.encodeURL(Array(TokenFixture.json(TokenFixture.claims(fixture.authority)).utf8))
            #expect(try refusal(text + ".") != nil)
            #expect(try refusal(text) != nil)
        }
    }

    @Test("A token signed with our public key as an HMAC key is refused")
    func confusedAlgorithm() throws {
        let header = TokenFixture.json(["alg": #""HS256""#, "kid": "\"\(fixture.key.keyID)\""])
        let text =
            Base64.encodeURL(Array(header.utf8)) + "."
            + Base64.encodeURL(Array(TokenFixture.json(TokenFixture.claims(fixture.authority)).utf8))
        let tag = try fixture.engine.hmacSHA256(key: SensitiveBytes(fixture.key.modulus), Array(text.utf8))
        #expect(try refusal(text + "." + Base64.encodeURL(tag))?.code == .invalidToken)
    }

    @Test("A claim or header given twice is refused, however it is spelled", arguments: [#""iss""#, #""\u0069ss""#])
    func duplicates(_ name: String) throws {
        let claims = TokenFixture.json(TokenFixture.claims(fixture.authority))
        let doubled = claims.dropLast() + ",\(name):\"\(fixture.authority.issuer)\"}"
        let header = TokenFixture.json(["alg": #""RS256""#, "kid": "\"\(fixture.key.keyID)\""])
        #expect(try refusal(try fixture.signed(header, String(doubled))) != nil)
        let doubledHeader = header.dropLast() + #","\u0061lg":"RS256"}"#
        #expect(try refusal(try fixture.signed(String(doubledHeader), claims)) != nil)
        #expect(try refusal(try fixture.signed(header, claims)) == nil)
    }

    @Test("A token of more than 16 KiB is refused before it is looked at")
    func oversize() throws {
        let token = try fixture.token(claims: ["pad": "\"" + String(repeating: "x", count: 13_000) + "\""])
        #expect(try refusal(token)?.message.contains("longer than") == true)
        #expect(
            try refusal(try fixture.token(claims: ["pad": "\"" + String(repeating: "x", count: 9_000) + "\""])) == nil)
    }

    @Test("Deep and wide tokens are refused")
    func deep() throws {
        #expect(
            try refusal(
                try fixture.token(claims: [
                    "deep": String(repeating: "[", count: 10) + String(repeating: "]", count: 10)
                ])) != nil)
        #expect(
            try refusal(
                try fixture.token(claims: [
                    "wide": "[" + [String](repeating: "1", count: 200).joined(separator: ",") + "]"
                ])) != nil)
    }

    @Test("Refusals say nothing of the token's signature or key")
    func texts() throws {
        let token = try fixture.token(signedBy: fixture.strange)
        let message = try #require(try refusal(token)).message
        for part in token.split(separator: ".") { #expect(!message.contains(part.prefix(24))) }
    }

    // MARK: What changes while a token is remembered

    @Test("A token in memory does not open another resource")
    func otherResource() throws {
        let verifier = try fixture.verifier()
        let header = "Bearer " + (try fixture.token())
        _ = try verifier.principal(authorization: header, for: .vault, now: TokenFixture.now)
        #expect(throws: VaultError.self) {
            try verifier.principal(authorization: header, for: .management, now: TokenFixture.now)
        }
        _ = try verifier.principal(authorization: header, for: .vault, now: TokenFixture.now)
    }

    @Test(
        "A client that was disabled, reset, changed or deleted is refused on its next call",
        arguments: [
            TokenFixture.application(isEnabled: false), TokenFixture.application(generation: 2),
            TokenFixture.application(objectID: GUID(high: 8, low: 8)), nil,
        ] as [Application?])
    func revoked(_ changed: Application?) throws {
        let verifier = try fixture.verifier()
        let header = "Bearer " + (try fixture.token())
        _ = try verifier.principal(authorization: header, for: .vault, now: TokenFixture.now)
        fixture.directory.reload(TokenFixture.clientID, from: NoRecords(), committed: changed)
        #expect(throws: VaultError.self) {
            try verifier.principal(authorization: header, for: .vault, now: TokenFixture.now)
        }
        #expect(throws: VaultError.self) {
            try fixture.verifier().principal(authorization: header, for: .vault, now: TokenFixture.now)
        }
        fixture.directory.reload(TokenFixture.clientID, from: NoRecords(), committed: TokenFixture.application())
        _ = try verifier.principal(authorization: header, for: .vault, now: TokenFixture.now)
    }
}
