import Barrier
import Certificates
package import Cryptography
package import Domain
import FoundationEssentials
package import Keys
package import Objects
package import Operations
import ProviderOpenSSL
import X509

/// The certificate authorities inside: certificates of a vault that sign others.
///
/// An authority is a certificate whose basic constraints say so. Its key stays where it is, in the vault or in the hardware module; what
/// it issued, what it revoked, its lists and the answers of its status service are records beside it.
///
/// - Source: RFC 5280 (certificates and lists), RFC 6960 and RFC 5019 (status), RFC 2986 (requests).
package struct Authorities: Sendable {
    let paging: Paging
    let engine: CryptoEngine
    let work: KeyWork
    /// Where lists and status are had, such as `http://pki.example.com`; nil when they are not served.
    let address: String?
    let vaults: @Sendable (VaultName) -> Vault?
    let allVaults: @Sendable () -> [Vault]
    let issuerHashes = IssuerHashCache()

    package init(
        paging: Paging, engine: CryptoEngine, work: KeyWork, address: String?,
        vaults: @escaping @Sendable (VaultName) -> Vault?, allVaults: @escaping @Sendable () -> [Vault]
    ) {
        self.paging = paging
        self.engine = engine
        self.work = work
        self.address = address
        self.vaults = vaults
        self.allVaults = allVaults
    }

    package var operations: [any AnyOperation] {
        let authority = "/certificates/{certificate-name}/authority"
        let since = APIVersion.v7_0preview
        return [
            Operation(
                "AuthoritySet", .put, authority, requires: .permission(.certificateIssuersWrite), since: since,
                run: establish),
            Operation(
                "AuthorityGet", .get, authority, requires: .permission(.certificateIssuersRead), since: since,
                run: get),
            Operation(
                "AuthorityList", .get, "/authorities", requires: .permission(.certificateIssuersRead), since: since,
                run: list),
            Operation(
                "AuthorityIssue", .post, authority + "/issue", requires: .permission(.authoritiesIssue), since: since,
                status: 201, run: issue),
            Operation(
                "AuthorityIssuedList", .get, authority + "/issued", requires: .permission(.certificateIssuersRead),
                since: since, run: listIssued),
            Operation(
                "AuthorityIssuedGet", .get, authority + "/issued/{serial-number}",
                requires: .permission(.certificateIssuersRead), since: since, run: getIssued),
            Operation(
                "AuthorityRevoke", .post, authority + "/revoke", requires: .permission(.authoritiesRevoke),
                since: since, run: revoke),
            Operation(
                "AuthorityPublish", .post, authority + "/publish", requires: .permission(.authoritiesRevoke),
                since: since, run: publish),
            Operation(scheduled: "AuthorityPublishIfDue", requires: .authoritiesRevoke, run: publishIfDue),
        ]
    }

    // MARK: Finding an authority

    /// What the record beside the certificate holds.
    struct Companion: Codable, Sendable {
        var settings: AuthoritySettings
        /// Versions of the certificate that have issued, the newest last.
        var generations: [GUID]
    }

    /// An authority with the key that signs for one of its generations.
    struct Handle: Sendable {
        let vault: Vault
        let name: ObjectName
        let version: ObjectVersion
        let certificate: Certificate
        /// What stands above it.
        let chain: [Certificate]
        let key: KeyVersion
        let companion: Companion

        var id: String { version.description }
        var settings: AuthoritySettings { companion.settings }
        var table: AuthorityTable { AuthorityTable(vault) }
    }

    func companion(_ name: ObjectName, _ vault: Vault, in reader: any RecordReader) throws(VaultError) -> Companion? {
        let table = ObjectTable(Certificates.kind, in: vault)
        guard let bytes = try table.companion(Certificates.authorityCompanion, of: name, in: reader) else { return nil }
        guard bytes.first == 1,
            let companion = try? JSONDecoder().decode(Companion.self, from: Data(bytes.dropFirst()))
        else { throw .integrity(record: "certificate-authority/\(name.key)") }
        return companion
    }

    func put(_ companion: Companion, _ name: ObjectName, _ vault: Vault, in transaction: Transaction)
        throws(VaultError)
    {
        guard let bytes = try? JSONEncoder().encode(companion) else { throw .internal("an authority not encoded") }
        try ObjectTable(Certificates.kind, in: vault).putCompanion(
            Certificates.authorityCompanion, of: name, [1] + Array(bytes), in: transaction)
    }

    /// - Parameters:
    ///   - version: a generation; nil for the newest version of the certificate.
    ///   - companion: settings in place of the stored ones, for an authority that is being established.
    /// - Throws: `.certificateNotFound`; `.authorityNotFound` when the certificate is none.
    func handle(
        _ name: ObjectName, version: ObjectVersion? = nil, _ vault: Vault, in reader: any RecordReader,
        companion given: Companion? = nil
    ) throws(VaultError) -> Handle {
        let (head, record) = try ObjectTable(Certificates.kind, in: vault).record(name, version: version, in: reader)
        let stored = try self.companion(name, vault, in: reader)
        guard let companion = given ?? stored else {
            throw VaultError(
                .authorityNotFound,
                "The certificate \(head.name) is not an authority. PUT its /authority to make it one.")
        }
        let content = try CertificateVersion(record)
        let key = try KeyVersion(
            try ObjectTable(Keys.kind, in: vault).record(name, version: record.version, in: reader).record)
        let engine = engine
        do throws(CryptoError) {
            let certificate = try Certificate(der: content.der, engine: engine)
            let chain = try content.chain.mapTyped { der throws(CryptoError) in
                try Certificate(der: der, engine: engine)
            }
            return Handle(
                vault: vault, name: head.name, version: record.version, certificate: certificate, chain: chain,
                key: key, companion: companion)
        } catch { throw VaultError(error) }
    }

    /// Runs `body` with what signs for an authority, wherever its key is.
    func sign<Value: Sendable>(
        _ handle: Handle, _ call: Call,
        _ body: @escaping @Sendable (CertificateBuilder.Signer) throws(CryptoError) -> Value
    ) async throws(VaultError) -> Value {
        let software = work.software
        let specification = handle.key.specification
        return try await work.use(handle.key, handle.version, for: .sign, call) { opened throws(CryptoError) in
            try body(
                CertificateBuilder.Signer(key: opened, specification: specification) { software.digest($0, $1) })
        }
    }

    /// Where the answers of a generation are had.
    func addresses(_ vault: Vault, _ id: String) -> Addresses? {
        guard let address else { return nil }
        return Addresses(
            list: "\(address)/crl/\(vault.name)/\(id).crl", delta: "\(address)/crl/\(vault.name)/\(id)-delta.crl",
            certificate: "\(address)/ca/\(vault.name)/\(id).cer", status: "\(address)/ocsp/\(vault.name)/\(id)")
    }

    struct Addresses: Sendable {
        let list: String
        let delta: String
        let certificate: String
        let status: String
    }

    // MARK: Establishing

    struct SetAuthority: OperationInput {
        let name: ObjectName
        let settings: AuthoritySettings

        init(_ request: Request) throws(VaultError) {
            name = try request.objectName("certificate-name")
            settings = request.body.isEmpty ? AuthoritySettings() : try AuthoritySettings.fromJSON(request.body)
            try settings.validate()
        }
    }

    /// Makes an authority of a certificate, or changes how one issues. Its first lists are there when this returns.
    func establish(_ input: SetAuthority, _ call: Call) async throws(VaultError) -> AuthorityOutput {
        let vault = try call.vault()
        let old = try companion(input.name, vault, in: call.lane.reader)
        let handle = try handle(
            input.name, vault, in: call.lane.reader,
            companion: Companion(settings: input.settings, generations: old?.generations ?? []))
        guard handle.certificate.isAuthority, handle.certificate.keyUsage.map({ $0 & 0x06 == 0x06 }) ?? true else {
            throw .badParameter(
                "The certificate \(handle.name) cannot be an authority: its basic constraints must say CA, and its key usage keyCertSign and "
                    + "cRLSign.")
        }
        guard !handle.certificate.subject.isEmpty else {
            throw .badParameter(
                "The certificate \(handle.name) cannot be an authority: it has no subject (RFC 5280 §4.1.2.6).")
        }
        guard handle.certificate.notAfter > call.now else {
            throw .badParameter("The certificate \(handle.name) has expired.")
        }
        let table = handle.table
        let generation =
            try table.generation(handle.id, in: call.lane.reader)
            ?? AuthorityGeneration(certificate: handle.name.spelling, version: handle.version.value)
        let lists = try await lists(handle, generation, rebased: false, call)
        let (settings, now) = (input.settings, call.now)
        try await call.commit { transaction throws(VaultError) in
            var companion =
                try self.companion(handle.name, vault, in: transaction)
                ?? Companion(settings: settings, generations: [])
            companion.settings = settings
            if companion.generations.last != handle.version.value { companion.generations.append(handle.version.value) }
            try put(companion, handle.name, vault, in: transaction)
            try keep(lists, handle, generation, at: now, in: transaction)
        }
        return try output(handle, call)
    }

    /// The first issuance by a new version of the authority's certificate makes its generation.
    func begin(_ handle: Handle, at now: Timestamp, in transaction: Transaction) throws(VaultError) {
        guard try handle.table.generation(handle.id, in: transaction) == nil else { return }
        var generation = AuthorityGeneration(certificate: handle.name.spelling, version: handle.version.value)
        generation.due = now.epochSeconds
        try handle.table.put(generation, in: transaction)
        try handle.table.publishDuty(handle.id, at: generation.due).schedule(in: transaction)
        var companion = try companion(handle.name, handle.vault, in: transaction) ?? handle.companion
        companion.generations.append(handle.version.value)
        try put(companion, handle.name, handle.vault, in: transaction)
        try transaction.put(
            handle.certificate.der, at: handle.table.certificateKey(handle.id), in: handle.vault.sealDomain)
    }

    // MARK: Reading

    struct NamedAuthority: OperationInput {
        let name: ObjectName

        init(_ request: Request) throws(VaultError) { name = try request.objectName("certificate-name") }
    }

    func get(_ input: NamedAuthority, _ call: Call) async throws(VaultError) -> AuthorityOutput {
        try output(try handle(input.name, try call.vault(), in: call.lane.reader), call)
    }

    private func output(_ handle: Handle, _ call: Call) throws(VaultError) -> AuthorityOutput {
        AuthorityOutput(
            handle: handle, addresses: addresses(handle.vault, handle.id),
            generation: try handle.table.generation(handle.id, in: call.lane.reader),
            generations: (try companion(handle.name, handle.vault, in: call.lane.reader) ?? handle.companion)
                .generations)
    }

    struct ListAuthorities: OperationInput {
        let page: Paging.Page
        init(_ request: Request) throws(VaultError) { page = try Paging.Page(request) }
    }

    func list(_ input: ListAuthorities, _ call: Call) async throws(VaultError) -> AuthorityList {
        let vault = try call.vault()
        let marker = try paging.marker(input.page, list: "authorities", in: vault)
        var names = try ObjectTable(Certificates.kind, in: vault).companionNames(
            Certificates.authorityCompanion, after: marker, limit: input.page.size + 1, in: call.lane.reader)
        let link = try paging.next(
            after: &names, page: input.page, path: "/authorities", list: "authorities", in: vault, call.apiVersion
        ) { $0 }
        var items: [AuthorityList.Item] = []
        for name in names {
            guard let name = ObjectName(name),
                let handle = try? handle(name, vault, in: call.lane.reader)
            else { continue }
            items.append(
                .init(
                    name: handle.name, subject: handle.certificate.subject, expires: handle.certificate.notAfter,
                    isEnabled: handle.settings.isEnabled))
        }
        return AuthorityList(vault: vault, items: items, nextLink: link)
    }
}

