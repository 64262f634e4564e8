package import Barrier
package import Certificates
package import Cryptography
package import Domain
package import Keys
import Objects
package import Operations
package import X509

/// Issuers that are asked by ACME (RFC 8555): provider `ACME`, and `DigiCert` and `GlobalSign`, which want an external account.
///
/// The issuer's organisation id is the address of the authority's directory, which must be among those that the operator named. Account id
/// and password are the identifier and the key (base64url) of an external account.
package struct ACME: Sendable {
    let settings: ACMESettings
    let exchange: ACMEExchange
    let publisher: ChallengePublisher?
    let engine: CryptoEngine
    let work: KeyWork
    let memory = ACMEMemory()

    /// - Parameters:
    ///   - exchange: reaches authorities.
    ///   - publisher: publishes records of the domain name system; nil when there is nobody to do it.
    package init(
        _ settings: ACMESettings, exchange: ACMEExchange, publisher: ChallengePublisher?, engine: CryptoEngine,
        work: KeyWork
    ) {
        (self.settings, self.exchange, self.publisher) = (settings, exchange, publisher)
        (self.engine, self.work) = (engine, work)
    }

    /// Where the providers that have a directory of their own are asked.
    ///
    /// - Source: DigiCert CertCentral, "ACME directory URLs"; GlobalSign Atlas, "ACME service".
    private static let ownDirectories = [
        "digicert": "https://acme.digicert.com/v2/acme/directory/",
        "globalsign": "https://emea.acme.atlas.globalsign.com/directory",
    ]

    /// An account at the authority that was made elsewhere.
    struct External: Sendable {
        let identifier: String
        let key: SensitiveBytes
    }

    /// Says why an issuer cannot be used.
    struct Unusable: Error {
        let member: String
        let text: String
    }

    func directory(of account: IssuerAccount) throws(Unusable) -> ACMESettings.Directory {
        let named = account.organisation.flatMap { $0.hasPrefix("https://") ? $0 : nil }
        let own = Self.ownDirectories[account.provider]
        if own == nil, let text = account.organisation, named == nil, !text.isEmpty {
            throw Unusable(
                member: "org_details.id",
                text: "it must be the address of an ACME directory, which begins with https://")
        }
        guard !settings.directories.isEmpty else {
            throw Unusable(
                member: "provider", text: "this server may ask no ACME authority: none is named in its configuration")
        }
        guard let address = named ?? own else {
            guard settings.directories.count == 1 else {
                throw Unusable(
                    member: "org_details.id",
                    text: "it must be the address of one of the ACME directories of this server")
            }
            return settings.directories[0]
        }
        guard let directory = settings.directories.first(where: { $0.address == address }) else {
            throw Unusable(
                member: named == nil ? "provider" : "org_details.id",
                text: "the ACME directory '\(address.prefix(256))' is not among those that this server may ask")
        }
        return directory
    }

    /// - Returns: nil when the issuer names none.
    func external(_ account: IssuerAccount) throws(Unusable) -> External? {
        switch (account.accountID, account.password) {
        case (nil, nil):
            guard Self.ownDirectories[account.provider] == nil else {
                throw Unusable(
                    member: "credentials",
                    text: "external account binding is needed: give its identifier as account_id and its key as pwd")
            }
            return nil
        case (let identifier?, let password?):
            let key = password.withUnsafeBytes { Base64.decodeURL(Array($0)[...]) }
            guard let key, key.count >= 16 else {
                throw Unusable(
                    member: "credentials.pwd",
                    text: "for external account binding it must be the key in base64url, at least 16 bytes")
            }
            return External(identifier: identifier, key: SensitiveBytes(key))
        default:
            throw Unusable(
                member: "credentials", text: "external account binding needs both account_id and pwd")
        }
    }
}

extension ACME: IssuerConnector {
    package var providers: Set<String> { ["acme", "digicert", "globalsign"] }
    package var isElsewhere: Bool { true }

    /// Authorities look for names among the alternative ones only.
    package func requested(_ content: CertificateContent) -> CertificateContent {
        var wanted = content
        if let name = Self.hostName(in: content),
            !content.dnsNames.contains(where: { $0.lowercased() == name.lowercased() })
        {
            wanted.dnsNames.insert(name, at: 0)
        }
        return wanted
    }

    /// The common name of a subject when it is one of a host.
    static func hostName(in content: CertificateContent) -> String? {
        let parts = (try? DistinguishedName.parse(content.subject)) ?? []
        guard let name = parts.first(where: { $0.attribute == "CN" })?.value, name.contains("."), !name.contains(" "),
            !content.addresses.contains(name)
        else { return nil }
        return name
    }

    package func validate(_ account: IssuerAccount, named name: String, _ call: Call) async throws(VaultError) {
        // As the service does, which asks the others only when something is ordered.
        guard account.provider == "acme" else { return }
        do throws(Unusable) {
            _ = try directory(of: account)
            _ = try external(account)
        } catch { throw .invalid(error.member, error.text) }
    }

    package func enroll(_ order: IssuerOrder, _ call: Call) async throws(VaultError) -> IssuerOutcome {
        let state =
            try order.state.map { bytes throws(VaultError) in try ACMEOrder(bytes) }
            ?? ACMEOrder(identifier: call.lane.newGUID(), begun: call.now)
        let step: ACMEStep
        do throws(Unusable) {
            step = ACMEStep(
                acme: self, directory: try directory(of: order.account), external: try external(order.account),
                order: order, state: state, call: call)
        } catch {
            return .failed(
                code: "Certificate issuer error", reason: "The issuer '\(order.issuer)' cannot be used: \(error.text).",
                alongside: removal(of: state, order.vault, at: call.now))
        }
        return try await step.outcome()
    }

    package func abandon(_ state: [UInt8], _ vault: Vault, at now: Timestamp) throws(VaultError)
        -> @Sendable (Transaction) throws(VaultError) -> Void
    {
        removal(of: try ACMEOrder(state), vault, at: now)
    }
}
