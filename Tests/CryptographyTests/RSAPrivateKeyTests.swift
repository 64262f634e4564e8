import Cryptography
import Domain
import StrongroomTesting
import Testing

struct RSAPrivateKeyTests {
    private let engine: CryptoEngine

    init() throws { engine = try CryptoEngine() }

    struct VerifyGroup: Decodable, Sendable {
        struct PublicKey: Decodable, Sendable { let modulus, publicExponent: HexBytes }
        let publicKey: PublicKey
        let tests: [Case]
    }

    struct SignGroup: Decodable, Sendable {
        let sha: String
        let privateKeyPkcs8: HexBytes
        let tests: [Case]
    }

    struct Case: Decodable, Sendable {
        let tcId: Int
        let comment: String
        let msg, sig: HexBytes
        let result: WycheproofVerdict
    }

    struct Vector: Sendable, CustomTestStringConvertible {
        let key: [UInt8]
        let test: Case
        var testDescription: String { "\(test.tcId) \(test.comment)" }
    }

    static let verifications = try! WycheproofFile<VerifyGroup>.load("rsa_signature_2048_sha256_test.json").testGroups
        .flatMap { group in
            group.tests.map { test in
                Vector(
                    key: DER.verifyingKey(n: group.publicKey.modulus.bytes, e: group.publicKey.publicExponent.bytes),
                    test: test)
            }
        }

    @Test("Wycheproof: signatures of RSASSA-PKCS1-v1_5 with SHA-256 are taken or refused", arguments: verifications)
    func verifies(_ vector: Vector) throws {
        let key = try RSAPrivateKey(pkcs8: SensitiveBytes(vector.key), engine: engine)
        let holds = (try? key.verifySHA256(vector.test.msg.bytes, signature: vector.test.sig.bytes)) != nil
        if vector.test.result != .acceptable { #expect(holds == (vector.test.result == .valid)) }
    }

    static let signatures = try! WycheproofFile<SignGroup>.load("rsa_pkcs1_2048_sig_gen_test.json").testGroups
        .filter { $0.sha == "SHA-256" }.flatMap { group in
            group.tests.map { Vector(key: group.privateKeyPkcs8.bytes, test: $0) }
        }

    @Test("Wycheproof: signing gives the one signature there is", arguments: signatures)
    func signs(_ vector: Vector) throws {
        let key = try RSAPrivateKey(pkcs8: SensitiveBytes(vector.key), engine: engine)
        #expect(try key.signSHA256(vector.test.msg.bytes) == vector.test.sig.bytes)
    }

    @Test("A key goes out as PKCS#8 and comes back")
    func codes() throws {
        let key = try RSAPrivateKey.generate(bits: 2_048, engine: engine)
        let again = try RSAPrivateKey(pkcs8: try key.pkcs8(), engine: engine)
        let (numbers, numbersAgain) = (try key.publicNumbers(), try again.publicNumbers())
        #expect(numbers.n == numbersAgain.n && numbers.e == numbersAgain.e)
        #expect(numbers.n.count == 256 && numbers.n[0] != 0 && numbers.e == [1, 0, 1])
        let signature = try again.signSHA256([1, 2, 3])
        try key.verifySHA256([1, 2, 3], signature: signature)
        #expect(throws: CryptoError.self) { try key.verifySHA256([1, 2, 4], signature: signature) }
        #expect(throws: CryptoError.self) { try key.verifySHA256([1, 2, 3], signature: Array(signature.dropLast())) }
        #expect(throws: CryptoError.self) { try key.verifySHA256([1, 2, 3], signature: []) }
    }

    @Test("What is no RSA key is refused")
    func malformed() {
        // PKCS#8 of an Ed25519 key (RFC 8410 §10.3).
        let edwards = Base64.decode("MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC") ?? []
        for bytes in [[], [0x30], [UInt8](repeating: 0xFF, count: 64), edwards] {
            #expect(throws: CryptoError.self) { try RSAPrivateKey(pkcs8: SensitiveBytes(bytes), engine: engine) }
        }
    }
}
