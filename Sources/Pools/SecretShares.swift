package import Cryptography
package import Domain

/// A secret in pieces, so many of which give it back while fewer tell nothing: Shamir's sharing, byte by byte, in the field of 257
/// elements.
///
/// A piece holds two bytes, little-endian, for each byte of the secret: its place on the polynomial (1 to 126) in the upper seven bits,
/// the polynomial's value there in the lower nine. That is how clients of the reference service read the pieces, and they put the secret
/// together: this server only takes it apart.
/// - Source: A. Shamir, "How to share a secret", CACM 22 (1979); the file format of Managed HSM security domains.
package struct SecretShares: Sendable {
    package static let most = 126

    private let engine: CryptoEngine

    package init(_ engine: CryptoEngine) { self.engine = engine }

    /// - Parameters:
    ///   - count: of pieces, at most 126.
    ///   - required: pieces that give the secret back, at least 2.
    package func split(_ secret: SensitiveBytes, into count: Int, required: Int) throws(CryptoError) -> [SensitiveBytes]
    {
        guard (2...count).contains(required), count <= Self.most else { throw .failed("secret sharing") }
        let coefficients = try elements(secret.count * (required - 1))
        return (1...count).map { place in
            SensitiveBytes(count: secret.count * 2) { piece in
                secret.withUnsafeBytes { secret in
                    for index in 0..<secret.count {
                        var value = 0
                        for power in 0..<(required - 1) {
                            value = Self.reduced(
                                value * place + coefficients.element(index * (required - 1) + power))
                        }
                        value = Self.reduced(value * place + Int(secret[index]))
                        let word = place << 9 | value
                        piece[2 * index] = UInt8(truncatingIfNeeded: word)
                        piece[2 * index + 1] = UInt8(truncatingIfNeeded: word >> 8)
                    }
                }
            }
        }
    }

    /// The rest of a division by 257, without a division or a branch that would tell the value by its time. For 0 to 65,535.
    static func reduced(_ number: Int) -> Int {
        // 256 is -1 in this field.
        let difference = (number & 0xFF) - (number >> 8)
        return difference + (257 & (difference >> 16))
    }

    /// Elements of the field, each as likely as any other.
    private func elements(_ count: Int) throws(CryptoError) -> Elements {
        var failure: CryptoError?
        let elements = SensitiveBytes(count: count * 2) { bytes in
            var filled = 0
            while filled < count, failure == nil {
                do throws(CryptoError) {
                    let drawn = try engine.randomKey(count: (count - filled) * 2 + 16)
                    drawn.withUnsafeBytes { drawn in
                        for index in stride(from: 0, to: drawn.count - 1, by: 2) where filled < count {
                            let number = Int(drawn[index]) | Int(drawn[index + 1] & 1) << 8
                            guard number <= 256 else { continue }
                            bytes[2 * filled] = UInt8(truncatingIfNeeded: number)
                            bytes[2 * filled + 1] = UInt8(number >> 8)
                            filled += 1
                        }
                    }
                } catch { failure = error }
            }
        }
        if let failure { throw failure }
        return Elements(bytes: elements)
    }

    private struct Elements {
        let bytes: SensitiveBytes

        func element(_ index: Int) -> Int {
            bytes.withUnsafeBytes { Int($0[2 * index]) | Int($0[2 * index + 1]) << 8 }
        }
    }
}
