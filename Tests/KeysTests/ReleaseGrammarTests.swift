import Domain
import Testing

@testable import Keys

struct ReleaseGrammarTests {
    private func grammar(_ text: String) throws -> ReleaseGrammar { try ReleaseGrammar(Array(text.utf8)) }

    private func claims(_ text: String) throws -> ClaimSet { try ClaimSet.fromJSON(Array(text.utf8)) }

    /// Whether a condition holds for claims, under the one authority of these tests.
    private func holds(_ condition: String, _ claims: String) throws -> Bool {
        try grammar(
            #"{"version":"1.0.0","anyOf":[{"authority":"https://maa.example","allOf":[\#(condition)]}]}"#
        ).isFulfilled(by: try self.claims(claims), of: "https://maa.example")
    }

    static let refusals = [
        "", "{", "[]", "null", "{}", #"{"version":"1.0.0"}"#, #"{"version":"1.0.0","anyOf":[]}"#,
        #"{"anyOf":[{"authority":"https://a","allOf":[{"claim":"x","equals":1}]}]}"#,
        #"{"version":"2.0.0","anyOf":[{"authority":"https://a","allOf":[{"claim":"x","equals":1}]}]}"#,
        #"{"version":1,"anyOf":[{"authority":"https://a","allOf":[{"claim":"x","equals":1}]}]}"#,
        #"{"version":"1.0.0","allOf":[{"authority":"https://a","allOf":[{"claim":"x","equals":1}]}]}"#,
        // No authority, or one that is none.
        #"{"version":"1.0.0","anyOf":[{"allOf":[{"claim":"x","equals":1}]}]}"#,
        #"{"version":"1.0.0","anyOf":[{"authority":"http://a","allOf":[{"claim":"x","equals":1}]}]}"#,
        #"{"version":"1.0.0","anyOf":[{"authority":"","allOf":[{"claim":"x","equals":1}]}]}"#,
        #"{"version":"1.0.0","anyOf":[{"authority":7,"allOf":[{"claim":"x","equals":1}]}]}"#,
        // A condition that is none, or two at once.
        #"{"version":"1.0.0","anyOf":[{"authority":"https://a"}]}"#,
        #"{"version":"1.0.0","anyOf":[{"authority":"https://a","allOf":[{}]}]}"#,
        #"{"version":"1.0.0","anyOf":[{"authority":"https://a","allOf":{"claim":"x","equals":1}}]}"#,
        #"{"version":"1.0.0","anyOf":[{"authority":"https://a","allOf":[{"claim":"x","equals":1,"anyOf":[]}]}]}"#,
        #"{"version":"1.0.0","anyOf":[{"authority":"https://a","allOf":[{"anyOf":[],"allOf":[]}]}]}"#,
        // One that would always hold, or never.
        #"{"version":"1.0.0","anyOf":[{"authority":"https://a","allOf":[]}]}"#,
        #"{"version":"1.0.0","anyOf":[{"authority":"https://a","anyOf":[]}]}"#,
        #"{"version":"1.0.0","anyOf":[{"authority":"https://a","allOf":[{"claim":"x","equals":1},{"allOf":[]}]}]}"#,
        // A claim without a value, or with one that is none.
        #"{"version":"1.0.0","anyOf":[{"authority":"https://a","allOf":[{"claim":"x"}]}]}"#,
        #"{"version":"1.0.0","anyOf":[{"authority":"https://a","allOf":[{"equals":"x"}]}]}"#,
        #"{"version":"1.0.0","anyOf":[{"authority":"https://a","allOf":[{"claim":"x","equals":null}]}]}"#,
        #"{"version":"1.0.0","anyOf":[{"authority":"https://a","allOf":[{"claim":"x","equals":[1]}]}]}"#,
        #"{"version":"1.0.0","anyOf":[{"authority":"https://a","allOf":[{"claim":"x","equals":{"y":1}}]}]}"#,
        #"{"version":"1.0.0","anyOf":[{"authority":"https://a","allOf":[{"claim":"x","equals":1,"condition":1}]}]}"#,
        #"{"version":"1.0.0","anyOf":[{"authority":"https://a","allOf":[{"claim":"","equals":1}]}]}"#,
        #"{"version":"1.0.0","anyOf":[{"authority":"https://a","allOf":[{"claim":"x..y","equals":1}]}]}"#,
        #"{"version":"1.0.0","anyOf":[{"authority":"https://a","allOf":[{"claim":".x","equals":1}]}]}"#,
        #"{"version":"1.0.0","anyOf":[{"authority":"https://a","allOf":[{"claim":7,"equals":1}]}]}"#,
    ]

