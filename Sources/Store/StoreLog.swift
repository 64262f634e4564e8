import Domain

/// The part of a store that grows at its end: keys `audit/<number, 16 hexadecimal digits>`, put in the order of their numbers.
///
/// To everybody but a store these are keys like others. A store may lay them out as what they are, takes no other keys below
/// this prefix, and no numbers above `lastNumber`.
package enum StoreLog {
    package static let prefix = "audit/"
    package static let lastNumber = UInt64(Int64.max) - 1

    package static func key(_ number: UInt64) -> String {
        String(unsafeUninitializedCapacity: prefix.utf8.count + 16) { text in
            let (start, end) = (prefix.utf8.count, prefix.utf8.count + 16)
            _ = text[..<start].update(fromContentsOf: prefix.utf8)
            for index in start..<end {
                text[index] = Hex.digit(of: UInt8(truncatingIfNeeded: number >> UInt64(4 * (end - 1 - index))) & 15)
            }
            return end
        }
    }

    /// Whether a key is below the prefix of the log.
    package static func has(_ key: String) -> Bool { key.utf8.starts(with: prefix.utf8) }

    /// - Returns: nil for a key that is not one of the log as `key` spells them.
    package static func number(of key: String) -> UInt64? {
        guard has(key), let number = UInt64(key.dropFirst(prefix.count), radix: 16), number <= lastNumber,
            self.key(number) == key
        else { return nil }
        return number
    }

    /// The numbers whose keys are in a range.
    package static func numbers(in range: KeyRange) -> Range<UInt64> {
        let lower = first(notBefore: range.lower)
        return lower..<max(lower, first(notBefore: range.upper))
    }

    /// The first number whose key is `bound` or behind it; the one after the last when there is none.
    private static func first(notBefore bound: String) -> UInt64 {
        if bound.utf8.lexicographicallyPrecedes(prefix.utf8) { return 0 }
        var (low, high) = (UInt64(0), lastNumber + 1)
        while low < high {
            let middle = low + (high - low) / 2
            if key(middle).utf8.lexicographicallyPrecedes(bound.utf8) { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
