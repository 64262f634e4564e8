package import Barrier
package import Cryptography
package import Domain
package import Operations
package import X509

/// What asks an issuer for certificates: an authority inside, or one elsewhere.
///
/// An order is worked on by the due index, step by step. What a step leaves behind is written before the next begins, so that an order
/// goes on after a restart where it was.
package protocol IssuerConnector: Sendable {
    /// The providers it serves, in lower case.
    var providers: Set<String> { get }

    /// Whether it waits for a server that is not ours.
    var isElsewhere: Bool { get }

    /// Judges the settings of an issuer before they are kept, for the caller who sets them.
    ///
    /// - Throws: `.badParameter`; `.forbiddenByRBAC` when the caller may not use the authority.
    func validate(_ account: IssuerAccount, named name: String, _ call: Call) async throws(VaultError)

    /// What the request for an issuer of this kind is to say, given what the certificate is to say.
    func requested(_ content: CertificateContent) -> CertificateContent

    /// Takes the next step of an order. Safe to repeat.
    ///
    /// - Throws: what the due index is to try again later.
    func enroll(_ order: IssuerOrder, _ call: Call) async throws(VaultError) -> IssuerOutcome

    /// What ends an order that is given up, in the transaction that does so.
    ///
    /// - Parameter state: what the last step left.
    func abandon(_ state: [UInt8], _ vault: Vault, at now: Timestamp) throws(VaultError)
        -> @Sendable (Transaction) throws(VaultError) -> Void
}

/// How an issuer is reached. Its password is never shown.
package struct IssuerAccount: Sendable {
    /// Lower case.
    package let provider: String
    package let accountID: String?
    package let password: SensitiveBytes?
    package let organisation: String?
    /// Addresses of the issuer's administrators.
    package let emails: [String]
}

/// A certificate that is wanted from an issuer.
package struct IssuerOrder: Sendable {
    package let vault: Vault
    package let name: ObjectName
    package let issuer: String
    package let account: IssuerAccount
    /// `cty` of the policy: the kind of certificate in the issuer's own words.
    package let certificateType: String?
    package let content: CertificateContent
    package let months: Int
    package let publicKey: PublicKey
    package let specification: KeySpecification
    /// DER.
    package let request: [UInt8]
    /// What the last step left; nil at the first.
    package let state: [UInt8]?
}

/// Where an order stands after a step.
package enum IssuerOutcome: Sendable {
    /// - Parameter alongside: written in the transaction that keeps the certificate.
    case issued(
        Certificate, chain: [Certificate], alongside: @Sendable (Transaction) throws(VaultError) -> Void)
    /// The issuer needs time.
    ///
    /// - Parameters:
    ///   - until: when the next step is to be taken.
    ///   - details: in words, for whoever waits.
    case waiting(
        until: Timestamp, details: String?, state: [UInt8],
        alongside: @Sendable (Transaction) throws(VaultError) -> Void)
    /// The issuer refused for good.
    ///
    /// - Parameter alongside: written in the transaction that ends the order.
    case failed(
        code: String, reason: String, alongside: @Sendable (Transaction) throws(VaultError) -> Void = { _ in })
}
