import Cryptography
package import Domain
import FoundationEssentials
import Keys
import Objects
import Operations
import X509

/// How a certificate is made and renewed, in the shape of the wire.
///
/// - Source: Azure REST, CertificatePolicy.
struct CertificatePolicy: Codable, Sendable {
    struct KeyProperties: Codable, Sendable {
        var exportable: Bool?
        var kty: String?
        var key_size: Int?
        var reuse_key: Bool?
        var crv: String?
    }

    struct SecretProperties: Codable, Sendable {
        var contentType: String?
    }

    struct AlternativeNames: Codable, Sendable {
        var emails: [String]?
        var dns_names: [String]?
        var upns: [String]?
        var uris: [String]?
        var ipAddresses: [String]?

        var isEmpty: Bool {
            [emails, dns_names, upns, uris, ipAddresses].allSatisfy { $0?.isEmpty ?? true }
        }
    }

    struct Constraints: Codable, Sendable {
        var ca: Bool?
        /// How many authorities may follow. Of this server; the service has no such member.
        var path_length: Int?
    }

    /// Names that certificates below an authority may have, such as `DNS:example.com`. Of this server; the service has no such member.
    struct NameConstraints: Codable, Sendable {
        var permitted: [String]?
        var excluded: [String]?
    }

    struct Properties: Codable, Sendable {
        var subject: String?
        var sans: AlternativeNames?
        var ekus: [String]?
        var key_usage: [String]?
        var validity_months: Int?
        var basic_constraints: Constraints?
        var name_constraints: NameConstraints?
    }

    struct Action: Codable, Sendable {
        struct Trigger: Codable, Sendable {
            var lifetime_percentage: Int?
            var days_before_expiry: Int?
        }
        struct Kind: Codable, Sendable {
            var action_type: String?
        }
        var trigger: Trigger?
        var action: Kind?
    }

    struct Issuer: Codable, Sendable {
        var name: String?
        var cty: String?
        var cert_transparency: Bool?
    }

    struct Attributes: Codable, Sendable {
        var enabled: Bool?
        var created: Int64?
        var updated: Int64?
    }

    var key_props: KeyProperties?
    var secret_props: SecretProperties?
    var x509_props: Properties?
    var lifetime_actions: [Action]?
    var issuer: Issuer?
    var attributes: Attributes?

    static let selfIssuer = "Self"
    static let unknownIssuer = "Unknown"

    // MARK: Parts as they count

    var issuerName: String { issuer?.name ?? Self.unknownIssuer }
    var contentType: String { secret_props?.contentType ?? "application/x-pkcs12" }
    var isPEM: Bool { contentType == "application/x-pem-file" }
    var isExportable: Bool { key_props?.exportable ?? true }
    var reusesKey: Bool { key_props?.reuse_key ?? false }
    var months: Int { x509_props?.validity_months ?? 12 }

    var isRenewable: Bool { issuerName.lowercased() != Self.unknownIssuer.lowercased() }
    var isSelfIssued: Bool { issuerName.lowercased() == Self.selfIssuer.lowercased() }

    /// With every default of the service filled in.
    func completed(at now: Int64) -> CertificatePolicy {
        var policy = self
        policy.key_props = KeyProperties(
            exportable: key_props?.exportable ?? !(key_props?.kty.flatMap { KeyType($0) }?.isHSM ?? false),
            kty: key_props?.kty.flatMap { KeyType($0)?.text } ?? key_props?.kty ?? "RSA", key_size: key_props?.key_size,
            reuse_key: key_props?.reuse_key ?? false, crv: key_props?.crv)
        let family = policy.key_props?.kty.flatMap { KeyType($0) }?.family
        if family == .rsa { policy.key_props?.key_size = key_props?.key_size ?? 2_048 }
        if family == .ec {
            let curve = key_props?.crv.flatMap { EllipticCurve($0) } ?? (key_props?.crv == nil ? .p256 : nil)
            policy.key_props?.crv = curve?.text ?? key_props?.crv
            policy.key_props?.key_size = key_props?.key_size ?? curve?.bits
        }
        policy.secret_props = SecretProperties(contentType: contentType)
        var properties = x509_props ?? Properties()
        properties.ekus = properties.ekus ?? ["1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2"]
        properties.key_usage = properties.key_usage ?? ["digitalSignature", "keyEncipherment"]
        properties.validity_months = months
        properties.basic_constraints = properties.basic_constraints ?? Constraints(ca: false)
        policy.x509_props = properties
        policy.issuer = Issuer(
            name: issuerName, cty: issuer?.cty, cert_transparency: issuer?.cert_transparency)
        policy.lifetime_actions =
            lifetime_actions ?? [
                Action(
                    trigger: .init(lifetime_percentage: 80, days_before_expiry: nil),
                    action: .init(action_type: isRenewable ? "AutoRenew" : "EmailContacts"))
            ]
        policy.attributes = Attributes(
            enabled: attributes?.enabled ?? true, created: attributes?.created ?? now, updated: now)
        return policy
    }

