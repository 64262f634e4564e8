import Store

/// The tables of the database file, and the formats that came before.
///
/// - 1: everything in `entries`.
/// - 2: the log in a table of its own.
enum SQLiteLayout {
    static let version = "2"
    private static let applicationID: Int32 = 0x5354_524D
    private static let log = "CREATE TABLE log(number INTEGER PRIMARY KEY NOT NULL, value BLOB NOT NULL)"

    /// Makes the tables in a new file, or brings those of an earlier format up to date, in one transaction.
    ///
    /// - Throws: `.unusable` when the file is of a newer format.
    static func bringUpToDate(_ connection: SQLiteConnection) throws(StoreError) {
        let found = try connection.pragma("user_version")
        guard found != version else { return }
        guard ["0", "1"].contains(found) else { throw unknown(found) }
        do throws(StoreError) {
            try connection.begin()
            if found == "0" {
                try connection.execute(
                    """
                    CREATE TABLE IF NOT EXISTS entries(key BLOB PRIMARY KEY NOT NULL, value BLOB NOT NULL) WITHOUT ROWID;
                    PRAGMA application_id = \(applicationID)
                    """)
            }
            try connection.execute(log)
            if found == "1" { try connection.moveLogOutOfEntries() }
            try connection.execute("PRAGMA user_version = \(version)")
            try connection.commit()
        } catch {
            connection.rollback()
            throw error
        }
    }

    /// - Throws: `.unusable` when a connection that may not write finds another format.
    static func check(_ connection: SQLiteConnection) throws(StoreError) {
        let found = try connection.pragma("user_version")
        guard found != version else { return }
        guard found != "1" else {
            throw .unusable(
                "the database has format 1; start this version of Strongroom on it once, which brings it to \(version)")
        }
        throw unknown(found)
    }

    private static func unknown(_ found: String) -> StoreError {
        .unusable("the database has format \(found); this version of Strongroom knows format \(version)")
    }
}
