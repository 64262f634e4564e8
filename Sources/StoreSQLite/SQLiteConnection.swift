import CSQLite
import Domain
import Store

/// One SQLite handle with its prepared statements. Belongs to one thread.
///
/// The schema: `entries(key BLOB PRIMARY KEY, value BLOB) WITHOUT ROWID`, clustered by key, for all keys but those of the log
/// (`StoreLog`), which lie in `log(number INTEGER PRIMARY KEY, value BLOB)`. A row of the log is always the last of its table, so
/// that it fills pages one after the other and takes up to a page without an overflow; among the others it would do neither.
final class SQLiteConnection: StoreConnection, StoreBatch {
    let handle: OpaquePointer
    /// Prepared when first needed; by the number of the statement.
    private var statements = [OpaquePointer?](repeating: nil, count: Statement.allCases.count)
    /// Pages in the write-ahead log after the last commit of this connection.
    private(set) var logPages = 0
    /// What a statement last reported, a damaged page aside: that is the reader's affair alone.
    private var failure: StoreError?

    private enum Statement: Int, CaseIterable {
        case value, entries, last, put, remove
        case logValue, logRows, lastLogRow, putLog, removeLog
        case begin, beginImmediate, commit, rollback
        case savepoint, release, rollbackPart

        var sql: String {
            switch self {
            case .value: "SELECT value FROM entries WHERE key = ?1"
            case .entries: "SELECT key, value FROM entries WHERE key >= ?1 AND key < ?2 ORDER BY key LIMIT ?3"
            case .last: "SELECT key, value FROM entries WHERE key >= ?1 AND key < ?2 ORDER BY key DESC LIMIT 1"
            case .put:
                "INSERT INTO entries(key, value) VALUES(?1, ?2) ON CONFLICT(key) DO UPDATE SET value = excluded.value"
            case .remove: "DELETE FROM entries WHERE key = ?1"
            case .logValue: "SELECT value FROM log WHERE number = ?1"
            case .logRows:
                "SELECT number, value FROM log WHERE number >= ?1 AND number < ?2 ORDER BY number LIMIT ?3"
            case .lastLogRow:
                "SELECT number, value FROM log WHERE number >= ?1 AND number < ?2 ORDER BY number DESC LIMIT 1"
            case .putLog:
                "INSERT INTO log(number, value) VALUES(?1, ?2) ON CONFLICT(number) DO UPDATE SET value = excluded.value"
            case .removeLog: "DELETE FROM log WHERE number = ?1"
            case .begin: "BEGIN"
            case .beginImmediate: "BEGIN IMMEDIATE"
            case .commit: "COMMIT"
            case .rollback: "ROLLBACK"
            case .savepoint: "SAVEPOINT part"
            case .release: "RELEASE part"
            case .rollbackPart: "ROLLBACK TO part"
            }
        }
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
        for statement in statements { sqlite3_finalize(statement) }
        sqlite3_close_v2(handle)
    }

    // MARK: Verbs

    func value(at key: String) throws(StoreError) -> [UInt8]? {
        try withKey(key, .value, .logValue) { (statement) throws(StoreError) in
            try step(statement) ? blob(statement, 0) : nil
        }
    }

    func entries(in range: KeyRange, limit: Int) throws(StoreError) -> [StoreEntry] {
        var entries: [StoreEntry] = []
        for part in parts(of: range) where entries.count < limit {
            try withRange(part, .entries, .logRows) { (statement) throws(StoreError) in
                sqlite3_bind_int64(statement, 3, Int64(limit - entries.count))
                while try step(statement) { entries.append(entry(statement, in: part)) }
            }
        }
        return entries
    }

    func lastEntry(in range: KeyRange) throws(StoreError) -> StoreEntry? {
        for part in parts(of: range).reversed() {
            let last = try withRange(part, .last, .lastLogRow) { (statement) throws(StoreError) in
                try step(statement) ? entry(statement, in: part) : nil
            }
            if let last { return last }
        }
        return nil
    }

