import Domain

/// What authorities say (RFC 8555 §7.1). Members that are not needed are left out.
struct DirectoryMessage: Decodable, Sendable {
    struct Meta: Decodable, Sendable {
        let externalAccountRequired: Bool?
    }
    let newNonce: String
    let newAccount: String
    let newOrder: String
    let meta: Meta?
}

struct OrderMessage: Decodable {
    let status: String
    let authorizations: [String]
    let finalize: String
    let certificate: String?
    let error: Problem?
}

struct AuthorizationMessage: Decodable {
    struct Identifier: Decodable {
        let type: String
        let value: String
    }
    struct Challenge: Decodable {
        let type: String
        let url: String
        let status: String?
        let token: String?
        let error: Problem?
    }
    let identifier: Identifier
    let status: String
    let challenges: [Challenge]
    let wildcard: Bool?
}

/// RFC 7807 with the types of RFC 8555 §6.7.
struct Problem: Decodable {
    struct Sub: Decodable {
        struct Identifier: Decodable {
            let value: String
        }
        let detail: String?
        let identifier: Identifier?
    }
    let type: String?
    let detail: String?
    let subproblems: [Sub]?

    /// The last part of the type: `rateLimited`.
    var kind: String { type?.split(separator: ":").last.map(String.init) ?? "" }

    /// In the authority's own words, made safe to show.
    var text: String {
        let parts =
            [detail ?? "no reason given"]
            + (subproblems ?? []).prefix(8).map { sub in
                (sub.identifier.map { $0.value + ": " } ?? "") + (sub.detail ?? "")
            }
        let plain = parts.joined(separator: "; ").unicodeScalars.map {
            $0.properties.generalCategory == .control ? " " : $0
        }
        return String(String(String.UnicodeScalarView(plain)).prefix(1_000))
    }
}

/// The names that an order asks for.
struct Identifier: Hashable, Sendable {
    enum Kind: String, Sendable { case dns, ip }

    let kind: Kind
    let value: String

    /// Whether an authorization is for this name: one for a wildcard leaves the wildcard out (RFC 8555 §7.1.4).
    func isProved(by message: AuthorizationMessage) -> Bool {
        let name = message.identifier.value.lowercased()
        return message.identifier.type == kind.rawValue
            && (value.lowercased() == name || kind == .dns && value == "*." + name)
    }
}
