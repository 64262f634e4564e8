import Domain
import Objects
import Testing

struct ObjectRecordTests {
    private static func record(
        tags: [ObjectRecord.Tag]? = nil, notBefore: Int64? = nil, expires: Int64? = nil, isEnabled: Bool = true,
        payload: [UInt8] = [1, 2, 3]
    ) -> ObjectRecord {
        ObjectRecord(
            version: ObjectVersion(GUID(high: 0x0123_4567_89AB_CDEF, low: 0xFEDC_BA98_7654_3210)),
            attributes: ObjectAttributes(
                isEnabled: isEnabled, notBefore: notBefore, expires: expires, created: 1_800_000_000,
                updated: 1_800_000_001), tags: tags, payload: payload)
    }

    static let records = [
        record(), record(tags: []), record(tags: [.init(name: "a", value: "")]),
        record(tags: [.init(name: "é\u{301}\u{0}", value: "🔑"), .init(name: "b", value: "c")], notBefore: 0),
        record(notBefore: -1, expires: .max), record(expires: .min, isEnabled: false), record(payload: []),
        record(payload: [UInt8](repeating: 0xFF, count: 100_000)),
    ]

    private func expectEqual(_ left: ObjectRecord, _ right: ObjectRecord) {
        #expect(left.version == right.version && left.revision == right.revision)
        #expect(left.attributes == right.attributes)
        #expect(left.tags == right.tags)
        #expect(left.payload == right.payload)
    }

    @Test("A record comes back as it was", arguments: records.indices)
    func roundTrip(_ index: Int) throws {
        var record = Self.records[index]
        record.revision = UInt32.max - UInt32(index)
        var writer = ByteWriter()
        record.encode(to: &writer)
        var reader = ByteReader(writer.bytes)
        let again = try #require(ObjectRecord(from: &reader))
        #expect(reader.isAtEnd)
        expectEqual(again, record)
    }

    @Test("A head comes back as it was, and nothing shorter or longer is one", arguments: records.indices.dropLast())
    func head(_ index: Int) throws {
        let head = ObjectHead(
            name: try #require(ObjectName("MixedCase-1")), current: Self.records[index], pastVersions: 7)
        let bytes = head.encoded()
        let again = try #require(ObjectHead(bytes))
        #expect(again.name.spelling == "MixedCase-1" && again.pastVersions == 7)
        expectEqual(again.current, head.current)
        for count in bytes.indices { #expect(ObjectHead(Array(bytes.prefix(count))) == nil, "\(count) bytes") }
        #expect(ObjectHead(bytes + [0]) == nil)
        var other = bytes
        other[0] = 2
        #expect(ObjectHead(other) == nil)
    }

    @Test("Tags that were never set are other than none")
    func tags() throws {
        for tags in [nil, []] as [[ObjectRecord.Tag]?] {
            var writer = ByteWriter()
            Self.record(tags: tags).encode(to: &writer)
            var reader = ByteReader(writer.bytes)
            #expect(try #require(ObjectRecord(from: &reader)).tags == tags)
        }
    }
}
