import Domain
import Testing

struct ByteCodingTests {
    private func written() -> [UInt8] {
        var writer = ByteWriter()
        writer.byte(7)
        writer.integer(UInt16(0x0102))
        writer.integer(Int64(-2))
        writer.string("é")
        writer.blob([1, 2, 3])
        writer.guid(GUID(high: 1, low: 2))
        writer.optional(nil as String?)
        writer.optional("x")
        writer.optional(-7 as Int64?)
        writer.optional(false)
        writer.optional(GUID(high: 3, low: 4))
        return writer.bytes
    }

    /// What was written, read in order; nil as soon as the bytes do not suffice.
    private func read(_ bytes: [UInt8]) -> Bool {
        var reader = ByteReader(bytes)
        guard reader.byte() == 7, reader.integer(UInt16.self) == 0x0102, reader.integer(Int64.self) == -2,
            reader.string() == "é",
            reader.blob().map({ Array($0) }) == [1, 2, 3], reader.guid() == GUID(high: 1, low: 2),
            let absent = reader.optionalString(), absent == nil, let text = reader.optionalString(), text == "x",
            let number = reader.optionalInteger(), number == -7, let flag = reader.optionalFlag(), flag == false,
            let guid = reader.optionalGUID(), guid == GUID(high: 3, low: 4)
        else { return false }
        return reader.isAtEnd
    }

    @Test("Fields come back as they were written")
    func roundTrip() {
        #expect(read(written()))
    }

    @Test("Integers stand with their most significant byte first")
    func bigEndian() {
        var writer = ByteWriter()
        writer.integer(UInt32(0x0102_0304))
        #expect(writer.bytes == [1, 2, 3, 4])
    }

    @Test("Bytes cut short anywhere do not parse")
    func truncated() {
        let bytes = written()
        for count in 0..<bytes.count { #expect(!read(Array(bytes.prefix(count))), "\(count) bytes") }
        #expect(!read(bytes + [0]))
    }

    @Test(
        "A length beyond the end is no blob",
        arguments: [[0, 0, 0, 5, 1], [0xFF, 0xFF, 0xFF, 0xFF], [0x7F, 0xFF, 0xFF, 0xFF, 0]] as [[UInt8]])
    func lengths(_ bytes: [UInt8]) {
        var reader = ByteReader(bytes)
        #expect(reader.blob() == nil)
    }

    @Test("A string that is no UTF-8 is none")
    func utf8() {
        var reader = ByteReader([0, 0, 0, 2, 0xC3, 0x28])
        #expect(reader.string() == nil)
    }

    @Test("A flag that is neither 0 nor 1 is no flag")
    func flags() {
        var reader = ByteReader([2, 0])
        #expect(reader.optionalString() == nil)
    }
}
