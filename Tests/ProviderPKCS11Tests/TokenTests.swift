import Cryptography
import Domain
import FoundationEssentials
import ProviderOpenSSL
import ProviderPKCS11
import StrongroomTesting
import Testing

struct TokenTests {
    // MARK: What is missing

    @Test("A module that is none is absent", arguments: ["/nonexistent.so", "/etc/hostname", "libc.so.6"])
    func noModule(_ path: String) {
        let configuration = TokenConfiguration(module: path, label: "x", pin: OwnModule.user)
        #expect(isAbsent { _ = try Token(configuration) })
        #expect(isAbsent { try Token.initialize(configuration) })
    }

    @Test("A token of another label, or one that refuses the PIN, is absent")
    func noToken() throws {
        let module = try OwnModule()
        // A copy of its own, so that the refusals do not start the module anew under the provider.
        var configuration = module.configuration
        configuration.module = try SoftHSM.module()
        for label in ["", "own", configuration.label + "x", String(configuration.label.dropLast())] {
            var wrong = configuration
            wrong.label = label
            #expect(isAbsent { _ = try Token(wrong) }, "\(label)")
        }
        for pin in ["", "1", "0000-tesT", SoftHSM.pin + "0"] {
            var wrong = configuration
            wrong.pin = SensitiveBytes(pin.utf8)
            #expect(isAbsent { _ = try Token(wrong) }, "a PIN of \(pin.utf8.count)")
        }
        #expect(try Token(configuration).isConnected)
    }

