/// The hash of an algorithm.
package enum HashFunction: UInt8, Sendable, CaseIterable {
    case sha1, sha256, sha384, sha512

    package var byteCount: Int {
        switch self {
        case .sha1: 20
        case .sha256: 32
        case .sha384: 48
        case .sha512: 64
        }
    }
}

/// The algorithms of key operations (`alg`): one table from which checks, providers and documentation are read.
///
/// - Source: Azure REST, JsonWebKeyEncryptionAlgorithm and JsonWebKeySignatureAlgorithm; RFC 7518; RFC 8812; RFC 8037 for
///   `EdDSA`, an addition to the reference.
package enum KeyAlgorithm: Hashable, Sendable {
    /// RSAES-PKCS1-v1_5 (RFC 8017 §7.2).
    case rsa15
    /// RSAES-OAEP (RFC 8017 §7.1), the same hash in MGF1, no label.
    case rsaOAEP(HashFunction)
    /// RSASSA-PKCS1-v1_5 (RFC 8017 §8.2).
    case rsaPKCS1(HashFunction)
    /// RSASSA-PSS (RFC 8017 §8.1), the same hash in MGF1, salt as long as the hash.
    case rsaPSS(HashFunction)
    /// PKCS #1 v1.5 type 1 padding around what is given, without DigestInfo.
    case rsNull
    /// ECDSA (FIPS 186-5) with the hash of the curve; signatures as r and s side by side.
    case ecdsa(EllipticCurve)
    /// Ed25519 (RFC 8032) over the message itself.
    case edDSA
    /// HMAC (RFC 2104) over the digest given.
    case hmac(HashFunction)
    /// AES-GCM (NIST SP 800-38D), 96-bit nonce, 128-bit tag.
    case aesGCM(bits: Int)
    /// AES-CBC (NIST SP 800-38A) without padding.
    case aesCBC(bits: Int)
    /// AES-CBC with PKCS #7 padding (RFC 5652 §6.3).
    case aesCBCPad(bits: Int)
    /// AES key wrap (RFC 3394).
    case aesKW(bits: Int)
    /// RFC 3394 under the name of PKCS #11, for a key of any size.
    case ckmAESKeyWrap
    /// AES key wrap with padding (RFC 5649).
    case ckmAESKeyWrapPad

    package static let all: [(text: String, algorithm: KeyAlgorithm)] = [
        ("RSA1_5", .rsa15), ("RSA-OAEP", .rsaOAEP(.sha1)), ("RSA-OAEP-256", .rsaOAEP(.sha256)),
        ("RS256", .rsaPKCS1(.sha256)), ("RS384", .rsaPKCS1(.sha384)), ("RS512", .rsaPKCS1(.sha512)),
        ("PS256", .rsaPSS(.sha256)), ("PS384", .rsaPSS(.sha384)), ("PS512", .rsaPSS(.sha512)), ("RSNULL", .rsNull),
        ("ES256", .ecdsa(.p256)), ("ES384", .ecdsa(.p384)), ("ES512", .ecdsa(.p521)), ("ES256K", .ecdsa(.p256K)),
        ("EdDSA", .edDSA),
        ("HS256", .hmac(.sha256)), ("HS384", .hmac(.sha384)), ("HS512", .hmac(.sha512)),
        ("A128GCM", .aesGCM(bits: 128)), ("A192GCM", .aesGCM(bits: 192)), ("A256GCM", .aesGCM(bits: 256)),
        ("A128CBC", .aesCBC(bits: 128)), ("A192CBC", .aesCBC(bits: 192)), ("A256CBC", .aesCBC(bits: 256)),
        ("A128CBCPAD", .aesCBCPad(bits: 128)), ("A192CBCPAD", .aesCBCPad(bits: 192)),
        ("A256CBCPAD", .aesCBCPad(bits: 256)),
        ("A128KW", .aesKW(bits: 128)), ("A192KW", .aesKW(bits: 192)), ("A256KW", .aesKW(bits: 256)),
        ("CKM_AES_KEY_WRAP", .ckmAESKeyWrap), ("CKM_AES_KEY_WRAP_PAD", .ckmAESKeyWrapPad),
    ]

    /// As nearly all clients spell them.
    private static let exact = Dictionary(uniqueKeysWithValues: all)
    private static let byText = Dictionary(uniqueKeysWithValues: all.map { ($0.text.lowercased(), $0.algorithm) })
    private static let byAlgorithm = Dictionary(uniqueKeysWithValues: all.map { ($0.algorithm, $0.text) })

    package init?(_ text: String) {
        guard text.utf8.count <= 32, let algorithm = Self.exact[text] ?? Self.byText[text.lowercased()] else {
            return nil
        }
        self = algorithm
    }

    package var text: String { Self.byAlgorithm[self] ?? "" }

    /// Whether a key of this kind can be used with it at all.
    package func fits(_ key: KeySpecification) -> Bool {
        switch (self, key) {
        case (.rsa15, .rsa), (.rsaOAEP, .rsa), (.rsaPKCS1, .rsa), (.rsaPSS, .rsa), (.rsNull, .rsa): true
        case (.ecdsa(let wanted), .ec(let curve)): wanted == curve
        case (.edDSA, .ed25519): true
        // RFC 7518 §3.2 asks for a key at least as long as the hash; the service, for one of just that length.
        case (.hmac(let hash), .oct(let bits)): bits == hash.byteCount * 8
        case (.aesGCM(let wanted), .oct(let bits)), (.aesCBC(let wanted), .oct(let bits)),
            (.aesCBCPad(let wanted), .oct(let bits)), (.aesKW(let wanted), .oct(let bits)):
            wanted == bits
        case (.ckmAESKeyWrap, .oct(let bits)), (.ckmAESKeyWrapPad, .oct(let bits)): bits <= 256
        default: false
        }
    }

    /// Whether an operation can name it.
    package func fits(_ operation: KeyOperation) -> Bool {
        switch operation {
        case .encrypt, .decrypt:
            switch self {
            case .rsa15, .rsaOAEP, .aesGCM, .aesCBC, .aesCBCPad: true
            default: false
            }
        case .wrapKey, .unwrapKey:
            switch self {
            case .rsa15, .rsaOAEP, .aesKW, .ckmAESKeyWrap, .ckmAESKeyWrapPad: true
            default: false
            }
        case .sign, .verify:
            switch self {
            case .rsaPKCS1, .rsaPSS, .rsNull, .ecdsa, .edDSA, .hmac: true
            default: false
            }
        case .import, .export: false
        }
    }

    /// Bytes of the digest that is signed; nil where it is not a digest.
    package var digestCount: Int? {
        switch self {
        case .rsaPKCS1(let hash), .rsaPSS(let hash), .hmac(let hash): hash.byteCount
        case .ecdsa(let curve):
            switch curve {
            case .p256, .p256K: 32
            case .p384: 48
            case .p521: 64
            }
        default: nil
        }
    }
}
