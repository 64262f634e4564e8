package import Cryptography
package import Domain
import Synchronization

/// Which data-encryption keys a record is sealed under: destroying those of a vault destroys the vault.
package enum SealDomain: Hashable, Sendable, CustomStringConvertible {
    case system
    case vault(VaultName)
    /// A managed HSM pool.
    case pool(VaultName)

    package var description: String {
        switch self {
        case .system: "system"
        case .vault(let name): "vault/\(name)"
        case .pool(let name): "pool/\(name)"
        }
    }

    init?(_ text: String) {
        if text == "system" {
            self = .system
        } else if text.hasPrefix("vault/"), let name = VaultName(text.dropFirst(6)) {
            self = .vault(name)
        } else if text.hasPrefix("pool/"), let name = VaultName(text.dropFirst(5)) {
            self = .pool(name)
        } else {
            return nil
        }
    }
}

/// A data-encryption key. Its number stands in every record that it seals.
package struct DataKey: Sendable {
    package let number: UInt32
    package let domain: SealDomain
    package let created: Timestamp
    let key: SensitiveBytes
}

/// An immutable picture of the keys: root key and data keys, unwrapped. Published whole, so that readers take no lock.
package struct Keys: Sendable {
    let root: SensitiveBytes
    /// By number; newest last.
    private(set) var dataKeys: [UInt32: DataKey] = [:]
    private(set) var newest: [SealDomain: UInt32] = [:]

    init(root: SensitiveBytes, dataKeys: [DataKey]) {
        self.root = root
        for key in dataKeys.sorted(by: { $0.number < $1.number }) { insert(key) }
    }

    mutating func insert(_ key: DataKey) {
        dataKeys[key.number] = key
        newest[key.domain] = key.number
    }

    package var nextNumber: UInt32 { (dataKeys.keys.max() ?? 0) + 1 }
}

/// The unsealed barrier: hands every lane the newest picture of the keys.
package final class Keyring: Sendable {
    package let engine: CryptoEngine
    private let current: Mutex<Keys>
    /// Moves with every change; a lane compares it before it trusts its own copy.
    private let generation = Atomic<UInt64>(1)
    /// Records sealed by this process, by number of the data key; behind by at most what the ciphers have not reported yet.
    private let seals = Mutex<[UInt32: UInt64]>([:])

    /// Random nonces bound a key to 2³² seals (NIST SP 800-38D §8.3). A key is replaced after a small part of that, or with age,
    /// so that what earlier runs of the server sealed with it need not be counted.
    private static let mostSeals: UInt64 = 1 << 26
    private static let longestUse: Duration = .days(90)

    init(keys: Keys, engine: CryptoEngine) {
        current = Mutex(keys)
        self.engine = engine
    }

    var version: UInt64 { generation.load(ordering: .acquiring) }

    package var keys: Keys { current.withLock { $0 } }

    /// Takes the keys anew from the store after a commit. Reading under the lock makes the last of several concurrent changes
    /// win, whatever order they arrive in.
    package func reload(from reader: BarrierReader, kek: SensitiveBytes) throws(VaultError) {
        try current.withLock { (keys: inout Keys) throws(VaultError) in
            keys = try Barrier.keys(in: reader.raw, kek: kek, engine: engine)
        }
        generation.add(1, ordering: .releasing)
    }

    /// The same while serving.
    ///
    /// - Parameter committed: the keys as the commit left them; taken when they cannot be read just then, since what is durable
    ///   must not be answered as refused.
    package func reload(from reader: BarrierReader, kek: SensitiveBytes, committed: Keys) {
        current.withLock { keys in
            do { keys = try Barrier.keys(in: reader.raw, kek: kek, engine: engine) } catch { keys = committed }
        }
        generation.add(1, ordering: .releasing)
    }

    func report(seals count: UInt64, by number: UInt32) { seals.withLock { $0[number, default: 0] += count } }

    /// The domains whose newest data key has done enough.
    package func wornDomains(at now: Timestamp) -> [SealDomain] {
        let seals = seals.withLock { $0 }
        let keys = keys
        return keys.newest.values.compactMap { keys.dataKeys[$0] }.filter { key in
            seals[key.number, default: 0] >= Self.mostSeals || now - key.created >= Self.longestUse
        }.map(\.domain).sorted { $0.description < $1.description }
    }
}
