import Cryptography
import Domain
import StrongroomTesting
import Testing

@testable import Audit

struct AuditChainTests {
    private let engine: CryptoEngine
    private let hasher: SHA256Hasher

    init() throws {
        engine = try CryptoEngine()
        hasher = try SHA256Hasher(engine)
    }

    @Test("The hash of a record is taken over the hash before, its number and its bytes")
    func definition() throws {
        var chain = AuditChain.empty
        var hash = [UInt8](repeating: 0, count: 32)
        for (number, record) in [[UInt8]](arrayLiteral: [1, 2, 3], [], [UInt8](repeating: 9, count: 1_000)).enumerated()
        {
            chain.append(record, hasher: hasher)
            hash = try engine.sha256(hash + [0, 0, 0, 0, 0, 0, 0, UInt8(number + 1)] + record)
            #expect(chain.sequence == UInt64(number + 1))
            #expect(chain.hash.bytes == hash)
        }
    }

    @Test("Records in another order give another hash")
    func order() {
        var (first, second) = (AuditChain.empty, AuditChain.empty)
        for record: [UInt8] in [[1], [2]] { first.append(record, hasher: hasher) }
        for record: [UInt8] in [[2], [1]] { second.append(record, hasher: hasher) }
        #expect(first != second)
    }

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
}
