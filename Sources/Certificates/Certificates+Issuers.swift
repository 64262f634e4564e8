import Barrier
import Domain
import FoundationEssentials
import Objects
import Operations
import Store

/// An authority that a vault's policies can name. Its password is write-only.
struct CertificateIssuer: Codable, Sendable {
    struct Credentials: Codable, Sendable {
        var account_id: String?
        var pwd: String?
    }
    struct Administrator: Codable, Sendable {
        var first_name: String?
        var last_name: String?
        var email: String?
        var phone: String?
    }
    struct Organisation: Codable, Sendable {
        var id: String?
        var admin_details: [Administrator]?
    }
    struct Attributes: Codable, Sendable {
        var enabled: Bool?
        var created: Int64?
        var updated: Int64?
    }

    var provider: String?
    var credentials: Credentials?
    var org_details: Organisation?
    var attributes: Attributes?

    /// What a PATCH leaves out stays.
    func merged(with changes: CertificateIssuer, at now: Int64) -> CertificateIssuer {
        var issuer = self
        issuer.provider = changes.provider ?? provider
        issuer.credentials = Credentials(
            account_id: changes.credentials?.account_id ?? credentials?.account_id,
            pwd: changes.credentials?.pwd ?? credentials?.pwd)
        issuer.org_details = changes.org_details ?? org_details
        issuer.attributes?.enabled = changes.attributes?.enabled ?? attributes?.enabled
        issuer.attributes?.updated = now
        return issuer
    }

    var account: IssuerAccount {
        IssuerAccount(
            provider: provider?.lowercased() ?? "",
            accountID: credentials?.account_id.flatMap { $0.isEmpty ? nil : $0 },
            password: credentials?.pwd.flatMap { $0.isEmpty ? nil : SensitiveBytes($0.utf8) },
            organisation: org_details?.id,
            emails: (org_details?.admin_details ?? []).compactMap(\.email))
    }

    func write(name: String, vault: Vault, to writer: inout JSONWriter) {
        writer.member("id", "\(vault.url(of: "certificates"))issuers/\(name)")
        writer.member("provider", provider ?? "")
        writer.object("credentials") { if let id = credentials?.account_id { $0.member("account_id", id) } }
        writer.object("org_details") { details in
            if let id = org_details?.id { details.member("id", id) }
            details.member("zip", 0)
            details.array("admin_details") { list in
                for person in org_details?.admin_details ?? [] {
                    list.object { entry in
                        if let value = person.first_name { entry.member("first_name", value) }
                        if let value = person.last_name { entry.member("last_name", value) }
                        if let value = person.email { entry.member("email", value) }
                        if let value = person.phone { entry.member("phone", value) }
                    }
                }
            }
        }
        writer.object("attributes") { attributes in
            attributes.member("enabled", self.attributes?.enabled ?? true)
            attributes.member("created", self.attributes?.created ?? 0)
            attributes.member("updated", self.attributes?.updated ?? 0)
        }
    }
}

struct NamedIssuer: OperationInput {
    let name: String

    init(_ request: Request) throws(VaultError) { name = try Self.name(request) }

    static func name(_ request: Request) throws(VaultError) -> String {
        let text = request.parameter("issuer") ?? ""
        guard (1...128).contains(text.utf8.count),
            text.utf8.allSatisfy({ $0.isASCIILetter || $0.isASCIIDigit || "-_.".utf8.contains($0) }),
            !["self", "unknown"].contains(text.lowercased())
        else { throw .badParameter("The request URI contains an invalid name: \(text.prefix(128))") }
        return text
    }
}

struct PutIssuer: OperationInput {
    let name: String
    let issuer: CertificateIssuer

    init(_ request: Request) throws(VaultError) {
        name = try NamedIssuer.name(request)
        issuer = try CertificateIssuer.fromJSON(request.body)
        if let provider = issuer.provider, !(1...128).contains(provider.utf8.count) {
            throw .invalid("provider", "it is empty or too long")
        }
    }
}

struct IssuerOutput: OperationOutput {
    let name: String
    let issuer: CertificateIssuer
    let vault: Vault

    func response(_ call: Call) -> Response { .json { issuer.write(name: name, vault: vault, to: &$0) } }
}

struct IssuerList: OperationOutput {
    let issuers: [(name: String, issuer: CertificateIssuer)]
    let vault: Vault
    let nextLink: String?

    func response(_ call: Call) -> Response {
        .json { list in
            list.array("value") { list in
                for (name, issuer) in issuers {
                    list.object { item in
                        item.member("id", "\(vault.url(of: "certificates"))issuers/\(name)")
                        item.member("provider", issuer.provider ?? "")
                    }
                }
            }
            if let nextLink { list.member("nextLink", nextLink) } else { list.null("nextLink") }
        }
    }
}

extension Certificates {
    private static let providers: Set = [
        "self", "digicert", "globalsign", "onecertv2-privateca", "onecertv2-publicca", "ssladminv2", "test", "acme",
        "onpremiseca",
    ]

    private func prefix(_ vault: Vault) -> String { vault.keyPrefix + "certificate-issuer/" }

    private struct Stored: Codable {
        let name: String
        let issuer: CertificateIssuer
    }

