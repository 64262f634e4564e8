/// A JSON object of plain strings, read where it lies: what nearly every call that uses a key sends.
///
/// Not a parser of JSON: what has an escape, a number, a nested value, a character beyond ASCII, a member twice or anything else
/// that asks for one is none, and is left to the decoder, which refuses or understands it.
package struct FlatObject {
    private static let mostMembers = 16
    private static let longestString = 65_536

    private let json: [UInt8]
    private var members: [(name: Range<Int>, value: Range<Int>)] = []

    package init?(_ json: [UInt8]) {
        self.json = json
        var index = 0
        func skipSpace() {
            while index < json.count,
                json[index] == 0x20 || json[index] == 0x0A || json[index] == 0x0D || json[index] == 0x09
            {
                index += 1
            }
        }
        func take(_ byte: UInt8) -> Bool {
            skipSpace()
            guard index < json.count, json[index] == byte else { return false }
            index += 1
            return true
        }
        func string() -> Range<Int>? {
            guard take(UInt8(ascii: "\"")) else { return nil }
            let start = index
            while index < json.count, json[index] != UInt8(ascii: "\"") {
                guard json[index] >= 0x20, json[index] < 0x7F, json[index] != UInt8(ascii: "\\") else { return nil }
                index += 1
            }
            guard index < json.count, index - start <= Self.longestString else { return nil }
            index += 1
            return start..<(index - 1)
        }
        guard take(UInt8(ascii: "{")) else { return nil }
        repeat {
            guard let name = string(), take(UInt8(ascii: ":")), let value = string(), members.count < Self.mostMembers,
                !members.contains(where: { json[$0.name].elementsEqual(json[name]) })
            else { return nil }
            members.append((name, value))
        } while take(UInt8(ascii: ","))
        guard take(UInt8(ascii: "}")) else { return nil }
        skipSpace()
        guard index == json.count else { return nil }
    }

    /// Nil when there is no such member.
    package subscript(_ name: StaticString) -> String? {
        name.withUTF8Buffer { name in
            members.first { json[$0.name].elementsEqual(name) }.map { String(decoding: json[$0.value], as: UTF8.self) }
        }
    }
}

/// A request body that is, from most clients, a flat object of strings.
package protocol FlatBody: Decodable {
    init(_ object: FlatObject)
}

extension FlatBody {
    /// As `fromJSON` understands it, at a tenth of the cost for a flat object.
    ///
    /// - Throws: `.badParameter` naming the member at fault, never quoting its value.
    package static func fromFlatJSON(_ json: [UInt8]) throws(VaultError) -> Self {
        if let object = FlatObject(json) { return Self(object) }
        return try fromJSON(json)
    }
}