    @Test("A token that is there already is not made again")
    func initializedOnce() throws {
        let module = try OwnModule()
        let (material, id) = try module.make(.ec(.p256))
        var configuration = module.configuration
        configuration.module = try SoftHSM.module()
        try SoftHSM.makeToken { try Token.initialize(configuration) }
        #expect(try module.provider.objects() == [id])
        #expect(
            try module.provider.open(material, id: id).sign([UInt8](repeating: 0, count: 32), .ecdsa(.p256)).count == 64
        )
    }

    // MARK: Loss

    private static let uses: [(KeySpecification, KeyAlgorithm)] = [
        (.rsa(bits: 2_048), .rsaPSS(.sha256)), (.ec(.p256), .ecdsa(.p256)), (.oct(bits: 256), .hmac(.sha256)),
        (.ed25519, .edDSA),
    ]

    @Test("Keys work on after the module was started anew, as if nothing had been")
    func restarted() throws {
        let module = try OwnModule()
        let digest = [UInt8](repeating: 7, count: 32)
        let keys = try Self.uses.map { specification, algorithm in
            let (material, id) = try module.make(specification)
            return (key: try module.provider.open(material, id: id), algorithm: algorithm)
        }
        for _ in 0..<3 {
            for (key, algorithm) in keys {
                try module.restartModule()
                let signature = try key.sign(digest, algorithm)
                #expect(try key.verify(digest, signature: signature, algorithm), "\(algorithm.text)")
            }
        }
        #expect(try module.provider.objects().count == keys.count)
    }

    @Test(
        "A key whose object was removed behind the server's back is put back when it is used",
        arguments: [
            (.ec(.p256), .ecdsa(.p256)), (.rsa(bits: 2_048), .rsaPKCS1(.sha256)), (.oct(bits: 256), .hmac(.sha256)),
        ]
            as [(KeySpecification, KeyAlgorithm)])
    func removed(_ specification: KeySpecification, _ algorithm: KeyAlgorithm) throws {
        let module = try OwnModule()
        let (material, id) = try module.make(specification)
        let digest = [UInt8](repeating: 7, count: 32)
        // Never opened before.
        try module.provider.remove([id])
        let key = try module.provider.open(material, id: id)
        #expect(try key.verify(digest, signature: try key.sign(digest, algorithm), algorithm))
        // Its handle is known.
        try module.provider.remove([id])
        #expect(try key.verify(digest, signature: try key.sign(digest, algorithm), algorithm))
    }

    @Test("While the token is away it is said to be absent, and it is used again when it is back")
    func away() async throws {
        let module = try OwnModule()
        let (material, id) = try module.make(.ec(.p256))
        let key = try module.provider.open(material, id: id)
        let digest = [UInt8](repeating: 7, count: 32)
        _ = try key.sign(digest, .ecdsa(.p256))
        let folder = try module.folder()
        let elsewhere = try TemporaryFolder()
        try FileManager.default.moveItem(atPath: folder, toPath: elsewhere.file("token"))
        #expect(isAbsent { try module.restartModule() })
        for _ in 0..<3 { #expect(isAbsent { _ = try key.sign(digest, .ecdsa(.p256)) }) }
        #expect(isAbsent { _ = try module.provider.random(count: 1) })
        #expect(isAbsent { _ = try module.make(.oct(bits: 256)) })
        #expect(!module.provider.isPresent)
        // What needs no token goes on.
        #expect(try !key.verify(digest, signature: [UInt8](repeating: 1, count: 64), .ecdsa(.p256)))
        try FileManager.default.moveItem(atPath: elsewhere.file("token"), toPath: folder)
        // It is tried at most once a second.
        try await Task.sleep(for: .milliseconds(1_100))
        let signature = try key.sign(digest, .ecdsa(.p256))
        #expect(try key.verify(digest, signature: signature, .ecdsa(.p256)))
        #expect(module.provider.isPresent)
    }

    @Test("Input that is wrong is not taken for a loss of the token")
    func wrongInput() throws {
        let module = try OwnModule(sessions: 1)
        let (aes, aesID) = try module.make(.oct(bits: 256))
        let (rsa, rsaID) = try module.make(.rsa(bits: 2_048))
        let (wrapping, decrypting) = (
            try module.provider.open(aes, id: aesID), try module.provider.open(rsa, id: rsaID)
        )
        for _ in 0..<20 {
            for (key, algorithm, count) in [
                (wrapping, .aesKW(bits: 256), 40), (wrapping, .ckmAESKeyWrapPad, 40),
                (wrapping, .aesGCM(bits: 256), 40), (wrapping, .aesCBCPad(bits: 256), 31),
                (decrypting, .rsaOAEP(.sha1), 256), (decrypting, .rsa15, 256), (decrypting, .rsa15, 3),
            ] as [(any CryptoKey, KeyAlgorithm, Int)] {
                let parameters = CipherParameters(
                    iv: [UInt8](repeating: 1, count: algorithm == .aesGCM(bits: 256) ? 12 : 16),
                    tag: [UInt8](repeating: 1, count: 16))
                #expect {
                    try key.decrypt([UInt8](repeating: 9, count: count), algorithm, parameters)
                } throws: { error in
                    if case CryptoError.notAuthentic = error { true } else { false }
                }
            }
            #expect(module.provider.isPresent)
        }
        var parameters = CipherParameters()
        let sealed = try wrapping.encrypt([1, 2, 3], .aesGCM(bits: 256), &parameters)
        #expect(try wrapping.decrypt(sealed, .aesGCM(bits: 256), parameters).count == 3)
    }

    // MARK: Sessions

    @Test("More callers than sessions wait for one another", arguments: [1, 2])
    func sessions(_ count: Int) async throws {
        let module = try OwnModule(sessions: count)
        let (material, id) = try module.make(.ec(.p256))
        let key = try module.provider.open(material, id: id)
        let done = try await withThrowingTaskGroup(of: Int.self) { group in
            for task in 0..<16 {
                group.addTask {
                    for round in 0..<5 {
                        let digest = [UInt8](repeating: UInt8(task * 5 + round), count: 32)
                        let signature = try key.sign(digest, .ecdsa(.p256))
                        guard try key.verify(digest, signature: signature, .ecdsa(.p256)) else { return 0 }
                    }
                    return 1
                }
            }
            return try await group.reduce(0, +)
        }
        #expect(done == 16)
    }
}
