import Barrier
import Cryptography
import Domain
import Keys
import Objects
import Operations
import ProviderOpenSSL
import Secrets
import X509

extension Request {
    /// The name of a certificate from the path.
    func certificateName() throws(VaultError) -> ObjectName {
        let name = try objectName("certificate-name")
        guard !Certificates.reservedNames.contains(name.key) else {
            throw .badParameter("The request URI contains an invalid name: \(name) is reserved.")
        }
        return name
    }
}

struct CreateCertificate: OperationInput {
    let name: ObjectName
    let policy: CertificatePolicy?
    /// Of the policy, in place of one.
    let template: ObjectName?
    let isEnabled: Bool
    let tags: [ObjectRecord.Tag]
    let keepsOrder: Bool
    /// Begun by the server itself.
    let isRenewal: Bool

    init(_ request: Request) throws(VaultError) {
        struct Body: Decodable {
            let policy: CertificatePolicy?
            let template: String?
            let attributes: AttributeParameters?
            let tags: TagParameters?
            let preserveCertOrder: Bool?
        }
        name = try request.certificateName()
        let body = try Body.fromJSON(request.body)
        try body.tags?.validate(longest: 256)
        policy = body.policy
        template = try body.template.map { text throws(VaultError) in try ObjectName(templateNamed: text) }
        guard policy == nil || template == nil else {
            throw .badParameter("A certificate is made by a policy or by a template, not by both.")
        }
        isEnabled = body.attributes?.enabled ?? true
        tags = body.tags?.sorted ?? []
        keepsOrder = body.preserveCertOrder ?? false
        isRenewal = false
    }

    init(renewing name: ObjectName, isEnabled: Bool, tags: [ObjectRecord.Tag]) {
        (self.name, self.isEnabled, self.tags) = (name, isEnabled, tags)
        policy = nil
        template = nil
        keepsOrder = false
        isRenewal = true
    }
}

extension Certificates {
    /// Begins a certificate: makes its key and request, and hands it to the issuer. It is in progress until the issuer has answered.
    ///
    /// - Throws: `.pendingInProgress` while another is being made; `.conflict` when a key or a secret has the name.
    /// - Source: Azure REST "Create Certificate".
    func create(_ input: CreateCertificate, _ call: Call) async throws(VaultError) -> PendingOutput {
        let tables = try tables(call)
        let now = call.now
        let reader = call.lane.reader
        try requireFree(input.name, tables, in: reader)
        let stored = try policy(of: input.name, tables, in: reader)
        let chosen = try input.template.map { name throws(VaultError) in
            try requiredTemplate(name, tables.vault, in: reader).policy
        }
        guard let wanted = input.policy ?? chosen ?? stored else {
            throw .badParameter("A policy is needed to create the first version of a certificate.")
        }
        let policy = try wanted.filled(in: input.name, tables.vault).completed(at: now.epochSeconds)
        try policy.validate(in: tables.vault)
        try requireIssuer(policy, tables, in: reader)
        let version = call.lane.newVersion()
        let (key, reuses) = try await key(for: policy, version, input.name, tables, call)
        let keyVersion = reuses ?? version
        let connector = try connector(of: policy, tables, in: reader)
        let content = connector?.requested(policy.content) ?? policy.content
        let request: [UInt8]
        do throws(VaultError) {
            let built: Result<[UInt8], CryptoError> = try await sign(key, keyVersion, call) {
                [engine] signer throws(CryptoError) in
                do throws(CryptoError) {
                    return .success(
                        try CertificateBuilder(engine).request(
                            content, key: key.material.publicKey, signer: signer))
                } catch {
                    guard case .malformed = error else { throw error }
                    return .failure(error)
                }
            }
            do throws(CryptoError) { request = try built.get() } catch {
                guard case .malformed(let reason) = error else { throw VaultError(error) }
                throw VaultError.invalid("policy.x509_props", reason)
            }
        } catch {
            if reuses == nil { try? work.provider(of: key.type).destroy(key.material, id: version.bytes) }
            throw error
        }
        let pending = PendingCertificate(
            status: .inProgress, requestID: call.lane.newGUID(), request: request, issuer: policy.issuerName,
            issuerType: policy.issuer?.cty, version: version.value, key: key.encoded(), reusesKey: reuses != nil,
            isEnabled: input.isEnabled, tagNames: input.tags.map(\.name), tagValues: input.tags.map(\.value),
            keepsOrder: input.keepsOrder,
            spelling: (try tables.certificates.head(input.name, in: reader)?.name ?? input.name).spelling,
            isRenewal: input.isRenewal ? true : nil, created: now.epochSeconds,
            provider: connector?.providers.sorted().first, isElsewhere: connector?.isElsewhere == true ? true : nil)
        let replaced: PendingCertificate?
        let (record, order) = (try policy.encoded(), try pending.encoded())
        do throws(VaultError) {
            replaced = try await call.commit { transaction throws(VaultError) in
                try requireFree(input.name, tables, in: transaction)
                let old = try self.pending(of: input.name, tables, in: transaction)
                try tables.certificates.putCompanion(Self.policyCompanion, of: input.name, record, in: transaction)
                try put(pending: order, of: input.name, tables, in: transaction)
                if policy.isRenewable {
                    try enrollDuty(pending, input.name, tables.vault, at: now).schedule(in: transaction)
                }
                return old
            }
        } catch {
            if reuses == nil { try? work.provider(of: key.type).destroy(key.material, id: version.bytes) }
            throw error
        }
        if let replaced { await dropKey(of: replaced, call) }
        return PendingOutput(pending: pending, name: input.name, vault: tables.vault, status: 202)
    }

