package import Domain

/// What every version of every object carries. Times are whole seconds since 1970, as the API speaks of them.
package struct ObjectAttributes: Sendable, Hashable {
    package var isEnabled: Bool
    package var notBefore: Int64?
    package var expires: Int64?
    package var created: Int64
    package var updated: Int64

    package init(isEnabled: Bool, notBefore: Int64?, expires: Int64?, created: Int64, updated: Int64) {
        self.isEnabled = isEnabled
        self.notBefore = notBefore
        self.expires = expires
        self.created = created
        self.updated = updated
    }
}

/// One version of an object. What is particular to a secret, key or certificate is in `payload`, in that room's own format.
package struct ObjectRecord: Sendable {
    package let version: ObjectVersion
    /// Counts the changes of this version; part of its entity tag.
    package var revision: UInt32
    package var attributes: ObjectAttributes
    /// Nil when never set.
    package var tags: [Tag]?
    package var payload: [UInt8]

    package struct Tag: Sendable, Hashable {
        package let name: String
        package let value: String

        package init(name: String, value: String) { (self.name, self.value) = (name, value) }
    }

    package init(version: ObjectVersion, attributes: ObjectAttributes, tags: [Tag]?, payload: [UInt8]) {
        self.version = version
        revision = 1
        self.attributes = attributes
        self.tags = tags
        self.payload = payload
    }

    package func encode(to writer: inout ByteWriter) {
        writer.guid(version.value)
        writer.integer(revision)
        writer.byte(attributes.isEnabled ? 1 : 0)
        writer.optional(attributes.notBefore)
        writer.optional(attributes.expires)
        writer.integer(attributes.created)
        writer.integer(attributes.updated)
        writer.byte(tags == nil ? 0 : 1)
        if let tags {
            writer.integer(UInt16(tags.count))
            for tag in tags {
                writer.string(tag.name)
                writer.string(tag.value)
            }
        }
        writer.blob(payload)
    }

    package init?(from reader: inout ByteReader) {
        guard let version = reader.guid().map({ ObjectVersion($0) }), let revision = reader.integer(UInt32.self),
            let isEnabled = reader.byte(), let notBefore = reader.optionalInteger(),
            let expires = reader.optionalInteger(), let created = reader.integer(Int64.self),
            let updated = reader.integer(Int64.self), let tags = Self.optionalTags(&reader), let payload = reader.blob()
        else { return nil }
        self.version = version
        self.revision = revision
        attributes = ObjectAttributes(
            isEnabled: isEnabled == 1, notBefore: notBefore, expires: expires, created: created, updated: updated)
        self.tags = tags
        self.payload = Array(payload)
    }

    private static func optionalTags(_ reader: inout ByteReader) -> [Tag]?? {
        switch reader.flag() {
        case nil: nil
        case false?: .some(nil)
        case true?: tags(&reader).map { .some($0) }
        }
    }

    private static func tags(_ reader: inout ByteReader) -> [Tag]? {
        guard let count = reader.integer(UInt16.self) else { return nil }
        var tags: [Tag] = []
        for _ in 0..<count {
            guard let name = reader.string(), let value = reader.string() else { return nil }
            tags.append(Tag(name: name, value: value))
        }
        return tags
    }
}

/// The newest version of a live object, stored whole under the object's name: reading the newest is one read, and a new version
/// writes one record, or two when there was one before.
package struct ObjectHead: Sendable {
    /// As first spelled.
    package let name: ObjectName
    package var current: ObjectRecord
    /// Versions in the history, the current one not counted.
    package var pastVersions: UInt32

    package init(name: ObjectName, current: ObjectRecord, pastVersions: UInt32) {
        (self.name, self.current, self.pastVersions) = (name, current, pastVersions)
    }

    private static let format: UInt8 = 1

    package func encoded() -> [UInt8] {
        var writer = ByteWriter(reserving: 256 + current.payload.count)
        writer.byte(Self.format)
        writer.string(name.spelling)
        writer.integer(pastVersions)
        current.encode(to: &writer)
        return writer.bytes
    }

    package init?(_ bytes: [UInt8]) {
        var reader = ByteReader(bytes)
        guard reader.byte() == Self.format, let name = reader.string().flatMap({ ObjectName($0) }),
            let past = reader.integer(UInt32.self), let current = ObjectRecord(from: &reader), reader.isAtEnd
        else { return nil }
        self.init(name: name, current: current, pastVersions: past)
    }
}

/// A soft-deleted object: its head and when it goes for good.
package struct DeletedObject: Sendable {
    package let head: ObjectHead
    package let deleted: Int64
    package let scheduledPurge: Int64

    package init(head: ObjectHead, deleted: Int64, scheduledPurge: Int64) {
        (self.head, self.deleted, self.scheduledPurge) = (head, deleted, scheduledPurge)
    }

    private static let format: UInt8 = 1

    func encoded() -> [UInt8] {
        var writer = ByteWriter(reserving: 256)
        writer.byte(Self.format)
        writer.integer(deleted)
        writer.integer(scheduledPurge)
        writer.blob(head.encoded())
        return writer.bytes
    }

    init?(_ bytes: [UInt8]) {
        var reader = ByteReader(bytes)
        guard reader.byte() == Self.format, let deleted = reader.integer(Int64.self),
            let purge = reader.integer(Int64.self),
            let head = reader.blob().flatMap({ ObjectHead(Array($0)) }), reader.isAtEnd
        else { return nil }
        self.init(head: head, deleted: deleted, scheduledPurge: purge)
    }
}
