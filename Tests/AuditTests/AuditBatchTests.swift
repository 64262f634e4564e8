import Cryptography
import Domain
import StrongroomTesting
import Testing

@testable import Audit

struct AuditBatchTests {
    private let hasher: SHA256Hasher

    init() throws { hasher = try SHA256Hasher(try CryptoEngine()) }

    private func batch(_ records: [[UInt8]], after before: AuditChain = .empty) -> AuditBatch {
        var after = before
        for record in records { after.append(record, hasher: hasher) }
        return AuditBatch(before: before, after: after, records: records)
    }

    @Test(
        "A batch comes back as it was written",
        arguments: [[[1, 2, 3]], [[], [1]], [[UInt8](repeating: 7, count: 70_000), [1], []]] as [[[UInt8]]])
    func roundTrip(_ records: [[UInt8]]) throws {
        let batch = batch(
            records, after: AuditChain(sequence: 41, hash: SHA256Digest([UInt8](repeating: 4, count: 32))))
        let again = try #require(AuditBatch(batch.encoded()))
        #expect(again.records == records)
        #expect(again.before == batch.before)
        #expect(again.after == batch.after)
        #expect(again.key == batch.key)
    }

    @Test("A batch is kept under the number of its first record, so that keys are in the order of the log")
    func keys() {
        #expect(batch([[1]]).key == "audit/0000000000000001")
        let numbers: [UInt64] = [1, 9, 10, 255, 256, 1 << 32, .max]
        let keys = numbers.map { AuditBatch.key(firstSequence: $0) }
        #expect(keys == keys.sorted())
    }

    @Test("Bytes cut short anywhere, or with something behind, are no batch")
    func truncated() {
        let bytes = batch([[1, 2, 3], [4]]).encoded()
        for count in 0..<bytes.count { #expect(AuditBatch(Array(bytes.prefix(count))) == nil, "\(count) bytes") }
        #expect(AuditBatch(bytes + [0]) == nil)
    }

    @Test("Records that are like one another take little space")
    func packed() {
        let record = (0..<400).map { UInt8(truncatingIfNeeded: $0 &* $0 &* 7) }
        let records = (0..<12).map { record + [UInt8($0)] }
        #expect(batch(records).encoded().count < 1_000)
    }

    @Test("A batch of the first format, with its records as they are, is read")
    func firstFormat() throws {
        let batch = batch([[1, 2, 3], [], [4]])
        var bytes = ByteWriter()
        bytes.byte(1)
        bytes.integer(UInt64(1))
        bytes.raw(batch.before.hash.bytes)
        bytes.raw(batch.after.hash.bytes)
        bytes.integer(UInt32(3))
        for record in batch.records { bytes.blob(record) }
        let again = try #require(AuditBatch(bytes.bytes))
        #expect(again.records == batch.records && again.before == batch.before && again.after == batch.after)
    }

    @Test("A format that nobody wrote, and a length that is not that of the records, is no batch")
    func wrong() {
        var bytes = batch([[1, 2, 3], [4]]).encoded()
        bytes[0] = 3
        #expect(AuditBatch(bytes) == nil)
        bytes[0] = 2
        // Behind format, number, two hashes and count: the length of the records without packing.
        for length in [0, 1, 11, 13, 255] as [UInt8] {
            bytes[80] = length
            #expect(AuditBatch(bytes) == nil, "\(length)")
        }
        bytes.replaceSubrange(77...80, with: [0xFF, 0xFF, 0xFF, 0xFF])
        #expect(AuditBatch(bytes) == nil)
    }
}
