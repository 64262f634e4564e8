extension String {
    /// Whether two texts are the same letter by letter. `==` takes what looks alike for the same: a sign of Kelvin for a K, an accent apart
    /// for one that is not.
    ///
    /// - Source: RFC 7519 §2 (StringOrURI), RFC 8259 §8.3.
    package func isSame(as other: String) -> Bool { utf8.elementsEqual(other.utf8) }

    package var isASCII: Bool { utf8.allSatisfy { $0 < 0x80 } }

    /// Whether it holds nothing that a terminal would obey, or that hides.
    package var isPrintable: Bool {
        unicodeScalars.allSatisfy { scalar in
            switch scalar.properties.generalCategory {
            case .control, .format, .lineSeparator, .paragraphSeparator: false
            default: true
            }
        }
    }

    /// As it stands in a form or a query: letters, digits and `-._~` as they are, every other byte by its number (RFC 3986 §2).
    package var formEncoded: String {
        var result = ""
        for byte in utf8 {
            if byte.isASCIILetter || byte.isASCIIDigit || "-._~".utf8.contains(byte) {
                result.unicodeScalars.append(Unicode.Scalar(byte))
            } else {
                result += "%" + Hex.encode([byte]).uppercased()
            }
        }
        return result
    }
}