    /// What a PATCH leaves out stays.
    func merged(with changes: CertificatePolicy) -> CertificatePolicy {
        var policy = self
        if let changed = changes.key_props {
            policy.key_props = KeyProperties(
                exportable: changed.exportable ?? key_props?.exportable, kty: changed.kty ?? key_props?.kty,
                key_size: changed.key_size ?? (changed.kty == nil ? key_props?.key_size : nil),
                reuse_key: changed.reuse_key ?? key_props?.reuse_key,
                crv: changed.crv ?? (changed.kty == nil ? key_props?.crv : nil))
        }
        if let changed = changes.secret_props?.contentType { policy.secret_props = .init(contentType: changed) }
        if let changed = changes.x509_props {
            policy.x509_props = Properties(
                subject: changed.subject ?? x509_props?.subject, sans: changed.sans ?? x509_props?.sans,
                ekus: changed.ekus ?? x509_props?.ekus, key_usage: changed.key_usage ?? x509_props?.key_usage,
                validity_months: changed.validity_months ?? x509_props?.validity_months,
                basic_constraints: changed.basic_constraints ?? x509_props?.basic_constraints,
                name_constraints: changed.name_constraints ?? x509_props?.name_constraints)
        }
        if let changed = changes.lifetime_actions { policy.lifetime_actions = changed }
        if let changed = changes.issuer {
            policy.issuer = Issuer(
                name: changed.name ?? issuer?.name, cty: changed.cty ?? issuer?.cty,
                cert_transparency: changed.cert_transparency ?? issuer?.cert_transparency)
        }
        if let enabled = changes.attributes?.enabled { policy.attributes?.enabled = enabled }
        return policy
    }

    // MARK: Rules

    /// - Throws: `.badParameter` naming the member that breaks a rule.
    func validate(in vault: Vault, isImport: Bool = false) throws(VaultError) {
        guard ["application/x-pkcs12", "application/x-pem-file"].contains(contentType) else {
            throw .invalid(
                "policy.secret_props.contentType", "it is neither application/x-pkcs12 nor application/x-pem-file")
        }
        if !isImport || key_props?.kty != nil {
            let type = try keyType(in: vault)
            if type.isHSM, isExportable {
                throw .invalid("policy.key_props.exportable", "a key of type \(type.text) cannot be exported")
            }
            _ = try specification()
        }
        if !isImport { try validateNames() }
        try validateUsage()
        try validateConstraints()
        guard (1...1_200).contains(months) else {
            throw .invalid("policy.x509_props.validity_months", "it must be from 1 to 1200")
        }
        for action in lifetime_actions ?? [] { try validate(action) }
        guard (lifetime_actions?.count ?? 0) <= 1 else {
            throw .invalid("policy.lifetime_actions", "one action may stand")
        }
    }

    func keyType(in vault: Vault) throws(VaultError) -> KeyType {
        guard let text = key_props?.kty, let type = KeyType(text) else {
            throw .invalid("policy.key_props.kty", "it is not a type of key")
        }
        guard type.family == .rsa || type.family == .ec else {
            throw .invalid("policy.key_props.kty", "a certificate has an RSA or EC key")
        }
        return try KeyParameters.placed(type, in: vault)
    }

    func specification() throws(VaultError) -> KeySpecification {
        guard let text = key_props?.kty, let type = KeyType(text) else {
            throw .invalid("policy.key_props.kty", "it is not a type of key")
        }
        if type.family == .rsa {
            let bits = key_props?.key_size ?? 2_048
            guard KeySpecification.rsaSizes.contains(bits) else {
                throw .invalid("policy.key_props.key_size", "an RSA key has 2048, 3072 or 4096 bits")
            }
            return .rsa(bits: bits)
        }
        guard let curve = EllipticCurve(key_props?.crv ?? "P-256") else {
            throw .invalid("policy.key_props.crv", "it is not one of P-256, P-384, P-521, P-256K")
        }
        if let bits = key_props?.key_size, bits != curve.bits {
            throw .invalid("policy.key_props.key_size", "a key on \(curve.text) has \(curve.bits) bits")
        }
        return .ec(curve)
    }

