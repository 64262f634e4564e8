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
    /// The version before, of the secret of a certificate.
    private(set) var previous: ObjectVersion?

    private static let format: UInt8 = 1
    private static let managedFormat: UInt8 = 2
    private static let followingFormat: UInt8 = 3

    package func encoded() -> [UInt8] {
        var writer = ByteWriter(reserving: value.count + 64)
        writer.byte(isManaged ? previous == nil ? Self.managedFormat : Self.followingFormat : Self.format)
        writer.optional(contentType)
        value.withUnsafeBytes { writer.blob($0) }
        if isManaged, let previous { writer.guid(previous.value) }
        return writer.bytes
    }

    package init(value: SensitiveBytes, contentType: String?, isManaged: Bool = false) {
        (self.value, self.contentType, self.isManaged) = (value, contentType, isManaged)
    }

    package init(_ record: ObjectRecord) throws(VaultError) {
        var reader = ByteReader(record.payload)
        var damaged: VaultError { .integrity(record: "secret version \(record.version)") }
        guard let format = reader.byte(), (Self.format...Self.followingFormat).contains(format),
            let contentType = reader.optionalString(), let value = reader.blob()
        else { throw damaged }
        if format == Self.followingFormat {
            guard let before = reader.guid() else { throw damaged }
            previous = ObjectVersion(before)
        }
        guard reader.isAtEnd else { throw damaged }
        self.value = SensitiveBytes(value)
        self.contentType = contentType
        isManaged = format != Self.format
    }

    /// The same as the version after another.
    package func following(_ version: ObjectVersion?) -> SecretValue {
        var value = self
        value.previous = version
        return value
    }
}
