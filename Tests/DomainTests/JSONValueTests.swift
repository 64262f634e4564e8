import Domain
import Testing

struct JSONValueTests {
    @Test(
        "What is kept is given back",
        arguments: [
            #"{"a":[1,-2,3.5,true,false,null,"x"],"b":{}}"#, #"[]"#, #""a\"b\\c""#, "9223372036854775807", "[[[]]]",
            #"{"é":"\u0001"}"#,
        ])
    func roundTrip(_ text: String) throws {
        let value = try JSONValue.fromJSON(Array(text.utf8))
        #expect(try JSONValue.fromJSON(value.bytes) == value)
    }

    @Test("Members are found without regard to case")
    func members() throws {
        let value = try JSONValue.fromJSON(Array(#"{"Effect":"deny"}"#.utf8))
        #expect(value["effect"]?.text == "deny")
        #expect(value["other"] == nil)
        #expect(JSONValue.string("x")["effect"] == nil)
    }
}

struct ExactTextTests {
    @Test(
        "What looks alike is not the same", arguments: [("K", "\u{212A}"), ("é", "e\u{301}"), ("a", "A"), ("a", "a ")])
    func different(_ left: String, _ right: String) {
        #expect(!left.isSame(as: right))
        #expect(left.isSame(as: left))
    }
}
