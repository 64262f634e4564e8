import Cryptography
import Domain
import Keys
import Objects
import Operations
import X509

struct NamedCertificate: OperationInput {
    let name: ObjectName

    init(_ request: Request) throws(VaultError) { name = try request.certificateName() }
}

struct PendingRequest: OperationInput {
    let name: ObjectName
    let requestID: String?

    init(_ request: Request) throws(VaultError) {
        name = try request.certificateName()
        requestID = try request.query.value("request_id")
    }
}

struct UpdatePending: OperationInput {
    let name: ObjectName
    let cancels: Bool

    init(_ request: Request) throws(VaultError) {
        struct Body: Decodable {
            let cancellation_requested: Bool
        }
        name = try request.certificateName()
        cancels = try Body.fromJSON(request.body).cancellation_requested
    }
}

struct MergeCertificate: OperationInput {
    let name: ObjectName
    let certificates: [[UInt8]]
    let isEnabled: Bool?
    let tags: [ObjectRecord.Tag]?

    init(_ request: Request) throws(VaultError) {
        struct Body: Decodable {
            let x5c: [String]?
            let attributes: AttributeParameters?
            let tags: TagParameters?
        }
        name = try request.certificateName()
        let body = try Body.fromJSON(request.body)
        guard let texts = body.x5c, (1...32).contains(texts.count) else {
            throw .invalid("x5c", "it must hold 1 to 32 certificates, the leaf first")
        }
        certificates = try texts.mapTyped { text throws(VaultError) in
            guard let der = Base64.decode(text) ?? Base64.decodeURL(text) else {
                throw .invalid("x5c", "a certificate is not base64")
            }
            return der
        }
        try body.tags?.validate(longest: 256)
        isEnabled = body.attributes?.enabled
        tags = body.tags?.sorted
    }
}

extension Certificates {
    private func required(_ name: ObjectName, _ tables: Tables, _ call: Call) throws(VaultError) -> PendingCertificate {
        guard try tables.certificates.deleted(name, in: call.lane.reader) == nil,
            let pending = try pending(of: name, tables, in: call.lane.reader)
        else { throw Self.noPending(name) }
        return pending
    }

    static func noPending(_ name: ObjectName) -> VaultError {
        VaultError(.pendingCertificateNotFound, "Pending certificate not found: \(name)")
    }

    /// - Source: Azure REST "Get Certificate Operation".
    func getPending(_ input: PendingRequest, _ call: Call) async throws(VaultError) -> PendingOutput {
        let tables = try tables(call)
        let pending = try required(input.name, tables, call)
        if let id = input.requestID, id.lowercased() != ObjectVersion(pending.requestID).description {
            throw Self.noPending(input.name)
        }
        return PendingOutput(pending: pending, name: input.name, vault: tables.vault)
    }

    /// Asks that what is in progress be given up.
    ///
    /// - Source: Azure REST "Update Certificate Operation".
    func updatePending(_ input: UpdatePending, _ call: Call) async throws(VaultError) -> PendingOutput {
        let tables = try tables(call)
        let now = call.now
        let pending = try await call.commit { transaction throws(VaultError) in
            guard try tables.certificates.deleted(input.name, in: transaction) == nil,
                var pending = try self.pending(of: input.name, tables, in: transaction)
            else {
                throw Self.noPending(input.name)
            }
            guard pending.status == .inProgress else {
                throw .badParameter("The pending certificate is not in progress and cannot be cancelled.")
            }
            pending.cancellationRequested = input.cancels
            // An issuer that this server asks itself is not asked any more; what waits for a merge has nobody to ask.
            if input.cancels, pending.issuer.lowercased() == "unknown" { pending.status = .cancelled }
            try put(pending, of: input.name, tables, in: transaction)
            if input.cancels, pending.status == .inProgress {
                try enrollDuty(pending, input.name, tables.vault, at: now, asks: false).schedule(in: transaction)
            }
            return pending
        }
        var shown = pending
        if input.cancels { shown.status = .inProgress }
        return PendingOutput(pending: shown, name: input.name, vault: tables.vault)
    }

    /// - Source: Azure REST "Delete Certificate Operation".
    func deletePending(_ input: PendingRequest, _ call: Call) async throws(VaultError) -> PendingOutput {
        let tables = try tables(call)
        let pending = try await call.commit { transaction throws(VaultError) in
            guard try tables.certificates.deleted(input.name, in: transaction) == nil,
                let pending = try self.pending(of: input.name, tables, in: transaction)
            else {
                throw Self.noPending(input.name)
            }
            try abandonment(of: pending, tables, call)(transaction)
            try put(pending: nil, of: input.name, tables, in: transaction)
            return pending
        }
        await dropKey(of: pending, call)
        return PendingOutput(pending: pending, name: input.name, vault: tables.vault)
    }

    /// Finishes what is in progress with a certificate that was signed elsewhere.
    ///
    /// - Throws: `.badParameter` when the certificate is not over the key of the request.
    /// - Source: Azure REST "Merge Certificate".
    func merge(_ input: MergeCertificate, _ call: Call) async throws(VaultError) -> CertificateBundle {
        let tables = try tables(call)
        let pending = try required(input.name, tables, call)
        guard pending.status != .completed else { throw Self.noPending(input.name) }
        guard pending.issuer.lowercased() == "unknown" || pending.status != .inProgress else {
            throw VaultError(
                .forbiddenByVault,
                "Merge is forbidden on pending object created with issuer : \(pending.issuer) while it is in progess.")
        }
        guard let policy = try policy(of: input.name, tables, in: call.lane.reader) else {
            throw Self.noPending(input.name)
        }
        let certificates = try input.certificates.mapTyped { der throws(VaultError) in
            do throws(CryptoError) { return try Certificate(der: der, engine: engine) } catch {
                throw VaultError.invalid("x5c", "a certificate cannot be read")
            }
        }
        let leaf = certificates[0]
        let key = try keyOf(pending)
        guard leaf.publicKey == key else {
            throw .invalid("x5c", "the public key of the first certificate is not that of the request")
        }
        guard leaf.notAfter > call.now else { throw .invalid("x5c", "the certificate has expired") }
        let merged = PendingCertificate(
            status: pending.status, requestID: pending.requestID, request: pending.request, issuer: pending.issuer,
            issuerType: pending.issuerType, version: pending.version, key: pending.key, reusesKey: pending.reusesKey,
            isEnabled: input.isEnabled ?? pending.isEnabled, tagNames: input.tags?.map(\.name) ?? pending.tagNames,
            tagValues: input.tags?.map(\.value) ?? pending.tagValues, keepsOrder: pending.keepsOrder)
        var bundle = try await complete(
            merged, leaf, Array(certificates.dropFirst()), policy, input.name, tables, call)
        bundle.status = 201
        return bundle
    }

    private func keyOf(_ pending: PendingCertificate) throws(VaultError) -> PublicKey {
        try keyRecord(pending).material.publicKey
    }
}
