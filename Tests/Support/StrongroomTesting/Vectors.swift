import FoundationEssentials

/// Files of `Tests/Vectors`.
package enum Vectors {
    private static let folder: String = {
        let here = String(describing: StaticString(stringLiteral: #filePath))
        return here.split(separator: "/").dropLast(3).reduce("") { $0 + "/" + $1 } + "/Vectors/"
    }()

    package static func json<Value: Decodable>(_ name: String, as type: Value.Type = Value.self) throws -> Value {
        try JSONDecoder().decode(type, from: try Data(contentsOf: URL(filePath: folder + name)))
    }
}
