package import Domain
package import Store

/// Reads records through the barrier: plaintext or an integrity error, never something in between.
package protocol RecordReader: AnyObject {
    func record(at key: String) throws(VaultError) -> [UInt8]?
    func records(in range: KeyRange, limit: Int) throws(VaultError) -> [StoreEntry]
}

/// Reads for one thread outside a transaction.
package final class BarrierReader: RecordReader {
    private let connection: any StoreConnection
    package let cipher: RecordCipher
    private let cache: SealedCache?

    /// - Parameter cache: nil for a reader that must see the file itself.
    package init(connection: any StoreConnection, cipher: RecordCipher, cache: SealedCache? = nil) {
        (self.connection, self.cipher, self.cache) = (connection, cipher, cache)
    }

    /// What the barrier itself stores, sealed by other means.
    var raw: any StoreReader { connection }

    package func record(at key: String) throws(VaultError) -> [UInt8]? {
        guard let cache, !isInSnapshot else {
            guard let sealed = try stored(key) else { return nil }
            return try cipher.open(sealed, at: key)
        }
        let (cached, ticket) = cache.record(at: key)
        if let cached { return try cipher.open(cached, at: key) }
        guard let sealed = try stored(key) else { return nil }
        let record = try cipher.open(sealed, at: key)
        cache.put(sealed, at: key, ticket)
        return record
    }

    private func stored(_ key: String) throws(VaultError) -> [UInt8]? {
        try translated(key) { () throws(StoreError) in try connection.value(at: key) }
    }

    package func records(in range: KeyRange, limit: Int) throws(VaultError) -> [StoreEntry] {
        try open(
            try translated(range.lower) { () throws(StoreError) in try connection.entries(in: range, limit: limit) },
            cipher)
    }

    /// Everything read in `body` was true at one moment.
    package func snapshot<Value>(_ body: () throws(VaultError) -> Value) throws(VaultError) -> Value {
        isInSnapshot = true
        defer { isInSnapshot = false }
        return try connection.snapshot(body)
    }

    /// A snapshot is of one moment, which the cache is not.
    private var isInSnapshot = false

    /// Keys alone, without opening what they hold.
    package func keys(in range: KeyRange, limit: Int) throws(VaultError) -> [String] {
        try translated(range.lower) { () throws(StoreError) in try connection.entries(in: range, limit: limit) }.map(
            \.key)
    }
}

/// Reads and writes within one part of a batch.
package final class Transaction: RecordReader {
    private let batch: any StoreBatch
    private let cipher: RecordCipher
    /// Keys written or removed.
    package private(set) var changed: [String] = []

    package init(batch: any StoreBatch, cipher: RecordCipher) {
        (self.batch, self.cipher) = (batch, cipher)
    }

    package func record(at key: String) throws(VaultError) -> [UInt8]? {
        guard let sealed = try translated(key, { () throws(StoreError) in try batch.value(at: key) }) else {
            return nil
        }
        return try cipher.open(sealed, at: key)
    }

    package func records(in range: KeyRange, limit: Int) throws(VaultError) -> [StoreEntry] {
        try open(
            try translated(range.lower) { () throws(StoreError) in try batch.entries(in: range, limit: limit) }, cipher)
    }

    package func put(_ record: [UInt8], at key: String, in domain: SealDomain) throws(VaultError) {
        changed.append(key)
        let sealed = try cipher.seal(record, at: key, in: domain)
        try translated(key) { () throws(StoreError) in try batch.put(sealed, at: key) }
    }

    package func remove(_ key: String) throws(VaultError) {
        changed.append(key)
        try translated(key) { () throws(StoreError) in try batch.remove(key) }
    }

    /// Removes at most `limit` keys of a range without opening any.
    ///
    /// - Returns: how many there were to remove.
    package func removeSome(in range: KeyRange, limit: Int) throws(VaultError) -> Int {
        let entries = try translated(range.lower) { () throws(StoreError) in
            try batch.entries(in: range, limit: limit)
        }
        for entry in entries { try remove(entry.key) }
        return entries.count
    }

    /// Removes every key of a range without opening any.
    package func removeAll(in range: KeyRange) throws(VaultError) {
        while try removeSome(in: range, limit: 256) > 0 {}
    }

    /// What the barrier itself stores, sealed by other means.
    var raw: any StoreReader { batch }

    func putRaw(_ value: [UInt8], at key: String) throws(VaultError) {
        try translated(key) { () throws(StoreError) in try batch.put(value, at: key) }
    }
}

private func open(_ entries: [StoreEntry], _ cipher: RecordCipher) throws(VaultError) -> [StoreEntry] {
    var opened: [StoreEntry] = []
    opened.reserveCapacity(entries.count)
    for entry in entries {
        opened.append(StoreEntry(key: entry.key, value: try cipher.open(entry.value, at: entry.key)))
    }
    return opened
}

private func translated<Value>(_ key: String, _ body: () throws(StoreError) -> Value) throws(VaultError) -> Value {
    do {
        return try body()
    } catch {
        throw VaultError(error, at: key)
    }
}

extension VaultError {
    package init(_ error: StoreError, at key: String) {
        switch error {
        case .full:
            self.init(
                .storageFull, "The server has no space left to write. Nothing was changed; reads go on. Retry later.")
        case .corrupt(let text):
            self.init(
                .integrity, "An internal error occurred. Nothing was changed.",
                cause: .integrity(record: "\(key): \(text)"))
        case .failed(let text), .unusable(let text):
            self = .unavailable("The service cannot reach its storage. Nothing was changed. Retry later.", cause: text)
        }
    }
}
