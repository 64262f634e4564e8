import Domain
import Testing

struct HexTests {
    @Test("Bytes are written as pairs of lower-case digits")
    func encodes() {
        #expect(Hex.encode([0x00, 0x0F, 0xA5, 0xFF]) == "000fa5ff")
        #expect(Hex.encode([]) == "")
    }

    @Test("Digits of either case are read")
    func decodes() {
        #expect(Hex.decode("000fA5Ff") == [0x00, 0x0F, 0xA5, 0xFF])
        #expect(Hex.decode("") == [])
    }

    @Test(
        "Odd counts and other characters are refused",
        arguments: ["0", "0g", "0x10", " 00", "00 ", "é0", "\u{FF10}\u{FF10}"])
    func refuses(_ text: String) {
        #expect(Hex.decode(text) == nil)
    }
}
