import Domain
import Objects
import Operations
import Testing

struct ObjectTableTests {
    private let objects: ObjectStore

    init() throws { objects = try ObjectStore() }

    private func version(_ number: UInt64) -> ObjectVersion { ObjectVersion(GUID(high: 0, low: number)) }

    // MARK: Versions

    @Test("A new version becomes the current one, and the earlier ones stay")
    func append() throws {
        for (number, text) in ["one", "two", "three"].enumerated() {
            let head = try objects.append(.a, text)
            #expect(head.current.text == text && head.pastVersions == UInt32(number))
        }
        #expect(try objects.payloads(.a) == ["one", "two", "three"])
        for (number, text) in [(1, "one"), (2, "two"), (3, "three")] as [(UInt64, String)] {
            let found = try objects.table.record(.a, version: version(number), in: objects.reader)
            #expect(found.record.text == text && found.head.current.text == "three")
        }
        #expect(try objects.table.record(.a, version: nil, in: objects.reader).record.text == "three")
        #expect(isRefused(.keyNotFound) { _ = try objects.table.record(.a, version: version(9), in: objects.reader) })
        #expect(isRefused(.keyNotFound) { _ = try objects.table.record(.b, version: nil, in: objects.reader) })
    }

    @Test("A name is found in any spelling, and keeps the first")
    func spelling() throws {
        try objects.append(try #require(ObjectName("MixedCase")))
        let head = try objects.append(try #require(ObjectName("mIXEDcASE")))
        #expect(head.name.spelling == "MixedCase" && head.pastVersions == 1)
        #expect(try objects.table.head(try #require(ObjectName("mixedcase")), in: objects.reader) != nil)
    }

    @Test("A change of one version leaves the others, and counts its revisions")
    func update() throws {
        for text in ["one", "two", "three"] { try objects.append(.a, text) }
        let table = objects.table
        for number in [2, 3, 2] as [UInt64] {
            let version = version(number)
            try objects.commit { (transaction) throws(VaultError) in
                _ = try table.update(.a, version: version, in: transaction) { (record) throws(VaultError) in
                    record.payload += Array("+".utf8)
                }
            }
        }
        #expect(try objects.payloads(.a) == ["one", "two++", "three+"])
        let records = try table.versions(.a, after: nil, limit: 10, in: objects.reader).records
        #expect(records.map(\.revision) == [1, 3, 2])
        #expect(try table.head(.a, in: objects.reader)?.pastVersions == 2)
    }

    @Test("A change that refuses changes nothing")
    func refusedUpdate() throws {
        try objects.append(.a, "one")
        let table = objects.table
        #expect(
            isRefused(.badParameter) {
                try objects.commit { (transaction) throws(VaultError) in
                    _ = try table.update(.a, version: nil, in: transaction) { (record) throws(VaultError) in
                        record.payload = []
                        throw .badParameter("no")
                    }
                }
            })
        #expect(try objects.payloads(.a) == ["one"])
    }

    @Test("Versions are listed in order of their text, wherever the current one stands")
    func order() throws {
        // The newest is in the middle.
        for number in [30, 10, 50, 20, 40, 25] as [UInt64] { try objects.append(.a, "\(number)", version: number) }
        func list(after marker: UInt64?, limit: Int) throws -> [String] {
            let marker = marker.map { version($0).description }
            return try objects.table.versions(.a, after: marker, limit: limit, in: objects.reader).records.map(\.text)
        }
        let all = ["10", "20", "25", "30", "40", "50"]
        #expect(try list(after: nil, limit: 100) == all)
        for size in 1...7 {
            var pages: [String] = []
            var marker: UInt64?
            while true {
                let page = try list(after: marker, limit: size)
                guard let last = page.last else { break }
                #expect(page.count <= size)
                pages += page
                marker = UInt64(last)
            }
            #expect(pages == all, "pages of \(size)")
        }
        #expect(try objects.table.versions(.b, after: nil, limit: 10, in: objects.reader).records.isEmpty)
    }

    @Test("Objects are listed by name, those after a marker only")
    func heads() throws {
        for name in ["b", "A", "c-1", "c", "C2", "a1"] { try objects.append(try #require(ObjectName(name))) }
        func names(after marker: String?, _ limit: Int = 100) throws -> [String] {
            try objects.table.heads(after: marker, limit: limit, in: objects.reader).map(\.name.spelling)
        }
        #expect(try names(after: nil) == ["A", "a1", "b", "c", "c-1", "C2"])
        #expect(try names(after: "b") == ["c", "c-1", "C2"])
        #expect(try names(after: "a0") == ["a1", "b", "c", "c-1", "C2"])
        #expect(try names(after: nil, 2) == ["A", "a1"])
        #expect(try names(after: "c2").isEmpty)
    }

    // MARK: Deletion

    @Test("A deleted object is out of sight with all its versions, and comes back with all of them")
    func recover() throws {
        for text in ["one", "two"] { try objects.append(.a, text) }
        let deleted = try objects.delete(.a)
        #expect(deleted.deleted == 1_800_000_000 && deleted.scheduledPurge == 1_800_000_000 + 90 * 86_400)
        #expect(try objects.table.head(.a, in: objects.reader) == nil)
        #expect(try objects.table.versions(.a, after: nil, limit: 10, in: objects.reader).records.isEmpty)
        #expect(try objects.table.deleted(.a, in: objects.reader)?.head.current.text == "two")
        #expect(try objects.duties.map(\.operation) == ["ThingPurgeIfDue"])
        #expect(isRefused(.deletedButRecoverable) { try objects.append(.a) })
        #expect(isRefused(.keyNotFound) { try objects.delete(.a) })
        let table = objects.table
        try objects.commit { (transaction) throws(VaultError) in _ = try table.recover(.a, in: transaction) }
        #expect(try objects.payloads(.a) == ["one", "two"])
        #expect(try objects.duties.isEmpty)
        #expect(try objects.table.deleted(.a, in: objects.reader) == nil)
        #expect(
            isRefused(.keyNotFound) {
                try objects.commit { (transaction) throws(VaultError) in _ = try table.recover(.a, in: transaction) }
            })
    }

    @Test("A purge leaves nothing of an object, nor of what lies beside it, and touches no other")
    func purge() throws {
        let table = objects.table
        for name in [ObjectName.a, .b] {
            for text in ["one", "two", "three"] { try objects.append(name, text) }
            try objects.commit { (transaction) throws(VaultError) in
                try table.putCompanion("thing-notes", of: name, [1, 2], in: transaction)
            }
        }
        let longer = try #require(ObjectName("a-longer-name"))
        for text in ["one", "two"] { try objects.append(longer, text) }
        #expect(
            isRefused(.keyNotFound) {
                try objects.commit { (transaction) throws(VaultError) in try table.purge(.a, in: transaction) }
            })
        try objects.delete(.a)
        #expect(try table.companion("thing-notes", of: .a, in: objects.reader) == [1, 2])
        try objects.commit { (transaction) throws(VaultError) in try table.purge(.a, in: transaction) }
        #expect(try objects.duties.isEmpty)
        #expect(try objects.keys("vault/demo/").allSatisfy { !$0.hasSuffix("/a") && !$0.contains("/a/") })
        #expect(try objects.payloads(.b) == ["one", "two", "three"])
        #expect(try table.companion("thing-notes", of: .b, in: objects.reader) == [1, 2])
        #expect(try objects.payloads(longer) == ["one", "two"])
        // The name is free, and its history begins anew.
        #expect(try objects.append(.a, "anew").pastVersions == 0)
        #expect(try objects.payloads(.a) == ["anew"])
    }

    @Test("Under purge protection only the end of retention purges")
    func protection() throws {
        let objects = try ObjectStore(isPurgeProtected: true, retentionDays: 7)
        let table = objects.table
        try objects.append(.a)
        let deleted = try objects.delete(.a)
        #expect(
            isRefused(.forbiddenByVault) {
                try objects.commit { (transaction) throws(VaultError) in try table.purge(.a, in: transaction) }
            })
        func purgeIfDue(at seconds: Int64) throws -> Bool {
            try objects.commit { (transaction) throws(VaultError) in
                try table.purgeIfDue(.a, at: Timestamp(epochSeconds: seconds), in: transaction)
            }
        }
        #expect(try !purgeIfDue(at: deleted.scheduledPurge - 1))
        #expect(try table.deleted(.a, in: objects.reader) != nil)
        #expect(try purgeIfDue(at: deleted.scheduledPurge))
        #expect(try !purgeIfDue(at: deleted.scheduledPurge + 1))
        #expect(try objects.keys("vault/demo/").isEmpty && objects.duties.isEmpty)
    }

