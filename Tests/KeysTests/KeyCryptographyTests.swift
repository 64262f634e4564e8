import Audit
import Cryptography
import Domain
import House
import Operations
import ProviderOpenSSL
import StrongroomTesting
import Testing

/// Signing, encryption and wrapping through the dispatcher, with keys in software.
struct KeyCryptographyTests {
    private let house: TestHouse
    private let admin: Caller
    private let software: OpenSSLProvider

    init() async throws {
        house = try await TestHouse.open()
        admin = try await house.admin()
        software = try OpenSSLProvider(try CryptoEngine())
    }

    private static func digest(_ count: Int) -> [UInt8] { (0..<count).map { UInt8(truncatingIfNeeded: $0 * 7 + 1) } }

    private func use(
        _ verb: String, _ algorithm: String, _ value: [UInt8], version: String? = nil, _ more: String = "",
        by caller: Caller? = nil
    ) async throws -> Response {
        let path = version.map { "/keys/a/\($0)/\(verb)" } ?? "/keys/a/\(verb)"
        return try await (caller ?? admin).key(
            .post, path, #"{"alg":"\#(algorithm)","value":"\#(Base64.encodeURL(value))"\#(more)}"#,
            version: "2025-07-01")
    }

    private func verify(_ algorithm: String, _ digest: [UInt8], _ signature: [UInt8]) async throws -> Response {
        try await admin.key(
            .post, "/keys/a/verify",
            #"{"alg":"\#(algorithm)","digest":"\#(Base64.encodeURL(digest))","value":"\#(Base64.encodeURL(signature))"}"#
        )
    }

    // MARK: Signatures

