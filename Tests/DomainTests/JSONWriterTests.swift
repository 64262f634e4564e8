import Domain
import FoundationEssentials
import Testing

struct JSONWriterTests {
    private func text(_ write: (inout JSONWriter) -> Void) -> String {
        var writer = JSONWriter()
        write(&writer)
        return String(decoding: writer.bytes, as: UTF8.self)
    }

    @Test("Members stand in the order they are given")
    func order() {
        let written = text { writer in
            writer.object { object in
                object.member("b", "x")
                object.member("a", 7)
                object.member("c", true)
                object.null("d")
                object.array("e") { list in
                    list.string("1")
                    list.integer(-2)
                    list.object { $0.member("f", Int64.min) }
                }
                object.object("g") { _ in }
                object.member(named: "h\"", "i")
            }
        }
        #expect(
            written == #"{"b":"x","a":7,"c":true,"d":null,"e":["1",-2,{"f":-9223372036854775808}],"g":{},"h\"":"i"}"#)
    }

    @Test(
        "What JSON or a log line could trip over is escaped",
        arguments: [
            ("\"", #"\""#), ("\\", #"\\"#), ("\n", #"\n"#), ("\r", #"\r"#), ("\t", #"\t"#), ("\u{0}", #"\u0000"#),
            ("\u{1F}", #"\u001f"#),
            ("\u{7F}", #"\u007f"#), ("/", "/"), ("é", "é"), ("🔑", "🔑"), ("\u{2028}", #"\u2028"#),
            ("\u{2029}", #"\u2029"#), ("\u{85}", #"\u0085"#), ("\u{2026}", "\u{2026}"),
        ])
    func escapes(_ plain: String, _ escaped: String) {
        #expect(text { $0.string("a" + plain + "b") } == "\"a" + escaped + "b\"")
    }

    @Test("Every string comes back from a decoder", arguments: 0..<200)
    func roundTrip(_ seed: Int) throws {
        let scalars = (0..<Int.random(in: 0...40)).compactMap { _ in
            UnicodeScalar(Bool.random() ? UInt32.random(in: 0...0x9F) : UInt32.random(in: 0...0x10FFFF))
        }
        let string = String(String.UnicodeScalarView(scalars))
        let sensitive = SensitiveBytes(string.utf8)
        let written = text { writer in
            writer.object { object in
                object.member("value", string)
                object.member("sensitive", sensitive)
                object.member(named: string + "2", string)
            }
        }
        let decoded = try JSONDecoder().decode([String: String].self, from: Data(written.utf8))
        #expect(decoded["value"].map { Array($0.utf8) } == Array(string.utf8))
        #expect(decoded["sensitive"].map { Array($0.utf8) } == Array(string.utf8))
        #expect(decoded[string + "2"].map { Array($0.utf8) } == Array(string.utf8))
    }

    @Test("A GUID is written as its text")
    func guid() throws {
        let guid = try #require(GUID("f81d4fae-7dec-11d0-a765-00a0c91e6bf6"))
        #expect(text { $0.object { $0.member("id", guid) } } == #"{"id":"f81d4fae-7dec-11d0-a765-00a0c91e6bf6"}"#)
    }

    @Test("JSON that is there already is embedded between commas")
    func embeds() {
        let written = text { writer in
            writer.array { list in
                list.embed(Array("1".utf8))
                list.embed(Array("{}".utf8))
                list.object { $0.embed("a", Array("[]".utf8)) }
            }
        }
        #expect(written == #"[1,{},{"a":[]}]"#)
    }
}