    /// Removes the key of an order that led to no certificate and can lead to none any more.
    func dropKey(of pending: PendingCertificate, _ call: Call) async {
        guard pending.status != .completed, !pending.reusesKey, let key = try? keyRecord(pending), key.type.isHSM else {
            return
        }
        let id = ObjectVersion(pending.version).bytes
        // What is not removed now is removed by the sweep of the next start.
        _ = try? await work.make(nil, key.type, call) { provider in provider.destroy(key.material, id: id) }
    }

    /// Nothing is in progress under the name, no deleted certificate has it, and no key or secret of its own.
    func requireFree(_ name: ObjectName, _ tables: Tables, in reader: any RecordReader) throws(VaultError) {
        if let pending = try pending(of: name, tables, in: reader), pending.status == .inProgress {
            throw VaultError(
                .pendingInProgress,
                "A new key vault certificate can not be created or imported while a pending key vault certificate's status is inProgress."
            )
        }
        if let object = try tables.certificates.deleted(name, in: reader) {
            throw tables.certificates.taken(by: object)
        }
        try requireParts(name, tables, in: reader)
    }

    /// The name's key and secret are those of the certificate, or there are none.
    private func requireParts(_ name: ObjectName, _ tables: Tables, in reader: any RecordReader) throws(VaultError) {
        guard try tables.certificates.head(name, in: reader) == nil else { return }
        for table in [tables.keys, tables.secrets] {
            if try table.head(name, in: reader) != nil {
                throw VaultError(
                    .conflict,
                    "A \(table.kind.noun) named \(name) exists in this vault; a certificate needs its name for itself.")
            }
            if let object = try table.deleted(name, in: reader) { throw table.taken(by: object) }
        }
    }

    func requireIssuer(_ policy: CertificatePolicy, _ tables: Tables, in reader: any RecordReader)
        throws(VaultError)
    {
        let name = policy.issuerName.lowercased()
        guard name != "self", name != "unknown" else { return }
        guard try issuer(named: policy.issuerName, tables.vault, in: reader) != nil else {
            throw .invalid("policy.issuer.name", "there is no issuer '\(policy.issuerName.prefix(128))' in this vault")
        }
    }

    /// The key of a new version: the one before when the policy says so and it still fits, or a new one.
    private func key(
        for policy: CertificatePolicy, _ version: ObjectVersion, _ name: ObjectName, _ tables: Tables, _ call: Call
    ) async throws(VaultError) -> (key: KeyVersion, reused: ObjectVersion?) {
        let type = try policy.keyType(in: tables.vault)
        let specification = try policy.specification()
        if policy.reusesKey, let head = try tables.keys.head(name, in: call.lane.reader) {
            let old = try KeyVersion(head.current)
            if old.type == type, old.specification == specification { return (old, head.current.version) }
        }
        let material = try await work.makeForUse(specification, type, version, call)
        let key = KeyVersion(
            type: type, operations: policy.keyOperations, material: material, origin: .generated, isManaged: true)
        return (key, nil)
    }

