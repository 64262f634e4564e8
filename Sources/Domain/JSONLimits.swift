import FoundationEssentials

/// Looks over JSON before a decoder sees it: depth, number of members and strings, duplicate members.
///
/// The decoder recurses, so depth must be bounded first; and two members of one name would mean different things to different
/// readers. Words are checked too: the decoder never looks at what it is not asked for, and reads other encodings than UTF-8. The rest
/// of the grammar is left to it: what this passes may still be refused there.
/// - Source: RFC 8259 §2, §6, §7, §8.1.
package struct JSONLimits: Sendable {
    /// Nested objects and arrays.
    package var depth = 32
    /// Members and elements in the whole text.
    package var values = 2_048
    /// Bytes of one string, escapes included.
    package var stringBytes = 1_048_576

    package init() {}

    /// A backup blob is one long string.
    package static func restore(bytes: Int) -> JSONLimits {
        var limits = JSONLimits()
        limits.stringBytes = bytes
        return limits
    }

    /// - Throws: `.badParameter` that names the limit.
    package func check(_ json: [UInt8]) throws(VaultError) {
        guard (try? UTF8Span(validating: json.span)) != nil else { throw Self.notJSON }
        var open: [Container] = []
        var valueCount = 0
        var index = 0
        var last = UInt8(ascii: "[")
        while index < json.count {
            let byte = json[index]
            switch byte {
            case UInt8(ascii: "{"), UInt8(ascii: "["):
                guard open.count < depth else {
                    throw .badParameter("The request body nests objects and arrays deeper than \(depth) levels.")
                }
                open.append(Container(isObject: byte == UInt8(ascii: "{")))
                valueCount += 1
            case UInt8(ascii: "}"), UInt8(ascii: "]"):
                // The decoder lets a comma before a bracket pass.
                guard !open.isEmpty, last != UInt8(ascii: ",") else { throw Self.notJSON }
                open.removeLast()
            case UInt8(ascii: ","):
                valueCount += 1
                if let last = open.indices.last { open[last].expectsName = open[last].isObject }
            case UInt8(ascii: "\""):
                let start = index
                index += 1
                while index < json.count, json[index] != UInt8(ascii: "\"") {
                    guard json[index] >= 0x20 else { throw Self.notJSON }
                    index += try json[index] == UInt8(ascii: "\\") ? Self.escapeLength(json, at: index) : 1
                }
                guard index < json.count else { throw Self.notJSON }
                guard index - start <= stringBytes else {
                    throw .badParameter("A string in the request body is longer than \(stringBytes) bytes.")
                }
                if let last = open.indices.last, open[last].expectsName {
                    open[last].expectsName = false
                    guard open[last].names.insert(try Self.text(json[start...index])).inserted else {
                        throw .badParameter("A member appears twice in one object of the request body.")
                    }
                }
            case UInt8(ascii: ":"), 0x20, 0x09, 0x0A, 0x0D:
                break
            default:
                let word = json[index...].prefix { !Self.endsWord($0) }
                guard Self.isWord(word) else { throw Self.notJSON }
                index += word.count - 1
            }
            guard valueCount <= values else {
                throw .badParameter("The request body holds more than \(values) values.")
            }
            if byte > 0x20 { last = byte }
            index += 1
        }
        guard open.isEmpty else { throw Self.notJSON }
    }

    private static func endsWord(_ byte: UInt8) -> Bool {
        byte <= 0x20 || byte == UInt8(ascii: ",") || byte == UInt8(ascii: "]") || byte == UInt8(ascii: "}")
            || byte == UInt8(ascii: ":") || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "[")
            || byte == UInt8(ascii: "{")
    }

    /// Whether it is a number, or one of the three literals.
    private static func isWord(_ word: ArraySlice<UInt8>) -> Bool {
        if word.elementsEqual("true".utf8) || word.elementsEqual("false".utf8) || word.elementsEqual("null".utf8) {
            return true
        }
        var rest = word.first == UInt8(ascii: "-") ? word.dropFirst() : word
        func digits(_ rest: inout ArraySlice<UInt8>) -> Int {
            let count = rest.prefix(while: \.isASCIIDigit).count
            rest = rest.dropFirst(count)
            return count
        }
        let startsWithZero = rest.first == UInt8(ascii: "0")
        let whole = digits(&rest)
        guard whole > 0, !startsWithZero || whole == 1 else { return false }
        if rest.first == UInt8(ascii: ".") {
            rest = rest.dropFirst()
            guard digits(&rest) > 0 else { return false }
        }
        if rest.first.map({ $0 | 0x20 }) == UInt8(ascii: "e") {
            rest = rest.dropFirst()
            if rest.first == UInt8(ascii: "+") || rest.first == UInt8(ascii: "-") { rest = rest.dropFirst() }
            guard digits(&rest) > 0 else { return false }
        }
        return rest.isEmpty
    }

    /// Of an escape in a string, its backslash counted.
    private static func escapeLength(_ json: [UInt8], at index: Int) throws(VaultError) -> Int {
        guard index + 1 < json.count else { throw notJSON }
        switch json[index + 1] {
        case UInt8(ascii: "u"):
            let digits = json[(index + 2)...].prefix(4)
            guard digits.count == 4, digits.allSatisfy({ Hex.value(of: $0) != nil }) else { throw notJSON }
            return 6
        case let byte where "\"\\/bfnrt".utf8.contains(byte): return 2
        default: throw notJSON
        }
    }

    package static let notJSON = VaultError.badParameter("The request body is not valid JSON.")

    private struct Container {
        let isObject: Bool
        var expectsName: Bool
        var names: Set<String> = []

        init(isObject: Bool) {
            self.isObject = isObject
            expectsName = isObject
        }
    }

    /// A member's name with escapes resolved, so that `"\u0061"` and `"a"` count as one.
    private static func text(_ quoted: ArraySlice<UInt8>) throws(VaultError) -> String {
        guard quoted.contains(UInt8(ascii: "\\")) else {
            return String(decoding: quoted.dropFirst().dropLast(), as: UTF8.self)
        }
        do {
            return try JSONDecoder().decode(String.self, from: Data(quoted))
        } catch {
            throw notJSON
        }
    }
}

