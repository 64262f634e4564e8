import Barrier
import Domain
import FoundationEssentials
import Objects
import Operations
import Store

/// A policy with places to be filled in, chosen by name when a certificate is made. Of this server; the service has none.
struct CertificateTemplate: Codable, Sendable {
    let name: String
    let policy: CertificatePolicy

    func write(_ vault: Vault, to writer: inout JSONWriter) {
        let id = "\(vault.url(of: "certificatetemplates"))\(name)"
        writer.member("id", id)
        writer.object("policy") { policy.write(id: id + "/policy", to: &$0) }
    }
}

extension ObjectName {
    /// The name of a template in a request.
    init(templateNamed text: String) throws(VaultError) {
        guard let name = ObjectName(text) else { throw .invalid("template", "it is not a valid name") }
        self = name
    }
}

extension CertificatePolicy {
    /// Fills in `{{cert-name}}` and `{{vault-name}}` in subject and alternative names.
    ///
    /// - Throws: `.badParameter` for another placeholder.
    func filled(in name: ObjectName, _ vault: Vault) throws(VaultError) -> CertificatePolicy {
        var policy = self
        func fill(_ text: String, _ member: String) throws(VaultError) -> String {
            guard text.contains("{{") else { return text }
            let filled = text.replacing("{{cert-name}}", with: name.spelling)
                .replacing("{{vault-name}}", with: vault.name.description)
            guard !filled.contains("{{") else {
                throw .invalid(
                    "policy.x509_props.\(member)", "its placeholders may be {{cert-name}} and {{vault-name}} only")
            }
            return filled
        }
        func fill(_ texts: [String]?, _ member: String) throws(VaultError) -> [String]? {
            try texts?.mapTyped { text throws(VaultError) in try fill(text, member) }
        }
        guard var properties = x509_props else { return policy }
        properties.subject = try properties.subject.map { text throws(VaultError) in try fill(text, "subject") }
        if var names = properties.sans {
            names.emails = try fill(names.emails, "sans.emails")
            names.dns_names = try fill(names.dns_names, "sans.dns_names")
            names.upns = try fill(names.upns, "sans.upns")
            names.uris = try fill(names.uris, "sans.uris")
            names.ipAddresses = try fill(names.ipAddresses, "sans.ipAddresses")
            properties.sans = names
        }
        policy.x509_props = properties
        return policy
    }
}

struct NamedTemplate: OperationInput {
    let name: ObjectName

    init(_ request: Request) throws(VaultError) { name = try request.objectName("template-name") }
}

struct PutTemplate: OperationInput {
    let name: ObjectName
    let policy: CertificatePolicy

    init(_ request: Request) throws(VaultError) {
        struct Body: Decodable {
            let policy: CertificatePolicy
        }
        name = try request.objectName("template-name")
        policy = try Body.fromJSON(request.body).policy
    }
}

struct TemplateOutput: OperationOutput {
    let template: CertificateTemplate
    let vault: Vault

    func response(_ call: Call) -> Response { .json { template.write(vault, to: &$0) } }
}

struct TemplateList: OperationOutput {
    let templates: [CertificateTemplate]
    let vault: Vault
    let nextLink: String?

    func response(_ call: Call) -> Response {
        .json { list in
            list.array("value") { list in
                for template in templates {
                    list.object { $0.member("id", "\(vault.url(of: "certificatetemplates"))\(template.name)") }
                }
            }
            if let nextLink { list.member("nextLink", nextLink) } else { list.null("nextLink") }
        }
    }
}

extension Certificates {
    var templates: [any AnyOperation] {
        let template = "/certificatetemplates/{template-name}"
        let since = APIVersion.v7_0preview
        return [
            Operation(
                "CertificateTemplateSet", .put, template, requires: .permission(.certificateIssuersWrite), since: since,
                run: setTemplate),
            Operation(
                "CertificateTemplateGet", .get, template, requires: .permission(.certificateIssuersRead), since: since,
                run: getTemplate),
            Operation(
                "CertificateTemplateDelete", .delete, template, requires: .permission(.certificateIssuersDelete),
                since: since, run: deleteTemplate),
            Operation(
                "CertificateTemplatesList", .get, "/certificatetemplates",
                requires: .permission(.certificateIssuersRead), since: since, run: listTemplates),
        ]
    }

    private func prefix(_ vault: Vault) -> String { vault.keyPrefix + "certificate-template/" }

    private func decode(_ bytes: [UInt8], _ key: String) throws(VaultError) -> CertificateTemplate {
        guard bytes.first == 1,
            let template = try? JSONDecoder().decode(CertificateTemplate.self, from: Data(bytes.dropFirst()))
        else { throw .integrity(record: key) }
        return template
    }

    func requiredTemplate(_ name: ObjectName, _ vault: Vault, in reader: any RecordReader) throws(VaultError)
        -> CertificateTemplate
    {
        let key = prefix(vault) + name.key
        guard let bytes = try reader.record(at: key) else {
            throw VaultError(.certificateTemplateNotFound, "Certificate template not found: \(name)")
        }
        return try decode(bytes, key)
    }

    /// Keeps a template. What it says must hold for a certificate of some name; its issuer may come later.
    private func setTemplate(_ input: PutTemplate, _ call: Call) async throws(VaultError) -> TemplateOutput {
        let vault = try call.vault()
        guard let sample = ObjectName("name") else { throw .internal("a sample name is none") }
        let template = CertificateTemplate(name: input.name.spelling, policy: input.policy)
        try input.policy.filled(in: sample, vault).completed(at: call.now.epochSeconds).validate(in: vault)
        guard let bytes = try? JSONEncoder().encode(template) else { throw .internal("a template was not encoded") }
        let key = prefix(vault) + input.name.key
        try await call.commit { transaction throws(VaultError) in
            try transaction.put([1] + Array(bytes), at: key, in: vault.sealDomain)
        }
        return TemplateOutput(template: template, vault: vault)
    }

    private func getTemplate(_ input: NamedTemplate, _ call: Call) async throws(VaultError) -> TemplateOutput {
        let vault = try call.vault()
        return TemplateOutput(template: try requiredTemplate(input.name, vault, in: call.lane.reader), vault: vault)
    }

    private func deleteTemplate(_ input: NamedTemplate, _ call: Call) async throws(VaultError) -> TemplateOutput {
        let vault = try call.vault()
        let key = prefix(vault) + input.name.key
        let template = try await call.commit { transaction throws(VaultError) in
            let template = try requiredTemplate(input.name, vault, in: transaction)
            try transaction.remove(key)
            return template
        }
        return TemplateOutput(template: template, vault: vault)
    }

    private struct ListTemplates: OperationInput {
        let page: Paging.Page

        init(_ request: Request) throws(VaultError) { page = try Paging.Page(request) }
    }

    private func listTemplates(_ input: ListTemplates, _ call: Call) async throws(VaultError) -> TemplateList {
        let vault = try call.vault()
        let list = "certificatetemplates"
        let marker = try paging.marker(input.page, list: list, in: vault)
        let prefix = prefix(vault)
        let range = marker.map { KeyRange(prefix: prefix, after: prefix + $0) } ?? KeyRange(prefix: prefix)
        var found = try call.lane.reader.records(in: range, limit: input.page.size + 1).mapTyped {
            entry throws(VaultError) in try decode(entry.value, entry.key)
        }
        let link = try paging.next(
            after: &found, page: input.page, path: "/certificatetemplates", list: list, in: vault, call.apiVersion
        ) { $0.name.lowercased() }
        return TemplateList(templates: found, vault: vault, nextLink: link)
    }
}
