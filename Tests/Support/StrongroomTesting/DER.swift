/// The few forms of DER (X.690) that a key file needs.
package enum DER {
    package static func integer(_ magnitude: [UInt8]) -> [UInt8] {
        let trimmed = Array(magnitude.drop { $0 == 0 })
        let content = trimmed.isEmpty ? [0] : trimmed[0] & 0x80 != 0 ? [0] + trimmed : trimmed
        return value(0x02, content)
    }

    package static func sequence(_ parts: [UInt8]...) -> [UInt8] { value(0x30, parts.flatMap { $0 }) }
    package static func octets(_ content: [UInt8]) -> [UInt8] { value(0x04, content) }

    private static func value(_ tag: UInt8, _ content: [UInt8]) -> [UInt8] {
        let count = content.count
        let length: [UInt8] =
            count < 128
            ? [UInt8(count)] : count < 256 ? [0x81, UInt8(count)] : [0x82, UInt8(count >> 8), UInt8(count & 255)]
        return [tag] + length + content
    }

    /// PKCS#8 of an RSA key by its numbers: n, e, d, p, q, dp, dq, qi.
    package static func rsaKey(_ numbers: [[UInt8]]) -> [UInt8] {
        let rsaEncryption: [UInt8] = [0x06, 0x09, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x01, 0x05, 0x00]
        return sequence(
            integer([0]), sequence(rsaEncryption), octets(sequence(integer([0]), numbers.flatMap { integer($0) })))
    }

    /// PKCS#8 of an RSA key whose public half is true and whose private half is made up: enough to verify with.
    package static func verifyingKey(n: [UInt8], e: [UInt8]) -> [UInt8] {
        rsaKey([n, e] + [[UInt8]](repeating: [1], count: 6))
    }
}
