import CSQLite
import Domain
import Store

/// One SQLite handle with its prepared statements. Belongs to one thread.
///
/// The schema is one table of keys and values, clustered by key: `entries(key BLOB PRIMARY KEY, value BLOB) WITHOUT ROWID`.
final class SQLiteConnection: StoreConnection, StoreBatch {
    let handle: OpaquePointer
    private var statements: [Statement: OpaquePointer] = [:]
    /// Pages in the write-ahead log after the last commit of this connection.
    private(set) var logPages = 0
    /// What a statement last reported, a damaged page aside: that is the reader's affair alone.
    private var failure: StoreError?

    private enum Statement: String {
        case value = "SELECT value FROM entries WHERE key = ?1"
        case entries = "SELECT key, value FROM entries WHERE key >= ?1 AND key < ?2 ORDER BY key LIMIT ?3"
        case last = "SELECT key, value FROM entries WHERE key >= ?1 AND key < ?2 ORDER BY key DESC LIMIT 1"
        case put =
            "INSERT INTO entries(key, value) VALUES(?1, ?2) ON CONFLICT(key) DO UPDATE SET value = excluded.value"
        case remove = "DELETE FROM entries WHERE key = ?1"
        case begin = "BEGIN"
        case beginImmediate = "BEGIN IMMEDIATE"
        case commit = "COMMIT"
        case rollback = "ROLLBACK"
        case savepoint = "SAVEPOINT part"
        case release = "RELEASE part"
        case rollbackPart = "ROLLBACK TO part"
    }

    init(path: String, writable: Bool, vfs: String?, cacheKiB: Int) throws(StoreError) {
        var opened: OpaquePointer?
        let flags =
            (writable ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READONLY) | SQLITE_OPEN_NOMUTEX
            | SQLITE_OPEN_PRIVATECACHE
        let result = sqlite3_open_v2(path, &opened, flags, vfs)
        guard result == SQLITE_OK, let opened else {
            let text = opened.map { String(cString: sqlite3_errmsg($0)) } ?? "out of memory"
            sqlite3_close_v2(opened)
            throw .unusable("the database cannot be opened: \(text)")
        }
        handle = opened
        sqlite3_extended_result_codes(handle, 1)
        sqlite3_busy_timeout(handle, 5_000)
        _ = strongroom_sqlite3_defensive(handle)
        try execute(
            "PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON; PRAGMA temp_store = MEMORY; PRAGMA mmap_size = 0"
        )
        try execute("PRAGMA cache_size = -\(cacheKiB)")
    }

    /// Begins to count the pages of the log. After `PRAGMA wal_autocheckpoint`, which sets a hook of its own.
    func countLogPages() {
        let context = Unmanaged.passUnretained(self).toOpaque()
        sqlite3_wal_hook(
            handle,
            { context, _, _, pages in
                Unmanaged<SQLiteConnection>.fromOpaque(context!).takeUnretainedValue().logPages = Int(pages)
                return SQLITE_OK
            }, context)
    }

    deinit {
        for statement in statements.values { sqlite3_finalize(statement) }
        sqlite3_close_v2(handle)
    }

    // MARK: Verbs

    func value(at key: String) throws(StoreError) -> [UInt8]? {
        let statement = try prepared(.value)
        defer { sqlite3_reset(statement) }
        return try withBound(key, to: statement, at: 1) { () throws(StoreError) in
            guard try step(statement) else { return nil }
            return blob(statement, 0)
        }
    }

    func entries(in range: KeyRange, limit: Int) throws(StoreError) -> [StoreEntry] {
        let statement = try prepared(.entries)
        defer { sqlite3_reset(statement) }
        return try withBound(range.lower, to: statement, at: 1) { () throws(StoreError) in
            try withBound(range.upper, to: statement, at: 2) { () throws(StoreError) in
                sqlite3_bind_int64(statement, 3, Int64(limit))
                var entries: [StoreEntry] = []
                while try step(statement) { entries.append(entry(statement)) }
                return entries
            }
        }
    }

    func lastEntry(in range: KeyRange) throws(StoreError) -> StoreEntry? {
        let statement = try prepared(.last)
        defer { sqlite3_reset(statement) }
        return try withBound(range.lower, to: statement, at: 1) { () throws(StoreError) in
            try withBound(range.upper, to: statement, at: 2) { () throws(StoreError) in
                try step(statement) ? entry(statement) : nil
            }
        }
    }

    func put(_ value: [UInt8], at key: String) throws(StoreError) {
        let statement = try prepared(.put)
        defer { sqlite3_reset(statement) }
        try withBound(key, to: statement, at: 1) { () throws(StoreError) in
            let result: Result<Bool, StoreError> = value.withUnsafeBytes { bytes in
                // A null pointer would bind NULL: an empty value still needs an address.
                sqlite3_bind_blob64(
                    statement, 2, bytes.baseAddress ?? UnsafeRawPointer(statement), UInt64(bytes.count), nil)
                return Result { () throws(StoreError) in try step(statement) }
            }
            _ = try result.get()
        }
    }

