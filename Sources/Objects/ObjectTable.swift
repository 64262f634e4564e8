package import Barrier
package import Domain
package import Operations
import Store

/// A kind of object: what it is called on the wire, in messages, and when it is missing.
///
/// A reference: every table of objects holds one.
package final class ObjectKind: Sendable {
    /// `secrets`
    package let collection: String
    /// `secret`
    package let noun: String
    let headSuffix: String
    /// `Secret`
    package let title: String
    package let notFound: VaultError.Code
    /// The duty that removes a deleted object for good.
    package let purgeOperation: String
    /// Records of the kind's own beside an object, under `<vault>/<companion>/<name>`; gone when it is purged.
    package let companions: [String]

    package init(
        collection: String, noun: String, title: String, notFound: VaultError.Code, purgeOperation: String,
        companions: [String] = []
    ) {
        self.companions = companions
        self.collection = collection
        self.noun = noun
        headSuffix = noun + "/"
        self.title = title
        self.notFound = notFound
        self.purgeOperation = purgeOperation
    }
}

/// The objects of one kind in one vault: versions, soft delete, recover, purge.
///
/// `vault/<vault>/<noun>/<name>` holds the head, `vault/<vault>/<noun>-version/<name>/<version>` each earlier version,
/// `vault/<vault>/deleted-<noun>/<name>` a deleted head. The history of a deleted object stays in place: nothing else can have
/// its name until it is purged.
package struct ObjectTable: Sendable {
    package let kind: ObjectKind
    package let vault: Vault

    package init(_ kind: ObjectKind, in vault: Vault) {
        (self.kind, self.vault) = (kind, vault)
        headPrefix = vault.keyPrefix + kind.headSuffix
    }

    private var domain: SealDomain { vault.sealDomain }
    private var prefix: String { vault.keyPrefix }
    private let headPrefix: String
    private var deletedPrefix: String { prefix + "deleted-" + kind.noun + "/" }
    private func headKey(_ name: ObjectName) -> String { headPrefix + name.key }
    private func deletedKey(_ name: ObjectName) -> String { deletedPrefix + name.key }
    private func companionKey(_ companion: String, _ name: ObjectName) -> String {
        prefix + companion + "/" + name.key
    }
    private func historyPrefix(_ name: ObjectName) -> String { prefix + kind.noun + "-version/" + name.key + "/" }
    private func historyKey(_ name: ObjectName, _ version: ObjectVersion) -> String {
        historyPrefix(name) + version.description
    }

    // MARK: Reading

    package func head(_ name: ObjectName, in reader: any RecordReader) throws(VaultError) -> ObjectHead? {
        let key = headKey(name)
        guard let bytes = try reader.record(at: key) else { return nil }
        return try decodeHead(bytes, key)
    }

    /// The version asked for, or the newest, with the object's name as it was first spelled.
    ///
    /// - Throws: the kind's not-found error.
    package func record(
        _ name: ObjectName, version: ObjectVersion?, in reader: any RecordReader
    ) throws(VaultError) -> (head: ObjectHead, record: ObjectRecord) {
        guard let head = try head(name, in: reader) else { throw notFound(name, version) }
        guard let version, version != head.current.version else { return (head, head.current) }
        guard let record = try past(name, version, in: reader) else { throw notFound(name, version) }
        return (head, record)
    }

    private func past(_ name: ObjectName, _ version: ObjectVersion, in reader: any RecordReader) throws(VaultError)
        -> ObjectRecord?
    {
        let key = historyKey(name, version)
        guard let bytes = try reader.record(at: key) else { return nil }
        return try decodeRecord(bytes, key)
    }

    package func deleted(_ name: ObjectName, in reader: any RecordReader) throws(VaultError) -> DeletedObject? {
        let key = deletedKey(name)
        guard let bytes = try reader.record(at: key) else { return nil }
        guard let object = DeletedObject(bytes) else { throw .integrity(record: key) }
        return object
    }

    /// Heads in order of name, those after `marker` (a name in lower case) if there is one.
    package func heads(after marker: String?, limit: Int, in reader: any RecordReader) throws(VaultError)
        -> [ObjectHead]
    {
        var heads: [ObjectHead] = []
        for entry in try reader.records(in: range(headPrefix, marker), limit: limit) {
            heads.append(try decodeHead(entry.value, entry.key))
        }
        return heads
    }

    package func deletedObjects(after marker: String?, limit: Int, in reader: any RecordReader) throws(VaultError)
        -> [DeletedObject]
    {
        var objects: [DeletedObject] = []
        for entry in try reader.records(in: range(deletedPrefix, marker), limit: limit) {
            guard let object = DeletedObject(entry.value) else { throw .integrity(record: entry.key) }
            objects.append(object)
        }
        return objects
    }

    /// All versions in order of their hexadecimal text, those after `marker` if there is one; empty for an unknown name.
    package func versions(
        _ name: ObjectName, after marker: String?, limit: Int, in reader: any RecordReader
    ) throws(VaultError) -> (name: ObjectName, records: [ObjectRecord]) {
        guard let head = try head(name, in: reader) else { return (name, []) }
        var records: [ObjectRecord] = []
        for entry in try reader.records(in: range(historyPrefix(name), marker), limit: limit) {
            records.append(try decodeRecord(entry.value, entry.key))
        }
        let current = head.current.version.description
        if marker.map({ current > $0 }) ?? true {
            let place = records.firstIndex { $0.version.description > current } ?? records.endIndex
            if place < limit { records.insert(head.current, at: place) }
        }
        return (head.name, Array(records.prefix(limit)))
    }

    /// Every version, the current one last.
    package func allVersions(of head: ObjectHead, in reader: any RecordReader, limit: Int) throws(VaultError)
        -> [ObjectRecord]
    {
        var records: [ObjectRecord] = []
        for entry in try reader.records(in: range(historyPrefix(head.name), nil), limit: limit) {
            records.append(try decodeRecord(entry.value, entry.key))
        }
        return records + [head.current]
    }

    // MARK: Companions

    package func companion(_ companion: String, of name: ObjectName, in reader: any RecordReader) throws(VaultError)
        -> [UInt8]?
    {
        try reader.record(at: companionKey(companion, name))
    }

    /// - Parameter record: nil to remove it.
    package func putCompanion(_ companion: String, of name: ObjectName, _ record: [UInt8]?, in transaction: Transaction)
        throws(VaultError)
    {
        if let record {
            try transaction.put(record, at: companionKey(companion, name), in: domain)
        } else {
            try transaction.remove(companionKey(companion, name))
        }
    }

    /// The names, in lower case, of the objects that have a companion, those after `marker` if there is one.
    package func companionNames(_ companion: String, after marker: String?, limit: Int, in reader: any RecordReader)
        throws(VaultError) -> [String]
    {
        let prefix = prefix + companion + "/"
        return try reader.records(in: range(prefix, marker), limit: limit).map {
            String($0.key.dropFirst(prefix.count))
        }
    }

    // MARK: Changing

    /// Adds a version; it becomes the current one.
    ///
    /// - Parameter check: looks at what was current until now, if there was anything.
    /// - Throws: `.deletedButRecoverable` when a deleted object has the name; what `check` throws.
    package func append(
        _ record: ObjectRecord, to name: ObjectName, in transaction: Transaction,
        after check: (ObjectHead) throws(VaultError) -> Void = { _ in }
    ) throws(VaultError) -> ObjectHead {
        guard let old = try head(name, in: transaction) else {
            try requireFree(name, in: transaction)
            let head = ObjectHead(name: name, current: record, pastVersions: 0)
            try transaction.put(head.encoded(), at: headKey(name), in: domain)
            return head
        }
        try check(old)
        try put(old.current, of: old.name, in: transaction)
        let head = ObjectHead(name: old.name, current: record, pastVersions: old.pastVersions + 1)
        try transaction.put(head.encoded(), at: headKey(name), in: domain)
        return head
    }

    /// Changes one version in place.
    package func update(
        _ name: ObjectName, version: ObjectVersion?, in transaction: Transaction,
        _ change: (inout ObjectRecord) throws(VaultError) -> Void
    ) throws(VaultError) -> (head: ObjectHead, record: ObjectRecord) {
        var (head, record) = try self.record(name, version: version, in: transaction)
        try change(&record)
        record.revision += 1
        if record.version == head.current.version {
            head.current = record
            try transaction.put(head.encoded(), at: headKey(name), in: domain)
        } else {
            try put(record, of: head.name, in: transaction)
        }
        return (head, record)
    }

    /// Soft-deletes an object with all its versions, and writes down when it is to be purged.
    package func delete(_ name: ObjectName, at now: Timestamp, in transaction: Transaction) throws(VaultError)
        -> DeletedObject
    {
        guard let head = try head(name, in: transaction) else { throw notFound(name, nil) }
        let deleted = now.epochSeconds
        let object = DeletedObject(
            head: head, deleted: deleted, scheduledPurge: deleted + Int64(vault.retentionDays) * 86_400)
        try transaction.remove(headKey(name))
        try transaction.put(object.encoded(), at: deletedKey(name), in: domain)
        try purgeDuty(object).schedule(in: transaction)
        return object
    }

    package func recover(_ name: ObjectName, in transaction: Transaction) throws(VaultError) -> ObjectHead {
        guard let object = try deleted(name, in: transaction) else { throw notFound(name, nil) }
        try transaction.remove(deletedKey(name))
        try transaction.put(object.head.encoded(), at: headKey(name), in: domain)
        try purgeDuty(object).cancel(in: transaction)
        return object.head
    }

    /// Removes a deleted object for good.
    ///
    /// - Throws: `.forbiddenByVault` under purge protection; the not-found error of deleted objects.
    package func purge(_ name: ObjectName, in transaction: Transaction) throws(VaultError) {
        guard let object = try deleted(name, in: transaction) else { throw deletedNotFound(name) }
        guard !vault.isPurgeProtected else {
            throw VaultError(
                .forbiddenByVault,
                "Operation \"purge\" is not allowed because purge protection is enabled for this vault.")
        }
        try remove(object, in: transaction)
    }

    /// The duty: purges what its retention has run out on, also under purge protection. Safe to repeat.
    ///
    /// - Returns: whether something was purged.
    package func purgeIfDue(_ name: ObjectName, at now: Timestamp, in transaction: Transaction) throws(VaultError)
        -> Bool
    {
        guard let object = try deleted(name, in: transaction), object.scheduledPurge <= now.epochSeconds else {
            return false
        }
        try remove(object, in: transaction)
        return true
    }

    private func remove(_ object: DeletedObject, in transaction: Transaction) throws(VaultError) {
        try transaction.remove(deletedKey(object.head.name))
        try transaction.removeAll(in: KeyRange(prefix: historyPrefix(object.head.name)))
        for companion in kind.companions { try transaction.remove(companionKey(companion, object.head.name)) }
        try purgeDuty(object).cancel(in: transaction)
    }

    /// Puts an object back from a backup with its versions as they were, the last one current.
    ///
    /// - Throws: `.conflict` when the name is taken, `.deletedButRecoverable` when a deleted object has it.
    package func restore(_ name: ObjectName, _ records: [ObjectRecord], in transaction: Transaction) throws(VaultError)
        -> ObjectHead
    {
        // Counted anew from somewhere else: what was changed before the restore must not be taken for what is changed after.
        let records = records.map { record in
            var record = record
            record.revision = .random(in: 1 << 16...1 << 31)
            return record
        }
        guard let current = records.last else { throw .badParameter("The backup holds no version.") }
        guard try head(name, in: transaction) == nil else { throw exists(name) }
        try requireFree(name, in: transaction)
        for record in records.dropLast() { try put(record, of: name, in: transaction) }
        let head = ObjectHead(name: name, current: current, pastVersions: UInt32(records.count - 1))
        try transaction.put(head.encoded(), at: headKey(name), in: domain)
        return head
    }

    /// Puts a soft-deleted object back from a backup: as it was, to be purged when it was to be.
    package func restoreDeleted(
        _ name: ObjectName, _ records: [ObjectRecord], deleted: Int64, scheduledPurge: Int64,
        in transaction: Transaction
    ) throws(VaultError) {
        let head = try restore(name, records, in: transaction)
        let object = DeletedObject(head: head, deleted: deleted, scheduledPurge: scheduledPurge)
        try transaction.remove(headKey(name))
        try transaction.put(object.encoded(), at: deletedKey(name), in: domain)
        try purgeDuty(object).schedule(in: transaction)
    }

    /// Removes all objects of the kind, deleted ones too. Their duties are the caller's to cancel.
    package func removeAll(in transaction: Transaction) throws(VaultError) {
        for prefix in [headPrefix, deletedPrefix, prefix + kind.noun + "-version/"]
            + kind.companions.map({ prefix + $0 + "/" })
        {
            try transaction.removeAll(in: KeyRange(prefix: prefix))
        }
    }

    package func exists(_ name: ObjectName) -> VaultError {
        VaultError(
            .conflict,
            "A \(kind.noun) named \(name) already exists in this vault; a backup restores onto a free name only.")
    }

    private func requireFree(_ name: ObjectName, in transaction: Transaction) throws(VaultError) {
        guard let object = try deleted(name, in: transaction) else { return }
        throw taken(by: object)
    }

    /// Why a name cannot be had that a deleted object has.
    package func taken(by object: DeletedObject) -> VaultError {
        VaultError(
            .deletedButRecoverable,
            "\(kind.title) \(object.head.name) is currently in a deleted but recoverable state, and its name cannot be reused; in this "
                + "state, the \(kind.noun) can only be recovered or purged.")
    }

    private func put(_ record: ObjectRecord, of name: ObjectName, in transaction: Transaction) throws(VaultError) {
        var writer = ByteWriter(reserving: 128 + record.payload.count)
        writer.byte(Self.historyFormat)
        record.encode(to: &writer)
        try transaction.put(writer.bytes, at: historyKey(name, record.version), in: domain)
    }

    private func purgeDuty(_ object: DeletedObject) -> Duty {
        Duty(
            due: Timestamp(epochSeconds: object.scheduledPurge),
            id: "\(kind.noun)-purge\(vault.service == .vault ? "" : "-hsm").\(vault.name).\(object.head.name.key)",
            operation: kind.purgeOperation, vault: vault.name, service: vault.service,
            parameters: ["\(kind.noun)-name": object.head.name.spelling])
    }

    // MARK: Decoding

    private static let historyFormat: UInt8 = 1

    private func decodeHead(_ bytes: [UInt8], _ key: String) throws(VaultError) -> ObjectHead {
        guard let head = ObjectHead(bytes) else { throw .integrity(record: key) }
        return head
    }

    private func decodeRecord(_ bytes: [UInt8], _ key: String) throws(VaultError) -> ObjectRecord {
        var reader = ByteReader(bytes)
        guard reader.byte() == Self.historyFormat, let record = ObjectRecord(from: &reader), reader.isAtEnd else {
            throw .integrity(record: key)
        }
        return record
    }

    private func range(_ prefix: String, _ marker: String?) -> KeyRange {
        marker.map { KeyRange(prefix: prefix, after: prefix + $0) } ?? KeyRange(prefix: prefix)
    }

    // MARK: Errors

    package func notFound(_ name: ObjectName, _ version: ObjectVersion?) -> VaultError {
        let text = version.map { "\(name)/\($0)" } ?? "\(name)"
        return VaultError(
            kind.notFound,
            "A \(kind.noun) with (name/id) \(text) was not found in this key vault. If you recently deleted this \(kind.noun) you may be "
                + "able to recover it using the correct recovery command. For help resolving this issue, please see "
                + "https://go.microsoft.com/fwlink/?linkid=2125182")
    }

    package func deletedNotFound(_ name: ObjectName) -> VaultError {
        VaultError(kind.notFound, "Deleted \(kind.title) not found: \(name)")
    }
}
