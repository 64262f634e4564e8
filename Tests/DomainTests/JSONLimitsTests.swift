import Domain
import Foundation
import Testing

struct JSONLimitsTests {
    private func isWithin(_ text: String, _ limits: JSONLimits = JSONLimits()) -> Bool {
        do {
            try limits.check(Array(text.utf8))
            return true
        } catch {
            #expect(error.code == .badParameter)
            return false
        }
    }

    @Test("Thirty-two levels are within the limit and thirty-three are not", arguments: [("[", "]"), ("{\"a\":", "}")])
    func depth(_ open: String, _ close: String) {
        func nested(_ levels: Int) -> String {
            String(repeating: open, count: levels) + "1" + String(repeating: close, count: levels)
        }
        #expect(isWithin(nested(32)))
        #expect(!isWithin(nested(33)))
    }

    @Test("A hundred thousand levels are refused and overflow no stack", arguments: ["[", "{\"a\":", "[{\"a\":"])
    func deep(_ open: String) {
        #expect(!isWithin(String(repeating: open, count: 100_000)))
        #expect(throws: VaultError.self) { try [String].fromJSON(Array(String(repeating: open, count: 100_000).utf8)) }
    }

    @Test("Brackets in a string nest nothing")
    func brackets() {
        #expect(isWithin("[\"" + String(repeating: "[{", count: 1_000) + "\"]"))
    }

    @Test(
        "Two members of one name are refused, however they are spelled",
        arguments: [
            #"{"a":1,"a":2}"#, #"{"a":1,"b":2,"a":3}"#, #"{"a":1,"\u0061":2}"#, #"{"\u0061":1,"\u0061":2}"#,
            #"{"x":{"a":1,"a":2}}"#, #"[{"a":1,"a":2}]"#,
            #"{"é":1,"\u00e9":2}"#, #"{"":1,"":2}"#, #"{"a/b":1,"a\/b":2}"#, #"{"a" : 1 , "a" : 2}"#,
            #"{"a":{"b":1},"a":2}"#,
            #"{"a":[1,2],"a":2}"#, #"{"\ud83d\udd11":1,"🔑":2}"#,
        ])
    func duplicates(_ text: String) {
        #expect(!isWithin(text))
    }

    @Test(
        "The same name in different objects, and as a value, is no duplicate",
        arguments: [
            #"[{"a":1},{"a":1}]"#, #"{"a":{"a":{"a":1}}}"#, #"{"a":"a","b":"a"}"#, #"{"a":["a","a"],"b":"b"}"#,
            #"{"a":1,"A":2}"#,
        ])
    func notDuplicates(_ text: String) {
        #expect(isWithin(text))
    }

    @Test(
        "What is not closed is no JSON",
        arguments: ["{", "[", "\"", "{\"a", "{\"a\\", "[\"a\\\"", "]", "}", "[]]", "{\"\\ud800\":1"])
    func unclosed(_ text: String) {
        #expect(!isWithin(text))
    }

    @Test("The number of values is bounded")
    func values() {
        func list(_ count: Int) -> String { "[" + Array(repeating: "0", count: count).joined(separator: ",") + "]" }
        #expect(isWithin(list(2_048)))
        #expect(!isWithin(list(2_049)))
        #expect(!isWithin(String(repeating: "[],", count: 3_000)))
    }

    @Test("The length of a string is bounded")
    func strings() {
        var limits = JSONLimits()
        limits.stringBytes = 10
        #expect(isWithin("\"123456789\"", limits))
        #expect(!isWithin("\"12345678901\"", limits))
        #expect(isWithin("[\"123456789\",\"123456789\"]", limits))
    }

    private struct Body: Decodable {
        let name: String
        let count: Int?
    }

