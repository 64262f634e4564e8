import Cryptography
import Domain
import Objects
import Operations

struct CreateKey: OperationInput {
    let name: ObjectName
    private let body: Body
    /// What is to rotate it from the beginning; nil for nothing.
    var rotation: SetRotationPolicy?

    struct Body: Decodable, Sendable {
        let kty: String?
        let key_size: Int?
        let public_exponent: Int?
        let key_ops: [String]?
        let crv: String?
        let attributes: AttributeParameters?
        let tags: TagParameters?
        let release_policy: KeyParameters.Policy?
    }

    init(_ request: Request) throws(VaultError) {
        try self.init(try request.objectName("key-name"), try Body.fromJSON(request.body))
    }

    init(_ name: ObjectName, _ body: Body) throws(VaultError) {
        (self.name, self.body) = (name, body)
        _ = try KeyParameters.type(body.kty)
        try body.attributes?.validate()
        try body.tags?.validate(longest: KeyParameters.longestTag)
        try AttributeParameters.requireOrder(body.attributes?.nbf, body.attributes?.exp)
    }

    /// What is to be made, checked against where it goes.
    struct Plan: Sendable {
        let type: KeyType
        let specification: KeySpecification
        let publicExponent: UInt32
        let operations: [KeyOperation]
        let isExportable: Bool
        let policy: KeyVersion.ReleasePolicy?
        let attributes: AttributeParameters?
        let tags: [ObjectRecord.Tag]?
    }

    func plan(in vault: Vault) throws(VaultError) -> Plan {
        let type = try KeyParameters.placed(try KeyParameters.type(body.kty), in: vault)
        let release = try KeyParameters.release(body.attributes, body.release_policy, type)
        let operations = try KeyParameters.operations(body.key_ops, for: type, isExportable: release.isExportable)
        let chosen = operations ?? KeyOperation.defaults(for: type.family)
        return Plan(
            type: type, specification: try specification(type, chosen), publicExponent: try publicExponent(type, vault),
            operations: chosen, isExportable: release.isExportable,
            policy: release.policy, attributes: body.attributes, tags: body.tags?.sorted)
    }

    private func specification(_ type: KeyType, _ operations: [KeyOperation]) throws(VaultError) -> KeySpecification {
        switch type.family {
        case .rsa:
            let bits = body.key_size ?? 2_048
            guard KeySpecification.rsaSizes.contains(bits) else {
                throw .invalid("key_size", "an RSA key has 2048, 3072 or 4096 bits")
            }
            return .rsa(bits: bits)
        case .ec:
            let curve = try body.crv.map { text throws(VaultError) in try KeyParameters.curve(text) } ?? .p256
            if let bits = body.key_size, bits != curve.bits {
                throw .invalid("key_size", "a key on \(curve.text) has \(curve.bits) bits")
            }
            return .ec(curve)
        case .oct:
            let bits = body.key_size ?? 256
            let onlySigns = !operations.isEmpty && operations.allSatisfy { $0 == .sign || $0 == .verify }
            guard KeySpecification.octSizes.contains(bits) || onlySigns && KeySpecification.hmacSizes.contains(bits)
            else { throw .invalid("key_size", "a symmetric key has 128, 192 or 256 bits") }
            return .oct(bits: bits)
        case .okp:
            guard body.crv.map({ $0.lowercased() == "ed25519" }) ?? true else {
                throw .invalid("crv", "a key of type \(type.text) is on Ed25519")
            }
            return .ed25519
        }
    }

    private func publicExponent(_ type: KeyType, _ vault: Vault) throws(VaultError) -> UInt32 {
        guard let exponent = body.public_exponent else { return 65_537 }
        guard type.family == .rsa else { throw .invalid("public_exponent", "it is for RSA keys") }
        guard vault.service == .managedHSM || exponent == 65_537 else {
            throw .invalid("public_exponent", "it can be chosen in a managed HSM only")
        }
        guard (3...Int(UInt32.max)).contains(exponent), exponent % 2 == 1 else {
            throw .invalid("public_exponent", "it must be odd and from 3 to 4294967295")
        }
        return UInt32(exponent)
    }
}

