import Cryptography
import Domain
import Objects
import Testing

struct BackupEnvelopeTests {
    private let objects: ObjectStore
    private let keys: BackupKeys

    init() throws {
        objects = try ObjectStore()
        keys = BackupKeys([Self.key(1, isOwn: true, objects.engine)])
    }

    private static func key(_ number: UInt64, isOwn: Bool, _ engine: CryptoEngine) -> BackupKeys.Key {
        BackupKeys.Key(
            id: GUID(high: 7, low: number), secret: SensitiveBytes([UInt8](repeating: UInt8(number), count: 32)),
            created: Timestamp(epochSeconds: Int64(number)), isOwn: isOwn)
    }

    private func envelope(_ kind: ObjectKind = ObjectStore.kind, _ keys: BackupKeys? = nil) -> BackupEnvelope {
        BackupEnvelope(kind: kind, keys: keys ?? self.keys, engine: objects.engine)
    }

    private func refuses(_ blob: [UInt8], by envelope: BackupEnvelope? = nil) -> Bool {
        isRefused(.badParameter) { _ = try (envelope ?? self.envelope()).open(blob) }
    }

    @Test("What was sealed opens, with what lies beside it or without")
    func roundTrip() throws {
        let records = ["one", "two", "three"].map { objects.record($0) }
        let name = try #require(ObjectName("MixedCase"))
        for extra in [[], [0], [UInt8](repeating: 0xAB, count: 5_000)] as [[UInt8]] {
            let opened = try envelope().open(try envelope().seal(name, records, extra: extra))
            #expect(opened.name.spelling == "MixedCase" && opened.extra == extra)
            #expect(opened.records.map(\.text) == ["one", "two", "three"])
            #expect(opened.records.map(\.version) == records.map(\.version))
        }
    }

    @Test("A blob begins with its length and its kind, and shows nothing of what is in it")
    func form() throws {
        let blob = try envelope().seal(.a, [objects.record("hush-hush")])
        let marker = "StrongroomThingBackupV1"
        #expect(Int(blob[0]) == marker.utf8.count)
        let text = String(decoding: blob.dropFirst(), as: UTF8.self)
        #expect(text.hasPrefix(marker))
        let parts = text.dropFirst(marker.count).split(separator: ".", omittingEmptySubsequences: false)
        #expect(parts.count == 5 && parts[1].isEmpty)
        #expect(
            Base64.decodeURL(parts[0]).map { String(decoding: $0, as: UTF8.self) }
                == #"{"alg":"dir","enc":"A256GCM","kid":"\#(GUID(high: 7, low: 1))"}"#)
        #expect(!text.contains("hush"))
        #expect(try envelope().seal(.a, [objects.record("hush-hush")]) != blob)
    }

    @Test("A blob that was changed, cut or added to in any byte is refused")
    func altered() throws {
        let blob = try envelope().seal(.a, [objects.record()], extra: [1, 2, 3])
        for index in blob.indices {
            var other = blob
            other[index] ^= 1
            #expect(refuses(other), "byte \(index)")
            #expect(refuses(Array(blob.prefix(index))), "cut at \(index)")
        }
        #expect(refuses(blob + [0]) && refuses(blob + Array(".".utf8)) && refuses(blob + blob))
        #expect(!refuses(blob))
    }

    @Test("A backup of another kind is refused, though the same key sealed it")
    func otherKind() throws {
        let other = ObjectKind(
            collection: "others", noun: "other", title: "Other", notFound: .secretNotFound, purgeOperation: "x")
        let blob = try envelope().seal(.a, [objects.record()])
        #expect(refuses(blob, by: envelope(other)))
    }

    @Test("The newest of the server's own keys seals, and every key that it has opens")
    func keyring() throws {
        let old = try envelope().seal(.a, [objects.record("old")])
        keys.publish(Self.key(2, isOwn: true, objects.engine))
        keys.publish(Self.key(3, isOwn: false, objects.engine))
        #expect(keys.newest?.id == GUID(high: 7, low: 2))
        let new = try envelope().seal(.a, [objects.record("new")])
        #expect(try envelope().open(old).records[0].text == "old")
        #expect(try envelope().open(new).records[0].text == "new")
        let foreign = BackupKeys([Self.key(3, isOwn: true, objects.engine)])
        let theirs = try envelope(ObjectStore.kind, foreign).seal(.a, [objects.record("theirs")])
        #expect(try envelope().open(theirs).records[0].text == "theirs")
        #expect(refuses(new, by: envelope(ObjectStore.kind, foreign)))
        #expect(throws: VaultError.self) {
            try envelope(ObjectStore.kind, BackupKeys([])).seal(.a, [objects.record()])
        }
    }

    @Test("A blob holds 501 versions and no more")
    func most() throws {
        let records = (0..<502).map { objects.record("\($0)") }
        #expect(try envelope().open(try envelope().seal(.a, Array(records.prefix(501)))).records.count == 501)
        #expect(refuses(try envelope().seal(.a, records)))
        #expect(refuses(try envelope().seal(.a, [])))
    }

    @Test("Backup keys come back from the store as they were")
    func stored() throws {
        for number in [2, 1, 3] as [UInt64] {
            let key = Self.key(number, isOwn: number != 3, objects.engine)
            try objects.commit { (transaction) throws(VaultError) in try BackupKeys.put(key, in: transaction) }
        }
        let loaded = try BackupKeys(loadingFrom: objects.reader)
        #expect(loaded.newest?.id == GUID(high: 7, low: 2))
        let third = try #require(loaded.key(GUID(high: 7, low: 3)))
        #expect(!third.isOwn && third.created == Timestamp(epochSeconds: 3))
        #expect(third.secret.withUnsafeBytes { Array($0) } == [UInt8](repeating: 3, count: 32))
        #expect(loaded.key(GUID(high: 7, low: 4)) == nil)
    }
}
