internal import CPKCS11
import Cryptography
import Domain

/// Algorithms as mechanisms of PKCS #11 2.40, with their parameters.
enum Mechanisms {
    /// DigestInfo of PKCS #1 v1.5 without the digest (RFC 8017 §9.2 note 1).
    private static func digestInfo(_ hash: HashFunction) -> [UInt8] {
        switch hash {
        case .sha1: [0x30, 0x21, 0x30, 0x09, 0x06, 0x05, 0x2B, 0x0E, 0x03, 0x02, 0x1A, 0x05, 0x00, 0x04, 0x14]
        case .sha256: sha2(1, 0x20)
        case .sha384: sha2(2, 0x30)
        case .sha512: sha2(3, 0x40)
        }
    }

    private static func sha2(_ arc: UInt8, _ count: UInt8) -> [UInt8] {
        [0x30, 0x11 + count, 0x30, 0x0D, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, arc, 0x05, 0x00]
            + [0x04, count]
    }

    private static func hash(_ hash: HashFunction) -> CK_MECHANISM_TYPE {
        switch hash {
        case .sha1: CK_MECHANISM_TYPE(CKM_SHA_1)
        case .sha256: CK_MECHANISM_TYPE(CKM_SHA256)
        case .sha384: CK_MECHANISM_TYPE(CKM_SHA384)
        case .sha512: CK_MECHANISM_TYPE(CKM_SHA512)
        }
    }

    /// CKG_MGF1_*.
    private static func mgf(_ hash: HashFunction) -> CK_ULONG {
        switch hash {
        case .sha1: 1
        case .sha256: 2
        case .sha384: 3
        case .sha512: 4
        }
    }

    /// Calls `body` with the mechanism and what goes in front of the digest.
    static func signing<Value>(
        _ algorithm: KeyAlgorithm, _ body: (inout CK_MECHANISM, [UInt8]) throws(TokenFailure) -> Value
    ) throws(TokenFailure) -> Value {
        switch algorithm {
        case .rsaPKCS1(let hash): return try bare(CKM_RSA_PKCS, digestInfo(hash), body)
        case .rsNull: return try bare(CKM_RSA_PKCS, [], body)
        case .ecdsa: return try bare(CKM_ECDSA, [], body)
        case .edDSA: return try bare(CKM_EDDSA, [], body)
        case .hmac(.sha256): return try bare(CKM_SHA256_HMAC, [], body)
        case .hmac(.sha384): return try bare(CKM_SHA384_HMAC, [], body)
        case .hmac(.sha512): return try bare(CKM_SHA512_HMAC, [], body)
        case .rsaPSS(let hash):
            var parameters = CK_RSA_PKCS_PSS_PARAMS()
            parameters.hashAlg = self.hash(hash)
            parameters.mgf = mgf(hash)
            parameters.sLen = CK_ULONG(hash.byteCount)
            return try with(CKM_RSA_PKCS_PSS, &parameters) { mechanism throws(TokenFailure) in
                try body(&mechanism, [])
            }
        default: throw TokenFailure(CK_RV(CKR_MECHANISM_INVALID))
        }
    }

    static func cipher<Value>(
        _ algorithm: KeyAlgorithm, _ settings: CipherParameters,
        _ body: (inout CK_MECHANISM) throws(TokenFailure) -> Value
    ) throws(TokenFailure) -> Value {
        switch algorithm {
        case .rsa15: return try bare(CKM_RSA_PKCS, []) { mechanism, _ throws(TokenFailure) in try body(&mechanism) }
        case .rsaOAEP(let hash):
            var parameters = CK_RSA_PKCS_OAEP_PARAMS()
            parameters.hashAlg = self.hash(hash)
            parameters.mgf = mgf(hash)
            parameters.source = 1
            return try with(CKM_RSA_PKCS_OAEP, &parameters, body)
        case .aesCBC, .aesCBCPad:
            let kind = if case .aesCBC = algorithm { CKM_AES_CBC } else { CKM_AES_CBC_PAD }
            var iv = settings.iv
            let count = CK_ULONG(iv.count)
            return try iv.withMemory { bytes throws(TokenFailure) in
                var mechanism = CK_MECHANISM(
                    mechanism: CK_MECHANISM_TYPE(kind), pParameter: bytes.baseAddress, ulParameterLen: count)
                return try body(&mechanism)
            }
        case .aesGCM:
            var (iv, data) = (settings.iv, settings.associatedData)
            return try iv.withMemory { iv throws(TokenFailure) in
                try data.withMemory { data throws(TokenFailure) in
                    var parameters = CK_GCM_PARAMS()
                    parameters.pIv = iv.bindMemory(to: UInt8.self).baseAddress
                    parameters.ulIvLen = CK_ULONG(iv.count)
                    parameters.ulIvBits = CK_ULONG(iv.count * 8)
                    parameters.pAAD = data.isEmpty ? nil : data.bindMemory(to: UInt8.self).baseAddress
                    parameters.ulAADLen = CK_ULONG(data.count)
                    parameters.ulTagBits = 128
                    return try with(CKM_AES_GCM, &parameters, body)
                }
            }
        default: throw TokenFailure(CK_RV(CKR_MECHANISM_INVALID))
        }
    }

