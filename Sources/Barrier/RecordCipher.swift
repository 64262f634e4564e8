package import Cryptography
package import Domain

/// Seals and opens records for one thread, with the key schedules kept.
///
/// Layout: `format (1) | number of the data key (4) | nonce (12) | ciphertext | tag (16)`. Associated data: the format and the
/// full store key, so that a record moved or swapped by someone with access to the database does not open.
package final class RecordCipher {
    static let format: UInt8 = 1
    private static let headCount = 5

    private let keyring: Keyring
    package let nonces: RandomPool
    private var keys: Keys
    private var version: UInt64
    private var contexts: [UInt32: AES256GCM] = [:]
    private var unreportedSeals: UInt64 = 0
    private static let reportEvery: UInt64 = 1_024
    /// The last domain asked for and its key: nearly always the next one too.
    private var lastOpened: (number: UInt32, context: AES256GCM)?

    package init(_ keyring: Keyring) {
        self.keyring = keyring
        nonces = RandomPool(keyring.engine)
        version = keyring.version
        keys = keyring.keys
    }

    /// - Throws: `.integrity` naming the record; `.internal` when the vault has no key.
    package func seal(_ plaintext: [UInt8], at key: String, in domain: SealDomain) throws(VaultError) -> [UInt8] {
        refresh()
        guard let number = keys.newest[domain] else { throw .internal("no data key for \(domain)") }
        var record: [UInt8] = []
        record.reserveCapacity(Self.headCount + plaintext.count + AES256GCM.overhead)
        record.append(Self.format)
        withUnsafeBytes(of: number.bigEndian) { record.append(contentsOf: $0) }
        do {
            let context = try context(number)
            try plaintext.withUnsafeBytesTyped { bytes throws(CryptoError) in
                try context.seal(bytes, associatedData: associatedData(key), nonces: nonces, into: &record)
            }
        } catch {
            throw .internal("sealing '\(key)' failed")
        }
        unreportedSeals += 1
        if unreportedSeals == Self.reportEvery {
            keyring.report(seals: unreportedSeals, by: number)
            unreportedSeals = 0
        }
        return record
    }

    /// - Throws: `.integrity` for every way in which a record can be wrong.
    package func open(_ record: [UInt8], at key: String) throws(VaultError) -> [UInt8] {
        guard record.count >= Self.headCount + AES256GCM.overhead, record[0] == Self.format else {
            throw .integrity(record: key)
        }
        let number = record.withUnsafeBytes { UInt32(bigEndian: $0.loadUnaligned(fromByteOffset: 1, as: UInt32.self)) }
        if keys.dataKeys[number] == nil { refresh() }
        do {
            let context = try context(number)
            return try record.withUnsafeBytesTyped { bytes throws(CryptoError) in
                try context.open(
                    UnsafeRawBufferPointer(rebasing: bytes[Self.headCount...]), associatedData: associatedData(key))
            }
        } catch {
            throw .integrity(record: key)
        }
    }

    private func associatedData(_ key: String) -> [UInt8] {
        var data: [UInt8] = []
        data.reserveCapacity(1 + key.utf8.count)
        data.append(Self.format)
        data.append(contentsOf: key.utf8)
        return data
    }

    private func context(_ number: UInt32) throws(CryptoError) -> AES256GCM {
        if let lastOpened, lastOpened.number == number { return lastOpened.context }
        if let context = contexts[number] {
            lastOpened = (number, context)
            return context
        }
        guard let key = keys.dataKeys[number] else { throw .notAuthentic }
        let context = try AES256GCM(key: key.key, engine: keyring.engine)
        contexts[number] = context
        lastOpened = (number, context)
        return context
    }

    private func refresh() {
        let newest = keyring.version
        guard newest != version else { return }
        version = newest
        keys = keyring.keys
        // A key that is gone must not live on in a context.
        contexts = contexts.filter { keys.dataKeys[$0.key] != nil }
        lastOpened = nil
    }
}

extension Array where Element == UInt8 {
    /// `withUnsafeBytes` that keeps the type of the error.
    func withUnsafeBytesTyped<Value, Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Value
    ) throws(Failure) -> Value {
        let result: Result<Value, Failure> = withUnsafeBytes { bytes in
            Result { () throws(Failure) in try body(bytes) }
        }
        return try result.get()
    }
}
