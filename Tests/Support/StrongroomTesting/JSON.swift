import FoundationEssentials
package import Operations

/// JSON as a test looks at it: what is absent reads as null, so that a path can be followed in one line.
package enum JSON: Decodable, Equatable, Sendable {
    case null
    case bool(Bool)
    case integer(Int64)
    case string(String)
    case array([JSON])
    case object([String: JSON])

    package init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if container.decodeNil() {
            self = .null
        } else if let value = try? container.decode(Bool.self) {
            self = .bool(value)
        } else if let value = try? container.decode(Int64.self) {
            self = .integer(value)
        } else if let value = try? container.decode(String.self) {
            self = .string(value)
        } else if let value = try? container.decode([JSON].self) {
            self = .array(value)
        } else {
            self = .object(try container.decode([String: JSON].self))
        }
    }

    package init(_ bytes: [UInt8]) throws { self = try JSONDecoder().decode(JSON.self, from: Data(bytes)) }

    package subscript(_ name: String) -> JSON {
        if case .object(let members) = self { members[name] ?? .null } else { .null }
    }

    package subscript(_ index: Int) -> JSON {
        if case .array(let values) = self, values.indices.contains(index) { values[index] } else { .null }
    }

    package var string: String? { if case .string(let value) = self { value } else { nil } }
    package var integer: Int64? { if case .integer(let value) = self { value } else { nil } }
    package var bool: Bool? { if case .bool(let value) = self { value } else { nil } }
    package var array: [JSON] { if case .array(let values) = self { values } else { [] } }
    package var members: Set<String> { if case .object(let members) = self { Set(members.keys) } else { [] } }
}

extension Response {
    /// The body; null when there is none or it is no JSON.
    package var json: JSON { (try? JSON(body)) ?? .null }

    package func header(_ name: String) -> String? { headers.first { $0.name == name }?.value }

    /// `error.code`, and `error.innererror.code` behind a slash if there is one.
    package var errorCode: String? {
        guard let code = json["error"]["code"].string else { return nil }
        return json["error"]["innererror"]["code"].string.map { code + "/" + $0 } ?? code
    }
}
