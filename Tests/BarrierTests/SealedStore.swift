import Barrier
import Cryptography
import Domain
import Store
import StoreTesting

/// A store in memory under a barrier of its own, and the words to work on it from above and from below.
final class SealedStore {
    static let kek = SensitiveBytes([UInt8](repeating: 1, count: 32))
    static let now = Timestamp(epochSeconds: 1_800_000_000)

    let engine: CryptoEngine
    let store = MemoryStore()
    let keyring: Keyring
    let cipher: RecordCipher
    let reader: BarrierReader

    init() throws {
        engine = try CryptoEngine()
        try Barrier.initialize(store, kek: Self.kek, source: .key, engine: engine, now: Self.now)
        let connection = try store.connection()
        keyring = try Barrier.unseal(connection, kek: Self.kek, engine: engine)
        cipher = RecordCipher(keyring)
        reader = BarrierReader(connection: connection, cipher: cipher)
    }

    /// Runs a transaction; what it throws undoes it.
    func commit(_ body: (Transaction) throws(VaultError) -> Void) throws {
        var refusal: VaultError?
        try store.write { batch throws(StoreError) in
            do throws(StorePartError<VaultError>) {
                try batch.part { () throws(VaultError) in try body(Transaction(batch: batch, cipher: cipher)) }
            } catch {
                switch error {
                case .refused(let error): refusal = error
                case .store(let error): throw error
                }
            }
        }
        if let refusal { throw refusal }
    }

    func put(_ text: String, at key: String, in domain: SealDomain = .system) throws {
        try commit { (transaction) throws(VaultError) in try transaction.put(Array(text.utf8), at: key, in: domain) }
    }

    func text(at key: String) throws -> String? {
        try reader.record(at: key).map { String(decoding: $0, as: UTF8.self) }
    }

    func addDataKey(for domain: SealDomain) throws {
        try commit { (transaction) throws(VaultError) in
            _ = try Barrier.addDataKey(for: domain, kek: Self.kek, engine: engine, now: Self.now, in: transaction)
        }
        try keyring.reload(from: reader, kek: Self.kek)
    }

    func rotateRoot() throws {
        try commit { (transaction) throws(VaultError) in
            _ = try Barrier.rotateRoot(kek: Self.kek, engine: engine, in: transaction)
        }
        try keyring.reload(from: reader, kek: Self.kek)
    }

    // MARK: As someone with the file sees it

    func raw(_ key: String) throws -> [UInt8]? { try store.connection().value(at: key) }

    func overwrite(_ key: String, with value: [UInt8]?) throws {
        try store.write { batch throws(StoreError) in
            if let value { try batch.put(value, at: key) } else { try batch.remove(key) }
        }
    }

    /// A second server that finds this store, with keys of its own to unwrap.
    func unsealed(with kek: SensitiveBytes = SealedStore.kek) throws -> BarrierReader {
        let connection = try store.connection()
        return BarrierReader(
            connection: connection, cipher: RecordCipher(try Barrier.unseal(connection, kek: kek, engine: engine)))
    }
}

/// Whether `body` threw the integrity error of this record.
func isIntegrityFault(of key: String, _ body: () throws -> Void) -> Bool {
    do {
        try body()
        return false
    } catch let error as VaultError {
        guard error.code == .integrity, case .integrity(let record)? = error.cause else { return false }
        return record == key
    } catch {
        return false
    }
}
