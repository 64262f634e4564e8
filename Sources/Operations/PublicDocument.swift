package import Domain

/// A request for what anyone may have: lists, status and proofs that clients ask for over plain HTTP.
package struct PublicRequest: Sendable {
    /// GET or HEAD; otherwise POST.
    package let isRead: Bool
    /// Decoded segments.
    package let path: [String]
    package let body: [UInt8]

    package init(isRead: Bool, path: [String], body: [UInt8]) {
        (self.isRead, self.path, self.body) = (isRead, path, body)
    }
}

/// What is answered to it.
package struct PublicDocument: Sendable {
    package let type: String
    package let body: [UInt8]
    /// For how many seconds it may be kept; nil for not at all.
    package let maxAge: Int?

    package init(type: String, body: [UInt8], maxAge: Int?) {
        (self.type, self.body, self.maxAge) = (type, body, maxAge)
    }
}

/// Answers public requests; nil for a path that nothing stands behind.
package typealias PublicSite = @Sendable (PublicRequest, Lane, Timestamp) throws(VaultError) -> PublicDocument?