    @Test(
        "A body that does not fit is refused with the member's name and without its value",
        arguments: [
            (#"{"count":1}"#, "name"), (#"{"name":7}"#, "name"), (#"{"name":"x","count":"hush"}"#, "count"),
            (#"{"name":null}"#, "name"),
            (#"{"name":"x","count":true}"#, "count"), (#"{"name":"x","count":[]}"#, "count"),
        ])
    func decoding(_ text: String, _ member: String) throws {
        let error = try #require(throws: VaultError.self) { try Body.fromJSON(Array(text.utf8)) }
        #expect(error.code == .badParameter)
        #expect(error.message.contains("'\(member)'"))
        #expect(!error.message.contains("hush"))
    }

    @Test(
        "A number that is no whole number of 64 bits is refused",
        arguments: ["1.5", "1e99", "9223372036854775808", "-1e-1"])
    func numbers(_ number: String) {
        #expect(throws: VaultError.self) { try Body.fromJSON(Array(#"{"name":"x","count":\#(number)}"#.utf8)) }
    }

    @Test(
        "What is no JSON is refused",
        arguments: [
            "", " ", "nonsense", "{", "{'name':'x'}", "{\"name\":\"x\"}}", "{\"name\":\"x\",}", "[\"x\",\n]", "{,}",
            "{\"name\":\"x\",,\"count\":1}", "\u{0}", "[]", "7", "{\"name\":\"a\u{1}b\"}", "{\"name\":\"\\ud800\"}",
            "{\"name\":\"x\"} x",
        ])
    func noJSON(_ text: String) throws {
        #expect(throws: VaultError.self) { try Body.fromJSON(Array(text.utf8)) }
    }

    @Test("Bytes that are no UTF-8 are refused")
    func noUTF8() {
        #expect(throws: VaultError.self) {
            try Body.fromJSON(Array(#"{"name":""#.utf8) + [0xC3, 0x28] + Array(#""}"#.utf8))
        }
    }

    @Test("Unknown members are passed over")
    func unknown() throws {
        #expect(try Body.fromJSON(Array(#"{"name":"x","other":{"deep":[1]}}"#.utf8)).name == "x")
    }

    @Test(
        "Words that are none, raw control bytes and unknown escapes are no JSON",
        arguments: [
            "[01]", "[-]", "[1.]", "[.5]", "[1e]", "[+1]", "[tru]", "[True]", "[nul]", "[NaN]", "[0x1]", "[\"\t\"]",
            "[\"\\x\"]",
            "[\"\\u12g4\"]", "[\"\\u12\"]", "[1 2]x", "{\"a\":1}\u{0}",
        ])
    func words(_ text: String) {
        #expect(throws: VaultError.self) { try JSONValue.fromJSON(Array(text.utf8)) }
    }

    @Test(
        "Words that are some",
        arguments: ["[0,-0,1.5,1e5,1E-5,-12.25e+3,true,false,null,\"\\u00e9\\n\\/\"]", " [ 1 , 2 ] \n"])
    func goodWords(_ text: String) throws { _ = try JSONValue.fromJSON(Array(text.utf8)) }

    @Test(
        "Other encodings than UTF-8 are no JSON",
        arguments: [String.Encoding.utf16LittleEndian, .utf16BigEndian, .utf32LittleEndian])
    func encodings(_ encoding: String.Encoding) throws {
        let bytes = Array(try #require(#"{"a":"∰"}"#.data(using: encoding)))
        #expect(throws: VaultError.self) { try JSONValue.fromJSON(bytes) }
        #expect(throws: VaultError.self) { try JSONValue.fromJSON([0x22, 0xFF, 0x22]) }
    }

    private struct Marked: Decodable {
        let crit: Mentioned
    }

    @Test(
        "A member is mentioned whatever its value",
        arguments: [("{}", false), (#"{"crit":null}"#, true), (#"{"crit":[1]}"#, true)])
    func mentioned(_ text: String, _ isMentioned: Bool) throws {
        #expect(try Marked.fromJSON(Array(text.utf8)).crit.isMentioned == isMentioned)
    }
}
