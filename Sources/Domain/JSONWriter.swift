/// Writes JSON (RFC 8259) into bytes, members in the order they are given.
///
/// Exists because the answers on the path of a request are small and known: an encoder that walks types costs ten times as much.
package struct JSONWriter: Sendable {
    package private(set) var bytes: [UInt8]
    private var needsComma = false

    package init(reserving capacity: Int = 640) {
        bytes = []
        bytes.reserveCapacity(capacity)
    }

    package mutating func object(_ body: (inout JSONWriter) -> Void) {
        open(UInt8(ascii: "{"))
        body(&self)
        close(UInt8(ascii: "}"))
    }

    package mutating func array(_ body: (inout JSONWriter) -> Void) {
        open(UInt8(ascii: "["))
        body(&self)
        close(UInt8(ascii: "]"))
    }

    package mutating func object(_ key: StaticString, _ body: (inout JSONWriter) -> Void) {
        name(key)
        object(body)
    }

    package mutating func array(_ key: StaticString, _ body: (inout JSONWriter) -> Void) {
        name(key)
        array(body)
    }

    package mutating func member(_ key: StaticString, _ value: String) {
        name(key)
        string(value)
    }

    package mutating func member(_ key: StaticString, _ value: GUID) {
        name(key)
        separate()
        bytes.append(UInt8(ascii: "\""))
        value.withText { bytes.append(contentsOf: $0) }
        bytes.append(UInt8(ascii: "\""))
        needsComma = true
    }

    /// A string made of pieces that need no escaping: addresses of names that were parsed, versions.
    package mutating func member(
        _ key: StaticString, plain first: String, _ second: String, _ version: ObjectVersion? = nil
    ) {
        name(key)
        separate()
        bytes.append(UInt8(ascii: "\""))
        bytes.append(contentsOf: first.utf8)
        bytes.append(contentsOf: second.utf8)
        if let version {
            bytes.append(UInt8(ascii: "/"))
            version.value.appendDigits(to: &bytes)
        }
        bytes.append(UInt8(ascii: "\""))
        needsComma = true
    }

    /// Writes sensitive bytes, which must be UTF-8, as a string.
    package mutating func member(_ key: StaticString, _ value: SensitiveBytes) {
        name(key)
        separate()
        bytes.append(UInt8(ascii: "\""))
        value.withUnsafeBytes { appendEscaped($0.bindMemory(to: UInt8.self)) }
        bytes.append(UInt8(ascii: "\""))
        needsComma = true
    }

    package mutating func member(_ key: StaticString, _ value: Int64) {
        name(key)
        integer(value)
    }

    package mutating func member(_ key: StaticString, _ value: Int) { member(key, Int64(value)) }

    package mutating func member(_ key: StaticString, _ value: Bool) {
        name(key)
        raw(value ? "true" : "false")
    }

    package mutating func null(_ key: StaticString) {
        name(key)
        raw("null")
    }

    /// A member whose name comes from data, such as a tag.
    package mutating func member(named key: String, _ value: String) {
        string(key)
        bytes.append(UInt8(ascii: ":"))
        needsComma = false
        string(value)
    }

    package mutating func object(named key: String, _ body: (inout JSONWriter) -> Void) {
        string(key)
        bytes.append(UInt8(ascii: ":"))
        needsComma = false
        object(body)
    }

    package mutating func member(named key: String, _ value: Bool) {
        string(key)
        bytes.append(UInt8(ascii: ":"))
        needsComma = false
        raw(value ? "true" : "false")
    }

    package mutating func string(_ value: String) {
        separate()
        bytes.append(UInt8(ascii: "\""))
        let isWritten: Void? = value.utf8.withContiguousStorageIfAvailable { appendEscaped($0) }
        if isWritten == nil { Array(value.utf8).withUnsafeBufferPointer { appendEscaped($0) } }
        bytes.append(UInt8(ascii: "\""))
        needsComma = true
    }

    package mutating func integer(_ value: Int64) {
        separate()
        if value >= 0, value < 10 {
            bytes.append(UInt8(ascii: "0") + UInt8(value))
        } else {
            bytes.append(contentsOf: String(value).utf8)
        }
        needsComma = true
    }

    /// Bytes that are JSON already.
    package mutating func embed(_ json: [UInt8]) {
        separate()
        bytes.append(contentsOf: json)
        needsComma = true
    }

    package mutating func embed(_ key: StaticString, _ json: [UInt8]) {
        name(key)
        embed(json)
    }

    private mutating func raw(_ text: StaticString) {
        separate()
        text.withUTF8Buffer { bytes.append(contentsOf: $0) }
        needsComma = true
    }

    private mutating func name(_ key: StaticString) {
        separate()
        bytes.append(UInt8(ascii: "\""))
        key.withUTF8Buffer { bytes.append(contentsOf: $0) }
        bytes.append(UInt8(ascii: "\""))
        bytes.append(UInt8(ascii: ":"))
        needsComma = false
    }

    private mutating func separate() {
        if needsComma { bytes.append(UInt8(ascii: ",")) }
        needsComma = false
    }

    private mutating func open(_ bracket: UInt8) {
        separate()
        bytes.append(bracket)
        needsComma = false
    }

    private mutating func close(_ bracket: UInt8) {
        bytes.append(bracket)
        needsComma = true
    }

    /// U+0085, U+2028 and U+2029 end a line for some readers of lines: a name that holds one must not forge a record.
    private static func lineSeparator(
        _ text: UnsafeBufferPointer<UInt8>, at index: Int
    ) -> (escape: String.UTF8View, length: Int)? {
        if text[index] == 0xC2 { return index + 1 < text.count && text[index + 1] == 0x85 ? ("\\u0085".utf8, 2) : nil }
        guard index + 2 < text.count, text[index + 1] == 0x80 else { return nil }
        switch text[index + 2] {
        case 0xA8: return ("\\u2028".utf8, 3)
        case 0xA9: return ("\\u2029".utf8, 3)
        default: return nil
        }
    }

    private mutating func appendEscaped(_ text: UnsafeBufferPointer<UInt8>) {
        var start = 0
        for index in 0..<text.count {
            let byte = text[index]
            // Nearly every byte.
            if byte >= 0x20, byte < 0x7F, byte != UInt8(ascii: "\""), byte != UInt8(ascii: "\\") { continue }
            if byte == 0xE2 || byte == 0xC2, let separator = Self.lineSeparator(text, at: index) {
                bytes.append(contentsOf: text[start..<index])
                bytes.append(contentsOf: separator.escape)
                start = index + separator.length
                continue
            }
            guard index >= start,
                byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") || byte == 0x7F
            else {
                continue
            }
            bytes.append(contentsOf: text[start..<index])
            start = index + 1
            switch byte {
            case UInt8(ascii: "\""): bytes.append(contentsOf: [0x5C, 0x22])
            case UInt8(ascii: "\\"): bytes.append(contentsOf: [0x5C, 0x5C])
            case 0x0A: bytes.append(contentsOf: [0x5C, UInt8(ascii: "n")])
            case 0x0D: bytes.append(contentsOf: [0x5C, UInt8(ascii: "r")])
            case 0x09: bytes.append(contentsOf: [0x5C, UInt8(ascii: "t")])
            default:
                bytes.append(contentsOf: [
                    0x5C, UInt8(ascii: "u"), 0x30, 0x30, Hex.digit(of: byte >> 4), Hex.digit(of: byte & 15),
                ])
            }
        }
        bytes.append(contentsOf: text[start..<text.count])
    }
}
