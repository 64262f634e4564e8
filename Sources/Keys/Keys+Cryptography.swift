import Access
import Cryptography
import Domain
import Objects
import Operations

/// What a call that uses a key names: the version, and the algorithm.
struct KeyUse: Sendable {
    let name: ObjectName
    let version: ObjectVersion?
    let algorithm: KeyAlgorithm

    init(_ request: Request, _ text: String?, for operation: KeyOperation) throws(VaultError) {
        name = try request.objectName("key-name")
        version = try request.objectVersion("key-version")
        guard let text else { throw .badParameter("The request body lacks the member 'alg'.") }
        guard let algorithm = KeyAlgorithm(text), algorithm.fits(operation) else {
            throw .invalid("alg", "'\(text.prefix(32))' is not an algorithm for \(operation.text)")
        }
        self.algorithm = algorithm
    }
}

/// Bytes of a body: base64url, padded or not.
enum WireBytes {
    static func required(_ text: String?, _ name: String) throws(VaultError) -> [UInt8] {
        guard let text else { throw .badParameter("The request body lacks the member '\(name)'.") }
        return try parse(text, name)
    }

    static func optional(_ text: String?, _ name: String) throws(VaultError) -> [UInt8]? {
        guard let text else { return nil }
        return try parse(text, name)
    }

    private static func parse(_ text: String, _ name: String) throws(VaultError) -> [UInt8] {
        guard let bytes = Base64.decodeURL(text) else { throw .invalid(name, "it is not base64url") }
        return bytes
    }
}

/// The body of encrypt, decrypt, wrapKey and unwrapKey.
struct CipherInput: Sendable {
    let use: KeyUse
    let value: [UInt8]
    let iv: [UInt8]?
    let tag: [UInt8]?
    let associatedData: [UInt8]?

    private struct Body: FlatBody {
        let alg: String?
        let value: String?
        let iv: String?
        let aad: String?
        let tag: String?

        init(_ object: inout FlatObject) {
            (alg, value, iv) = (object.string("alg"), object.string("value"), object.string("iv"))
            (aad, tag) = (object.string("aad"), object.string("tag"))
        }
    }

    init(_ request: Request, for operation: KeyOperation) throws(VaultError) {
        let body = try Body.fromFlatJSON(request.body)
        use = try KeyUse(request, body.alg, for: operation)
        value = try WireBytes.required(body.value, "value")
        iv = try WireBytes.optional(body.iv, "iv")
        associatedData = try WireBytes.optional(body.aad, "aad")
        tag = try WireBytes.optional(body.tag, "tag")
        try checkParameters(isSealing: operation == .encrypt || operation == .wrapKey)
    }

    /// Which of iv, tag and aad an algorithm takes, and how long the text may be.
    private func checkParameters(isSealing: Bool) throws(VaultError) {
        let blocks = value.count.isMultiple(of: 16) && !value.isEmpty
        switch use.algorithm {
        case .aesGCM:
            if isSealing {
                guard iv == nil else { throw .invalid("iv", "the server draws it for \(use.algorithm.text)") }
                guard tag == nil else { throw .invalid("tag", "it is made by encryption") }
            } else {
                guard iv?.count == 12 else { throw .invalid("iv", "\(use.algorithm.text) needs one of 12 bytes") }
                guard tag?.count == 16 else { throw .invalid("tag", "\(use.algorithm.text) needs one of 16 bytes") }
            }
        case .aesCBC, .aesCBCPad:
            guard iv?.count == 16 else { throw .invalid("iv", "\(use.algorithm.text) needs one of 16 bytes") }
            guard tag == nil, associatedData == nil else {
                throw .invalid(tag == nil ? "aad" : "tag", "\(use.algorithm.text) does not take it")
            }
            if case .aesCBC = use.algorithm, !blocks {
                throw .invalid("value", "\(use.algorithm.text) takes whole blocks of 16 bytes")
            }
            if !isSealing, !blocks { throw .notAuthentic }
        case .aesKW, .ckmAESKeyWrap, .ckmAESKeyWrapPad, .rsa15, .rsaOAEP:
            guard iv == nil, tag == nil, associatedData == nil else {
                throw .invalid(iv != nil ? "iv" : tag != nil ? "tag" : "aad", "\(use.algorithm.text) does not take it")
            }
            if isSealing { try checkWrapLength() }
        default: break
        }
    }

