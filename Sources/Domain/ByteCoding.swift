/// Appends the fields of a stored record: fixed-width integers big-endian, byte strings behind a 32-bit length.
///
/// The members are spelled out for each type instead of being generic: they are called from other rooms for every record, and a
/// generic one would look its type up each time.
package struct ByteWriter: Sendable {
    package private(set) var bytes: [UInt8]

    package init(reserving capacity: Int = 256) {
        bytes = []
        bytes.reserveCapacity(capacity)
    }

    package mutating func byte(_ value: UInt8) { bytes.append(value) }

    package mutating func integer(_ value: UInt16) {
        withUnsafeBytes(of: value.bigEndian) { bytes.append(contentsOf: $0) }
    }

    package mutating func integer(_ value: UInt32) {
        withUnsafeBytes(of: value.bigEndian) { bytes.append(contentsOf: $0) }
    }

    package mutating func integer(_ value: UInt64) {
        withUnsafeBytes(of: value.bigEndian) { bytes.append(contentsOf: $0) }
    }

    package mutating func integer(_ value: Int64) { integer(UInt64(bitPattern: value)) }

    package mutating func guid(_ value: GUID) {
        integer(value.high)
        integer(value.low)
    }

    package mutating func string(_ value: String) {
        // Native strings are contiguous: those are read where they lie.
        let isWritten: Void? = value.utf8.withContiguousStorageIfAvailable { blob(UnsafeRawBufferPointer($0)) }
        if isWritten == nil { blob(Array(value.utf8)) }
    }

    package mutating func blob(_ value: [UInt8]) { value.withUnsafeBytes { blob($0) } }

    package mutating func blob(_ value: UnsafeRawBufferPointer) {
        integer(UInt32(value.count))
        bytes.append(contentsOf: value)
    }

    /// Bytes without a length in front.
    package mutating func raw(_ value: [UInt8]) { bytes.append(contentsOf: value) }

    /// A flag byte, then the value if there is one.
    package mutating func optional(_ value: Int64?) {
        byte(value == nil ? 0 : 1)
        if let value { integer(value) }
    }

    package mutating func optional(_ value: GUID?) {
        byte(value == nil ? 0 : 1)
        if let value { guid(value) }
    }

    package mutating func optional(_ value: String?) {
        byte(value == nil ? 0 : 1)
        if let value { string(value) }
    }

    package mutating func optional(_ value: Bool?) {
        byte(value == nil ? 0 : 1)
        if let value { byte(value ? 1 : 0) }
    }
}

/// Reads what `ByteWriter` wrote. Every read is checked against the end and answers nil when it would run over.
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

    private mutating func bigEndian(_ count: Int) -> UInt64? {
        guard position + count <= bytes.count else { return nil }
        var value: UInt64 = 0
        for index in position..<(position + count) { value = value << 8 | UInt64(bytes[index]) }
        position += count
        return value
    }

    package mutating func integer(_ type: UInt16.Type) -> UInt16? {
        bigEndian(2).map { UInt16(truncatingIfNeeded: $0) }
    }
    package mutating func integer(_ type: UInt32.Type) -> UInt32? {
        bigEndian(4).map { UInt32(truncatingIfNeeded: $0) }
    }
    package mutating func integer(_ type: UInt64.Type) -> UInt64? { bigEndian(8) }
    package mutating func integer(_ type: Int64.Type) -> Int64? { bigEndian(8).map { Int64(bitPattern: $0) } }

    package mutating func guid() -> GUID? {
        guard let high = bigEndian(8), let low = bigEndian(8) else { return nil }
        return GUID(high: high, low: low)
    }

    package mutating func raw(_ count: Int) -> ArraySlice<UInt8>? {
        guard count >= 0, count <= bytes.count - position else { return nil }
        defer { position += count }
        return bytes[position..<(position + count)]
    }

    package mutating func blob() -> ArraySlice<UInt8>? {
        guard let count = bigEndian(4) else { return nil }
        return raw(Int(count))
    }

    package mutating func string() -> String? {
        guard let bytes = blob() else { return nil }
        return String(validating: bytes, as: UTF8.self)
    }

    /// `.some(nil)` when the writer had no value; nil when the bytes do not parse.
    package mutating func optionalInteger() -> Int64?? {
        guard let isThere = flag() else { return nil }
        guard isThere else { return .some(nil) }
        return integer(Int64.self).map { .some($0) }
    }

    package mutating func optionalGUID() -> GUID?? {
        guard let isThere = flag() else { return nil }
        guard isThere else { return .some(nil) }
        return guid().map { .some($0) }
    }

    package mutating func optionalString() -> String?? {
        guard let isThere = flag() else { return nil }
        guard isThere else { return .some(nil) }
        return string().map { .some($0) }
    }

    package mutating func optionalFlag() -> Bool?? {
        guard let isThere = flag() else { return nil }
        guard isThere else { return .some(nil) }
        return flag().map { .some($0) }
    }

    /// A byte that is 0 or 1.
    package mutating func flag() -> Bool? {
        switch byte() {
        case 0: false
        case 1: true
        default: nil
        }
    }
}
