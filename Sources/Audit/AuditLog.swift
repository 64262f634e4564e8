package import Barrier
import Cryptography
package import Domain
package import Store

/// Opening the log: its key, and where its chain ended.
package enum AuditLog {
    private static let checkpointKeyPath = "audit-key/checkpoint"

    /// The chain that the next record goes on from, and when the last record was made.
    ///
    /// - Throws: `.integrity` when the last row does not open.
    package static func end(
        _ store: any StoreReader, cipher: RecordCipher
    ) throws(VaultError) -> (chain: AuditChain, lastRecord: Timestamp?) {
        let last: StoreEntry?
        do { last = try store.lastEntry(in: KeyRange(prefix: AuditBatch.prefix)) } catch {
            throw VaultError(error, at: AuditBatch.prefix)
        }
        guard let last else { return (.empty, nil) }
        guard let batch = AuditBatch(try cipher.open(last.value, at: last.key)), batch.key == last.key else {
            throw .integrity(record: last.key)
        }
        let lastRecord = batch.records.last.flatMap { AuditEvent($0)?.time ?? Checkpoint($0)?.time }
        return (batch.after, lastRecord)
    }

    /// The Ed25519 seed that signs checkpoints.
    package static func checkpointSeed(_ reader: any RecordReader) throws(VaultError) -> SensitiveBytes? {
        try reader.record(at: checkpointKeyPath).map { SensitiveBytes($0) }
    }

    package static func putCheckpointSeed(_ seed: SensitiveBytes, in transaction: Transaction) throws(VaultError) {
        try transaction.put(seed.withUnsafeBytes { Array($0) }, at: checkpointKeyPath, in: .system)
    }
}
