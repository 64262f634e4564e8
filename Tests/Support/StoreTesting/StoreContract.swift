package import Store
import Testing

/// What every store must do, one law each. A test target runs all of them against its own store:
/// `@Test(arguments: StoreContract.laws) func keeps(_ law: StoreLaw) throws { try law.check(a new store) }`.
package struct StoreLaw: Sendable, CustomTestStringConvertible {
    package let testDescription: String
    /// Gets an empty store of its own.
    package let check: @Sendable (any Store) throws -> Void

    init(_ sentence: String, _ check: @escaping @Sendable (any Store) throws -> Void) {
        (testDescription, self.check) = (sentence, check)
    }
}

package enum StoreContract {
    package static let laws = reading + changing + log + isolation + parts + closing + randomLaws

    // MARK: Reading

    private static let reading = [
        StoreLaw("what was never written is nil") { store in
            try #expect(store.connection().value(at: "absent") == nil)
        },
        StoreLaw("a value comes back byte for byte") { store in
            let value = (0...255).map { UInt8($0) }
            try write(store) { try $0.put(value, at: "key") }
            try #expect(store.connection().value(at: "key") == value)
        },
        StoreLaw("an empty value is there, and empty") { store in
            try write(store) { try $0.put([], at: "key") }
            try #expect(store.connection().value(at: "key") == [])
            try #expect(
                store.connection().entries(in: KeyRange(prefix: "k"), limit: 9) == [StoreEntry(key: "key", value: [])])
        },
        StoreLaw("a key may be long") { store in
            let key = "long/" + String(repeating: "x", count: 8_192)
            try write(store) { try $0.put([1], at: key) }
            try #expect(store.connection().value(at: key) == [1])
            try #expect(store.connection().value(at: String(key.dropLast())) == nil)
        },
        StoreLaw("a value may be large") { store in
            let value = [UInt8](repeating: 0xA5, count: 1 << 20)
            try write(store) { try $0.put(value, at: "large") }
            try #expect(store.connection().value(at: "large") == value)
        },
        StoreLaw("keys are ordered by their bytes") { store in
            let keys = ["", "A", "B", "a", "a/", "a/b", "a0", "aa", "b", "z", "é", "🔑"]
            try write(store) { batch in for key in keys.reversed() { try batch.put([], at: key) } }
            let all = try store.connection().entries(in: KeyRange(from: "", to: "\u{10FFFF}"), limit: 100)
            #expect(all.map(\.key) == keys)
        },
        StoreLaw("a range begins at its lower key and ends before its upper one") { store in
            try fill(store, ["a", "b", "c", "d"])
            try #expect(keys(store, KeyRange(from: "b", to: "d")) == ["b", "c"])
            try #expect(keys(store, KeyRange(from: "b", to: "b")) == [])
            try #expect(keys(store, KeyRange(from: "d", to: "a")) == [])
        },
        StoreLaw("a prefix takes in what begins with it and nothing beside it") { store in
            try fill(store, ["vault/a", "vault/a/", "vault/a/x", "vault/a/x/1", "vault/a0", "vault/b/x"])
            try #expect(keys(store, KeyRange(prefix: "vault/a/")) == ["vault/a/", "vault/a/x", "vault/a/x/1"])
        },
        StoreLaw("a range after a key leaves that key out") { store in
            try fill(store, ["p/1", "p/1/", "p/2", "q/1"])
            try #expect(keys(store, KeyRange(prefix: "p/", after: "p/1")) == ["p/1/", "p/2"])
            try #expect(keys(store, KeyRange(prefix: "p/", after: "p/2")) == [])
        },
        StoreLaw("a limit gives the first entries") { store in
            try fill(store, ["a", "b", "c"])
            try #expect(keys(store, KeyRange(from: "a", to: "z"), limit: 2) == ["a", "b"])
            try #expect(keys(store, KeyRange(from: "a", to: "z"), limit: 0) == [])
            try #expect(keys(store, KeyRange(from: "a", to: "z"), limit: .max) == ["a", "b", "c"])
        },
        StoreLaw("the last entry is the greatest key below the upper one") { store in
            try fill(store, ["p/1", "p/2", "q/1"])
            let connection = try store.connection()
            try #expect(connection.lastEntry(in: KeyRange(prefix: "p/"))?.key == "p/2")
            try #expect(connection.lastEntry(in: KeyRange(from: "p/1", to: "p/2"))?.key == "p/1")
            try #expect(connection.lastEntry(in: KeyRange(prefix: "o/")) == nil)
        },
    ]

    // MARK: Changing

    private static let changing = [
        StoreLaw("a second put replaces the first") { store in
            try write(store) { try $0.put([1], at: "key") }
            try write(store) { try $0.put([2, 3], at: "key") }
            try #expect(store.connection().value(at: "key") == [2, 3])
        },
        StoreLaw("what is removed is gone, and removing it again is no error") { store in
            try fill(store, ["a", "b"])
            try write(store) { try $0.remove("a") }
            try write(store) { try $0.remove("a") }
            try #expect(keys(store, KeyRange(from: "", to: "z")) == ["b"])
        },
        StoreLaw("a batch reads what it wrote") { store in
            try fill(store, ["a"])
            try write(store) { batch in
                try batch.put([7], at: "b")
                try batch.remove("a")
                try #expect(batch.value(at: "b") == [7])
                try #expect(batch.value(at: "a") == nil)
                try #expect(batch.entries(in: KeyRange(from: "", to: "z"), limit: 9).map(\.key) == ["b"])
                try #expect(batch.lastEntry(in: KeyRange(from: "", to: "z"))?.key == "b")
            }
        },
        StoreLaw("a write that throws leaves nothing behind") { store in
            try fill(store, ["a"])
            #expect(throws: StoreError.full) {
                try write(store) { batch in
                    try batch.put([1], at: "b")
                    try batch.remove("a")
                    throw StoreError.full
                }
            }
            try #expect(keys(store, KeyRange(from: "", to: "z")) == ["a"])
        },
        StoreLaw("a write after one that threw is well") { store in
            _ = try? write(store) { _ in throw StoreError.full }
            try write(store) { try $0.put([1], at: "a") }
            try #expect(store.connection().value(at: "a") == [1])
        },
        StoreLaw("what is written without a sync is read at once") { store in
            try write(store, synced: false) { try $0.put([1], at: "a") }
            try write(store, synced: true) { try $0.put([2], at: "b") }
            try write(store, synced: false) { try $0.put([3], at: "c") }
            try #expect(keys(store, KeyRange(from: "", to: "z")) == ["a", "b", "c"])
        },
        StoreLaw("housekeeping changes nothing that is read") { store in
            for number in 0..<64 { try write(store) { try $0.put([UInt8(number)], at: "key/\(number)") } }
            try store.maintain()
            try #expect(keys(store, KeyRange(prefix: "key/")).count == 64)
        },
    ]

    // MARK: Isolation

    private static let isolation = [
        StoreLaw("a batch is not seen before it is written") { store in
            let connection = try store.connection()
            try write(store) { batch in
                try batch.put([1], at: "a")
                try #expect(connection.value(at: "a") == nil)
            }
            try #expect(connection.value(at: "a") == [1])
        },
        StoreLaw("a snapshot stays as it was while others write") { store in
            try fill(store, ["a", "b"])
            let connection = try store.connection()
            try connection.snapshot {
                try #expect(connection.value(at: "a") == [0])
                try write(store) { batch in
                    try batch.put([9], at: "a")
                    try batch.remove("b")
                    try batch.put([9], at: "c")
                }
                try #expect(connection.value(at: "a") == [0])
                try #expect(connection.entries(in: KeyRange(from: "", to: "z"), limit: 9).map(\.key) == ["a", "b"])
                try #expect(connection.lastEntry(in: KeyRange(from: "", to: "z"))?.key == "b")
            }
            try #expect(connection.value(at: "a") == [9])
            try #expect(keys(store, KeyRange(from: "", to: "z")) == ["a", "c"])
        },
        StoreLaw("a snapshot that throws leaves its connection well") { store in
            try fill(store, ["a"])
            let connection = try store.connection()
            #expect(throws: Refusal.self) { try connection.snapshot { () throws(Refusal) in throw Refusal() } }
            try write(store) { try $0.put([5], at: "a") }
            try #expect(connection.value(at: "a") == [5])
        },
        StoreLaw("every connection reads the last write") { store in
            let connections = [try store.connection(), try store.connection()]
            for round in 1...3 {
                try write(store) { try $0.put([UInt8(round)], at: "a") }
                for connection in connections { try #expect(connection.value(at: "a") == [UInt8(round)]) }
            }
        },
    ]

    // MARK: Parts

    private static let parts = [
        StoreLaw("a part that refuses is undone alone") { store in
            try fill(store, ["kept"])
            try write(store) { batch in
                let first = try part(batch) { try batch.put([1], at: "first") }
                let second = try part(batch) {
                    try batch.put([1], at: "second")
                    try batch.put([2], at: "first")
                    try batch.remove("kept")
                    throw Refusal()
                }
                let third = try part(batch) { try batch.put([1], at: "third") }
                #expect([first, second, third] == [true, false, true])
            }
            try #expect(keys(store, KeyRange(from: "", to: "z")) == ["first", "kept", "third"])
            try #expect(store.connection().value(at: "first") == [1])
        },
        StoreLaw("a part tells its refusal") { store in
            try write(store) { batch in
                do throws(StorePartError<Refusal>) {
                    try batch.part { () throws(Refusal) in throw Refusal(number: 7) }
                    Issue.record("a part that refused was taken")
                } catch {
                    guard case .refused(let refusal) = error else {
                        Issue.record("a refusal came out as a failure of the store")
                        return
                    }
                    #expect(refusal.number == 7)
                }
            }
        },
        StoreLaw("a part reads what earlier parts wrote, and nothing of a refused one") { store in
            try write(store) { batch in
                _ = try part(batch) { try batch.put([1], at: "a") }
                _ = try part(batch) {
                    try batch.put([2], at: "a")
                    throw Refusal()
                }
                _ = try part(batch) { try #expect(batch.value(at: "a") == [1]) }
            }
        },
        StoreLaw("what is written outside of parts stands beside them") { store in
            try write(store) { batch in
                try batch.put([1], at: "before")
                _ = try part(batch) { throw Refusal() }
                try batch.put([1], at: "after")
            }
            try #expect(keys(store, KeyRange(from: "", to: "z")) == ["after", "before"])
        },
        StoreLaw("parts are lost with their batch") { store in
            _ = try? write(store) { batch in
                _ = try part(batch) { try batch.put([1], at: "a") }
                throw StoreError.full
            }
            try #expect(store.connection().value(at: "a") == nil)
        },
    ]

    // MARK: Closing

    private static let closing = [
        StoreLaw("a closed store takes no more writes") { store in
            try write(store) { try $0.put([1], at: "a") }
            store.close()
            #expect(throws: StoreError.self) { try write(store) { try $0.put([2], at: "a") } }
        },
        StoreLaw("a store may be closed twice") { store in
            store.close()
            store.close()
        },
    ]

    // MARK: The log

    private static let log = [
        StoreLaw("rows of the log come back in the order of their numbers") { store in
            let numbers: [UInt64] = [0, 1, 9, 10, 255, 256, 1 << 32, StoreLog.lastNumber]
            try fill(store, numbers.reversed().map { StoreLog.key($0) })
            try #expect(keys(store, KeyRange(prefix: StoreLog.prefix)) == numbers.map { StoreLog.key($0) })
            try #expect(
                keys(store, KeyRange(prefix: StoreLog.prefix, after: StoreLog.key(9)), limit: 2)
                    == [10, 255].map { StoreLog.key($0) })
            try #expect(
                store.connection().lastEntry(in: KeyRange(prefix: StoreLog.prefix))?.key
                    == StoreLog.key(StoreLog.lastNumber))
            try write(store) { try $0.remove(StoreLog.key(StoreLog.lastNumber)) }
            try #expect(
                store.connection().lastEntry(in: KeyRange(prefix: StoreLog.prefix))?.key == StoreLog.key(1 << 32))
        },
        StoreLaw("the log stands among the other keys where its own belong") { store in
            let all = ["a", "audit", StoreLog.key(1), StoreLog.key(2), "audit0", "b"]
            try fill(store, all.reversed())
            try #expect(keys(store, everything) == all)
            for limit in 0...all.count {
                try #expect(keys(store, everything, limit: limit) == Array(all.prefix(limit)))
            }
            for (first, lower) in all.enumerated() {
                for (last, upper) in all.enumerated() where first <= last {
                    let range = KeyRange(from: lower, to: upper)
                    try #expect(keys(store, range) == Array(all[first..<last]))
                    try #expect(store.connection().lastEntry(in: range)?.key == all[first..<last].last)
                }
            }
        },
        StoreLaw("below the prefix of the log there is nothing else") { store in
            let wrong = [
                "audit/", "audit/1", "audit/0000000000000001x", "audit/000000000000000A", "audit/8000000000000000",
                "audit/\u{301}",
            ]
            for key in wrong {
                #expect(throws: StoreError.self, "\(key)") { try write(store) { try $0.put([1], at: key) } }
            }
            try #expect(keys(store, everything) == [])
        },
    ]

    // MARK: All together

    private static let randomLaws = [
        StoreLaw("a thousand random steps end where a dictionary ends") { store in
            try walk(store) { "k/" + String($0, radix: 3) }
        },
        StoreLaw("so do a thousand random steps in the log") { store in try walk(store) { StoreLog.key(UInt64($0)) } },
        StoreLaw("and a thousand on both sides of the log and in it") { store in
            try walk(store) { number in
                ["audi/", "audit", "audit0", "b"][number % 4] + (number % 2 == 0 ? "/\(number)" : "")
            }
            try walk(store) { number in number % 3 == 0 ? StoreLog.key(UInt64(number)) : "audit0/\(number)" }
        },
    ]

    /// A thousand random steps beside a dictionary, with the keys of forty numbers.
    private static func walk(_ store: any Store, key name: (Int) -> String) throws {
        try write(store) { batch in
            for entry in try batch.entries(in: everything, limit: .max) { try batch.remove(entry.key) }
        }
        var random = SystemRandomNumberGenerator()
        var model: [String: [UInt8]] = [:]
        for _ in 0..<100 {
            var next = model
            let isRefused = Int.random(in: 0..<5, using: &random) == 0
            _ = try? write(store) { batch in
                for _ in 0..<10 {
                    let key = name(Int.random(in: 0..<40, using: &random))
                    if Int.random(in: 0..<3, using: &random) == 0 {
                        try batch.remove(key)
                        next[key] = nil
                    } else {
                        let value = (0..<Int.random(in: 0..<9, using: &random)).map { _ in
                            UInt8.random(in: 0...255, using: &random)
                        }
                        try batch.put(value, at: key)
                        next[key] = value
                    }
                }
                if isRefused { throw StoreError.full }
            }
            if !isRefused { model = next }
        }
        let stored = try store.connection().entries(in: everything, limit: .max)
        let expected = model.keys.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
        #expect(stored.map(\.key) == expected)
        let wrong = stored.filter { model[$0.key] != $0.value }
        #expect(wrong.isEmpty)
    }

    // MARK: Small words

    private static let everything = KeyRange(from: "", to: "\u{10FFFF}")

    private struct Refusal: Error { var number = 0 }

    private static func fill(_ store: any Store, _ keys: [String]) throws {
        try write(store) { batch in for key in keys { try batch.put([0], at: key) } }
    }

    private static func keys(_ store: any Store, _ range: KeyRange, limit: Int = 1_000) throws -> [String] {
        try store.connection().entries(in: range, limit: limit).map(\.key)
    }

    /// `Store.write` for bodies that throw anything.
    private static func write(_ store: any Store, synced: Bool = true, _ body: (any StoreBatch) throws -> Void) throws {
        var other: (any Error)?
        try store.write(synced: synced) { batch throws(StoreError) in
            do { try body(batch) } catch let error as StoreError { throw error } catch { other = error }
        }
        if let other { throw other }
    }

    /// Runs a part; false when its body threw `Refusal`.
    private static func part(_ batch: any StoreBatch, _ body: () throws -> Void) throws -> Bool {
        var other: (any Error)?
        do throws(StorePartError<Refusal>) {
            try batch.part { () throws(Refusal) in
                do { try body() } catch let refusal as Refusal { throw refusal } catch { other = error }
            }
        } catch {
            if case .store(let failure) = error { throw failure }
            return false
        }
        if let other { throw other }
        return true
    }
}
