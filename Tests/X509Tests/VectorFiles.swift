import Cryptography
import Domain
import FoundationEssentials
import Testing

/// Files of `Tests/Vectors/pki` and `Tests/Vectors/pkcs12`.
enum VectorFiles {
    private static let folder: String = {
        let here = String(describing: StaticString(stringLiteral: #filePath))
        return here.split(separator: "/").dropLast(2).reduce("") { $0 + "/" + $1 } + "/Vectors/"
    }()

    static func names(_ folder: String) -> [String] {
        try! FileManager.default.contentsOfDirectory(atPath: Self.folder + folder).sorted()
    }

    static func bytes(_ name: String) -> [UInt8] { Array(try! Data(contentsOf: URL(filePath: folder + name))) }

    static func text(_ name: String) -> String { String(decoding: bytes(name), as: UTF8.self) }

    static func json<Value: Decodable>(_ name: String, as type: Value.Type = Value.self) -> Value {
        try! JSONDecoder().decode(type, from: Data(bytes(name)))
    }
}

/// The blocks of a vector's text. Words stand between them, and in some of them in place of base64: those are left out.
struct VectorBlocks: Sendable {
    struct Block: Sendable {
        let label: String
        let der: [UInt8]
    }

    let blocks: [Block]

    init(_ text: String) {
        var blocks: [Block] = []
        var label: String?
        var body = ""
        for line in text.split(whereSeparator: \.isNewline) {
            if line.hasPrefix("-----BEGIN ") {
                label = String(line.dropFirst(11).dropLast(5))
                body = ""
            } else if line.hasPrefix("-----END ") {
                if let label, let der = Base64.decode(body) { blocks.append(Block(label: label, der: der)) }
                label = nil
            } else if label != nil {
                body += line.filter { !$0.isWhitespace }
            }
        }
        self.blocks = blocks
    }

    init(file: String) { self.init(VectorFiles.text(file)) }

    func all(_ label: String) -> [[UInt8]] { blocks.filter { $0.label == label }.map(\.der) }
    func first(_ label: String) -> [UInt8]? { all(label).first }
}

/// A verdict of ours beside that of the vector.
///
/// Where the two differ, the vector stands in a list with the reason: when a new libcrypto changes its mind, the test
/// says so.
func expect(
    _ holds: Bool, like expected: Bool, _ name: String, unless divergences: [String: String], _ words: String = "",
    sourceLocation: SourceLocation = #_sourceLocation
) {
    if let reason = divergences[name] {
        #expect(
            holds != expected, "\(name) no longer differs from the vector, as was written: \(reason)",
            sourceLocation: sourceLocation)
    } else {
        #expect(holds == expected, "\(name): \(words)", sourceLocation: sourceLocation)
    }
}

extension Timestamp {
    /// As `YYMMDDhhmmssZ`.
    init(utcTime text: String) {
        let digits = Array(text.utf8)
        func number(_ place: Int) -> Int64 { Int64(digits[place] - 48) * 10 + Int64(digits[place + 1] - 48) }
        let days = CivilDate(year: 2_000 + number(0), month: number(2), day: number(4)).daysSinceEpoch
        self.init(epochSeconds: days * 86_400 + number(6) * 3_600 + number(8) * 60 + number(10))
    }
}
