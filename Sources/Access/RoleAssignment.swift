package import Barrier
package import Domain
import FoundationEssentials
import Store

/// Gives a principal a role at a scope.
package struct RoleAssignment: Sendable, Hashable {
    /// Chosen by whoever makes the assignment.
    package let id: GUID
    package let principalID: GUID
    package let roleID: GUID
    package let scope: Scope
    package let created: Timestamp
    package let createdBy: GUID
    /// Absent for none.
    package let description: String?

    package init(
        id: GUID, principalID: GUID, roleID: GUID, scope: Scope, created: Timestamp, createdBy: GUID,
        description: String? = nil
    ) {
        self.description = description
        self.id = id
        self.principalID = principalID
        self.roleID = roleID
        self.scope = scope
        self.created = created
        self.createdBy = createdBy
    }
}

/// The stored assignments: one record each under `access/assignment/<id>`.
package enum RoleAssignmentTable {
    private static let prefix = "access/assignment/"

    private struct Record: Codable {
        var format = 1
        let id: GUID
        let principalID: GUID
        let roleID: GUID
        let scope: String
        let created: Int64
        let createdBy: GUID
        /// Absent for none.
        let description: String?
    }

    private static func key(_ id: GUID) -> String { prefix + id.description }

    package static func assignment(_ id: GUID, in reader: any RecordReader) throws(VaultError) -> RoleAssignment? {
        guard let bytes = try reader.record(at: key(id)) else { return nil }
        return try decode(bytes, at: key(id))
    }

    package static func all(in reader: any RecordReader) throws(VaultError) -> [RoleAssignment] {
        var assignments: [RoleAssignment] = []
        var after = prefix
        while true {
            let entries = try reader.records(in: KeyRange(prefix: prefix, after: after), limit: 1_000)
            guard let last = entries.last else { return assignments }
            for entry in entries { assignments.append(try decode(entry.value, at: entry.key)) }
            after = last.key
        }
    }

    package static func put(_ assignment: RoleAssignment, in transaction: Transaction) throws(VaultError) {
        let record = Record(
            id: assignment.id, principalID: assignment.principalID, roleID: assignment.roleID,
            scope: assignment.scope.description, created: assignment.created.nanoseconds,
            createdBy: assignment.createdBy, description: assignment.description)
        guard let bytes = try? JSONEncoder().encode(record) else {
            throw .internal("a role assignment could not be encoded")
        }
        try transaction.put(Array(bytes), at: key(assignment.id), in: .system)
    }

    package static func remove(_ id: GUID, in transaction: Transaction) throws(VaultError) {
        try transaction.remove(key(id))
    }

    private static func decode(_ bytes: [UInt8], at key: String) throws(VaultError) -> RoleAssignment {
        guard let record = try? JSONDecoder().decode(Record.self, from: Data(bytes)), record.format == 1,
            let scope = Scope(record.scope)
        else { throw .integrity(record: key) }
        return RoleAssignment(
            id: record.id, principalID: record.principalID, roleID: record.roleID, scope: scope,
            created: Timestamp(nanoseconds: record.created), createdBy: record.createdBy,
            description: record.description)
    }
}
