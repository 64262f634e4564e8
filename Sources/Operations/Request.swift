package import Domain

/// A request after the HTTP layer: parsed, within limits, its path decoded. What routing and authorisation look at is this,
/// never the raw text.
///
/// A reference: it goes through every step of a call, and a value of this many strings would be copied at each.
package final class Request: @unchecked Sendable {
    // Unchecked: filled in by the connection that reads it and by the dispatcher that routes it, in this order and on one thread;
    // nothing changes after the operation has it.
    package enum Method: String, Sendable, CaseIterable {
        case get = "GET"
        case put = "PUT"
        case post = "POST"
        case patch = "PATCH"
        case delete = "DELETE"

        /// By case: an enumeration with texts would hash those.
        package func hash(into hasher: inout Hasher) {
            switch self {
            case .get: hasher.combine(0)
            case .put: hasher.combine(1)
            case .post: hasher.combine(2)
            case .patch: hasher.combine(3)
            case .delete: hasher.combine(4)
            }
        }
    }

    /// Nil for a method that no operation has.
    package let method: Method?
    /// The host as the client named it, lower case, without port.
    package let host: String
    /// The host with the port that the client used; for records only.
    package let authority: String
    /// The request target as sent; for records only.
    package let target: String
    /// Decoded segments, without empty ones: repeated and trailing slashes mean nothing.
    package let path: [String]
    package let query: Query
    package let authorization: String?
    package let ifNoneMatch: String?
    package let userAgent: String
    package let clientRequestID: String?
    package var body: [UInt8]
    /// The body was longer than so many bytes and was left unread; told to a caller who proves who they are.
    package var exceededLimit: Int?
    package let peer: Peer
    package let tlsVersion: String
    /// Filled in by the catalog, in the order of the route.
    package var parameters: [(name: String, value: String)] = []

    package init(
        method: Method?, host: String, authority: String? = nil, target: String, path: [String], query: Query,
        authorization: String?,
        ifNoneMatch: String? = nil, userAgent: String = "", clientRequestID: String? = nil, body: [UInt8] = [],
        peer: Peer,
        tlsVersion: String
    ) {
        self.method = method
        self.host = host
        self.authority = authority ?? host
        self.target = target
        self.path = path
        self.query = query
        self.authorization = authorization
        self.ifNoneMatch = ifNoneMatch
        self.userAgent = userAgent
        self.clientRequestID = clientRequestID
        self.body = body
        self.peer = peer
        self.tlsVersion = tlsVersion
    }

    package func parameter(_ name: String) -> String? { parameters.first { $0.name == name }?.value }

    /// The name of an object from the path.
    ///
    /// - Throws: `.badParameter`.
    package func objectName(_ parameter: String) throws(VaultError) -> ObjectName {
        let text = self.parameter(parameter) ?? ""
        guard let name = ObjectName(text) else {
            throw .badParameter("The request URI contains an invalid name: \(text.prefix(128))")
        }
        return name
    }

    /// The version of an object from the path; nil when the path names none.
    package func objectVersion(_ parameter: String) throws(VaultError) -> ObjectVersion? {
        guard let text = self.parameter(parameter) else { return nil }
        guard let version = ObjectVersion(text) else {
            throw .badParameter("The request URI contains an invalid version: \(text.prefix(128))")
        }
        return version
    }
}

extension VaultError {
    /// - Parameter limit: bytes.
    package static func bodyTooLarge(_ limit: Int) -> VaultError {
        VaultError(.bodyTooLarge, "The request body is larger than \(limit) bytes, the most that this operation takes.")
    }
}

/// Where a connection comes from.
package struct Peer: Sendable, Hashable {
    /// An IP literal.
    package let address: String
    package let isIPv6: Bool
    /// The private endpoint it came by; nil for the listeners that are everybody's.
    package let endpoint: String?

    package init(address: String, isIPv6: Bool, endpoint: String? = nil) {
        (self.address, self.isIPv6, self.endpoint) = (address, isIPv6, endpoint)
    }

    package static let local = Peer(address: "", isIPv6: false)
}

/// The query of a URL: names without regard to case, values decoded.
package struct Query: Sendable {
    package let items: [(name: String, value: String)]

    package init(_ items: [(name: String, value: String)] = []) { self.items = items }

    /// The value of a name that may be given once.
    ///
    /// - Throws: `.badParameter` when it is given twice, since readers disagree on which one counts.
    package func value(_ name: String) throws(VaultError) -> String? {
        var found: String?
        for item in items where item.name == name {
            guard found == nil else { throw .badParameter("The query parameter '\(name)' is given more than once.") }
            found = item.value
        }
        return found
    }
}
