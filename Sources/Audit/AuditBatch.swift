import Cryptography
import Domain
import Store

/// The records of one commit, as they are stored under one key.
///
/// `format | number of the first record | chain hash before it | chain hash after the last | count | records`, the records being
/// (length | record)… as one LZ4 block with its unpacked length before it. Records of one batch repeat one another: packed they
/// take a quarter of the space, and a row fits into a page of the store.
package struct AuditBatch: Sendable {
    static let prefix = StoreLog.prefix
    private enum Format: UInt8 {
        /// The records as they are.
        case plain = 1
        case packed = 2
    }

    package let before: AuditChain
    package let after: AuditChain
    package let records: [[UInt8]]

    package var key: String { Self.key(firstSequence: before.sequence + 1) }

    static func key(firstSequence: UInt64) -> String { StoreLog.key(firstSequence) }

    init(before: AuditChain, after: AuditChain, records: [[UInt8]]) {
        (self.before, self.after, self.records) = (before, after, records)
    }

    func encoded() -> [UInt8] {
        var plain = ByteWriter(reserving: records.reduce(0) { $0 + $1.count + 4 })
        for record in records { plain.blob(record) }
        let packed = PackedBlock.pack(plain.bytes)
        var bytes = ByteWriter(reserving: 96 + (packed ?? plain.bytes).count)
        bytes.byte((packed == nil ? Format.plain : .packed).rawValue)
        bytes.integer(before.sequence + 1)
        bytes.raw(before.hash.bytes)
        bytes.raw(after.hash.bytes)
        bytes.integer(UInt32(records.count))
        if let packed {
            bytes.integer(UInt32(plain.bytes.count))
            bytes.blob(packed)
        } else {
            bytes.raw(plain.bytes)
        }
        return bytes.bytes
    }

    init?(_ bytes: [UInt8]) {
        var reader = ByteReader(bytes)
        guard let format = reader.byte().flatMap(Format.init), let first = reader.integer(UInt64.self), first > 0,
            let before = reader.raw(32), let after = reader.raw(32), let count = reader.integer(UInt32.self)
        else { return nil }
        let records: [[UInt8]]?
        switch format {
        case .plain:
            records = Self.records(&reader, count: count)
        case .packed:
            guard let length = reader.integer(UInt32.self), let packed = reader.blob(), reader.isAtEnd,
                let plain = PackedBlock.unpack(packed, count: Int(length))
            else { return nil }
            var plainReader = ByteReader(plain)
            records = Self.records(&plainReader, count: count)
        }
        guard let records else { return nil }
        self.before = AuditChain(sequence: first - 1, hash: SHA256Digest(Array(before)))
        self.after = AuditChain(sequence: first - 1 + UInt64(count), hash: SHA256Digest(Array(after)))
        self.records = records
    }

    private static func records(_ reader: inout ByteReader, count: UInt32) -> [[UInt8]]? {
        var records: [[UInt8]] = []
        for _ in 0..<count {
            guard let record = reader.blob() else { return nil }
            records.append(Array(record))
        }
        return reader.isAtEnd ? records : nil
    }
}
