import Domain
import Objects
import Operations

extension Keys {
    /// The public half and the attributes of a version; also of a disabled one.
    ///
    /// - Source: Azure REST "Get Key".
    func get(_ input: VersionedKey, _ call: Call) async throws(VaultError) -> KeyBundle {
        let table = try table(call)
        let (head, record) = try table.record(input.name, version: input.version, in: call.lane.reader)
        return try KeyBundle(table.vault, head.name, record)
    }
}
