package import Barrier
import Cryptography
package import Domain
package import Objects
package import Operations

/// A key of a pool with all its versions, on its way into a backup of the pool or out of one: what was in a hardware security module is
/// wrapped by a key of the backup, so that another module can take it.
package struct PoolKey: Sendable {
    package let name: ObjectName
    /// Oldest first, the current one last.
    package let records: [ObjectRecord]
    /// The record of the rotation policy; empty for none.
    let rotation: [UInt8]
    /// When a deleted one was deleted, and when it is to be purged; seconds since 1970.
    let deleted: Deleted?

    struct Deleted: Sendable {
        let time: Int64
        let purge: Int64
    }

    package var isDeleted: Bool { deleted != nil }

    package func encode(to writer: inout ByteWriter) {
        writer.string(name.spelling)
        writer.integer(UInt32(records.count))
        for record in records { record.encode(to: &writer) }
        writer.blob(rotation)
        writer.optional(deleted?.time)
        writer.optional(deleted?.purge)
    }

    package init?(from reader: inout ByteReader) {
        guard let name = reader.string().flatMap({ ObjectName($0) }), let count = reader.integer(UInt32.self), count > 0
        else { return nil }
        var records: [ObjectRecord] = []
        for _ in 0..<count {
            guard let record = ObjectRecord(from: &reader) else { return nil }
            records.append(record)
        }
        guard let rotation = reader.blob(), let time = reader.optionalInteger(), let purge = reader.optionalInteger()
        else { return nil }
        self.name = name
        self.records = records
        self.rotation = Array(rotation)
        deleted = if let time, let purge { Deleted(time: time, purge: purge) } else { nil }
    }

    fileprivate init(_ name: ObjectName, _ records: [ObjectRecord], rotation: [UInt8], deleted: Deleted?) {
        (self.name, self.records, self.rotation, self.deleted) = (name, records, rotation, deleted)
    }

    fileprivate func with(_ records: [ObjectRecord]) -> PoolKey {
        PoolKey(name, records, rotation: rotation, deleted: deleted)
    }
}

