/// Appends the fields of a stored record: fixed-width integers big-endian, byte strings behind a 32-bit length.
package struct ByteWriter: Sendable {
    package private(set) var bytes: [UInt8]

    package init(reserving capacity: Int = 256) {
        bytes = []
        bytes.reserveCapacity(capacity)
    }

    package mutating func byte(_ value: UInt8) { bytes.append(value) }

    package mutating func integer<Value: FixedWidthInteger>(_ value: Value) {
        withUnsafeBytes(of: value.bigEndian) { bytes.append(contentsOf: $0) }
    }

    package mutating func guid(_ value: GUID) {
        integer(value.high)
        integer(value.low)
    }

    package mutating func string(_ value: String) {
        var value = value
        value.withUTF8 { blob(UnsafeRawBufferPointer($0)) }
    }

    package mutating func blob(_ value: [UInt8]) { value.withUnsafeBytes { blob($0) } }

    package mutating func blob(_ value: UnsafeRawBufferPointer) {
        integer(UInt32(value.count))
        bytes.append(contentsOf: value)
    }

    /// Bytes without a length in front.
    package mutating func raw(_ value: some Sequence<UInt8>) { bytes.append(contentsOf: value) }

    /// A flag byte, then the value if there is one.
    package mutating func optional<Value>(_ value: Value?, _ write: (inout ByteWriter, Value) -> Void) {
        byte(value == nil ? 0 : 1)
        if let value { write(&self, value) }
    }
}

/// Reads what `ByteWriter` wrote. Every read is checked against the end; a reader that ran over answers nil from then on.
package struct ByteReader {
    private let bytes: [UInt8]
    package private(set) var position: Int

    package init(_ bytes: [UInt8], at position: Int = 0) { (self.bytes, self.position) = (bytes, position) }

    package var isAtEnd: Bool { position == bytes.count }

    package mutating func byte() -> UInt8? {
        guard position < bytes.count else { return nil }
        defer { position += 1 }
        return bytes[position]
    }

    package mutating func integer<Value: FixedWidthInteger>(_ type: Value.Type = Value.self) -> Value? {
        let size = MemoryLayout<Value>.size
        guard position + size <= bytes.count else { return nil }
        defer { position += size }
        return bytes.withUnsafeBytes { Value(bigEndian: $0.loadUnaligned(fromByteOffset: position, as: Value.self)) }
    }

    package mutating func guid() -> GUID? {
        guard let high = integer(UInt64.self), let low = integer(UInt64.self) else { return nil }
        return GUID(high: high, low: low)
    }

    package mutating func raw(_ count: Int) -> ArraySlice<UInt8>? {
        guard count >= 0, count <= bytes.count - position else { return nil }
        defer { position += count }
        return bytes[position..<(position + count)]
    }

    package mutating func blob() -> ArraySlice<UInt8>? {
        guard let count = integer(UInt32.self) else { return nil }
        return raw(Int(count))
    }

    package mutating func string() -> String? {
        guard let bytes = blob() else { return nil }
        return String(validating: bytes, as: UTF8.self)
    }

    /// `.some(nil)` when the writer had no value; nil when the bytes do not parse.
    package mutating func optional<Value>(_ read: (inout ByteReader) -> Value?) -> Value?? {
        switch byte() {
        case 0: return .some(nil)
        case 1:
            guard let value = read(&self) else { return nil }
            return .some(value)
        default: return nil
        }
    }
}
