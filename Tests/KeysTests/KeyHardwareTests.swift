import Cryptography
import Domain
import House
import Operations
import ProviderOpenSSL
import StrongroomTesting
import Testing

/// Keys in a hardware security module, through the dispatcher: a premium vault and a pool on a real token.
struct KeyHardwareTests {
    private let hardware: HardwareHouse
    private let admin: Caller
    private let software: OpenSSLProvider

    init() async throws {
        hardware = try await HardwareHouse.shared
        admin = try hardware.admin()
        software = try OpenSSLProvider(try CryptoEngine())
    }

    private func use(_ name: String, _ verb: String, _ body: String, on host: String = HardwareHouse.pool) async throws
        -> Response
    {
        try await admin.key(.post, "/keys/\(name)/\(verb)", body, on: host, version: "2025-07-01")
    }

    private static func text(_ count: Int) -> String {
        Base64.encodeURL((0..<count).map { UInt8(truncatingIfNeeded: $0 + 1) })
    }

    // MARK: Where keys go

    @Test(
        "A pool holds every key in the module, a premium vault those that ask for it",
        arguments: [
            (#"{"kty":"RSA"}"#, "RSA-HSM", "RSA"), (#"{"kty":"RSA-HSM"}"#, "RSA-HSM", "RSA-HSM"),
            (#"{"kty":"EC","crv":"P-521"}"#, "EC-HSM", "EC"), (#"{"kty":"EC-HSM","crv":"P-256K"}"#, "EC-HSM", "EC-HSM"),
            (#"{"kty":"oct","key_size":128}"#, "oct-HSM", nil), (#"{"kty":"oct-HSM"}"#, "oct-HSM", "oct-HSM"),
            (#"{"kty":"OKP"}"#, "OKP-HSM", "OKP"),
        ] as [(String, String, String?)])
    func placed(_ body: String, _ inPool: String, _ inVault: String?) async throws {
        let name = "placed-\(inPool)-\(inVault ?? "none")-\(body.count)"
        let pool = try await admin.create(name, body, on: HardwareHouse.pool, version: "7.5")
        #expect(pool.status == 200, "\(pool.message)")
        #expect(pool.json["key"]["kty"].string == inPool)
        #expect(pool.json["attributes"]["hsmPlatform"].string == "2")
        #expect(pool.json["key"]["kid"].string?.hasPrefix("https://pool.managedhsm.localhost:8443/keys/") == true)
        #expect(pool.json["key"]["k"] == .null)
        let vault = try await admin.create(name, body, on: HardwareHouse.premium, version: "7.5")
        #expect(vault.status == (inVault == nil ? 400 : 200), "\(vault.message)")
        if let inVault {
            #expect(vault.json["key"]["kty"].string == inVault)
            #expect(vault.json["attributes"]["hsmPlatform"].string == (inVault.hasSuffix("-HSM") ? "2" : "0"))
        }
        let standard = try await admin.create(name, body)
        #expect(standard.status == (inVault.map { !$0.hasSuffix("-HSM") } == true ? 200 : 400))
    }

    @Test("A pool takes a public exponent")
    func exponent() async throws {
        let made = try await admin.create(
            "exponent", #"{"kty":"RSA-HSM","public_exponent":17}"#, on: HardwareHouse.pool)
        guard case .rsa(_, let e)? = made.json["key"].publicKey else {
            Issue.record("\(made.message)")
            return
        }
        #expect(e == [17])
        for wrong in ["0", "1", "2", "4", "65536", "4294967296", "-3"] {
            let response = try await admin.create(
                "exponent", #"{"kty":"RSA-HSM","public_exponent":\#(wrong)}"#, on: HardwareHouse.pool)
            #expect(response.status == 400, "\(wrong)")
        }
        // Rotation keeps it.
        _ = try await admin.setPolicy(
            "exponent", #"{"lifetimeActions":[],"attributes":{"expiryTime":"P90D"}}"#, on: HardwareHouse.pool)
        let rotated = try await admin.key(.post, "/keys/exponent/rotate", on: HardwareHouse.pool)
        guard case .rsa(_, let again)? = rotated.json["key"].publicKey else {
            Issue.record("\(rotated.message)")
            return
        }
        #expect(again == [17])
    }

    @Test("A key that comes in from outside goes into the module where it is asked to")
    func imports() async throws {
        let target = try software.generate(.ec(.p256), publicExponent: 65_537, id: [], isExportable: false)
        guard case .ec(_, let x, let y) = target.publicKey else { return }
        // The private number follows the header of PKCS #8 around SEC 1 (RFC 5915 §3).
        let d = target.reference.withUnsafeBytes { Array($0[36..<68]) }
        func body(_ type: String, _ more: String = "") -> String {
            #"{"key":{"kty":"\#(type)","crv":"P-256","x":"\#(Base64.encodeURL(x))","y":"\#(Base64.encodeURL(y))","d":"\#(Base64.encodeURL(d))"}\#(more)}"#
        }
        for (host, body, type) in [
            (HardwareHouse.pool, body("EC"), "EC-HSM"), (HardwareHouse.pool, body("EC-HSM"), "EC-HSM"),
            (HardwareHouse.premium, body("EC"), "EC"), (HardwareHouse.premium, body("EC-HSM"), "EC-HSM"),
            (HardwareHouse.premium, body("EC", #","Hsm":true"#), "EC-HSM"),
        ] {
            let made = try await admin.key(.put, "/keys/imported-\(type)", body, on: host)
            #expect(made.status == 200 && made.json["key"]["kty"].string == type, "\(made.message)")
            #expect(made.json["key"].publicKey == target.publicKey)
            let signed = try await use(
                "imported-\(type)", "sign", #"{"alg":"ES256","value":"\#(Self.text(32))"}"#, on: host)
            let digest = try #require(Base64.decodeURL(Self.text(32)))
            #expect(
                try software.openPublic(target.publicKey).verify(
                    digest, signature: try #require(signed.bytes("value")), .ecdsa(.p256)))
        }
        // A symmetric key is the same inside: both sides wrap alike.
        let oct = #"{"key":{"kty":"oct","k":"\#(Self.text(32))"}}"#
        let made = try await admin.key(.put, "/keys/imported-oct", oct, on: HardwareHouse.pool)
        #expect(made.json["key"]["kty"].string == "oct-HSM" && made.json["key"]["k"] == .null, "\(made.message)")
        let wrapped = try await use("imported-oct", "wrapkey", #"{"alg":"A256KW","value":"\#(Self.text(24))"}"#)
        var parameters = CipherParameters()
        let expected = try software.ephemeral(SensitiveBytes(try #require(Base64.decodeURL(Self.text(32))))).encrypt(
            try #require(Base64.decodeURL(Self.text(24))), .aesKW(bits: 256), &parameters)
        #expect(wrapped.bytes("value") == expected)
        // One for HMAC says so.
        for (list, status) in [
            ("", 400), (#","key_ops":["sign","encrypt"]"#, 400), (#","key_ops":["sign","verify"]"#, 200),
        ]
            as [(String, UInt16)]
        {
            let oct = #"{"key":{"kty":"oct","k":"\#(Self.text(64))"\#(list)}}"#
            #expect(
                try await admin.key(.put, "/keys/imported-hmac", oct, on: HardwareHouse.pool).status == status,
                "\(list)")
        }
        for wrong in [1, 15, 33, 65] {
            let oct = #"{"key":{"kty":"oct","k":"\#(Self.text(wrong))"}}"#
            #expect(
                try await admin.key(.put, "/keys/imported-x", oct, on: HardwareHouse.pool).status == 400, "\(wrong)")
        }
    }

    // MARK: Symmetric keys

    @Test("AES-GCM draws its nonce, gives its tag, and opens nothing that was changed", arguments: [128, 192, 256])
    func gcm(_ bits: Int) async throws {
        let name = "gcm-\(bits)"
        try await admin.create(name, #"{"kty":"oct-HSM","key_size":\#(bits)}"#, on: HardwareHouse.pool)
        let text = Self.text(33)
        let sealed = try await use(name, "encrypt", #"{"alg":"A\#(bits)GCM","value":"\#(text)","aad":"AQID"}"#)
        #expect(sealed.json.members == ["kid", "value", "iv", "tag", "aad"])
        #expect(sealed.bytes("iv")?.count == 12 && sealed.bytes("tag")?.count == 16)
        #expect(sealed.json["aad"].string == "AQID")
        func open(_ change: (inout [String: String]) -> Void = { _ in }) async throws -> Response {
            var members = ["alg": "A\(bits)GCM", "aad": "AQID"]
            for name in ["value", "iv", "tag"] { members[name] = sealed.json[name].string }
            change(&members)
            let body = "{" + members.map { "\"\($0.key)\":\"\($0.value)\"" }.joined(separator: ",") + "}"
            return try await use(name, "decrypt", body)
        }
        #expect(try await open().json["value"].string == text)
        let messages = try await [
            open { $0["aad"] = nil }, open { $0["aad"] = "AQIE" }, open { $0["tag"] = Self.text(16) },
            open { $0["iv"] = Self.text(12) }, open { $0["value"] = Self.text(33) }, open { $0["value"] = "" },
        ].map { response in
            #expect(response.status == 400)
            return response.message
        }
        #expect(Set(messages).count == 1)
        for (name, value) in [("iv", "AQID"), ("tag", "AQID"), ("iv", ""), ("tag", "")] {
            let response = try await open { $0[name] = value }
            #expect(response.status == 400 && response.message.contains(name))
        }
        for extra in [#","iv":"\#(Self.text(12))""#, #","tag":"\#(Self.text(16))""#] {
            #expect(
                try await use(name, "encrypt", #"{"alg":"A\#(bits)GCM","value":"AQID"\#(extra)}"#).status == 400)
        }
        let other = bits == 128 ? 256 : 128
        #expect(try await use(name, "encrypt", #"{"alg":"A\#(other)GCM","value":"AQID"}"#).status == 400)
    }

    @Test("AES-CBC asks for its iv, and for whole blocks without padding")
    func cbc() async throws {
        try await admin.create("cbc", #"{"kty":"oct-HSM","key_size":256}"#, on: HardwareHouse.pool)
        let iv = Self.text(16)
        for (algorithm, count, status) in [
            ("A256CBC", 32, 200), ("A256CBC", 31, 400), ("A256CBC", 0, 400), ("A256CBCPAD", 32, 200),
            ("A256CBCPAD", 31, 200), ("A256CBCPAD", 0, 200), ("A128CBC", 32, 400),
        ] as [(String, Int, UInt16)] {
            let body = #"{"alg":"\#(algorithm)","value":"\#(Self.text(count))","iv":"\#(iv)"}"#
            let sealed = try await use("cbc", "encrypt", body)
            #expect(sealed.status == status, "\(algorithm) \(count): \(sealed.message)")
            guard status == 200 else { continue }
            #expect(sealed.json["iv"].string == iv && sealed.json.members == ["kid", "value", "iv"])
            let opened = try await use(
                "cbc", "decrypt",
                #"{"alg":"\#(algorithm)","value":"\#(sealed.json["value"].string ?? "")","iv":"\#(iv)"}"#)
            #expect(opened.json["value"].string == Self.text(count))
        }
        for extra in ["", #","iv":"AQID""#, #","iv":"\#(iv)","aad":"AQID""#, #","iv":"\#(iv)","tag":"AQID""#] {
            #expect(
                try await use("cbc", "encrypt", #"{"alg":"A256CBC","value":"\#(Self.text(16))"\#(extra)}"#).status
                    == 400)
        }
    }

    @Test("Key wrap takes whole blocks of 8, and with padding anything")
    func wrap() async throws {
        try await admin.create("wrap", #"{"kty":"oct-HSM","key_size":256}"#, on: HardwareHouse.pool)
        for (algorithm, count, status) in [
            ("A256KW", 16, 200), ("A256KW", 32, 200), ("A256KW", 8, 400), ("A256KW", 17, 400), ("A256KW", 0, 400),
            ("CKM_AES_KEY_WRAP", 24, 200), ("CKM_AES_KEY_WRAP_PAD", 1, 200), ("CKM_AES_KEY_WRAP_PAD", 23, 200),
            ("CKM_AES_KEY_WRAP_PAD", 0, 400), ("A128KW", 16, 400),
        ] as [(String, Int, UInt16)] {
            let wrapped = try await use(
                "wrap", "wrapkey", #"{"alg":"\#(algorithm)","value":"\#(Self.text(count))"}"#)
            #expect(wrapped.status == status, "\(algorithm) \(count): \(wrapped.message)")
            guard status == 200, let bytes = wrapped.bytes("value") else { continue }
            let opened = try await use(
                "wrap", "unwrapkey", #"{"alg":"\#(algorithm)","value":"\#(Base64.encodeURL(bytes))"}"#)
            #expect(opened.json["value"].string == Self.text(count))
            var altered = bytes
            altered[3] ^= 1
            let refused = try await use(
                "wrap", "unwrapkey", #"{"alg":"\#(algorithm)","value":"\#(Base64.encodeURL(altered))"}"#)
            #expect(refused.status == 400 && refused.errorCode == "BadParameter")
        }
    }

    @Test("A symmetric key signs where its operations say so, with the hash of its size")
    func hmac() async throws {
        for (bits, algorithm, count) in [(256, "HS256", 32), (384, "HS384", 48), (512, "HS512", 64)] {
            let made = try await admin.create(
                "hmac-\(bits)", #"{"kty":"oct-HSM","key_size":\#(bits),"key_ops":["sign","verify"]}"#,
                on: HardwareHouse.pool)
            #expect(made.status == 200, "\(made.message)")
            let signed = try await use(
                "hmac-\(bits)", "sign", #"{"alg":"\#(algorithm)","value":"\#(Self.text(count))"}"#)
            #expect(signed.bytes("value")?.count == count)
            let body =
                #"{"alg":"\#(algorithm)","digest":"\#(Self.text(count))","value":"\#(signed.json["value"].string ?? "")"}"#
            #expect(try await use("hmac-\(bits)", "verify", body).json["value"].bool == true)
            let wrong = #"{"alg":"\#(algorithm)","digest":"\#(Self.text(count))","value":"\#(Self.text(count))"}"#
            #expect(try await use("hmac-\(bits)", "verify", wrong).json["value"].bool == false)
        }
        let tooLong = try await admin.create(
            "hmac-x", #"{"kty":"oct-HSM","key_size":512,"key_ops":["encrypt"]}"#, on: HardwareHouse.pool)
        #expect(tooLong.status == 400 && tooLong.message.contains("key_size"))
    }

    @Test("Who may only read a symmetric key cannot use it at all")
    func auditor() async throws {
        try await admin.create("audited", #"{"kty":"oct-HSM"}"#, on: HardwareHouse.pool)
        try await admin.create("audited-ec", #"{"kty":"EC-HSM"}"#, on: HardwareHouse.pool)
        let client = Client(try await hardware.house.house.makeClient(named: "auditor", roles: []))
        try await hardware.house.house.grantInPools(["Managed HSM Crypto Auditor"], to: client.objectID)
        let auditor = try Caller(client, in: hardware.house)
        let body = #"{"alg":"CKM_AES_KEY_WRAP","value":"\#(Self.text(16))"}"#
        let refused = try await auditor.key(
            .post, "/keys/audited/wrapkey", body, on: HardwareHouse.pool, version: "7.6")
        #expect(refused.status == 403 && refused.errorCode == "Forbidden/ForbiddenByRbac")
        #expect(refused.message.contains("Microsoft.KeyVault/managedHsm/keys/wrap/action"))
        #expect(try await auditor.key(.get, "/keys/audited", on: HardwareHouse.pool).status == 200)
        let verify = #"{"alg":"ES256","digest":"\#(Self.text(32))","value":"\#(Self.text(64))"}"#
        #expect(
            try await auditor.key(.post, "/keys/audited-ec/verify", verify, on: HardwareHouse.pool).status == 200)
        #expect(try await auditor.key(.delete, "/keys/audited", on: HardwareHouse.pool).status == 403)
    }

    // MARK: Pools

    @Test("A pool wants a policy before it rotates, has no notice, and no more than 28 days' haste")
    func rotation() async throws {
        try await admin.create("rotated", #"{"kty":"EC-HSM"}"#, on: HardwareHouse.pool)
        let policy = try await admin.key(.get, "/keys/rotated/rotationpolicy", on: HardwareHouse.pool)
        #expect(policy.status == 200 && policy.json["lifetimeActions"].array.isEmpty)
        #expect(try await admin.key(.post, "/keys/rotated/rotate", on: HardwareHouse.pool).status == 400)
        for (body, status) in [
            (#"{"lifetimeActions":[{"trigger":{"timeAfterCreate":"P27D"},"action":{"type":"Rotate"}}]}"#, 400),
            (#"{"lifetimeActions":[{"trigger":{"timeBeforeExpiry":"P30D"},"action":{"type":"Notify"}}]}"#, 400),
            (
                #"{"lifetimeActions":[{"trigger":{"timeAfterCreate":"P28D"},"action":{"type":"Rotate"}}],"attributes":{"expiryTime":"P90D"}}"#,
                200
            ),
        ] as [(String, UInt16)] {
            #expect(
                try await admin.setPolicy("rotated", body, on: HardwareHouse.pool).status == status, "\(body)")
        }
        let rotated = try await admin.key(.post, "/keys/rotated/rotate", on: HardwareHouse.pool)
        #expect(rotated.status == 200 && rotated.json["key"]["kty"].string == "EC-HSM")
        #expect(rotated.json["attributes"]["exp"].integer == start + 90 * day)
    }

    @Test("A key of a pool has at most a hundred versions")
    func mostVersions() async throws {
        for _ in 0..<100 {
            #expect(
                try await admin.create("many", #"{"kty":"oct-HSM","key_size":128}"#, on: HardwareHouse.pool).status
                    == 200)
        }
        let refused = try await admin.create("many", #"{"kty":"oct-HSM"}"#, on: HardwareHouse.pool)
        #expect(refused.status == 400 && refused.message.contains("100"))
        #expect(try await admin.versions(of: "many", on: HardwareHouse.pool).count == 25)
    }

    @Test("A pool serves keys and nothing of vaults")
    func onlyKeys() async throws {
        #expect(try await admin.send(.get, "/secrets", on: HardwareHouse.pool).status == 404)
        #expect(try await admin.send(.put, "/secrets/a", #"{"value":"x"}"#, on: HardwareHouse.pool).status == 404)
        #expect(try await admin.key(.get, "/keys", on: "absent.managedhsm.localhost").status == 404)
    }

    @Test("A pool gives random bytes, 1 to 128, and a vault none")
    func random() async throws {
        for count in [1, 32, 128] {
            let response = try await admin.key(.post, "/rng", #"{"count":\#(count)}"#, on: HardwareHouse.pool)
            #expect(response.bytes("value")?.count == count)
        }
        for wrong in ["0", "129", "-1", "1.5", "null", #""8""#] {
            let response = try await admin.key(.post, "/rng", #"{"count":\#(wrong)}"#, on: HardwareHouse.pool)
            #expect(response.status == 400, "\(wrong)")
        }
        #expect(try await admin.key(.post, "/rng", #"{"count":8}"#, on: HardwareHouse.premium).status == 404)
    }

    // MARK: Backup

    @Test("A key in the module is backed up and restored, works, and goes only where it can")
    func backup() async throws {
        for name in ["backup-ec", "backup-oct"] {
            let body = name == "backup-ec" ? #"{"kty":"EC-HSM"}"# : #"{"kty":"oct-HSM"}"#
            for _ in 0..<2 { try await admin.create(name, body, on: HardwareHouse.pool) }
            let made = try await admin.key(.get, "/keys/\(name)", on: HardwareHouse.pool)
            let versions = try await admin.key(.get, "/keys/\(name)/versions", on: HardwareHouse.pool).json["value"]
                .array
            let blob = try #require(
                try await admin.key(.post, "/keys/\(name)/backup", on: HardwareHouse.pool).json["value"].string)
            let restore = #"{"value":"\#(blob)"}"#
            // From a pool into a pool, not into a vault.
            #expect(try await admin.key(.post, "/keys/restore", restore, on: HardwareHouse.premium).status == 400)
            #expect(try await admin.key(.post, "/keys/restore", restore, on: HardwareHouse.pool).status == 409)
            let second = "second.managedhsm.localhost"
            let there = try await admin.key(.post, "/keys/restore", restore, on: second)
            #expect(there.status == 200, "\(there.message)")
            #expect(there.json["key"].publicKey == made.json["key"].publicKey)
            // The same versions are now twice in the module, under one identifier each: removing one must leave the other working.
            _ = try await admin.key(.delete, "/keys/\(name)", on: HardwareHouse.pool)
            #expect(try await admin.key(.delete, "/deletedkeys/\(name)", on: HardwareHouse.pool).status == 204)
            let (verb, body2) =
                name == "backup-ec"
                ? ("sign", #"{"alg":"ES256","value":"\#(Self.text(32))"}"#)
                : ("wrapkey", #"{"alg":"A256KW","value":"\#(Self.text(32))"}"#)
            for version in versions {
                let id = version["kid"].string?.split(separator: "/").last ?? ""
                let used = try await admin.key(.post, "/keys/\(name)/\(id)/\(verb)", body2, on: second, version: "7.6")
                #expect(used.status == 200, "\(used.message)")
            }
            let again = try await admin.key(.post, "/keys/restore", restore, on: HardwareHouse.pool)
            #expect(again.status == 200)
            #expect(try await use(name, verb, body2).status == 200)
        }
    }

    @Test("A vault's key in the module goes to a premium vault and not to a standard one")
    func vaultBackup() async throws {
        try await admin.create("vault-backup", #"{"kty":"EC-HSM"}"#, on: HardwareHouse.premium)
        let blob = try #require(
            try await admin.key(.post, "/keys/vault-backup/backup", on: HardwareHouse.premium).json["value"].string)
        let restore = #"{"value":"\#(blob)"}"#
        #expect(try await admin.key(.post, "/keys/restore", restore).status == 400)
        #expect(try await admin.key(.post, "/keys/restore", restore, on: HardwareHouse.pool).status == 400)
        _ = try await admin.key(.delete, "/keys/vault-backup", on: HardwareHouse.premium)
        _ = try await admin.key(.delete, "/deletedkeys/vault-backup", on: HardwareHouse.premium)
        #expect(try await admin.key(.post, "/keys/restore", restore, on: HardwareHouse.premium).status == 200)
        let body = #"{"alg":"ES256","value":"\#(Self.text(32))"}"#
        #expect(try await use("vault-backup", "sign", body, on: HardwareHouse.premium).status == 200)
    }

    // MARK: Exportable keys

    private static let policy = Base64.encodeURL(
        Array(
            #"{"version":"1.0.0","anyOf":[{"authority":"https://maa.example","allOf":[{"claim":"x","equals":1}]}]}"#
                .utf8))

    @Test("An exportable key and its policy come together, and stay together")
    func exportable() async throws {
        let both =
            #"{"kty":"RSA-HSM","key_ops":["sign","export"],"attributes":{"exportable":true},"release_policy":{"data":"\#(Self.policy)"}}"#
        let made = try await admin.create("exportable", both, on: HardwareHouse.premium)
        #expect(made.status == 200, "\(made.message)")
        #expect(made.json["attributes"]["exportable"].bool == true)
        #expect(made.json["release_policy"]["data"].string == Self.policy)
        #expect(made.json["release_policy"]["contentType"].string == "application/json; charset=utf-8")
        #expect(made.json["release_policy"]["immutable"].bool == false)
        for body in [
            #"{"kty":"RSA-HSM","attributes":{"exportable":true}}"#,
            #"{"kty":"RSA-HSM","release_policy":{"data":"\#(Self.policy)"}}"#,
            #"{"kty":"RSA","attributes":{"exportable":true},"release_policy":{"data":"\#(Self.policy)"}}"#,
            #"{"kty":"RSA-HSM","attributes":{"exportable":true},"release_policy":{"data":"e30"}}"#,
            #"{"kty":"RSA-HSM","attributes":{"exportable":true},"release_policy":{"data":"***"}}"#,
            #"{"kty":"RSA-HSM","attributes":{"exportable":true},"release_policy":{}}"#,
            #"{"kty":"RSA-HSM","key_ops":["export"]}"#,
        ] { #expect(try await admin.create("refused", body, on: HardwareHouse.premium).status == 400, "\(body)") }
        let off = try await admin.key(
            .patch, "/keys/exportable", #"{"attributes":{"exportable":false}}"#, on: HardwareHouse.premium)
        #expect(off.status == 400)
        // Immutable is for ever.
        let sealed = #"{"release_policy":{"data":"\#(Self.policy)","immutable":true}}"#
        #expect(try await admin.key(.patch, "/keys/exportable", sealed, on: HardwareHouse.premium).status == 200)
        #expect(try await admin.key(.patch, "/keys/exportable", sealed, on: HardwareHouse.premium).status == 200)
        let other = Self.policy.replacing("MSJ", with: "MSJ")
        for body in [
            #"{"release_policy":{"data":"\#(other)","immutable":false}}"#, #"{"release_policy":{"data":"\#(other)"}}"#,
        ] {
            #expect(try await admin.key(.patch, "/keys/exportable", body, on: HardwareHouse.premium).status == 400)
        }
        #expect(
            try await admin.key(.get, "/keys/exportable", on: HardwareHouse.premium).json["release_policy"]["immutable"]
                .bool == true)
    }

    @Test("A key is released to nobody without a trusted statement, and not at all unless it is exportable")
    func release() async throws {
        try await admin.create("kept", #"{"kty":"EC-HSM"}"#, on: HardwareHouse.premium)
        try await admin.create(
            "given",
            #"{"kty":"EC-HSM","attributes":{"exportable":true},"release_policy":{"data":"\#(Self.policy)"}}"#,
            on: HardwareHouse.premium)
        for (name, body, status) in [
            ("kept", #"{"target":"x.y.z"}"#, 403), ("given", #"{"target":"x.y.z"}"#, 403), ("given", "{}", 400),
            ("given", #"{"target":""}"#, 400), ("given", #"{"target":"x","enc":"NONE"}"#, 400),
            ("absent", #"{"target":"x"}"#, 404),
        ] as [(String, String, UInt16)] {
            let response = try await admin.key(
                .post, "/keys/\(name)/release", body, on: HardwareHouse.premium)
            #expect(response.status == status, "\(name) \(body)")
        }
        let refused = try await admin.key(
            .post, "/keys/given/release", #"{"target":"x.y.z"}"#, on: HardwareHouse.premium)
        #expect(refused.message.hasPrefix("Target environment attestation statement cannot be verified"))
        _ = try await admin.key(
            .patch, "/keys/given", #"{"attributes":{"enabled":false}}"#, on: HardwareHouse.premium)
        let disabled = try await admin.key(
            .post, "/keys/given/release", #"{"target":"x.y.z"}"#, on: HardwareHouse.premium)
        #expect(disabled.errorCode == "Forbidden/KeyDisabled")
    }

    // MARK: Attestation

    @Test("An attestation says where a key is, and a plain look says nothing of it")
    func attestation() async throws {
        for (name, body, isAsymmetric) in [
            ("attested-ec", #"{"kty":"EC-HSM"}"#, true), ("attested-oct", #"{"kty":"oct-HSM"}"#, false),
        ] {
            try await admin.create(name, body, on: HardwareHouse.pool)
            let attested = try await admin.key(
                .get, "/keys/\(name)/attestation", on: HardwareHouse.pool, version: "2025-07-01")
            #expect(attested.status == 200, "\(attested.message)")
            let attestation = attested.json["attributes"]["attestation"]
            #expect(attestation.members.contains("publicKeyAttestation") == isAsymmetric)
            let statement = try #require(
                attestation["privateKeyAttestation"].string.flatMap { Base64.decodeURL($0) })
            let parts = statement.split(separator: UInt8(ascii: "."))
            let claims = try JSON(try #require(Base64.decodeURL(parts[1])))
            #expect(claims["attributes"]["CKA_EXTRACTABLE"].bool == false)
            #expect(claims["attributes"]["CKA_SENSITIVE"].bool == true)
            #expect(claims["kid"] == attested.json["key"]["kid"])
            let plain = try await admin.key(.get, "/keys/\(name)", on: HardwareHouse.pool, version: "2025-07-01")
            #expect(plain.json["attributes"]["attestation"] == .null)
        }
        try await admin.create("in-software", on: HardwareHouse.premium)
        let refused = try await admin.key(
            .get, "/keys/in-software/attestation", on: HardwareHouse.premium, version: "2025-07-01")
        #expect(refused.status == 400)
    }
}
