import Domain
import Testing

@testable import ACME

struct IdentifierTests {
    private func authorization(_ type: String, _ value: String) throws -> AuthorizationMessage {
        let json = #"{"identifier":{"type":"\#(type)","value":"\#(value)"},"status":"pending","challenges":[]}"#
        return try AuthorizationMessage.fromJSON(Array(json.utf8))
    }

    @Test(
        "An authorization is for the name that was ordered, in any case, or for its wildcard",
        arguments: [
            ("www.example.com", "dns", "www.example.com", true), ("WWW.example.com", "dns", "www.EXAMPLE.com", true),
            ("*.example.com", "dns", "example.com", true), ("example.com", "dns", "www.example.com", false),
            ("www.example.com", "dns", "example.com", false), ("*.example.com", "dns", "a.example.com", false),
            ("www.example.com", "ip", "www.example.com", false),
        ])
    func names(_ ordered: String, _ type: String, _ value: String, _ holds: Bool) throws {
        let identifier = Identifier(kind: .dns, value: ordered)
        #expect(identifier.isProved(by: try authorization(type, value)) == holds)
    }

    @Test("The words of a problem are cut and have no control characters")
    func problems() throws {
        let json =
            #"{"type":"urn:ietf:params:acme:error:rateLimited","detail":"a\u001b[31m\nb\#(String(repeating: "x", count: 5_000))"}"#
        let problem = try Problem.fromJSON(Array(json.utf8))
        #expect(problem.kind == "rateLimited" && problem.text.hasPrefix("a [31m b"))
        #expect(problem.text.count == 1_000)
        #expect(try Problem.fromJSON(Array("{}".utf8)).text == "no reason given")
    }
}
