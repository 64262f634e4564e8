import Domain
import Objects
import Testing

struct ObjectParametersTests {
    private func attributes(_ json: String) throws -> AttributeParameters {
        let parameters = try AttributeParameters.fromJSON(Array(json.utf8))
        try parameters.validate()
        return parameters
    }

    private func tags(_ json: String, longest: Int = 256) throws -> [ObjectRecord.Tag] {
        let parameters = try TagParameters.fromJSON(Array(json.utf8))
        try parameters.validate(longest: longest)
        return parameters.sorted
    }

    @Test("Attributes that nobody gives have their defaults")
    func defaults() throws {
        let made = ObjectAttributes(try attributes("{}"), at: 17)
        #expect(made == ObjectAttributes(isEnabled: true, notBefore: nil, expires: nil, created: 17, updated: 17))
        #expect(ObjectAttributes(nil, at: 17) == made)
    }

    @Test(
        "A time is a whole number of seconds from 1970 to 9999",
        arguments: [
            ("0", true), ("1", true), ("253402300799", true), ("253402300800", false), ("-1", false), ("1.5", false),
            ("\"1\"", false), ("null", true), ("true", false), ("9223372036854775807", false),
            ("9223372036854775808", false), ("1e400", false),
        ])
    func times(_ text: String, _ isTaken: Bool) {
        for member in ["nbf", "exp"] {
            #expect(isRefused(.badParameter) { _ = try attributes("{\"\(member)\":\(text)}") } == !isTaken, "\(member)")
        }
    }

    @Test("A key ends after it begins, in a request and after a change")
    func order() throws {
        #expect(isRefused(.badParameter) { try AttributeParameters.requireOrder(20, 20) })
        #expect(isRefused(.badParameter) { try AttributeParameters.requireOrder(20, 10) })
        try AttributeParameters.requireOrder(20, 21)
        try AttributeParameters.requireOrder(nil, 10)
        try AttributeParameters.requireOrder(10, nil)
        var stored = ObjectAttributes(try attributes(#"{"nbf":10,"exp":20}"#), at: 1)
        #expect(isRefused(.badParameter) { try stored.apply(try attributes(#"{"exp":10}"#), at: 2) })
        #expect(isRefused(.badParameter) { try stored.apply(try attributes(#"{"nbf":20}"#), at: 2) })
    }

    @Test("A change takes what it names and leaves the rest")
    func apply() throws {
        var stored = ObjectAttributes(try attributes(#"{"nbf":10,"exp":20,"enabled":false}"#), at: 1)
        try stored.apply(nil, at: 2)
        #expect(stored == ObjectAttributes(isEnabled: false, notBefore: 10, expires: 20, created: 1, updated: 2))
        try stored.apply(try attributes(#"{"enabled":true}"#), at: 3)
        #expect(stored == ObjectAttributes(isEnabled: true, notBefore: 10, expires: 20, created: 1, updated: 3))
        try stored.apply(try attributes(#"{"exp":30}"#), at: 4)
        #expect(stored == ObjectAttributes(isEnabled: true, notBefore: 10, expires: 30, created: 1, updated: 4))
    }

    @Test("Tags are kept in order of name; what is null is empty")
    func sorted() throws {
        #expect(
            try tags(#"{"b":"2","a":"1","c":null}"#) == [
                .init(name: "a", value: "1"), .init(name: "b", value: "2"), .init(name: "c", value: ""),
            ])
        #expect(try tags("{}").isEmpty)
    }

    @Test("Tags are bounded in number and in length, counted as clients count")
    func bounds() throws {
        func many(_ count: Int) -> String {
            "{" + (0..<count).map { "\"t\($0)\":\"v\"" }.joined(separator: ",") + "}"
        }
        #expect(try tags(many(15)).count == 15)
        #expect(isRefused(.badParameter) { _ = try tags(many(16)) })
        let long = String(repeating: "n", count: 256)
        #expect(try tags("{\"\(long)\":\"\(long)\"}").count == 1)
        #expect(isRefused(.badParameter) { _ = try tags("{\"\(long)n\":\"v\"}") })
        #expect(isRefused(.badParameter) { _ = try tags("{\"n\":\"\(long)v\"}") })
        #expect(isRefused(.badParameter) { _ = try tags(#"{"":"v"}"#) })
        // One character of two UTF-16 units.
        let keys = String(repeating: "🔑", count: 128)
        #expect(try tags("{\"n\":\"\(keys)\"}").count == 1)
        #expect(isRefused(.badParameter) { _ = try tags("{\"n\":\"\(keys)v\"}") })
        #expect(isRefused(.badParameter) { _ = try tags(#"{"a":"1","a":"2"}"#) })
        #expect(isRefused(.badParameter) { _ = try tags(#"{"a":1}"#) })
        #expect(isRefused(.badParameter) { _ = try tags(#"["a"]"#) })
    }
}