    @Test("An object that was recovered and lives is not purged by an old duty")
    func staleDuty() throws {
        let table = objects.table
        try objects.append(.a, "kept")
        let deleted = try objects.delete(.a)
        try objects.commit { (transaction) throws(VaultError) in _ = try table.recover(.a, in: transaction) }
        #expect(
            try !objects.commit { (transaction) throws(VaultError) in
                try table.purgeIfDue(.a, at: Timestamp(epochSeconds: deleted.scheduledPurge), in: transaction)
            })
        #expect(try objects.payloads(.a) == ["kept"])
    }

    // MARK: Restore

    @Test("A backup comes back onto a free name only, its last version current")
    func restore() throws {
        let table = objects.table
        let records = ["one", "two", "three"].map { objects.record($0) }
        func restore(_ records: [ObjectRecord]) throws {
            try objects.commit { (transaction) throws(VaultError) in
                _ = try table.restore(.a, records, in: transaction)
            }
        }
        #expect(isRefused(.badParameter) { try restore([]) })
        try restore(records)
        #expect(try objects.payloads(.a) == ["one", "two", "three"])
        #expect(try table.head(.a, in: objects.reader)?.pastVersions == 2)
        #expect(isRefused(.conflict) { try restore(records) })
        try objects.delete(.a)
        #expect(isRefused(.deletedButRecoverable) { try restore(records) })
    }

    // MARK: Vaults and pools

    @Test("A vault and a pool of one name have objects of their own")
    func apart() throws {
        let (table, pool, record) = (objects.table, objects.pool, objects.record("pool"))
        try objects.append(.a, "vault")
        try objects.commit { (transaction) throws(VaultError) in
            _ = try pool.append(record, to: .a, in: transaction)
        }
        #expect(try table.head(.a, in: objects.reader)?.current.text == "vault")
        #expect(try pool.head(.a, in: objects.reader)?.current.text == "pool")
        try objects.delete(.a)
        try objects.commit { (transaction) throws(VaultError) in
            _ = try pool.delete(.a, at: ObjectStore.start, in: transaction)
        }
        // Both duties stand beside one another, though the second and the names are the same.
        #expect(Set(try objects.duties.map(\.service)) == [.vault, .managedHSM])
        #expect(try objects.duties.count == 2)
        try objects.commit { (transaction) throws(VaultError) in try pool.purge(.a, in: transaction) }
        #expect(try objects.duties.map(\.service) == [.vault])
        #expect(try table.deleted(.a, in: objects.reader) != nil)
    }
}
