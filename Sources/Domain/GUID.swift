/// A 128-bit identifier as directories and request correlation use it (RFC 9562 text form, 36 characters).
///
/// Two words instead of text: comparing and hashing one on the path of a request allocates nothing.
package struct GUID: Hashable, Sendable, Comparable {
    package let high: UInt64
    package let low: UInt64

    package init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// A version 4 identifier from 16 random bytes.
    package init(random bytes: [UInt8]) {
        let words = Self.words(bytes)
        high = words.high & 0xFFFF_FFFF_FFFF_0FFF | 0x4000
        low = words.low & 0x3FFF_FFFF_FFFF_FFFF | 0x8000_0000_0000_0000
    }

    /// The first 16 bytes as they are.
    init(bits bytes: [UInt8]) { (high, low) = Self.words(bytes) }

    private static func words(_ bytes: [UInt8]) -> (high: UInt64, low: UInt64) {
        var words: (high: UInt64, low: UInt64) = (0, 0)
        for index in 0..<min(bytes.count, 16) {
            let byte = UInt64(bytes[index])
            if index < 8 { words.high = words.high << 8 | byte } else { words.low = words.low << 8 | byte }
        }
        return words
    }

    /// Parses `8-4-4-4-12` hexadecimal digits of either case, and nothing else.
    package init?(_ text: some StringProtocol) {
        var digits = 0
        var position = 0
        var words: (UInt64, UInt64) = (0, 0)
        for byte in text.utf8 {
            defer { position += 1 }
            if position == 8 || position == 13 || position == 18 || position == 23 {
                guard byte == UInt8(ascii: "-") else { return nil }
                continue
            }
            guard let value = Hex.value(of: byte), digits < 32 else { return nil }
            if digits < 16 { words.0 = words.0 << 4 | UInt64(value) } else { words.1 = words.1 << 4 | UInt64(value) }
            digits += 1
        }
        guard position == 36, digits == 32 else { return nil }
        (high, low) = words
    }

    package static func < (left: GUID, right: GUID) -> Bool {
        (left.high, left.low) < (right.high, right.low)
    }

    /// The 36 lower-case characters as bytes, for writers that build no string.
    package func withText<Value>(_ body: (UnsafeBufferPointer<UInt8>) -> Value) -> Value {
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 36) { text in
            func write(_ value: UInt64, digits: Int, at position: Int) {
                var rest = value
                for index in stride(from: position + digits - 1, through: position, by: -1) {
                    text[index] = Hex.digit(of: UInt8(truncatingIfNeeded: rest & 15))
                    rest >>= 4
                }
            }
            write(high >> 32, digits: 8, at: 0)
            write(high >> 16, digits: 4, at: 9)
            write(high, digits: 4, at: 14)
            write(low >> 48, digits: 4, at: 19)
            write(low, digits: 12, at: 24)
            (text[8], text[13], text[18], text[23]) = (0x2D, 0x2D, 0x2D, 0x2D)
            return body(UnsafeBufferPointer(text))
        }
    }

    /// The 32 digits without hyphens.
    package func appendDigits(to bytes: inout [UInt8]) {
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 32) { text in
            var (high, low) = (high, low)
            var index = 15
            while index >= 0 {
                text[index] = Hex.digit(of: UInt8(truncatingIfNeeded: high & 15))
                text[index + 16] = Hex.digit(of: UInt8(truncatingIfNeeded: low & 15))
                (high, low, index) = (high >> 4, low >> 4, index - 1)
            }
            bytes.append(contentsOf: text)
        }
    }
}

extension GUID: CustomStringConvertible {
    package var description: String {
        withText { String(decoding: $0, as: UTF8.self) }
    }
}

extension GUID: Codable {
    package init(from decoder: any Decoder) throws {
        let text = try decoder.singleValueContainer().decode(String.self)
        guard let value = GUID(text) else {
            throw DecodingError.dataCorrupted(.init(codingPath: decoder.codingPath, debugDescription: "not a GUID"))
        }
        self = value
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}
