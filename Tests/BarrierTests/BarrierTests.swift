import Barrier
import Cryptography
import Domain
import Store
import StoreTesting
import Testing

struct BarrierTests {
    private let sealed: SealedStore

    init() throws { sealed = try SealedStore() }

    // MARK: Unsealing

    @Test("What one run sealed the next one opens")
    func reopens() throws {
        try sealed.put("text", at: "room/a")
        #expect(try sealed.unsealed().record(at: "room/a") == Array("text".utf8))
    }

    @Test("Another KEK unseals nothing", arguments: [0, 15, 31])
    func wrongKEK(_ position: Int) throws {
        var bytes = SealedStore.kek.withUnsafeBytes { Array($0) }
        bytes[position] ^= 0x80
        #expect { try sealed.unsealed(with: SensitiveBytes(bytes)) } throws: { isWrongKEK($0) }
        #expect { try sealed.unsealed(with: SensitiveBytes(bytes.dropLast())) } throws: { isWrongKEK($0) }
    }

    @Test("A root key that was edited unseals nothing")
    func editedRoot() throws {
        let raw = try #require(try sealed.raw("barrier/root"))
        for position in raw.indices {
            var bytes = raw
            bytes[position] ^= 1
            try sealed.overwrite("barrier/root", with: bytes)
            #expect(throws: Barrier.Failure.self, "byte \(position)") { try sealed.unsealed() }
        }
        try sealed.overwrite("barrier/root", with: nil)
        #expect(throws: Barrier.Failure.self) { try sealed.unsealed() }
    }

    @Test("A data key that was edited is named")
    func editedDataKey() throws {
        let key = "barrier/key/00000001"
        let raw = try #require(try sealed.raw(key))
        for position in raw.indices {
            var bytes = raw
            bytes[position] ^= 1
            try sealed.overwrite(key, with: bytes)
            #expect("byte \(position)") { try sealed.unsealed() } throws: { isDamage($0, key) }
        }
        try sealed.overwrite(key, with: [])
        #expect { try sealed.unsealed() } throws: { isDamage($0, key) }
    }

    @Test("Data keys that changed places are found")
    func swappedDataKeys() throws {
        try sealed.addDataKey(for: .system)
        let (first, second) = (try sealed.raw("barrier/key/00000001"), try sealed.raw("barrier/key/00000002"))
        try sealed.overwrite("barrier/key/00000001", with: second)
        try sealed.overwrite("barrier/key/00000002", with: first)
        #expect(throws: Barrier.Failure.self) { try sealed.unsealed() }
    }

    @Test("A data key of another server is found")
    func graftedDataKey() throws {
        try sealed.overwrite("barrier/key/00000001", with: try SealedStore().raw("barrier/key/00000001"))
        #expect { try sealed.unsealed() } throws: { isDamage($0, "barrier/key/00000001") }
    }

    @Test("How the KEK is had can be read before unsealing")
    func kekSource() throws {
        #expect(try Barrier.kekSource(of: MemoryStore().connection()) == nil)
        guard case .key? = try Barrier.kekSource(of: sealed.store.connection()) else {
            Issue.record("a key file was not said to be one")
            return
        }
        let store = MemoryStore()
        let cost = try #require(ScryptCost(n: 1 << 15, r: 8, p: 1))
        try Barrier.initialize(
            store, kek: SealedStore.kek, source: .passphrase(salt: [1, 2, 3], cost: cost), engine: sealed.engine,
            now: SealedStore.now)
        guard case .passphrase(let salt, let stored)? = try Barrier.kekSource(of: store.connection()) else {
            Issue.record("a passphrase was not said to be one")
            return
        }
        #expect(salt == [1, 2, 3])
        #expect(stored == cost)
    }

    @Test(
        "A record of how the KEK is had that makes no sense is refused",
        arguments: [[], [1], [1, 3], [2, 1], [1, 2, 0, 0, 0, 9]] as [[UInt8]])
    func damagedSource(_ bytes: [UInt8]) throws {
        try sealed.overwrite("barrier/kek", with: bytes)
        #expect { try Barrier.kekSource(of: sealed.store.connection()) } throws: { isDamage($0, "barrier/kek") }
    }

    // MARK: Rotation

    @Test("After a new data key, old records open and new ones are under it")
    func newDataKey() throws {
        try sealed.put("old", at: "room/old")
        try sealed.addDataKey(for: .system)
        try sealed.put("new", at: "room/new")
        #expect(try sealed.raw("room/old")?[4] == 1)
        #expect(try sealed.raw("room/new")?[4] == 2)
        #expect(try sealed.text(at: "room/old") == "old")
        #expect(try sealed.text(at: "room/new") == "new")
        #expect(try sealed.unsealed().record(at: "room/old") != nil)
    }

