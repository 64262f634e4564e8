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
}
