import Domain
import FoundationEssentials
import Keys
import WebTokens

#if canImport(Glibc)
    import Glibc
#endif

/// An attestation authority as the command line names it.
enum AttestationSetting {
    /// - Parameter text: `https://issuer` or `https://issuer,/path/of/ca.pem`.
    static func parse(_ text: String) throws -> AttestationAuthorities.Authority {
        let parts = text.split(separator: ",", maxSplits: 1).map(String.init)
        guard let issuer = parts.first, isAddress(issuer) else {
            throw CommandFailure.usage("--attestation-authority must be an https address, not '\(text)'")
        }
        let file = parts.count > 1 ? parts[1] : nil
        if let file, access(file, R_OK) != 0 { throw CommandFailure.usage("the file '\(file)' cannot be read") }
        return AttestationAuthorities.Authority(issuer: issuer, caFile: file)
    }

    /// The same for an issuer whose tokens stand for applications.
    static func parseIssuer(_ text: String) throws -> TrustedIssuers.Issuer {
        let parts = text.split(separator: ",", maxSplits: 1).map(String.init)
        guard let issuer = parts.first, isAddress(issuer) else {
            throw CommandFailure.usage("--federation-issuer must be an https address, not '\(text)'")
        }
        let file = parts.count > 1 ? parts[1] : nil
        if let file, access(file, R_OK) != 0 { throw CommandFailure.usage("the file '\(file)' cannot be read") }
        return TrustedIssuers.Issuer(name: issuer, caFile: file)
    }

    static func isAddress(_ text: String) -> Bool {
        guard let url = URL(string: text), url.scheme == "https", let host = url.host() else { return false }
        return !host.isEmpty
    }
}
