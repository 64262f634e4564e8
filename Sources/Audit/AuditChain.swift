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
