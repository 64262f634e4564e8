import Cryptography
import Domain
import ProviderOpenSSL
import Synchronization
import Testing

@testable import Keys

/// Statements about an environment: which are believed, and of whom.
struct AttestationAuthoritiesTests {
    private static let now = Timestamp(epochSeconds: 1_800_000_000)
    private static let issuer = "https://maa.example"

    /// An authority with two keys, and everything that can be wrong with what it says.
    private final class Authority: Sendable {
        let software: OpenSSLProvider
        private let keys: [String: (key: any CryptoKey, material: KeyMaterial)]
        private let document: Mutex<Result<[UInt8], VaultError>>
        private let fetches = Mutex(0)

        init() throws {
            software = try OpenSSLProvider(try CryptoEngine())
            var keys: [String: (key: any CryptoKey, material: KeyMaterial)] = [:]
            for (id, specification) in [
                ("rsa", .rsa(bits: 2_048)), ("ec", .ec(.p256)), ("unlisted", .ec(.p256)),
            ] as [(String, KeySpecification)] {
                let material = try software.generate(
                    specification, publicExponent: 65_537, id: [], isExportable: false)
                keys[id] = (try software.open(material, id: []), material)
            }
            self.keys = keys
            document = Mutex(.success([]))
            publish(["rsa", "ec"])
        }

        var fetchCount: Int { fetches.withLock { $0 } }

        func publish(_ ids: [String]) {
            var writer = JSONWriter()
            writer.object { set in
                set.array("keys") { list in
                    for id in ids {
                        guard let key = keys[id] else { continue }
                        list.object { entry in
                            entry.member("kid", id)
                            entry.member("kty", key.material.specification.family == .rsa ? "RSA" : "EC")
                            key.material.publicKey.writeMembers(to: &entry)
                        }
                    }
                }
            }
            let bytes = writer.bytes
            document.withLock { $0 = .success(bytes) }
        }

        func answer(_ result: Result<[UInt8], VaultError>) { document.withLock { $0 = result } }

        func authorities() -> AttestationAuthorities {
            AttestationAuthorities([.init(issuer: AttestationAuthoritiesTests.issuer)], software: software) { _, _ in
                self.fetches.withLock { $0 += 1 }
                return self.document.withLock { $0 }
            }
        }

        func token(
            _ claims: String, header: String = #"{"alg":"RS256","kid":"rsa"}"#, signedBy id: String = "rsa"
        ) throws -> String {
            let text = Base64.encodeURL(Array(header.utf8)) + "." + Base64.encodeURL(Array(claims.utf8))
            guard let key = keys[id] else { return text + "." }
            let digest = software.digest(Array(text.utf8), .sha256)
            let algorithm: KeyAlgorithm =
                key.material.specification.family == .rsa ? .rsaPKCS1(.sha256) : .ecdsa(.p256)
            return text + "." + Base64.encodeURL(try key.key.sign(digest, algorithm))
        }
    }

    private static let sound = #"{"iss":"https://maa.example","exp":1800000100,"x":{"y":"z"}}"#

    private func isBelieved(
        _ token: String, by authorities: AttestationAuthorities, now: Timestamp = AttestationAuthoritiesTests.now
    ) async -> Bool {
        do {
            _ = try await authorities.verify(token, now: now)
            return true
        } catch {
            #expect(error.code == .forbiddenByVault)
            #expect(error.message.hasPrefix("Target environment attestation statement cannot be verified"))
            return false
        }
    }