    static func wrapping(_ algorithm: KeyAlgorithm) -> CK_MECHANISM_TYPE {
        if case .ckmAESKeyWrapPad = algorithm { return CK_MECHANISM_TYPE(CKM_AES_KEY_WRAP_PAD) }
        return CK_MECHANISM_TYPE(CKM_AES_KEY_WRAP)
    }

    /// What a token must have for an algorithm.
    static func needed(_ algorithm: KeyAlgorithm) -> CK_MECHANISM_TYPE {
        switch algorithm {
        case .rsa15, .rsaPKCS1, .rsNull: CK_MECHANISM_TYPE(CKM_RSA_PKCS)
        case .rsaOAEP: CK_MECHANISM_TYPE(CKM_RSA_PKCS_OAEP)
        case .rsaPSS: CK_MECHANISM_TYPE(CKM_RSA_PKCS_PSS)
        case .ecdsa: CK_MECHANISM_TYPE(CKM_ECDSA)
        case .edDSA: CK_MECHANISM_TYPE(CKM_EDDSA)
        case .hmac(.sha256): CK_MECHANISM_TYPE(CKM_SHA256_HMAC)
        case .hmac(.sha384): CK_MECHANISM_TYPE(CKM_SHA384_HMAC)
        case .hmac: CK_MECHANISM_TYPE(CKM_SHA512_HMAC)
        case .aesGCM: CK_MECHANISM_TYPE(CKM_AES_GCM)
        case .aesCBC, .aesCBCPad: CK_MECHANISM_TYPE(CKM_AES_CBC)
        case .aesKW, .ckmAESKeyWrap: CK_MECHANISM_TYPE(CKM_AES_KEY_WRAP)
        case .ckmAESKeyWrapPad: CK_MECHANISM_TYPE(CKM_AES_KEY_WRAP_PAD)
        }
    }

    static func generation(_ specification: KeySpecification) -> CK_MECHANISM_TYPE {
        switch specification {
        case .rsa: CK_MECHANISM_TYPE(CKM_RSA_PKCS_KEY_PAIR_GEN)
        case .ec: CK_MECHANISM_TYPE(CKM_EC_KEY_PAIR_GEN)
        case .ed25519: CK_MECHANISM_TYPE(CKM_EC_EDWARDS_KEY_PAIR_GEN)
        case .oct(let bits):
            bits > 256 ? CK_MECHANISM_TYPE(CKM_GENERIC_SECRET_KEY_GEN) : CK_MECHANISM_TYPE(CKM_AES_KEY_GEN)
        }
    }

    private static func bare<Value>(
        _ type: CK_ULONG, _ prefix: [UInt8], _ body: (inout CK_MECHANISM, [UInt8]) throws(TokenFailure) -> Value
    ) throws(TokenFailure) -> Value {
        var mechanism = CK_MECHANISM(mechanism: CK_MECHANISM_TYPE(type), pParameter: nil, ulParameterLen: 0)
        return try body(&mechanism, prefix)
    }

    private static func with<Parameters, Value>(
        _ type: CK_ULONG, _ parameters: inout Parameters, _ body: (inout CK_MECHANISM) throws(TokenFailure) -> Value
    ) throws(TokenFailure) -> Value {
        try withUnsafeMutableBytes(of: &parameters) { bytes throws(TokenFailure) in
            var mechanism = CK_MECHANISM(
                mechanism: CK_MECHANISM_TYPE(type), pParameter: bytes.baseAddress, ulParameterLen: CK_ULONG(bytes.count)
            )
            return try body(&mechanism)
        }
    }
}

/// The templates of objects.
enum Templates {
    private static func common(_ objectClass: CK_OBJECT_CLASS, _ type: CK_ULONG) -> Template {
        Template().number(CK_ATTRIBUTE_TYPE(CKA_CLASS), objectClass).number(CK_ATTRIBUTE_TYPE(CKA_KEY_TYPE), type)
    }

    private static func objectClass(_ specification: KeySpecification) -> CK_OBJECT_CLASS {
        specification.family == .oct ? Object.secretKey : Object.privateKey
    }

    /// What a private or symmetric key may be used for.
    private static func uses(_ template: Template, _ specification: KeySpecification) -> Template {
        let isCipher: Bool =
            switch specification {
            case .rsa: true
            case .oct(let bits): bits <= 256
            case .ec, .ed25519: false
            }
        switch specification {
        case .rsa, .ec, .ed25519: template.flag(CK_ATTRIBUTE_TYPE(CKA_SIGN), true)
        case .oct(let bits): template.flag(CK_ATTRIBUTE_TYPE(CKA_SIGN), bits > 256)
        }
        if isCipher {
            template.flag(CK_ATTRIBUTE_TYPE(CKA_DECRYPT), true).flag(CK_ATTRIBUTE_TYPE(CKA_UNWRAP), true)
            if specification.family == .oct {
                template.flag(CK_ATTRIBUTE_TYPE(CKA_ENCRYPT), true).flag(CK_ATTRIBUTE_TYPE(CKA_WRAP), true)
            }
        }
        return template
    }

