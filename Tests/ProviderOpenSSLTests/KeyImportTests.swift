import Cryptography
import Domain
import ProviderOpenSSL
import StrongroomTesting
import Testing

/// What is checked of a key that comes in from outside (SP 800-56B §6.4, SEC 1 §3.2.2).
struct KeyImportTests {
    private let provider: OpenSSLProvider

    init() throws { provider = try OpenSSLProvider(try CryptoEngine()) }

    private func take(_ key: PrivateKey) throws -> KeyMaterial {
        try provider.importKey(key, id: [UInt8](repeating: 0, count: 16), isExportable: false)
    }

    /// Expects a key to be refused with a reason that holds `text`.
    private func expectRefused(
        _ key: PrivateKey, saying text: String, sourceLocation: SourceLocation = #_sourceLocation
    ) {
        do {
            _ = try take(key)
            Issue.record("it was taken", sourceLocation: sourceLocation)
        } catch CryptoError.malformed(let reason) {
            #expect(reason.contains(text) && !reason.isEmpty, sourceLocation: sourceLocation)
        } catch {
            Issue.record("\(error)", sourceLocation: sourceLocation)
        }
    }

    // MARK: RSA

    struct RSACase: Decodable, Sendable, CustomTestStringConvertible {
        let name: String
        let key: [String: HexBytes]
        /// A part of the reason; nil for a sound key.
        let says: String?

        var testDescription: String { name }

        static let members = ["n", "e", "d", "p", "q", "dp", "dq", "qi"]
        var numbers: [[UInt8]] { Self.members.map { key[$0]?.bytes ?? [] } }

        var privateKey: PrivateKey {
            let numbers = numbers
            let secrets = numbers.map { SensitiveBytes($0) }
            return .rsa(
                n: numbers[0], e: numbers[1], d: secrets[2], p: secrets[3], q: secrets[4], dp: secrets[5],
                dq: secrets[6], qi: secrets[7])
        }
    }

    static let rsaCases = try! Vectors.json("keys/rsa-imports.json", as: [RSACase].self)

    @Test("The numbers of an RSA key must hold together", arguments: rsaCases)
    func rsa(_ test: RSACase) throws {
        guard let says = test.says else { return try expectTaken(test, test.privateKey) }
        expectRefused(test.privateKey, saying: says)
    }

    @Test("So must those inside PKCS #8", arguments: rsaCases)
    func rsaInside(_ test: RSACase) throws {
        let key = PrivateKey.pkcs8(SensitiveBytes(DER.rsaKey(test.numbers)))
        guard let says = test.says else { return try expectTaken(test, key) }
        expectRefused(key, saying: says)
    }

    private func expectTaken(_ test: RSACase, _ key: PrivateKey) throws {
        let material = try take(key)
        #expect(material.specification == .rsa(bits: test.numbers[0].count * 8))
        #expect(material.publicKey == .rsa(n: test.numbers[0], e: test.numbers[1]))
        let held = try provider.open(material, id: [])
        let digest = [UInt8](repeating: 3, count: 32)
        let signature = try held.sign(digest, .rsaPSS(.sha256))
        #expect(try provider.openPublic(material.publicKey).verify(digest, signature: signature, .rsaPSS(.sha256)))
    }

    @Test("A number that is missing, zero or one does not make an RSA key", arguments: RSACase.members)
    func degenerate(_ member: String) throws {
        let sound = try #require(Self.rsaCases.first { $0.says == nil })
        let index = try #require(RSACase.members.firstIndex(of: member))
        for value in [[], [0], [1]] as [[UInt8]] {
            var numbers = sound.numbers
            numbers[index] = value
            let secrets = numbers.map { SensitiveBytes($0) }
            expectRefused(
                .rsa(
                    n: numbers[0], e: numbers[1], d: secrets[2], p: secrets[3], q: secrets[4], dp: secrets[5],
                    dq: secrets[6], qi: secrets[7]), saying: "")
            expectRefused(.pkcs8(SensitiveBytes(DER.rsaKey(numbers))), saying: "")
        }
    }

    @Test("PKCS #8 of more than two primes is refused")
    func multiPrime() throws {
        // Version 1 with OtherPrimeInfos (RFC 8017 §A.1.2) around numbers that are sound without it.
        let sound = try #require(Self.rsaCases.first { $0.says == nil })
        let rsaEncryption: [UInt8] = [0x06, 0x09, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x01, 0x05, 0x00]
        let third = DER.sequence(DER.sequence(DER.integer([7]), DER.integer([3]), DER.integer([1])))
        let key = DER.sequence(DER.integer([1]), sound.numbers.flatMap { DER.integer($0) }, third)
        let bytes = DER.sequence(DER.integer([0]), DER.sequence(rsaEncryption), DER.octets(key))
        expectRefused(.pkcs8(SensitiveBytes(bytes)), saying: "")
    }

    // MARK: EC

    struct ECCase: Decodable, Sendable, CustomTestStringConvertible {
        let curve: String
        let name: String
        let x, y, d: HexBytes
        let isSound: Bool

        var testDescription: String { "\(curve) \(name)" }
    }

    static let ecCases = try! Vectors.json("keys/ec-imports.json", as: [ECCase].self)

