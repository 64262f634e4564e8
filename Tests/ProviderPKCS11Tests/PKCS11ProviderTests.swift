import Cryptography
import Domain
import ProviderOpenSSL
import ProviderPKCS11
import StrongroomTesting
import Testing

struct PKCS11ProviderTests {
    private let module: OwnModule
    private var provider: PKCS11Provider { module.provider }

    init() throws { module = try OwnModule() }

    static let kinds: [KeySpecification] = [
        .rsa(bits: 2_048), .ec(.p256), .ec(.p256K), .ec(.p384), .ec(.p521), .oct(bits: 128), .oct(bits: 256),
        .oct(bits: 512), .ed25519,
    ]

    @Test("A key in the token is private, sensitive and cannot be extracted", arguments: kinds)
    func flags(_ specification: KeySpecification) throws {
        for isExportable in [false, true] {
            let id = try module.newID()
            let material = try provider.generate(
                specification, publicExponent: 65_537, id: id, isExportable: isExportable)
            let flags = Dictionary(
                uniqueKeysWithValues: try provider.flags(of: material, id: id).map { ($0.name, $0.value) })
            #expect(
                flags == [
                    "CKA_TOKEN": true, "CKA_PRIVATE": true, "CKA_SENSITIVE": true, "CKA_EXTRACTABLE": false,
                ])
        }
    }

    @Test("An imported key is kept as one that was made there")
    func importedFlags() throws {
        let software = try module.software.generate(.ec(.p256), publicExponent: 65_537, id: [], isExportable: false)
        let id = try module.newID()
        let material = try provider.importKey(.pkcs8(software.reference), id: id, isExportable: false)
        #expect(try provider.flags(of: material, id: id).first { $0.name == "CKA_EXTRACTABLE" }?.value == false)
        #expect(try provider.flags(of: material, id: id).first { $0.name == "CKA_SENSITIVE" }?.value == true)
    }

    @Test("Each key is one object under its identifier, gone when it is destroyed", arguments: kinds)
    func objects(_ specification: KeySpecification) throws {
        #expect(try provider.objects().isEmpty)
        let (first, firstID) = try module.make(specification)
        let (second, secondID) = try module.make(specification)
        #expect(try provider.objects() == [firstID, secondID])
        // Using a key leaves nothing behind.
        if specification.family == .oct {
            _ = try? provider.open(first, id: firstID).sign([UInt8](repeating: 1, count: 32), .hmac(.sha256))
        }
        #expect(try provider.objects() == [firstID, secondID])
        provider.destroy(first, id: firstID)
        #expect(try provider.objects() == [secondID])
        provider.destroy(first, id: firstID)
        provider.destroy(second, id: secondID)
        #expect(try provider.objects().isEmpty)
    }

    @Test("What failed leaves no object behind")
    func failures() throws {
        #expect(throws: CryptoError.self) {
            try provider.importKey(
                .oct(SensitiveBytes([1, 2, 3])), id: try module.newID(), isExportable: false)
        }
        #expect(throws: CryptoError.self) {
            try provider.adopt(
                KeyMaterial(
                    specification: .oct(bits: 256), publicKey: .none,
                    reference: SensitiveBytes([UInt8](repeating: 3, count: 40))), id: try module.newID(),
                isExportable: false)
        }
        #expect(try provider.objects().isEmpty)
    }

    @Test("Objects are removed by their identifiers, those of others left alone")
    func remove() throws {
        let keys = try (0..<5).map { _ in try module.make(.oct(bits: 256)).id }
        try provider.remove(Set(keys[1...3]))
        #expect(try provider.objects() == [keys[0], keys[4]])
        try provider.remove(Set(keys))
        try provider.remove([])
        #expect(try provider.objects().isEmpty)
    }

    @Test("Two servers on one token do not see one another's keys, and take one another's backups")
    func instances() throws {
        let other = try PKCS11Provider(module.token, software: module.software, instance: "two")
        let (material, id) = try module.make(.ec(.p256))
        #expect(try other.objects().isEmpty)
        try other.remove([id])
        other.destroy(material, id: id)
        #expect(try provider.objects() == [id])
        let adopted = try other.adopt(material, id: id, isExportable: false)
        #expect(try other.objects() == [id])
        let digest = [UInt8](repeating: 5, count: 32)
        let signature = try other.open(adopted, id: id).sign(digest, .ecdsa(.p256))
        #expect(
            try module.software.openPublic(material.publicKey).verify(
                digest, signature: signature, .ecdsa(.p256)))
        provider.destroy(material, id: id)
        #expect(try other.objects() == [id])
    }

    @Test(
        "A backup that another token's key wraps is refused",
        arguments: [.ec(.p256), .oct(bits: 256)] as [KeySpecification])
    func otherToken(_ specification: KeySpecification) throws {
        let (material, _) = try module.make(specification)
        let other = try OwnModule(label: "other")
        #expect {
            try other.provider.adopt(material, id: try module.newID(), isExportable: false)
        } throws: { error in
            if case CryptoError.malformed = error { true } else { false }
        }
        #expect(try other.provider.objects().isEmpty)
    }

    @Test("Random bytes come from the module, as many as asked for")
    func random() throws {
        for count in [1, 16, 128] { #expect(try provider.random(count: count).count == count) }
        #expect(Set(try (0..<50).map { _ in try provider.random(count: 16) }).count == 50)
    }

    @Test("The token says what it is")
    func information() throws {
        let information = try provider.information()
        #expect(information.model == "SoftHSM v2")
        #expect(information.serialNumber.count == 16)
        #expect(provider.isPresent)
    }

    @Test("Nothing a module does is quick but ciphers of a module that was measured to be", arguments: kinds)
    func quick(_ specification: KeySpecification) {
        let mayBe: Set<KeyOperation> = specification.family == .oct ? [.encrypt, .decrypt] : []
        for operation in KeyOperation.allCases where !mayBe.contains(operation) {
            #expect(!provider.isQuick(operation, with: specification))
        }
    }

    // MARK: The wrapping key

    @Test("The server's own key is wrapped by the token and opened by it alone")
    func seals() throws {
        let secret = try module.engine.randomKey(count: 32)
        let sealed = try provider.wrapping.seal(secret)
        #expect(sealed != secret.withUnsafeBytes { Array($0) })
        #expect(SensitiveBytes.equal(try provider.wrapping.open(sealed), secret))
        #expect(SensitiveBytes.equal(try WrappingKey(module.token).open(sealed), secret))
        let other = try OwnModule(label: "other")
        for (what, wrapped) in [
            ("by another", try other.provider.wrapping.seal(secret)), ("cut", Array(sealed.dropLast(8))),
            ("longer", sealed + [UInt8](repeating: 0, count: 8)), ("nothing", []),
        ] {
            #expect(throws: CryptoError.self, "\(what)") { try provider.wrapping.open(wrapped) }
        }
        for index in sealed.indices {
            var altered = sealed
            altered[index] ^= 1
            #expect(throws: CryptoError.self, "byte \(index)") { try provider.wrapping.open(altered) }
        }
    }

    @Test("The wrapping key is made once and found again")
    func wrappingKey() throws {
        let sealed = try provider.wrapping.seal(SensitiveBytes([UInt8](repeating: 9, count: 32)))
        try module.restartModule()
        let again = try PKCS11Provider(module.token, software: module.software, instance: "three")
        #expect(try again.wrapping.open(sealed).count == 32)
    }
}
