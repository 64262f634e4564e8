import Barrier
import Certificates
import Cryptography
import Domain
import Keys
import Objects
import Operations
import Store
import X509

extension Authorities {
    struct RevokeCertificate: OperationInput {
        let name: ObjectName
        let serialNumber: [UInt8]?
        /// DER, in place of the serial number.
        let certificate: [UInt8]?
        let reason: RevocationReason
        let generation: ObjectVersion?

        init(_ request: Request) throws(VaultError) {
            struct Body: Decodable {
                let serial_number: String?
                let cer: String?
                let reason: String?
            }
            name = try request.objectName("certificate-name")
            generation = try Authorities.generation(request)
            let body = try Body.fromJSON(request.body)
            serialNumber = try body.serial_number.map { text throws(VaultError) in
                try Authorities.serialNumber(text)
            }
            certificate = try body.cer.map { text throws(VaultError) in
                guard let der = Base64.decode(text) ?? Base64.decodeURL(text) else {
                    throw .invalid("cer", "it is not base64")
                }
                return der
            }
            guard (serialNumber == nil) != (certificate == nil) else {
                throw .badParameter("The request body must have one of the members 'serial_number' and 'cer'.")
            }
            let text = body.reason ?? "unspecified"
            guard let reason = RevocationReason(text), reason != .aACompromise else {
                throw .invalid(
                    "reason",
                    "it must be one of "
                        + RevocationReason.allCases.filter { $0 != .aACompromise }.map(\.text).joined(separator: ", "))
            }
            self.reason = reason
        }
    }

    /// Revokes a certificate. The status service says so when this returns, and lists are made at once.
    ///
    /// A certificate on hold may be released with the reason `removeFromCRL`, or be revoked for good.
    ///
    /// - Source: RFC 5280 §5.3.1.
    func revoke(_ input: RevokeCertificate, _ call: Call) async throws(VaultError) -> IssuedOutput {
        let serial: [UInt8]
        if let given = input.serialNumber {
            serial = given
        } else {
            do throws(CryptoError) {
                serial = try Certificate(der: input.certificate ?? [], engine: engine).serialNumber
            } catch { throw .invalid("cer", "it is not a certificate") }
        }
        let (handle, issued) = try find(
            serial, input.name, input.generation, try call.vault(), in: call.lane.reader)
        if let certificate = input.certificate, certificate != issued.der {
            throw .invalid("cer", "it is not the certificate that this authority issued under its serial number")
        }
        let reason = input.reason
        try Self.requireRevocable(issued, reason)
        let now = call.now
        let isRelease = reason == .removeFromCRL
        // The time of a hold stays the time of the revocation.
        let time = issued.revocation?.time ?? now.epochSeconds
        let status: OCSP.Status = isRelease ? .good : .revoked(Timestamp(epochSeconds: time), reason)
        let (engine, settings, number) = (engine, handle.settings, issued.serialNumber)
        let answers = try await sign(handle, call) { signer throws(CryptoError) in
            try Self.answers(
                status, number, handle.certificate, settings, at: now, CertificateBuilder(engine), signer)
        }
        var changed = issued
        changed.revocation = isRelease ? nil : .init(time: time, reason: reason)
        let (revoked, table) = (changed, handle.table)
        try await call.commit { transaction throws(VaultError) in
            guard let current = try table.issued(handle.id, number, in: transaction),
                current.revocation == issued.revocation
            else { throw VaultError(.conflict, "The certificate's status was changed meanwhile. Try again.") }
            try table.put(revoked, handle.id, in: transaction)
            try table.put(
                revoked: RevokedSerial(
                    revoked: time, reason: reason, notAfter: issued.notAfter, changed: now.epochSeconds), handle.id,
                number, in: transaction)
            if issued.notAfter > now.epochSeconds { try table.put(status: answers, handle.id, number, in: transaction) }
            if var generation = try table.generation(handle.id, in: transaction) {
                generation.changes = (generation.changes ?? 0) + 1
                try table.put(generation, in: transaction)
            }
            try table.publishDuty(handle.id, at: now.epochSeconds).schedule(in: transaction)
        }
        return IssuedOutput(handle: handle, issued: revoked, chain: [handle.certificate] + handle.chain)
    }

    private static func requireRevocable(_ issued: IssuedCertificate, _ reason: RevocationReason) throws(VaultError) {
        switch (issued.revocation?.reason, reason) {
        case (.certificateHold?, .certificateHold):
            throw VaultError(.conflict, "The certificate is on hold already.")
        case (.certificateHold?, _): return
        case (nil, .removeFromCRL):
            throw .invalid("reason", "only a certificate on hold can be released with removeFromCRL")
        case (nil, _): return
        case (let old?, _):
            throw VaultError(
                .conflict, "The certificate was revoked before (\(old.text)); a revocation cannot be changed.")
        }
    }

