package import Barrier
import Cryptography
package import Domain
import Objects
package import Operations
import Threads

extension Keys {
    /// Soft-deletes a key with all its versions.
    ///
    /// - Source: Azure REST "Delete Key".
    func delete(_ input: NamedKey, _ call: Call) async throws(VaultError) -> DeletedKeyBundle {
        let table = try table(call)
        let now = call.now
        let work = work
        let object = try await call.commit { transaction throws(VaultError) in
            if let head = try table.head(input.name, in: transaction) { try Self.requireUnmanaged(head) }
            let object = try table.delete(input.name, at: now, in: transaction)
            try KeySchedule(table).cancel(object.head.name, in: transaction)
            for record in try table.allVersions(of: object.head, in: transaction, limit: .max) {
                work.forget(record.version)
            }
            return object
        }
        return try DeletedKeyBundle(table.vault, object)
    }

    /// - Source: Azure REST "Get Deleted Key".
    func getDeleted(_ input: NamedKey, _ call: Call) async throws(VaultError) -> DeletedKeyBundle {
        let table = try table(call)
        guard let object = try table.deleted(input.name, in: call.lane.reader) else {
            throw table.deletedNotFound(input.name)
        }
        return try DeletedKeyBundle(table.vault, object)
    }

    /// - Source: Azure REST "Recover Deleted Key".
    func recover(_ input: NamedKey, _ call: Call) async throws(VaultError) -> KeyBundle {
        let table = try table(call)
        let head = try await call.commit { transaction throws(VaultError) in
            if let object = try table.deleted(input.name, in: transaction) { try Self.requireUnmanaged(object.head) }
            let head = try table.recover(input.name, in: transaction)
            try KeySchedule(table).renew(head, isNew: false, in: transaction)
            return head
        }
        return try KeyBundle(table.vault, head.name, head.current)
    }

    /// Removes a deleted key for good, from its provider too.
    ///
    /// - Source: Azure REST "Purge Deleted Key".
    func purge(_ input: NamedKey, _ call: Call) async throws(VaultError) -> NoContent {
        let table = try table(call)
        let versions = try await call.commit { transaction throws(VaultError) in
            if let object = try table.deleted(input.name, in: transaction) { try Self.requireUnmanaged(object.head) }
            let versions = try Self.hardwareVersions(of: input.name, table, in: transaction)
            try table.purge(input.name, in: transaction)
            return versions
        }
        await destroy(versions, call)
        return NoContent()
    }

    /// The duty: purges what its retention has run out on.
    func purgeIfDue(_ input: NamedKey, _ call: Call) async throws(VaultError) -> NoContent {
        let table = try table(call)
        let now = call.now
        let versions = try await call.commit { transaction throws(VaultError) in
            let versions = try Self.hardwareVersions(of: input.name, table, in: transaction)
            return try table.purgeIfDue(input.name, at: now, in: transaction) ? versions : []
        }
        await destroy(versions, call)
        return NoContent()
    }

    /// The versions of a vault whose keys are in the module, deleted ones too.
    package static func hardwareVersions(in vault: Vault, _ reader: any RecordReader) throws(VaultError) -> [[UInt8]] {
        let table = ObjectTable(kind, in: vault)
        var versions: [[UInt8]] = []
        func collect(_ head: ObjectHead) throws(VaultError) {
            for record in try table.allVersions(of: head, in: reader, limit: .max)
            where try KeyVersion(record).type.isHSM { versions.append(record.version.bytes) }
        }
        var marker: String?
        while true {
            let heads = try table.heads(after: marker, limit: 1_000, in: reader)
            guard let last = heads.last else { break }
            for head in heads { try collect(head) }
            marker = last.name.key
        }
        for object in try table.deletedObjects(after: nil, limit: .max, in: reader) { try collect(object.head) }
        return versions
    }

    struct HardwareVersion: Sendable {
        let version: ObjectVersion
        let key: KeyVersion
    }

    private static func hardwareVersions(
        of name: ObjectName, _ table: ObjectTable, in reader: any RecordReader
    ) throws(VaultError) -> [HardwareVersion] {
        guard let object = try table.deleted(name, in: reader) else { return [] }
        var versions: [HardwareVersion] = []
        for record in try table.allVersions(of: object.head, in: reader, limit: .max) {
            let key = try KeyVersion(record)
            if key.type.isHSM { versions.append(HardwareVersion(version: record.version, key: key)) }
        }
        return versions
    }

    /// After the record of it is durable. What a crash leaves behind in the module is found at the next start.
    private func destroy(_ versions: [HardwareVersion], _ call: Call) async {
        guard !versions.isEmpty, let hardware = work.hardware else { return }
        _ = await hardware.pool.run(on: call.lane.waker) {
            for version in versions { hardware.provider.destroy(version.key.material, id: version.version.bytes) }
        }
        for version in versions { work.forget(version.version) }
    }

    /// The key of a certificate changes and goes with it.
    static func requireUnmanaged(_ head: ObjectHead) throws(VaultError) {
        guard try KeyVersion(head.current).isManaged else { return }
        throw VaultError(.forbiddenByVault, "The key belongs to a certificate and is changed with it.")
    }
}