    /// Runs `body` with what signs for a key, wherever the key is.
    func sign<Value: Sendable>(
        _ key: KeyVersion, _ version: ObjectVersion, _ call: Call,
        _ body: @escaping @Sendable (CertificateBuilder.Signer) throws(CryptoError) -> Value
    ) async throws(VaultError) -> Value {
        let software = work.software
        return try await work.use(key, version, for: .sign, call) { opened throws(CryptoError) in
            try body(
                CertificateBuilder.Signer(key: opened, specification: key.specification) {
                    software.digest($0, $1)
                })
        }
    }

    private func connector(of policy: CertificatePolicy, _ tables: Tables, in reader: any RecordReader)
        throws(VaultError) -> (any IssuerConnector)?
    {
        guard policy.isRenewable, !policy.isSelfIssued,
            let issuer = try issuer(named: policy.issuerName, tables.vault, in: reader)?.issuer
        else { return nil }
        return connector(for: issuer.account.provider)
    }

    /// - Parameter asks: the issuer is to be asked; what only ends an order asks nobody.
    func enrollDuty(
        _ pending: PendingCertificate, _ name: ObjectName, _ vault: Vault, at time: Timestamp, asks: Bool = true
    ) -> Duty {
        Duty(
            due: time, id: "certificate-enroll.\(vault.name).\(name.key)",
            operation: asks && pending.isElsewhere == true ? "CertificateEnrollElsewhere" : "CertificateEnroll",
            vault: vault.name, parameters: ["certificate-name": name.spelling],
            party: "\(vault.name)/\(pending.issuer.lowercased())")
    }

    // MARK: The issuer's answer

    /// The duty: asks the issuer for what is in progress, and keeps what it gives. Safe to repeat.
    func enroll(_ input: NamedCertificate, _ call: Call) async throws(VaultError) -> NoContent {
        let tables = try tables(call)
        guard try tables.certificates.deleted(input.name, in: call.lane.reader) == nil,
            var pending = try pending(of: input.name, tables, in: call.lane.reader), pending.status == .inProgress,
            let policy = try policy(of: input.name, tables, in: call.lane.reader)
        else { return NoContent() }
        call.concerns(objectID: tables.vault.url(of: "certificates") + input.name.spelling)
        guard !pending.cancellationRequested else {
            return try await giveUp(pending, input.name, tables, call)
        }
        let outcome =
            policy.isSelfIssued
            ? .issued(
                try await selfSigned(pending, policy, tables, input.name, call), chain: [], alongside: { _ in })
            : try await ask(pending, policy, tables, input.name, call)
        switch outcome {
        case .issued(let certificate, let chain, let alongside):
            do throws(VaultError) {
                _ = try await complete(
                    pending, certificate, chain, policy, input.name, tables, call, alongside: alongside)
                return NoContent()
            } catch {
                guard error.answer.status == 409 else { throw error }
                return try await fail(pending, "Request rejected", error.message, input.name, tables, call) { _ in }
            }
        case .waiting(let time, let details, let state, let alongside):
            pending.connectorState = state
            pending.statusDetails = details
            let (waiting, next) = (pending, enrollDuty(pending, input.name, tables.vault, at: time))
            try await call.commit { transaction throws(VaultError) in
                try alongside(transaction)
                guard let current = try self.pending(of: input.name, tables, in: transaction),
                    current.requestID == waiting.requestID, current.status == .inProgress
                else { return }
                var kept = waiting
                kept.cancellationRequested = current.cancellationRequested
                try put(kept, of: input.name, tables, in: transaction)
                try next.schedule(in: transaction)
            }
            return NoContent()
        case .failed(let code, let reason, let alongside):
            return try await fail(pending, code, reason, input.name, tables, call, alongside: alongside)
        }
    }