    // MARK: Lists

    /// New lists, signed and not yet written.
    struct Lists: Sendable {
        let full: [UInt8]
        let delta: [UInt8]
        let generation: AuthorityGeneration
        /// What no later list needs any more.
        let spent: [[UInt8]]
    }

    /// Signs a full list and its delta. When the base has aged by half of its time, the full list becomes the new base.
    func lists(_ handle: Handle, _ old: AuthorityGeneration, rebased: Bool, _ call: Call) async throws(VaultError)
        -> Lists
    {
        let (now, settings, engine) = (call.now, handle.settings, engine)
        var generation = old
        generation.number += 1
        let half = (settings.fullPeriod / 2).components.seconds
        let isBase = rebased || old.number == 0 || now.epochSeconds - old.baseTime >= half
        let lines = try handle.table.revoked(handle.id, in: call.lane.reader)
        // An expired certificate stays for one base after its end (RFC 5280 §3.3).
        let spent = isBase ? lines.filter { $0.line.notAfter < old.baseTime || $0.line.reason == .removeFromCRL } : []
        let gone = Set(spent.map(\.serial))
        let kept = lines.filter { !gone.contains($0.serial) }
        if isBase {
            generation.baseNumber = generation.number
            generation.baseTime = now.epochSeconds
        }
        let (next, baseTime) = (generation, generation.baseTime)
        func entry(_ each: (serial: [UInt8], line: RevokedSerial)) -> RevocationList.Entry {
            .init(
                serialNumber: each.serial, revoked: Timestamp(epochSeconds: each.line.revoked),
                reason: each.line.reason)
        }
        let all = kept.filter { $0.line.reason != .removeFromCRL }.map(entry)
        let changes = isBase ? [] : kept.filter { $0.line.changed >= baseTime }.map(entry)
        let start = now - .minutes(5)
        let deltaAddress = addresses(handle.vault, handle.id)?.delta
        let signed: ([UInt8], [UInt8]) = try await sign(handle, call) { signer throws(CryptoError) in
            let builder = CertificateBuilder(engine)
            return (
                try builder.revocationList(
                    all, issuer: handle.certificate, number: next.number, base: nil, thisUpdate: start,
                    nextUpdate: now + settings.fullPeriod, deltaAddress: deltaAddress, signer: signer),
                try builder.revocationList(
                    changes, issuer: handle.certificate, number: next.number, base: next.baseNumber,
                    thisUpdate: start, nextUpdate: now + settings.deltaPeriod, deltaAddress: nil, signer: signer)
            )
        }
        return Lists(full: signed.0, delta: signed.1, generation: generation, spent: spent.map(\.serial))
    }

    /// Writes new lists in place of those they followed, and the duty to make the next ones.
    func keep(
        _ lists: Lists, _ handle: Handle, _ old: AuthorityGeneration, at now: Timestamp, in transaction: Transaction
    ) throws(VaultError) {
        let table = handle.table
        let current = try table.generation(handle.id, in: transaction)
        guard current?.number ?? 0 == old.number else {
            throw VaultError(.conflict, "The lists of the authority were made anew meanwhile. Try again.")
        }
        var generation = lists.generation
        if let due = current?.due, due > 0 { try table.publishDuty(handle.id, at: due).cancel(in: transaction) }
        generation.changes = current?.changes
        // What was revoked while these were signed is on the next ones.
        if generation.changes != old.changes {
            try table.publishDuty(handle.id, at: now.epochSeconds + 1).schedule(in: transaction)
        }
        generation.due = (now + handle.settings.publishEvery).epochSeconds
        try table.publishDuty(handle.id, at: generation.due).schedule(in: transaction)
        try table.put(generation, in: transaction)
        try table.put(list: lists.full, handle.id, isDelta: false, in: transaction)
        try table.put(list: lists.delta, handle.id, isDelta: true, in: transaction)
        try transaction.put(
            handle.certificate.der, at: table.certificateKey(handle.id), in: handle.vault.sealDomain)
        for serial in lists.spent { try table.put(revoked: nil, handle.id, serial, in: transaction) }
    }

    struct PublishAuthority: OperationInput {
        let name: ObjectName
        let generation: ObjectVersion?

        init(_ request: Request) throws(VaultError) {
            name = try request.objectName("certificate-name")
            generation = try Authorities.generation(request)
        }
    }

