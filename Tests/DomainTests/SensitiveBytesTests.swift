import Domain
import Testing

struct SensitiveBytesTests {
    private let secret = SensitiveBytes("hunter2 hunter2".utf8)

    @Test("Sensitive bytes print as their length, whichever way they are printed")
    func prints() {
        struct Holder { let secret: SensitiveBytes }
        var dumped = ""
        dump(Holder(secret: secret), to: &dumped)
        let texts = [
            "\(secret)", String(describing: secret), String(reflecting: secret), "\(Holder(secret: secret))",
            "\(Optional(secret) as Any)", dumped,
        ]
        for text in texts { #expect(!text.contains("hunter") && !text.contains("104")) }
        #expect("\(secret)" == "<15 sensitive bytes>")
        #expect(Mirror(reflecting: secret).children.isEmpty)
    }

    @Test("Sensitive bytes open to what they were made of")
    func opens() {
        #expect(secret.count == 15)
        #expect(secret.withUnsafeBytes { Array($0) } == Array("hunter2 hunter2".utf8))
        #expect(SensitiveBytes([UInt8]()).withUnsafeBytes { $0.count } == 0)
    }

    @Test("A filling that throws makes nothing")
    func throwing() {
        struct Failure: Error {}
        #expect(throws: Failure.self) { try SensitiveBytes(count: 4) { (_) throws(Failure) in throw Failure() } }
    }

    @Test(
        "Equal means byte for byte",
        arguments: [
            ("", "", true), ("a", "a", true), ("a", "b", false), ("a", "ab", false), ("abc", "abd", false),
            ("xbc", "abc", false),
        ])
    func equality(_ left: String, _ right: String, _ isEqual: Bool) {
        #expect(SensitiveBytes.equal(SensitiveBytes(left.utf8), SensitiveBytes(right.utf8)) == isEqual)
        #expect(constantTimeEqual(Array(left.utf8), Array(right.utf8)) == isEqual)
    }
}
