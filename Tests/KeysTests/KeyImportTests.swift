import Cryptography
import Domain
import Operations
import ProviderOpenSSL
import StrongroomTesting
import Testing

/// Keys that come in from outside, as a JSON Web Key.
struct KeyImportTests {
    private let admin: Caller

    init() async throws { admin = try await TestHouse.open().admin() }

    struct RSACase: Decodable, Sendable {
        let name: String
        let key: [String: HexBytes]
        let says: String?
    }

    struct ECCase: Decodable, Sendable {
        let curve: String
        let name: String
        let x, y, d: HexBytes
        let isSound: Bool
    }

    static let rsa = try! Vectors.json("keys/rsa-imports.json", as: [RSACase].self)
    static let ec = try! Vectors.json("keys/ec-imports.json", as: [ECCase].self)

    private static func jwk(_ members: [String: String]) -> String {
        let pairs = members.sorted { $0.key < $1.key }.map { "\"\($0.key)\":\"\($0.value)\"" }
        return #"{"key":{\#(pairs.joined(separator: ","))}}"#
    }

    private static func members(_ test: RSACase, type: String = "RSA") -> [String: String] {
        var members = test.key.mapValues { Base64.encodeURL($0.bytes) }
        members["kty"] = type
        return members
    }

    private static func members(_ test: ECCase) -> [String: String] {
        [
            "kty": "EC", "crv": test.curve, "x": Base64.encodeURL(test.x.bytes), "y": Base64.encodeURL(test.y.bytes),
            "d": Base64.encodeURL(test.d.bytes),
        ]
    }

    @Test("A sound key comes in and shows its public half; an unsound one is refused")
    func checks() async throws {
        for test in Self.rsa {
            let response = try await admin.key(.put, "/keys/rsa", Self.jwk(Self.members(test)))
            #expect(response.status == (test.says == nil ? 200 : 400), "\(test.name): \(response.message)")
            guard test.says == nil else { continue }
            #expect(
                response.json["key"].publicKey
                    == .rsa(n: test.key["n"]?.bytes ?? [], e: test.key["e"]?.bytes ?? []))
            for member in ["d", "p", "q", "dp", "dq", "qi"] { #expect(response.json["key"][member] == .null) }
        }
        for test in Self.ec {
            let response = try await admin.key(.put, "/keys/ec", Self.jwk(Self.members(test)))
            #expect(response.status == (test.isSound ? 200 : 400), "\(test.curve) \(test.name): \(response.message)")
            if test.isSound { #expect(response.json["key"]["crv"].string == test.curve) }
        }
        #expect(try await admin.versions(of: "rsa").count == Self.rsa.filter { $0.says == nil }.count)
    }

    @Test("A number may carry zeros in front and padding behind")
    func spelling() async throws {
        let sound = try #require(Self.rsa.first)
        var members = Self.members(sound)
        for name in ["n", "e", "p"] {
            members[name] = Base64.encodeURL([0, 0] + (sound.key[name]?.bytes ?? []))
        }
        let q = members["q"] ?? ""
        members["q"] = q + String(repeating: "=", count: (4 - q.count % 4) % 4)
        let response = try await admin.key(.put, "/keys/a", Self.jwk(members))
        #expect(response.status == 200, "\(response.message)")
        #expect(response.json["key"].publicKey == .rsa(n: sound.key["n"]?.bytes ?? [], e: [1, 0, 1]))
    }

    @Test("Each part of a key must be there, and be base64url")
    func parts() async throws {
        let (rsa, ec) = (Self.members(try #require(Self.rsa.first)), Self.members(try #require(Self.ec.first)))
        for whole in [rsa, ec] {
            for name in whole.keys {
                var members = whole
                members[name] = nil
                let missing = try await admin.key(.put, "/keys/a", Self.jwk(members))
                #expect(missing.status == 400 && missing.message.contains("'\(name)'"), "without \(name)")
                for wrong in ["", "****", "A"] {
                    members[name] = wrong
                    #expect(
                        try await admin.key(.put, "/keys/a", Self.jwk(members)).status == 400, "\(name) as \(wrong)")
                }
            }
        }
        for body in ["", "{}", #"{"key":{}}"#, #"{"key":null}"#, #"{"key":[]}"#, #"{"key":{"kty":"oct"}}"#] {
            #expect(try await admin.key(.put, "/keys/a", body).status == 400, "\(body)")
        }
        #expect(try await admin.key(.get, "/keys/a").status == 404)
    }

    @Test("What a standard vault does not hold does not come in")
    func placed() async throws {
        let rsa = try #require(Self.rsa.first)
        for type in ["RSA-HSM"] {
            #expect(try await admin.key(.put, "/keys/a", Self.jwk(Self.members(rsa, type: type))).status == 400)
        }
        let inHSM = Self.jwk(Self.members(rsa)).replacing(#"{"key""#, with: #"{"Hsm":true,"key""#)
        #expect(try await admin.key(.put, "/keys/a", inHSM).status == 400)
        #expect(
            try await admin.key(.put, "/keys/a", #"{"key":{"kty":"oct","k":"AAAAAAAAAAAAAAAAAAAAAA"}}"#).status == 400)
        let multi = Self.jwk(Self.members(rsa)).replacing("}}", with: #","oth":[{}]}}"#)
        #expect(try await admin.key(.put, "/keys/a", multi).status == 400)
    }

    @Test("An Ed25519 key comes in")
    func edwards() async throws {
        let members = [
            "kty": "OKP", "crv": "Ed25519", "d": "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",
            "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
        ]
        #expect(try await admin.key(.put, "/keys/a", Self.jwk(members)).status == 200)
        for (name, value) in [("crv", "Ed448"), ("crv", "X25519"), ("x", members["d"]!), ("d", members["x"]!)] {
            var other = members
            other[name] = value
            #expect(try await admin.key(.put, "/keys/a", Self.jwk(other)).status == 400)
        }
    }

    @Test("An imported key has operations of its own, never import")
    func operations() async throws {
        let ec = Self.jwk(Self.members(try #require(Self.ec.first)))
        func with(_ list: String) -> String { ec.replacing(#"{"crv""#, with: #"{"key_ops":\#(list),"crv""#) }
        #expect(
            try await admin.key(.put, "/keys/a", with(#"["verify"]"#)).json["key"]["key_ops"].array.compactMap(\.string)
                == ["verify"])
        for list in [#"["import"]"#, #"["encrypt"]"#, #"["sign","export"]"#, #"["nothing"]"#] {
            #expect(try await admin.key(.put, "/keys/a", with(list)).status == 400, "\(list)")
        }
    }

    @Test("A key with a long public exponent is rotated to one with the same exponent, or with the usual one")
    func longExponent() async throws {
        let sound = try #require(Self.rsa.first { $0.name == "public exponent of 64 bits" })
        #expect(try await admin.key(.put, "/keys/a", Self.jwk(Self.members(sound))).status == 200)
        let rotated = try await admin.key(.post, "/keys/a/rotate")
        guard case .rsa(_, let e)? = rotated.json["key"].publicKey else {
            Issue.record("\(rotated.status) \(rotated.message)")
            return
        }
        #expect(e == sound.key["e"]?.bytes || e == [1, 0, 1])
    }
}