    @Test(
        "A signature holds for the server and for whoever has the public half",
        arguments: [
            (#"{"kty":"RSA"}"#, ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "RSNULL"]),
            (#"{"kty":"EC"}"#, ["ES256"]), (#"{"kty":"EC","crv":"P-384"}"#, ["ES384"]),
            (#"{"kty":"EC","crv":"P-521"}"#, ["ES512"]), (#"{"kty":"EC","crv":"P-256K"}"#, ["ES256K"]),
            (#"{"kty":"OKP"}"#, ["EdDSA"]),
        ])
    func signs(_ body: String, _ algorithms: [String]) async throws {
        let made = try await admin.create("a", body).json["key"]
        let publicHalf = try software.openPublic(try #require(made.publicKey))
        for text in algorithms {
            let algorithm = try #require(KeyAlgorithm(text))
            let digest = Self.digest(algorithm.digestCount ?? 40)
            let signed = try await use("sign", text, digest)
            #expect(signed.status == 200, "\(signed.message)")
            #expect(signed.json["kid"] == made["kid"] && signed.json.members == ["kid", "value"])
            let signature = try #require(signed.bytes("value"))
            #expect(try publicHalf.verify(digest, signature: signature, algorithm))
            #expect(try await verify(text, digest, signature).json == .object(["value": .bool(true)]))
            var altered = signature
            altered[altered.count / 2] ^= 1
            for wrong in [altered, Array(signature.dropLast()), signature + [0], []] {
                let answer = try await verify(text, digest, wrong)
                #expect(answer.status == 200 && answer.json["value"].bool == false)
            }
            var other = digest
            other[0] ^= 1
            #expect(try await verify(text, other, signature).json["value"].bool == false)
        }
    }

    @Test("A digest has the length of its algorithm, exactly")
    func digests() async throws {
        for (body, text, count) in [
            (#"{"kty":"RSA"}"#, "RS256", 32), (#"{"kty":"RSA"}"#, "PS512", 64), (#"{"kty":"EC"}"#, "ES256", 32),
            (#"{"kty":"EC","crv":"P-521"}"#, "ES512", 64),
        ] {
            try await admin.create("a", body)
            for wrong in [0, 1, 20, count - 1, count + 1, 2 * count] {
                #expect(try await use("sign", text, Self.digest(wrong)).status == 400, "\(text) \(wrong)")
                #expect(try await verify(text, Self.digest(wrong), [1]).status == 400, "\(text) \(wrong)")
            }
        }
    }

    @Test("RSNULL takes as much as the modulus leaves, EdDSA a message of 64 KiB")
    func lengths() async throws {
        try await admin.create("a", #"{"kty":"RSA"}"#)
        #expect(try await use("sign", "RSNULL", Self.digest(245)).status == 200)
        #expect(try await use("sign", "RSNULL", Self.digest(246)).status == 400)
        try await admin.create("a", #"{"kty":"OKP"}"#)
        #expect(try await use("sign", "EdDSA", Self.digest(65_536)).status == 200)
        #expect(try await use("sign", "EdDSA", Self.digest(65_537)).status == 400)
    }

    // MARK: Encryption

    @Test(
        "RSA encrypts and wraps, and opens what a client made with the public half",
        arguments: ["RSA1_5", "RSA-OAEP", "RSA-OAEP-256"])
    func rsa(_ text: String) async throws {
        let algorithm = try #require(KeyAlgorithm(text))
        let made = try await admin.create("a", #"{"kty":"RSA"}"#).json["key"]
        let publicHalf = try software.openPublic(try #require(made.publicKey))
        for (seal, open) in [("encrypt", "decrypt"), ("wrapkey", "unwrapkey"), ("encrypt", "unwrapkey")] {
            let sealed = try await use(seal, text, [1, 2, 3])
            #expect(sealed.status == 200 && sealed.json.members == ["kid", "value"])
            let opened = try await use(open, text, try #require(sealed.bytes("value")))
            #expect(opened.json == .object(["kid": made["kid"], "value": .string("AQID")]))
            var parameters = CipherParameters()
            let theirs = try publicHalf.encrypt([4, 5], algorithm, &parameters)
            #expect(try await use(open, text, theirs).bytes("value") == [4, 5])
        }
    }

    @Test("RSA takes as much as its padding leaves")
    func capacity() async throws {
        try await admin.create("a", #"{"kty":"RSA"}"#)
        for (text, most) in [("RSA1_5", 245), ("RSA-OAEP", 214), ("RSA-OAEP-256", 190)] {
            #expect(try await use("encrypt", text, Self.digest(most)).status == 200)
            let refused = try await use("encrypt", text, Self.digest(most + 1))
            #expect(refused.status == 400 && refused.message.contains("\(most)"))
        }
    }

    @Test("Everything that does not decrypt gets one answer, whatever is wrong with it")
    func oneAnswer() async throws {
        try await admin.create("a", #"{"kty":"RSA"}"#)
        var answers: Set<String> = []
        for text in ["RSA1_5", "RSA-OAEP", "RSA-OAEP-256"] {
            let sealed = try #require(try await use("encrypt", text, [1, 2, 3]).bytes("value"))
            var altered = sealed
            altered[100] ^= 1
            for wrong in [
                altered, Array(sealed.dropLast()), sealed + [0], [], [UInt8](repeating: 0, count: 256),
                [UInt8](repeating: 0xFF, count: 256),
            ] {
                for verb in ["decrypt", "unwrapkey"] {
                    let response = try await use(verb, text, wrong)
                    #expect(response.status == 400 && response.errorCode == "BadParameter")
                    answers.insert(response.message)
                }
            }
        }
        #expect(answers.count == 1)
    }

    // MARK: What is refused

    @Test(
        "A body that breaks a rule is refused, and names what is wrong",
        arguments: [
            ("sign", "", ""), ("sign", "{}", "alg"), ("sign", #"{"alg":"RS256"}"#, "value"),
            ("sign", #"{"alg":"RS256","value":"***"}"#, "value"), ("sign", #"{"alg":"RS256","value":7}"#, "value"),
            ("sign", #"{"alg":"none","value":"AQID"}"#, "alg"), ("sign", #"{"alg":"RSA-OAEP","value":"AQID"}"#, "alg"),
            ("sign", #"{"alg":"","value":"AQID"}"#, "alg"), ("encrypt", #"{"alg":"RS256","value":"AQID"}"#, "alg"),
            ("encrypt", #"{"alg":"A128KW","value":"AQID"}"#, "alg"),
            ("wrapkey", #"{"alg":"A128GCM","value":"AQID"}"#, "alg"),
            ("encrypt", #"{"alg":"RSA-OAEP","value":"AQID","iv":"AQID"}"#, "iv"),
            ("encrypt", #"{"alg":"RSA-OAEP","value":"AQID","aad":"AQID"}"#, "aad"),
            ("decrypt", #"{"alg":"RSA-OAEP","value":"AQID","tag":"AQID"}"#, "tag"),
            ("verify", #"{"alg":"RS256","value":"AQID"}"#, "digest"),
            ("verify", #"{"alg":"RS256","digest":"AQID"}"#, "value"),
            ("encrypt", #"{"alg":"A128GCM","value":"AQID"}"#, "A128GCM"),
            ("sign", #"{"alg":"ES256","value":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}"#, "ES256"),
        ])
    func bodies(_ verb: String, _ body: String, _ word: String) async throws {
        try await admin.create("a", #"{"kty":"RSA"}"#)
        let response = try await admin.key(.post, "/keys/a/\(verb)", body)
        #expect(response.status == 400 && response.errorCode == "BadParameter", "\(response.status)")
        #expect(response.message.contains(word), "\(response.message)")
    }

    @Test("A key that is not there, or not in this version, is not found")
    func absent() async throws {
        try await admin.create("b")
        #expect(try await use("sign", "ES256", Self.digest(32)).errorCode == "KeyNotFound")
        try await admin.create("a")
        let version = String(repeating: "0", count: 32)
        #expect(try await use("sign", "ES256", Self.digest(32), version: version).errorCode == "KeyNotFound")
        #expect(try await use("sign", "ES256", Self.digest(32), version: "nonsense").status == 400)
    }

    @Test("A key does what its operations list and nothing else")
    func permitted() async throws {
        let verbs = ["encrypt", "decrypt", "sign", "verify", "wrapKey", "unwrapKey"]
        let sealed = Self.digest(256)
        for allowed in verbs {
            try await admin.create("a", #"{"kty":"RSA","key_ops":["\#(allowed)"]}"#)
            for verb in verbs {
                let response =
                    verb == "verify"
                    ? try await verify("RS256", Self.digest(32), sealed)
                    : try await use(
                        verb.lowercased(), verb == "sign" ? "RS256" : "RSA-OAEP",
                        verb.hasSuffix("ecrypt") || verb == "unwrapKey" ? sealed : Self.digest(32))
                if verb == allowed {
                    #expect(response.status != 403, "\(verb)")
                } else {
                    #expect(
                        response.status == 403 && response.errorCode == "Forbidden/KeyOperationForbidden", "\(verb)")
                }
            }
        }
    }

    @Test("A disabled key is used for nothing, whichever version is asked for")
    func disabled() async throws {
        let first = try await admin.create("a").keyVersion
        try await admin.create("a")
        _ = try await admin.key(.patch, "/keys/a/\(first)", #"{"attributes":{"enabled":false}}"#)
        #expect(try await use("sign", "ES256", Self.digest(32)).status == 200)
        let refused = try await use("sign", "ES256", Self.digest(32), version: first)
        #expect(refused.status == 403 && refused.errorCode == "Forbidden/KeyDisabled")
        #expect(try await verify("ES256", Self.digest(32), Self.digest(64)).status == 200)
        _ = try await admin.key(.patch, "/keys/a", #"{"attributes":{"enabled":false}}"#)
        #expect(try await verify("ES256", Self.digest(32), Self.digest(64)).errorCode == "Forbidden/KeyDisabled")
        #expect(try await admin.key(.get, "/keys/a").status == 200)
        _ = try await admin.key(.patch, "/keys/a", #"{"attributes":{"enabled":true}}"#)
        #expect(try await use("sign", "ES256", Self.digest(32)).status == 200)
    }

    @Test("Outside its time a key undoes what was done and does nothing new, with two minutes for clocks that differ")
    func window() async throws {
        try await admin.create("a", #"{"kty":"RSA","attributes":{"nbf":\#(start + 1_000),"exp":\#(start + 2_000)}}"#)
        var sealed = Self.digest(256)
        func expect(_ code: String?, sourceLocation: SourceLocation = #_sourceLocation) async throws {
            for (verb, text) in [("sign", "RS256"), ("encrypt", "RSA-OAEP"), ("wrapkey", "RSA-OAEP")] {
                let response = try await use(verb, text, Self.digest(32))
                #expect(response.errorCode == code.map { "Forbidden/" + $0 }, sourceLocation: sourceLocation)
                if verb == "encrypt", let made = response.bytes("value") { sealed = made }
            }
            for verb in ["decrypt", "unwrapkey"] {
                #expect(try await use(verb, "RSA-OAEP", sealed).status != 403, sourceLocation: sourceLocation)
            }
            #expect(
                try await verify("RS256", Self.digest(32), sealed).status == 200, sourceLocation: sourceLocation)
        }
        func at(_ seconds: Int64) { house.clock.setWall(Timestamp(epochSeconds: start + seconds)) }
        at(0)
        try await expect("KeyNotYetValid")
        at(879)
        try await expect("KeyNotYetValid")
        at(880)
        try await expect(nil)
        at(1_999)
        try await expect(nil)
        at(2_119)
        try await expect(nil)
        at(2_120)
        try await expect("KeyExpired")
        #expect(try await use("decrypt", "RSA-OAEP", sealed).bytes("value") == Self.digest(32))
    }

    @Test("Each version has a key of its own")
    func versions() async throws {
        let first = try await admin.create("a")
        let second = try await admin.create("a")
        let digest = Self.digest(32)
        for made in [first, second] {
            let signed = try await use("sign", "ES256", digest, version: made.keyVersion)
            #expect(signed.json["kid"] == made.json["key"]["kid"])
            let signature = try #require(signed.bytes("value"))
            for other in [first, second] {
                let publicHalf = try software.openPublic(try #require(other.json["key"].publicKey))
                #expect(
                    try publicHalf.verify(digest, signature: signature, .ecdsa(.p256))
                        == (other.keyVersion == made.keyVersion))
            }
        }
        #expect(try await use("sign", "ES256", digest).json["kid"] == second.json["key"]["kid"])
    }

    @Test("A key works over a restart, from the records alone")
    func restart() async throws {
        try await admin.create("a", #"{"kty":"RSA"}"#)
        let sealed = try #require(try await use("encrypt", "RSA-OAEP", [7]).bytes("value"))
        let again = try await house.reopened()
        let opened = try await use("decrypt", "RSA-OAEP", sealed, by: try await again.admin())
        #expect(opened.bytes("value") == [7])
    }

    // MARK: Who may

    @Test("Who may only read a key may use its public half")
    func readers() async throws {
        try await admin.create("a", #"{"kty":"RSA"}"#)
        let reader = try await house.caller("reader", roles: ["Key Vault Reader"])
        let user = try await house.caller("user", roles: ["Key Vault Crypto User"])
        let stranger = try await house.caller("stranger", roles: ["Key Vault Secrets Officer"])
        let digest = Self.digest(32)
        for (verb, text, value, isPublic) in [
            ("encrypt", "RSA-OAEP", digest, true), ("wrapkey", "RSA-OAEP", digest, true),
            ("sign", "RS256", digest, false), ("decrypt", "RSA-OAEP", Self.digest(256), false),
            ("unwrapkey", "RSA-OAEP", Self.digest(256), false),
        ] {
            #expect(try await (use(verb, text, value, by: reader).status == 403) == !isPublic, "\(verb)")
            #expect(try await use(verb, text, value, by: user).status != 403, "\(verb)")
            #expect(try await use(verb, text, value, by: stranger).status == 403, "\(verb)")
        }
        let refused = try await use("sign", "RS256", digest, by: reader)
        #expect(refused.errorCode == "Forbidden/ForbiddenByRbac")
    }

    @Test("Every use is on record with the version that was used, and the record shows nothing of it")
    func recorded() async throws {
        let made = try await admin.create("a", #"{"kty":"RSA"}"#).json["key"]
        let text = Array("hush hush hush hush hush hush 32".utf8)
        let sealed = try #require(try await use("encrypt", "RSA-OAEP", text).bytes("value"))
        _ = try await use("decrypt", "RSA-OAEP", sealed)
        _ = try await use("decrypt", "RSA-OAEP", Self.digest(256))
        _ = try await use("sign", "RS256", text)
        for (name, statuses) in [
            ("KeyEncrypt", [200]), ("KeyDecrypt", [200, 400]), ("KeySign", [200]),
        ] as [(String, [UInt16])] {
            let events = try house.events(name)
            #expect(events.map(\.status) == statuses)
            #expect(events.allSatisfy { $0.objectID == made["kid"].string })
            #expect(events.allSatisfy { !"\($0)".contains("hush") })
        }
        #expect(try house.audit().report.fault == nil)
    }
}
