import Cryptography
import Domain
import ProviderOpenSSL
import StrongroomTesting
import Testing

/// What both providers promise of making, taking, giving and removing keys.
struct ProviderKeyTests {
    private let providers: Providers

    init() throws { providers = try Providers.shared }

    /// Uses both halves of a key, so that a mistake in either shows.
    private func expectWorks(
        _ key: any CryptoKey, _ material: KeyMaterial, sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let algorithm: KeyAlgorithm =
            switch material.specification {
            case .rsa: .rsaPKCS1(.sha256)
            case .ec(let curve): .ecdsa(curve)
            case .ed25519: .edDSA
            case .oct(bits: 256): .hmac(.sha256)
            case .oct(bits: 384): .hmac(.sha384)
            case .oct(bits: 512): .hmac(.sha512)
            case .oct: .ckmAESKeyWrapPad
            }
        if case .ckmAESKeyWrapPad = algorithm {
            let text = try providers.random(20)
            var parameters = CipherParameters()
            let sealed = try key.encrypt(text, algorithm, &parameters)
            #expect(
                try key.decrypt(sealed, algorithm, parameters).array == text, sourceLocation: sourceLocation)
        } else {
            let digest = try providers.random(algorithm.digestCount ?? 40)
            let signature = try key.sign(digest, algorithm)
            #expect(
                try key.verify(digest, signature: signature, algorithm), sourceLocation: sourceLocation)
        }
    }

    // MARK: Making

    @Test("A key is made as asked, and its public half is whole", arguments: Kind.allCases, KeySpecification.everyOne)
    func makes(_ kind: Kind, _ specification: KeySpecification) throws {
        let held = try providers.make(kind, specification)
        defer { held.provider.destroy(held.material, id: held.id) }
        #expect(held.provider.supports(specification))
        #expect(held.material.specification == specification)
        #expect(held.canLeave || kind == .hardware && specification == .ed25519)
        switch (specification, held.material.publicKey) {
        case (.rsa(let bits), .rsa(let n, let e)):
            #expect(n.count == bits / 8 && n[0] & 0x80 != 0 && e == [1, 0, 1])
        case (.ec(let curve), .ec(let named, let x, let y)):
            #expect(named == curve && x.count == curve.byteCount && y.count == curve.byteCount)
        case (.ed25519, .ed25519(let x)): #expect(x.count == 32)
        case (.oct, .none): break
        default: Issue.record("the public half is of another kind")
        }
        try expectWorks(held.key, held.material)
    }

    @Test("No two keys are the same", arguments: Kind.allCases)
    func distinct(_ kind: Kind) throws {
        for specification in [.ec(.p256), .ed25519, .oct(bits: 128), .oct(bits: 512)] as [KeySpecification] {
            let keys = try (0..<5).map { _ in try providers.make(kind, specification) }
            defer { for key in keys { key.provider.destroy(key.material, id: key.id) } }
            if keys[0].canLeave { #expect(Set(keys.map { $0.material.reference.array }).count == 5) }
            if specification.family != .oct { #expect(Set(keys.map(\.material.publicKey)).count == 5) }
        }
    }

    @Test(
        "An RSA key has the public exponent asked for", arguments: Kind.allCases,
        [3, 17, 65_539, 4_294_967_291] as [UInt32])
    func exponents(_ kind: Kind, _ exponent: UInt32) throws {
        let held = try providers.make(kind, .rsa(bits: 2_048), publicExponent: exponent)
        defer { held.provider.destroy(held.material, id: held.id) }
        guard case .rsa(_, let e) = held.material.publicKey else {
            Issue.record("no RSA key")
            return
        }
        #expect(e[0] != 0 && e.reduce(UInt32(0)) { $0 << 8 | UInt32($1) } == exponent)
        try expectWorks(held.key, held.material)
    }

    @Test(
        "What a provider does not do, it says beforehand", arguments: Kind.allCases,
        [.rsa(bits: 1_024), .rsa(bits: 2_047), .rsa(bits: 8_192), .oct(bits: 0), .oct(bits: 64), .oct(bits: 136)]
            as [KeySpecification])
    func unsupported(_ kind: Kind, _ specification: KeySpecification) throws {
        #expect(!(providers.provider(kind).supports(specification)))
    }

    @Test("An algorithm is supported with the keys that it fits and with no others", arguments: Kind.allCases)
    func algorithms(_ kind: Kind) throws {
        let provider = providers.provider(kind)
        for (text, algorithm) in KeyAlgorithm.all {
            for specification in KeySpecification.everyOne {
                #expect(
                    provider.supports(algorithm, with: specification) == algorithm.fits(specification),
                    "\(text) \(specification.description)")
            }
        }
    }

    // MARK: Taking

    @Test(
        "A key that comes in from outside is the same inside", arguments: Kind.allCases, KeySpecification.everyOne)
    func takes(_ kind: Kind, _ specification: KeySpecification) throws {
        let original = try providers.twin(.software, specification)
        let taken = try providers.take(kind, Providers.exported(original))
        defer { taken.provider.destroy(taken.material, id: taken.id) }
        #expect(taken.material.specification == specification)
        #expect(taken.material.publicKey == original.material.publicKey)
        try expectWorks(taken.key, taken.material)
    }

    @Test(
        "A symmetric key of a size that there is not is refused", arguments: Kind.allCases,
        [0, 1, 8, 15, 17, 20, 31, 33, 47, 63, 65, 128])
    func sizes(_ kind: Kind, _ count: Int) throws {
        expectMalformed("\(count) bytes") {
            _ = try providers.take(kind, .oct(SensitiveBytes([UInt8](repeating: 7, count: count))))
        }
    }

    @Test("What is no key is refused", arguments: Kind.allCases)
    func nonsense(_ kind: Kind) throws {
        let sound = try providers.twin(.software, .ec(.p256)).material.reference.array
        for bytes in [[], [0], [0x30, 0x00], sound + [0], Array(sound.dropLast()), sound.flipped(at: 0)] {
            expectMalformed("\(bytes.count) bytes") {
                _ = try providers.take(kind, .pkcs8(SensitiveBytes(bytes)))
            }
        }
        guard case .ec(let curve, let x, let y) = try providers.twin(.software, .ec(.p384)).material.publicKey else {
            Issue.record("no key on a curve")
            return
        }
        expectMalformed("another key's private half") {
            let d = SensitiveBytes([UInt8](repeating: 1, count: 48))
            _ = try providers.take(kind, .ec(curve, x: x, y: y, d: d))
        }
    }

    // MARK: Giving

    @Test(
        "A key goes out under a wrapping key and is the same outside", arguments: Kind.allCases,
        KeySpecification.everyOne)
    func exports(_ kind: Kind, _ specification: KeySpecification) throws {
        let original = try providers.twin(kind, specification)
        let transport = try providers.secret(32)
        guard original.canLeave else {
            #expect(throws: CryptoError.self) {
                try original.provider.export(original.material, id: original.id, wrappedBy: transport)
            }
            return
        }
        let wrapped = try original.provider.export(
            original.material, id: original.id, wrappedBy: transport)
        let opened = try providers.software.ephemeral(transport).decrypt(
            wrapped, .ckmAESKeyWrapPad, CipherParameters())
        let again = try providers.take(.software, specification.family == .oct ? .oct(opened) : .pkcs8(opened))
        #expect(again.material.publicKey == original.material.publicKey)
        let software = try providers.twin(.software, specification)
        if specification.family == .oct { #expect(opened.array == software.material.reference.array) }
        try expectWorks(again.key, again.material)
        expectNotAuthentic("another transport key") {
            try providers.software.ephemeral(try providers.secret(32)).decrypt(
                wrapped, .ckmAESKeyWrapPad, CipherParameters())
        }
    }

    @Test(
        "A key that went out of one provider comes into the other and is the same there",
        arguments: Kind.allCases, KeySpecification.everyOne)
    func moves(_ kind: Kind, _ specification: KeySpecification) throws {
        let original = try providers.twin(kind == .software ? .hardware : .software, specification)
        guard original.canLeave, try providers.twin(kind, specification).canLeave else { return }
        let (transport, id) = (try providers.secret(32), try providers.software.makeNonce(count: 16))
        let wrapped = try original.provider.export(
            original.material, id: original.id, wrappedBy: transport)
        let provider = try providers.twin(kind, specification).provider
        let half = original.material.publicKey
        let material = try provider.importKey(
            wrapped: wrapped, specification, half, id: id, isExportable: false, wrappedBy: transport)
        defer { provider.destroy(material, id: id) }
        #expect(material.specification == specification)
        #expect(material.publicKey == half)
        try expectWorks(try provider.open(material, id: id), material)
        // Its object may be there already.
        let again = try provider.importKey(
            wrapped: wrapped, specification, half, id: id, isExportable: false, wrappedBy: transport)
        try expectWorks(try provider.open(again, id: id), again)
        for (bytes, key) in [
            (wrapped.flipped(at: 9), transport), (Array(wrapped.dropLast(8)), transport), ([], transport),
            (wrapped, try providers.secret(32)),
        ] {
            expectMalformed("\(bytes.count) bytes") {
                _ = try provider.importKey(
                    wrapped: bytes, specification, half, id: try providers.software.makeNonce(count: 16),
                    isExportable: false, wrappedBy: key)
            }
        }
    }

    // MARK: Backup

    @Test(
        "A key that was removed comes back by its reference, under its own or another identifier",
        arguments: Kind.allCases, [.rsa(bits: 2_048), .ec(.p521), .ed25519, .oct(bits: 192)] as [KeySpecification])
    func adopts(_ kind: Kind, _ specification: KeySpecification) throws {
        let held = try providers.make(kind, specification)
        held.provider.destroy(held.material, id: held.id)
        held.provider.destroy(held.material, id: held.id)
        guard held.canLeave else {
            expectMalformed("a key that stays") {
                _ = try held.provider.adopt(held.material, id: held.id, isExportable: false)
            }
            return
        }
        for id in [held.id, try providers.newID()] {
            let adopted = try held.provider.adopt(held.material, id: id, isExportable: false)
            #expect(adopted.specification == specification && adopted.publicKey == held.material.publicKey)
            try expectWorks(try held.provider.open(adopted, id: id), adopted)
            // Twice is once.
            _ = try held.provider.adopt(held.material, id: id, isExportable: false)
            held.provider.destroy(adopted, id: id)
        }
    }

    @Test("A reference that was changed is refused", arguments: Kind.allCases)
    func brokenReference(_ kind: Kind) throws {
        let held = try providers.make(kind, .ec(.p256))
        defer { held.provider.destroy(held.material, id: held.id) }
        let reference = held.material.reference.array
        for (what, bytes) in [
            ("empty", []), ("cut", Array(reference.dropLast(8))), ("changed", reference.flipped(at: 1, bit: 5)),
        ] {
            let broken = KeyMaterial(
                specification: held.material.specification, publicKey: held.material.publicKey,
                reference: SensitiveBytes(bytes))
            let id = try providers.newID()
            expectMalformed(what) {
                let adopted = try held.provider.adopt(broken, id: id, isExportable: false)
                _ = try held.provider.open(adopted, id: id)
            }
        }
    }
}
