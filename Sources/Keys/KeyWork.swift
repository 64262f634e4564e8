package import Cryptography
package import Domain
import Objects
package import Operations
package import ProviderOpenSSL
import Synchronization
package import Threads

/// Where the work of keys is done: which provider holds a key, which threads run what takes long, and the keys that are ready for use.
package final class KeyWork: Sendable {
    package let software: OpenSSLProvider
    package let hardware: HardwareKeys?
    private let slow: WorkPool
    private let generation: WorkPool
    private let cache: KeyCache

    /// Keys in a hardware security module, and the threads that wait for it.
    package struct HardwareKeys: Sendable {
        package let provider: any HardwareProvider
        package let pool: WorkPool

        package init(provider: any HardwareProvider, pool: WorkPool) {
            (self.provider, self.pool) = (provider, pool)
        }
    }

    /// - Parameters:
    ///   - slow: for signatures and decryption that would hold up an event loop.
    ///   - generation: apart from `slow`, so that making keys never delays using them.
    package init(
        software: OpenSSLProvider, hardware: HardwareKeys?, slow: WorkPool, generation: WorkPool,
        cache: KeyCache = KeyCache(capacity: 4_096)
    ) {
        self.software = software
        self.hardware = hardware
        self.slow = slow
        self.generation = generation
        self.cache = cache
    }

    package func provider(of type: KeyType) throws(VaultError) -> any CryptoProvider {
        guard type.isHSM else { return software }
        guard let hardware else {
            throw .badParameter(
                "Keys of type \(type.text) are not supported here: this server has no hardware security module.")
        }
        return hardware.provider
    }

    // MARK: Using keys

    /// Runs one operation of a version's private or symmetric half, or of its public half where that suffices.
    package func use<Value: Sendable>(
        _ key: KeyVersion, _ version: ObjectVersion, for operation: KeyOperation, _ call: Call,
        _ work: @escaping @Sendable (any CryptoKey) throws(CryptoError) -> Value
    ) async throws(VaultError) -> Value {
        let needsPublic: Bool =
            switch operation {
            case .verify, .encrypt, .wrapKey: key.type.isAsymmetric
            default: false
            }
        let cache = cache
        if needsPublic {
            let software = software
            return try await run(software.isQuick(operation, with: key.specification) ? nil : slow, call) {
                () throws(CryptoError) in
                try work(
                    try cache.key(version, isPublic: true) { () throws(CryptoError) in
                        try software.openPublic(key.material.publicKey)
                    })
            }
        }
        let provider = try provider(of: key.type)
        let pool =
            provider.isQuick(operation, with: key.specification) ? nil : key.type.isHSM ? hardware?.pool : slow
        return try await run(pool, call) { () throws(CryptoError) in
            try work(
                try cache.key(version, isPublic: false) { () throws(CryptoError) in
                    try provider.open(key.material, id: version.bytes)
                })
        }
    }

    /// Makes or takes a key: never on an event loop unless it is a matter of microseconds.
    package func make<Value: Sendable>(
        _ specification: KeySpecification?, _ type: KeyType, _ call: Call,
        _ work: @escaping @Sendable (any CryptoProvider) throws(CryptoError) -> Value
    ) async throws(VaultError) -> Value {
        let provider = try provider(of: type)
        if let specification, !provider.supports(specification) {
            throw .badParameter("Keys of type \(type.text), \(specification.description), are not supported here.")
        }
        let isQuick =
            switch specification {
            case .ec(.p256), .oct, .ed25519: !type.isHSM
            default: false
            }
        // A module makes keys on the threads that wait for it; the bound is that pool's.
        let pool: WorkPool? =
            isQuick ? nil : type.isHSM && specification?.family != .rsa ? hardware?.pool ?? generation : generation
        return try await run(pool, call) { () throws(CryptoError) in try work(provider) }
    }

    /// Makes an asymmetric key that is about to be used: it is ready for use when this returns.
    package func makeForUse(
        _ specification: KeySpecification, _ type: KeyType, _ version: ObjectVersion, _ call: Call
    ) async throws(VaultError) -> KeyMaterial {
        let (software, cache) = (software, cache)
        return try await make(specification, type, call) { provider throws(CryptoError) in
            guard !type.isHSM else {
                return try provider.generate(
                    specification, publicExponent: 65_537, id: version.bytes, isExportable: false)
            }
            let (material, key) = try software.generateOpened(specification, publicExponent: 65_537)
            _ = try cache.key(version, isPublic: false) { () throws(CryptoError) in key }
            return material
        }
    }

    /// Asks the module something that is not about using a key.
    func askHardware<Value: Sendable>(
        _ call: Call, _ work: @escaping @Sendable (any HardwareProvider) throws(CryptoError) -> Value
    ) async throws(VaultError) -> Value {
        guard let hardware else {
            throw .badParameter("This server has no hardware security module.")
        }
        return try await run(hardware.pool, call) { () throws(CryptoError) in try work(hardware.provider) }
    }

    /// Other work of a provider that takes long.
    package func slowly<Value: Sendable>(_ call: Call, _ work: @escaping @Sendable () throws(CryptoError) -> Value)
        async throws(VaultError) -> Value
    {
        try await run(slow, call, work)
    }

    private func run<Value: Sendable>(
        _ pool: WorkPool?, _ call: Call, _ work: @escaping @Sendable () throws(CryptoError) -> Value
    ) async throws(VaultError) -> Value {
        guard let pool else {
            do throws(CryptoError) { return try work() } catch { throw VaultError(error) }
        }
        call.didSlowWork()
        let result = await pool.run(on: call.lane.waker) { Result { () throws(CryptoError) in try work() } }
        guard let result else {
            throw VaultError(
                .throttled,
                "Request was not processed because too many requests were received. Reason: KeyWorkLimitReached")
        }
        do throws(CryptoError) { return try result.get() } catch { throw VaultError(error) }
    }

    /// Drops what is kept ready of a version that was disabled, deleted or replaced.
    package func forget(_ version: ObjectVersion) { cache.drop(version) }
}

