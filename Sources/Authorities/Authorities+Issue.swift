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
    /// A certificate that is signed and not yet written. It leaves only after `record` was committed.
    struct Prepared: Sendable {
        let certificate: Certificate
        let chain: [Certificate]
        let issued: IssuedCertificate
        let record: @Sendable (Transaction) throws(VaultError) -> Void
    }

    /// What a certificate is to be.
    struct Wanted: Sendable {
        var content: CertificateContent
        let publicKey: PublicKey
        /// By name; nil for the one that its purposes call for.
        let profile: String?
        let notAfter: Timestamp
        let requester: String
        /// Identifier of the vault's certificate; empty for a request from outside.
        let name: String
    }

    /// Signs a certificate by the rules of its profile, and the first answers about its status.
    func prepare(_ wanted: Wanted, _ handle: Handle, _ call: Call) async throws(VaultError) -> Result<
        Prepared, AuthorityRefusal
    > {
        let now = call.now
        let plan: (content: CertificateContent, profile: String, end: Timestamp)
        do throws(AuthorityRefusal) { plan = try self.plan(wanted, handle, at: now) } catch { return .failure(error) }
        var serial = call.lane.random.bytes(16)
        serial[0] = serial[0] & 0x7F | 0x40
        let (engine, number, settings) = (engine, serial, handle.settings)
        let start = max(now - .minutes(10), handle.certificate.notBefore)
        let key = wanted.publicKey
        let made: (Certificate, StatusAnswers) = try await sign(handle, call) { signer throws(CryptoError) in
            let builder = CertificateBuilder(engine)
            let certificate = try builder.certificate(
                plan.content, key: key, issuer: handle.certificate, signer: signer, serialNumber: number,
                notBefore: start, notAfter: plan.end)
            return (
                certificate,
                try Self.answers(.good, number, handle.certificate, settings, at: now, builder, signer)
            )
        }
        // The rules of RFC 5280 §6 as every client applies them: name constraints, path length, key usage.
        let verdict: CertificateChain.Verdict
        do throws(CryptoError) {
            verdict = try CertificateChain(
                anchors: [handle.chain.last ?? handle.certificate], intermediates: [handle.certificate] + handle.chain,
                engine: engine
            ).verify(made.0, at: now, allowsPartial: true)
        } catch { throw VaultError(error) }
        guard verdict.holds else { return .failure(AuthorityRefusal("its chain would not hold: \(verdict.text)")) }
        let issued = IssuedCertificate(
            serialNumber: number, certificate: made.0, issued: now, profile: plan.profile,
            requester: wanted.requester, name: wanted.name)
        let status = made.1
        return .success(
            Prepared(
                certificate: made.0, chain: [handle.certificate] + handle.chain, issued: issued,
                record: { transaction throws(VaultError) in
                    try begin(handle, at: now, in: transaction)
                    guard try handle.table.issued(handle.id, number, in: transaction) == nil else {
                        throw VaultError(.conflict, "The serial number was drawn twice. Try again.")
                    }
                    try handle.table.put(issued, handle.id, in: transaction)
                    try handle.table.put(status: status, handle.id, number, in: transaction)
                }))
    }

    private func plan(_ wanted: Wanted, _ handle: Handle, at now: Timestamp) throws(AuthorityRefusal) -> (
        content: CertificateContent, profile: String, end: Timestamp
    ) {
        guard handle.settings.isEnabled else { throw AuthorityRefusal("the authority \(handle.name) is disabled") }
        guard handle.certificate.notAfter > now + .hours(1) else {
            throw AuthorityRefusal("the certificate of the authority \(handle.name) has expired")
        }
        guard let name = wanted.profile ?? AuthorityProfile.name(for: wanted.content) else {
            throw AuthorityRefusal(
                "no profile of the authority \(handle.name) allows these purposes: "
                    + wanted.content.extendedKeyUsage.joined(separator: ", "))
        }
        guard let profile = handle.settings.profile(name) else {
            throw AuthorityRefusal("the authority \(handle.name) has no profile '\(name.prefix(64))'")
        }
        let days = profile.max_validity_days ?? 1
        guard wanted.notAfter <= now + .days(days) else {
            throw AuthorityRefusal("the profile '\(name)' allows at most \(days) days of validity")
        }
        var content = try profile.applied(to: wanted.content, below: handle.certificate)
        let addresses = addresses(handle.vault, handle.id)
        content.ocspAddress = addresses?.status
        content.issuerAddress = addresses?.certificate
        content.revocationListAddress = addresses?.list
        content.deltaListAddress = addresses?.delta
        // An authority does not promise more than it lives.
        return (content, name, min(wanted.notAfter, handle.certificate.notAfter))
    }

    /// Both answers of the status service about a certificate.
    static func answers(
        _ status: OCSP.Status, _ serial: [UInt8], _ issuer: Certificate, _ settings: AuthoritySettings,
        at now: Timestamp, _ builder: CertificateBuilder, _ signer: CertificateBuilder.Signer
    ) throws(CryptoError) -> StatusAnswers {
        let start = now - .minutes(5)
        let end = now + settings.statusPeriod
        func answer(_ hash: OCSP.Hash) throws(CryptoError) -> [UInt8] {
            try builder.ocspAnswer(
                status, serialNumber: serial, issuer: issuer, hash: hash, thisUpdate: start, nextUpdate: end,
                signer: signer)
        }
        return StatusAnswers(
            nextUpdate: end.epochSeconds, refresh: (now + settings.statusPeriod / 2).epochSeconds,
            sha1: try answer(.sha1), sha256: try answer(.sha256))
    }

    // MARK: A request from outside

    struct IssueCertificate: OperationInput {
        let name: ObjectName
        let request: [UInt8]
        let profile: String?
        let days: Int?

        init(_ request: Request) throws(VaultError) {
            struct Body: Decodable {
                let csr: String?
                let profile: String?
                let validity_days: Int?
            }
            name = try request.objectName("certificate-name")
            let body = try Body.fromJSON(request.body)
            guard let text = body.csr else { throw .badParameter("The request body lacks the member 'csr'.") }
            guard let der = Self.decoded(text) else {
                throw .invalid("csr", "it is neither PEM nor base64 of a certification request")
            }
            self.request = der
            profile = body.profile
            days = body.validity_days
            guard (1...36_500).contains(days ?? 1) else {
                throw .invalid("validity_days", "it must be from 1 to 36500")
            }
        }

        private static func decoded(_ text: String) -> [UInt8]? {
            guard text.contains("-----BEGIN") else { return Base64.decode(text) ?? Base64.decodeURL(text) }
            guard let blocks = PEM.decode(text), blocks.count == 1, blocks[0].label.hasSuffix("CERTIFICATE REQUEST")
            else { return nil }
            return blocks[0].der
        }
    }

    /// Signs a certification request: its names and key are taken over, all else is the profile's.
    func issue(_ input: IssueCertificate, _ call: Call) async throws(VaultError) -> IssuedOutput {
        let handle = try handle(input.name, try call.vault(), in: call.lane.reader)
        let request: CertificateRequest
        do throws(CryptoError) { request = try CertificateRequest(der: input.request, engine: engine) } catch {
            if case .malformed(let reason) = error { throw .invalid("csr", reason) }
            throw VaultError(error)
        }
        if case .rsa(let bits) = request.specification, bits < 2_048 {
            throw .invalid("csr", "its RSA key has \(bits) bits; the least is 2048")
        }
        guard request.encodedSubject.count > 2 || request.encodedAlternativeNames != nil else {
            throw .invalid("csr", "it names neither a subject nor an alternative name")
        }
        var content = CertificateContent(subject: "")
        content.encodedSubject = request.encodedSubject
        content.encodedAlternativeNames = request.encodedAlternativeNames
        content.extendedKeyUsage = request.extendedKeyUsage
        content.keyUsage = ["digitalSignature"]
        if case .rsa = request.specification { content.keyUsage.append("keyEncipherment") }
        let name = input.profile ?? AuthorityProfile.name(for: content) ?? AuthorityProfile.tlsServer
        let most = handle.settings.profile(name)?.max_validity_days ?? 365
        let wanted = Wanted(
            content: content, publicKey: request.publicKey, profile: name,
            notAfter: call.now + .days(input.days ?? min(most, 365)),
            requester: call.principal?.objectID.description ?? "",
            name: "")
        switch try await prepare(wanted, handle, call) {
        case .failure(let refusal): throw .badParameter("The authority does not issue: \(refusal.text).")
        case .success(let prepared):
            try await call.commit { transaction throws(VaultError) in try prepared.record(transaction) }
            return IssuedOutput(handle: handle, issued: prepared.issued, chain: prepared.chain, status: 201)
        }
    }

    // MARK: What was issued

    struct ListIssued: OperationInput {
        let name: ObjectName
        let page: Paging.Page
        let generation: ObjectVersion?

        init(_ request: Request) throws(VaultError) {
            name = try request.objectName("certificate-name")
            page = try Paging.Page(request)
            generation = try Authorities.generation(request)
        }
    }

    static func generation(_ request: Request) throws(VaultError) -> ObjectVersion? {
        guard let text = try request.query.value("generation") else { return nil }
        guard let version = ObjectVersion(text) else {
            throw .invalid("generation", "it is not a version of the authority's certificate")
        }
        return version
    }

    func listIssued(_ input: ListIssued, _ call: Call) async throws(VaultError) -> IssuedList {
        let vault = try call.vault()
        let handle = try handle(input.name, version: input.generation, vault, in: call.lane.reader)
        let list = "authority/\(handle.id)/issued"
        let marker = try paging.marker(input.page, list: list, in: vault)
        let prefix = handle.table.issuedPrefix(handle.id)
        let range = marker.map { KeyRange(prefix: prefix, after: prefix + $0) } ?? KeyRange(prefix: prefix)
        var issued = try call.lane.reader.records(in: range, limit: input.page.size + 1).mapTyped {
            entry throws(VaultError) in
            guard let issued = IssuedCertificate(entry.value) else { throw VaultError.integrity(record: entry.key) }
            return issued
        }
        var link: String?
        if issued.count > input.page.size {
            issued.removeLast()
            link = try paging.link(
                after: Hex.encode(issued[issued.count - 1].serialNumber), page: input.page,
                path: "/certificates/\(handle.name)/authority/issued",
                query: input.generation.map { "&generation=\($0)" } ?? "", list: list, in: vault, call.apiVersion)
        }
        return IssuedList(handle: handle, issued: issued, nextLink: link)
    }

    struct IssuedSerial: OperationInput {
        let name: ObjectName
        let serialNumber: [UInt8]
        let generation: ObjectVersion?

        init(_ request: Request) throws(VaultError) {
            name = try request.objectName("certificate-name")
            serialNumber = try Authorities.serialNumber(request.parameter("serial-number") ?? "")
            generation = try Authorities.generation(request)
        }
    }

    /// Hexadecimal, with or without colons.
    static func serialNumber(_ text: String) throws(VaultError) -> [UInt8] {
        let digits = text.filter { $0 != ":" }
        guard (1...40).contains(digits.utf8.count),
            let bytes = Hex.decode(digits.utf8.count % 2 == 0 ? digits : "0" + digits)
        else { throw .invalid("serial_number", "it is not a serial number of up to 20 bytes in hexadecimal") }
        return Array(bytes.drop { $0 == 0 })
    }

    /// The generation that issued a serial number: the one asked for, or the newest that did.
    func find(
        _ serial: [UInt8], _ name: ObjectName, _ generation: ObjectVersion?, _ vault: Vault, in reader: any RecordReader
    ) throws(VaultError) -> (handle: Handle, issued: IssuedCertificate) {
        guard let companion = try companion(name, vault, in: reader) else {
            _ = try handle(name, vault, in: reader)
            throw .internal("an authority without its record")
        }
        for version in generation.map({ [$0.value] }) ?? companion.generations.reversed() {
            let id = ObjectVersion(version)
            if let issued = try AuthorityTable(vault).issued(id.description, serial, in: reader) {
                return (try handle(name, version: id, vault, in: reader), issued)
            }
        }
        throw VaultError(
            .certificateNotFound,
            "The authority \(name) has not issued a certificate with the serial number \(Hex.encode(serial)).")
    }

    func getIssued(_ input: IssuedSerial, _ call: Call) async throws(VaultError) -> IssuedOutput {
        let (handle, issued) = try find(
            input.serialNumber, input.name, input.generation, try call.vault(), in: call.lane.reader)
        return IssuedOutput(handle: handle, issued: issued, chain: [handle.certificate] + handle.chain)
    }
}