extension Decodable {
    /// Decodes a request body within `limits`.
    ///
    /// - Throws: `.badParameter` naming the member at fault, never quoting its value.
    package static func fromJSON(_ json: [UInt8], limits: JSONLimits = JSONLimits()) throws(VaultError) -> Self {
        try limits.check(json)
        do {
            return try JSONDecoder().decode(Self.self, from: Data(json))
        } catch DecodingError.keyNotFound(let key, _) {
            throw .badParameter("The request body lacks the member '\(key.stringValue)'.")
        } catch DecodingError.typeMismatch(_, let context), DecodingError.valueNotFound(_, let context) {
            throw .badParameter("Property '\(path(context))' has invalid value\r\n")
        } catch DecodingError.dataCorrupted(let context) where !context.codingPath.isEmpty {
            throw .badParameter("Property '\(path(context))' has invalid value\r\n")
        } catch {
            throw JSONLimits.notJSON
        }
    }

    private static func path(_ context: DecodingError.Context) -> String {
        let path = context.codingPath.map(\.stringValue).joined(separator: ".")
        return path.isEmpty ? "body" : String(path.prefix(64))
    }
}

/// Whether a member is in an object at all, whatever its value: decodes from its absence too, and from null.
package struct Mentioned: Decodable, Sendable {
    package let isMentioned: Bool

    init(_ isMentioned: Bool) { self.isMentioned = isMentioned }

    package init(from decoder: any Decoder) { isMentioned = true }
}

extension KeyedDecodingContainer {
    package func decode(_ type: Mentioned.Type, forKey key: Key) throws -> Mentioned { Mentioned(contains(key)) }
}
