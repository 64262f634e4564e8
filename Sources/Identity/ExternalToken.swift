package import Domain

/// What another issuer says in a bearer token, its signature proven.
package struct ExternalToken: Sendable {
    package let issuer: String
    package let subject: String
    package let audiences: [String]
    package let notBefore: Timestamp
    package let expires: Timestamp
    /// The issuer says that more than a password was asked for.
    package let isMultiFactor: Bool

    package init(
        issuer: String, subject: String, audiences: [String], notBefore: Timestamp, expires: Timestamp,
        isMultiFactor: Bool
    ) {
        self.issuer = issuer
        self.subject = subject
        self.audiences = audiences
        self.notBefore = notBefore
        self.expires = expires
        self.isMultiFactor = isMultiFactor
    }
}

/// Who a person is elsewhere: an issuer and a subject of it, together.
package struct ExternalIdentity: Sendable, Hashable, Codable {
    package static let most = 20

    package let issuer: String
    package let subject: String

    package init(issuer: String, subject: String) { (self.issuer, self.subject) = (issuer, subject) }

    /// Letter by letter, as `==` is not.
    package func isSame(as other: ExternalIdentity) -> Bool {
        issuer.isSame(as: other.issuer) && subject.isSame(as: other.subject)
    }
}
