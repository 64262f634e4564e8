extension String {
    /// Whether two texts are the same letter by letter. `==` takes what looks alike for the same: a sign of Kelvin for a K, an accent apart
    /// for one that is not.
    ///
    /// - Source: RFC 7519 §2 (StringOrURI), RFC 8259 §8.3.
    package func isSame(as other: String) -> Bool { utf8.elementsEqual(other.utf8) }

    package var isASCII: Bool { utf8.allSatisfy { $0 < 0x80 } }
}
