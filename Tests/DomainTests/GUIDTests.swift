import Domain
import FoundationEssentials
import Testing

struct GUIDTests {
    private let text = "f81d4fae-7dec-11d0-a765-00a0c91e6bf6"

    @Test(
        "A GUID is written as it was read, in lower case",
        arguments: ["f81d4fae-7dec-11d0-a765-00a0c91e6bf6", "F81D4FAE-7DEC-11D0-A765-00A0C91E6BF6"])
    func roundTrip(_ spelling: String) {
        #expect(GUID(spelling)?.description == text)
    }

    @Test(
        "What is not 8-4-4-4-12 hexadecimal digits is no GUID",
        arguments: [
            "", "f81d4fae", "f81d4fae7dec11d0a76500a0c91e6bf6", "{f81d4fae-7dec-11d0-a765-00a0c91e6bf6}",
            "f81d4fae-7dec-11d0-a765-00a0c91e6bf", "f81d4fae-7dec-11d0-a765-00a0c91e6bf67",
            "f81d4fae-7dec-11d0-a76500a0-c91e6bf6",
            "g81d4fae-7dec-11d0-a765-00a0c91e6bf6", " f81d4fae-7dec-11d0-a765-00a0c91e6bf6",
            "f81d4fae-7dec-11d0-a765-00a0c91e6bf6 ",
            "f81d4fae-7dec-11d0-a765-00a0c91e6bf\u{FF16}", "--------------------------------------",
            "f81d4fae_7dec_11d0_a765_00a0c91e6bf6",
        ])
    func refused(_ text: String) {
        #expect(GUID(text) == nil)
    }

    @Test("A random GUID says that it is of version 4 and of the variant of RFC 9562")
    func random() throws {
        for byte: UInt8 in [0x00, 0x5A, 0xFF] {
            let text = Array(GUID(random: [UInt8](repeating: byte, count: 16)).description)
            #expect(text[14] == "4")
            #expect("89ab".contains(text[19]))
        }
    }

    @Test("GUIDs are ordered like their texts")
    func order() throws {
        let texts = [
            "00000000-0000-0000-0000-000000000001", "00000000-0000-0001-0000-000000000000",
            "ffffffff-ffff-ffff-ffff-fffffffffffe",
        ]
        #expect(texts.compactMap { GUID($0) }.sorted().map(\.description) == texts)
    }

    @Test("A GUID is JSON text and refuses any other")
    func json() throws {
        let guid = try #require(GUID(text))
        #expect(try String(decoding: JSONEncoder().encode(guid), as: UTF8.self) == "\"\(text)\"")
        #expect(try JSONDecoder().decode(GUID.self, from: Data("\"\(text)\"".utf8)) == guid)
        #expect(throws: DecodingError.self) { try JSONDecoder().decode(GUID.self, from: Data("\"nonsense\"".utf8)) }
    }
}
