/// The name of a vault: 3 to 24 of letters, digits and hyphens, first a letter, last no hyphen, no two hyphens in a row.
///
/// Compared without regard to case; kept in lower case, since it is a host name.
/// - Source: Azure REST, Vaults - Create Or Update.
package struct VaultName: Hashable, Sendable, CustomStringConvertible {
    package let description: String

    package init?(_ text: some StringProtocol) {
        var name: [UInt8] = []
        var last: UInt8 = UInt8(ascii: "-")
        for byte in text.utf8 {
            let isHyphen = byte == UInt8(ascii: "-")
            guard byte.isASCIILetter || (isHyphen || byte.isASCIIDigit) && !name.isEmpty, !(isHyphen && last == byte),
                name.count < 24
            else { return nil }
            name.append(byte.isASCIIUpper ? byte | 0x20 : byte)
            last = byte
        }
        guard name.count >= 3, last != UInt8(ascii: "-") else { return nil }
        description = String(decoding: name, as: UTF8.self)
    }
}

/// The name of a secret, key or certificate: 1 to 127 of letters, digits and hyphens.
///
/// Two names that differ in case only are the same object; the spelling of the first creation is echoed.
package struct ObjectName: Hashable, Sendable, CustomStringConvertible {
    /// As the client wrote it.
    package let spelling: String
    /// Lower case: what store keys are made of and what comparison uses.
    package let key: String

    package init?(_ text: some StringProtocol) { self.init(String(text)) }

    package init?(_ text: String) {
        guard (1...127).contains(text.utf8.count) else { return nil }
        var hasUpper = false
        for byte in text.utf8 {
            if byte.isASCIIUpper { hasUpper = true }
            guard byte.isASCIILetter || byte.isASCIIDigit || byte == UInt8(ascii: "-") else { return nil }
        }
        spelling = text
        key = hasUpper ? text.lowercased() : text
    }

    package var description: String { spelling }

    package static func == (left: ObjectName, right: ObjectName) -> Bool { left.key == right.key }
    package func hash(into hasher: inout Hasher) { hasher.combine(key) }
}

/// The version of an object: 128 random bits, written as 32 lower-case hexadecimal digits.
package struct ObjectVersion: Hashable, Sendable, CustomStringConvertible {
    private let bits: GUID

    /// - Parameter bytes: 16 of them.
    package init(random bytes: [UInt8]) { bits = GUID(bits: bytes) }

    /// Parses 32 hexadecimal digits of either case.
    package init?(_ text: some StringProtocol) { self.init(String(text)) }

    package init?(_ text: String) {
        guard text.utf8.count == 32 else { return nil }
        var words: (UInt64, UInt64) = (0, 0)
        var count = 0
        for byte in text.utf8 {
            guard let value = Hex.value(of: byte) else { return nil }
            if count < 16 { words.0 = words.0 << 4 | UInt64(value) } else { words.1 = words.1 << 4 | UInt64(value) }
            count += 1
        }
        bits = GUID(high: words.0, low: words.1)
    }

    package init(_ bits: GUID) { self.bits = bits }

    /// The 128 bits, for storing.
    package var value: GUID { bits }

    /// The same as 16 bytes.
    package var bytes: [UInt8] {
        [bits.high, bits.low].flatMap { word in
            (0..<8).map { UInt8(truncatingIfNeeded: word >> UInt64(56 - 8 * $0)) }
        }
    }

    package var description: String {
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 32) { text in
            for nibble in 0..<32 {
                let word = nibble < 16 ? bits.high : bits.low
                text[nibble] = Hex.digit(of: UInt8(truncatingIfNeeded: word >> UInt64(60 - 4 * (nibble & 15))) & 15)
            }
            return String(decoding: text, as: UTF8.self)
        }
    }
}

extension UInt8 {
    package var isASCIIUpper: Bool { self >= 0x41 && self <= 0x5A }
    package var isASCIILetter: Bool { (self | 0x20) >= 0x61 && (self | 0x20) <= 0x7A }
    package var isASCIIDigit: Bool { self >= 0x30 && self <= 0x39 }
}

extension String {
    /// The text itself when it is short enough, else as many whole characters as fit: counting characters of every text would
    /// cost more than what is done with it.
    package func bounded(toBytes count: Int) -> String {
        guard utf8.count > count else { return self }
        var end = utf8.index(utf8.startIndex, offsetBy: count)
        while end.samePosition(in: unicodeScalars) == nil { end = utf8.index(before: end) }
        return String(self[..<end])
    }
}
