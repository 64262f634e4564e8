import Barrier
import Cryptography
import Domain
import Objects
import Operations

struct SetRotationPolicy: OperationInput {
    let name: ObjectName
    fileprivate let body: Body

    struct Body: Decodable, Sendable {
        struct Action: Decodable, Sendable {
            struct Trigger: Decodable, Sendable {
                let timeAfterCreate: String?
                let timeBeforeExpiry: String?
            }
            struct Kind: Decodable, Sendable {
                let type: String?
            }
            let trigger: Trigger?
            let action: Kind?
        }
        struct Attributes: Decodable, Sendable {
            let expiryTime: String?
        }
        let lifetimeActions: [Action]?
        let attributes: Attributes?
    }

    init(_ request: Request) throws(VaultError) {
        name = try request.objectName("key-name")
        body = try Body.fromJSON(request.body)
    }

    init(_ name: ObjectName, _ body: Body) { (self.name, self.body) = (name, body) }

    /// The policy of a key that has none yet.
    func first(at now: Int64, in service: Vault.Service) throws(VaultError) -> RotationPolicy {
        try applied(to: RotationPolicy(created: now), at: now, in: service)
    }

    /// The policy that follows: what the body leaves out stays as it was.
    fileprivate func applied(to old: RotationPolicy, at now: Int64, in service: Vault.Service) throws(VaultError)
        -> RotationPolicy
    {
        var policy = old
        policy.updated = now
        if let text = body.attributes?.expiryTime {
            // An empty text takes the period away.
            policy.expiryTime = text.isEmpty ? nil : try Self.period(text, "attributes.expiryTime")
        }
        if let actions = body.lifetimeActions {
            policy.rotate = nil
            var notify: RotationPolicy.Trigger?
            for action in actions { try Self.put(action, &policy.rotate, &notify) }
            // In a vault the notice cannot be taken away.
            if service == .managedHSM { policy.notify = notify } else if let notify { policy.notify = notify }
        } else if service == .managedHSM {
            policy.notify = nil
        }
        try policy.validate(in: service)
        return policy
    }

    private static func put(
        _ action: Body.Action, _ rotate: inout RotationPolicy.Trigger?, _ notify: inout RotationPolicy.Trigger?
    ) throws(VaultError) {
        guard let kind = action.action?.type else { throw .invalid("lifetimeActions", "an action has no type") }
        let trigger: RotationPolicy.Trigger
        switch (action.trigger?.timeAfterCreate, action.trigger?.timeBeforeExpiry) {
        case (let text?, nil): trigger = .afterCreate(try period(text, "timeAfterCreate"))
        case (nil, let text?): trigger = .beforeExpiry(try period(text, "timeBeforeExpiry"))
        default: throw .invalid("lifetimeActions", "a trigger is timeAfterCreate or timeBeforeExpiry")
        }
        switch kind.lowercased() {
        case "rotate":
            guard rotate == nil else { throw .invalid("lifetimeActions", "rotate may stand once") }
            rotate = trigger
        case "notify":
            guard notify == nil else { throw .invalid("lifetimeActions", "notify may stand once") }
            notify = trigger
        default: throw .invalid("lifetimeActions", "'\(kind.prefix(32))' is not one of Rotate and Notify")
        }
    }

    private static func period(_ text: String, _ name: String) throws(VaultError) -> RotationPolicy.Period {
        guard let period = RotationPolicy.Period(text) else {
            throw .invalid(name, "it is not a period of ISO 8601 such as P90D")
        }
        return period
    }
}

struct RotationPolicyOutput: OperationOutput {
    let vault: Vault
    let name: ObjectName
    /// Nil when none was ever set.
    let policy: RotationPolicy?

    func response(_ call: Call) -> Response {
        .json { document in
            document.member("id", "\(vault.keysURL)\(name)/rotationpolicy")
            write(to: &document)
        }
    }

    /// - Parameter isResource: the management plane spells the actions in lower case.
    func write(to document: inout JSONWriter, isResource: Bool = false) {
        document.array("lifetimeActions") { actions in
            if let rotate = policy?.rotate { Self.write(rotate, isResource ? "rotate" : "Rotate", to: &actions) }
            let notify =
                policy.map(\.notify)
                ?? (vault.service == .vault ? RotationPolicy.usualNotice.map { .beforeExpiry($0) } : nil)
            if let notify { Self.write(notify, isResource ? "notify" : "Notify", to: &actions) }
        }
        document.object("attributes") { attributes in
            if let time = policy?.expiryTime { attributes.member("expiryTime", time.text) }
            if let policy {
                attributes.member("created", policy.created)
                attributes.member("updated", policy.updated)
            }
        }
    }

    private static func write(_ trigger: RotationPolicy.Trigger, _ action: String, to actions: inout JSONWriter) {
        actions.object { entry in
            entry.object("trigger") { writer in
                switch trigger {
                case .afterCreate(let period): writer.member("timeAfterCreate", period.text)
                case .beforeExpiry(let period): writer.member("timeBeforeExpiry", period.text)
                }
            }
            entry.object("action") { $0.member("type", action) }
        }
    }
}

extension Keys {
    /// - Source: Azure REST "Get Key Rotation Policy".
    func getRotationPolicy(_ input: NamedKey, _ call: Call) async throws(VaultError) -> RotationPolicyOutput {
        let table = try table(call)
        guard let head = try table.head(input.name, in: call.lane.reader) else {
            throw table.notFound(input.name, nil)
        }
        return RotationPolicyOutput(
            vault: table.vault, name: head.name,
            policy: try KeySchedule(table).policy(of: head.name, in: call.lane.reader))
    }

