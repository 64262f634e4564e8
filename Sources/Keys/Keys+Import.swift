import Cryptography
import Domain
import Objects
import Operations

struct ImportKey: OperationInput {
    let name: ObjectName
    private let body: Body

    private struct Body: Decodable {
        let key: JSONWebKey?
        let Hsm: Bool?
        let attributes: AttributeParameters?
        let tags: TagParameters?
        let release_policy: KeyParameters.Policy?
    }

    init(_ request: Request) throws(VaultError) {
        name = try request.objectName("key-name")
        body = try Body.fromJSON(request.body)
        guard let key = body.key else { throw .badParameter("The request body lacks the member 'key'.") }
        _ = try KeyParameters.type(key.kty)
        try body.attributes?.validate()
        try body.tags?.validate(longest: KeyParameters.longestTag)
        try AttributeParameters.requireOrder(body.attributes?.nbf, body.attributes?.exp)
    }

    struct Plan: Sendable {
        let type: KeyType
        let source: Source
        let operations: [KeyOperation]
        let isExportable: Bool
        let policy: KeyVersion.ReleasePolicy?
        let attributes: AttributeParameters?
        let tags: [ObjectRecord.Tag]?
    }

    enum Source: Sendable {
        case clear(PrivateKey)
        case transferred(TransferBlob)
    }

    func plan(in vault: Vault) throws(VaultError) -> Plan {
        guard let jwk = body.key else { throw .internal("an import without a key passed validation") }
        var type = try KeyParameters.type(jwk.kty)
        if body.Hsm == true { type = type.inHSM }
        let asked = type
        type = try KeyParameters.placed(type, in: vault)
        let release = try KeyParameters.release(body.attributes, body.release_policy, type)
        let operations = try KeyParameters.operations(jwk.key_ops, for: type, isExportable: release.isExportable)
        if operations?.contains(.import) == true {
            throw .invalid("key_ops", "a key-exchange key is made by the server, not imported")
        }
        return Plan(
            type: type, source: try jwk.source(type: asked),
            operations: operations ?? KeyOperation.defaults(for: type.family),
            isExportable: release.isExportable, policy: release.policy, attributes: body.attributes,
            tags: body.tags?.sorted)
    }
}

/// A JSON Web Key (RFC 7517) as an import carries it. Base64url, padded or not.
struct JSONWebKey: Decodable, Sendable {
    let kty: String?
    let key_ops: [String]?
    let crv: String?
    let n: String?
    let e: String?
    let d: String?
    let p: String?
    let q: String?
    let dp: String?
    let dq: String?
    let qi: String?
    let x: String?
    let y: String?
    let k: String?
    /// The wrapped key of a transfer (BYOK).
    let key_hsm: String?
    /// Further primes (RFC 8017 §A.1.2): not taken.
    let oth: [Prime]?

    struct Prime: Decodable, Sendable {}

    /// - Throws: `.badParameter` naming the member that is missing or wrong.
    func source(type: KeyType) throws(VaultError) -> ImportKey.Source {
        if let key_hsm {
            guard type.isHSM else { throw .invalid("key.key_hsm", "it is for keys of a type that ends in -HSM") }
            return .transferred(try TransferBlob(key_hsm))
        }
        return .clear(try privateKey(family: type.family))
    }

    private func privateKey(family: KeyType.Family) throws(VaultError) -> PrivateKey {
        switch family {
        case .rsa:
            guard oth == nil else { throw .invalid("key.oth", "keys of more than two primes are not taken") }
            return .rsa(
                n: try number(n, "n"), e: try number(e, "e"), d: try secret(d, "d"), p: try secret(p, "p"),
                q: try secret(q, "q"), dp: try secret(dp, "dp"), dq: try secret(dq, "dq"), qi: try secret(qi, "qi"))
        case .ec:
            guard let crv else { throw .badParameter("The key lacks the member 'crv'.") }
            let curve = try KeyParameters.curve(crv)
            return .ec(
                curve, x: try coordinate(x, "x", curve), y: try coordinate(y, "y", curve), d: try secret(d, "d"))
        case .oct:
            return .oct(try secret(k, "k"))
        case .okp:
            guard crv?.lowercased() == "ed25519" else { throw .invalid("key.crv", "a key of type OKP is on Ed25519") }
            return .ed25519(x: try bytes(x, "x"), d: try secret(d, "d"))
        }
    }

    private func bytes(_ text: String?, _ name: String) throws(VaultError) -> [UInt8] {
        guard let text else { throw .badParameter("The key lacks the member '\(name)'.") }
        guard text.utf8.count <= 4_096, let bytes = Base64.decodeURL(text), !bytes.isEmpty else {
            throw .invalid("key.\(name)", "it is not base64url")
        }
        return bytes
    }

    /// Without leading zeros, however many the client sent.
    private func number(_ text: String?, _ name: String) throws(VaultError) -> [UInt8] {
        let bytes = try bytes(text, name).drop { $0 == 0 }
        guard !bytes.isEmpty else { throw .invalid("key.\(name)", "it is zero") }
        return Array(bytes)
    }

    private func coordinate(_ text: String?, _ name: String, _ curve: EllipticCurve) throws(VaultError) -> [UInt8] {
        let bytes = try bytes(text, name)
        guard bytes.count == curve.byteCount else {
            throw .invalid("key.\(name)", "it has not \(curve.byteCount) bytes, as \(curve.text) asks for")
        }
        return bytes
    }

    private func secret(_ text: String?, _ name: String) throws(VaultError) -> SensitiveBytes {
        SensitiveBytes(try bytes(text, name))
    }
}

extension Keys {
    /// Takes a key that was made elsewhere, in the clear or wrapped for transfer (BYOK), as a new version.
    ///
    /// - Throws: `.badParameter` for a key that does not hold together; `.deletedButRecoverable`.
    /// - Source: Azure REST "Import Key"; SP 800-56B §6.4 for what is checked.
    func importKey(_ input: ImportKey, _ call: Call) async throws(VaultError) -> KeyBundle {
        let table = try table(call)
        let plan = try input.plan(in: table.vault)
        try requireRoom(input.name, table, call)
        let version = call.lane.newVersion()
        let source: PrivateKey
        switch plan.source {
        case .clear(let key): source = key
        case .transferred(let blob): source = try await open(blob, as: plan.type, table, call)
        }
        let material = try await work.make(nil, plan.type, call) { provider throws(CryptoError) in
            try provider.importKey(source, id: version.bytes, isExportable: plan.isExportable)
        }
        guard material.specification.family == plan.type.family else {
            try? work.provider(of: plan.type).destroy(material, id: version.bytes)
            throw .invalid("key", "it is not of type \(plan.type.text)")
        }
        if case .oct(let bits) = material.specification, KeySpecification.hmacSizes.contains(bits) {
            guard !plan.operations.isEmpty, plan.operations.allSatisfy({ $0 == .sign || $0 == .verify }) else {
                try? work.provider(of: plan.type).destroy(material, id: version.bytes)
                throw .invalid("key.k", "a symmetric key has 128, 192 or 256 bits")
            }
        }
        let key = KeyVersion(
            type: plan.type, operations: plan.operations, material: material, isExportable: plan.isExportable,
            releasePolicy: plan.policy, origin: .imported)
        return try await store(
            key, version, ObjectAttributes(plan.attributes, at: call.now.epochSeconds), plan.tags, input.name, table,
            call)
    }
}