    private func validateNames() throws(VaultError) {
        let subject = x509_props?.subject ?? ""
        guard !subject.isEmpty || !(x509_props?.sans?.isEmpty ?? true) else {
            throw .invalid("policy.x509_props.subject", "a subject or an alternative name is needed")
        }
        guard subject.utf8.count <= 1_024 else { throw .invalid("policy.x509_props.subject", "it is too long") }
        do throws(CryptoError) { _ = try DistinguishedName.parse(subject) } catch {
            if case .malformed(let reason) = error { throw .invalid("policy.x509_props.subject", reason) }
            throw .invalid("policy.x509_props.subject", "it is not a distinguished name")
        }
        let sans = x509_props?.sans
        let all = [sans?.emails, sans?.dns_names, sans?.upns, sans?.uris, sans?.ipAddresses].compactMap { $0 }
        guard all.reduce(0, { $0 + $1.count }) <= 100 else {
            throw .invalid("policy.x509_props.sans", "there are more than 100 names")
        }
        // IA5 texts (RFC 5280 §4.2.1.6): names of other scripts come in as A-labels.
        for (name, values, isValid) in [
            ("dns_names", sans?.dns_names, Self.isDomain), ("emails", sans?.emails, Self.isMailbox),
            ("uris", sans?.uris, Self.isURI), ("ipAddresses", sans?.ipAddresses, Self.isAddress),
        ] {
            for value in values ?? [] where !isValid(value) {
                throw .invalid("policy.x509_props.sans.\(name)", "'\(value.prefix(64))' is not valid")
            }
        }
    }

    private static func isDomain(_ text: String) -> Bool {
        (1...253).contains(text.utf8.count)
            && text.utf8.allSatisfy { $0.isASCIILetter || $0.isASCIIDigit || "-._*".utf8.contains($0) }
    }