    @Test("What a configured authority signed is believed, by either of its keys")
    func believed() async throws {
        let authority = try Authority()
        let authorities = authority.authorities()
        let statement = try await authorities.verify(try authority.token(Self.sound), now: Self.now)
        #expect(statement.authority == Self.issuer)
        #expect(statement.claims.value(at: ["x", "y"]) == .text("z"))
        let byCurve = try authority.token(Self.sound, header: #"{"alg":"ES256","kid":"ec"}"#, signedBy: "ec")
        #expect(await isBelieved(byCurve, by: authorities))
        for issuer in ["HTTPS://MAA.example/", "https://maa.example//"] {
            let token = try authority.token(Self.sound.replacing("https://maa.example", with: issuer))
            #expect(await isBelieved(token, by: authorities))
        }
        #expect(authority.fetchCount == 1)
    }

    @Test("Nobody is believed who is not configured")
    func noAuthority() async throws {
        let authority = try Authority()
        let none = AttestationAuthorities([], software: authority.software) { _, _ in .success([]) }
        #expect(await !isBelieved(try authority.token(Self.sound), by: none))
        for issuer in [#""https://other.example""#, #""""#, "7", "null", #"["https://maa.example"]"#] {
            let claims = #"{"iss":\#(issuer),"exp":1800000100}"#
            #expect(await !isBelieved(try authority.token(claims), by: authority.authorities()))
        }
        #expect(await !isBelieved(try authority.token(#"{"exp":1800000100}"#), by: authority.authorities()))
        #expect(authority.fetchCount == 0)
    }

    @Test(
        "A statement is believed in its time, give or take a minute",
        arguments: [
            (#""exp":1800000001"#, true), (#""exp":1799999941"#, true), (#""exp":1799999940"#, false),
            (#""exp":1"#, false), (#""exp":"1800000100""#, false), (#""exp":null"#, false), (#""x":1"#, false),
            (#""exp":1e300"#, false), (#""exp":-1e300"#, false), (#""exp":1800000100.5"#, true),
            (#""exp":1800000100,"nbf":1800000060"#, true), (#""exp":1800000100,"nbf":1800000061"#, false),
            (#""exp":1800000100,"nbf":"x""#, false), (#""exp":1800000100,"nbf":1e300"#, false),
        ])
    func time(_ members: String, _ expected: Bool) async throws {
        let authority = try Authority()
        let token = try authority.token(#"{"iss":"https://maa.example",\#(members)}"#)
        #expect(await isBelieved(token, by: authority.authorities()) == expected)
    }

    @Test("A token that is none, or of which a byte was changed, is not believed")
    func altered() async throws {
        let authority = try Authority()
        let authorities = authority.authorities()
        let token = try authority.token(Self.sound)
        let parts = token.split(separator: ".").map(String.init)
        for wrong in [
            "", ".", "..", "...", "x", "\(parts[0]).\(parts[1])", "\(parts[0]).\(parts[1]).",
            "\(parts[0])..\(parts[2])", "\(token).x", " \(token)", token + "A", String(token.dropLast()),
            "\(parts[0]).\(Base64.encodeURL(Array(Self.sound.replacing("z", with: "y").utf8))).\(parts[2])",
            String(repeating: "A", count: 70_000),
        ] { #expect(await !isBelieved(wrong, by: authorities), "\(wrong.prefix(40))") }
        #expect(await isBelieved(token, by: authorities))
    }

    @Test(
        "An algorithm is one of those that are allowed, and the key's own",
        arguments: [
            #"{"alg":"none","kid":"rsa"}"#, #"{"alg":"None"}"#, #"{"alg":"HS256","kid":"rsa"}"#,
            #"{"alg":"RS1","kid":"rsa"}"#, #"{"alg":"rs256","kid":"rsa"}"#, #"{"alg":"","kid":"rsa"}"#,
            #"{"kid":"rsa"}"#, #"{"alg":"RS256"}"#, #"{"alg":"RS256","kid":""}"#, #"{"alg":"RS256","kid":"ec"}"#,
            #"{"alg":"ES256","kid":"rsa"}"#, #"{"alg":"PS256","kid":"rsa"}"#, #"{"alg":"RS512","kid":"rsa"}"#,
            #"{"alg":"RS256","kid":"rsa","crit":["exp"]}"#, #"{"alg":"RS256","kid":"rsa","crit":[]}"#, "[]", "7",
        ])
    func algorithms(_ header: String) async throws {
        let authority = try Authority()
        #expect(await !isBelieved(try authority.token(Self.sound, header: header), by: authority.authorities()))
    }

    @Test("An unknown key has the keys fetched anew, but not at every try")
    func unknownKey() async throws {
        let authority = try Authority()
        let authorities = authority.authorities()
        let token = try authority.token(Self.sound, header: #"{"alg":"ES256","kid":"unlisted"}"#, signedBy: "unlisted")
        #expect(await !isBelieved(token, by: authorities))
        authority.publish(["rsa", "unlisted"])
        for _ in 0..<5 { #expect(await !isBelieved(token, by: authorities, now: Self.now + .seconds(29))) }
        #expect(authority.fetchCount == 1)
        #expect(await isBelieved(token, by: authorities, now: Self.now + .seconds(30)))
        #expect(authority.fetchCount == 2)
        // The key that is no longer listed is no longer believed.
        let byCurve = try authority.token(Self.sound, header: #"{"alg":"ES256","kid":"ec"}"#, signedBy: "ec")
        #expect(await !isBelieved(byCurve, by: authorities, now: Self.now + .seconds(31)))
    }

    @Test("Keys are kept for an hour")
    func kept() async throws {
        let authority = try Authority()
        let authorities = authority.authorities()
        let token = try authority.token(#"{"iss":"https://maa.example","exp":1900000000}"#)
        #expect(await isBelieved(token, by: authorities))
        #expect(await isBelieved(token, by: authorities, now: Self.now + .minutes(59)))
        #expect(authority.fetchCount == 1)
        authority.publish([])
        #expect(await !isBelieved(token, by: authorities, now: Self.now + .minutes(60)))
        #expect(authority.fetchCount == 2)
    }

    @Test("When the keys cannot be had, nothing is believed")
    func noKeys() async throws {
        let authority = try Authority()
        let token = try authority.token(Self.sound)
        for answer in ["", "{}", "[]", #"{"keys":{}}"#, #"{"keys":[]}"#, #"{"keys":[{"kid":"rsa","kty":"RSA"}]}"#] {
            authority.answer(.success(Array(answer.utf8)))
            #expect(await !isBelieved(token, by: authority.authorities()), "\(answer)")
        }
        authority.answer(.failure(VaultError(.unavailable, "away")))
        #expect(await !isBelieved(token, by: authority.authorities()))
    }
}