/// Keys that are parsed and ready. Bounded; what it drops is zeroed by its owner.
package final class KeyCache: Sendable {
    private struct Slot: Hashable {
        let version: ObjectVersion
        let isPublic: Bool
    }

    private struct Entry {
        let key: any CryptoKey
        var used: UInt64
    }

    private struct State {
        var entries: [Slot: Entry] = [:]
        var clock: UInt64 = 0

        /// Keeps those used last.
        mutating func shrink(to count: Int) {
            let limit = entries.values.map(\.used).sorted(by: >)[max(0, count - 1)]
            entries = entries.filter { $0.value.used > limit }
        }
    }

    private let capacity: Int
    private let state = Mutex(State())

    package init(capacity: Int) { self.capacity = capacity }

    func key<Failure: Error>(
        _ version: ObjectVersion, isPublic: Bool, open: () throws(Failure) -> any CryptoKey
    ) throws(Failure) -> any CryptoKey {
        let slot = Slot(version: version, isPublic: isPublic)
        let known: (any CryptoKey)? = state.withLock { state in
            state.clock += 1
            guard var entry = state.entries[slot] else { return nil }
            entry.used = state.clock
            state.entries[slot] = entry
            return entry.key
        }
        if let known { return known }
        let key = try open()
        state.withLock { state in
            if state.entries.count >= capacity { state.shrink(to: capacity * 3 / 4) }
            state.entries[slot] = Entry(key: key, used: state.clock)
        }
        return key
    }

    func drop(_ version: ObjectVersion) {
        state.withLock { state in
            for isPublic in [true, false] { state.entries[Slot(version: version, isPublic: isPublic)] = nil }
        }
    }

    package var count: Int { state.withLock { $0.entries.count } }
}

extension VaultError {
    /// One answer for everything that does not decrypt, unwrap or open, whatever the reason.
    static let notAuthentic = VaultError.badParameter(
        "The value cannot be decrypted or unwrapped with this key and these parameters.")

    package init(_ error: CryptoError) {
        switch error {
        case .notAuthentic: self = .notAuthentic
        case .malformed(let reason): self = .invalid("key", reason)
        case .unavailable(let name):
            self = .badParameter("\(name) is not supported by the provider that holds the key.")
        case .failed(let what): self = .internal("the cryptographic provider refused: \(what)")
        case .absent(let what):
            self = VaultError(
                .unavailable, "The hardware security module does not answer. Try again later.", cause: .text(what),
                retryAfter: 5)
        }
    }
}
