import Domain
import Operations
import StrongroomTesting
import Testing

struct SecretLimitTests {
    private let admin: Caller

    init() async throws { admin = try await TestHouse.open().admin() }

    private func put(_ body: String) async throws -> Response { try await admin.send(.put, "/secrets/a", body) }

    @Test("A value has up to 25,600 bytes of UTF-8")
    func values() async throws {
        for (value, status) in [
            ("", 200), (String(repeating: "x", count: 25_600), 200), (String(repeating: "x", count: 25_601), 400),
            (String(repeating: "é", count: 12_800), 200), (String(repeating: "é", count: 12_801), 400),
        ] as [(String, UInt16)] {
            let response = try await put(#"{"value":"\#(value)"}"#)
            #expect(response.status == status)
            if status == 200 { #expect(try await admin.get("a").json["value"].string == value) }
        }
    }

    @Test(
        "Values come back as they were, whatever is in them",
        arguments: ["\\u0000", "\\ud83d\\udd11", "\\\\\\\"/", "é\\u0301", "\\u2028\\u0085\\ufeff", "  \\r\\n\\t"])
    func contents(_ escaped: String) async throws {
        let set = try await put(#"{"value":"\#(escaped)"}"#)
        let expected = try JSON(Array(#"{"value":"\#(escaped)"}"#.utf8))["value"].string
        #expect(set.status == 200)
        #expect(try await admin.get("a").json["value"].string.map { Array($0.utf8) } == expected.map { Array($0.utf8) })
    }

    @Test(
        "A body that breaks a rule is refused, and names what is wrong",
        arguments: [
            ("", nil), ("{", nil), ("[]", nil), ("null", nil), ("{}", "value"), (#"{"value":null}"#, "value"),
            (#"{"value":7}"#, "value"),
            (#"{"value":"x","contentType":7}"#, "contentType"),
            (#"{"value":"x","attributes":{"enabled":"yes"}}"#, "enabled"),
            (#"{"value":"x","attributes":{"nbf":-1}}"#, "nbf"),
            (#"{"value":"x","attributes":{"exp":253402300800}}"#, "exp"),
            (#"{"value":"x","attributes":{"nbf":20,"exp":10}}"#, "exp"),
            (#"{"value":"x","attributes":{"nbf":20,"exp":20}}"#, "exp"),
            (#"{"value":"x","attributes":{"exp":"20"}}"#, "exp"), (#"{"value":"x","tags":{"":"y"}}"#, "tags"),
            (#"{"value":"x","tags":["y"]}"#, "tags"),
            (#"{"value":"x","value":"y"}"#, nil), (#"{"value":"\ud800"}"#, nil),
        ] as [(String, String?)])
    func bodies(_ body: String, _ member: String?) async throws {
        let response = try await put(body)
        #expect(response.status == 400)
        #expect(response.errorCode == "BadParameter")
        if let member { #expect(response.json["error"]["message"].string?.contains(member) == true) }
        #expect(try await admin.get("a").status == 404)
    }

    @Test("Tags are bounded in number and in length")
    func tags() async throws {
        func tags(_ count: Int, name: Int = 1, value: Int = 1) -> String {
            let pairs = (0..<count).map { number in
                #""\#(String(number, radix: 36) + String(repeating: "n", count: name - 1))":"\#(String(repeating: "v", count: value))""#
            }
            return #"{"value":"x","tags":{\#(pairs.joined(separator: ","))}}"#
        }
        for (body, status) in [
            (tags(0), 200), (tags(15, name: 512, value: 512), 200), (tags(16), 400), (tags(1, name: 513), 400),
            (tags(1, value: 513), 400), (tags(1, value: 0), 200),
        ] as [(String, UInt16)] { #expect(try await put(body).status == status) }
    }

    @Test("A content type has up to 255 characters")
    func contentTypes() async throws {
        for (count, status) in [(0, 200), (255, 200), (256, 400)] as [(Int, UInt16)] {
            let body = #"{"value":"x","contentType":"\#(String(repeating: "c", count: count))"}"#
            #expect(try await put(body).status == status)
        }
    }

    @Test("A name that is none is refused", arguments: ["a_b", "a.b", "a b", "é", String(repeating: "x", count: 128)])
    func names(_ name: String) async throws {
        for (method, target) in [
            (Request.Method.put, "/secrets/\(name)"), (.get, "/secrets/\(name)"), (.get, "/deletedsecrets/\(name)"),
        ] {
            let response = try await admin.send(method, target, method == .put ? #"{"value":"x"}"# : "")
            #expect(response.status == 400)
            #expect(response.errorCode == "BadParameter")
        }
    }

    @Test("A version that is none is refused, and one that was never made is not found")
    func versions() async throws {
        _ = try await admin.set("a", "x")
        #expect(try await admin.send(.get, "/secrets/a/nonsense").status == 400)
        #expect(try await admin.send(.get, "/secrets/a/00000000000000000000000000000000").status == 404)
    }

    @Test("An update changes what it names and leaves the rest", arguments: APIVersion.allCases)
    func update(_ version: APIVersion) async throws {
        _ = try await admin.send(
            .put, "/secrets/a", #"{"value":"x","contentType":"t","tags":{"k":"v"},"attributes":{"exp":2000000000}}"#)
        let updated = try await admin.send(
            .patch, "/secrets/a", #"{"attributes":{"enabled":true,"nbf":1900000000}}"#, version: version.text)
        #expect(updated.status == 200)
        #expect(updated.json["value"] == .null)
        #expect(updated.json["contentType"].string == "t")
        #expect(updated.json["tags"]["k"].string == "v")
        #expect(updated.json["attributes"]["nbf"].integer == 1_900_000_000)
        #expect(updated.json["attributes"]["exp"].integer == 2_000_000_000)
        #expect((updated.json["attributes"]["recoverableDays"].integer == 90) == (version >= .v7_1preview))
        #expect(try await admin.send(.patch, "/secrets/a", #"{"attributes":{"exp":1800000000}}"#).status == 400)
        #expect(try await admin.send(.patch, "/secrets/a", #"{"tags":{}}"#).json["tags"] == .object([:]))
        #expect(try await admin.send(.patch, "/secrets/a", #"{"value":"y"}"#).status == 400)
    }
}
