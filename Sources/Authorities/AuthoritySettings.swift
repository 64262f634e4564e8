import Certificates
import Domain
import Objects
import Operations
import X509

/// How an authority issues and tells of revocation, in the shape of the wire.
struct AuthoritySettings: Codable, Sendable {
    struct Lists: Codable, Sendable {
        /// How long a full list and a delta hold, in hours.
        var full_hours: Int?
        var delta_hours: Int?
    }

    struct StatusService: Codable, Sendable {
        /// How long an answer holds, in hours.
        var hours: Int?
    }

    var enabled: Bool?
    var profiles: [AuthorityProfile]?
    var crl: Lists?
    var ocsp: StatusService?

    var isEnabled: Bool { enabled ?? true }
    var fullPeriod: Duration { .hours(crl?.full_hours ?? 168) }
    var deltaPeriod: Duration { .hours(crl?.delta_hours ?? 24) }
    var statusPeriod: Duration { .hours(ocsp?.hours ?? 72) }

    /// How often lists are made anew: half of the time that the shortest of its answers holds.
    var publishEvery: Duration { min(deltaPeriod, min(fullPeriod, statusPeriod)) / 2 }

    func validate() throws(VaultError) {
        for (member, hours) in [
            ("crl.full_hours", crl?.full_hours), ("crl.delta_hours", crl?.delta_hours), ("ocsp.hours", ocsp?.hours),
        ] {
            guard (1...8_760).contains(hours ?? 1) else { throw .invalid(member, "it must be from 1 to 8760") }
        }
        guard deltaPeriod <= fullPeriod else { throw .invalid("crl.delta_hours", "it must not exceed crl.full_hours") }
        var names: Set<String> = []
        for profile in profiles ?? [] {
            guard let name = profile.name, AuthorityProfile.defaults[name] != nil, names.insert(name).inserted else {
                throw .invalid(
                    "profiles.name",
                    "it must be one of \(AuthorityProfile.defaults.keys.sorted().joined(separator: ", ")), each once")
            }
            try profile.validate()
        }
    }

    func profile(_ name: String) -> AuthorityProfile? {
        guard let standard = AuthorityProfile.defaults[name] else { return nil }
        guard let changes = profiles?.first(where: { $0.name == name }) else { return standard }
        return standard.merged(with: changes)
    }
}

/// What certificates of one kind may be.
struct AuthorityProfile: Codable, Sendable {
    var name: String?
    /// The longest validity, in days.
    var max_validity_days: Int?
    /// Purposes that may be asked for; the first is always there.
    var ekus: [String]?
    /// Of intermediates: how many authorities may follow.
    var path_length: Int?
    /// Of intermediates: names below them.
    var permitted_names: [String]?
    var excluded_names: [String]?

    private static let serverAuthentication = "1.3.6.1.5.5.7.3.1"
    private static let clientAuthentication = "1.3.6.1.5.5.7.3.2"
    private static let codeSigning = "1.3.6.1.5.5.7.3.3"
    private static let mailProtection = "1.3.6.1.5.5.7.3.4"

    static let tlsServer = "tlsServer"
    static let tlsClient = "tlsClient"
    static let code = "codeSigning"
    static let intermediate = "intermediate"

    static let defaults: [String: AuthorityProfile] = [
        tlsServer: AuthorityProfile(
            name: tlsServer, max_validity_days: 398, ekus: [serverAuthentication, clientAuthentication]),
        tlsClient: AuthorityProfile(
            name: tlsClient, max_validity_days: 825, ekus: [clientAuthentication, mailProtection]),
        code: AuthorityProfile(name: code, max_validity_days: 460, ekus: [codeSigning]),
        intermediate: AuthorityProfile(name: intermediate, max_validity_days: 3_660, ekus: [], path_length: 0),
    ]

    var isAuthority: Bool { name == Self.intermediate }

    func merged(with changes: AuthorityProfile) -> AuthorityProfile {
        AuthorityProfile(
            name: name, max_validity_days: changes.max_validity_days ?? max_validity_days, ekus: changes.ekus ?? ekus,
            path_length: changes.path_length ?? path_length,
            permitted_names: changes.permitted_names ?? permitted_names,
            excluded_names: changes.excluded_names ?? excluded_names)
    }

    func validate() throws(VaultError) {
        guard (1...36_500).contains(max_validity_days ?? 1) else {
            throw .invalid("profiles.max_validity_days", "it must be from 1 to 36500")
        }
        guard isAuthority || (path_length == nil && permitted_names == nil && excluded_names == nil) else {
            throw .invalid("profiles", "path length and names are for the profile 'intermediate'")
        }
        guard (0...10).contains(path_length ?? 0) else {
            throw .invalid("profiles.path_length", "it must be from 0 to 10")
        }
        try AuthorityNames.validate(permitted_names ?? [], "profiles.permitted_names")
        try AuthorityNames.validate(excluded_names ?? [], "profiles.excluded_names")
        guard (ekus ?? []).count <= 20 else { throw .invalid("profiles.ekus", "there are more than 20") }
        for purpose in ekus ?? [] {
            guard ObjectIdentifierText.isValid(purpose) else {
                throw .invalid("profiles.ekus", "'\(purpose.prefix(32))' is not an object identifier")
            }
        }
    }

    /// The profile that purposes call for, where none is named.
    static func name(for content: CertificateContent) -> String? {
        if content.isAuthority { return intermediate }
        if content.extendedKeyUsage.contains(codeSigning) { return code }
        if content.extendedKeyUsage.contains(serverAuthentication) { return tlsServer }
        if content.extendedKeyUsage.contains(clientAuthentication) { return tlsClient }
        return content.extendedKeyUsage.isEmpty ? tlsServer : nil
    }

    /// What is asked for, as this profile allows it.
    ///
    /// - Throws: what is not allowed, in words.
    func applied(to content: CertificateContent, below authority: Certificate) throws(AuthorityRefusal)
        -> CertificateContent
    {
        var content = content
        guard !isAuthority else {
            if let bound = authority.pathLength, bound < 1 {
                throw AuthorityRefusal("the authority may have no authority below it (its path length is 0)")
            }
            guard content.hasSubject else {
                throw AuthorityRefusal("an authority needs a subject (RFC 5280 §4.1.2.6)")
            }
            content.isAuthority = true
            content.keyUsage = ["digitalSignature", "keyCertSign", "cRLSign"]
            content.extendedKeyUsage = []
            let bounds = [content.pathLength, path_length ?? 0, authority.pathLength.map { $0 - 1 }].compactMap { $0 }
            content.pathLength = bounds.min()
            content.permittedNames += permitted_names ?? []
            content.excludedNames += excluded_names ?? []
            return content
        }
        guard !content.isAuthority else {
            throw AuthorityRefusal("the profile '\(name ?? "")' makes no authorities")
        }
        let allowed = ekus ?? []
        for purpose in content.extendedKeyUsage where !allowed.contains(purpose) {
            throw AuthorityRefusal("the profile '\(name ?? "")' does not allow the purpose \(purpose)")
        }
        if let first = allowed.first, !content.extendedKeyUsage.contains(first) {
            content.extendedKeyUsage.insert(first, at: 0)
        }
        content.pathLength = nil
        content.permittedNames = []
        content.excludedNames = []
        for usage in content.keyUsage where ["keyCertSign", "cRLSign"].contains(usage) {
            throw AuthorityRefusal("the profile '\(name ?? "")' does not allow the key usage \(usage)")
        }
        return content
    }
}

/// Why an authority does not issue, in words for whoever asked.
struct AuthorityRefusal: Error {
    let text: String
    init(_ text: String) { self.text = text }
}
