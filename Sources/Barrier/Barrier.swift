package import Cryptography
package import Domain
package import Store

/// KEK → root key → data keys → records. Below this line there is ciphertext only.
///
/// Stored: `barrier/kek` says in the clear how the KEK is had; `barrier/root` is the root key wrapped by the KEK;
/// `barrier/key/<number>` are the data keys wrapped by the root key. Wrapping is AES-256-GCM with the store key as associated data.
package enum Barrier {
    static let kekKey = "barrier/kek"
    static let rootKey = "barrier/root"
    static let dataKeyPrefix = "barrier/key/"

    /// How the key-encryption key is had. Written at initialisation, read before unsealing.
    package enum KEKSource: Sendable {
        /// 32 bytes in a file that only the server's user can read.
        case key
        /// scrypt over a passphrase.
        case passphrase(salt: [UInt8], cost: ScryptCost)
        /// 32 bytes wrapped by a key of a hardware security module.
        case token(wrapped: [UInt8])
    }

    package enum Failure: Error, Sendable {
        case store(StoreError)
        /// The KEK is not the one that wrapped the root key, or the wrapped key was edited; the two cannot be told apart.
        case wrongKEK
        case damaged(String)
        case crypto(CryptoError)
    }

    /// Nil when the store has never been initialised.
    package static func kekSource(of reader: any StoreReader) throws(Failure) -> KEKSource? {
        let record: [UInt8]?
        do throws(StoreError) { record = try reader.value(at: kekKey) } catch { throw .store(error) }
        guard let record else { return nil }
        var bytes = ByteReader(record)
        switch (bytes.byte(), bytes.byte()) {
        case (1, 1): return .key
        case (1, 2):
            guard let salt = bytes.blob(), let n = bytes.integer(UInt64.self), let r = bytes.integer(UInt32.self),
                let p = bytes.integer(UInt32.self), let cost = ScryptCost(n: n, r: r, p: p)
            else { throw .damaged(kekKey) }
            return .passphrase(salt: Array(salt), cost: cost)
        case (1, 3):
            guard let wrapped = bytes.blob(), bytes.isAtEnd else { throw .damaged(kekKey) }
            return .token(wrapped: Array(wrapped))
        default: throw .damaged(kekKey)
        }
    }

    /// Makes the root key and the system's first data key.
    package static func initialize(
        _ store: any Store, kek: SensitiveBytes, source: KEKSource, engine: CryptoEngine, now: Timestamp
    ) throws(Failure) {
        let root: SensitiveBytes
        do throws(CryptoError) { root = try engine.randomKey(count: 32) } catch { throw .crypto(error) }
        let first = try makeDataKey(number: 1, domain: .system, engine: engine, now: now)
        let records = [
            (kekKey, record(of: source)), (rootKey, try wrap(root, at: rootKey, by: kek, engine: engine)),
            (path(1), try wrapped(first, root: root, engine: engine)),
        ]
        do throws(StoreError) {
            try store.write { batch throws(StoreError) in
                for (key, value) in records { try batch.put(value, at: key) }
            }
        } catch { throw .store(error) }
    }

    private static func record(of source: KEKSource) -> [UInt8] {
        var record = ByteWriter()
        record.byte(1)
        switch source {
        case .key: record.byte(1)
        case .passphrase(let salt, let cost):
            record.byte(2)
            record.blob(salt)
            record.integer(cost.n)
            record.integer(cost.r)
            record.integer(cost.p)
        case .token(let wrapped):
            record.byte(3)
            record.blob(wrapped)
        }
        return record.bytes
    }

    /// Unwraps the root key and all data keys.
    ///
    /// - Throws: `.wrongKEK`; `.damaged` naming the record.
    package static func unseal(_ reader: any StoreReader, kek: SensitiveBytes, engine: CryptoEngine) throws(Failure)
        -> Keyring
    {
        Keyring(keys: try load(reader, kek: kek, engine: engine), engine: engine)
    }

    private static func load(_ reader: any StoreReader, kek: SensitiveBytes, engine: CryptoEngine) throws(Failure)
        -> Keys
    {
        let sealedRoot: [UInt8]?
        let entries: [StoreEntry]
        do throws(StoreError) {
            sealedRoot = try reader.value(at: rootKey)
            entries = try reader.entries(in: KeyRange(prefix: dataKeyPrefix), limit: .max)
        } catch { throw .store(error) }
        guard let sealedRoot else { throw .damaged(rootKey) }
        let root: SensitiveBytes
        do throws(CryptoError) {
            root = try unwrap(sealedRoot, at: rootKey, by: kek, engine: engine)
        } catch { throw .wrongKEK }
        var keys: [DataKey] = []
        for entry in entries {
            do throws(CryptoError) {
                keys.append(try dataKey(entry, root: root, engine: engine))
            } catch { throw .damaged(entry.key) }
        }
        return Keys(root: root, dataKeys: keys)
    }

    /// The keys as a reader or a transaction sees them now.
    static func keys(in reader: any StoreReader, kek: SensitiveBytes, engine: CryptoEngine) throws(VaultError) -> Keys {
        do throws(Failure) {
            return try load(reader, kek: kek, engine: engine)
        } catch {
            if case .store(let failure) = error { throw VaultError(failure, at: rootKey) }
            throw .integrity(record: rootKey)
        }
    }

    // MARK: While serving

    /// Adds a data key for `domain`: new records use it, old ones stay readable. Reload the keyring after the commit.
    ///
    /// - Returns: all keys as they will be then.
    package static func addDataKey(
        for domain: SealDomain, kek: SensitiveBytes, engine: CryptoEngine, now: Timestamp, in transaction: Transaction
    ) throws(VaultError) -> Keys {
        var keys = try keys(in: transaction.raw, kek: kek, engine: engine)
        let record: [UInt8]
        let number = keys.nextNumber
        do throws(Failure) {
            let key = try makeDataKey(number: number, domain: domain, engine: engine, now: now)
            record = try wrapped(key, root: keys.root, engine: engine)
            keys.insert(key)
        } catch { throw .internal("a data key could not be made") }
        try transaction.putRaw(record, at: path(number))
        return keys
    }

    /// Removes the data keys of a domain: nobody can open its records any more. Reload the keyring after the commit.
    ///
    /// The system gets a new data key with it, so that a number is never given twice: readers know keys by their numbers.
    /// - Returns: all keys as they will be then.
    package static func removeDataKeys(
        of domain: SealDomain, kek: SensitiveBytes, engine: CryptoEngine, now: Timestamp, in transaction: Transaction
    ) throws(VaultError) -> Keys {
        guard domain != .system else { throw .internal("the server's own data keys are not to be removed") }
        let keys = try addDataKey(for: .system, kek: kek, engine: engine, now: now, in: transaction)
        for key in keys.dataKeys.values where key.domain == domain { try transaction.remove(path(key.number)) }
        return Keys(root: keys.root, dataKeys: keys.dataKeys.values.filter { $0.domain != domain })
    }

    /// Replaces the root key: every data key is wrapped anew, the new root by `kek`. Reload the keyring after the commit.
    ///
    /// - Returns: all keys as they will be then.
    package static func rotateRoot(
        kek: SensitiveBytes, engine: CryptoEngine, in transaction: Transaction
    ) throws(VaultError) -> Keys {
        let keys = try keys(in: transaction.raw, kek: kek, engine: engine)
        var records: [(String, [UInt8])] = []
        let root: SensitiveBytes
        do throws(Failure) {
            do throws(CryptoError) { root = try engine.randomKey(count: 32) } catch { throw .crypto(error) }
            records.append((rootKey, try wrap(root, at: rootKey, by: kek, engine: engine)))
            for key in keys.dataKeys.values {
                records.append((path(key.number), try wrapped(key, root: root, engine: engine)))
            }
        } catch { throw .internal("the root key could not be rotated") }
        for (key, value) in records { try transaction.putRaw(value, at: key) }
        return Keys(root: root, dataKeys: Array(keys.dataKeys.values))
    }

    /// Puts the root key under another key-encryption key, had in another way.
    package static func move(
        from kek: SensitiveBytes, to new: SensitiveBytes, source: KEKSource, engine: CryptoEngine,
        in transaction: Transaction
    ) throws(VaultError) {
        let keys = try keys(in: transaction.raw, kek: kek, engine: engine)
        let sealed: [UInt8]
        do throws(Failure) { sealed = try wrap(keys.root, at: rootKey, by: new, engine: engine) } catch {
            throw .internal("the root key could not be wrapped")
        }
        try transaction.putRaw(record(of: source), at: kekKey)
        try transaction.putRaw(sealed, at: rootKey)
    }

    // MARK: Wrapping

    private static func path(_ number: UInt32) -> String {
        let digits = String(number, radix: 16)
        return dataKeyPrefix + String(repeating: "0", count: 8 - digits.count) + digits
    }

    private static func makeDataKey(
        number: UInt32, domain: SealDomain, engine: CryptoEngine, now: Timestamp
    ) throws(Failure) -> DataKey {
        do throws(CryptoError) {
            return DataKey(number: number, domain: domain, created: now, key: try engine.randomKey(count: 32))
        } catch { throw .crypto(error) }
    }

    private static func wrapped(_ key: DataKey, root: SensitiveBytes, engine: CryptoEngine) throws(Failure) -> [UInt8] {
        var record = ByteWriter()
        record.integer(key.number)
        record.string(key.domain.description)
        record.integer(key.created.nanoseconds)
        key.key.withUnsafeBytes { record.blob($0) }
        return try wrap(SensitiveBytes(record.bytes), at: path(key.number), by: root, engine: engine)
    }

    private static func dataKey(_ entry: StoreEntry, root: SensitiveBytes, engine: CryptoEngine) throws(CryptoError)
        -> DataKey
    {
        let plaintext = try unwrap(entry.value, at: entry.key, by: root, engine: engine)
        var bytes = ByteReader(plaintext.withUnsafeBytes { Array($0) })
        guard let number = bytes.integer(UInt32.self), let text = bytes.string(), let domain = SealDomain(text),
            let created = bytes.integer(Int64.self), let key = bytes.blob(), key.count == 32, path(number) == entry.key
        else { throw .notAuthentic }
        return DataKey(
            number: number, domain: domain, created: Timestamp(nanoseconds: created), key: SensitiveBytes(key))
    }

    private static func wrap(
        _ key: SensitiveBytes, at path: String, by wrapping: SensitiveBytes, engine: CryptoEngine
    ) throws(Failure) -> [UInt8] {
        do throws(CryptoError) {
            let cipher = try AES256GCM(key: wrapping, engine: engine)
            var output: [UInt8] = [1]
            try key.withUnsafeBytes { bytes throws(CryptoError) in
                try cipher.seal(
                    bytes, associatedData: [1] + Array(path.utf8), nonces: RandomPool(engine), into: &output)
            }
            return output
        } catch { throw .crypto(error) }
    }

    private static func unwrap(
        _ record: [UInt8], at path: String, by wrapping: SensitiveBytes, engine: CryptoEngine
    ) throws(CryptoError) -> SensitiveBytes {
        guard record.first == 1 else { throw .notAuthentic }
        let cipher = try AES256GCM(key: wrapping, engine: engine)
        let plaintext = try record.withUnsafeBytesTyped { bytes throws(CryptoError) in
            try cipher.open(UnsafeRawBufferPointer(rebasing: bytes[1...]), associatedData: [1] + Array(path.utf8))
        }
        return SensitiveBytes(plaintext)
    }
}
