import Cryptography
import Domain
import StrongroomTesting
import Testing

struct AES256GCMTests {
    private let engine: CryptoEngine

    init() throws { engine = try CryptoEngine() }

    struct Group: Decodable, Sendable {
        let ivSize: Int
        let keySize: Int
        let tagSize: Int
        let tests: [Case]
    }

    struct Case: Decodable, Sendable, CustomTestStringConvertible {
        let tcId: Int
        let comment: String
        let key, iv, aad, msg, ct, tag: HexBytes
        let result: WycheproofVerdict

        var testDescription: String { "\(tcId) \(comment)" }
    }

    static let groups = try! WycheproofFile<Group>.load("aes_gcm_test.part1.json")
    static let ours = groups.testGroups.filter { $0.keySize == 256 && $0.ivSize == 96 && $0.tagSize == 128 }.flatMap(
        \.tests)
    static let otherKeys = groups.testGroups.filter { $0.keySize != 256 }.flatMap(\.tests)

    @Test("Wycheproof: what was sealed opens, what was altered does not", arguments: ours)
    func opens(_ vector: Case) throws {
        let cipher = try AES256GCM(key: SensitiveBytes(vector.key.bytes), engine: engine)
        let sealed = vector.iv.bytes + vector.ct.bytes + vector.tag.bytes
        let opened = try? sealed.withUnsafeBytes { try cipher.open($0, associatedData: vector.aad.bytes) }
        #expect(opened == (vector.result == .invalid ? nil : vector.msg.bytes))
    }

    @Test("Wycheproof: keys of other lengths are refused", arguments: otherKeys)
    func refusesKeys(_ vector: Case) {
        #expect(throws: CryptoError.self) { try AES256GCM(key: SensitiveBytes(vector.key.bytes), engine: engine) }
    }

    @Test(
        "Wycheproof: every vector is one of ours, of another key length, or of a nonce length that no interface takes")
    func allAccountedFor() {
        let otherNonces = Self.groups.testGroups.filter { $0.keySize == 256 && $0.ivSize != 96 }.flatMap(\.tests)
        #expect(Self.ours.count + Self.otherKeys.count + otherNonces.count == Self.groups.numberOfTests)
    }

    @Test("What is sealed opens again", arguments: [0, 1, 15, 16, 17, 4_096, 100_000])
    func roundTrip(_ count: Int) throws {
        let cipher = try AES256GCM(key: try engine.randomKey(count: 32), engine: engine)
        let plaintext = try engine.random(count: count)
        var sealed: [UInt8] = [0xAA]
        try plaintext.withUnsafeBytes {
            try cipher.seal($0, associatedData: [1, 2], nonces: RandomPool(engine), into: &sealed)
        }
        #expect(sealed.count == 1 + count + AES256GCM.overhead)
        let opened = try sealed.dropFirst().withUnsafeBytes { try cipher.open($0, associatedData: [1, 2]) }
        #expect(opened == plaintext)
    }

    @Test("Two seals of the same bytes share no nonce and no ciphertext")
    func nonces() throws {
        let cipher = try AES256GCM(key: try engine.randomKey(count: 32), engine: engine)
        let pool = RandomPool(engine)
        var seen: Set<[UInt8]> = []
        for _ in 0..<1_000 {
            var sealed: [UInt8] = []
            try [UInt8](repeating: 0, count: 16).withUnsafeBytes {
                try cipher.seal($0, associatedData: [], nonces: pool, into: &sealed)
            }
            #expect(seen.insert(Array(sealed.prefix(AES256GCM.nonceCount))).inserted)
        }
    }

    @Test("No byte can be changed, added or left out", arguments: 0..<48)
    func altered(_ position: Int) throws {
        let cipher = try AES256GCM(key: try engine.randomKey(count: 32), engine: engine)
        var sealed: [UInt8] = []
        try [UInt8](repeating: 7, count: 20).withUnsafeBytes {
            try cipher.seal($0, associatedData: [9], nonces: RandomPool(engine), into: &sealed)
        }
        func opens(_ bytes: [UInt8], _ associatedData: [UInt8] = [9]) -> Bool {
            (try? bytes.withUnsafeBytes { try cipher.open($0, associatedData: associatedData) }) != nil
        }
        #expect(opens(sealed))
        var flipped = sealed
        flipped[position] ^= 1 << UInt8(position % 8)
        #expect(!opens(flipped))
        #expect(!opens(Array(sealed.prefix(position))))
        #expect(!opens(sealed + [0]))
        #expect(!opens(sealed, []))
        #expect(!opens(sealed, [9, 0]))
    }
}
