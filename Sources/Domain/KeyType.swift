/// The types of keys (`kty`), with and without a hardware security module.
///
/// - Source: Azure REST, JsonWebKeyType; RFC 7518 §6.1; `OKP` from RFC 8037 §2, an addition to the reference.
package enum KeyType: UInt8, Sendable, CaseIterable {
    case rsa = 1
    case rsaHSM, ec, ecHSM, oct, octHSM, okp, okpHSM

    package enum Family: Sendable, Hashable { case rsa, ec, oct, okp }

    package var text: String {
        switch self {
        case .rsa: "RSA"
        case .rsaHSM: "RSA-HSM"
        case .ec: "EC"
        case .ecHSM: "EC-HSM"
        case .oct: "oct"
        case .octHSM: "oct-HSM"
        case .okp: "OKP"
        case .okpHSM: "OKP-HSM"
        }
    }

    /// Without regard to case, as clients compare it.
    package init?(_ text: String) {
        let lower = text.lowercased()
        guard let type = Self.allCases.first(where: { $0.text.lowercased() == lower }) else { return nil }
        self = type
    }

    package var family: Family {
        switch self {
        case .rsa, .rsaHSM: .rsa
        case .ec, .ecHSM: .ec
        case .oct, .octHSM: .oct
        case .okp, .okpHSM: .okp
        }
    }

    package var isHSM: Bool {
        switch self {
        case .rsa, .ec, .oct, .okp: false
        case .rsaHSM, .ecHSM, .octHSM, .okpHSM: true
        }
    }

    /// The same family inside a hardware security module.
    package var inHSM: KeyType {
        switch self {
        case .rsa, .rsaHSM: .rsaHSM
        case .ec, .ecHSM: .ecHSM
        case .oct, .octHSM: .octHSM
        case .okp, .okpHSM: .okpHSM
        }
    }

    package var isAsymmetric: Bool { family != .oct }
}

/// The curves of the service, by their JWK names.
///
/// - Source: RFC 7518 §6.2.1.1, RFC 8812 (secp256k1, which the service calls P-256K), FIPS 186-5.
package enum EllipticCurve: UInt8, Sendable, CaseIterable {
    case p256 = 1
    case p384, p521, p256K

    package var text: String {
        switch self {
        case .p256: "P-256"
        case .p384: "P-384"
        case .p521: "P-521"
        case .p256K: "P-256K"
        }
    }

    package init?(_ text: String) {
        let lower = text.lowercased()
        // RFC 8812's own name is taken too.
        if lower == "secp256k1" {
            self = .p256K
            return
        }
        guard let curve = Self.allCases.first(where: { $0.text.lowercased() == lower }) else { return nil }
        self = curve
    }

    /// Bytes of a coordinate, and of each half of a signature.
    package var byteCount: Int {
        switch self {
        case .p256, .p256K: 32
        case .p384: 48
        case .p521: 66
        }
    }

    package var bits: Int {
        switch self {
        case .p256, .p256K: 256
        case .p384: 384
        case .p521: 521
        }
    }
}

/// What a key is, apart from where it is kept: its family and size.
package enum KeySpecification: Hashable, Sendable {
    /// 2048, 3072 or 4096.
    case rsa(bits: Int)
    case ec(EllipticCurve)
    /// AES: 128, 192 or 256.
    case oct(bits: Int)
    case ed25519

    package static let rsaSizes = [2_048, 3_072, 4_096]
    package static let octSizes = [128, 192, 256]
    /// Of keys that only sign and verify (HS384, HS512).
    package static let hmacSizes = [384, 512]

    package var family: KeyType.Family {
        switch self {
        case .rsa: .rsa
        case .ec: .ec
        case .oct: .oct
        case .ed25519: .okp
        }
    }

    /// Bits of security (NIST SP 800-57 part 1, table 2).
    package var strength: Int {
        switch self {
        case .rsa(let bits): bits >= 4_096 ? 152 : bits >= 3_072 ? 128 : 112
        case .ec(let curve): curve == .p521 ? 256 : curve.bits / 2
        case .oct(let bits): bits
        case .ed25519: 128
        }
    }

    package var description: String {
        switch self {
        case .rsa(let bits): "RSA \(bits)"
        case .ec(let curve): "EC \(curve.text)"
        case .oct(let bits): "AES \(bits)"
        case .ed25519: "Ed25519"
        }
    }
}

/// What a key may be used for (`key_ops`).
///
/// - Source: Azure REST, JsonWebKeyOperation.
package enum KeyOperation: UInt8, Sendable, CaseIterable {
    case encrypt = 1
    case decrypt, sign, verify, wrapKey, unwrapKey, `import`, export

    package var text: String {
        switch self {
        case .encrypt: "encrypt"
        case .decrypt: "decrypt"
        case .sign: "sign"
        case .verify: "verify"
        case .wrapKey: "wrapKey"
        case .unwrapKey: "unwrapKey"
        case .import: "import"
        case .export: "export"
        }
    }

    package init?(_ text: String) {
        let lower = text.lowercased()
        guard let operation = Self.allCases.first(where: { $0.text.lowercased() == lower }) else { return nil }
        self = operation
    }

    /// What a key of a family has when the request does not say.
    package static func defaults(for family: KeyType.Family) -> [KeyOperation] {
        switch family {
        case .rsa: [.encrypt, .decrypt, .sign, .verify, .wrapKey, .unwrapKey]
        case .ec, .okp: [.sign, .verify]
        case .oct: [.encrypt, .decrypt, .wrapKey, .unwrapKey]
        }
    }

    /// Whether a key of a family can ever do it.
    package func fits(_ family: KeyType.Family) -> Bool {
        switch (self, family) {
        case (.sign, _), (.verify, _), (.export, _): true
        case (.encrypt, .rsa), (.decrypt, .rsa), (.wrapKey, .rsa), (.unwrapKey, .rsa), (.import, .rsa): true
        case (.encrypt, .oct), (.decrypt, .oct), (.wrapKey, .oct), (.unwrapKey, .oct): true
        default: false
        }
    }

    /// Whether it makes something new with the key, which a key outside its time may not.
    package var isForbiddenOutsideWindow: Bool {
        switch self {
        case .encrypt, .wrapKey, .sign: true
        case .decrypt, .unwrapKey, .verify, .import, .export: false
        }
    }
}
