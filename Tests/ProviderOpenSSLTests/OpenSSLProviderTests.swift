import Cryptography
import Domain
import ProviderOpenSSL
import StrongroomTesting
import Testing

struct OpenSSLProviderTests {
    private let engine: CryptoEngine
    private let provider: OpenSSLProvider

    init() throws {
        engine = try CryptoEngine()
        provider = try OpenSSLProvider(engine)
    }

    @Test("What holds up no event loop is quick, and no more is")
    func quick() {
        let all: [KeySpecification] = [
            .rsa(bits: 2_048), .rsa(bits: 4_096), .ec(.p256), .ec(.p256K), .ec(.p384), .ec(.p521), .oct(bits: 128),
            .oct(bits: 512), .ed25519,
        ]
        let quick = all.flatMap { specification in
            KeyOperation.allCases.filter { provider.isQuick($0, with: specification) && $0.fits(specification.family) }
                .map { "\(specification.description) \($0.text)" }
        }
        for name in ["RSA 2048 sign", "RSA 2048 decrypt", "RSA 4096 unwrapKey", "EC P-384 sign", "EC P-521 verify"] {
            #expect(!quick.contains(name))
        }
        for name in ["RSA 2048 verify", "RSA 4096 encrypt", "EC P-256 sign", "AES 128 decrypt", "Ed25519 sign"] {
            #expect(quick.contains(name))
        }
    }

    @Test("The public half of a symmetric key is none")
    func noPublicHalf() {
        #expect(throws: CryptoError.self) { try provider.openPublic(.none) }
    }

    @Test("A public half verifies and does not sign or decrypt")
    func publicHalf() throws {
        let digest = [UInt8](repeating: 1, count: 32)
        for (specification, algorithm) in [
            (.rsa(bits: 2_048), .rsaPKCS1(.sha256)), (.ec(.p256), .ecdsa(.p256)), (.ed25519, .edDSA),
        ] as [(KeySpecification, KeyAlgorithm)] {
            let material = try provider.generate(specification, publicExponent: 65_537, id: [], isExportable: false)
            let publicHalf = try provider.openPublic(material.publicKey)
            #expect(throws: CryptoError.self) { try publicHalf.sign(digest, algorithm) }
            let signature = try provider.open(material, id: []).sign(digest, algorithm)
            #expect(try publicHalf.verify(digest, signature: signature, algorithm))
        }
    }

    @Test("A reference of another type of key does not open")
    func otherType() throws {
        let curve = try provider.generate(.ec(.p256), publicExponent: 65_537, id: [], isExportable: false)
        for specification in [.rsa(bits: 2_048), .ed25519] as [KeySpecification] {
            let wrong = KeyMaterial(
                specification: specification, publicKey: curve.publicKey, reference: curve.reference)
            #expect(throws: CryptoError.self) { try provider.open(wrong, id: []) }
        }
    }

    @Test(
        "Digests are those of FIPS 180-4",
        arguments: [
            (.sha1, "a9993e364706816aba3e25717850c26c9cd0d89d"),
            (.sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
            (
                .sha384,
                "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7"
            ),
            (
                .sha512,
                "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"
            ),
        ] as [(HashFunction, String)])
    func digests(_ hash: HashFunction, _ expected: String) {
        #expect(Hex.encode(provider.digest(Array("abc".utf8), hash)) == expected)
    }

    // MARK: Published signatures

    struct RSAGroup: Decodable, Sendable {
        struct PublicKey: Decodable, Sendable { let modulus, publicExponent: HexBytes }
        let publicKey: PublicKey
        let tests: [Case]
    }
    struct EdwardsGroup: Decodable, Sendable {
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

    @Test("Wycheproof: signatures of RSASSA-PKCS1-v1_5 over a digest")
    func rsa() throws {
        for group in try WycheproofFile<RSAGroup>.load("rsa_signature_2048_sha256_test.json").testGroups {
            let key = try provider.openPublic(
                .rsa(n: Array(group.publicKey.modulus.bytes.drop { $0 == 0 }), e: group.publicKey.publicExponent.bytes))
            for test in group.tests where test.result != .acceptable {
                let digest = provider.digest(test.msg.bytes, .sha256)
                #expect(
                    try key.verify(digest, signature: test.sig.bytes, .rsaPKCS1(.sha256)) == (test.result == .valid),
                    "\(test.tcId) \(test.comment)")
            }
        }
    }

    @Test("Wycheproof: signatures of Ed25519")
    func edwards() throws {
        for group in try WycheproofFile<EdwardsGroup>.load("ed25519_test.part1.json").testGroups {
            let key = try provider.openPublic(.ed25519(x: group.publicKey.pk.bytes))
            for test in group.tests where test.result != .acceptable {
                #expect(
                    try key.verify(test.msg.bytes, signature: test.sig.bytes, .edDSA) == (test.result == .valid),
                    "\(test.tcId) \(test.comment)")
            }
        }
    }

    @Test(
        "A failing random generator makes no key",
        arguments: [.oct(bits: 256), .oct(bits: 512)] as [KeySpecification])
    func noRandomness(_ specification: KeySpecification) throws {
        let provider = try OpenSSLProvider(try CryptoEngine(randomness: { _ in false }))
        #expect(throws: CryptoError.self) {
            try provider.generate(specification, publicExponent: 65_537, id: [], isExportable: false)
        }
    }
}
