import Barrier
import Domain
import Store
import StoreTesting
import Testing

struct SealedCacheTests {
    private let sealed: SealedStore
    private let cache = SealedCache(bytes: 1 << 20)

    init() throws { sealed = try SealedStore() }

    private func reader() throws -> BarrierReader {
        BarrierReader(connection: try sealed.store.connection(), cipher: RecordCipher(sealed.keyring), cache: cache)
    }

    @Test("A record is read from the store once")
    func remembers() throws {
        try sealed.put("old", at: "room/a")
        let reader = try reader()
        #expect(try reader.record(at: "room/a") == Array("old".utf8))
        // Taken away below: only the cache has it now.
        try sealed.overwrite("room/a", with: nil)
        #expect(try reader.record(at: "room/a") == Array("old".utf8))
        #expect(try self.reader().record(at: "room/a") == Array("old".utf8))
    }

    @Test("What was dropped is read anew")
    func drops() throws {
        try sealed.put("old", at: "room/a")
        let reader = try reader()
        _ = try reader.record(at: "room/a")
        try sealed.put("new", at: "room/a")
        cache.drop(["room/a"])
        #expect(try reader.record(at: "room/a") == Array("new".utf8))
        try sealed.overwrite("room/a", with: nil)
        cache.drop(["room/a"])
        #expect(try reader.record(at: "room/a") == nil)
    }

    @Test("That a record is absent is not remembered")
    func absence() throws {
        let reader = try reader()
        #expect(try reader.record(at: "room/a") == nil)
        try sealed.put("new", at: "room/a")
        #expect(try reader.record(at: "room/a") == Array("new".utf8))
    }

    @Test("A snapshot reads the store and not the cache")
    func snapshots() throws {
        try sealed.put("old", at: "room/a")
        let reader = try reader()
        _ = try reader.record(at: "room/a")
        try sealed.put("new", at: "room/a")
        let inSnapshot = try reader.snapshot { () throws(VaultError) in try reader.record(at: "room/a") }
        #expect(inSnapshot == Array("new".utf8))
    }

    @Test("A record that does not open is not kept")
    func faulty() throws {
        try sealed.put("text", at: "room/a")
        let whole = try #require(try sealed.raw("room/a"))
        try sealed.overwrite("room/a", with: Array(whole.dropLast()))
        let reader = try reader()
        #expect(throws: VaultError.self) { try reader.record(at: "room/a") }
        try sealed.overwrite("room/a", with: whole)
        #expect(try reader.record(at: "room/a") == Array("text".utf8))
    }

    @Test("A cache that holds next to nothing still answers right", arguments: [0, 1, 64 * 300])
    func small(_ bytes: Int) throws {
        let cache = SealedCache(bytes: bytes)
        let reader = BarrierReader(
            connection: try sealed.store.connection(), cipher: RecordCipher(sealed.keyring), cache: cache)
        for number in 0..<200 { try sealed.put("\(number)", at: "room/\(number)") }
        for _ in 0..<2 {
            for number in 0..<200 { #expect(try reader.record(at: "room/\(number)") == Array("\(number)".utf8)) }
        }
    }

    @Test("A record read before a commit is not put in after it")
    func overtaken() throws {
        try sealed.put("old", at: "room/a")
        let connection = OvertakenConnection(try sealed.store.connection())
        let reader = BarrierReader(connection: connection, cipher: RecordCipher(sealed.keyring), cache: cache)
        connection.afterRead = { [sealed, cache] in
            try? sealed.put("new", at: "room/a")
            cache.drop(["room/a"])
        }
        #expect(try reader.record(at: "room/a") == Array("old".utf8))
        #expect(try reader.record(at: "room/a") == Array("new".utf8))
    }

    @Test("Nothing older than the last write that was told of is ever read")
    func concurrently() async throws {
        try sealed.put("0", at: "room/a")
        let (store, keyring, cache) = (sealed.store, sealed.keyring, cache)
        let told = Told()
        await withTaskGroup(of: Int.self) { group in
            for _ in 0..<3 {
                group.addTask {
                    guard let connection = try? store.connection() else { return -1 }
                    let reader = BarrierReader(connection: connection, cipher: RecordCipher(keyring), cache: cache)
                    var stale = 0
                    while true {
                        let floor = told.value
                        guard let bytes = try? reader.record(at: "room/a"),
                            let seen = Int(String(decoding: bytes, as: UTF8.self))
                        else { return -1 }
                        if seen < floor { stale += 1 }
                        if floor == 300 { return stale }
                        await Task.yield()
                    }
                }
            }
            for number in 1...300 {
                try? sealed.put("\(number)", at: "room/a")
                cache.drop(["room/a"])
                told.value = number
                await Task.yield()
            }
            for await stale in group { #expect(stale == 0) }
        }
    }
}