    private func decode(_ bytes: [UInt8], _ key: String) throws(VaultError) -> Stored {
        guard bytes.first == 1, let stored = try? JSONDecoder().decode(Stored.self, from: Data(bytes.dropFirst()))
        else {
            throw .integrity(record: key)
        }
        return stored
    }

    func issuer(named name: String, _ vault: Vault, in reader: any RecordReader) throws(VaultError)
        -> (name: String, issuer: CertificateIssuer)?
    {
        let key = prefix(vault) + name.lowercased()
        guard let bytes = try reader.record(at: key) else { return nil }
        let stored = try decode(bytes, key)
        return (stored.name, stored.issuer)
    }

    private func required(_ name: String, _ vault: Vault, in reader: any RecordReader) throws(VaultError)
        -> (name: String, issuer: CertificateIssuer)
    {
        guard let found = try issuer(named: name, vault, in: reader) else {
            throw VaultError(.issuerNotFound, "Issuer not found: \(name)")
        }
        return found
    }

    private func put(_ name: String, _ issuer: CertificateIssuer, _ vault: Vault, in transaction: Transaction)
        throws(VaultError)
    {
        guard let bytes = try? JSONEncoder().encode(Stored(name: name, issuer: issuer)) else {
            throw .internal("an issuer could not be encoded")
        }
        try transaction.put([1] + Array(bytes), at: prefix(vault) + name.lowercased(), in: vault.sealDomain)
    }

    /// - Source: Azure REST "Set Certificate Issuer".
    func setIssuer(_ input: PutIssuer, _ call: Call) async throws(VaultError) -> IssuerOutput {
        let vault = try call.vault()
        guard let provider = input.issuer.provider else {
            throw .badParameter("The request body lacks the member 'provider'.")
        }
        guard Self.providers.contains(provider.lowercased()) else {
            throw .invalid("provider", "'\(provider.prefix(64))' is not a provider of certificates")
        }
        var issuer = input.issuer
        let now = call.now.epochSeconds
        issuer.attributes = .init(enabled: issuer.attributes?.enabled ?? true, created: now, updated: now)
        let wanted = issuer
        try await connector(for: provider.lowercased())?.validate(wanted.account, named: input.name, call)
        try await call.commit { transaction throws(VaultError) in
            try put(input.name, wanted, vault, in: transaction)
        }
        return IssuerOutput(name: input.name, issuer: wanted, vault: vault)
    }

    /// - Source: Azure REST "Update Certificate Issuer".
    func updateIssuer(_ input: PutIssuer, _ call: Call) async throws(VaultError) -> IssuerOutput {
        let vault = try call.vault()
        let now = call.now.epochSeconds
        let changes = input.issuer
        if let provider = changes.provider, !Self.providers.contains(provider.lowercased()) {
            throw .invalid("provider", "'\(provider.prefix(64))' is not a provider of certificates")
        }
        let wanted = try required(input.name, vault, in: call.lane.reader).issuer.merged(with: changes, at: now)
        try await connector(for: wanted.account.provider)?.validate(wanted.account, named: input.name, call)
        let (name, issuer) = try await call.commit { transaction throws(VaultError) in
            let (name, old) = try required(input.name, vault, in: transaction)
            let issuer = old.merged(with: changes, at: now)
            try put(name, issuer, vault, in: transaction)
            return (name, issuer)
        }
        return IssuerOutput(name: name, issuer: issuer, vault: vault)
    }

    /// - Source: Azure REST "Get Certificate Issuer".
    func getIssuer(_ input: NamedIssuer, _ call: Call) async throws(VaultError) -> IssuerOutput {
        let vault = try call.vault()
        let (name, issuer) = try required(input.name, vault, in: call.lane.reader)
        return IssuerOutput(name: name, issuer: issuer, vault: vault)
    }

    /// - Source: Azure REST "Delete Certificate Issuer".
    func deleteIssuer(_ input: NamedIssuer, _ call: Call) async throws(VaultError) -> IssuerOutput {
        let vault = try call.vault()
        let (name, issuer) = try await call.commit { transaction throws(VaultError) in
            let found = try required(input.name, vault, in: transaction)
            try transaction.remove(prefix(vault) + input.name.lowercased())
            return found
        }
        return IssuerOutput(name: name, issuer: issuer, vault: vault)
    }

    /// - Source: Azure REST "Get Certificate Issuers".
    func listIssuers(_ input: ListCertificates, _ call: Call) async throws(VaultError) -> IssuerList {
        let vault = try call.vault()
        let marker = try paging.marker(input.page, list: "issuers", in: vault)
        let prefix = prefix(vault)
        let range = marker.map { KeyRange(prefix: prefix, after: prefix + $0) } ?? KeyRange(prefix: prefix)
        var found = try call.lane.reader.records(in: range, limit: input.page.size + 1).mapTyped {
            entry throws(VaultError) in
            let stored = try decode(entry.value, entry.key)
            return (name: stored.name, issuer: stored.issuer)
        }
        var link: String?
        if found.count > input.page.size {
            found.removeLast()
            link = try paging.link(
                after: found[found.count - 1].name.lowercased(), page: input.page, path: "/certificates/issuers",
                list: "issuers", in: vault, call.apiVersion)
        }
        return IssuerList(issuers: found, vault: vault, nextLink: link)
    }
}
