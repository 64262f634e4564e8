package import Domain

/// Takes padding off what was decrypted without, in time that does not depend on what the padding is: for hardware that offers
/// the bare operation only, and where libcrypto's own check tells more than that it failed.
package enum Unpadding {
    /// PKCS #7 (RFC 5652 §6.3) for blocks of 16 bytes.
    ///
    /// - Parameter text: a multiple of 16 bytes, not empty.
    /// - Returns: the length of the text without padding; nil when the padding is wrong.
    package static func pkcs7(_ text: UnsafeRawBufferPointer) -> Int? {
        let pad = Int(text[text.count - 1])
        var wrong = mask(pad == 0) | mask(pad > 16)
        for distance in 1...16 {
            let isPadding = mask(distance <= pad)
            wrong |= isPadding & (text[text.count - distance] ^ UInt8(truncatingIfNeeded: pad))
        }
        return wrong == 0 ? text.count - pad : nil
    }

    /// EME-OAEP (RFC 8017 §7.1.2 step 3) with an empty label and the same hash in MGF1.
    ///
    /// - Parameter encoded: the result of the bare RSA operation, as long as the modulus.
    /// - Returns: nil for every kind of wrong encoding alike.
    package static func oaep(
        _ encoded: SensitiveBytes, _ hash: HashFunction, _ digest: (HashFunction, [UInt8]) -> [UInt8]
    )
        -> SensitiveBytes?
    {
        let size = hash.byteCount
        guard encoded.count >= 2 * size + 2 else { return nil }
        return encoded.withUnsafeBytes { bytes in
            let maskedSeed = Array(bytes[1..<(1 + size)])
            let maskedBlock = Array(bytes[(1 + size)...])
            let seed = xor(maskedSeed, mgf1(maskedBlock, size, hash, digest))
            let block = xor(maskedBlock, mgf1(seed, maskedBlock.count, hash, digest))
            let label = digest(hash, [])
            var wrong = bytes[0]
            for index in 0..<size { wrong |= block[index] ^ label[index] }
            // The first byte after the label's hash that is not zero must be one.
            var isFound: UInt8 = 0
            var start = 0
            for index in size..<block.count {
                let isOne = equal(block[index], 1)
                let isZero = equal(block[index], 0)
                start |= Int(isOne & ~isFound & 1) * (index + 1)
                wrong |= ~isFound & ~isOne & ~isZero
                isFound |= isOne
            }
            wrong |= ~isFound
            return wrong == 0 ? SensitiveBytes(block[start...]) : nil
        }
    }

    /// MGF1 (RFC 8017 §B.2.1).
    private static func mgf1(
        _ seed: [UInt8], _ count: Int, _ hash: HashFunction, _ digest: (HashFunction, [UInt8]) -> [UInt8]
    ) -> [UInt8] {
        var bytes: [UInt8] = []
        var counter: UInt32 = 0
        while bytes.count < count {
            let block = (0..<4).map { UInt8(truncatingIfNeeded: counter >> UInt32(24 - 8 * $0)) }
            bytes += digest(hash, seed + block)
            counter += 1
        }
        return Array(bytes[..<count])
    }

    private static func xor(_ left: [UInt8], _ right: [UInt8]) -> [UInt8] { zip(left, right).map { $0 ^ $1 } }

    private static func mask(_ condition: Bool) -> UInt8 { 0 &- (condition ? 1 : 0) }

    /// 0xFF when equal, else 0, without a branch.
    private static func equal(_ left: UInt8, _ right: UInt8) -> UInt8 {
        let difference = UInt32(left ^ right)
        return UInt8(truncatingIfNeeded: (difference &- 1) >> 8)
    }
}