struct AuthorityOutput: OperationOutput {
    let handle: Authorities.Handle
    let addresses: Authorities.Addresses?
    let generation: AuthorityGeneration?
    let generations: [GUID]

    func response(_ call: Call) -> Response {
        .json { json in
            let base = handle.vault.url(of: "certificates") + handle.name.spelling
            json.member("id", base + "/authority")
            json.member("certificate", "\(base)/\(handle.id)")
            json.member("subject", handle.certificate.subject)
            json.member("issuer", handle.certificate.issuer)
            json.member("nbf", handle.certificate.notBefore.epochSeconds)
            json.member("exp", handle.certificate.notAfter.epochSeconds)
            if let bound = handle.certificate.pathLength { json.member("path_length", bound) }
            json.member("enabled", handle.settings.isEnabled)
            json.array("profiles") { list in
                for name in AuthorityProfile.defaults.keys.sorted() {
                    guard let profile = handle.settings.profile(name) else { continue }
                    list.object { write(profile, to: &$0) }
                }
            }
            json.object("crl") { crl in
                crl.member("full_hours", Int(handle.settings.fullPeriod.components.seconds / 3_600))
                crl.member("delta_hours", Int(handle.settings.deltaPeriod.components.seconds / 3_600))
                crl.member("number", generation?.number ?? 0)
                crl.member("base_number", generation?.baseNumber ?? 0)
                if let addresses {
                    crl.member("url", addresses.list)
                    crl.member("delta_url", addresses.delta)
                }
            }
            json.object("ocsp") { ocsp in
                ocsp.member("hours", Int(handle.settings.statusPeriod.components.seconds / 3_600))
                if let addresses { ocsp.member("url", addresses.status) }
            }
            if let addresses { json.member("certificate_url", addresses.certificate) }
            json.array("generations") { list in
                for version in generations { list.string(ObjectVersion(version).description) }
            }
        }
    }

