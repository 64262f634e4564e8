import Domain
import Objects
import Operations

/// The members of a request body that set and update share, with the rules of the API.
struct SecretParameters: Decodable {
    let value: String?
    let contentType: String?
    let attributes: AttributeParameters?
    let tags: TagParameters?

    private static let longestTag = 512

    /// - Throws: `.badParameter` naming the member.
    func validated() throws(VaultError) -> SecretParameters {
        if let contentType, contentType.utf16.count > SecretValue.longestContentType {
            throw .invalid("contentType", "it is longer than \(SecretValue.longestContentType) characters")
        }
        try attributes?.validate()
        try tags?.validate(longest: Self.longestTag)
        return self
    }
}

extension SecretParameters: FlatBody {
    init(_ object: inout FlatObject) {
        (value, contentType) = (object.string("value"), object.string("contentType"))
        attributes = object.object("attributes") { AttributeParameters(&$0) }
        tags = object.object("tags") { TagParameters(&$0) }
    }
}
