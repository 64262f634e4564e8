package import Cryptography
package import Domain

/// Codes that an authenticator makes of a shared secret and the time: HMAC-SHA-1, six digits, 30 seconds each.
///
/// - Source: RFC 6238 §4, RFC 4226 §5.3.
package enum TimedCode {
    package static let period: Int64 = 30
    package static let digits = 6
    /// Bytes; the length of HMAC-SHA-1's output, as RFC 4226 §4 asks.
    package static let secretLength = 20

    package static func step(at time: Timestamp) -> Int64 { time.epochSeconds.floorDivided(by: period) }

    package static func code(_ secret: SensitiveBytes, step: Int64, engine: CryptoEngine) throws(CryptoError) -> String
    {
        var message = ByteWriter(reserving: 8)
        message.integer(step)
        let mac = try engine.hmacSHA1(key: secret, message.bytes)
        let offset = Int(mac[19] & 0x0F)
        let value = mac[offset..<(offset + 4)].reduce(UInt32(0)) { $0 << 8 | UInt32($1) } & 0x7FFF_FFFF
        let text = String(value % 1_000_000)
        return String(repeating: "0", count: digits - text.utf8.count) + text
    }

    /// The step whose code was typed: the present one, the one before or the one after; nil when it is none of them or was used before.
    ///
    /// - Parameter typed: spaces in it mean nothing.
    static func step(of typed: String, _ authenticator: Authenticator, now: Timestamp, engine: CryptoEngine) -> Int64? {
        let typed = Array(typed.utf8.filter { $0 != UInt8(ascii: " ") })
        let present = step(at: now)
        var found: Int64?
        // All three are made, whichever fits.
        for candidate in [present - 1, present, present + 1] {
            guard let code = try? code(authenticator.secret, step: candidate, engine: engine) else { return nil }
            if constantTimeEqual(Array(code.utf8), typed), candidate > authenticator.lastStep { found = candidate }
        }
        return found
    }

    /// What an authenticator reads from a QR code.
    ///
    /// - Source: Key URI Format of the Google Authenticator, which all of them read.
    package static func address(of secret: SensitiveBytes, for name: UserName) -> SensitiveBytes {
        let label = name.key.replacing("#", with: "%23").replacing("^", with: "%5E")
        let text = base32(secret).withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
        return SensitiveBytes("otpauth://totp/Strongroom:\(label)?secret=\(text)&issuer=Strongroom".utf8)
    }

    /// RFC 4648 §6, without padding.
    package static func base32(_ bytes: SensitiveBytes) -> SensitiveBytes {
        let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".utf8)
        return bytes.withUnsafeBytes { bytes in
            var text: [UInt8] = []
            var (held, count) = (UInt32(0), 0)
            for byte in bytes {
                (held, count) = ((held << 8 | UInt32(byte)) & 0xFFF, count + 8)
                while count >= 5 {
                    text.append(alphabet[Int(held >> UInt32(count - 5)) & 31])
                    count -= 5
                }
            }
            if count > 0 { text.append(alphabet[Int(held << UInt32(5 - count)) & 31]) }
            return SensitiveBytes(text)
        }
    }
}
