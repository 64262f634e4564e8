import Cryptography
import Domain
import StrongroomTesting
import Testing

@testable import Audit

struct CheckpointTests {
    private let engine: CryptoEngine
    private let key: Ed25519PrivateKey
    private let publicKey: [UInt8]
    private let checkpoint: Checkpoint
    private let folder: TemporaryFolder

    init() throws {
        folder = try TemporaryFolder()
        engine = try CryptoEngine()
        key = try Ed25519PrivateKey(seed: SensitiveBytes([UInt8](repeating: 2, count: 32)), engine: engine)
        publicKey = try key.publicKey()
        let chain = AuditChain(sequence: 7, hash: SHA256Digest([UInt8](repeating: 3, count: 32)))
        checkpoint = try Checkpoint.sign(chain, at: TestClock.start, key: key)
    }

    @Test("A checkpoint is authentic, as a record and as a line")
    func authentic() throws {
        #expect(checkpoint.isAuthentic(publicKey: publicKey, engine: engine))
        #expect(Checkpoint(checkpoint.encoded()) == checkpoint)
        #expect(Checkpoint(line: checkpoint.line) == checkpoint)
        #expect(!checkpoint.line.contains("\n"))
    }

    @Test("A checkpoint with any byte changed is authentic no more")
    func altered() {
        let bytes = checkpoint.encoded()
        for position in bytes.indices {
            var altered = bytes
            altered[position] ^= 1
            let isAuthentic = Checkpoint(altered)?.isAuthentic(publicKey: publicKey, engine: engine) ?? false
            #expect(!isAuthentic, "byte \(position)")
        }
        for count in 0..<bytes.count { #expect(Checkpoint(Array(bytes.prefix(count))) == nil) }
    }

    @Test("A checkpoint signed by another key is not authentic")
    func otherKey() throws {
        let other = try Ed25519PrivateKey(seed: SensitiveBytes([UInt8](repeating: 9, count: 32)), engine: engine)
        let forged = try Checkpoint.sign(checkpoint.chain, at: checkpoint.time, key: other)
        #expect(!forged.isAuthentic(publicKey: publicKey, engine: engine))
    }

    @Test("A record of a call is no checkpoint, and the other way about")
    func kinds() {
        let event = AuditEvent(
            time: TestClock.start, operationName: "X", status: 200, correlationID: GUID(high: 1, low: 1))
        #expect(Checkpoint(event.encoded()) == nil)
        #expect(AuditEvent(checkpoint.encoded()) == nil)
    }

    // MARK: The file

    private var file: CheckpointFile { CheckpointFile(folder: folder.path) }

    private func write(_ text: String) throws { try folder.write(text, to: "audit-checkpoints.jsonl") }

    private func lines() throws -> Int { try folder.bytes(of: "audit-checkpoints.jsonl").count { $0 == 0x0A } }

    @Test("A file that is not there holds no checkpoints")
    func absent() throws {
        #expect(try file.read().isEmpty)
    }

    @Test("Checkpoints are read in the order they were appended")
    func appends() throws {
        let later = try Checkpoint.sign(
            AuditChain(sequence: 9, hash: .zero), at: TestClock.start + .minutes(1), key: key)
        try file.append(checkpoint)
        try file.append(later)
        #expect(try file.read() == [checkpoint, later])
        #expect(try lines() == 2)
    }

    @Test("A last line that a crash cut short is passed over")
    func cutLine() throws {
        let line = checkpoint.line
        for count in [1, line.utf8.count / 2, line.utf8.count - 1] {
            try write(line + "\n" + line.prefix(count))
            #expect(try file.read() == [checkpoint])
        }
    }

    @Test("What is appended after a line that a crash cut short can be read")
    func appendsAfterCutLine() throws {
        try write(checkpoint.line + "\n" + checkpoint.line.prefix(40))
        try file.append(checkpoint)
        #expect(try file.read() == [checkpoint, checkpoint])
        #expect(try lines() == 2)
        try write(String(checkpoint.line.prefix(40)))
        try file.append(checkpoint)
        #expect(try file.read() == [checkpoint])
    }

    @Test("A line in the middle that cannot be read is reported")
    func brokenLine() throws {
        for text in ["nonsense\n" + checkpoint.line + "\n", checkpoint.line + "\nnonsense\n"] {
            try write(text)
            #expect(throws: CheckpointFile.Failure.self) { try file.read() }
        }
    }
}