extension Keys {
    /// Makes a new version of a key, or the key. Nothing of earlier versions is inherited.
    ///
    /// - Throws: `.badParameter`; `.deletedButRecoverable` when a deleted key has the name; `.throttled` when too many keys are
    ///   being made.
    /// - Source: Azure REST "Create Key".
    ///
    /// - Parameter isFirst: only if there is no key of the name; another one is not added to.
    func create(_ input: CreateKey, _ call: Call, isFirst: Bool) async throws(VaultError) -> KeyBundle {
        let table = try table(call)
        let plan = try input.plan(in: table.vault)
        var rotation: RotationPolicy?
        if let wanted = input.rotation {
            rotation = try wanted.first(at: call.now.epochSeconds, in: table.vault.service)
        }
        // Before the work: a name that cannot be had must not cost a key.
        try requireRoom(input.name, table, call)
        let version = call.lane.newVersion()
        let material = try await work.make(plan.specification, plan.type, call) { provider throws(CryptoError) in
            try provider.generate(
                plan.specification, publicExponent: plan.publicExponent, id: version.bytes,
                isExportable: plan.isExportable)
        }
        let key = KeyVersion(
            type: plan.type, operations: plan.operations, material: material, isExportable: plan.isExportable,
            releasePolicy: plan.policy, origin: .generated)
        return try await store(
            key, version, ObjectAttributes(plan.attributes, at: call.now.epochSeconds), plan.tags, input.name, table,
            call, isFirst: isFirst, rotation: rotation)
    }

    func create(_ input: CreateKey, _ call: Call) async throws(VaultError) -> KeyBundle {
        try await create(input, call, isFirst: false)
    }

    /// Adds a version that a provider has made; the provider's part is removed again when it cannot be kept.
    func store(
        _ key: KeyVersion, _ version: ObjectVersion, _ attributes: ObjectAttributes, _ tags: [ObjectRecord.Tag]?,
        _ name: ObjectName, _ table: ObjectTable, _ call: Call, replacing expected: ObjectVersion? = nil,
        isFirst: Bool = false, rotation: RotationPolicy? = nil
    ) async throws(VaultError) -> KeyBundle {
        let record = ObjectRecord(version: version, attributes: attributes, tags: tags, payload: key.encoded())
        let work = work
        do throws(VaultError) {
            let head = try await call.commit { transaction throws(VaultError) in
                let old = try table.head(name, in: transaction)
                if let old { try Self.requireUnmanaged(old) }
                if isFirst, old != nil { throw table.exists(name) }
                if let expected, old?.current.version != expected {
                    throw VaultError(.conflict, "The key was changed meanwhile. Try again.")
                }
                if table.vault.service == .managedHSM, let old, old.pastVersions + 1 >= Self.mostPoolVersions {
                    throw .badParameter("A key in a managed HSM can have at most \(Self.mostPoolVersions) versions.")
                }
                let head = try table.append(record, to: name, in: transaction)
                if let rotation {
                    try table.putCompanion(Self.rotationCompanion, of: name, try rotation.encoded(), in: transaction)
                }
                try KeySchedule(table).renew(head, isNew: old == nil && rotation == nil, in: transaction)
                if let old { work.forget(old.current.version) }
                return head
            }
            return try KeyBundle(table.vault, head.name, record)
        } catch {
            try? work.provider(of: key.type).destroy(key.material, id: version.bytes)
            throw error
        }
    }

    /// - Source: Managed HSM service limits.
    static let mostPoolVersions: UInt32 = 100

    func requireRoom(_ name: ObjectName, _ table: ObjectTable, _ call: Call) throws(VaultError) {
        if let deleted = try table.deleted(name, in: call.lane.reader) { throw table.taken(by: deleted) }
    }
}
