import FoundationEssentials

/// Looks over JSON before a decoder sees it: depth, number of members and strings, duplicate members.
///
/// The decoder recurses, so depth must be bounded first; and two members of one name would mean different things to different
/// readers. Grammar is left to the decoder: what this passes may still be refused there.
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
                    index += json[index] == UInt8(ascii: "\\") ? 2 : 1
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
            default:
                break
            }
            guard valueCount <= values else {
                throw .badParameter("The request body holds more than \(values) values.")
            }
            if byte > 0x20 { last = byte }
            index += 1
        }
        guard open.isEmpty else { throw Self.notJSON }
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
