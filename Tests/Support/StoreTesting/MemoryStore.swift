import Domain
package import Store
import Synchronization

/// The store as its contract reads, with nothing behind it: an array of entries ordered by the bytes of their keys.
///
/// Every transaction works on a value of its own, so that snapshots and undone parts come for free.
package final class MemoryStore: Store {
    private struct State: Sendable {
        var entries = Entries()
        var isOpen = true
    }

    private let state = Mutex(State())

    package init() {}

    package func connection() throws(StoreError) -> any StoreConnection {
        MemoryConnection { self.state.withLock { $0.entries } }
    }

    package func write(synced: Bool, _ body: (any StoreBatch) throws(StoreError) -> Void) throws(StoreError) {
        let (entries, isOpen) = state.withLock { ($0.entries, $0.isOpen) }
        guard isOpen else { throw .failed("the store is closed") }
        let batch = MemoryBatch(entries)
        try body(batch)
        state.withLock { $0.entries = batch.entries }
    }

    package func maintain() throws(StoreError) {}
    package func releaseReserve() -> Bool { false }
    package func restoreReserve() -> Bool { true }
    package func close() { state.withLock { $0.isOpen = false } }
}

/// Entries in order of the bytes of their keys.
private struct Entries: Sendable {
    private var keys: [[UInt8]] = []
    private var values: [[UInt8]] = []

    func value(at key: String) -> [UInt8]? {
        let place = place(of: Array(key.utf8))
        return place.isThere ? values[place.index] : nil
    }

    func entries(in range: KeyRange, limit: Int) -> [StoreEntry] {
        let bounds = bounds(range)
        return bounds.prefix(max(0, limit)).map { entry($0) }
    }

    func lastEntry(in range: KeyRange) -> StoreEntry? { bounds(range).last.map { entry($0) } }

    mutating func put(_ value: [UInt8], at key: String) {
        let bytes = Array(key.utf8)
        let place = place(of: bytes)
        if place.isThere {
            values[place.index] = value
        } else {
            keys.insert(bytes, at: place.index)
            values.insert(value, at: place.index)
        }
    }

    mutating func remove(_ key: String) {
        let place = place(of: Array(key.utf8))
        guard place.isThere else { return }
        keys.remove(at: place.index)
        values.remove(at: place.index)
    }

    private func bounds(_ range: KeyRange) -> Range<Int> {
        let lower = place(of: Array(range.lower.utf8)).index
        return lower..<max(lower, place(of: Array(range.upper.utf8)).index)
    }

    private func entry(_ index: Int) -> StoreEntry {
        StoreEntry(key: String(decoding: keys[index], as: UTF8.self), value: values[index])
    }

    private func place(of key: [UInt8]) -> (index: Int, isThere: Bool) {
        var (low, high) = (0, keys.count)
        while low < high {
            let middle = (low + high) / 2
            if keys[middle].lexicographicallyPrecedes(key) { low = middle + 1 } else { high = middle }
        }
        return (low, low < keys.count && keys[low] == key)
    }
}

private final class MemoryConnection: StoreConnection {
    private let current: () -> Entries
    private var pinned: Entries?
    private var entries: Entries { pinned ?? current() }

    init(_ current: @escaping () -> Entries) { self.current = current }

    func value(at key: String) throws(StoreError) -> [UInt8]? { entries.value(at: key) }
    func entries(in range: KeyRange, limit: Int) throws(StoreError) -> [StoreEntry] {
        entries.entries(in: range, limit: limit)
    }
    func lastEntry(in range: KeyRange) throws(StoreError) -> StoreEntry? { entries.lastEntry(in: range) }

    func snapshot<Value, Failure: Error>(_ body: () throws(Failure) -> Value) throws(Failure) -> Value {
        pinned = current()
        defer { pinned = nil }
        return try body()
    }
}

private final class MemoryBatch: StoreBatch {
    private(set) var entries: Entries

    init(_ entries: Entries) { self.entries = entries }

    func value(at key: String) throws(StoreError) -> [UInt8]? { entries.value(at: key) }
    func entries(in range: KeyRange, limit: Int) throws(StoreError) -> [StoreEntry] {
        entries.entries(in: range, limit: limit)
    }
    func lastEntry(in range: KeyRange) throws(StoreError) -> StoreEntry? { entries.lastEntry(in: range) }
    func put(_ value: [UInt8], at key: String) throws(StoreError) {
        guard !StoreLog.has(key) || StoreLog.number(of: key) != nil else { throw .unusable("no key of the log") }
        entries.put(value, at: key)
    }
    func remove(_ key: String) throws(StoreError) { entries.remove(key) }

    func part<Failure: Error>(_ body: () throws(Failure) -> Void) throws(StorePartError<Failure>) {
        let before = entries
        do throws(Failure) { try body() } catch {
            entries = before
            throw .refused(error)
        }
    }
}
