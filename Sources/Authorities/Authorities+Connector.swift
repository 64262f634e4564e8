import Access
package import Barrier
package import Certificates
import Cryptography
package import Domain
import Keys
import Objects
package import Operations
package import X509

/// Issuers of the provider `OnPremiseCA`: an authority of this server, in the same vault or in another.
///
/// The account id of the issuer names the authority: a certificate's name, `vault/name`, or its identifier. Without one it is the
/// certificate that has the issuer's own name.
extension Authorities: IssuerConnector {
    package var providers: Set<String> { ["onpremiseca"] }
    package var isElsewhere: Bool { false }

    /// - Returns: nil for a text that names nothing.
    private func reference(_ account: IssuerAccount, _ issuer: String, from vault: Vault) -> (Vault, ObjectName)? {
        let text = account.accountID ?? issuer
        if let name = ObjectName(text) { return (vault, name) }
        for candidate in allVaults() {
            for prefix in [candidate.url(of: "certificates"), "\(candidate.name)/"] where text.hasPrefix(prefix) {
                let rest = text.dropFirst(prefix.count).split(separator: "/", omittingEmptySubsequences: false)
                if (1...2).contains(rest.count), let name = ObjectName(String(rest[0])) { return (candidate, name) }
            }
        }
        return nil
    }

    package func requested(_ content: CertificateContent) -> CertificateContent { content }

    package func validate(_ account: IssuerAccount, named name: String, _ call: Call) async throws(VaultError) {
        guard let (vault, authority) = reference(account, name, from: try call.vault()) else {
            throw .invalid(
                "credentials.account_id",
                "it names no authority: give the name of its certificate, 'vault/name', or its identifier")
        }
        // Who may name an authority must be allowed to have it sign; otherwise an issuer would be a way around that.
        guard let principal = call.principal,
            call.lane.access.grant(
                .authoritiesIssue, to: principal, on: vault.scopes, object: (authority, "certificates")) != nil
        else {
            throw VaultError(
                .forbiddenByRBAC,
                "Caller is not authorized to issue by the authority '\(authority)' of the vault '\(vault.name)', and cannot make it an issuer."
            )
        }
        do throws(VaultError) { _ = try handle(authority, vault, in: call.lane.reader) } catch {
            throw .invalid(
                "credentials.account_id", "there is no authority '\(authority)' in the vault '\(vault.name)'")
        }
    }

    package func enroll(_ order: IssuerOrder, _ call: Call) async throws(VaultError) -> IssuerOutcome {
        func refused(_ text: String) -> IssuerOutcome { .failed(code: "Request rejected", reason: text) }
        guard let (vault, name) = reference(order.account, order.issuer, from: order.vault),
            let handle = try? handle(name, vault, in: call.lane.reader)
        else { return refused("The authority behind the issuer '\(order.issuer)' is no longer there.") }
        guard let period = CalendarPeriod("P\(order.months)M") else { return refused("The validity is not valid.") }
        let profile = order.certificateType.flatMap { AuthorityProfile.defaults[$0] == nil ? nil : $0 }
        let wanted = Wanted(
            content: order.content, publicKey: order.publicKey, profile: profile, notAfter: period.end(after: call.now),
            requester: call.principal?.objectID.description ?? "",
            name: order.vault.url(of: "certificates") + order.name.spelling)
        switch try await prepare(wanted, handle, call) {
        case .failure(let refusal): return refused("The authority does not issue: \(refusal.text).")
        case .success(let prepared):
            return .issued(prepared.certificate, chain: prepared.chain, alongside: prepared.record)
        }
    }

    /// Nothing outlives an order of this kind: it ends in the step that begins it.
    package func abandon(_ state: [UInt8], _ vault: Vault, at now: Timestamp) throws(VaultError)
        -> @Sendable (Transaction) throws(VaultError) -> Void
    { { _ in } }
}