    /// Takes the next step of an order at the issuer that the policy names.
    private func ask(
        _ pending: PendingCertificate, _ policy: CertificatePolicy, _ tables: Tables, _ name: ObjectName, _ call: Call
    ) async throws(VaultError) -> IssuerOutcome {
        guard let (issuerName, issuer) = try issuer(named: pending.issuer, tables.vault, in: call.lane.reader) else {
            return .failed(
                code: "Certificate issuer error", reason: "The issuer '\(pending.issuer)' is no longer in this vault.",
                alongside: try abandonment(of: pending, tables, call))
        }
        guard issuer.attributes?.enabled ?? true else {
            return .failed(
                code: "Certificate issuer error", reason: "The issuer '\(issuerName)' is disabled.",
                alongside: try abandonment(of: pending, tables, call))
        }
        let account = issuer.account
        guard let connector = connector(for: account.provider) else {
            return .failed(
                code: "Certificate issuer error",
                reason:
                    "The issuer '\(issuerName)' cannot be reached by this server: its provider has no connector here.")
        }
        let key = try keyRecord(pending)
        return try await connector.enroll(
            IssuerOrder(
                vault: tables.vault, name: name, issuer: issuerName, account: account,
                certificateType: policy.issuer?.cty, content: policy.content, months: policy.months,
                publicKey: key.material.publicKey, specification: key.specification, request: pending.request,
                state: pending.connectorState), call)
    }

    /// Ends an order that the issuer refused. A renewal is tried again later.
    private func fail(
        _ pending: PendingCertificate, _ code: String, _ reason: String, _ name: ObjectName, _ tables: Tables,
        _ call: Call, alongside: @escaping @Sendable (Transaction) throws(VaultError) -> Void
    ) async throws(VaultError) -> NoContent {
        var failed = pending
        failed.status = .failed
        failed.errorCode = code
        failed.errorMessage = reason
        failed.connectorState = nil
        let (ended, now) = (failed, call.now)
        try await call.commit { transaction throws(VaultError) in
            try alongside(transaction)
            // Cancelled or begun anew meanwhile.
            guard let current = try self.pending(of: name, tables, in: transaction),
                current.requestID == ended.requestID, current.status == .inProgress
            else { return }
            try put(ended, of: name, tables, in: transaction)
            if ended.isRenewal == true { try retryRenewal(name, reason, tables, at: now, in: transaction) }
        }
        return NoContent()
    }

    private func giveUp(_ pending: PendingCertificate, _ name: ObjectName, _ tables: Tables, _ call: Call)
        async throws(VaultError) -> NoContent
    {
        var cancelled = pending
        cancelled.status = .cancelled
        cancelled.connectorState = nil
        let abandon = try abandonment(of: pending, tables, call)
        let ended = cancelled
        try await call.commit { transaction throws(VaultError) in
            try abandon(transaction)
            try put(ended, of: name, tables, in: transaction)
        }
        return NoContent()
    }

    /// What ends an order wherever it stands.
    func abandonment(of pending: PendingCertificate, _ tables: Tables, _ call: Call) throws(VaultError)
        -> @Sendable (Transaction) throws(VaultError) -> Void
    {
        guard let state = pending.connectorState, let provider = pending.provider,
            let connector = connector(for: provider)
        else { return { _ in } }
        return try connector.abandon(state, tables.vault, at: call.now)
    }

    func keyRecord(_ pending: PendingCertificate) throws(VaultError) -> KeyVersion {
        try KeyVersion(
            ObjectRecord(
                version: ObjectVersion(pending.version),
                attributes: ObjectAttributes(isEnabled: true, notBefore: nil, expires: nil, created: 0, updated: 0),
                tags: nil, payload: pending.key))
    }

    private func selfSigned(
        _ pending: PendingCertificate, _ policy: CertificatePolicy, _ tables: Tables, _ name: ObjectName, _ call: Call
    ) async throws(VaultError) -> Certificate {
        let key = try keyRecord(pending)
        let signingVersion = try keyVersion(pending, name, tables, call)
        var serial = call.lane.random.bytes(16)
        serial[0] = serial[0] & 0x7F | 0x40
        let (engine, now, number) = (engine, call.now, serial)
        let months = CalendarPeriod("P\(policy.months)M")
        return try await sign(key, signingVersion, call) { signer throws(CryptoError) in
            try CertificateBuilder(engine).certificate(
                policy.content, key: key.material.publicKey, issuer: nil, signer: signer, serialNumber: number,
                notBefore: now - .minutes(10), notAfter: months?.end(after: now) ?? now)
        }
    }

