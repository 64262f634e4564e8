import Audit
import Cryptography
import Domain
import House
import Operations
import ProviderOpenSSL
import StrongroomTesting
import Testing

struct KeyCreateTests {
    private let house: TestHouse
    private let admin: Caller

    init() async throws {
        house = try await TestHouse.open()
        admin = try await house.admin()
    }

    @Test(
        "A key is made as asked, with the service's defaults",
        arguments: [
            (#"{"kty":"RSA"}"#, .rsa(bits: 2_048)), (#"{"kty":"rsa","key_size":3072}"#, .rsa(bits: 3_072)),
            (#"{"kty":"RSA","key_size":2048,"public_exponent":65537}"#, .rsa(bits: 2_048)),
            (#"{"kty":"EC"}"#, .ec(.p256)), (#"{"kty":"EC","crv":"P-384"}"#, .ec(.p384)),
            (#"{"kty":"EC","crv":"p-521","key_size":521}"#, .ec(.p521)), (#"{"kty":"EC","crv":"P-256K"}"#, .ec(.p256K)),
            (#"{"kty":"EC","crv":"SECP256K1"}"#, .ec(.p256K)), (#"{"kty":"OKP","crv":"Ed25519"}"#, .ed25519),
        ] as [(String, KeySpecification)])
    func makes(_ body: String, _ specification: KeySpecification) async throws {
        let made = try await admin.create("MixedCase", body)
        #expect(made.status == 200, "\(made.message)")
        let key = made.json["key"]
        #expect(
            key["kid"].string?.hasPrefix("https://demo.vault.localhost:8443/keys/MixedCase/") == true
                && made.keyVersion.count == 32)
        let operations = key["key_ops"].array.compactMap(\.string)
        switch (specification, try #require(key.publicKey)) {
        case (.rsa(let bits), .rsa(let n, let e)):
            #expect(n.count == bits / 8 && e == [1, 0, 1])
            #expect(operations == ["encrypt", "decrypt", "sign", "verify", "wrapKey", "unwrapKey"])
        case (.ec(let curve), .ec(let named, _, _)):
            #expect(named == curve && key["crv"].string == curve.text && operations == ["sign", "verify"])
        case (.ed25519, .ed25519(let x)):
            #expect(x.count == 32 && key["crv"].string == "Ed25519" && operations == ["sign", "verify"])
        default: Issue.record("another kind of key")
        }
        for member in ["d", "p", "q", "dp", "dq", "qi", "k", "key_hsm"] { #expect(key[member] == .null) }
        let attributes = made.json["attributes"]
        #expect(attributes["enabled"].bool == true && attributes["created"].integer == start)
        #expect(attributes["recoveryLevel"].string == "Recoverable+Purgeable")
        #expect(attributes["recoverableDays"].integer == 90 && attributes["exportable"].bool == false)
        #expect(attributes["hsmPlatform"] == .null && attributes["nbf"] == .null && attributes["exp"] == .null)
        #expect(made.json["tags"] == .null && made.json["managed"] == .null && made.json["release_policy"] == .null)
        #expect(try await admin.key(.get, "/keys/mixedcase").body == made.body)
    }

    @Test("Attributes are shown as far as the api-version knows them", arguments: APIVersion.allCases)
    func versions(_ version: APIVersion) async throws {
        let made = try await admin.create("a", version: version.text)
        let attributes = made.json["attributes"]
        #expect((attributes["recoverableDays"] != .null) == (version >= .v7_1preview))
        #expect((attributes["exportable"] != .null) == (version >= .v7_2preview))
        #expect((attributes["hsmPlatform"].string == "0") == (version >= .v7_5preview1))
    }

    @Test(
        "A key that cannot be made is refused, and names what is wrong",
        arguments: [
            ("", ""), ("{", ""), ("{}", "kty"), (#"{"kty":"AES"}"#, "kty"), (#"{"kty":7}"#, "kty"),
            (#"{"kty":"RSA","key_size":1024}"#, "key_size"), (#"{"kty":"RSA","key_size":2049}"#, "key_size"),
            (#"{"kty":"RSA","key_size":"2048"}"#, "key_size"), (#"{"kty":"RSA","key_size":-2048}"#, "key_size"),
            (#"{"kty":"RSA","public_exponent":3}"#, "public_exponent"),
            (#"{"kty":"EC","public_exponent":65537}"#, "public_exponent"), (#"{"kty":"EC","crv":"P-224"}"#, "crv"),
            (#"{"kty":"EC","crv":"P-256","key_size":384}"#, "key_size"), (#"{"kty":"OKP","crv":"X25519"}"#, "crv"),
            (#"{"kty":"RSA-HSM"}"#, "RSA-HSM"), (#"{"kty":"EC-HSM"}"#, "EC-HSM"), (#"{"kty":"oct-HSM"}"#, "oct-HSM"),
            (#"{"kty":"OKP-HSM"}"#, "OKP-HSM"), (#"{"kty":"oct"}"#, "oct"),
            (#"{"kty":"EC","key_ops":["encrypt"]}"#, "key_ops"), (#"{"kty":"EC","key_ops":["wrap"]}"#, "key_ops"),
            (#"{"kty":"RSA","key_ops":["import"]}"#, "key_ops"),
            (#"{"kty":"RSA","key_ops":["export"]}"#, "key_ops"), (#"{"kty":"RSA","key_ops":"sign"}"#, "key_ops"),
            (#"{"kty":"EC","attributes":{"exportable":true}}"#, "exportable"),
            (#"{"kty":"EC","release_policy":{"data":"e30"}}"#, "release_policy"),
            (#"{"kty":"EC","attributes":{"nbf":20,"exp":20}}"#, "exp"),
            (#"{"kty":"EC","attributes":{"nbf":-1}}"#, "nbf"),
            (#"{"kty":"EC","tags":{"":"v"}}"#, "tags"), (#"{"kty":"EC","kty":"RSA"}"#, ""),
        ])
    func refuses(_ body: String, _ word: String) async throws {
        let response = try await admin.create("a", body)
        #expect(response.status == 400 && response.errorCode == "BadParameter")
        #expect(response.message.contains(word))
        #expect(try await admin.key(.get, "/keys/a").status == 404)
    }

    @Test("Operations are kept in the order given, each once, and none at all are taken too")
    func operations() async throws {
        func operations(_ list: String) async throws -> [String] {
            try await admin.create("a", #"{"kty":"RSA","key_ops":\#(list)}"#).json["key"]["key_ops"].array
                .compactMap(\.string)
        }
        #expect(try await operations(#"["verify","SIGN","wrapkey","verify"]"#) == ["verify", "sign", "wrapKey"])
        #expect(try await operations("[]").isEmpty)
    }

    @Test("A new version inherits nothing from the one before it")
    func nothingInherited() async throws {
        try await admin.create(
            "a",
            #"{"kty":"RSA","key_ops":["sign"],"tags":{"k":"v"},"attributes":{"enabled":false,"nbf":1,"exp":4000000000}}"#
        )
        let second = try await admin.create("a")
        #expect(second.json["key"]["kty"].string == "EC" && second.json["tags"] == .null)
        #expect(second.json["attributes"]["enabled"].bool == true && second.json["attributes"]["exp"] == .null)
        #expect(try await admin.versions(of: "a").count == 2)
    }

    @Test("The name of a deleted key cannot be had")
    func deleted() async throws {
        try await admin.create("a")
        _ = try await admin.key(.delete, "/keys/a")
        let response = try await admin.create("A")
        #expect(response.status == 409 && response.errorCode == "Conflict/ObjectIsDeletedButRecoverable")
    }

    @Test("The private half is in no record that the store shows, nor in the audit log")
    func sealed() async throws {
        let made = try await admin.create("a", #"{"kty":"OKP"}"#)
        guard case .ed25519(let x)? = made.json["key"].publicKey else {
            Issue.record("no key")
            return
        }
        for key in try house.rawKeys("vault/") {
            let bytes = try #require(try house.raw(key))
            #expect(!bytes.contains(x), "\(key)")
        }
        #expect(try house.events("KeyCreate").map(\.status) == [200])
    }
}
