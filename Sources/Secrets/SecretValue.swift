import Domain
import Objects

/// What is particular to a version of a secret: its value and its content type.
struct SecretValue: Sendable {
    /// Bytes of UTF-8.
    static let largestValue = 25_600
    static let longestContentType = 255

    let value: SensitiveBytes
    var contentType: String?

    private static let format: UInt8 = 1

    func encoded() -> [UInt8] {
        var writer = ByteWriter(reserving: value.count + 64)
        writer.byte(Self.format)
        writer.optional(contentType)
        value.withUnsafeBytes { writer.blob($0) }
        return writer.bytes
    }

    init(value: SensitiveBytes, contentType: String?) {
        (self.value, self.contentType) = (value, contentType)
    }

    init(_ record: ObjectRecord) throws(VaultError) {
        var reader = ByteReader(record.payload)
        guard reader.byte() == Self.format, let contentType = reader.optionalString(), let value = reader.blob(),
            reader.isAtEnd
        else { throw .integrity(record: "secret version \(record.version)") }
        self.value = SensitiveBytes(value)
        self.contentType = contentType
    }
}
