import Domain
import Testing

struct FlatObjectTests {
    private struct Body: FlatBody, Equatable {
        let alg: String?
        let value: String?

        init(_ object: FlatObject) { (alg, value) = (object["alg"], object["value"]) }
    }

    @Test(
        "A flat object of plain strings is read where it lies",
        arguments: [
            #"{"alg":"ES256","value":"AQID"}"#, " { \"value\" :\t\"AQID\",\r\n\"alg\": \"ES256\" } ",
            #"{"alg":"ES256","other":"","value":"AQID"}"#,
        ])
    func reads(_ json: String) throws {
        let object = try #require(FlatObject(Array(json.utf8)))
        #expect(object["alg"] == "ES256")
        #expect(object["value"] == "AQID")
        #expect(object["iv"] == nil)
    }

    static let others = [
        "", "{", "{}", "[]", "null", #"{"alg":"ES256""#, #"{"alg":"ES256",}"#, #"{"alg":"ES256"}}"#,
        #"{"alg":"ES256"} x"#,
        #"{"alg":1}"#, #"{"alg":null}"#, #"{"alg":{"a":"b"}}"#, #"{"alg":["a"]}"#, #"{"alg":"a","alg":"b"}"#,
        #"{"al\u0067":"a"}"#, #"{"alg":"a\n"}"#, #"{"alg":"é"}"#, "{\"alg\":\"a\nb\"}", #"{alg:"a"}"#, #"{"alg" "a"}"#,
        #"{"alg":"a" "value":"b"}"#, #"{,"alg":"a"}"#, "\u{FEFF}{\"alg\":\"a\"}",
        "{" + (0...16).map { "\"m\($0)\":\"\"" }.joined(separator: ",") + "}",
        #"{"alg":""# + String(repeating: "a", count: 65_537) + #""}"#,
    ]

    @Test("Anything else is none", arguments: others)
    func refuses(_ json: String) { #expect(FlatObject(Array(json.utf8)) == nil) }

    @Test(
        "A body means what the decoder says, whichever of the two reads it",
        arguments: others + [
            #"{"alg":"ES256","value":"AQID"}"#, #"{"alg":"","value":""}"#, #"{"ALG":"a"}"#, #"{"value":"\u0041"}"#,
            #"{"alg":"/"}"#,
        ])
    func agrees(_ json: String) {
        func outcome(_ read: ([UInt8]) throws(VaultError) -> Body) -> (Body?, String?) {
            do throws(VaultError) { return (try read(Array(json.utf8)), nil) } catch { return (nil, error.message) }
        }
        let (flat, flatRefusal) = outcome(Body.fromFlatJSON)
        let (decoded, refusal) = outcome { json throws(VaultError) in try Body.fromJSON(json) }
        #expect(flat == decoded)
        #expect(flatRefusal == refusal)
    }
}
