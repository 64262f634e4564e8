import Domain
import Testing

struct KeyAlgorithmTests {
    static let texts = KeyAlgorithm.all.map(\.text)

    private static let keys: [KeySpecification] =
        KeySpecification.rsaSizes.map { .rsa(bits: $0) } + EllipticCurve.allCases.map { .ec($0) }
        + (KeySpecification.octSizes + KeySpecification.hmacSizes).map { .oct(bits: $0) } + [.ed25519]

    @Test("An algorithm is read in any case and written as the service writes it", arguments: texts)
    func text(_ text: String) throws {
        let algorithm = try #require(KeyAlgorithm(text))
        #expect(algorithm.text == text)
        #expect(KeyAlgorithm(text.lowercased()) == algorithm)
        #expect(KeyAlgorithm(text.uppercased()) == algorithm)
    }

    @Test("Every algorithm of the reference is there")
    func complete() {
        let reference = [
            "RSA-OAEP", "RSA-OAEP-256", "RSA1_5", "A128GCM", "A192GCM", "A256GCM", "A128KW", "A192KW", "A256KW",
            "A128CBC", "A192CBC", "A256CBC", "A128CBCPAD", "A192CBCPAD", "A256CBCPAD", "CKM_AES_KEY_WRAP",
            "CKM_AES_KEY_WRAP_PAD", "PS256", "PS384", "PS512", "RS256", "RS384", "RS512", "HS256", "HS384", "HS512",
            "RSNULL", "ES256", "ES384", "ES512", "ES256K",
        ]
        #expect(Set(Self.texts) == Set(reference + ["EdDSA"]))
        #expect(Set(Self.texts).count == Self.texts.count)
        #expect(Set(KeyAlgorithm.all.map(\.algorithm)).count == Self.texts.count)
    }

    @Test(
        "What is no algorithm is none",
        arguments: [
            "", "none", "RS1", "ES521", "A512GCM", "RSA-OAEP-384", "HS1", "RS256 ", " RS256",
            String(repeating: "R", count: 1_000),
        ])
    func none(_ text: String) { #expect(KeyAlgorithm(text) == nil) }

    @Test("An algorithm is for signing, for encryption or for wrapping, and each has its counterpart", arguments: texts)
    func operations(_ text: String) throws {
        let algorithm = try #require(KeyAlgorithm(text))
        #expect(algorithm.fits(.sign) == algorithm.fits(.verify))
        #expect(algorithm.fits(.encrypt) == algorithm.fits(.decrypt))
        #expect(algorithm.fits(.wrapKey) == algorithm.fits(.unwrapKey))
        #expect(!algorithm.fits(.import) && !algorithm.fits(.export))
        #expect(algorithm.fits(.sign) != (algorithm.fits(.encrypt) || algorithm.fits(.wrapKey)))
        // RSA wraps and encrypts by the same mathematics; of AES, each mode does one of the two.
        #expect((algorithm.fits(.encrypt) && algorithm.fits(.wrapKey)) == text.hasPrefix("RSA"))
    }

    @Test(
        "An algorithm fits keys of its type, curve and size",
        arguments: [
            ("RSA1_5", ["RSA 2048", "RSA 3072", "RSA 4096"]), ("RSA-OAEP-256", ["RSA 2048", "RSA 3072", "RSA 4096"]),
            ("PS512", ["RSA 2048", "RSA 3072", "RSA 4096"]), ("RSNULL", ["RSA 2048", "RSA 3072", "RSA 4096"]),
            ("ES256", ["EC P-256"]), ("ES384", ["EC P-384"]), ("ES512", ["EC P-521"]), ("ES256K", ["EC P-256K"]),
            ("EdDSA", ["Ed25519"]), ("HS256", ["AES 256"]), ("HS384", ["AES 384"]), ("HS512", ["AES 512"]),
            ("A128GCM", ["AES 128"]), ("A192CBC", ["AES 192"]), ("A256CBCPAD", ["AES 256"]), ("A128KW", ["AES 128"]),
            ("CKM_AES_KEY_WRAP", ["AES 128", "AES 192", "AES 256"]),
            ("CKM_AES_KEY_WRAP_PAD", ["AES 128", "AES 192", "AES 256"]),
        ])
    func keys(_ text: String, _ expected: [String]) throws {
        let algorithm = try #require(KeyAlgorithm(text))
        #expect(Self.keys.filter { algorithm.fits($0) }.map(\.description) == expected)
    }

    @Test("Every algorithm fits some key, and every key has algorithms")
    func used() {
        for (text, algorithm) in KeyAlgorithm.all { #expect(Self.keys.contains { algorithm.fits($0) }, "\(text)") }
        for key in Self.keys {
            #expect(KeyAlgorithm.all.contains { $0.algorithm.fits(key) }, "\(key.description)")
        }
    }

    @Test(
        "A digest has the length of its hash",
        arguments: [
            ("RS256", 32), ("RS384", 48), ("RS512", 64), ("PS256", 32), ("PS384", 48), ("PS512", 64), ("ES256", 32),
            ("ES256K", 32), ("ES384", 48), ("ES512", 64), ("HS256", 32), ("HS384", 48), ("HS512", 64), ("RSNULL", nil),
            ("EdDSA", nil), ("RSA-OAEP", nil), ("A128GCM", nil),
        ] as [(String, Int?)])
    func digests(_ text: String, _ count: Int?) throws {
        #expect(try #require(KeyAlgorithm(text)).digestCount == count)
    }

    @Test("An algorithm fits no key that cannot do its operations")
    func families() {
        for (text, algorithm) in KeyAlgorithm.all {
            for key in Self.keys where algorithm.fits(key) {
                for operation in KeyOperation.allCases where algorithm.fits(operation) {
                    #expect(operation.fits(key.family), "\(text) \(key.description) \(operation.text)")
                }
            }
        }
    }
}