    /// Makes lists now, the full one a new base.
    func publish(_ input: PublishAuthority, _ call: Call) async throws(VaultError) -> AuthorityOutput {
        let handle = try handle(input.name, version: input.generation, try call.vault(), in: call.lane.reader)
        let old =
            try handle.table.generation(handle.id, in: call.lane.reader)
            ?? AuthorityGeneration(certificate: handle.name.spelling, version: handle.version.value)
        let lists = try await lists(handle, old, rebased: true, call)
        let now = call.now
        try await call.commit { transaction throws(VaultError) in
            try keep(lists, handle, old, at: now, in: transaction)
        }
        return AuthorityOutput(
            handle: handle, addresses: addresses(handle.vault, handle.id), generation: lists.generation,
            generations: handle.companion.generations)
    }

    // MARK: The duty

    struct Generation: OperationInput {
        let version: ObjectVersion

        init(_ request: Request) throws(VaultError) {
            guard let version = request.parameter("generation").flatMap({ ObjectVersion($0) }) else {
                throw .internal("a duty of an authority without its generation")
            }
            self.version = version
        }
    }

    /// Answers signed anew in one run of the duty.
    private static let answersAtOnce = 256

    /// The duty: makes the lists of a generation, and the answers of the status service that have aged.
    func publishIfDue(_ input: Generation, _ call: Call) async throws(VaultError) -> NoContent {
        let vault = try call.vault()
        let table = AuthorityTable(vault)
        guard let old = try table.generation(input.version.description, in: call.lane.reader),
            let name = ObjectName(old.certificate)
        else { return NoContent() }
        let handle: Handle
        do throws(VaultError) {
            handle = try self.handle(name, version: input.version, vault, in: call.lane.reader)
        } catch {
            // The certificate was deleted: there is no key to sign with until it is recovered.
            guard error.answer.status == 404 else { throw error }
            let again = (call.now + .hours(1)).epochSeconds
            guard try ObjectTable(Certificates.kind, in: vault).deleted(name, in: call.lane.reader) != nil else {
                return NoContent()
            }
            try await call.commit { transaction throws(VaultError) in
                try table.publishDuty(input.version.description, at: again).schedule(in: transaction)
            }
            return NoContent()
        }
        call.concerns(objectID: vault.url(of: "certificates") + handle.name.spelling + "/authority")
        // Past its end an authority has nothing more to say.
        guard handle.certificate.notAfter > call.now else { return NoContent() }
        let lists = try await lists(handle, old, rebased: false, call)
        let answers = try await agedAnswers(handle, call)
        let now = call.now
        let hasMore = answers.count == Self.answersAtOnce
        try await call.commit { transaction throws(VaultError) in
            try keep(lists, handle, old, at: now, in: transaction)
            for (serial, signedFor, status) in answers {
                guard let current = try table.issued(handle.id, serial, in: transaction) else { continue }
                // What was revoked meanwhile has its answer already.
                guard current.revocation == signedFor else { continue }
                try table.put(status: status, handle.id, serial, in: transaction)
            }
            if hasMore { try table.publishDuty(handle.id, at: now.epochSeconds + 1).schedule(in: transaction) }
        }
        return NoContent()
    }

    private func agedAnswers(_ handle: Handle, _ call: Call) async throws(VaultError) -> [(
        [UInt8], IssuedCertificate.Revocation?, StatusAnswers?
    )] {
        let prefix = handle.table.refreshPrefix(handle.id)
        let (now, settings, engine) = (call.now, handle.settings, engine)
        let until = handle.table.refreshKey(handle.id, now.epochSeconds + 1, [])
        let keys = try call.lane.reader.keys(in: KeyRange(from: prefix, to: until), limit: Self.answersAtOnce)
        var aged: [IssuedCertificate] = []
        for key in keys {
            guard let text = key.split(separator: "/").last, let serial = Hex.decode(text),
                let issued = try handle.table.issued(handle.id, serial, in: call.lane.reader)
            else { continue }
            aged.append(issued)
        }
        guard !aged.isEmpty else { return [] }
        let certificates = aged
        return try await sign(handle, call) { signer throws(CryptoError) in
            let builder = CertificateBuilder(engine)
            return try certificates.mapTyped { issued throws(CryptoError) in
                // No more is said of a certificate that has expired.
                guard issued.notAfter > now.epochSeconds else {
                    return (issued.serialNumber, issued.revocation, StatusAnswers?.none)
                }
                let status: OCSP.Status =
                    issued.revocation.map { .revoked(Timestamp(epochSeconds: $0.time), $0.reason) } ?? .good
                return (
                    issued.serialNumber, issued.revocation,
                    try Self.answers(
                        status, issued.serialNumber, handle.certificate, settings, at: now, builder, signer)
                )
            }
        }
    }
}
