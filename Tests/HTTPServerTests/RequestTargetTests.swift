import Domain
import Operations
import Testing

@testable import HTTPServer

struct RequestTargetTests {
    private static func path(_ text: some Sequence<UInt8>) throws(VaultError) -> [String] {
        let decoded = Array(text).withUnsafeBufferPointer { bytes in
            Result { () throws(VaultError) in try RequestTarget.path(bytes) }
        }
        return try decoded.get()
    }

    private static func query(_ text: some Sequence<UInt8>) throws(VaultError) -> Query {
        let decoded = Array(text).withUnsafeBufferPointer { bytes in
            Result { () throws(VaultError) in try RequestTarget.query(bytes) }
        }
        return try decoded.get()
    }

    private static func pathFault(_ text: some Sequence<UInt8>) -> VaultError.Code? {
        do throws(VaultError) { _ = try path(text) } catch { return error.code }
        return nil
    }

    private static func queryFault(_ text: some Sequence<UInt8>) -> VaultError.Code? {
        do throws(VaultError) { _ = try query(text) } catch { return error.code }
        return nil
    }

    private static func hex(_ byte: UInt8) -> String { (byte < 16 ? "0" : "") + String(byte, radix: 16) }

    // MARK: Path

    @Test(
        "A path is its decoded segments, without empty ones",
        arguments: [
            ("", []), ("/", []), ("////", []),
            ("/secrets", ["secrets"]), ("/secrets/", ["secrets"]), ("//secrets///a//", ["secrets", "a"]),
            ("/secrets/a/versions", ["secrets", "a", "versions"]),
            ("/secrets:batchGet", ["secrets:batchGet"]),
            ("/%73ecrets/%61", ["secrets", "a"]),
            ("/a%20b", ["a b"]), ("/a+b", ["a+b"]), ("/a%2Bb", ["a+b"]),
            ("/%C3%A4", ["ä"]), ("/%F0%9F%94%91", ["🔑"]),
            ("/%25", ["%"]), ("/%252F", ["%2F"]), ("/%252e%252e", ["%2e%2e"]),
            ("/...", ["..."]), ("/.a", [".a"]), ("/a.", ["a."]), ("/a..b", ["a..b"]),
            ("/~!$&'()*,;=:@", ["~!$&'()*,;=:@"]),
        ] as [(String, [String])])
    func segments(_ text: String, _ expected: [String]) throws {
        #expect(try Self.path(text.utf8) == expected)
    }

    @Test(
        "An encoded separator is refused wherever it stands",
        arguments: [
            "/a%2Fb", "/a%2fb", "/%2F", "/%2F%2F", "/secrets%2Fa", "/secrets/%2f..", "/a%5Cb", "/a%5cb", "/%5C",
            "/a\\b",
            "/\\", "/%2E%2E%2Fa",
        ])
    func separators(_ text: String) {
        #expect(Self.pathFault(text.utf8) == .malformedRequest)
    }

    @Test(
        "A dot segment is refused, encoded or not",
        arguments: [
            "/.", "/..", "/./a", "/../a", "/a/.", "/a/..", "/a/../b", "/a/./b", "//../", "/%2e", "/%2E%2E", "/.%2e",
            "/%2e./a", "/a/%2E/b", "/secrets/%2e%2e/keys",
        ])
    func dotSegments(_ text: String) {
        #expect(Self.pathFault(text.utf8) == .malformedRequest)
    }

    @Test("No control character and nothing beyond ASCII stands in a path as it is", arguments: UInt8.min...UInt8.max)
    func rawBytes(_ byte: UInt8) {
        let isTaken = byte > 0x20 && byte < 0x7F && !"\\#%".utf8.contains(byte)
        #expect((Self.pathFault(Array("/a".utf8) + [byte] + Array("b".utf8)) == nil) == isTaken)
    }

    @Test("An encoded byte is taken unless it is a control character or a separator", arguments: UInt8(0)...127)
    func encodedBytes(_ byte: UInt8) throws {
        let text = "/a%\(Self.hex(byte))b"
        if byte < 0x20 || byte == 0x7F || byte == UInt8(ascii: "/") || byte == UInt8(ascii: "\\") {
            #expect(Self.pathFault(text.utf8) == .malformedRequest)
        } else {
            #expect(try Self.path(text.utf8) == ["a\(Character(UnicodeScalar(byte)))b"])
        }
    }