/// A certificate of an authority, as the API shows it.
struct IssuedOutput: OperationOutput {
    let handle: Authorities.Handle
    let issued: IssuedCertificate
    let chain: [Certificate]
    var status: UInt16 = 200

    func response(_ call: Call) -> Response {
        .json(status) { json in
            Self.write(issued, handle, to: &json)
            json.array("x5c") { list in
                for der in [issued.der] + chain.map(\.der) { list.string(Base64.encode(der)) }
            }
        }
    }

    static func write(_ issued: IssuedCertificate, _ handle: Authorities.Handle, to json: inout JSONWriter) {
        let serial = Hex.encode(issued.serialNumber)
        json.member(
            "id", "\(handle.vault.url(of: "certificates"))\(handle.name)/authority/issued/\(serial)")
        json.member("serial_number", serial)
        json.member("subject", issued.subject)
        json.member("nbf", issued.notBefore)
        json.member("exp", issued.notAfter)
        json.member("created", issued.issued)
        json.member("profile", issued.profile)
        json.member("requester", issued.requester)
        if !issued.certificate.isEmpty { json.member("certificate", issued.certificate) }
        json.member("generation", handle.id)
        json.member("status", issued.revocation == nil ? "good" : "revoked")
        if let revocation = issued.revocation {
            json.object("revocation") { entry in
                entry.member("time", revocation.time)
                entry.member("reason", revocation.reason.text)
            }
        }
        json.member("cer", Base64.encode(issued.der))
    }
}

struct IssuedList: OperationOutput {
    let handle: Authorities.Handle
    let issued: [IssuedCertificate]
    let nextLink: String?

    func response(_ call: Call) -> Response {
        .json { json in
            json.array("value") { list in
                for each in issued { list.object { IssuedOutput.write(each, handle, to: &$0) } }
            }
            if let nextLink { json.member("nextLink", nextLink) } else { json.null("nextLink") }
        }
    }
}
