package import Barrier
package import Domain
import FoundationEssentials

/// Where a password alone does not do: roles that give people nothing without a second factor, and scopes in which no role and no policy does.
///
/// Programs have no second factor; to them nothing of this applies.
package struct MFADemands: Sendable, Hashable, Codable {
    package static let most = 1_000
    private static let key = "access/mfa-demands"

    var format = 1
    package var roles: Set<GUID>
    /// As they are written.
    package var scopes: [String]

    package init(roles: Set<GUID> = [], scopes: [String] = []) { (self.roles, self.scopes) = (roles, scopes) }

    /// Of scopes, as role assignments know them.
    var scopeKeys: Set<String> { Set(scopes.compactMap { Scope($0)?.key }) }

    package static func stored(in reader: any RecordReader) throws(VaultError) -> MFADemands {
        guard let bytes = try reader.record(at: key) else { return MFADemands() }
        guard let demands = try? JSONDecoder().decode(MFADemands.self, from: Data(bytes)), demands.format == 1 else {
            throw .integrity(record: key)
        }
        return demands
    }

    package func put(in transaction: Transaction) throws(VaultError) {
        guard let bytes = try? JSONEncoder().encode(self) else { throw .internal("demands could not be encoded") }
        try transaction.put(Array(bytes), at: Self.key, in: .system)
    }
}
