import Domain
import Testing

struct Base64Tests {
    /// RFC 4648 §10.
    static let vectors = [
        ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE="),
        ("foobar", "Zm9vYmFy"),
    ]

    @Test("Base64 encodes the vectors of RFC 4648", arguments: vectors)
    func encodes(_ plain: String, _ encoded: String) {
        #expect(Base64.encode(Array(plain.utf8)) == encoded)
        #expect(Base64.encodeURL(Array(plain.utf8)) == encoded.filter { $0 != "=" })
    }

    @Test("Base64 decodes the vectors of RFC 4648", arguments: vectors)
    func decodes(_ plain: String, _ encoded: String) {
        #expect(Base64.decode(encoded) == Array(plain.utf8))
        #expect(Base64.decodeURL(encoded) == Array(plain.utf8))
        #expect(Base64.decodeURL(encoded.filter { $0 != "=" }) == Array(plain.utf8))
    }

    @Test("The two alphabets differ in their last two characters")
    func alphabets() {
        let bytes: [UInt8] = [0xFB, 0xEF, 0xFF]
        #expect(Base64.encode(bytes) == "++//")
        #expect(Base64.encodeURL(bytes) == "--__")
        #expect(Base64.decode("--__") == nil)
        #expect(Base64.decodeURL("++//") == nil)
    }

    @Test(
        "Base64 with anything beside its alphabet is refused",
        arguments: [
            "Zg", "Zg=", "Zg===", "=", "==", "====", "Z===", "Zm8", "Zm9v\n", " Zm9v", "Zm 9v", "Zm9v=", "Zm9v====",
            "Zg==Zg==", "Zm9=v",
            "Zm9vé", "Zm9\u{0}",
        ])
    func refuses(_ text: String) {
        #expect(Base64.decode(text) == nil)
    }

    @Test(
        "Base64url with anything beside its alphabet is refused",
        arguments: ["Z", "Zg=", "Zg===", "=", "Zm9vY", "Zm9v\n", "Zm 9v", "Zm9v=", "Zg==Zg==", "Zm9vé", "Zm+v", "Zm/v"])
    func refusesURL(_ text: String) {
        #expect(Base64.decodeURL(text) == nil)
    }

    @Test("Bits beyond the last byte must be zero", arguments: ["Zh==", "Zk==", "Zm9=", "Zm-", "Zv"])
    func leftoverBits(_ text: String) {
        #expect(Base64.decode(text) == nil)
        #expect(Base64.decodeURL(text) == nil)
    }

    @Test("What is encoded comes back, and no other text means the same bytes", arguments: 0...66)
    func roundTrip(_ count: Int) {
        let bytes = (0..<count).map { _ in UInt8.random(in: 0...255) }
        #expect(Base64.decode(Base64.encode(bytes)) == bytes)
        #expect(Base64.decodeURL(Base64.encodeURL(bytes)) == bytes)
        #expect(Base64.decodeURL(Array(Base64.encodeURL(bytes).utf8)[...]) == bytes)
    }
}
