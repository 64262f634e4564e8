import Domain
import Testing

struct VaultNameTests {
    @Test(
        "A vault's name is kept in lower case",
        arguments: [
            ("demo", "demo"), ("My-Vault1", "my-vault1"), ("abc", "abc"),
            ("a1234567890123456789012z", "a1234567890123456789012z"),
        ])
    func accepts(_ text: String, _ name: String) {
        #expect(VaultName(text)?.description == name)
    }

    @Test(
        "What the service refuses as a vault's name is none",
        arguments: [
            "", "ab", "a12345678901234567890123z", "1abc", "-abc", "abc-", "a--b", "a_b", "a.b", "a b", "äbc",
            "abc\u{0}", "abc/", "K\u{212A}elvin",
        ])
    func refuses(_ text: String) {
        #expect(VaultName(text) == nil)
    }
}

struct ObjectNameTests {
    @Test("Names that differ in case are one, and the spelling stays")
    func caseInsensitive() throws {
        let (first, second) = (try #require(ObjectName("Db-Password")), try #require(ObjectName("db-password")))
        #expect(first == second)
        #expect(first.hashValue == second.hashValue)
        #expect(first.spelling == "Db-Password")
        #expect(first.key == "db-password")
    }

    @Test("A name has 1 to 127 characters")
    func length() {
        #expect(ObjectName("a") != nil)
        #expect(ObjectName(String(repeating: "a", count: 127)) != nil)
        #expect(ObjectName(String(repeating: "a", count: 128)) == nil)
        #expect(ObjectName("") == nil)
    }

    @Test("A name holds letters, digits and hyphens only", arguments: (0...127).map { UInt8($0) })
    func characters(_ byte: UInt8) {
        let character = Character(UnicodeScalar(byte))
        let isAllowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-".contains(character)
        #expect((ObjectName("a\(character)b") != nil) == isAllowed)
    }

    @Test(
        "Nothing beyond ASCII is a name",
        arguments: ["é", "naïve", "\u{212A}", "a\u{301}", "🔑", "\u{FF41}", "a\u{200B}"])
    func unicode(_ text: String) {
        #expect(ObjectName(text) == nil)
    }
}

struct ObjectVersionTests {
    @Test("A version is 32 digits, written in lower case")
    func text() {
        let digits = "0123456789ABCDEFfedcba9876543210"
        #expect(ObjectVersion(digits)?.description == digits.lowercased())
    }

    @Test(
        "Anything else is no version",
        arguments: [
            "", "0123456789abcdef", "0123456789abcdef0123456789abcdeg", "0123456789abcdef0123456789abcdef0",
            "01234567-89ab-cdef-0123-456789abcdef",
        ])
    func refuses(_ text: String) {
        #expect(ObjectVersion(text) == nil)
    }

    @Test("All 128 bits are random")
    func random() {
        #expect(
            ObjectVersion(random: [UInt8](repeating: 0xFF, count: 16)).description == String(repeating: "f", count: 32))
        #expect(ObjectVersion(random: (0..<16).map { UInt8($0) }).description == "000102030405060708090a0b0c0d0e0f")
    }
}