    private func write(_ profile: AuthorityProfile, to json: inout JSONWriter) {
        json.member("name", profile.name ?? "")
        json.member("max_validity_days", profile.max_validity_days ?? 0)
        json.array("ekus") { list in for purpose in profile.ekus ?? [] { list.string(purpose) } }
        if let bound = profile.path_length { json.member("path_length", bound) }
        if let names = profile.permitted_names {
            json.array("permitted_names") { list in for name in names { list.string(name) } }
        }
        if let names = profile.excluded_names {
            json.array("excluded_names") { list in for name in names { list.string(name) } }
        }
    }
}

struct AuthorityList: OperationOutput {
    struct Item: Sendable {
        let name: ObjectName
        let subject: String
        let expires: Timestamp
        let isEnabled: Bool
    }

    let vault: Vault
    let items: [Item]
    let nextLink: String?

    func response(_ call: Call) -> Response {
        .json { json in
            json.array("value") { list in
                for item in items {
                    list.object { entry in
                        entry.member("id", vault.url(of: "certificates") + item.name.spelling + "/authority")
                        entry.member("subject", item.subject)
                        entry.member("exp", item.expires.epochSeconds)
                        entry.member("enabled", item.isEnabled)
                    }
                }
            }
            if let nextLink { json.member("nextLink", nextLink) } else { json.null("nextLink") }
        }
    }
}
