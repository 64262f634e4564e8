import Barrier
import Domain
import FoundationEssentials
import Store

/// Resources that hang on a scope and are kept for others: diagnostic settings, policy definitions and policy assignments.
///
/// One record each under `management/extension/<kind>/<scope>/<name>`.
struct ExtensionResource: Sendable, Codable {
    enum Kind: String, Sendable, Codable {
        case diagnosticSetting, policyDefinition, policyAssignment

        /// As identifiers and `type` spell it.
        var type: String {
            switch self {
            case .diagnosticSetting: "Microsoft.Insights/diagnosticSettings"
            case .policyDefinition: "Microsoft.Authorization/policyDefinitions"
            case .policyAssignment: "Microsoft.Authorization/policyAssignments"
            }
        }
    }

    struct Made: Sendable, Codable {
        let by: GUID
        let at: Timestamp
        let isUser: Bool
    }

    var format = 1
    let kind: Kind
    let name: String
    /// The identifier of what it hangs on.
    let scope: String
    let properties: JSONValue
    let created: Made
    let modified: Made

    var id: String { "\(scope)/providers/\(kind.type)/\(name)" }

    func write(to writer: inout JSONWriter) {
        writer.member("id", id)
        writer.member("name", name)
        writer.member("type", kind.type)
        writer.embed("properties", properties.bytes)
        writer.object("systemData") { data in
            data.member("createdBy", created.by)
            data.member("createdByType", created.isUser ? "User" : "Application")
            data.member("createdAt", created.at.iso8601)
            data.member("lastModifiedBy", modified.by)
            data.member("lastModifiedByType", modified.isUser ? "User" : "Application")
            data.member("lastModifiedAt", modified.at.iso8601)
        }
    }
}

enum ExtensionTable {
    private static let prefix = "management/extension/"

    private static func prefix(_ kind: ExtensionResource.Kind, _ scope: Scope? = nil) -> String {
        prefix + kind.rawValue + "/" + (scope.map { $0.key + "/" } ?? "")
    }

    private static func key(_ kind: ExtensionResource.Kind, _ scope: Scope, _ name: String) -> String {
        prefix(kind, scope) + "#" + name.lowercased()
    }

    static func put(_ resource: ExtensionResource, at scope: Scope, in transaction: Transaction) throws(VaultError) {
        guard let bytes = try? JSONEncoder().encode(resource) else {
            throw .internal("a resource could not be encoded")
        }
        try transaction.put(Array(bytes), at: key(resource.kind, scope, resource.name), in: .system)
    }

    static func resource(
        _ kind: ExtensionResource.Kind, _ name: String, at scope: Scope, in reader: any RecordReader
    ) throws(VaultError) -> ExtensionResource? {
        let key = key(kind, scope, name)
        guard let bytes = try reader.record(at: key) else { return nil }
        return try decode(bytes, at: key)
    }

    /// Those at a scope, in the order of their names.
    static func resources(_ kind: ExtensionResource.Kind, at scope: Scope, in reader: any RecordReader)
        throws(VaultError) -> [ExtensionResource]
    {
        try all(in: KeyRange(prefix: prefix(kind, scope) + "#"), reader)
    }

    static func all(_ kind: ExtensionResource.Kind, in reader: any RecordReader) throws(VaultError)
        -> [ExtensionResource]
    {
        try all(in: KeyRange(prefix: prefix(kind)), reader)
    }

    private static func all(in range: KeyRange, _ reader: any RecordReader) throws(VaultError) -> [ExtensionResource] {
        try reader.records(in: range, limit: .max).mapTyped { entry throws(VaultError) in
            try decode(entry.value, at: entry.key)
        }
    }

    static func remove(_ resource: ExtensionResource, at scope: Scope, in transaction: Transaction) throws(VaultError) {
        try transaction.remove(key(resource.kind, scope, resource.name))
    }

    /// All that hang on a vault, when it is purged.
    static func removeAll(at scope: Scope, in transaction: Transaction) throws(VaultError) {
        for kind in [ExtensionResource.Kind.diagnosticSetting, .policyAssignment] {
            try transaction.removeAll(in: KeyRange(prefix: prefix(kind, scope)))
        }
    }

    private static func decode(_ bytes: [UInt8], at key: String) throws(VaultError) -> ExtensionResource {
        guard let resource = try? JSONDecoder().decode(ExtensionResource.self, from: Data(bytes)), resource.format == 1
        else { throw .integrity(record: key) }
        return resource
    }
}

extension Array {
    fileprivate func mapTyped<Value>(_ body: (Element) throws(VaultError) -> Value) throws(VaultError) -> [Value] {
        var values: [Value] = []
        for element in self { values.append(try body(element)) }
        return values
    }
}