    private static func isMailbox(_ text: String) -> Bool {
        let parts = text.split(separator: "@", omittingEmptySubsequences: false)
        return parts.count == 2 && !parts[0].isEmpty && text.utf8.count <= 320 && isDomain(String(parts[1]))
            && parts[0].utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && !",;\"\\$#".utf8.contains($0) }
    }

    private static func isURI(_ text: String) -> Bool {
        text.utf8.count <= 2_048 && text.contains(":") && text.utf8.first.map(\.isASCIILetter) == true
            && text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F }
    }

    private static func isAddress(_ text: String) -> Bool {
        (2...45).contains(text.utf8.count)
            && text.utf8.allSatisfy { Hex.value(of: $0) != nil || $0 == UInt8(ascii: ":") || $0 == UInt8(ascii: ".") }
    }

    private func validateUsage() throws(VaultError) {
        for usage in x509_props?.key_usage ?? [] where !CertificateContent.usageNames.contains(usage) {
            throw .invalid("policy.x509_props.key_usage", "'\(usage.prefix(32))' is not a key usage")
        }
        for purpose in x509_props?.ekus ?? [] where !ObjectIdentifierText.isValid(purpose) {
            throw .invalid("policy.x509_props.ekus", "'\(purpose.prefix(32))' is not an object identifier")
        }
    }

    /// Path length and name constraints belong to authorities.
    private func validateConstraints() throws(VaultError) {
        let isAuthority = x509_props?.basic_constraints?.ca ?? false
        if let bound = x509_props?.basic_constraints?.path_length {
            guard isAuthority, (0...10).contains(bound) else {
                throw .invalid(
                    "policy.x509_props.basic_constraints.path_length", "it must be from 0 to 10, for an authority")
            }
        }
        if let names = x509_props?.name_constraints {
            try AuthorityNames.validate(names.permitted ?? [], "policy.x509_props.name_constraints.permitted")
            try AuthorityNames.validate(names.excluded ?? [], "policy.x509_props.name_constraints.excluded")
            guard isAuthority else {
                throw .invalid("policy.x509_props.name_constraints", "only an authority constrains names")
            }
        }
    }

    private func validate(_ action: Action) throws(VaultError) {
        switch (action.trigger?.lifetime_percentage, action.trigger?.days_before_expiry) {
        case (let percentage?, nil):
            guard (1...99).contains(percentage) else {
                throw .invalid("policy.lifetime_actions", "lifetime_percentage must be from 1 to 99")
            }
        case (nil, let days?):
            guard (1...(months * 27)).contains(days) else {
                throw .invalid(
                    "policy.lifetime_actions",
                    "days_before_expiry must be from 1 to \(months * 27), validity_months times 27")
            }
        default:
            throw .invalid("policy.lifetime_actions", "a trigger is lifetime_percentage or days_before_expiry")
        }
        switch action.action?.action_type {
        case "AutoRenew":
            guard isRenewable else {
                throw .invalid("policy.lifetime_actions", "AutoRenew needs an issuer that can renew")
            }
        case "EmailContacts": break
        default: throw .invalid("policy.lifetime_actions", "the action is neither AutoRenew nor EmailContacts")
        }
    }

    // MARK: What follows

    var content: CertificateContent {
        var content = CertificateContent(subject: x509_props?.subject ?? "")
        content.dnsNames = x509_props?.sans?.dns_names ?? []
        content.emails = x509_props?.sans?.emails ?? []
        content.principalNames = x509_props?.sans?.upns ?? []
        content.uris = x509_props?.sans?.uris ?? []
        content.addresses = x509_props?.sans?.ipAddresses ?? []
        content.keyUsage = x509_props?.key_usage ?? []
        content.extendedKeyUsage = x509_props?.ekus ?? []
        content.isAuthority = x509_props?.basic_constraints?.ca ?? false
        content.pathLength = x509_props?.basic_constraints?.path_length
        content.permittedNames = x509_props?.name_constraints?.permitted ?? []
        content.excludedNames = x509_props?.name_constraints?.excluded ?? []
        return content
    }

    /// The operations of the key that key usage allows.
    var keyOperations: [KeyOperation] {
        let family = key_props?.kty.flatMap { KeyType($0) }?.family ?? .rsa
        var operations: [KeyOperation] = []
        for usage in x509_props?.key_usage ?? [] {
            let allowed: [KeyOperation] =
                switch usage {
                case "dataEncipherment": [.encrypt, .decrypt]
                case "keyEncipherment": [.wrapKey, .unwrapKey]
                case "digitalSignature", "nonRepudiation", "keyCertSign", "cRLSign": [.sign, .verify]
                case "encipherOnly": [.encrypt]
                case "decipherOnly": [.decrypt]
                default: []
                }
            for operation in allowed where operation.fits(family) && !operations.contains(operation) {
                operations.append(operation)
            }
        }
        return operations
    }

    /// When a certificate is to be renewed; nil when never.
    ///
    /// An issuer may give less time than the policy asked for. What would then be due as soon as it is there is renewed after two thirds of
    /// its life, or it would be ordered over and over.
    func renewalTime(from start: Timestamp, to end: Timestamp) -> Timestamp? {
        guard isRenewable, let time = time(of: "AutoRenew", from: start, to: end) else { return nil }
        let life = end - start
        guard lifetime_actions?.first?.trigger?.days_before_expiry != nil else { return time }
        return time < start + life / 10 ? start + life * 2 / 3 : time
    }

    /// When the contacts are to be told that its end is near; nil when never.
    func noticeTime(from start: Timestamp, to end: Timestamp) -> Timestamp? {
        time(of: "EmailContacts", from: start, to: end)
    }

    private func time(of type: String, from start: Timestamp, to end: Timestamp) -> Timestamp? {
        guard let action = lifetime_actions?.first, action.action?.action_type == type else { return nil }
        if let days = action.trigger?.days_before_expiry { return end - .days(days) }
        guard let percentage = action.trigger?.lifetime_percentage else { return nil }
        let seconds = (end.epochSeconds - start.epochSeconds) * Int64(percentage) / 100
        return Timestamp(epochSeconds: start.epochSeconds + seconds)
    }

    // MARK: The record and the wire

    func encoded() throws(VaultError) -> [UInt8] {
        guard let bytes = try? JSONEncoder().encode(self) else { throw .internal("a policy could not be encoded") }
        return [1] + Array(bytes)
    }

    init(record: [UInt8], at key: String) throws(VaultError) {
        guard record.first == 1, let policy = try? JSONDecoder().decode(Self.self, from: Data(record.dropFirst()))
        else {
            throw .integrity(record: key)
        }
        self = policy
    }

    init() {}

    func write(id: String, to writer: inout JSONWriter) {
        writer.member("id", id)
        writer.object("key_props") { props in
            if let value = key_props?.exportable { props.member("exportable", value) }
            if let value = key_props?.kty { props.member("kty", value) }
            if let value = key_props?.key_size { props.member("key_size", value) }
            if let value = key_props?.reuse_key { props.member("reuse_key", value) }
            if let value = key_props?.crv { props.member("crv", value) }
        }
        writer.object("secret_props") { $0.member("contentType", contentType) }
        writer.object("x509_props") { props in
            props.member("subject", x509_props?.subject ?? "")
            if let sans = x509_props?.sans {
                props.object("sans") { list in
                    Self.write(sans.emails, "emails", to: &list)
                    Self.write(sans.dns_names, "dns_names", to: &list)
                    Self.write(sans.upns, "upns", to: &list)
                    Self.write(sans.uris, "uris", to: &list)
                    Self.write(sans.ipAddresses, "ipAddresses", to: &list)
                }
            }
            Self.write(x509_props?.ekus, "ekus", to: &props)
            Self.write(x509_props?.key_usage, "key_usage", to: &props)
            props.member("validity_months", months)
            props.object("basic_constraints") { constraints in
                constraints.member("ca", x509_props?.basic_constraints?.ca ?? false)
                if let bound = x509_props?.basic_constraints?.path_length { constraints.member("path_length", bound) }
            }
            if let names = x509_props?.name_constraints {
                props.object("name_constraints") { constraints in
                    Self.write(names.permitted, "permitted", to: &constraints)
                    Self.write(names.excluded, "excluded", to: &constraints)
                }
            }
        }
        writer.array("lifetime_actions") { list in
            for action in lifetime_actions ?? [] {
                list.object { entry in
                    entry.object("trigger") { trigger in
                        if let value = action.trigger?.lifetime_percentage {
                            trigger.member("lifetime_percentage", value)
                        }
                        if let value = action.trigger?.days_before_expiry {
                            trigger.member("days_before_expiry", value)
                        }
                    }
                    entry.object("action") { $0.member("action_type", action.action?.action_type ?? "") }
                }
            }
        }
        writer.object("issuer") { issuer in
            issuer.member("name", issuerName)
            if let value = self.issuer?.cty { issuer.member("cty", value) }
            if let value = self.issuer?.cert_transparency { issuer.member("cert_transparency", value) }
        }
        writer.object("attributes") { attributes in
            attributes.member("enabled", self.attributes?.enabled ?? true)
            attributes.member("created", self.attributes?.created ?? 0)
            attributes.member("updated", self.attributes?.updated ?? 0)
        }
    }

    private static func write(_ values: [String]?, _ name: StaticString, to writer: inout JSONWriter) {
        guard let values else { return }
        writer.array(name) { list in for value in values { list.string(value) } }
    }
}

