import Domain
import Testing

struct FlatObjectTests {
    private struct Body: FlatBody, Equatable {
        struct Part: Decodable, Equatable {
            let on: Bool?
            let at: Int64?
        }
        let alg: String?
        let value: String?
        let part: Part?
        let tags: [String: String]?

        init(_ object: inout FlatObject) {
            (alg, value) = (object.string("alg"), object.string("value"))
            part = object.object("part") { Part(on: $0.flag("on"), at: $0.integer("at")) }
            tags = object.object("tags") { $0.strings() }
        }
    }

    @Test(
        "A flat object is read where it lies",
        arguments: [
            #"{"alg":"ES256","value":"AQID","part":{"on":true,"at":17},"tags":{"a":"b"}}"#,
            " { \"value\" :\t\"AQID\",\r\n\"alg\": \"ES256\", \"tags\": { \"a\" : \"b\" } ,\"part\":{\"at\": 17 , \"on\": true }} ",
            #"{"alg":"ES256","other":"","more":{"n":0,"f":false},"value":"AQID","tags":{"a":"b"},"part":{"on":true,"at":17}}"#,
        ])
    func reads(_ json: String) throws {
        var object = try #require(FlatObject(Array(json.utf8)))
        #expect(object.string("alg") == "ES256")
        #expect(object.string("value") == "AQID")
        #expect(object.object("part") { [$0.flag("on") == true, $0.integer("at") == 17] } == [true, true])
        #expect(object.object("tags") { $0.strings() } == ["a": "b"])
        #expect(object.string("iv") == nil)
        #expect(object.isAsExpected)
    }

    static let others = [
        "", "{", "{}", "[]", "null", #"{"alg":"ES256""#, #"{"alg":"ES256",}"#, #"{"alg":"ES256"}}"#,
        #"{"alg":"ES256"} x"#,
        #"{"alg":null}"#, #"{"alg":{"a":{"b":"c"}}}"#, #"{"alg":{}}"#, #"{"alg":["a"]}"#, #"{"alg":"a","alg":"b"}"#,
        #"{"al\u0067":"a"}"#, #"{"alg":"a\n"}"#, #"{"alg":"é"}"#, "{\"alg\":\"a\nb\"}", #"{alg:"a"}"#, #"{"alg" "a"}"#,
        #"{"alg":"a" "value":"b"}"#, #"{,"alg":"a"}"#, "\u{FEFF}{\"alg\":\"a\"}", #"{"alg":}"#, #"{"alg":"a","part":}"#,
        #"{"part":{"at":1.5}}"#, #"{"part":{"at":1e3}}"#, #"{"part":{"at":-1}}"#, #"{"part":{"at":01}}"#,
        #"{"part":{"at":9223372036854775807}}"#, #"{"part":{"at":99999999999999999999}}"#, #"{"part":{"on":tru}}"#,
        #"{"part":{"on":True}}"#, #"{"part":{"on":truefalse}}"#, #"{"part":{"on":true"#, #"{"part":{"on":true}"#,
        #"{"part":{"on":true,"on":false}}"#, #"{"tags":{"a":"b","a":"c"}}"#, #"{"tags":{"a":null}}"#,
        "{" + (0...16).map { "\"m\($0)\":\"\"" }.joined(separator: ",") + "}",
        #"{"alg":""# + String(repeating: "a", count: 65_537) + #""}"#,
    ]

    @Test("Anything else is none", arguments: others)
    func refuses(_ json: String) { #expect(FlatObject(Array(json.utf8)) == nil) }

    @Test(
        "A body means what the decoder says, whichever of the two reads it",
        arguments: others + [
            #"{"alg":"ES256","value":"AQID"}"#, #"{"alg":"","value":""}"#, #"{"ALG":"a"}"#, #"{"value":"\u0041"}"#,
            #"{"alg":"/"}"#, #"{"alg":1}"#, #"{"alg":true}"#, #"{"alg":{"a":"b"}}"#, #"{"part":"a"}"#, #"{"part":1}"#,
            #"{"part":{"on":true,"at":0}}"#, #"{"part":{"on":1}}"#, #"{"part":{"on":"true"}}"#, #"{"part":{"at":"1"}}"#,
            #"{"part":{"at":false}}"#, #"{"part":{"at":999999999999999999}}"#, #"{"part":{"x":"y"}}"#, #"{"tags":"a"}"#,
            #"{"tags":{"a":1}}"#, #"{"tags":{"a":"b","c":""}}"#, #"{"tags":{"a":false}}"#, #"{"unknown":5,"alg":"a"}"#,
            #"{"alg":"a","tags":{"a":"b"},"part":{"at":5}}"#,
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
