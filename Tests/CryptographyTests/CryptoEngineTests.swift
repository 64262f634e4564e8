import Cryptography
import Domain
import StrongroomTesting
import Testing

struct CryptoEngineTests {
    private let engine: CryptoEngine

    init() throws { engine = try CryptoEngine() }

    @Test(
        "SHA-256 gives the digests of FIPS 180-4",
        arguments: [
            ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
            ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
            (
                "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
                "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
            ),
        ])
    func sha256(_ message: String, _ digest: String) throws {
        #expect(Hex.encode(try engine.sha256(Array(message.utf8))) == digest)
        let hasher = try SHA256Hasher(engine)
        #expect(Hex.encode(hasher.digest(Array(message.utf8)).bytes) == digest)
        let bytes = Array(message.utf8)
        let (head, tail) = (Array(bytes.prefix(2)), Array(bytes.dropFirst(2)))
        let inParts = head.withUnsafeBytes { head in tail.withUnsafeBytes { tail in hasher.digest(head, tail) } }
        #expect(Hex.encode(inParts.bytes) == digest)
    }

    @Test("A digest keeps its bytes")
    func digest() {
        let bytes = (0..<32).map { UInt8($0) }
        #expect(SHA256Digest(bytes).bytes == bytes)
        #expect(SHA256Digest(bytes) == SHA256Digest(bytes))
        #expect(SHA256Digest(bytes) != SHA256Digest.zero)
    }

    struct MACGroup: Decodable, Sendable {
        let tagSize: Int
        let tests: [MACCase]
    }

    struct MACCase: Decodable, Sendable {
        let tcId: Int
        let comment: String
        let key, msg, tag: HexBytes
        let result: WycheproofVerdict
    }

    struct MACVector: Sendable, CustomTestStringConvertible {
        let vector: MACCase
        let tagSize: Int
        var testDescription: String { "\(vector.tcId) \(vector.comment)" }
    }

    static let macs = try! WycheproofFile<MACGroup>.load("hmac_sha256_test.json").testGroups.flatMap { group in
        group.tests.map { MACVector(vector: $0, tagSize: group.tagSize) }
    }

    @Test("Wycheproof: HMAC-SHA-256", arguments: macs)
    func hmac(_ item: MACVector) throws {
        let made = try engine.hmacSHA256(key: SensitiveBytes(item.vector.key.bytes), item.vector.msg.bytes)
        #expect((Array(made.prefix(item.tagSize / 8)) == item.vector.tag.bytes) == (item.vector.result != .invalid))
    }

    /// RFC 7914 §12; the vector with n = 1048576 takes a gibibyte and is left out.
    @Test(
        "scrypt gives the keys of RFC 7914",
        arguments: [
            (
                "pleaseletmein", "SodiumChloride", 16_384, 8, 1,
                "7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2d5432955613f0fcf62d49705242a9af9e61e85dc0d651e40dfcf017b45575887"
            )
        ] as [(String, String, UInt64, UInt32, UInt32, String)])
    func scrypt(_ passphrase: String, _ salt: String, _ n: UInt64, _ r: UInt32, _ p: UInt32, _ key: String) throws {
        let cost = try #require(ScryptCost(n: n, r: r, p: p))
        let made = try engine.scrypt(SensitiveBytes(passphrase.utf8), salt: Array(salt.utf8), cost: cost, count: 64)
        #expect(made.withUnsafeBytes { Hex.encode($0) } == key)
    }

    /// RFC 7914 §12, first vector: n = 16, r = 1, p = 1 over empty texts.
    @Test("scrypt takes an empty passphrase and an empty salt")
    func emptyScrypt() throws {
        let made = try engine.scrypt(
            SensitiveBytes([UInt8]()), salt: [], cost: try #require(ScryptCost(n: 16, r: 1, p: 1)), count: 64)
        #expect(
            made.withUnsafeBytes { Hex.encode($0) }
                == "77d6576238657b203b19ca42c18a0497f16b4844e3074ae8dfdffa3fede21442fcd0069ded0948f8326a753a0fc81f17e8d3e0fb2e0d3628cf35e20c38d18906"
        )
    }

    @Test(
        "Costs that are no power of two, or that could exhaust the server, are refused",
        arguments: [
            (0, 8, 1), (1, 8, 1), (3, 8, 1), (1_000, 8, 1), (1 << 21, 8, 1), (1 << 14, 0, 1), (1 << 14, 17, 1),
            (1 << 14, 8, 0), (1 << 14, 8, 5),
        ] as [(UInt64, UInt32, UInt32)])
    func costs(_ n: UInt64, _ r: UInt32, _ p: UInt32) {
        #expect(ScryptCost(n: n, r: r, p: p) == nil)
    }

    @Test("Random bytes differ, and come in the number asked for")
    func random() throws {
        #expect(try engine.random(count: 0).isEmpty)
        #expect(try engine.random(count: 33).count == 33)
        #expect(try engine.random(count: 32) != engine.random(count: 32))
        #expect(!SensitiveBytes.equal(try engine.randomKey(count: 32), try engine.randomKey(count: 32)))
    }

    @Test("A pool gives every byte of its blocks once")
    func pool() throws {
        let pool = RandomPool(engine)
        var seen: Set<[UInt8]> = []
        for count in [8, 12, 16, 4_000, 5_000, 16] + [Int](repeating: 16, count: 600) {
            let bytes = pool.bytes(count)
            #expect(bytes.count == count)
            #expect(seen.insert(bytes).inserted)
            #expect(bytes.contains { $0 != 0 })
        }
    }

    @Test("Randomness can be brought from outside, and one that fails is an error")
    func randomness() throws {
        let first = try CryptoEngine(randomness: seededRandomness(1))
        let second = try CryptoEngine(randomness: seededRandomness(1))
        #expect(try first.random(count: 40) == second.random(count: 40))
        let broken = try CryptoEngine { _ in false }
        #expect(throws: CryptoError.self) { try broken.random(count: 1) }
        #expect(throws: CryptoError.self) { try broken.randomKey(count: 1) }
    }
}
