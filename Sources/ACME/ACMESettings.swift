package import Domain

/// Which authorities may be asked, and how control of names is shown to them.
package struct ACMESettings: Sendable {
    /// An authority's directory. Only what is named by the operator is ever asked.
    package struct Directory: Sendable, Hashable {
        /// `https://…`
        package let address: String
        /// PEM bundle of those who sign the authority's server; nil for those of the system.
        package let caFile: String?

        package init(address: String, caFile: String? = nil) { (self.address, self.caFile) = (address, caFile) }
    }

    package var directories: [Directory]
    /// Whether challenges over plain HTTP can be answered here.
    package var answersHTTP: Bool
    /// How long a record of the domain name system takes to be seen.
    package var propagation: Duration

    package init(directories: [Directory] = [], answersHTTP: Bool = false, propagation: Duration = .seconds(5)) {
        (self.directories, self.answersHTTP, self.propagation) = (directories, answersHTTP, propagation)
    }
}

/// A record of the domain name system by which control of a name is shown (RFC 8555 §8.4).
package struct ChallengeRecord: Sendable {
    package enum Action: String, Sendable { case present, remove }

    /// `_acme-challenge.example.com`
    package let name: String
    /// Of its TXT record.
    package let value: String
}

/// Publishes a record or takes it back. Safe to repeat.
///
/// - Returns: on failure what went wrong, in words for whoever waits for the certificate.
package typealias ChallengePublisher =
    @Sendable (ChallengeRecord.Action, ChallengeRecord) async -> Result<Void, ACMEFailure>

/// An exchange with an authority.
package struct ACMEExchange: Sendable {
    package struct Answer: Sendable {
        package let status: Int
        package let nonce: String?
        package let location: String?
        package let retryAfter: String?
        package let body: [UInt8]

        package init(status: Int, nonce: String?, location: String?, retryAfter: String?, body: [UInt8]) {
            (self.status, self.nonce, self.location) = (status, nonce, location)
            (self.retryAfter, self.body) = (retryAfter, body)
        }
    }

    package typealias Send =
        @Sendable (_ method: String, _ address: String, _ body: [UInt8], _ caFile: String?) async
        -> Result<Answer, ACMEFailure>

    let send: Send

    package init(_ send: @escaping Send) { self.send = send }
}

/// Why a step at an authority did not come off.
package enum ACMEFailure: Error, Sendable {
    /// It is worth trying again: the authority could not be reached, is out of order, or limits requests.
    case later(String, after: Duration? = nil)
    /// The authority refused, in its own words.
    case refused(code: String, String)
    /// The authority does not know the account any more.
    case accountGone
    /// There is no account just now.
    case noAccount
    /// A fault of this server.
    case fault(VaultError)
}