    @Test("A point must be on its curve and belong to its private half", arguments: ecCases)
    func ec(_ test: ECCase) throws {
        let curve = try #require(EllipticCurve(test.curve))
        let key = PrivateKey.ec(curve, x: test.x.bytes, y: test.y.bytes, d: SensitiveBytes(test.d.bytes))
        guard test.isSound else { return expectRefused(key, saying: "") }
        let material = try take(key)
        #expect(material.specification == .ec(curve))
        #expect(material.publicKey == .ec(curve, x: test.x.bytes, y: test.y.bytes))
        let digest = [UInt8](repeating: 9, count: KeyAlgorithm.ecdsa(curve).digestCount ?? 0)
        let signature = try provider.open(material, id: []).sign(digest, .ecdsa(curve))
        #expect(try provider.openPublic(material.publicKey).verify(digest, signature: signature, .ecdsa(curve)))
    }

    @Test("Every curve has sound and unsound cases")
    func complete() {
        for curve in EllipticCurve.allCases {
            let cases = Self.ecCases.filter { $0.curve == curve.text }
            #expect(cases.count { $0.isSound } == 4 && cases.count { !$0.isSound } >= 15)
        }
        #expect(Self.rsaCases.count { $0.says == nil } == 7)
    }

    @Test("A point that is none does not open as a public half", arguments: ecCases)
    func publicHalf(_ test: ECCase) throws {
        let curve = try #require(EllipticCurve(test.curve))
        let key = PublicKey.ec(curve, x: test.x.bytes, y: test.y.bytes)
        if test.isSound {
            _ = try provider.openPublic(key)
        } else if ["y one too large", "x one too large", "the point at zero", "x not reduced"].contains(test.name) {
            #expect(throws: CryptoError.self) { try provider.openPublic(key) }
        }
    }

    @Test("A curve that the service does not have is refused")
    func otherCurve() throws {
        // PKCS #8 of a key on secp224r1, made by `openssl pkcs8`.
        let text =
            "MHgCAQAwEAYHKoZIzj0CAQYFK4EEACEEYTBfAgEBBBytyfhWQlFuLwWAJd+0tSmK+v8UIWKUAel9AKcooTwDOgAEHR7gdPFDqps98+hU6USmCQb2opxWLUNFVjhdT0zgAZLaV3V7/7P8Yxy5EDQmHZb6qCvaWqI7Pz8="
        expectRefused(.pkcs8(SensitiveBytes(try #require(Base64.decode(text)))), saying: "curve")
    }

    // MARK: Ed25519

    private static let seed = Base64.decodeURL("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A") ?? []
    private static let point = Base64.decodeURL("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo") ?? []

    @Test("An Ed25519 key is a seed of 32 bytes and the point that follows from it")
    func ed25519() throws {
        #expect(
            try take(.ed25519(x: Self.point, d: SensitiveBytes(Self.seed))).publicKey == .ed25519(x: Self.point))
        var other = Self.point
        other[0] ^= 1
        for (x, d) in [
            (other, Self.seed), (Self.seed, Self.point), (Array(Self.point.dropLast()), Self.seed),
            (Self.point, Array(Self.seed.dropLast())), (Self.point, Self.seed + [0]), ([], Self.seed),
            (Self.point, []), (Self.point, Self.seed + Self.point),
        ] { expectRefused(.ed25519(x: x, d: SensitiveBytes(d)), saying: "") }
    }

    @Test("An Ed25519 key comes in as PKCS #8 too; X25519 does not")
    func edwards() throws {
        // RFC 8410 §10.3.
        let text = "MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC"
        let bytes = try #require(Base64.decode(text))
        #expect(try take(.pkcs8(SensitiveBytes(bytes))).specification == .ed25519)
        var montgomery = bytes
        #expect(montgomery[11] == 0x70)
        montgomery[11] = 0x6E
        expectRefused(.pkcs8(SensitiveBytes(montgomery)), saying: "type")
    }

    // MARK: PKCS #8

    @Test("The older forms of PKCS #1 and SEC 1 are not PKCS #8")
    func olderForms() throws {
        let sound = try #require(Self.rsaCases.first)
        let pkcs1 = DER.sequence(DER.integer([0]), sound.numbers.flatMap { DER.integer($0) })
        expectRefused(.pkcs8(SensitiveBytes(pkcs1)), saying: "PKCS #8")
        // RFC 5915 §3, P-256.
        let curve = try #require(Self.ecCases.first { $0.curve == "P-256" && $0.isSound })
        let named: [UInt8] = [0xA0, 0x0A, 0x06, 0x08, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07]
        let sec1 = DER.sequence(DER.integer([1]), DER.octets(curve.d.bytes), named)
        expectRefused(.pkcs8(SensitiveBytes(sec1)), saying: "PKCS #8")
    }

    @Test("Nothing may follow PKCS #8, and nothing may be missing")
    func whole() throws {
        let material = try provider.generate(.ec(.p256), publicExponent: 65_537, id: [], isExportable: false)
        let bytes = material.reference.withUnsafeBytes { Array($0) }
        #expect(try take(.pkcs8(SensitiveBytes(bytes))).publicKey == material.publicKey)
        expectRefused(.pkcs8(SensitiveBytes(bytes + [0])), saying: "")
        for count in bytes.indices { expectRefused(.pkcs8(SensitiveBytes(bytes.prefix(count))), saying: "") }
    }

    @Test("A symmetric key is not asked for its numbers")
    func symmetric() throws {
        for count in [16, 24, 32, 48, 64] {
            let material = try take(.oct(SensitiveBytes([UInt8](repeating: 1, count: count))))
            #expect(material.specification == .oct(bits: count * 8))
            #expect(material.publicKey == .none)
        }
    }
}
