/// Base64 (RFC 4648 §4) and base64url (§5).
///
/// Decoding is strict: no white space, no foreign characters, no bits left over; two texts never mean the same bytes.
/// Base64url is written without padding; padding is accepted where it is complete, since clients of the service send both.
package enum Base64 {
    private static let standard = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
    private static let url = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".utf8)
    private static let standardValues = values(of: standard)
    private static let urlValues = values(of: url)

    package static func encode(_ bytes: some Collection<UInt8>) -> String {
        encode(bytes, alphabet: standard, padded: true)
    }

    package static func encodeURL(_ bytes: some Collection<UInt8>) -> String {
        encode(bytes, alphabet: url, padded: false)
    }

    package static func decode(_ text: some StringProtocol) -> [UInt8]? {
        decode(Array(text.utf8)[...], values: standardValues, needsPadding: true)
    }

    package static func decodeURL(_ text: some StringProtocol) -> [UInt8]? {
        decode(Array(text.utf8)[...], values: urlValues, needsPadding: false)
    }

    package static func decodeURL(_ text: ArraySlice<UInt8>) -> [UInt8]? {
        decode(text, values: urlValues, needsPadding: false)
    }

    private static func values(of alphabet: [UInt8]) -> [UInt8] {
        var values = [UInt8](repeating: 0xFF, count: 256)
        for (value, character) in alphabet.enumerated() { values[Int(character)] = UInt8(value) }
        return values
    }

    private static func encode(_ bytes: some Collection<UInt8>, alphabet: [UInt8], padded: Bool) -> String {
        bytes.withContiguousStorageIfAvailable { encode($0, alphabet, padded) }
            ?? Array(bytes).withUnsafeBufferPointer { encode($0, alphabet, padded) }
    }

    private static func encode(_ bytes: UnsafeBufferPointer<UInt8>, _ alphabet: [UInt8], _ padded: Bool) -> String {
        String(unsafeUninitializedCapacity: (bytes.count + 2) / 3 * 4) { text in
            var bits: UInt32 = 0
            var bitCount: UInt32 = 0
            var count = 0
            func append(_ value: UInt32) {
                text[count] = alphabet[Int(value & 63)]
                count += 1
            }
            for byte in bytes {
                bits = bits << 8 | UInt32(byte)
                bitCount += 8
                while bitCount >= 6 {
                    bitCount -= 6
                    append(bits >> bitCount)
                }
            }
            if bitCount > 0 { append(bits << (6 - bitCount)) }
            while padded, !count.isMultiple(of: 4) {
                text[count] = UInt8(ascii: "=")
                count += 1
            }
            return count
        }
    }

    private static func decode(_ text: ArraySlice<UInt8>, values: [UInt8], needsPadding: Bool) -> [UInt8]? {
        var characters = text
        var padding = 0
        while padding < 2, characters.last == UInt8(ascii: "=") {
            characters.removeLast()
            padding += 1
        }
        if padding > 0 || needsPadding {
            guard text.count.isMultiple(of: 4) else { return nil }
        }
        guard characters.count % 4 != 1 else { return nil }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(characters.count * 3 / 4)
        var bits: UInt32 = 0
        var count = 0
        for character in characters {
            let value = values[Int(character)]
            guard value != 0xFF else { return nil }
            bits = bits << 6 | UInt32(value)
            count += 6
            if count >= 8 {
                count -= 8
                bytes.append(UInt8(truncatingIfNeeded: bits >> UInt32(count)))
                bits &= (1 << UInt32(count)) - 1
            }
        }
        // Bits beyond the last byte must be zero, else several texts would decode to the same bytes.
        return bits == 0 ? bytes : nil
    }
}