    /// The key as it stays in the token: sensitive, and never to leave again.
    static func kept(_ specification: KeySpecification, id: [UInt8], label: String, hasClass: Bool = true) -> Template {
        uses(hasClass ? common(objectClass(specification), specification.keyType) : Template(), specification)
            .flag(CK_ATTRIBUTE_TYPE(CKA_TOKEN), true).flag(CK_ATTRIBUTE_TYPE(CKA_PRIVATE), true)
            .flag(CK_ATTRIBUTE_TYPE(CKA_SENSITIVE), true).flag(CK_ATTRIBUTE_TYPE(CKA_EXTRACTABLE), false)
            .bytes(CK_ATTRIBUTE_TYPE(CKA_ID), id).text(CK_ATTRIBUTE_TYPE(CKA_LABEL), label)
    }

    /// The key at birth: in no file of the token, sensitive, and still to be wrapped once.
    static func newborn(_ specification: KeySpecification, hasClass: Bool = true) -> Template {
        let template =
            hasClass ? common(objectClass(specification), specification.keyType) : Template()
        return uses(template, specification)
            .flag(CK_ATTRIBUTE_TYPE(CKA_TOKEN), false).flag(CK_ATTRIBUTE_TYPE(CKA_PRIVATE), true)
            .flag(CK_ATTRIBUTE_TYPE(CKA_SENSITIVE), true).flag(CK_ATTRIBUTE_TYPE(CKA_EXTRACTABLE), true)
    }

    /// Bytes that pass through the module to be wrapped or unwrapped.
    static func transientSecret() -> Template {
        common(Object.secretKey, CK_ULONG(CKK_GENERIC_SECRET))
            .flag(CK_ATTRIBUTE_TYPE(CKA_TOKEN), false).flag(CK_ATTRIBUTE_TYPE(CKA_PRIVATE), true)
            .flag(CK_ATTRIBUTE_TYPE(CKA_SENSITIVE), false).flag(CK_ATTRIBUTE_TYPE(CKA_EXTRACTABLE), true)
    }

    /// A symmetric key for HMAC, for as long as the module runs.
    static func hmacSecret() -> Template {
        common(Object.secretKey, CK_ULONG(CKK_GENERIC_SECRET))
            .flag(CK_ATTRIBUTE_TYPE(CKA_TOKEN), false).flag(CK_ATTRIBUTE_TYPE(CKA_PRIVATE), true)
            .flag(CK_ATTRIBUTE_TYPE(CKA_SENSITIVE), true).flag(CK_ATTRIBUTE_TYPE(CKA_EXTRACTABLE), false)
            .flag(CK_ATTRIBUTE_TYPE(CKA_SIGN), true)
    }

    /// A key that wraps keys on their way in or out, with a value that the server chose.
    static func transport(_ key: SensitiveBytes) -> Template {
        let template = common(Object.secretKey, CK_ULONG(CKK_AES))
            .flag(CK_ATTRIBUTE_TYPE(CKA_TOKEN), false).flag(CK_ATTRIBUTE_TYPE(CKA_PRIVATE), true)
            .flag(CK_ATTRIBUTE_TYPE(CKA_SENSITIVE), true).flag(CK_ATTRIBUTE_TYPE(CKA_EXTRACTABLE), false)
            .flag(CK_ATTRIBUTE_TYPE(CKA_WRAP), true).flag(CK_ATTRIBUTE_TYPE(CKA_UNWRAP), true)
        key.withUnsafeBytes { _ = template.bytes(CK_ATTRIBUTE_TYPE(CKA_VALUE), $0) }
        return template
    }

    /// The token's own key that wraps all others for backup.
    static func wrappingKey(label: String) -> Template {
        Template().flag(CK_ATTRIBUTE_TYPE(CKA_TOKEN), true).flag(CK_ATTRIBUTE_TYPE(CKA_PRIVATE), true)
            .flag(CK_ATTRIBUTE_TYPE(CKA_SENSITIVE), true).flag(CK_ATTRIBUTE_TYPE(CKA_EXTRACTABLE), false)
            .flag(CK_ATTRIBUTE_TYPE(CKA_WRAP), true).flag(CK_ATTRIBUTE_TYPE(CKA_UNWRAP), true)
            .flag(CK_ATTRIBUTE_TYPE(CKA_ENCRYPT), true).flag(CK_ATTRIBUTE_TYPE(CKA_DECRYPT), true)
            .number(CK_ATTRIBUTE_TYPE(CKA_VALUE_LEN), 32).text(CK_ATTRIBUTE_TYPE(CKA_LABEL), label)
    }
}