    /// - Throws: `.badParameter` naming the rule that is broken.
    /// - Source: Azure REST "Update Key Rotation Policy".
    func setRotationPolicy(_ input: SetRotationPolicy, _ call: Call) async throws(VaultError) -> RotationPolicyOutput {
        let table = try table(call)
        let now = call.now.epochSeconds
        let (name, policy) = try await call.commit { transaction throws(VaultError) in
            guard let head = try table.head(input.name, in: transaction) else { throw table.notFound(input.name, nil) }
            let schedule = KeySchedule(table)
            let old = try schedule.policy(of: head.name, in: transaction) ?? RotationPolicy(created: now)
            let policy = try input.applied(to: old, at: now, in: table.vault.service)
            try table.putCompanion(Self.rotationCompanion, of: head.name, try policy.encoded(), in: transaction)
            try schedule.renew(head, isNew: false, in: transaction)
            return (head.name, policy)
        }
        return RotationPolicyOutput(vault: table.vault, name: name, policy: policy)
    }

    /// Makes a new version like the newest one.
    ///
    /// - Source: Azure REST "Rotate Key".
    func rotate(_ input: NamedKey, _ call: Call) async throws(VaultError) -> KeyBundle {
        let table = try table(call)
        guard let head = try table.head(input.name, in: call.lane.reader) else {
            throw table.notFound(input.name, nil)
        }
        let policy = try KeySchedule(table).policy(of: head.name, in: call.lane.reader)
        guard policy != nil || table.vault.service == .vault else {
            throw .badParameter("A key in a managed HSM needs a rotation policy before it can be rotated.")
        }
        return try await rotate(head, policy, table, call, onlyIfNewest: false)
    }

    private func rotate(
        _ head: ObjectHead, _ policy: RotationPolicy?, _ table: ObjectTable, _ call: Call, onlyIfNewest: Bool
    ) async throws(VaultError) -> KeyBundle {
        let old = try KeyVersion(head.current)
        guard !old.isManaged else {
            throw VaultError(.forbiddenByVault, "The key belongs to a certificate and is renewed with it.")
        }
        let version = call.lane.newVersion()
        let exponent: UInt32 =
            // Longer exponents come with imported keys only; what the server makes has the usual one then.
            if case .rsa(_, let e) = old.material.publicKey, e.count <= 4 {
                e.reduce(0) { $0 << 8 | UInt32($1) }
            } else { 65_537 }
        let material = try await work.make(old.specification, old.type, call) { provider throws(CryptoError) in
            try provider.generate(
                old.specification, publicExponent: exponent, id: version.bytes, isExportable: old.isExportable)
        }
        let key = KeyVersion(
            type: old.type, operations: old.operations, material: material, isExportable: old.isExportable,
            releasePolicy: old.releasePolicy, origin: .rotated)
        let now = call.now
        let attributes = ObjectAttributes(
            isEnabled: true, notBefore: nil, expires: policy?.expiryTime?.value.end(after: now).epochSeconds,
            created: now.epochSeconds, updated: now.epochSeconds)
        return try await store(
            key, version, attributes, head.current.tags, head.name, table, call,
            replacing: onlyIfNewest ? head.current.version : nil)
    }

    // MARK: Duties

    /// The duty: rotates the version that it names if that is still the newest and its time has come. Safe to repeat.
    func rotateIfDue(_ input: VersionedKey, _ call: Call) async throws(VaultError) -> NoContent {
        let table = try table(call)
        guard let (head, policy) = try due(input, table, call), let policy, head.current.attributes.isEnabled,
            let time = policy.rotationTime(of: head.current.attributes), time <= call.now
        else { return NoContent() }
        call.concerns(objectID: table.vault.keysURL + head.name.spelling)
        do throws(VaultError) {
            _ = try await rotate(head, policy, table, call, onlyIfNewest: true)
        } catch {
            // Another instance was quicker: that is what was wanted.
            guard case .conflict = error.code else { throw error }
        }
        return NoContent()
    }

    /// The duty: leaves the record that a key is near its end.
    func notifyNearExpiry(_ input: VersionedKey, _ call: Call) async throws(VaultError) -> NoContent {
        try await leaveNotice("KeyNearExpiryEventGridNotification", input, call)
    }

    /// The duty: leaves the record that a key has expired.
    func notifyExpired(_ input: VersionedKey, _ call: Call) async throws(VaultError) -> NoContent {
        try await leaveNotice("KeyExpiredEventGridNotification", input, call)
    }

    private func leaveNotice(_ operation: String, _ input: VersionedKey, _ call: Call) async throws(VaultError)
        -> NoContent
    {
        let table = try table(call)
        guard let (head, _) = try due(input, table, call) else { return NoContent() }
        call.concerns(objectID: "\(table.vault.keysURL)\(head.name)/\(head.current.version)")
        try await call.commit { transaction throws(VaultError) in
            try KeySchedule(table).complete(operation, head, in: transaction)
        }
        return NoContent()
    }

    /// The key of a duty, if the version that it was written for is still the newest.
    private func due(_ input: VersionedKey, _ table: ObjectTable, _ call: Call) throws(VaultError)
        -> (head: ObjectHead, policy: RotationPolicy?)?
    {
        guard let head = try table.head(input.name, in: call.lane.reader), head.current.version == input.version else {
            return nil
        }
        return (head, try KeySchedule(table).policy(of: head.name, in: call.lane.reader))
    }
}
