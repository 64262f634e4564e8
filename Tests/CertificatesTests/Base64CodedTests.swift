import FoundationEssentials
import Testing

@testable import Certificates

struct Base64CodedTests {
    private struct Record: Codable, Equatable {
        @Base64Coded var bytes: [UInt8]
        @Base64Coded var more: [UInt8]?

        static func == (left: Record, right: Record) -> Bool { left.bytes == right.bytes && left.more == right.more }
    }

    private func decode(_ json: String) throws -> Record {
        try JSONDecoder().decode(Record.self, from: Data(json.utf8))
    }

    @Test("Bytes are kept as base64, and none as nothing")
    func coding() throws {
        for record in [
            Record(bytes: [], more: nil), Record(bytes: [1, 2, 255], more: []), Record(bytes: [0], more: [9]),
        ] {
            let data = try JSONEncoder().encode(record)
            #expect(try JSONDecoder().decode(Record.self, from: data) == record)
        }
        let text = String(decoding: try JSONEncoder().encode(Record(bytes: [1, 2, 255], more: nil)), as: UTF8.self)
        #expect(text == #"{"bytes":"AQL\/"}"#)
    }

    @Test("What was written as arrays of numbers is still read")
    func arrays() throws {
        #expect(try decode(#"{"bytes":[1,2,255],"more":[3]}"#) == Record(bytes: [1, 2, 255], more: [3]))
        #expect(try decode(#"{"bytes":"AQL/","more":null}"#) == Record(bytes: [1, 2, 255], more: nil))
    }

    @Test("What is neither is refused", arguments: [#"{"bytes":"*"}"#, #"{"bytes":5}"#, #"{"bytes":[256]}"#, "{}"])
    func neither(_ json: String) {
        #expect(throws: (any Error).self) { try decode(json) }
    }
}