    /// The version under which the provider knows the key.
    private func keyVersion(_ pending: PendingCertificate, _ name: ObjectName, _ tables: Tables, _ call: Call)
        throws(VaultError) -> ObjectVersion
    {
        guard pending.reusesKey, let head = try tables.keys.head(name, in: call.lane.reader) else {
            return ObjectVersion(pending.version)
        }
        return head.current.version
    }

    /// Writes certificate, key and secret as one version, and ends the pending operation.
    func complete(
        _ pending: PendingCertificate, _ certificate: Certificate, _ chain: [Certificate], _ policy: CertificatePolicy,
        _ name: ObjectName, _ tables: Tables, _ call: Call,
        alongside: @escaping @Sendable (Transaction) throws(VaultError) -> Void = { _ in }
    ) async throws(VaultError) -> CertificateBundle {
        var closed = pending
        closed.status = .completed
        closed.connectorState = nil
        closed.statusDetails = nil
        let trio = try trio(
            ObjectVersion(pending.version), try keyRecord(pending), certificate, chain, policy,
            isEnabled: pending.isEnabled, tags: pending.tags, keepsOrder: pending.keepsOrder, at: call.now)
        let (done, now) = (try closed.encoded(), call.now)
        let head = try await call.commit { transaction throws(VaultError) in
            guard let current = try self.pending(of: name, tables, in: transaction),
                current.requestID == pending.requestID, current.status == pending.status
            else { throw VaultError(.conflict, "The pending certificate was changed meanwhile. Try again.") }
            let head = try append(trio, to: name, tables, in: transaction)
            try put(pending: done, of: name, tables, in: transaction)
            try alongside(transaction)
            try schedule(head, policy, tables, at: now, in: transaction)
            return head
        }
        return try CertificateBundle(tables.vault, head.name, head.current, policy: policy, hasPending: true)
    }

    // MARK: Three records

    struct Trio: Sendable {
        let certificate: ObjectRecord
        let key: ObjectRecord
        let secret: ObjectRecord
    }

    func trio(
        _ version: ObjectVersion, _ key: KeyVersion, _ certificate: Certificate, _ chain: [Certificate],
        _ policy: CertificatePolicy, isEnabled: Bool, tags: [ObjectRecord.Tag], keepsOrder: Bool, at now: Timestamp
    ) throws(VaultError) -> Trio {
        let attributes = ObjectAttributes(
            isEnabled: isEnabled, notBefore: certificate.notBefore.epochSeconds,
            expires: certificate.notAfter.epochSeconds, created: now.epochSeconds, updated: now.epochSeconds)
        do throws(CryptoError) {
            let secret = try SecretContent(engine).make(key, certificate, chain, policy)
            return Trio(
                certificate: ObjectRecord(
                    version: version, attributes: attributes, tags: tags,
                    payload: try CertificateVersion(certificate, chain: chain, keepsOrder: keepsOrder, engine: engine)
                        .encoded()),
                key: ObjectRecord(
                    version: version, attributes: attributes, tags: tags.isEmpty ? nil : tags, payload: key.encoded()),
                secret: ObjectRecord(
                    version: version, attributes: attributes, tags: tags.isEmpty ? nil : tags,
                    payload: secret.encoded()))
        } catch { throw VaultError(error) }
    }

    /// - Throws: `.conflict` when a key or a secret that belongs to no certificate has taken the name meanwhile.
    func append(_ trio: Trio, to name: ObjectName, _ tables: Tables, in transaction: Transaction) throws(VaultError)
        -> ObjectHead
    {
        try requireParts(name, tables, in: transaction)
        _ = try tables.keys.append(trio.key, to: name, in: transaction)
        var secret = trio.secret
        if let before = try tables.secrets.head(name, in: transaction)?.current.version {
            secret.payload = try SecretValue(secret).following(before).encoded()
        }
        _ = try tables.secrets.append(secret, to: name, in: transaction)
        return try tables.certificates.append(trio.certificate, to: name, in: transaction)
    }
}