    func remove(_ key: String) throws(StoreError) {
        let statement = try prepared(.remove)
        defer { sqlite3_reset(statement) }
        try withBound(key, to: statement, at: 1) { () throws(StoreError) in _ = try step(statement) }
    }

    // MARK: Transactions

    func snapshot<Value, Failure: Error>(_ body: () throws(Failure) -> Value) throws(Failure) -> Value {
        // A reader that cannot begin would read without a snapshot; the reads themselves then report the fault.
        let begun = (try? run(.begin)) != nil
        defer { if begun { try? run(.rollback) } }
        return try body()
    }

    func part<Failure: Error>(_ body: () throws(Failure) -> Void) throws(StorePartError<Failure>) {
        do throws(StoreError) { try run(.savepoint) } catch { throw .store(error) }
        failure = nil
        do throws(Failure) {
            try body()
        } catch {
            // What the store itself reported inside ends the whole batch; SQLite may have rolled it back already.
            if let failure { throw .store(failure) }
            do throws(StoreError) {
                try run(.rollbackPart)
                try run(.release)
            } catch { throw .store(error) }
            throw .refused(error)
        }
        do throws(StoreError) { try run(.release) } catch { throw .store(error) }
    }

    func begin() throws(StoreError) { try run(.beginImmediate) }
    func commit() throws(StoreError) { try run(.commit) }
    func rollback() { if sqlite3_get_autocommit(handle) == 0 { try? run(.rollback) } }

    // MARK: Plumbing

    private func run(_ kind: Statement) throws(StoreError) {
        let statement = try prepared(kind)
        defer { sqlite3_reset(statement) }
        _ = try step(statement)
    }

    /// Moves what can be moved from the log into the database file without waiting for anybody.
    ///
    /// - Returns: nil when that went well, or when there was nobody to move for.
    func checkpoint() -> StoreError? {
        let result = sqlite3_wal_checkpoint_v2(handle, nil, SQLITE_CHECKPOINT_PASSIVE, nil, nil)
        return result == SQLITE_OK || result & 0xFF == SQLITE_BUSY ? nil : error()
    }

    func execute(_ sql: String) throws(StoreError) {
        guard sqlite3_exec(handle, sql, nil, nil, nil) == SQLITE_OK else { throw error() }
    }

    /// The first column of the first row of a pragma, as text.
    func pragma(_ name: String) throws(StoreError) -> String {
        var statement: OpaquePointer?
        guard sqlite3_prepare_v2(handle, "PRAGMA \(name)", -1, &statement, nil) == SQLITE_OK, let statement else {
            throw error()
        }
        defer { sqlite3_finalize(statement) }
        guard try step(statement), let text = sqlite3_column_text(statement, 0) else { return "" }
        return String(cString: text)
    }

    private func prepared(_ kind: Statement) throws(StoreError) -> OpaquePointer {
        if let statement = statements[kind] { return statement }
        var statement: OpaquePointer?
        guard
            sqlite3_prepare_v3(handle, kind.rawValue, -1, UInt32(SQLITE_PREPARE_PERSISTENT), &statement, nil)
                == SQLITE_OK,
            let statement
        else { throw error() }
        statements[kind] = statement
        return statement
    }

    private func withBound<Value>(
        _ key: String, to statement: OpaquePointer, at index: Int32, _ body: () throws(StoreError) -> Value
    ) throws(StoreError) -> Value {
        var key = key
        // Static binding: the bytes stay in place for as long as `body` steps.
        let result: Result<Value, StoreError> = key.withUTF8 { bytes in
            sqlite3_bind_blob64(
                statement, index, bytes.baseAddress ?? UnsafePointer(bitPattern: 1), UInt64(bytes.count), nil)
            return Result { () throws(StoreError) in try body() }
        }
        return try result.get()
    }

    private func step(_ statement: OpaquePointer) throws(StoreError) -> Bool {
        switch sqlite3_step(statement) {
        case SQLITE_ROW: return true
        case SQLITE_DONE: return false
        default:
            let error = error()
            if case .corrupt = error {} else { failure = error }
            throw error
        }
    }

    private func entry(_ statement: OpaquePointer) -> StoreEntry {
        StoreEntry(key: String(decoding: blob(statement, 0), as: UTF8.self), value: blob(statement, 1))
    }

    private func blob(_ statement: OpaquePointer, _ column: Int32) -> [UInt8] {
        let count = Int(sqlite3_column_bytes(statement, column))
        guard count > 0, let bytes = sqlite3_column_blob(statement, column) else { return [] }
        return [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
            buffer.baseAddress!.initialize(from: bytes.assumingMemoryBound(to: UInt8.self), count: count)
            initialized = count
        }
    }

    func error() -> StoreError {
        let code = sqlite3_extended_errcode(handle)
        let text = "SQLite \(code): " + String(cString: sqlite3_errmsg(handle))
        switch code & 0xFF {
        case SQLITE_FULL: return .full
        case SQLITE_CORRUPT, SQLITE_NOTADB: return .corrupt(text)
        case SQLITE_CANTOPEN, SQLITE_PERM, SQLITE_AUTH, SQLITE_READONLY, SQLITE_BUSY, SQLITE_LOCKED:
            return .unusable(text)
        default: return .failed(text)
        }
    }
}
