import Cryptography
import Domain
import Pools
import ProviderOpenSSL
import Testing

@Suite("Compact encryption")
struct CompactEncryptionTests {
    private let engine: CryptoEngine
    private let software: OpenSSLProvider
    private let encryption: CompactEncryption

    init() throws {
        engine = try CryptoEngine()
        software = try OpenSSLProvider(engine)
        encryption = CompactEncryption(engine: engine, software: software)
    }

    @Test("What is sealed opens with the key and no other")
    func direct() throws {
        let key = try engine.randomKey(count: 64)
        let sealed = try encryption.seal(SensitiveBytes(Array("a text".utf8)), key: key, keyID: "name")
        #expect(try SensitiveBytes.equal(encryption.open(sealed, key: key), SensitiveBytes(Array("a text".utf8))))
        #expect(throws: CryptoError.self) { _ = try encryption.open(sealed, key: try engine.randomKey(count: 64)) }
    }

    @Test("What is sealed for a holder opens with the private key")
    func recipient() throws {
        let material = try software.generate(.rsa(bits: 2_048), publicExponent: 65_537, id: [], isExportable: false)
        let sealed = try encryption.seal(SensitiveBytes([1, 2, 3]), for: material.publicKey, keyID: "x")
        let opened = try encryption.open(sealed, recipient: try software.open(material, id: []))
        #expect(SensitiveBytes.equal(opened, SensitiveBytes([1, 2, 3])))
    }

    @Test("An altered part does not open", arguments: 0..<5)
    func altered(_ part: Int) throws {
        let key = try engine.randomKey(count: 64)
        let sealed = try encryption.seal(SensitiveBytes(Array("a text".utf8)), key: key, keyID: "name")
        var parts = sealed.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
        parts[part] = parts[part].isEmpty ? "AAAA" : String(parts[part].dropFirst()) + "A"
        #expect(throws: CryptoError.self) { _ = try encryption.open(parts.joined(separator: "."), key: key) }
    }

    @Test("The key derivation gives what the client's own test expects")
    func derivation() throws {
        let key = SensitiveBytes([UInt8](repeating: 0x41, count: 32))
        let derived = try engine.counterKDF(key, label: "label", count: 64)
        // HMAC-SHA-512 over 00000001 ‖ label ‖ 00 ‖ 00000200, computed by OpenSSL's command line.
        let message: [UInt8] = [0, 0, 0, 1] + Array("label".utf8) + [0, 0, 0, 2, 0]
        let expected = try software.ephemeral(key).sign(message, .hmac(.sha512))
        #expect(derived.withUnsafeBytes { Array($0) } == expected)
    }
}
