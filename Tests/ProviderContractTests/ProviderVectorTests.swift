import Cryptography
import Domain
import StrongroomTesting
import Testing

/// Published vectors through both providers.
struct ProviderVectorTests {
    private let providers: Providers

    init() throws { providers = try Providers.shared }

    struct Vector<Case: Sendable>: Sendable, CustomTestStringConvertible {
        let kind: Kind
        let name: String
        let key: [UInt8]
        let test: Case
        var testDescription: String { "\(kind.rawValue) \(name)" }
    }

    // MARK: AES key wrap (RFC 3394, RFC 5649)

    struct WrapGroup: Decodable, Sendable { let tests: [WrapCase] }
    struct WrapCase: Decodable, Sendable {
        let tcId: Int
        let comment: String
        let key, msg, ct: HexBytes
        let result: WycheproofVerdict
    }

    private static func load(_ file: String) -> [Vector<WrapCase>] {
        Kind.allCases.flatMap { kind in
            try! WycheproofFile<WrapGroup>.load(file).testGroups.flatMap(\.tests).map {
                Vector(kind: kind, name: "\($0.tcId) \($0.comment)", key: $0.key.bytes, test: $0)
            }
        }
    }

    static let wrapCases = load("aes_wrap_test.part1.json")
    static let paddedWrapCases = load("aes_kwp_test.part1.json")

    private func expect(_ vector: Vector<WrapCase>, _ algorithm: KeyAlgorithm) throws {
        let held = try providers.take(vector.kind, .oct(SensitiveBytes(vector.key)))
        defer { held.provider.destroy(held.material, id: held.id) }
        switch vector.test.result {
        case .valid:
            var parameters = CipherParameters()
            #expect(try held.key.encrypt(vector.test.msg.bytes, algorithm, &parameters) == vector.test.ct.bytes)
            #expect(
                try held.key.decrypt(vector.test.ct.bytes, algorithm, parameters).array == vector.test.msg.bytes)
        case .invalid:
            expectNotAuthentic(vector.name) {
                try held.key.decrypt(vector.test.ct.bytes, algorithm, CipherParameters())
            }
        case .acceptable: break
        }
    }

    @Test("Wycheproof: AES key wrap", arguments: wrapCases)
    func wraps(_ vector: Vector<WrapCase>) throws { try expect(vector, .ckmAESKeyWrap) }

    @Test("Wycheproof: AES key wrap with padding", arguments: paddedWrapCases)
    func paddedWraps(_ vector: Vector<WrapCase>) throws { try expect(vector, .ckmAESKeyWrapPad) }

    // MARK: AES-GCM (NIST SP 800-38D)

    struct GCMGroup: Decodable, Sendable {
        let ivSize: Int
        let tests: [GCMCase]
    }
    struct GCMCase: Decodable, Sendable {
        let tcId: Int
        let comment: String
        let key, iv, aad, msg, ct, tag: HexBytes
        let result: WycheproofVerdict
    }

    static let sealedCases = Kind.allCases.flatMap { kind in
        try! WycheproofFile<GCMGroup>.load("aes_gcm_test.part1.json").testGroups.filter { $0.ivSize == 96 }
            .flatMap(\.tests).map {
                Vector(kind: kind, name: "\($0.tcId) \($0.comment)", key: $0.key.bytes, test: $0)
            }
    }

    @Test("Wycheproof: AES-GCM", arguments: sealedCases)
    func sealed(_ vector: Vector<GCMCase>) throws {
        let held = try providers.take(vector.kind, .oct(SensitiveBytes(vector.key)))
        defer { held.provider.destroy(held.material, id: held.id) }
        let test = vector.test
        let parameters = CipherParameters(
            iv: test.iv.bytes, tag: test.tag.bytes, associatedData: test.aad.bytes)
        let algorithm = KeyAlgorithm.aesGCM(bits: vector.key.count * 8)
        if test.result == .valid {
            #expect(try held.key.decrypt(test.ct.bytes, algorithm, parameters).array == test.msg.bytes)
        } else {
            expectNotAuthentic(vector.name) { try held.key.decrypt(test.ct.bytes, algorithm, parameters) }
        }
    }

    // MARK: HMAC (RFC 2104)

    struct HMACGroup: Decodable, Sendable {
        let keySize: Int
        let tagSize: Int
        let tests: [HMACCase]
    }
    struct HMACCase: Decodable, Sendable {
        let tcId: Int
        let comment: String
        let key, msg, tag: HexBytes
        let result: WycheproofVerdict
    }

    static let tagCases = Kind.allCases.flatMap { kind in
        try! WycheproofFile<HMACGroup>.load("hmac_sha256_test.json").testGroups
            .filter { $0.keySize == 256 && $0.tagSize == 256 }.flatMap(\.tests).map {
                Vector(kind: kind, name: "\($0.tcId) \($0.comment)", key: $0.key.bytes, test: $0)
            }
    }

    @Test("Wycheproof: HMAC with SHA-256", arguments: tagCases)
    func tags(_ vector: Vector<HMACCase>) throws {
        let held = try providers.take(vector.kind, .oct(SensitiveBytes(vector.key)))
        defer { held.provider.destroy(held.material, id: held.id) }
        let test = vector.test
        #expect(
            try held.key.verify(test.msg.bytes, signature: test.tag.bytes, .hmac(.sha256))
                == (test.result == .valid))
    }

    // MARK: RSA-OAEP (RFC 8017)

    struct OAEPGroup: Decodable, Sendable {
        let privateKeyPkcs8: HexBytes
        let tests: [OAEPCase]
    }
    struct OAEPCase: Decodable, Sendable {
        let tcId: Int
        let comment: String
        let msg, ct, label: HexBytes
        let result: WycheproofVerdict
    }

    @Test("Wycheproof: RSA-OAEP with SHA-1; a label is no part of it", arguments: Kind.allCases)
    func oaep(_ kind: Kind) throws {
        for group in try WycheproofFile<OAEPGroup>.load("rsa_oaep_2048_sha1_mgf1sha1_test.json").testGroups {
            let held = try providers.take(kind, .pkcs8(SensitiveBytes(group.privateKeyPkcs8.bytes)))
            defer { held.provider.destroy(held.material, id: held.id) }
            for test in group.tests {
                let open = {
                    try held.key.decrypt(test.ct.bytes, .rsaOAEP(.sha1), CipherParameters())
                }
                if test.result == .valid, test.label.bytes.isEmpty {
                    #expect(try open().array == test.msg.bytes, "\(test.tcId) \(test.comment)")
                } else if test.result != .acceptable {
                    expectNotAuthentic("\(test.tcId) \(test.comment)") { try open() }
                }
            }
        }
    }

    // MARK: RFC 8037

    @Test("RFC 8037 appendix A: the key and signature of Ed25519", arguments: Kind.allCases)
    func ed25519(_ kind: Kind) throws {
        let d = try #require(Base64.decodeURL("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"))
        let x = try #require(Base64.decodeURL("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"))
        let held = try providers.take(kind, .ed25519(x: x, d: SensitiveBytes(d)))
        defer { held.provider.destroy(held.material, id: held.id) }
        #expect(held.material.publicKey == .ed25519(x: x))
        let message = Array("eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc".utf8)
        #expect(
            Base64.encodeURL(try held.key.sign(message, .edDSA))
                == "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg")
    }
}