/// Object identifiers as text: numbers with dots between them.
package enum ObjectIdentifierText {
    package static func isValid(_ text: String) -> Bool {
        let arcs = text.split(separator: ".", omittingEmptySubsequences: false)
        return text.utf8.count <= 128 && arcs.count >= 2
            && arcs.allSatisfy { !$0.isEmpty && $0.utf8.allSatisfy(\.isASCIIDigit) }
    }
}

/// Name constraints as text: a kind and a name.
package enum AuthorityNames {
    private static let kinds = ["DNS:", "email:", "URI:", "IP:"]

    /// - Throws: `.badParameter` naming the member.
    package static func validate(_ names: [String], _ member: String) throws(VaultError) {
        guard names.count <= 100 else { throw .invalid(member, "there are more than 100 names") }
        for name in names {
            guard let kind = kinds.first(where: { name.hasPrefix($0) }), name.utf8.count > kind.utf8.count,
                kind != "IP:" || name.split(separator: "/", omittingEmptySubsequences: false).count == 2,
                name.utf8.count <= 256,
                name.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F && !",;\"\\$#".utf8.contains($0) })
            else {
                throw .invalid(
                    member, "'\(name.prefix(64))' is not a name such as DNS:example.com or IP:10.0.0.0/255.0.0.0")
            }
        }
    }
}
