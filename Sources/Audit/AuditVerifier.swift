package import Barrier
package import Cryptography
package import Domain
import Store

/// Walks the log from its first record and finds any edit, removal, reordering, and a tail cut before the last checkpoint.
package struct AuditVerifier {
    package struct Report: Sendable {
        package var records: UInt64 = 0
        package var checkpoints: UInt64 = 0
        package var lastCheckpoint: Timestamp?
        /// Nil when the log is whole.
        package var fault: Fault?
    }

    package struct Fault: Sendable {
        /// Number of the first record that is not as it was written.
        package let sequence: UInt64
        package let text: String
    }

    private let engine: CryptoEngine
    private let publicKey: [UInt8]

    /// - Parameter publicKey: of the checkpoints, 32 bytes.
    package init(engine: CryptoEngine, publicKey: [UInt8]) {
        (self.engine, self.publicKey) = (engine, publicKey)
    }

    /// - Parameters:
    ///   - witnessed: the checkpoints from the file beside the database, oldest first.
    ///   - visit: called for every record that stands, in order.
    package func verify(
        _ reader: BarrierReader, witnessed: [Checkpoint], visit: (AuditEvent) throws(VaultError) -> Void = { _ in }
    ) throws(VaultError) -> Report {
        var report = Report()
        var chain = AuditChain.empty
        var witnesses = witnessed[...]
        let hasher: SHA256Hasher
        do { hasher = try SHA256Hasher(engine) } catch { throw .internal("SHA-256") }
        func fault(_ text: String) -> Report {
            report.fault = Fault(sequence: chain.sequence + 1, text: text)
            return report
        }
        var after = AuditBatch.prefix
        while true {
            let keys = try reader.keys(in: KeyRange(prefix: AuditBatch.prefix, after: after), limit: 64)
            guard !keys.isEmpty else { break }
            for key in keys {
                after = key
                guard key == AuditBatch.key(firstSequence: chain.sequence + 1) else {
                    return fault("record \(chain.sequence + 1) is missing; the next one stored is '\(key)'")
                }
                let bytes: [UInt8]?
                do { bytes = try reader.record(at: key) } catch {
                    return fault("the batch that begins with record \(chain.sequence + 1) was edited or moved")
                }
                guard let bytes, let batch = AuditBatch(bytes), batch.key == key, batch.before == chain else {
                    return fault("record \(chain.sequence + 1) does not follow from the one before it")
                }
                for record in batch.records {
                    if let checkpoint = Checkpoint(record) {
                        guard checkpoint.chain == chain, checkpoint.isAuthentic(publicKey: publicKey, engine: engine)
                        else {
                            return fault("checkpoint \(chain.sequence + 1) is not authentic")
                        }
                        report.checkpoints += 1
                        report.lastCheckpoint = checkpoint.time
                    } else if let event = AuditEvent(record) {
                        try visit(event)
                    } else {
                        return fault("record \(chain.sequence + 1) cannot be read")
                    }
                    chain.append(record, hasher: hasher)
                    report.records += 1
                    while let witness = witnesses.first, witness.chain.sequence <= chain.sequence {
                        guard witness.isAuthentic(publicKey: publicKey, engine: engine) else {
                            return fault("a checkpoint in the checkpoint file is not authentic")
                        }
                        if witness.chain.sequence == chain.sequence, witness.chain != chain {
                            return fault("the log differs from the checkpoint taken at record \(chain.sequence)")
                        }
                        witnesses.removeFirst()
                    }
                }
                guard batch.after == chain else {
                    return fault("the batch that ends with record \(chain.sequence) was edited")
                }
            }
        }
        if let missing = witnesses.last, missing.chain.sequence > chain.sequence {
            return fault(
                "the log ends at record \(chain.sequence), but a checkpoint was taken at record \(missing.chain.sequence)"
            )
        }
        return report
    }
}
