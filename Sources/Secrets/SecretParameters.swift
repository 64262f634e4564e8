import Domain
import Objects
import Operations

/// The members of a request body that set and update share, with the rules of the API.
struct SecretParameters: Decodable {
    struct Attributes: Decodable {
        let enabled: Bool?
        let nbf: Int64?
        let exp: Int64?
    }

    let value: String?
    let contentType: String?
    let attributes: Attributes?
    let tags: [String: String?]?

    static let mostTags = 15
    static let longestTag = 512
    /// The end of the year 9999.
    private static let latestTime: Int64 = 253_402_300_799

    /// - Throws: `.badParameter` naming the member.
    func validated() throws(VaultError) -> SecretParameters {
        if let contentType, contentType.utf16.count > SecretValue.longestContentType {
            throw Self.invalid("contentType", "it is longer than \(SecretValue.longestContentType) characters")
        }
        for (name, time) in [("attributes.nbf", attributes?.nbf), ("attributes.exp", attributes?.exp)] {
            if let time, !(0...Self.latestTime).contains(time) {
                throw Self.invalid(name, "it is not a time in seconds since 1970")
            }
        }
        if let tags {
            guard tags.count <= Self.mostTags else {
                throw Self.invalid("tags", "there are more than \(Self.mostTags)")
            }
            for (name, value) in tags {
                guard (1...Self.longestTag).contains(name.utf16.count), (value ?? "").utf16.count <= Self.longestTag
                else {
                    throw Self.invalid("tags", "a name or value is empty or longer than \(Self.longestTag) characters")
                }
            }
        }
        return self
    }

    /// In order of name, so that the same tags are always stored the same.
    var sortedTags: [ObjectRecord.Tag]? {
        tags.map { tags in
            tags.sorted { $0.key < $1.key }.map { ObjectRecord.Tag(name: $0.key, value: $0.value ?? "") }
        }
    }

    static func requireOrder(_ notBefore: Int64?, _ expires: Int64?) throws(VaultError) {
        if let notBefore, let expires, expires <= notBefore {
            throw invalid("attributes.exp", "it is not after attributes.nbf")
        }
    }

    static func invalid(_ property: String, _ reason: String) -> VaultError {
        .badParameter("Property '\(property)' has invalid value: \(reason).\r\n")
    }
}
