package import Cryptography
import Domain

/// The hash chain: `hash(n) = SHA-256(hash(n-1) | n | record n)`, `n` as eight bytes big-endian, `hash(0)` 32 zero bytes.
package struct AuditChain: Sendable, Equatable {
    /// Number of the last record; the first is 1.
    package private(set) var sequence: UInt64
    package private(set) var hash: SHA256Digest

    package static let empty = AuditChain(sequence: 0, hash: .zero)

    package init(sequence: UInt64, hash: SHA256Digest) {
        (self.sequence, self.hash) = (sequence, hash)
    }

    package mutating func append(_ record: [UInt8], hasher: SHA256Hasher) {
        sequence += 1
        let words = hash.words
        hash = withUnsafeBytes(of: words) { previous in
            withUnsafeBytes(of: sequence.bigEndian) { number in
                record.withUnsafeBytes { record in hasher.digest(previous, number, record) }
            }
        }
    }
}

/// The records of one commit, as they are stored under one key.
///
/// `format | number of the first record | chain hash before it | chain hash after the last | count | (length | record)…`
package struct AuditBatch: Sendable {
    static let prefix = "audit/"
    private static let format: UInt8 = 1

    package let before: AuditChain
    package let after: AuditChain
    package let records: [[UInt8]]

    package var key: String { Self.key(firstSequence: before.sequence + 1) }

    static func key(firstSequence: UInt64) -> String {
        let digits = String(firstSequence, radix: 16)
        return prefix + String(repeating: "0", count: 16 - digits.count) + digits
    }

    func encoded() -> [UInt8] {
        var bytes = ByteWriter(reserving: 96 + records.reduce(0) { $0 + $1.count + 4 })
        bytes.byte(Self.format)
        bytes.integer(before.sequence + 1)
        bytes.raw(before.hash.bytes)
        bytes.raw(after.hash.bytes)
        bytes.integer(UInt32(records.count))
        for record in records { bytes.blob(record) }
        return bytes.bytes
    }

    init(before: AuditChain, after: AuditChain, records: [[UInt8]]) {
        (self.before, self.after, self.records) = (before, after, records)
    }

    init?(_ bytes: [UInt8]) {
        var reader = ByteReader(bytes)
        guard reader.byte() == Self.format, let first = reader.integer(UInt64.self), first > 0,
            let before = reader.raw(32),
            let after = reader.raw(32), let count = reader.integer(UInt32.self)
        else { return nil }
        var records: [[UInt8]] = []
        for _ in 0..<count {
            guard let record = reader.blob() else { return nil }
            records.append(Array(record))
        }
        guard reader.isAtEnd else { return nil }
        self.before = AuditChain(sequence: first - 1, hash: SHA256Digest(Array(before)))
        self.after = AuditChain(sequence: first - 1 + UInt64(count), hash: SHA256Digest(Array(after)))
        self.records = records
    }
}
