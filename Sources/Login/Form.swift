import Domain

/// `application/x-www-form-urlencoded`.
///
/// - Source: WHATWG URL §5.1.
struct Form: Sendable {
    private let fields: [(name: String, value: String)]

    /// - Throws: `.badParameter` when it is none, or has over 64 fields.
    init(_ body: [UInt8]) throws(VaultError) {
        var fields: [(String, String)] = []
        for pair in body.split(separator: UInt8(ascii: "&")) {
            let parts = pair.split(separator: UInt8(ascii: "="), maxSplits: 1, omittingEmptySubsequences: false)
            guard fields.count < 64, let name = Self.decode(parts[0]),
                let value = Self.decode(parts.count > 1 ? parts[1] : [])
            else {
                throw .badParameter("The request body is not a valid form.")
            }
            fields.append((name, value))
        }
        self.fields = fields
    }

    /// - Throws: `.badParameter` when a field is given twice.
    func value(_ name: String) throws(VaultError) -> String? {
        let found = fields.filter { $0.name == name }
        guard found.count <= 1 else { throw .badParameter("The form field '\(name)' is given more than once.") }
        return found.first?.value
    }

    static func decode(_ bytes: ArraySlice<UInt8>) -> String? {
        var result: [UInt8] = []
        var index = bytes.startIndex
        while index < bytes.endIndex {
            switch bytes[index] {
            case UInt8(ascii: "%"):
                guard index + 2 < bytes.endIndex, let high = Hex.value(of: bytes[index + 1]),
                    let low = Hex.value(of: bytes[index + 2])
                else { return nil }
                result.append(high << 4 | low)
                index += 3
                continue
            case UInt8(ascii: "+"): result.append(0x20)
            case let byte: result.append(byte)
            }
            index += 1
        }
        return String(validating: result, as: UTF8.self)
    }
}