    private func checkWrapLength() throws(VaultError) {
        switch use.algorithm {
        case .aesKW, .ckmAESKeyWrap:
            guard value.count >= 16, value.count.isMultiple(of: 8), value.count <= 8_192 else {
                throw .invalid("value", "\(use.algorithm.text) takes a multiple of 8 bytes from 16 to 8192")
            }
        case .ckmAESKeyWrapPad:
            guard (1...8_192).contains(value.count) else {
                throw .invalid("value", "\(use.algorithm.text) takes from 1 to 8192 bytes")
            }
        default: break
        }
    }

    /// What RSA can take: the modulus less the padding (RFC 8017 §7.1.1, §7.2.1).
    func checkCapacity(_ specification: KeySpecification) throws(VaultError) {
        guard case .rsa(let bits) = specification else { return }
        let most: Int
        switch use.algorithm {
        case .rsa15: most = bits / 8 - 11
        case .rsaOAEP(let hash): most = bits / 8 - 2 * hash.byteCount - 2
        default: return
        }
        guard value.count <= most else {
            throw .invalid("value", "\(use.algorithm.text) with this key takes at most \(most) bytes")
        }
    }
}

struct EncryptInput: OperationInput {
    let cipher: CipherInput
    init(_ request: Request) throws(VaultError) { cipher = try CipherInput(request, for: .encrypt) }
}
struct DecryptInput: OperationInput {
    let cipher: CipherInput
    init(_ request: Request) throws(VaultError) { cipher = try CipherInput(request, for: .decrypt) }
}
struct WrapInput: OperationInput {
    let cipher: CipherInput
    init(_ request: Request) throws(VaultError) { cipher = try CipherInput(request, for: .wrapKey) }
}
struct UnwrapInput: OperationInput {
    let cipher: CipherInput
    init(_ request: Request) throws(VaultError) { cipher = try CipherInput(request, for: .unwrapKey) }
}

struct SignInput: OperationInput {
    let use: KeyUse
    let digest: [UInt8]

    init(_ request: Request) throws(VaultError) {
        struct Body: FlatBody {
            let alg: String?
            let value: String?

            init(_ object: inout FlatObject) { (alg, value) = (object.string("alg"), object.string("value")) }
        }
        let body = try Body.fromFlatJSON(request.body)
        use = try KeyUse(request, body.alg, for: .sign)
        digest = try WireBytes.required(body.value, "value")
        try Self.check(digest, use.algorithm, "value")
    }

    static func check(_ digest: [UInt8], _ algorithm: KeyAlgorithm, _ name: String) throws(VaultError) {
        if let count = algorithm.digestCount, digest.count != count {
            throw .invalid(name, "\(algorithm.text) takes a digest of \(count) bytes")
        }
        if case .edDSA = algorithm, digest.count > 65_536 {
            throw .invalid(name, "EdDSA takes a message of at most 65536 bytes")
        }
    }
}

struct VerifyInput: OperationInput {
    let use: KeyUse
    let digest: [UInt8]
    let signature: [UInt8]

    init(_ request: Request) throws(VaultError) {
        struct Body: FlatBody {
            let alg: String?
            let digest: String?
            let value: String?

            init(_ object: inout FlatObject) {
                (alg, digest, value) = (object.string("alg"), object.string("digest"), object.string("value"))
            }
        }
        let body = try Body.fromFlatJSON(request.body)
        use = try KeyUse(request, body.alg, for: .verify)
        digest = try WireBytes.required(body.digest, "digest")
        signature = try WireBytes.required(body.value, "value")
        try SignInput.check(digest, use.algorithm, "digest")
    }
}

