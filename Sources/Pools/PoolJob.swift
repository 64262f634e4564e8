import Barrier
import Domain
import Management
import Operations
import Store

/// A backup or a restore of a pool, as it is kept while it goes on and afterwards: a restart takes up what had not ended.
///
/// Stored under `pool/<name>/job/<id>`, sealed by the pool's own data key; the signature for the storage is forgotten when the job ends.
struct PoolJob: Sendable {
    enum Kind: UInt8, Sendable { case backup = 1, preBackup, restore, preRestore, keyRestore }
    enum State: UInt8, Sendable { case running = 1, succeeded, failed }

    let id: GUID
    let kind: Kind
    /// The address of the storage, as the client gave it.
    let storage: String
    /// What opens the storage; empty for a folder.
    var signature: SensitiveBytes
    let folder: String
    /// Of a single key that is restored; empty for the whole pool.
    let key: String
    let started: Timestamp
    var ended: Timestamp?
    var state = State.running
    /// Why it failed: the words of the error.
    var failureCode = ""
    var failure = ""

    var isRestore: Bool { kind == .restore || kind == .preRestore || kind == .keyRestore }

    /// Without hyphens, as clients see it.
    var name: String { id.description.filter { $0 != "-" } }

    static func id(_ name: String) -> GUID? {
        guard name.utf8.count == 32, name.utf8.allSatisfy({ Hex.value(of: $0) != nil }) else { return nil }
        let text = Array(name)
        return GUID(
            [0..<8, 8..<12, 12..<16, 16..<20, 20..<32].map { String(text[$0]) }.joined(separator: "-"))
    }

    // MARK: The record

    private static let mostKept = 50

    private static func prefix(_ pool: Vault) -> String { pool.keyPrefix + "job/" }

    func put(in pool: Vault, _ transaction: Transaction) throws(VaultError) {
        var bytes = ByteWriter()
        bytes.byte(1)
        bytes.guid(id)
        bytes.byte(kind.rawValue)
        bytes.byte(state.rawValue)
        bytes.string(storage)
        signature.withUnsafeBytes { bytes.blob($0) }
        bytes.string(folder)
        bytes.string(key)
        bytes.integer(started.nanoseconds)
        bytes.optional(ended?.nanoseconds)
        bytes.string(failureCode)
        bytes.string(failure)
        try transaction.put(bytes.bytes, at: Self.prefix(pool) + name, in: pool.sealDomain)
    }

    private init?(_ record: [UInt8]) {
        var bytes = ByteReader(record)
        guard bytes.byte() == 1, let id = bytes.guid(), let kind = bytes.byte().flatMap({ Kind(rawValue: $0) }),
            let state = bytes.byte().flatMap({ State(rawValue: $0) }), let storage = bytes.string(),
            let signature = bytes.blob(), let folder = bytes.string(), let key = bytes.string(),
            let started = bytes.integer(Int64.self), let ended = bytes.optionalInteger(), let code = bytes.string(),
            let failure = bytes.string(), bytes.isAtEnd
        else { return nil }
        (self.id, self.kind, self.state, self.storage) = (id, kind, state, storage)
        (self.signature, self.folder, self.key) = (SensitiveBytes(signature), folder, key)
        self.started = Timestamp(nanoseconds: started)
        self.ended = ended.map { Timestamp(nanoseconds: $0) }
        (failureCode, self.failure) = (code, failure)
    }

    init(
        id: GUID, kind: Kind, storage: String, signature: SensitiveBytes, folder: String, key: String,
        started: Timestamp
    ) {
        (self.id, self.kind, self.storage, self.signature) = (id, kind, storage, signature)
        (self.folder, self.key, self.started) = (folder, key, started)
    }

    static func stored(_ id: GUID, of pool: Vault, in reader: any RecordReader) throws(VaultError) -> PoolJob? {
        let path = prefix(pool) + id.description.filter { $0 != "-" }
        guard let record = try reader.record(at: path) else { return nil }
        guard let job = PoolJob(record) else { throw .integrity(record: path) }
        return job
    }

    private static func all(of pool: Vault, in reader: any RecordReader) throws(VaultError) -> [PoolJob] {
        var jobs: [PoolJob] = []
        for entry in try reader.records(in: KeyRange(prefix: prefix(pool)), limit: .max) {
            guard let job = PoolJob(entry.value) else { throw .integrity(record: entry.key) }
            jobs.append(job)
        }
        return jobs.sorted { $0.started < $1.started }
    }

    /// Begins the job, if no other of the pool goes on, and forgets the oldest of many.
    func begin(in pool: Vault, _ transaction: Transaction) throws(VaultError) {
        let others = try Self.all(of: pool, in: transaction)
        if let running = others.first(where: { $0.state == .running }) {
            throw VaultError(
                .conflict,
                "There is a \(running.isRestore ? "restore" : "backup") operation in progress already, \(running.name). Try again when it has ended."
            )
        }
        for old in others.dropLast(Self.mostKept - 1) { try transaction.remove(Self.prefix(pool) + old.name) }
        try put(in: pool, transaction)
        try duty(in: pool).schedule(in: transaction)
    }

    private func duty(in pool: Vault) -> Duty {
        Duty(
            due: started, id: VaultTable.Name(name: pool.name, service: .managedHSM).jobDuty, operation: "PoolJobRun",
            vault: pool.name, service: .managedHSM,
            parameters: ["job": name], party: storage.bounded(toBytes: 128))
    }

    /// The same, ended.
    func ended(at time: Timestamp, failure: VaultError? = nil) -> PoolJob {
        var job = self
        job.ended = time
        job.signature = SensitiveBytes([])
        job.state = failure == nil ? .succeeded : .failed
        job.failureCode = failure?.answer.code ?? ""
        job.failure = failure?.message ?? ""
        return job
    }
}