    func put(_ value: [UInt8], at key: String) throws(StoreError) {
        try withKey(key, .put, .putLog) { (statement) throws(StoreError) in
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
        try withKey(key, .remove, .removeLog) { (statement) throws(StoreError) in _ = try step(statement) }
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

    /// Brings the rows of the log to their table from among the others, where format 1 had them.
    func moveLogOutOfEntries() throws(StoreError) {
        var range = Self.logRange
        while true {
            let rows = try withRange(.entries(range), .entries, .logRows) { (statement) throws(StoreError) in
                sqlite3_bind_int64(statement, 3, 256)
                var rows: [StoreEntry] = []
                while try step(statement) { rows.append(entry(statement, in: .entries(range))) }
                return rows
            }
            guard let last = rows.last else { break }
            for row in rows { try put(row.value, at: row.key) }
            range = KeyRange(prefix: StoreLog.prefix, after: last.key)
        }
        try execute(
            "DELETE FROM entries WHERE key >= CAST('\(Self.logRange.lower)' AS BLOB) AND key < CAST('\(Self.logRange.upper)' AS BLOB)"
        )
    }

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
        if let statement = statements[kind.rawValue] { return statement }
        var statement: OpaquePointer?
        guard
            sqlite3_prepare_v3(handle, kind.sql, -1, UInt32(SQLITE_PREPARE_PERSISTENT), &statement, nil)
                == SQLITE_OK,
            let statement
        else { throw error() }
        statements[kind.rawValue] = statement
        return statement
    }

    /// What a range has of each table, in the order of the keys.
    private enum Part {
        case entries(KeyRange)
        case log(Range<UInt64>)
    }

    private static let logRange = KeyRange(prefix: StoreLog.prefix)

    private func parts(of range: KeyRange) -> [Part] {
        guard range.overlaps(Self.logRange) else { return [.entries(range)] }
        let (before, behind) = range.around(Self.logRange)
        return [before.map(Part.entries), .log(StoreLog.numbers(in: range)), behind.map(Part.entries)].compactMap(
            \.self)
    }

    /// Runs `body` with the statement of the table that has this key, its first parameter bound.
    private func withKey<Value>(
        _ key: String, _ entries: Statement, _ log: Statement,
        _ body: (OpaquePointer) throws(StoreError) -> Value
    ) throws(StoreError) -> Value {
        guard StoreLog.has(key) else {
            let statement = try prepared(entries)
            defer { sqlite3_reset(statement) }
            return try withBound(key, to: statement, at: 1) { () throws(StoreError) in try body(statement) }
        }
        guard let number = StoreLog.number(of: key) else {
            throw .unusable("'\(key)' is no key of the log")
        }
        let statement = try prepared(log)
        defer { sqlite3_reset(statement) }
        sqlite3_bind_int64(statement, 1, Int64(number))
        return try body(statement)
    }

    /// Runs `body` with the statement of a part's table, its first two parameters bound.
    private func withRange<Value>(
        _ part: Part, _ entries: Statement, _ log: Statement,
        _ body: (OpaquePointer) throws(StoreError) -> Value
    ) throws(StoreError) -> Value {
        switch part {
        case .entries(let range):
            let statement = try prepared(entries)
            defer { sqlite3_reset(statement) }
            return try withBound(range.lower, to: statement, at: 1) { () throws(StoreError) in
                try withBound(range.upper, to: statement, at: 2) { () throws(StoreError) in try body(statement) }
            }
        case .log(let numbers):
            let statement = try prepared(log)
            defer { sqlite3_reset(statement) }
            sqlite3_bind_int64(statement, 1, Int64(clamping: numbers.lowerBound))
            sqlite3_bind_int64(statement, 2, Int64(clamping: numbers.upperBound))
            return try body(statement)
        }
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

    private func entry(_ statement: OpaquePointer, in part: Part) -> StoreEntry {
        let key =
            switch part {
            case .entries: String(decoding: blob(statement, 0), as: UTF8.self)
            case .log: StoreLog.key(UInt64(bitPattern: sqlite3_column_int64(statement, 0)))
            }
        return StoreEntry(key: key, value: blob(statement, 1))
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
