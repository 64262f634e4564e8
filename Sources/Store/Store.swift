/// An ordered key-value store with serialisable transactions: four verbs, and no knowledge of what the bytes mean.
///
/// Threads. A connection belongs to the thread that uses it. `write` blocks its caller until the batch is on stable storage;
/// there is one writer, and gathering several calls into one batch is the writer's business (see the committer in Audit).
///
/// Failure. `write` returns only after its sync returned. When a sync fails nobody can say what is on the disk, so the store
/// takes no more writes until it is opened anew (`StoreError.failed`). A full disk refuses the batch and leaves the store well.
package protocol Store: AnyObject, Sendable {
    /// A connection for reading, for one thread.
    func connection() throws(StoreError) -> any StoreConnection

    /// Runs `body` in one transaction and makes it durable. One call at a time.
    ///
    /// - Parameter synced: false leaves durability to the next synced batch; only what may be lost in a power cut goes that way.
    func write(synced: Bool, _ body: (any StoreBatch) throws(StoreError) -> Void) throws(StoreError)

    /// Housekeeping that would delay a batch if done inside it. Called by the writer between batches.
    func maintain() throws(StoreError)

    /// Gives back a slice of the space that was kept for a full disk; false when nothing is left.
    func releaseReserve() -> Bool

    /// Tries to lay the reserve aside again; true when it is whole.
    func restoreReserve() -> Bool

    /// Closes what the writer holds. Connections close with their last reference.
    func close()
}

extension Store {
    package func write(_ body: (any StoreBatch) throws(StoreError) -> Void) throws(StoreError) {
        try write(synced: true, body)
    }
}

/// Reads. Keys are ordered by their bytes.
package protocol StoreReader: AnyObject {
    func value(at key: String) throws(StoreError) -> [UInt8]?

    /// Entries with `range.lower <= key < range.upper`, ascending, at most `limit` of them.
    func entries(in range: KeyRange, limit: Int) throws(StoreError) -> [StoreEntry]

    /// The last entry below `range.upper` that is not below `range.lower`.
    func lastEntry(in range: KeyRange) throws(StoreError) -> StoreEntry?
}

package protocol StoreConnection: StoreReader {
    /// Runs `body` against one snapshot. What it reads was all true at one moment.
    func snapshot<Value, Failure: Error>(_ body: () throws(Failure) -> Value) throws(Failure) -> Value
}

package protocol StoreWriter: StoreReader {
    func put(_ value: [UInt8], at key: String) throws(StoreError)
    func remove(_ key: String) throws(StoreError)
}

/// A transaction made of parts that succeed or fail alone and become durable together.
package protocol StoreBatch: StoreWriter {
    /// Runs one part. If it throws, what it wrote is undone and the rest of the batch stands.
    func part<Failure: Error>(_ body: () throws(Failure) -> Void) throws(StorePartError<Failure>)
}

package enum StorePartError<Failure: Error>: Error {
    /// The part refused; the batch goes on.
    case refused(Failure)
    /// The store failed; the batch is lost.
    case store(StoreError)
}

package struct StoreEntry: Sendable, Equatable {
    package let key: String
    package let value: [UInt8]

    package init(key: String, value: [UInt8]) {
        (self.key, self.value) = (key, value)
    }
}

/// A half-open range of keys.
package struct KeyRange: Sendable, Hashable {
    package let lower: String
    package let upper: String

    package init(from lower: String, to upper: String) {
        (self.lower, self.upper) = (lower, upper)
    }

    /// All keys that begin with `prefix`, which must end in a character below U+007F.
    package init(prefix: String) {
        lower = prefix
        upper = KeyRange.successor(of: prefix)
    }

    /// All keys that begin with `prefix` and come after `key`.
    package init(prefix: String, after key: String) {
        lower = key + "\u{0}"
        upper = KeyRange.successor(of: prefix)
    }

    /// Whether a key is in both.
    package func overlaps(_ other: KeyRange) -> Bool {
        Self.precedes(lower, other.upper) && Self.precedes(other.lower, upper)
    }

    /// What of this range is before all keys of another, and what is behind them; nil where there is nothing.
    package func around(_ other: KeyRange) -> (before: KeyRange?, behind: KeyRange?) {
        (
            Self.precedes(lower, other.lower) ? KeyRange(from: lower, to: other.lower) : nil,
            Self.precedes(other.upper, upper) ? KeyRange(from: other.upper, to: upper) : nil
        )
    }

    /// By bytes, as stores order keys.
    private static func precedes(_ first: String, _ second: String) -> Bool {
        first.utf8.lexicographicallyPrecedes(second.utf8)
    }

    private static func successor(of prefix: String) -> String {
        var bytes = Array(prefix.utf8)
        guard let last = bytes.popLast() else { return "\u{7F}" }
        bytes.append(last + 1)
        return String(decoding: bytes, as: UTF8.self)
    }
}

package enum StoreError: Error, Sendable, Equatable {
    /// No space. Nothing of the batch was written.
    case full
    /// A sync or a write failed: no more writes until the store is opened anew.
    case failed(String)
    /// The file is not what was written.
    case corrupt(String)
    /// The folder cannot be used: permissions, another process, another format.
    case unusable(String)

    package var text: String {
        switch self {
        case .full: "no space is left on the device"
        case .failed(let text), .corrupt(let text), .unusable(let text): text
        }
    }
}

/// Keys that hold nothing but a mark, outside the barrier.
package enum StoreMarks {
    /// Present when a sync failed in an earlier run.
    package static let syncFailed = "store/sync-failed"
    /// Written to find out whether writing works.
    package static let probe = "store/probe"
}