    private static let broken = ["%", "%2", "a%", "a%4", "%g0", "%0g", "%%41", "% 41", "%+41", "%u0041", "%-1"]

    @Test("Broken percent-encoding is refused", arguments: broken)
    func brokenEncoding(_ text: String) {
        #expect(Self.pathFault(("/" + text).utf8) == .malformedRequest)
        #expect(Self.pathFault(("/" + text + "/a").utf8) == .malformedRequest)
    }

    private static let noText = ["%FF", "%C3", "%C3/%A4", "%80", "%C0%AF", "%E0%80%AF", "%ED%A0%80", "%F4%90%80%80"]

    @Test("What does not decode to UTF-8 is refused, overlong forms too", arguments: noText)
    func invalidText(_ text: String) {
        #expect(Self.pathFault(("/" + text).utf8) == .malformedRequest)
    }

    // MARK: Query

    @Test(
        "A query is its decoded pairs, names in lower case",
        arguments: [
            ("", []), ("&&", []), ("a=1", ["a:1"]), ("a=1&b=2", ["a:1", "b:2"]), ("&a=1&", ["a:1"]),
            ("API-Version=7.4", ["api-version:7.4"]), ("a", ["a:"]), ("a=", ["a:"]), ("=1", [":1"]),
            ("a=b=c", ["a:b=c"]), ("a=1+2", ["a:1 2"]), ("a=1%2B2", ["a:1+2"]), ("a=%26%3D", ["a:&="]),
            ("%61pi-version=1", ["api-version:1"]), ("$skiptoken=x", ["$skiptoken:x"]),
            ("%24skiptoken=x", ["$skiptoken:x"]),
            ("a=%2F..%2F", ["a:/../"]), ("a=/?", ["a:/?"]), ("a=%C3%A4", ["a:ä"]), ("a=1&a=2", ["a:1", "a:2"]),
        ] as [(String, [String])])
    func pairs(_ text: String, _ expected: [String]) throws {
        #expect(try Self.query(text.utf8).items.map { "\($0.name):\($0.value)" } == expected)
    }

    @Test("A name that is given twice has no value, however it is spelled")
    func twice() throws {
        for text in ["a=1&a=1", "a=1&A=2", "a=1&%61=2"] {
            let query = try Self.query(text.utf8)
            #expect(throws: VaultError.self, "\(text)") { try query.value("a") }
        }
    }

    @Test("Broken encoding is refused in a query too", arguments: broken + noText)
    func brokenQuery(_ text: String) {
        #expect(Self.queryFault(("a=" + text).utf8) == .malformedRequest)
        #expect(Self.queryFault((text + "=a").utf8) == .malformedRequest)
    }

    @Test("No control character and no space stands in a query as it is", arguments: UInt8(0)...0x20)
    func controlCharacters(_ byte: UInt8) {
        #expect(Self.queryFault(Array("a=b".utf8) + [byte]) == .malformedRequest)
        #expect(Self.queryFault(Array("a=b".utf8) + [0x7F]) == .malformedRequest)
    }

    @Test("64 parameters are taken and one more is not")
    func count() throws {
        let pairs = (1...64).map { "p\($0)=\($0)" }
        #expect(try Self.query(pairs.joined(separator: "&").utf8).items.count == 64)
        #expect(Self.queryFault((pairs + ["more"]).joined(separator: "&").utf8) == .malformedRequest)
    }

    // MARK: Any text at all

    @Test(
        "Whatever bytes come, a path that is taken holds no separator, dot segment or control character",
        arguments: 1...8)
    func anyBytes(_ seed: UInt64) throws {
        var state = seed &* 0x9E37_79B9_7F4A_7C15
        func next(_ bound: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % bound
        }
        let pieces = [
            "/", "%2F", "%5c", ".", "%2e", "%", "a", "%41", "%00", "+", "\\", "ä", "%c3", "%a4", "%25", "2f", "5C",
        ]
        var taken = 0
        for _ in 0..<4_000 {
            let text = "/" + (0..<next(7)).map { _ in pieces[next(pieces.count)] }.joined()
            guard let path = try? Self.path(text.utf8) else { continue }
            taken += 1
            for segment in path {
                #expect(!segment.isEmpty && segment != "." && segment != "..", "\(text)")
                #expect(
                    !segment.unicodeScalars.contains { $0.value < 0x20 || "/\\\u{7F}".unicodeScalars.contains($0) },
                    "\(text)")
            }
        }
        #expect(taken > 100)
    }
}