/// `{"kid","value"}`, and what else the algorithm made.
struct KeyOperationResult: OperationOutput {
    let vault: Vault
    let name: ObjectName
    let version: ObjectVersion
    let value: [UInt8]
    var iv: [UInt8]?
    var tag: [UInt8]?
    var associatedData: [UInt8]?

    func response(_ call: Call) -> Response {
        var writer = JSONWriter(reserving: 512 + value.count * 4 / 3)
        writer.object { result in
            result.member("kid", plain: vault.keysURL, name.spelling, version)
            result.member("value", Base64.encodeURL(value))
            if let iv { result.member("iv", Base64.encodeURL(iv)) }
            if let tag { result.member("tag", Base64.encodeURL(tag)) }
            if let associatedData { result.member("aad", Base64.encodeURL(associatedData)) }
        }
        return Response(status: 200, body: writer.bytes)
    }
}

struct VerificationResult: OperationOutput {
    let isValid: Bool

    func response(_ call: Call) -> Response { .json { $0.member("value", isValid) } }
}

/// A version that may be used for an operation.
private struct UsableKey: Sendable {
    let vault: Vault
    let name: ObjectName
    let version: ObjectVersion
    let key: KeyVersion
}

extension Keys {
    /// - Source: Azure REST "Encrypt".
    func encrypt(_ input: EncryptInput, _ call: Call) async throws(VaultError) -> KeyOperationResult {
        try await seal(input.cipher, .encrypt, call)
    }

    /// - Source: Azure REST "Decrypt".
    func decrypt(_ input: DecryptInput, _ call: Call) async throws(VaultError) -> KeyOperationResult {
        try await open(input.cipher, .decrypt, call)
    }

    /// - Source: Azure REST "Wrap Key".
    func wrap(_ input: WrapInput, _ call: Call) async throws(VaultError) -> KeyOperationResult {
        try await seal(input.cipher, .wrapKey, call)
    }

    /// - Source: Azure REST "Unwrap Key".
    func unwrap(_ input: UnwrapInput, _ call: Call) async throws(VaultError) -> KeyOperationResult {
        try await open(input.cipher, .unwrapKey, call)
    }

    private func seal(_ input: CipherInput, _ operation: KeyOperation, _ call: Call) async throws(VaultError)
        -> KeyOperationResult
    {
        let usable = try usable(input.use, operation, call)
        try input.checkCapacity(usable.key.specification)
        let (value, made) = try await work.use(usable.key, usable.version, for: operation, call) {
            key throws(CryptoError) in
            var parameters = CipherParameters(iv: input.iv ?? [], associatedData: input.associatedData ?? [])
            let value = try key.encrypt(input.value, input.use.algorithm, &parameters)
            return (value, parameters)
        }
        var result = KeyOperationResult(
            vault: usable.vault, name: usable.name, version: usable.version, value: value)
        switch input.use.algorithm {
        case .aesGCM:
            result.iv = made.iv
            result.tag = made.tag
            result.associatedData = input.associatedData
        case .aesCBC, .aesCBCPad: result.iv = made.iv
        default: break
        }
        return result
    }

    private func open(_ input: CipherInput, _ operation: KeyOperation, _ call: Call) async throws(VaultError)
        -> KeyOperationResult
    {
        let usable = try usable(input.use, operation, call)
        let text = try await work.use(usable.key, usable.version, for: operation, call) { key throws(CryptoError) in
            let parameters = CipherParameters(
                iv: input.iv ?? [], tag: input.tag ?? [], associatedData: input.associatedData ?? [])
            return try key.decrypt(input.value, input.use.algorithm, parameters)
        }
        return KeyOperationResult(
            vault: usable.vault, name: usable.name, version: usable.version,
            value: text.withUnsafeBytes { Array($0) })
    }

