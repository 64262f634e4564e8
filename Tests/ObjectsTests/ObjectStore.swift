import Barrier
import Cryptography
import Domain
import Objects
import Operations
import Store
import StoreTesting

/// A vault and a pool of the same name in a store in memory under a barrier, and the words to work on their objects.
final class ObjectStore {
    static let name = VaultName("demo")!
    static let start = Timestamp(epochSeconds: 1_800_000_000)
    static let kind = ObjectKind(
        collection: "things", noun: "thing", title: "Thing", notFound: .keyNotFound, purgeOperation: "ThingPurgeIfDue",
        companions: ["thing-notes"])

    let engine: CryptoEngine
    let store = MemoryStore()
    let reader: BarrierReader
    let vault: Vault
    let table: ObjectTable
    let pool: ObjectTable
    private let cipher: RecordCipher
    private var versions: UInt64 = 0

    init(isPurgeProtected: Bool = false, retentionDays: Int = 90) throws {
        engine = try CryptoEngine()
        let kek = SensitiveBytes([UInt8](repeating: 1, count: 32))
        try Barrier.initialize(store, kek: kek, source: .key, engine: engine, now: Self.start)
        let connection = try store.connection()
        let keyring = try Barrier.unseal(connection, kek: kek, engine: engine)
        cipher = RecordCipher(keyring)
        reader = BarrierReader(connection: connection, cipher: cipher)
        func place(_ service: Vault.Service) -> Vault {
            Vault(
                name: Self.name, service: service, subscription: GUID(high: 1, low: 2), resourceGroup: "group",
                location: "local", retentionDays: retentionDays, isPurgeProtected: isPurgeProtected,
                authority: "demo.vault.localhost:8443")
        }
        vault = place(.vault)
        table = ObjectTable(Self.kind, in: vault)
        pool = ObjectTable(Self.kind, in: place(.managedHSM))
        let engine = engine
        try commit { (transaction) throws(VaultError) in
            for domain in [SealDomain.vault(Self.name), .pool(Self.name)] {
                _ = try Barrier.addDataKey(for: domain, kek: kek, engine: engine, now: Self.start, in: transaction)
            }
        }
        try keyring.reload(from: reader, kek: kek)
    }

    /// Runs a transaction; what it throws undoes it.
    @discardableResult
    func commit<Value>(_ body: (Transaction) throws(VaultError) -> Value) throws -> Value {
        var result: Result<Value, VaultError>?
        try store.write { batch throws(StoreError) in
            do throws(StorePartError<VaultError>) {
                try batch.part { () throws(VaultError) in
                    result = .success(try body(Transaction(batch: batch, cipher: cipher)))
                }
            } catch {
                switch error {
                case .refused(let error): result = .failure(error)
                case .store(let error): throw error
                }
            }
        }
        guard let result else { throw VaultError.internal("nothing was committed") }
        return try result.get()
    }

    func keys(_ prefix: String) throws -> [String] {
        try reader.keys(in: KeyRange(prefix: prefix), limit: .max)
    }

    var duties: [Duty] {
        get throws { try Duty.due(at: Timestamp(epochSeconds: 9_000_000_000), in: reader, limit: 100).duties }
    }

    /// A version whose number says when it was made: 1, 2, 3.
    func record(_ payload: String = "x", version: UInt64? = nil) -> ObjectRecord {
        versions += 1
        return ObjectRecord(
            version: ObjectVersion(GUID(high: 0, low: version ?? versions)),
            attributes: ObjectAttributes(isEnabled: true, notBefore: nil, expires: nil, created: 1, updated: 1),
            tags: nil, payload: Array(payload.utf8))
    }

    @discardableResult
    func append(_ name: ObjectName, _ payload: String = "x", version: UInt64? = nil) throws -> ObjectHead {
        let (record, table) = (record(payload, version: version), table)
        return try commit { transaction throws(VaultError) in
            try table.append(record, to: name, in: transaction)
        }
    }

    @discardableResult
    func delete(_ name: ObjectName, at now: Timestamp = ObjectStore.start) throws -> DeletedObject {
        let table = table
        return try commit { transaction throws(VaultError) in try table.delete(name, at: now, in: transaction) }
    }

    func payloads(_ name: ObjectName) throws -> [String] {
        guard let head = try table.head(name, in: reader) else { return [] }
        return try table.allVersions(of: head, in: reader, limit: 1_000).map(\.text)
    }
}

extension ObjectRecord {
    var text: String { String(decoding: payload, as: UTF8.self) }
}

extension ObjectName {
    static let a = ObjectName("a")!
    static let b = ObjectName("b")!
}

/// Whether `body` threw an error of this code.
func isRefused(_ code: VaultError.Code, _ body: () throws -> Void) -> Bool {
    do {
        try body()
        return false
    } catch let error as VaultError {
        return error.code == code
    } catch {
        return false
    }
}
