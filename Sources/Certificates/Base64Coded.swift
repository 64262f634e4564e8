import Domain
import FoundationEssentials

/// Bytes that stand in JSON as base64. Arrays of numbers, as they were written before, are read too.
@propertyWrapper
struct Base64Coded<Value: Sendable>: Sendable {
    var wrappedValue: Value
}

extension Base64Coded: Codable where Value: Base64Representable {
    init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if let text = try? container.decode(String.self) {
            guard let bytes = Base64.decode(text) else {
                throw DecodingError.dataCorruptedError(in: container, debugDescription: "not base64")
            }
            wrappedValue = Value(bytes)
        } else {
            wrappedValue = Value(try container.decode([UInt8].self))
        }
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        if let bytes = wrappedValue.coded {
            try container.encode(Base64.encode(bytes))
        } else {
            try container.encodeNil()
        }
    }
}

/// What may be kept as base64: bytes, or none.
protocol Base64Representable: Sendable {
    init(_ bytes: [UInt8])
    var coded: [UInt8]? { get }
}

extension [UInt8]: Base64Representable {
    var coded: [UInt8]? { self }
}

extension [UInt8]?: Base64Representable {
    init(_ bytes: [UInt8]) { self = bytes }
    var coded: [UInt8]? { self }
}

extension KeyedDecodingContainer {
    /// A member that is absent is none.
    func decode(_ type: Base64Coded<[UInt8]?>.Type, forKey key: Key) throws -> Base64Coded<[UInt8]?> {
        try decodeIfPresent(type, forKey: key) ?? Base64Coded(wrappedValue: nil)
    }
}

extension KeyedEncodingContainer {
    mutating func encode(_ value: Base64Coded<[UInt8]?>, forKey key: Key) throws {
        if value.wrappedValue != nil { try encodeIfPresent(value, forKey: key) }
    }
}