    @Test("After a new root key every record opens, here and in the next run")
    func newRoot() throws {
        try sealed.put("text", at: "room/a")
        let (root, key) = (try sealed.raw("barrier/root"), try sealed.raw("barrier/key/00000001"))
        try sealed.rotateRoot()
        #expect(try sealed.raw("barrier/root") != root)
        #expect(try sealed.text(at: "room/a") == "text")
        #expect(try sealed.unsealed().record(at: "room/a") != nil)
        // The old wrapping of a data key is of no use any more.
        try sealed.overwrite("barrier/key/00000001", with: key)
        #expect(throws: Barrier.Failure.self) { try sealed.unsealed() }
    }

    @Test("A cipher that was made before a rotation follows it")
    func followsRotation() throws {
        let before = RecordCipher(sealed.keyring)
        _ = try before.seal([1], at: "x", in: .system)
        try sealed.addDataKey(for: .system)
        #expect(try before.seal([1], at: "x", in: .system)[4] == 2)
        try sealed.put("text", at: "room/a")
        #expect(try before.open(try #require(try sealed.raw("room/a")), at: "room/a") == Array("text".utf8))
    }

    @Test("Readers on other threads read on while keys are rotated")
    func concurrently() async throws {
        try sealed.put("text", at: "room/a")
        let (store, keyring) = (sealed.store, sealed.keyring)
        try await withThrowingTaskGroup(of: Int.self) { group in
            for _ in 0..<4 {
                group.addTask {
                    let reader = BarrierReader(connection: try store.connection(), cipher: RecordCipher(keyring))
                    var count = 0
                    for _ in 0..<400 where try reader.record(at: "room/a") == Array("text".utf8) { count += 1 }
                    return count
                }
            }
            for round in 0..<40 {
                if round.isMultiple(of: 2) { try sealed.addDataKey(for: .system) } else { try sealed.rotateRoot() }
                try sealed.put("text", at: "room/a")
            }
            for try await count in group { #expect(count == 400) }
        }
    }

    // MARK: Domains

    @Test("A vault without a data key seals nothing")
    func noKey() throws {
        let vault = SealDomain.vault(try #require(VaultName("demo")))
        #expect(throws: VaultError.self) { try sealed.put("text", at: "vault/demo/x", in: vault) }
        try sealed.addDataKey(for: vault)
        try sealed.put("text", at: "vault/demo/x", in: vault)
        #expect(try sealed.raw("vault/demo/x")?[4] == 2)
        #expect(try sealed.text(at: "vault/demo/x") == "text")
    }

    @Test("A vault's records are gone with its data keys, and no other's are")
    func destroyed() throws {
        let (one, two) = (
            SealDomain.vault(try #require(VaultName("one"))), SealDomain.vault(try #require(VaultName("two")))
        )
        for domain in [one, two] { try sealed.addDataKey(for: domain) }
        try sealed.put("1", at: "vault/one/x", in: one)
        try sealed.put("2", at: "vault/two/x", in: two)
        try sealed.overwrite("barrier/key/00000002", with: nil)
        try sealed.keyring.reload(from: sealed.reader, kek: SealedStore.kek)
        let later = try sealed.unsealed()
        #expect(isIntegrityFault(of: "vault/one/x") { _ = try later.record(at: "vault/one/x") })
        #expect(try later.record(at: "vault/two/x") == Array("2".utf8))
    }

    // MARK: Records

    @Test("A transaction that refuses leaves nothing sealed behind")
    func refusal() throws {
        #expect(throws: VaultError.self) {
            try sealed.commit { (transaction) throws(VaultError) in
                try transaction.put([1], at: "room/a", in: .system)
                throw .badParameter("no")
            }
        }
        #expect(try sealed.raw("room/a") == nil)
    }

    @Test("A transaction reads what it wrote, and removes a whole range")
    func ranges() throws {
        for number in 0..<300 { try sealed.put("x", at: "room/\(number)") }
        try sealed.put("x", at: "roommate")
        try sealed.commit { (transaction) throws(VaultError) in
            try transaction.put([5], at: "room/new", in: .system)
            let mine = try transaction.record(at: "room/new")
            #expect(mine == [5])
            try transaction.removeAll(in: KeyRange(prefix: "room/"))
        }
        #expect(try sealed.reader.keys(in: KeyRange(prefix: "room/"), limit: 9).isEmpty)
        #expect(try sealed.text(at: "roommate") == "x")
    }

    private func isWrongKEK(_ error: any Error) -> Bool {
        if case .wrongKEK? = error as? Barrier.Failure { true } else { false }
    }

    private func isDamage(_ error: any Error, _ key: String) -> Bool {
        if case .damaged(key)? = error as? Barrier.Failure { true } else { false }
    }
}
