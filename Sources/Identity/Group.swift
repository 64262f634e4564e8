package import Barrier
package import Domain
import FoundationEssentials
import Store

/// A group of principals: what is given to it is given to its members, and to those of groups among them.
package struct DirectoryGroup: Sendable, Hashable, Codable {
    var format = 1
    package let id: GUID
    package var displayName: String
    package var description: String
    /// Absent for none.
    package var mailNickname: String?
    package let created: Timestamp
    /// Object ids of applications, people and groups.
    package var members: [GUID]

    package static let mostMembers = 10_000

    package init(
        id: GUID, displayName: String, description: String, mailNickname: String? = nil, created: Timestamp
    ) {
        self.mailNickname = mailNickname
        self.id = id
        self.displayName = displayName
        self.description = description
        self.created = created
        members = []
    }
}

/// The stored groups: one record each under `identity/group/<id>`.
package enum GroupTable {
    private static let prefix = "identity/group/"

    private static func key(_ id: GUID) -> String { prefix + id.description }

    package static func group(_ id: GUID, in reader: any RecordReader) throws(VaultError) -> DirectoryGroup? {
        guard let bytes = try reader.record(at: key(id)) else { return nil }
        return try decode(bytes, at: key(id))
    }

    package static func all(in reader: any RecordReader) throws(VaultError) -> [DirectoryGroup] {
        var groups: [DirectoryGroup] = []
        var after = prefix
        while true {
            let entries = try reader.records(in: KeyRange(prefix: prefix, after: after), limit: 1_000)
            guard let last = entries.last else { return groups }
            for entry in entries { groups.append(try decode(entry.value, at: entry.key)) }
            after = last.key
        }
    }

    package static func put(_ group: DirectoryGroup, in transaction: Transaction) throws(VaultError) {
        guard let bytes = try? JSONEncoder().encode(group) else { throw .internal("a group could not be encoded") }
        try transaction.put(Array(bytes), at: key(group.id), in: .system)
    }

    package static func remove(_ id: GUID, in transaction: Transaction) throws(VaultError) {
        try transaction.remove(key(id))
    }

    private static func decode(_ bytes: [UInt8], at key: String) throws(VaultError) -> DirectoryGroup {
        guard let group = try? JSONDecoder().decode(DirectoryGroup.self, from: Data(bytes)), group.format == 1 else {
            throw .integrity(record: key)
        }
        return group
    }
}
