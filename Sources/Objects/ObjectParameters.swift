package import Domain

/// The attributes that a request may set, with the rules that all kinds of objects share.
package struct AttributeParameters: Decodable, Sendable {
    package let enabled: Bool?
    package let nbf: Int64?
    package let exp: Int64?
    /// Of keys only.
    package let exportable: Bool?

    private enum CodingKeys: String, CodingKey { case enabled, nbf, exp, exportable }

    package init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        enabled = try container.decodeIfPresent(Bool.self, forKey: .enabled)
        exportable = try container.decodeIfPresent(Bool.self, forKey: .exportable)
        nbf = try Self.time(.nbf, in: container)
        exp = try Self.time(.exp, in: container)
    }

    package init(_ object: inout FlatObject) {
        (enabled, exportable) = (object.flag("enabled"), object.flag("exportable"))
        (nbf, exp) = (object.integer("nbf"), object.integer("exp"))
    }

    /// The decoder does not say where a number stands that is not whole.
    private static func time(_ key: CodingKeys, in container: KeyedDecodingContainer<CodingKeys>) throws -> Int64? {
        do { return try container.decodeIfPresent(Int64.self, forKey: key) } catch {
            throw DecodingError.dataCorruptedError(forKey: key, in: container, debugDescription: "no whole number")
        }
    }

    /// The end of the year 9999.
    private static let latestTime: Int64 = 253_402_300_799

    /// - Throws: `.badParameter` naming the member.
    package func validate() throws(VaultError) {
        for (name, time) in [("attributes.nbf", nbf), ("attributes.exp", exp)] {
            if let time, !(0...Self.latestTime).contains(time) {
                throw .invalid(name, "it is not a time in seconds since 1970")
            }
        }
    }

    package static func requireOrder(_ notBefore: Int64?, _ expires: Int64?) throws(VaultError) {
        if let notBefore, let expires, expires <= notBefore {
            throw .invalid("attributes.exp", "it is not after attributes.nbf")
        }
    }
}

extension ObjectAttributes {
    /// Those of a new version.
    package init(_ parameters: AttributeParameters?, at now: Int64) {
        self.init(
            isEnabled: parameters?.enabled ?? true, notBefore: parameters?.nbf, expires: parameters?.exp, created: now,
            updated: now)
    }

    /// Changes what a PATCH gives.
    package mutating func apply(_ parameters: AttributeParameters?, at now: Int64) throws(VaultError) {
        if let enabled = parameters?.enabled { isEnabled = enabled }
        if let time = parameters?.nbf { notBefore = time }
        if let time = parameters?.exp { expires = time }
        try AttributeParameters.requireOrder(notBefore, expires)
        updated = now
    }
}

/// The tags that a request sets.
package struct TagParameters: Decodable, Sendable {
    private let tags: [String: String?]

    private static let mostTags = 15

    package init(from decoder: any Decoder) throws { tags = try [String: String?](from: decoder) }

    package init(_ object: inout FlatObject) { tags = object.strings() }

    /// - Parameter longest: UTF-16 units of a name or a value.
    /// - Throws: `.badParameter`.
    package func validate(longest: Int) throws(VaultError) {
        guard tags.count <= Self.mostTags else { throw .invalid("tags", "there are more than \(Self.mostTags)") }
        for (name, value) in tags {
            guard (1...longest).contains(name.utf16.count), (value ?? "").utf16.count <= longest else {
                throw .invalid("tags", "a name or value is empty or longer than \(longest) characters")
            }
        }
    }

    /// In order of name, so that the same tags are always stored the same.
    package var sorted: [ObjectRecord.Tag] {
        tags.sorted { $0.key < $1.key }.map { ObjectRecord.Tag(name: $0.key, value: $0.value ?? "") }
    }
}

extension VaultError {
    /// The service's text for a member of a body that breaks a rule.
    package static func invalid(_ property: String, _ reason: String) -> VaultError {
        .badParameter("Property '\(property)' has invalid value: \(reason).\r\n")
    }
}
