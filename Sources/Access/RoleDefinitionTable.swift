package import Barrier
package import Domain
import FoundationEssentials
import Store

/// The roles that somebody made: one record each under `access/role/<id>`.
package enum RoleDefinitionTable {
    private static let prefix = "access/role/"

    private struct Record: Codable {
        var format = 1
        let id: GUID
        let name: String
        let description: String
        let patterns: RoleDefinition.Patterns
        let assignableScopes: [String]
        /// Absent for a role of the management plane.
        let pool: String?
    }

    private static func key(_ id: GUID) -> String { prefix + id.description }

    package static func role(_ id: GUID, in reader: any RecordReader) throws(VaultError) -> RoleDefinition? {
        guard let bytes = try reader.record(at: key(id)) else { return nil }
        return try decode(bytes, at: key(id))
    }

    package static func all(in reader: any RecordReader) throws(VaultError) -> [RoleDefinition] {
        var roles: [RoleDefinition] = []
        for entry in try reader.records(in: KeyRange(prefix: prefix), limit: .max) {
            roles.append(try decode(entry.value, at: entry.key))
        }
        return roles
    }

    package static func put(_ role: RoleDefinition, in transaction: Transaction) throws(VaultError) {
        let record = Record(
            id: role.id, name: role.name, description: role.description,
            patterns: .init(
                actions: role.actions, notActions: role.notActions, dataActions: role.dataActions,
                notDataActions: role.notDataActions),
            assignableScopes: role.assignableScopes, pool: role.pool?.description)
        guard let bytes = try? JSONEncoder().encode(record) else { throw .internal("a role could not be encoded") }
        try transaction.put(Array(bytes), at: key(role.id), in: .system)
    }

    package static func remove(_ id: GUID, in transaction: Transaction) throws(VaultError) {
        try transaction.remove(key(id))
    }

    private static func decode(_ bytes: [UInt8], at key: String) throws(VaultError) -> RoleDefinition {
        guard let record = try? JSONDecoder().decode(Record.self, from: Data(bytes)), record.format == 1 else {
            throw .integrity(record: key)
        }
        return RoleDefinition(
            name: record.name, id: record.id, description: record.description, patterns: record.patterns,
            assignableScopes: record.assignableScopes, pool: record.pool.flatMap { VaultName($0) })
    }
}