/// Takes the keys of a pool out and puts them in, for backups of the whole pool.
package struct PoolKeys: Sendable {
    private let work: KeyWork

    package init(_ work: KeyWork) { self.work = work }

    private func table(_ pool: Vault) -> ObjectTable { ObjectTable(Keys.kind, in: pool) }

    // MARK: Out

    /// The names of all keys, of deleted ones too, at one moment.
    package func names(in pool: Vault, _ reader: BarrierReader) throws(VaultError) -> [ObjectName] {
        let table = table(pool)
        return try reader.snapshot { () throws(VaultError) in
            var names: [ObjectName] = []
            var marker: String?
            while true {
                let heads = try table.heads(after: marker, limit: 1_000, in: reader)
                guard let last = heads.last else { break }
                names += heads.map(\.name)
                marker = last.name.key
            }
            return try names + table.deletedObjects(after: nil, limit: .max, in: reader).map(\.head.name)
        }
    }

    /// A key, live or deleted, with its material as it is stored; nil when there is none of the name.
    package func stored(_ name: ObjectName, in pool: Vault, _ reader: BarrierReader) throws(VaultError) -> PoolKey? {
        let table = table(pool)
        return try reader.snapshot { () throws(VaultError) in
            var deleted: PoolKey.Deleted?
            var head = try table.head(name, in: reader)
            if head == nil, let object = try table.deleted(name, in: reader) {
                head = object.head
                deleted = .init(time: object.deleted, purge: object.scheduledPurge)
            }
            guard let head else { return nil }
            return PoolKey(
                head.name, try table.allVersions(of: head, in: reader, limit: .max),
                rotation: try table.companion(Keys.rotationCompanion, of: head.name, in: reader) ?? [],
                deleted: deleted)
        }
    }

    /// Why a key cannot go into a backup; nil when it can.
    package func flaw(of key: PoolKey) throws(VaultError) -> String? {
        for record in key.records {
            let version = try KeyVersion(record)
            if version.type.isHSM, version.material.reference.count == 0 {
                return
                    "The hardware security module cannot wrap the key '\(key.name)' of type \(version.type.text); it has no backup."
            }
        }
        return nil
    }

    /// The same key with its material wrapped.
    ///
    /// - Parameter wrapping: 32 bytes.
    package func exported(_ key: PoolKey, wrappedBy wrapping: SensitiveBytes, _ call: Call) async throws(VaultError)
        -> PoolKey
    {
        var records: [ObjectRecord] = []
        for var record in key.records {
            let (version, id) = (try KeyVersion(record), record.version.bytes)
            let wrapped = try await work.make(nil, version.type, call) { provider throws(CryptoError) in
                try provider.export(version.material, id: id, wrappedBy: wrapping)
            }
            record.payload = version.with(SensitiveBytes(wrapped)).encoded()
            records.append(record)
        }
        return key.with(records)
    }

    // MARK: In

    /// The same key with its material in its provider here.
    package func adopted(_ key: PoolKey, wrappedBy wrapping: SensitiveBytes, _ call: Call) async throws(VaultError)
        -> PoolKey
    {
        var records: [ObjectRecord] = []
        for var record in key.records {
            let (version, id) = (try KeyVersion(record), record.version.bytes)
            let material = try await work.make(nil, version.type, call) { provider throws(CryptoError) in
                try provider.importKey(
                    wrapped: version.material.reference.withUnsafeBytes { Array($0) }, version.specification,
                    version.material.publicKey, id: id, isExportable: version.isExportable, wrappedBy: wrapping)
            }
            record.payload = version.with(material.reference).encoded()
            records.append(record)
        }
        return key.with(records)
    }

    /// Removes what adoption made of keys that are not to be after all.
    package func abandon(_ keys: [PoolKey], keeping known: Set<[UInt8]>) {
        for record in keys.flatMap(\.records) where !known.contains(record.version.bytes) {
            guard let version = try? KeyVersion(record), let provider = try? work.provider(of: version.type) else {
                continue
            }
            provider.destroy(version.material, id: record.version.bytes)
        }
    }

    /// Puts all these keys in the place of all that are there.
    package func replaceAll(in pool: Vault, by keys: [PoolKey], in transaction: Transaction) throws(VaultError) {
        let table = table(pool)
        try table.removeAll(in: transaction)
        for key in keys { try put(key, table, transaction) }
    }

    /// Puts one key where none of its name is.
    ///
    /// - Throws: `.conflict`, `.deletedButRecoverable`.
    package func put(_ key: PoolKey, in pool: Vault, _ transaction: Transaction) throws(VaultError) {
        try put(key, table(pool), transaction)
    }

    private func put(_ key: PoolKey, _ table: ObjectTable, _ transaction: Transaction) throws(VaultError) {
        if !key.rotation.isEmpty {
            try table.putCompanion(Keys.rotationCompanion, of: key.name, key.rotation, in: transaction)
        }
        if let deleted = key.deleted {
            try table.restoreDeleted(
                key.name, key.records, deleted: deleted.time, scheduledPurge: deleted.purge, in: transaction)
        } else {
            let head = try table.restore(key.name, key.records, in: transaction)
            try KeySchedule(table).renew(head, isNew: false, in: transaction)
        }
        for record in key.records { work.forget(record.version) }
    }

    /// - Throws: `.conflict` or `.deletedButRecoverable` when a name is not free.
    package func requireFree(_ name: ObjectName, in pool: Vault, _ reader: any RecordReader) throws(VaultError) {
        let table = table(pool)
        if try table.head(name, in: reader) != nil { throw table.exists(name) }
        if let object = try table.deleted(name, in: reader) { throw table.taken(by: object) }
    }
}

extension KeyVersion {
    fileprivate func with(_ reference: SensitiveBytes) -> KeyVersion {
        KeyVersion(
            type: type, operations: operations,
            material: KeyMaterial(
                specification: material.specification, publicKey: material.publicKey, reference: reference),
            isExportable: isExportable, releasePolicy: releasePolicy, origin: origin, isManaged: isManaged)
    }
}
