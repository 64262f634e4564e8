import Domain
import FoundationEssentials

/// A certificate policy in a file: in the names of the REST interface, or in those of `az` and PowerShell.
enum PolicyFile {
    private struct Wrapped: Decodable {
        let certificatePolicy: Tools?
        let policy: Tools?
    }

    /// Source: `az keyvault certificate get-default-policy`.
    private struct Tools: Decodable {
        struct Key: Decodable {
            let exportable: Bool?
            let keyType: String?
            let keySize: Int?
            let reuseKey: Bool?
            let curve: String?
        }
        struct Secret: Decodable {
            let contentType: String?
        }
        struct Names: Decodable {
            let dnsNames: [String]?
            let emails: [String]?
            let upns: [String]?
            let uris: [String]?
            let ipAddresses: [String]?
        }
        struct Properties: Decodable {
            let subject: String?
            let subjectAlternativeNames: Names?
            let keyUsage: [String]?
            let extendedKeyUsage: [String]?
            let ekus: [String]?
            let validityInMonths: Int?
        }
        struct Action: Decodable {
            struct Trigger: Decodable {
                let daysBeforeExpiry: Int?
                let lifetimePercentage: Int?
            }
            struct Kind: Decodable {
                let actionType: String?
            }
            let trigger: Trigger?
            let action: Kind?
        }
        struct Issuer: Decodable {
            let name: String?
            let certificateType: String?
            let certificateTransparency: Bool?
        }
        let keyProperties: Key?
        let secretProperties: Secret?
        let x509CertificateProperties: Properties?
        let lifetimeActions: [Action]?
        let issuerParameters: Issuer?

        var isEmpty: Bool {
            keyProperties == nil && secretProperties == nil && x509CertificateProperties == nil
                && lifetimeActions == nil && issuerParameters == nil
        }
    }

    /// The body that sets a template.
    static func wireForm(_ bytes: [UInt8], file: String) throws -> [UInt8] {
        func wrong(_ text: String) -> CommandFailure { .usage("the policy in '\(file)' is wrong: \(text)") }
        do throws(VaultError) {
            try JSONLimits().check(bytes)
        } catch { throw wrong(error.message) }
        let wrapped = try? Wrapped.fromJSON(bytes)
        let tools: Tools
        if let inner = wrapped?.certificatePolicy ?? wrapped?.policy {
            tools = inner
        } else {
            do throws(VaultError) { tools = try Tools.fromJSON(bytes) } catch { throw wrong(error.message) }
        }
        var json = JSONWriter()
        if tools.isEmpty {
            // In the names of the REST interface: the server judges it.
            let text = String(decoding: bytes, as: UTF8.self)
            guard text.contains("_props") || text.contains("\"issuer\"") else {
                throw wrong("it has none of the members of a policy")
            }
            guard wrapped?.policy == nil else { return bytes }
            json.object { $0.embed("policy", bytes) }
        } else {
            json.object { $0.object("policy") { write(tools, to: &$0) } }
        }
        return json.bytes
    }

    private static func write(_ tools: Tools, to policy: inout JSONWriter) {
        func list(_ name: StaticString, _ values: [String]?, to writer: inout JSONWriter) {
            guard let values else { return }
            writer.array(name) { list in for value in values { list.string(value) } }
        }
        if let key = tools.keyProperties {
            policy.object("key_props") { props in
                if let value = key.exportable { props.member("exportable", value) }
                if let value = key.keyType { props.member("kty", value) }
                if let value = key.keySize { props.member("key_size", value) }
                if let value = key.reuseKey { props.member("reuse_key", value) }
                if let value = key.curve { props.member("crv", value) }
            }
        }
        if let type = tools.secretProperties?.contentType {
            policy.object("secret_props") { $0.member("contentType", type) }
        }
        if let x509 = tools.x509CertificateProperties {
            policy.object("x509_props") { props in
                if let value = x509.subject { props.member("subject", value) }
                if let names = x509.subjectAlternativeNames {
                    props.object("sans") { sans in
                        list("dns_names", names.dnsNames, to: &sans)
                        list("emails", names.emails, to: &sans)
                        list("upns", names.upns, to: &sans)
                        list("uris", names.uris, to: &sans)
                        list("ipAddresses", names.ipAddresses, to: &sans)
                    }
                }
                list("key_usage", x509.keyUsage, to: &props)
                list("ekus", x509.extendedKeyUsage ?? x509.ekus, to: &props)
                if let value = x509.validityInMonths { props.member("validity_months", value) }
            }
        }
        if let actions = tools.lifetimeActions {
            policy.array("lifetime_actions") { list in
                for action in actions {
                    list.object { entry in
                        entry.object("trigger") { trigger in
                            if let days = action.trigger?.daysBeforeExpiry {
                                trigger.member("days_before_expiry", days)
                            }
                            if let percent = action.trigger?.lifetimePercentage {
                                trigger.member("lifetime_percentage", percent)
                            }
                        }
                        entry.object("action") { kind in
                            if let type = action.action?.actionType { kind.member("action_type", type) }
                        }
                    }
                }
            }
        }
        if let issuer = tools.issuerParameters {
            policy.object("issuer") { entry in
                if let value = issuer.name { entry.member("name", value) }
                if let value = issuer.certificateType { entry.member("cty", value) }
                if let value = issuer.certificateTransparency { entry.member("cert_transparency", value) }
            }
        }
    }
}
