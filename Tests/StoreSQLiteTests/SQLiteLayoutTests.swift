import CSQLite
import Store
import StoreSQLite
import StrongroomTesting
import Testing

/// Files of the first format, which had the log among all other keys.
struct SQLiteLayoutTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func execute(_ sql: String) throws {
        var handle: OpaquePointer?
        try #require(sqlite3_open(folder.file("strongroom.db"), &handle) == SQLITE_OK)
        defer { sqlite3_close(handle) }
        let result = sqlite3_exec(handle, sql, nil, nil, nil)
        try #require(result == SQLITE_OK, "\(String(cString: sqlite3_errmsg(handle)))")
    }

    /// With `rows` rows of the log, numbered by threes, and two other keys beside them.
    private func writeFirstFormat(rows: Int) throws {
        try execute(
            """
            PRAGMA journal_mode = WAL;
            CREATE TABLE entries(key BLOB PRIMARY KEY NOT NULL, value BLOB NOT NULL) WITHOUT ROWID;
            PRAGMA application_id = 1398034509;
            PRAGMA user_version = 1;
            INSERT INTO entries VALUES(CAST('audit-key/x' AS BLOB), X'01'), (CAST('audit0' AS BLOB), X'02');
            WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 3 FROM n WHERE i < \(3 * (rows - 1)))
            INSERT INTO entries SELECT CAST(printf('audit/%016x', i) AS BLOB), CAST(printf('row %d', i) AS BLOB) FROM n
            """)
    }

    private func open() throws -> SQLiteStore {
        var options = SQLiteStore.Options()
        options.reserveBytes = 0
        return try SQLiteStore(folder: folder.path, options: options)
    }

    @Test("The log of a file of the first format is where it was, row for row", arguments: [1, 256, 257, 1_000])
    func moves(_ rows: Int) throws {
        try writeFirstFormat(rows: rows)
        for _ in 0..<2 {
            let store = try open()
            let log = try store.connection().entries(in: KeyRange(prefix: StoreLog.prefix), limit: .max)
            let numbers = (0..<rows).map { UInt64(1 + 3 * $0) }
            #expect(log == numbers.map { StoreEntry(key: StoreLog.key($0), value: Array("row \($0)".utf8)) })
            let all = try store.connection().entries(in: KeyRange(prefix: "a"), limit: .max)
            #expect(all.count == rows + 2)
            #expect([all.first?.key, all.last?.key] == ["audit-key/x", "audit0"])
            store.close()
        }
    }

    @Test("A row of the log that nobody wrote stops the change of format, and the file is as it was")
    func strange() throws {
        try writeFirstFormat(rows: 3)
        try execute("INSERT INTO entries VALUES(CAST('audit/x' AS BLOB), X'00')")
        #expect(throws: StoreError.self) { try open() }
        try execute("DELETE FROM entries WHERE key = CAST('audit/x' AS BLOB)")
        let store = try open()
        defer { store.close() }
        #expect(try store.connection().entries(in: KeyRange(prefix: StoreLog.prefix), limit: .max).count == 3)
    }

    @Test("Who may only read says what to do about a file of the first format")
    func readOnly() throws {
        try writeFirstFormat(rows: 1)
        #expect {
            try SQLiteStore.readOnlyConnection(folder: folder.path)
        } throws: { error in
            (error as? StoreError)?.text.contains("start this version of Strongroom") == true
        }
    }
}
