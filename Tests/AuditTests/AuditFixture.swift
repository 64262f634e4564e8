import Barrier
import Cryptography
import Dispatch
import Domain
import Store
import StoreSQLite
import StoreTesting
import StrongroomTesting
import Threads

@testable import Audit

/// A committer on a real store that can be troubled, and what is needed to look at its log.
final class AuditFixture: @unchecked Sendable {
    // Unchecked: readers and ciphers are used by the one test that owns this.
    static let kek = SensitiveBytes([UInt8](repeating: 1, count: 32))

    let engine: CryptoEngine
    let folder: TemporaryFolder
    let database: SQLiteStore
    let store: TroubledStore
    let keyring: Keyring
    let cipher: RecordCipher
    let reader: BarrierReader
    let checkpointKey: Ed25519PrivateKey
    let committer: Committer
    let log = TestLogLines()

    init(_ configure: (inout Committer.Options) -> Void = { _ in }) throws {
        engine = try CryptoEngine()
        folder = try TemporaryFolder()
        var storage = SQLiteStore.Options()
        storage.reserveBytes = 0
        database = try SQLiteStore(folder: folder.path, options: storage)
        store = TroubledStore(database)
        try Barrier.initialize(database, kek: Self.kek, source: .key, engine: engine, now: TestClock.start)
        let connection = try database.connection()
        keyring = try Barrier.unseal(connection, kek: Self.kek, engine: engine)
        cipher = RecordCipher(keyring)
        reader = BarrierReader(connection: connection, cipher: cipher)
        checkpointKey = try Ed25519PrivateKey(seed: SensitiveBytes([UInt8](repeating: 2, count: 32)), engine: engine)
        var options = Committer.Options()
        configure(&options)
        let log = log
        committer = try Committer(
            store: store, keyring: keyring, cache: nil, engine: engine, checkpointKey: checkpointKey,
            checkpointFile: CheckpointFile(folder: folder.path), chain: .empty, options: options,
            now: { TestClock.start },
            log: { log.append($0) })
        committer.start()
    }

    deinit { database.close() }

    /// Waits for the committer's threads, which blocks: not on a thread of the pool.
    func stop(_ other: Committer? = nil) async {
        let committer = other ?? self.committer
        await withCheckedContinuation { continuation in
            DispatchQueue.global().async {
                committer.stop()
                continuation.resume()
            }
        }
    }

    // MARK: Writing

    func event(_ name: String, status: UInt16 = 200) -> AuditEvent {
        AuditEvent(time: TestClock.start, operationName: name, status: status, correlationID: GUID(high: 1, low: 1))
    }

    /// Records a call that changed nothing.
    func record(_ name: String, waker: any Waker = DirectWaker()) async throws(VaultError) {
        try await committer.record([event(name).encoded()], waker: waker)
    }

    /// Makes a change with its record.
    func change(
        _ key: String, refusing: Bool = false, waker: any Waker = DirectWaker()
    ) async throws(VaultError) {
        let record = event("Change-" + key).encoded()
        try await committer.commit(waker: waker) { transaction throws(VaultError) in
            try transaction.put(Array(key.utf8), at: "room/" + key, in: .system)
            if refusing { throw VaultError(.conflict, "no") }
            return [record]
        }
    }

    /// Tries `body` and tells how it was refused.
    func refusal(_ body: () async throws(VaultError) -> Void) async -> VaultError.Code? {
        do throws(VaultError) {
            try await body()
            return nil
        } catch {
            return error.code
        }
    }

    // MARK: Reading

    func changes() throws -> [String] {
        try reader.keys(in: KeyRange(prefix: "room/"), limit: .max).map { String($0.dropFirst(5)) }
    }

    func verify() throws -> (report: AuditVerifier.Report, names: [String]) {
        var names: [String] = []
        let report = try AuditVerifier(engine: engine, publicKey: try checkpointKey.publicKey()).verify(
            reader, witnessed: try CheckpointFile(folder: folder.path).read()
        ) { (event) throws(VaultError) in names.append(event.operationName) }
        return (report, names)
    }

    func batchKeys() throws -> [String] { try reader.keys(in: KeyRange(prefix: "audit/"), limit: .max) }

    func batch(at key: String) throws -> AuditBatch? { try reader.record(at: key).flatMap { AuditBatch($0) } }

    // MARK: Tampering

    func raw(_ key: String) throws -> [UInt8]? { try database.connection().value(at: key) }

    func overwrite(_ key: String, _ value: [UInt8]?) throws {
        try database.write { batch throws(StoreError) in
            if let value { try batch.put(value, at: key) } else { try batch.remove(key) }
        }
    }

    /// As somebody who has the keys of the barrier would.
    func reseal(_ batch: AuditBatch) throws {
        try overwrite(batch.key, try cipher.seal(batch.encoded(), at: batch.key, in: .system))
    }
}
