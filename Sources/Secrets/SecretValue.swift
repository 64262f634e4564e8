package import Domain
package import Objects

/// What is particular to a version of a secret: its value and its content type.
package struct SecretValue: Sendable {
    /// Bytes of UTF-8.
    static let largestValue = 25_600
    static let longestContentType = 255

    package let value: SensitiveBytes
    var contentType: String?
    /// Belongs to a certificate of the same name and version.
    package let isManaged: Bool

    private static let format: UInt8 = 1
    private static let managedFormat: UInt8 = 2

    package func encoded() -> [UInt8] {
        var writer = ByteWriter(reserving: value.count + 64)
        writer.byte(isManaged ? Self.managedFormat : Self.format)
        writer.optional(contentType)
        value.withUnsafeBytes { writer.blob($0) }
        return writer.bytes
    }

    package init(value: SensitiveBytes, contentType: String?, isManaged: Bool = false) {
        (self.value, self.contentType, self.isManaged) = (value, contentType, isManaged)
    }

    package init(_ record: ObjectRecord) throws(VaultError) {
        var reader = ByteReader(record.payload)
        guard let format = reader.byte(), format == Self.format || format == Self.managedFormat,
            let contentType = reader.optionalString(), let value = reader.blob(),
            reader.isAtEnd
        else { throw .integrity(record: "secret version \(record.version)") }
        self.value = SensitiveBytes(value)
        self.contentType = contentType
        isManaged = format == Self.managedFormat
    }
}
