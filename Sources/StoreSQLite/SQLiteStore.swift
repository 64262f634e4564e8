import CSQLite
import Domain
package import Store
import Synchronization

#if canImport(Glibc)
    import Glibc
#endif

/// The embedded store: one SQLite file in WAL mode, one writer, any number of readers.
///
/// `synchronous = FULL` is set and read back, since a store that silently runs with less loses acknowledged writes on a power cut.
/// Checkpoints run between batches (`maintain`), never by themselves inside a commit.
package final class SQLiteStore: Store {
    package struct Options: Sendable {
        /// Page cache of each connection.
        package var cacheKiB = 8_192
        /// Page cache of the writer, which reads what it replaces.
        package var writerCacheKiB = 32_768
        /// Pages in the write-ahead log above which `maintain` moves them into the database file.
        package var checkpointPages = 1_250
        /// Space kept aside so that audit records can still be written when the disk is full.
        package var reserveBytes = 32 << 20
        /// A registered SQLite VFS; nil is the system's. Tests put a failing disk here.
        package var vfs: String?

        package init() {}
    }

    private let path: String
    private let options: Options
    private let lock: Int32
    private let reserve: SpaceReserve
    private let writer: Mutex<Writer>

    private struct Writer: ~Copyable {
        var connection: SQLiteConnection?
        var failure: StoreError?
        var isSynced = true
    }

    /// Opens or makes `strongroom.db` in `folder`, and holds the folder until closed.
    ///
    /// - Throws: `.unusable` when another process has the folder, when the file is of a newer format, or when durability cannot
    ///   be had.
    package init(folder: String, options: Options = Options()) throws(StoreError) {
        self.options = options
        path = folder + "/strongroom.db"
        lock = try Self.lock(folder: folder)
        reserve = SpaceReserve(path: folder + "/reserve", bytes: options.reserveBytes)
        _ = reserve.restore()
        do {
            let connection = try Self.openWriter(path: path, options: options)
            writer = Mutex(Writer(connection: connection, failure: nil))
        } catch {
            Glibc.close(lock)
            throw error
        }
    }

    private static func lock(folder: String) throws(StoreError) -> Int32 {
        let descriptor = open(folder + "/lock", O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            throw .unusable("the data folder cannot be written: \(String(cString: strerror(errno)))")
        }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            Glibc.close(descriptor)
            throw .unusable("the data folder is in use by another process")
        }
        return descriptor
    }

    private static func openWriter(path: String, options: Options) throws(StoreError) -> SQLiteConnection {
        let mask = umask(0o077)
        defer { umask(mask) }
        let connection = try SQLiteConnection(
            path: path, writable: true, vfs: options.vfs, cacheKiB: options.writerCacheKiB)
        guard try connection.pragma("journal_mode = WAL") == "wal" else {
            throw .unusable("the file system does not support write-ahead logging")
        }
        try connection.execute(
            "PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0; PRAGMA journal_size_limit = 67108864")
        guard try connection.pragma("synchronous") == "2" else { throw .unusable("SQLite refused synchronous = FULL") }
        connection.countLogPages()
        try SQLiteLayout.bringUpToDate(connection)
        return connection
    }

    package func connection() throws(StoreError) -> any StoreConnection {
        try SQLiteConnection(path: path, writable: false, vfs: options.vfs, cacheKiB: options.cacheKiB)
    }

    /// Reads a data folder that another process may be serving. Takes no lock and writes nothing.
    package static func readOnlyConnection(folder: String) throws(StoreError) -> any StoreConnection {
        let connection = try SQLiteConnection(
            path: folder + "/strongroom.db", writable: false, vfs: nil, cacheKiB: 8_192)
        try SQLiteLayout.check(connection)
        return connection
    }

    package func write(synced: Bool, _ body: (any StoreBatch) throws(StoreError) -> Void) throws(StoreError) {
        try writer.withLock { writer throws(StoreError) in
            if let failure = writer.failure { throw failure }
            guard let connection = writer.connection else { throw .failed("the store is closed") }
            if writer.isSynced != synced {
                try connection.execute("PRAGMA synchronous = \(synced ? "FULL" : "NORMAL")")
                writer.isSynced = synced
            }
            do throws(StoreError) {
                try connection.begin()
                try body(connection)
            } catch {
                // Nothing was committed and nothing was synced: the store is as it was.
                connection.rollback()
                throw error
            }
            do throws(StoreError) {
                try connection.commit()
            } catch {
                connection.rollback()
                if error != .full {
                    writer.failure = .failed("a commit failed, restart the server: \(error.text)")
                    Self.overwriteFailedCommit(connection)
                }
                throw writer.failure ?? error
            }
        }
    }

    /// The frames of a commit whose sync failed may stand in the log and would be replayed at the next start although the
    /// caller was told no. A new transaction is written over them; it also tells the next start what happened.
    private static func overwriteFailedCommit(_ connection: SQLiteConnection) {
        try? connection.begin()
        try? connection.put([1], at: StoreMarks.syncFailed)
        try? connection.commit()
        connection.rollback()
    }

    package func maintain() throws(StoreError) {
        try writer.withLock { writer throws(StoreError) in
            guard writer.failure == nil, let connection = writer.connection else { return }
            guard connection.logPages >= options.checkpointPages else { return }
            // No space to move pages: they stay in the log, which holds them safely.
            guard let error = connection.checkpoint(), error != .full else { return }
            writer.failure = .failed("a checkpoint failed, restart the server: \(error.text)")
        }
    }

    package func releaseReserve() -> Bool { reserve.release() }

    package func restoreReserve() -> Bool { reserve.restore() }

    package func close() {
        writer.withLock { writer in
            if let connection = writer.connection, writer.failure == nil {
                sqlite3_wal_checkpoint_v2(connection.handle, nil, SQLITE_CHECKPOINT_TRUNCATE, nil, nil)
            }
            writer.connection = nil
            flock(lock, LOCK_UN)
        }
    }

    deinit { Glibc.close(lock) }
}
