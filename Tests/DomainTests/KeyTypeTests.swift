import Domain
import Testing

struct KeyTypeTests {
    @Test("A type is read in any case and written as the service writes it", arguments: KeyType.allCases)
    func text(_ type: KeyType) {
        #expect(KeyType(type.text) == type)
        #expect(KeyType(type.text.lowercased()) == type)
        #expect(KeyType(type.text.uppercased()) == type)
    }

    @Test("The texts are those of the reference")
    func texts() {
        #expect(
            KeyType.allCases.map(\.text) == ["RSA", "RSA-HSM", "EC", "EC-HSM", "oct", "oct-HSM", "OKP", "OKP-HSM"])
    }

    @Test(
        "What is no type is none", arguments: ["", " ", "RSA ", "RSA_HSM", "RSAHSM", "AES", "-HSM", "oct\u{0}", "ＲＳＡ"])
    func none(_ text: String) { #expect(KeyType(text) == nil) }

    @Test("A type has its twin in hardware, of the same family", arguments: KeyType.allCases)
    func twins(_ type: KeyType) {
        #expect(type.inHSM.isHSM && type.inHSM.family == type.family && type.inHSM.inHSM == type.inHSM)
        #expect(type.isHSM == type.text.hasSuffix("-HSM"))
        #expect(type.isAsymmetric == (type.family != .oct))
        #expect(type.isHSM == (type.inHSM == type))
    }

    @Test("The numbers in records never change")
    func stored() {
        #expect(KeyType.allCases.map(\.rawValue) == [1, 2, 3, 4, 5, 6, 7, 8])
        #expect(EllipticCurve.allCases.map(\.rawValue) == [1, 2, 3, 4])
        #expect(KeyOperation.allCases.map(\.rawValue) == [1, 2, 3, 4, 5, 6, 7, 8])
    }

    // MARK: Curves

    @Test("A curve is read in any case", arguments: EllipticCurve.allCases)
    func curves(_ curve: EllipticCurve) {
        #expect(EllipticCurve(curve.text) == curve)
        #expect(EllipticCurve(curve.text.lowercased()) == curve)
        #expect(curve.byteCount == (curve.bits + 7) / 8)
    }

    @Test("The standard's name of P-256K is taken too")
    func secp256k1() {
        #expect(EllipticCurve("secp256k1") == .p256K)
        #expect(EllipticCurve("SECP256K1") == .p256K)
        #expect(EllipticCurve.p256K.text == "P-256K")
    }

    @Test("What is no curve is none", arguments: ["", "P256", "P-224", "Ed25519", "secp256r1", "prime256v1", "P-256 "])
    func noCurve(_ text: String) { #expect(EllipticCurve(text) == nil) }

    // MARK: Operations

    @Test("An operation is read in any case and written as the service writes it", arguments: KeyOperation.allCases)
    func operations(_ operation: KeyOperation) {
        #expect(KeyOperation(operation.text) == operation)
        #expect(KeyOperation(operation.text.uppercased()) == operation)
    }

    @Test("What is no operation is none", arguments: ["", "wrap", "unwrap", "deriveKey", "deriveBits", "sign "])
    func noOperation(_ text: String) { #expect(KeyOperation(text) == nil) }

    @Test("A key has the service's operations in the service's order when none are asked for")
    func defaults() {
        let texts = { (family: KeyType.Family) in KeyOperation.defaults(for: family).map(\.text) }
        #expect(texts(.rsa) == ["encrypt", "decrypt", "sign", "verify", "wrapKey", "unwrapKey"])
        #expect(texts(.ec) == ["sign", "verify"])
        #expect(texts(.okp) == ["sign", "verify"])
        #expect(texts(.oct) == ["encrypt", "decrypt", "wrapKey", "unwrapKey"])
    }

    @Test(
        "An operation fits the families that can do it",
        arguments: [
            (.encrypt, [.rsa, .oct]), (.decrypt, [.rsa, .oct]), (.wrapKey, [.rsa, .oct]), (.unwrapKey, [.rsa, .oct]),
            (.sign, [.rsa, .ec, .oct, .okp]), (.verify, [.rsa, .ec, .oct, .okp]), (.import, [.rsa]),
            (.export, [.rsa, .ec, .oct, .okp]),
        ] as [(KeyOperation, [KeyType.Family])])
    func fits(_ operation: KeyOperation, _ expected: [KeyType.Family]) {
        let families: [KeyType.Family] = [.rsa, .ec, .oct, .okp]
        #expect(families.filter { operation.fits($0) } == expected)
        for family in families where KeyOperation.defaults(for: family).contains(operation) {
            #expect(operation.fits(family))
        }
    }

    @Test("Outside its time a key undoes what was done and does nothing new")
    func window() {
        #expect(KeyOperation.allCases.filter(\.isForbiddenOutsideWindow) == [.encrypt, .sign, .wrapKey])
    }

    // MARK: Specifications

    @Test(
        "Strength in bits is that of NIST SP 800-57",
        arguments: [
            (.rsa(bits: 2_048), 112), (.rsa(bits: 3_072), 128), (.rsa(bits: 4_096), 152), (.ec(.p256), 128),
            (.ec(.p256K), 128), (.ec(.p384), 192), (.ec(.p521), 256), (.ed25519, 128), (.oct(bits: 128), 128),
            (.oct(bits: 256), 256),
        ] as [(KeySpecification, Int)])
    func strength(_ specification: KeySpecification, _ bits: Int) { #expect(specification.strength == bits) }
}
