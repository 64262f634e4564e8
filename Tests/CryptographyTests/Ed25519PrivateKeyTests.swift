import Cryptography
import Domain
import StrongroomTesting
import Testing

struct Ed25519PrivateKeyTests {
    private let engine: CryptoEngine

    init() throws { engine = try CryptoEngine() }

    struct Group: Decodable, Sendable {
        struct PublicKey: Decodable, Sendable { let pk: HexBytes }
        let publicKey: PublicKey
        let tests: [Case]
    }

    struct Case: Decodable, Sendable {
        let tcId: Int
        let comment: String
        let msg, sig: HexBytes
        let result: WycheproofVerdict
    }

    struct Vector: Sendable, CustomTestStringConvertible {
        let publicKey: [UInt8]
        let test: Case
        var testDescription: String { "\(test.tcId) \(test.comment)" }
    }

    static let file = try! WycheproofFile<Group>.load("ed25519_test.part1.json")
    static let vectors = file.testGroups.flatMap { group in
        group.tests.map { Vector(publicKey: group.publicKey.pk.bytes, test: $0) }
    }

    @Test("Wycheproof: signatures of Ed25519 are taken or refused", arguments: vectors)
    func verifies(_ vector: Vector) {
        let holds = Ed25519PrivateKey.verify(
            vector.test.msg.bytes, signature: vector.test.sig.bytes, publicKey: vector.publicKey, engine: engine)
        if vector.test.result != .acceptable { #expect(holds == (vector.test.result == .valid)) }
    }

    @Test("Wycheproof: no vector is left out")
    func allAccountedFor() {
        #expect(Self.vectors.count == Self.file.numberOfTests)
    }

    /// RFC 8032 §7.1.
    @Test(
        "Keys and signatures are those of RFC 8032",
        arguments: [
            (
                "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
                "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
                "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
            ),
            (
                "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
                "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
                "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
            ),
        ])
    func signs(_ seed: String, _ publicKey: String, _ message: String, _ signature: String) throws {
        let key = try Ed25519PrivateKey(seed: SensitiveBytes(try #require(Hex.decode(seed))), engine: engine)
        #expect(Hex.encode(try key.publicKey()) == publicKey)
        #expect(Hex.encode(try key.sign(try #require(Hex.decode(message)))) == signature)
    }

    @Test("A seed has 32 bytes", arguments: [0, 31, 33])
    func seeds(_ count: Int) {
        #expect(throws: CryptoError.self) {
            try Ed25519PrivateKey(seed: SensitiveBytes([UInt8](repeating: 1, count: count)), engine: engine)
        }
    }

    @Test("A public key of another length verifies nothing", arguments: [0, 31, 33])
    func publicKeys(_ count: Int) {
        #expect(
            !Ed25519PrivateKey.verify(
                [], signature: [UInt8](repeating: 0, count: 64), publicKey: [UInt8](repeating: 1, count: count),
                engine: engine))
    }
}
