import Domain
import StrongroomTesting
import Testing

/// A file of Wycheproof cases: groups with what is common, and their tests.
struct WycheproofFile<Group: Decodable & Sendable>: Decodable, Sendable {
    let numberOfTests: Int
    let testGroups: [Group]

    static func load(_ name: String) throws -> Self { try Vectors.json("wycheproof/" + name) }
}

enum WycheproofVerdict: String, Decodable, Sendable { case valid, invalid, acceptable }

/// Hexadecimal text as bytes.
struct HexBytes: Decodable, Sendable {
    let bytes: [UInt8]

    init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        guard let bytes = Hex.decode(try container.decode(String.self)) else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "not hexadecimal")
        }
        self.bytes = bytes
    }
}