    /// - Source: Azure REST "Sign".
    func sign(_ input: SignInput, _ call: Call) async throws(VaultError) -> KeyOperationResult {
        let usable = try usable(input.use, .sign, call)
        if case .rsNull = input.use.algorithm, case .rsa(let bits) = usable.key.specification,
            input.digest.count > bits / 8 - 11
        {
            throw .invalid("value", "RSNULL with this key takes at most \(bits / 8 - 11) bytes")
        }
        let signature = try await work.use(usable.key, usable.version, for: .sign, call) { key throws(CryptoError) in
            try key.sign(input.digest, input.use.algorithm)
        }
        return KeyOperationResult(
            vault: usable.vault, name: usable.name, version: usable.version, value: signature)
    }

    /// - Source: Azure REST "Verify".
    func verify(_ input: VerifyInput, _ call: Call) async throws(VaultError) -> VerificationResult {
        let usable = try usable(input.use, .verify, call)
        let isValid = try await work.use(usable.key, usable.version, for: .verify, call) { key throws(CryptoError) in
            try key.verify(input.digest, signature: input.signature, input.use.algorithm)
        }
        return VerificationResult(isValid: isValid)
    }

    /// The version asked for, if it may be used for `operation` now.
    ///
    /// - Throws: `.keyNotFound`, `.keyDisabled`, `.keyOperationForbidden`, `.keyNotYetValid`, `.keyExpired`; `.badParameter` for
    ///   an algorithm that does not fit the key.
    private func usable(_ use: KeyUse, _ operation: KeyOperation, _ call: Call) throws(VaultError) -> UsableKey {
        let table = try table(call)
        let (head, record) = try table.record(use.name, version: use.version, in: call.lane.reader)
        let key = try KeyVersion(record)
        call.concerns(objectID: "\(table.vault.keysURL)\(head.name.spelling)/\(record.version)")
        try requireOwnGrant(key, operation, use.name, call)
        guard record.attributes.isEnabled else {
            throw VaultError(.keyDisabled, "Operation \(operation.text) is not allowed on a disabled key.")
        }
        guard key.operations.contains(operation) else {
            throw VaultError(.keyOperationForbidden, "Operation \(operation.text) is not permitted on this key.")
        }
        if operation.isForbiddenOutsideWindow { try Self.requireWindow(record.attributes, operation, call) }
        guard use.algorithm.fits(key.specification) else {
            throw .badParameter(
                "The algorithm \(use.algorithm.text) does not fit the key: its type, curve or size is another (\(key.specification.description))."
            )
        }
        let provider = try work.provider(of: key.type)
        guard provider.supports(use.algorithm, with: key.specification) else {
            throw .badParameter("\(use.algorithm.text) is not supported by the provider that holds the key.")
        }
        return UsableKey(vault: table.vault, name: head.name, version: record.version, key: key)
    }

    /// Who may only read a key may use the public half of it, and no other.
    private func requireOwnGrant(_ key: KeyVersion, _ operation: KeyOperation, _ name: ObjectName, _ call: Call)
        throws(VaultError)
    {
        guard !key.type.isAsymmetric, case .granted(let grant) = call.grant, grant.permission == .keysRead else {
            return
        }
        let permission: Permission =
            switch operation {
            case .encrypt: .keysEncrypt
            case .verify: .keysVerify
            default: .keysWrap
            }
        _ = try call.authorize(permission, on: name, in: "keys")
    }

    /// Clocks differ: a key may be used two minutes before its time and after it.
    private static let skew: Int64 = 120

    private static func requireWindow(_ attributes: ObjectAttributes, _ operation: KeyOperation, _ call: Call)
        throws(VaultError)
    {
        let now = call.now.epochSeconds
        if let start = attributes.notBefore, now + skew < start {
            throw VaultError(
                .keyNotYetValid, "Operation \(operation.text) is not allowed on a key that is not yet valid.")
        }
        if let end = attributes.expires, now >= end + skew {
            throw VaultError(.keyExpired, "Operation \(operation.text) is not allowed on an expired key.")
        }
    }
}
