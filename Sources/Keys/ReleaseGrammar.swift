import Domain
import FoundationEssentials
import Objects

/// The grammar of release policies 1.0.0: which claims of which attestation authority open an exportable key.
///
/// - Source: Azure "Secure key release policy grammar".
struct ReleaseGrammar: Sendable {
    indirect enum Condition: Sendable {
        case anyOf([Condition])
        case allOf([Condition])
        case equals(claim: [String], Value)
    }

    enum Value: Sendable, Equatable {
        case text(String)
        case number(Double)
        case flag(Bool)
    }

    struct Branch: Sendable {
        let authority: String
        let condition: Condition
    }

    let branches: [Branch]

    /// - Throws: `.badParameter` for a document that is not a policy.
    init(_ document: [UInt8]) throws(VaultError) {
        let policy = try Document.fromJSON(document)
        guard policy.version == "1.0.0" || policy.version == "1.0" || policy.version == "0.2" else {
            throw Self.wrong("its version is not 1.0.0")
        }
        guard let anyOf = policy.anyOf, !anyOf.isEmpty else { throw Self.wrong("it has no anyOf") }
        branches = try anyOf.mapTyped { branch throws(VaultError) in
            guard let authority = branch.authority, authority.lowercased().hasPrefix("https://") else {
                throw Self.wrong("a branch names no authority, which is an https address")
            }
            return Branch(authority: Self.normal(authority), condition: try branch.parsed())
        }
    }

    /// Authorities are compared without regard to case and without a trailing slash.
    static func normal(_ authority: String) -> String {
        var text = authority.lowercased()
        while text.hasSuffix("/") { text.removeLast() }
        return text
    }

    private static func wrong(_ reason: String) -> VaultError { .invalid("release_policy.data", reason) }

    /// Whether claims of an authority open the key. A claim that is missing is a condition that fails.
    func isFulfilled(by claims: ClaimSet, of authority: String) -> Bool {
        branches.contains { $0.authority == Self.normal(authority) && Self.holds($0.condition, claims) }
    }

    private static func holds(_ condition: Condition, _ claims: ClaimSet) -> Bool {
        switch condition {
        case .anyOf(let conditions): conditions.contains { holds($0, claims) }
        case .allOf(let conditions): conditions.allSatisfy { holds($0, claims) }
        case .equals(let path, let value): claims.value(at: path) == value
        }
    }

    // MARK: The document

    private struct Document: Decodable {
        let version: String?
        let anyOf: [Node]?
    }

    private struct Node: Decodable {
        let authority: String?
        let anyOf: [Node]?
        let allOf: [Node]?
        let claim: String?
        let equals: Literal?
        /// An older name of `equals`.
        let condition: Literal?

        /// Exactly one of anyOf, allOf and a claim.
        func parsed() throws(VaultError) -> Condition {
            switch (anyOf, allOf, claim) {
            case (let nodes?, nil, nil):
                guard !nodes.isEmpty else { throw ReleaseGrammar.wrong("an anyOf is empty") }
                return .anyOf(try nodes.mapTyped { node throws(VaultError) in try node.parsed() })
            case (nil, let nodes?, nil):
                guard !nodes.isEmpty else { throw ReleaseGrammar.wrong("an allOf is empty") }
                return .allOf(try nodes.mapTyped { node throws(VaultError) in try node.parsed() })
            case (nil, nil, let claim?):
                guard let literal = equals ?? self.condition, equals == nil || self.condition == nil else {
                    throw ReleaseGrammar.wrong("a claim has no equals")
                }
                let path = claim.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
                guard !path.contains("") else { throw ReleaseGrammar.wrong("the name of a claim is not valid") }
                return .equals(claim: path, literal.value)
            default:
                throw ReleaseGrammar.wrong("a condition is one of anyOf, allOf and claim")
            }
        }
    }

    private struct Literal: Decodable {
        let value: Value

        init(from decoder: any Decoder) throws {
            let container = try decoder.singleValueContainer()
            if let flag = try? container.decode(Bool.self) {
                value = .flag(flag)
            } else if let number = try? container.decode(Double.self) {
                value = .number(number)
            } else {
                value = .text(try container.decode(String.self))
            }
        }
    }
}

/// The claims of an attestation: nested objects of texts, numbers and flags. Arrays are kept as such and equal nothing.
indirect enum ClaimSet: Decodable, Sendable {
    case object([String: ClaimSet])
    case array([ClaimSet])
    case value(ReleaseGrammar.Value)
    case null

    private struct Name: CodingKey {
        let stringValue: String
        let intValue: Int? = nil
        init(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
    }

    init(from decoder: any Decoder) throws {
        if let object = try? decoder.container(keyedBy: Name.self) {
            var members: [String: ClaimSet] = [:]
            for name in object.allKeys { members[name.stringValue] = try object.decode(ClaimSet.self, forKey: name) }
            self = .object(members)
        } else if var array = try? decoder.unkeyedContainer() {
            var elements: [ClaimSet] = []
            while !array.isAtEnd { elements.append(try array.decode(ClaimSet.self)) }
            self = .array(elements)
        } else {
            let container = try decoder.singleValueContainer()
            if container.decodeNil() {
                self = .null
            } else if let flag = try? container.decode(Bool.self) {
                self = .value(.flag(flag))
            } else if let number = try? container.decode(Double.self) {
                self = .value(.number(number))
            } else {
                self = .value(.text(try container.decode(String.self)))
            }
        }
    }

    subscript(_ name: String) -> ClaimSet? {
        if case .object(let members) = self { members[name] } else { nil }
    }

    var text: String? { if case .value(.text(let text)) = self { text } else { nil } }
    var elements: [ClaimSet]? { if case .array(let elements) = self { elements } else { nil } }

    /// A claim by its path; a name with full stops in it is found too.
    func value(at path: [String]) -> ReleaseGrammar.Value? {
        guard case .object(let members) = self else {
            if path.isEmpty, case .value(let value) = self { return value }
            return nil
        }
        for count in 1...max(1, path.count) where count <= path.count {
            let name = path[..<count].joined(separator: ".")
            if let member = members[name], let value = member.value(at: Array(path[count...])) { return value }
        }
        return nil
    }
}
