import Domain

/// A file of Wycheproof cases: groups with what is common, and their tests.
package struct WycheproofFile<Group: Decodable & Sendable>: Decodable, Sendable {
    package let numberOfTests: Int
    package let testGroups: [Group]

    package static func load(_ name: String) throws -> Self { try Vectors.json("wycheproof/" + name) }
}

package enum WycheproofVerdict: String, Decodable, Sendable { case valid, invalid, acceptable }

/// Hexadecimal text as bytes.
package struct HexBytes: Decodable, Sendable {
    package let bytes: [UInt8]

    package init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        guard let bytes = Hex.decode(try container.decode(String.self)) else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "not hexadecimal")
        }
        self.bytes = bytes
    }
}