    @Test("A document that is no policy is refused", arguments: refusals)
    func refuses(_ text: String) {
        #expect {
            _ = try grammar(text)
        } throws: { error in (error as? VaultError)?.code == .badParameter }
    }

    @Test("A policy nested deeper than a body may be is refused")
    func deep() {
        let depth = 40
        let text =
            #"{"version":"1.0.0","anyOf":[{"authority":"https://a","allOf":["#
            + String(repeating: #"{"anyOf":["#, count: depth) + #"{"claim":"x","equals":1}"#
            + String(repeating: "]}", count: depth) + "]}]}"
        #expect(throws: VaultError.self) { try grammar(text) }
    }

    @Test(
        "A claim equals a value of its own type",
        arguments: [
            (#""v""#, #""v""#, true), (#""v""#, #""V""#, false), (#""v""#, #""v ""#, false), (#""""#, #""""#, true),
            ("1", "1", true), ("1", "1.0", true), ("1", "2", false), ("1", #""1""#, false), (#""1""#, "1", false),
            ("true", "true", true), ("true", "false", false), ("true", #""true""#, false), ("true", "1", false),
            ("1", "true", false), ("0", "false", false), (#""v""#, "null", false), (#""v""#, #"["v"]"#, false),
            (#""v""#, #"{"v":"v"}"#, false), ("-1.5", "-1.5", true),
        ])
    func equals(_ wanted: String, _ claim: String, _ expected: Bool) throws {
        #expect(try holds(#"{"claim":"x","equals":\#(wanted)}"#, #"{"x":\#(claim)}"#) == expected)
        #expect(try holds(#"{"claim":"x","condition":\#(wanted)}"#, #"{"x":\#(claim)}"#) == expected)
    }

    @Test(
        "A claim is found by its path through objects, or by a name with full stops in it",
        arguments: [
            ("x.y", #"{"x":{"y":1}}"#, true), ("x.y", #"{"x.y":1}"#, true), ("x.y.z", #"{"x":{"y":{"z":1}}}"#, true),
            ("x.y.z", #"{"x.y":{"z":1}}"#, true), ("x.y.z", #"{"x":{"y.z":1}}"#, true),
            ("x.y", #"{"x":1}"#, false), ("x.y", #"{"y":1}"#, false), ("x", #"{"x":{"y":1}}"#, false),
            ("x.y", #"{"x":[{"y":1}]}"#, false), ("x.0", #"{"x":[1]}"#, false), ("x", "{}", false),
            ("X", #"{"x":1}"#, false), ("x", #"{"x":null}"#, false), ("x.y", #"{"x":{"y":2},"x.y":1}"#, false),
            ("x-ms-runtime.keys", #"{"x-ms-runtime":{"keys":1}}"#, true),
        ])
    func paths(_ path: String, _ document: String, _ expected: Bool) throws {
        #expect(try holds(#"{"claim":"\#(path)","equals":1}"#, document) == expected)
    }

    @Test(
        "Conditions are joined by all and by any, one inside the other",
        arguments: [
            (#"{"claim":"a","equals":1},{"claim":"b","equals":2}"#, true),
            (#"{"claim":"a","equals":1},{"claim":"b","equals":3}"#, false),
            (#"{"anyOf":[{"claim":"a","equals":9},{"claim":"b","equals":2}]}"#, true),
            (#"{"anyOf":[{"claim":"a","equals":9},{"claim":"b","equals":9}]}"#, false),
            (
                #"{"claim":"a","equals":1},{"anyOf":[{"allOf":[{"claim":"b","equals":2},{"claim":"c","equals":3}]}]}"#,
                true
            ),
            (
                #"{"claim":"a","equals":1},{"anyOf":[{"allOf":[{"claim":"b","equals":2},{"claim":"c","equals":4}]}]}"#,
                false
            ),
            (#"{"claim":"gone","equals":1}"#, false),
            (#"{"anyOf":[{"claim":"gone","equals":1},{"claim":"c","equals":3}]}"#, true),
        ])
    func joined(_ conditions: String, _ expected: Bool) throws {
        #expect(try holds(conditions, #"{"a":1,"b":2,"c":3}"#) == expected)
    }

    @Test("A branch speaks for its own authority, written in any case and with or without a slash at the end")
    func authorities() throws {
        let policy = try grammar(
            #"{"version":"1.0.0","anyOf":[{"authority":"https://One.example/","allOf":[{"claim":"x","equals":1}]},{"authority":"https://two.example","anyOf":[{"claim":"x","equals":2}]}]}"#
        )
        let (one, two) = (try claims(#"{"x":1}"#), try claims(#"{"x":2}"#))
        for authority in ["https://one.example", "https://ONE.example/", "HTTPS://one.example//"] {
            #expect(policy.isFulfilled(by: one, of: authority))
            #expect(!policy.isFulfilled(by: two, of: authority))
        }
        #expect(policy.isFulfilled(by: two, of: "https://two.example"))
        #expect(!policy.isFulfilled(by: one, of: "https://two.example"))
        for authority in ["", "https://three.example", "http://one.example", "https://one.example.evil", "one.example"]
        {
            #expect(!policy.isFulfilled(by: one, of: authority) && !policy.isFulfilled(by: two, of: authority))
        }
    }

    @Test("The versions of the grammar that are in use are taken", arguments: ["1.0.0", "1.0", "0.2"])
    func versions(_ version: String) throws {
        let policy = try grammar(
            #"{"version":"\#(version)","anyOf":[{"authority":"https://a","claim":"x","equals":"y"}]}"#)
        #expect(policy.isFulfilled(by: try claims(#"{"x":"y"}"#), of: "https://a"))
    }
}
