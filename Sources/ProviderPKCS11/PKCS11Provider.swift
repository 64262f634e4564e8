internal import CPKCS11
package import Cryptography
package import Domain
package import ProviderOpenSSL

/// Keys in a hardware security module, by PKCS #11 2.40.
///
/// A key is born in the module, wrapped there once by the token's own wrapping key, and kept as a token object that is sensitive and
/// cannot be extracted. The reference in the record holds the wrapped form: a backup carries it, and only a token that has the
/// wrapping key can take it back.
package final class PKCS11Provider: HardwareProvider {
    package let token: Token
    let software: OpenSSLProvider
    /// Of this server; so that several may share a token.
    private let label: String
    private let mechanisms: Set<UInt>
    package let wrapping: WrappingKey
    let probes: Probes

    /// - Parameter instance: names this server's objects.
    package init(_ token: Token, software: OpenSSLProvider, instance: String) throws(CryptoError) {
        self.token = token
        self.software = software
        label = "strongroom-\(instance)"
        mechanisms = Set(try token.mechanisms().map { UInt($0) })
        guard mechanisms.contains(UInt(CKM_AES_KEY_WRAP_PAD)) else {
            throw .absent("the token lacks CKM_AES_KEY_WRAP_PAD, which wraps its keys for backup")
        }
        probes = try Probes(token)
        let wrapping = WrappingKey(token)
        self.wrapping = wrapping
        _ = try token.withSession { session throws(TokenFailure) in try wrapping.handle(in: session) }
    }

    // MARK: Making keys

    package func generate(
        _ specification: KeySpecification, publicExponent: UInt32, id: [UInt8], isExportable: Bool
    ) throws(CryptoError) -> KeyMaterial {
        try token.withSession { session throws(TokenFailure) in
            if specification.family == .oct { return try generateSecret(specification, id, session) }
            return try generatePair(specification, publicExponent, id, session)
        }
    }

    private func generateSecret(_ specification: KeySpecification, _ id: [UInt8], _ session: Token.Session)
        throws(TokenFailure) -> KeyMaterial
    {
        guard case .oct(let bits) = specification else { throw TokenFailure(CK_RV(CKR_ARGUMENTS_BAD)) }
        var mechanism = CK_MECHANISM(
            mechanism: Mechanisms.generation(specification), pParameter: nil, ulParameterLen: 0)
        let template = Templates.newborn(specification, hasClass: false)
            .number(CK_ATTRIBUTE_TYPE(CKA_VALUE_LEN), CK_ULONG(bits / 8))
        var attributes = template.attributes
        var handle: CK_OBJECT_HANDLE = 0
        try check(
            session.list.C_GenerateKey(session.handle, &mechanism, &attributes, CK_ULONG(attributes.count), &handle))
        defer { Objects.destroy(handle, in: session) }
        return KeyMaterial(
            specification: specification, publicKey: .none,
            reference: SensitiveBytes(try settle(handle, specification, id, session)))
    }

    private func generatePair(
        _ specification: KeySpecification, _ publicExponent: UInt32, _ id: [UInt8], _ session: Token.Session
    ) throws(TokenFailure) -> KeyMaterial {
        var mechanism = CK_MECHANISM(
            mechanism: Mechanisms.generation(specification), pParameter: nil, ulParameterLen: 0)
        let publicTemplate = Template().flag(CK_ATTRIBUTE_TYPE(CKA_TOKEN), false)
            .flag(CK_ATTRIBUTE_TYPE(CKA_VERIFY), true)
        switch specification {
        case .rsa(let bits):
            let exponent = (0..<4).map { UInt8(truncatingIfNeeded: publicExponent >> UInt32(24 - 8 * $0)) }
            publicTemplate.number(CK_ATTRIBUTE_TYPE(CKA_MODULUS_BITS), CK_ULONG(bits))
                .bytes(CK_ATTRIBUTE_TYPE(CKA_PUBLIC_EXPONENT), Array(exponent.drop { $0 == 0 }))
        case .ec(let curve): publicTemplate.bytes(CK_ATTRIBUTE_TYPE(CKA_EC_PARAMS), curve.parameters)
        default: publicTemplate.bytes(CK_ATTRIBUTE_TYPE(CKA_EC_PARAMS), edwards25519)
        }
        // What cannot be wrapped is made to stay from the beginning, and has no backup.
        let staysUnwrapped = specification == .ed25519 && !probes.wrapsEdwards
        let privateTemplate =
            staysUnwrapped
            ? Templates.kept(specification, id: id, label: label, hasClass: false)
            : Templates.newborn(specification, hasClass: false)
        var (publicPart, privatePart) = (publicTemplate.attributes, privateTemplate.attributes)
        var (publicKey, privateKey): (CK_OBJECT_HANDLE, CK_OBJECT_HANDLE) = (0, 0)
        try check(
            session.list.C_GenerateKeyPair(
                session.handle, &mechanism, &publicPart, CK_ULONG(publicPart.count), &privatePart,
                CK_ULONG(privatePart.count), &publicKey, &privateKey))
        defer {
            Objects.destroy(publicKey, in: session)
            if !staysUnwrapped { Objects.destroy(privateKey, in: session) }
        }
        if staysUnwrapped {
            return KeyMaterial(
                specification: specification, publicKey: try read(publicKey, specification, session),
                reference: SensitiveBytes([]))
        }
        return KeyMaterial(
            specification: specification, publicKey: try read(publicKey, specification, session),
            reference: SensitiveBytes(try settle(privateKey, specification, id, session)))
    }

    /// Wraps a newborn key for backup and makes of it the object that stays.
    ///
    /// - Returns: the wrapped key.
    private func settle(
        _ newborn: CK_OBJECT_HANDLE, _ specification: KeySpecification, _ id: [UInt8], _ session: Token.Session
    ) throws(TokenFailure) -> [UInt8] {
        let wrapped = try Objects.wrap(
            newborn, by: try wrapping.handle(in: session), WrappingKey.mechanism, in: session)
        _ = try keep(wrapped, specification, id, session)
        return wrapped
    }

    /// Tried again when the module stumbles over objects that several threads write at once.
    private func keep(_ wrapped: [UInt8], _ specification: KeySpecification, _ id: [UInt8], _ session: Token.Session)
        throws(TokenFailure) -> CK_OBJECT_HANDLE
    {
        let template = Templates.kept(specification, id: id, label: label)
        var attempts = 0
        while true {
            let result = Result { () throws(TokenFailure) in
                try Objects.unwrap(
                    wrapped, by: try wrapping.handle(in: session), WrappingKey.mechanism, template,
                    in: session.handle, session.list)
            }
            attempts += 1
            guard case .failure(let failure) = result, failure.isVague, attempts < 4 else { return try result.get() }
            // What it left half made must not stay.
            if let half = try find(id, in: session) { Objects.destroy(half, in: session) }
        }
    }

    private func read(_ publicKey: CK_OBJECT_HANDLE, _ specification: KeySpecification, _ session: Token.Session)
        throws(TokenFailure) -> PublicKey
    {
        switch specification {
        case .rsa:
            let n = try Objects.read(CK_ATTRIBUTE_TYPE(CKA_MODULUS), of: publicKey, in: session).drop { $0 == 0 }
            let e = try Objects.read(CK_ATTRIBUTE_TYPE(CKA_PUBLIC_EXPONENT), of: publicKey, in: session)
                .drop { $0 == 0 }
            return .rsa(n: Array(n), e: Array(e))
        case .ec(let curve):
            // An octet string around the uncompressed point (SEC 1 §2.3.3), which ends it and whose length is known.
            let point = try Objects.read(CK_ATTRIBUTE_TYPE(CKA_EC_POINT), of: publicKey, in: session)
                .suffix(1 + 2 * curve.byteCount)
            guard point.count == 1 + 2 * curve.byteCount, point.first == 4 else {
                throw TokenFailure(CK_RV(CKR_ATTRIBUTE_VALUE_INVALID))
            }
            let numbers = Array(point.dropFirst())
            return .ec(
                curve, x: Array(numbers.prefix(curve.byteCount)), y: Array(numbers.suffix(curve.byteCount)))
        default:
            let point = try Objects.read(CK_ATTRIBUTE_TYPE(CKA_EC_POINT), of: publicKey, in: session).suffix(32)
            guard point.count == 32 else { throw TokenFailure(CK_RV(CKR_ATTRIBUTE_VALUE_INVALID)) }
            return .ed25519(x: Array(point))
        }
    }

    // MARK: Taking keys

    /// The key is checked in the server, and goes into the module wrapped.
    package func importKey(_ key: PrivateKey, id: [UInt8], isExportable: Bool) throws(CryptoError) -> KeyMaterial {
        let checked = try software.importKey(key, id: id, isExportable: isExportable)
        if checked.specification == .ed25519, !probes.wrapsEdwards { return try put(key, checked.publicKey, id) }
        let transport = try software.makeSecret(count: 32)
        let wrapped = try software.export(checked, id: id, wrappedBy: transport)
        return try token.withSession { session throws(TokenFailure) in
            let carrier = try Objects.create(Templates.transport(transport), in: session.handle, session.list)
            defer { Objects.destroy(carrier, in: session) }
            let newborn = try Objects.unwrap(
                wrapped, by: carrier, WrappingKey.mechanism, Templates.newborn(checked.specification),
                in: session.handle,
                session.list)
            defer { Objects.destroy(newborn, in: session) }
            return KeyMaterial(
                specification: checked.specification, publicKey: checked.publicKey,
                reference: SensitiveBytes(try settle(newborn, checked.specification, id, session)))
        }
    }

    /// An Ed25519 key as an object, for modules that cannot unwrap one.
    private func put(_ key: PrivateKey, _ publicKey: PublicKey, _ id: [UInt8]) throws(CryptoError) -> KeyMaterial {
        guard case .ed25519(_, let seed) = key else { throw .unavailable("Ed25519 as PKCS #8") }
        let template = Templates.kept(.ed25519, id: id, label: label)
            .bytes(CK_ATTRIBUTE_TYPE(CKA_EC_PARAMS), edwards25519)
        seed.withUnsafeBytes { _ = template.bytes(CK_ATTRIBUTE_TYPE(CKA_VALUE), $0) }
        try token.withSession { session throws(TokenFailure) in
            _ = try Objects.create(template, in: session.handle, session.list)
        }
        return KeyMaterial(specification: .ed25519, publicKey: publicKey, reference: SensitiveBytes([]))
    }

    package func adopt(_ material: KeyMaterial, id: [UInt8], isExportable: Bool) throws(CryptoError) -> KeyMaterial {
        guard material.reference.count > 0 else { throw .malformed("the backup does not hold it") }
        do throws(CryptoError) {
            try token.withSession { session throws(TokenFailure) in
                guard try find(id, in: session) == nil else { return }
                _ = try keep(material.reference.withUnsafeBytes { Array($0) }, material.specification, id, session)
            }
        } catch {
            if case .failed = error {
                throw .malformed("it was wrapped by the key of another hardware security module")
            }
            throw error
        }
        return material
    }

    package func destroy(_ material: KeyMaterial, id: [UInt8]) {
        try? token.withSession { session throws(TokenFailure) in
            while let object = try find(id, in: session) {
                try Objects.remove(object, in: session)
            }
        }
    }

    package func export(_ material: KeyMaterial, id: [UInt8], wrappedBy key: SensitiveBytes) throws(CryptoError)
        -> [UInt8]
    {
        guard material.reference.count > 0 else { throw .unavailable("Wrapping a key of this type") }
        guard probes.wrapsExactly else { return try exportThroughServer(material, wrappedBy: key) }
        return try token.withSession { session throws(TokenFailure) in
            let newborn = try Objects.unwrap(
                material.reference.withUnsafeBytes { Array($0) }, by: try wrapping.handle(in: session),
                WrappingKey.mechanism,
                Templates.newborn(material.specification), in: session.handle, session.list)
            defer { Objects.destroy(newborn, in: session) }
            let carrier = try Objects.create(Templates.transport(key), in: session.handle, session.list)
            defer { Objects.destroy(carrier, in: session) }
            return try Objects.wrap(newborn, by: carrier, WrappingKey.mechanism, in: session)
        }
    }

    /// For modules that wrap with a padding of their own: the wrap is made in the server, which knows `key` anyway.
    private func exportThroughServer(_ material: KeyMaterial, wrappedBy key: SensitiveBytes) throws(CryptoError)
        -> [UInt8]
    {
        let secret = try wrapping.open(material.reference.withUnsafeBytes { Array($0) })
        let count =
            material.specification.family == .oct ? secret.count : secret.withUnsafeBytes { Self.length(ofDER: $0) }
        let exact = secret.withUnsafeBytes { SensitiveBytes($0[0..<min(count, $0.count)]) }
        let whole = KeyMaterial(
            specification: material.specification, publicKey: material.publicKey, reference: exact)
        return try software.export(whole, id: [], wrappedBy: key)
    }

    /// Bytes of a DER value with its tag and length (X.690 §8.1.3).
    private static func length(ofDER bytes: UnsafeRawBufferPointer) -> Int {
        guard bytes.count > 4 else { return bytes.count }
        guard bytes[1] & 0x80 != 0 else { return 2 + Int(bytes[1]) }
        let digits = Int(bytes[1] & 0x7F)
        guard (1...3).contains(digits) else { return bytes.count }
        return 2 + digits + bytes[2..<(2 + digits)].reduce(0) { $0 << 8 | Int($1) }
    }

    package func importKey(
        wrapped: [UInt8], _ specification: KeySpecification, _ publicKey: PublicKey, id: [UInt8], isExportable: Bool,
        wrappedBy key: SensitiveBytes
    ) throws(CryptoError) -> KeyMaterial {
        do throws(CryptoError) {
            let reference = try token.withSession { session throws(TokenFailure) in
                let carrier = try Objects.create(Templates.transport(key), in: session.handle, session.list)
                defer { Objects.destroy(carrier, in: session) }
                let newborn = try Objects.unwrap(
                    wrapped, by: carrier, WrappingKey.mechanism, Templates.newborn(specification), in: session.handle,
                    session.list)
                defer { Objects.destroy(newborn, in: session) }
                // Its object may be there: of the same version in another vault.
                guard try find(id, in: session) == nil else {
                    return try Objects.wrap(
                        newborn, by: try wrapping.handle(in: session), WrappingKey.mechanism, in: session)
                }
                return try settle(newborn, specification, id, session)
            }
            return KeyMaterial(
                specification: specification, publicKey: publicKey, reference: SensitiveBytes(reference))
        } catch {
            if case .failed = error { throw .malformed("the hardware security module does not unwrap it") }
            throw error
        }
    }

    // MARK: Using keys

    package func open(_ material: KeyMaterial, id: [UInt8]) throws(CryptoError) -> any CryptoKey {
        TokenKey(self, material, id)
    }

    private func find(_ id: [UInt8], in session: Token.Session) throws(TokenFailure) -> CK_OBJECT_HANDLE? {
        let template = Template().bytes(CK_ATTRIBUTE_TYPE(CKA_ID), id).text(CK_ATTRIBUTE_TYPE(CKA_LABEL), label)
            .flag(CK_ATTRIBUTE_TYPE(CKA_TOKEN), true)
        return try Objects.find(template, in: session, limit: 1).first
    }

    /// The object of a key; one that the token has lost is put back from its wrapped form.
    func object(of material: KeyMaterial, id: [UInt8], in session: Token.Session) throws(TokenFailure)
        -> CK_OBJECT_HANDLE
    {
        if let object = try find(id, in: session) { return object }
        guard material.reference.count > 0 else { throw TokenFailure(CK_RV(CKR_ARGUMENTS_BAD)) }
        return try keep(material.reference.withUnsafeBytes { Array($0) }, material.specification, id, session)
    }

    /// A symmetric key once more as a generic secret, which is what modules want for HMAC. Lives as long as the connection.
    func genericSecret(of material: KeyMaterial, in session: Token.Session) throws(TokenFailure) -> CK_OBJECT_HANDLE {
        try Objects.unwrap(
            material.reference.withUnsafeBytes { Array($0) }, by: try wrapping.handle(in: session),
            WrappingKey.mechanism,
            Templates.hmacSecret(), in: session.keeper, session.list)
    }

    func nonce() throws(CryptoError) -> [UInt8] { try software.makeNonce(count: 12) }

    package func supports(_ specification: KeySpecification) -> Bool {
        guard mechanisms.contains(UInt(Mechanisms.generation(specification))) else { return false }
        switch specification {
        case .rsa(let bits): return KeySpecification.rsaSizes.contains(bits)
        case .oct(let bits):
            return KeySpecification.octSizes.contains(bits) || KeySpecification.hmacSizes.contains(bits)
        case .ec, .ed25519: return true
        }
    }

    package func supports(_ algorithm: KeyAlgorithm, with specification: KeySpecification) -> Bool {
        guard algorithm.fits(specification) else { return false }
        if case .rsaOAEP = algorithm, mechanisms.contains(UInt(CKM_RSA_X_509)) { return true }
        return mechanisms.contains(UInt(Mechanisms.needed(algorithm)))
    }

    /// A module in software encrypts in microseconds; a device across a bus or a network never does.
    package func isQuick(_ operation: KeyOperation, with specification: KeySpecification) -> Bool {
        guard probes.isQuick, token.isConnected, specification.family == .oct else { return false }
        switch operation {
        case .encrypt, .decrypt: return true
        default: return false
        }
    }

    // MARK: The module

    package var isPresent: Bool { token.isConnected }

    package func random(count: Int) throws(CryptoError) -> [UInt8] {
        try token.withSession { session throws(TokenFailure) in
            var bytes = [UInt8](repeating: 0, count: count)
            try check(session.list.C_GenerateRandom(session.handle, &bytes, CK_ULONG(count)))
            return bytes
        }
    }

    /// The flags of a key's object as the module tells them.
    package func flags(of material: KeyMaterial, id: [UInt8]) throws(CryptoError) -> [(name: String, value: Bool)] {
        try token.withSession { session throws(TokenFailure) in
            let object = try object(of: material, id: id, in: session)
            var flags: [(name: String, value: Bool)] = []
            for (name, type) in [
                ("CKA_TOKEN", CKA_TOKEN), ("CKA_PRIVATE", CKA_PRIVATE), ("CKA_SENSITIVE", CKA_SENSITIVE),
                ("CKA_EXTRACTABLE", CKA_EXTRACTABLE),
            ] {
                let value = try Objects.read(CK_ATTRIBUTE_TYPE(type), of: object, in: session)
                flags.append((name, value.first == 1))
            }
            return flags
        }
    }

    package func information() throws(CryptoError) -> (model: String, serialNumber: String) {
        try token.information()
    }

    /// The identifiers of this server's objects in the token.
    package func objects() throws(CryptoError) -> Set<[UInt8]> {
        try token.withSession { session throws(TokenFailure) in
            let template = Template().text(CK_ATTRIBUTE_TYPE(CKA_LABEL), label)
                .flag(CK_ATTRIBUTE_TYPE(CKA_TOKEN), true)
            var ids: Set<[UInt8]> = []
            for object in try Objects.find(template, in: session, limit: 1 << 16) {
                ids.insert(try Objects.read(CK_ATTRIBUTE_TYPE(CKA_ID), of: object, in: session))
            }
            return ids
        }
    }

    /// Removes objects of this server.
    package func remove(_ ids: Set<[UInt8]>) throws(CryptoError) {
        try token.withSession { session throws(TokenFailure) in
            for id in ids {
                while let object = try find(id, in: session) {
                    try Objects.remove(object, in: session)
                }
            }
        }
    }
}
