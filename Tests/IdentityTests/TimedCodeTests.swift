import Cryptography
import Domain
import StrongroomTesting
import Testing

@testable import Identity

struct TimedCodeTests {
    private static let engine = try! CryptoEngine()
    private static let secret = SensitiveBytes("12345678901234567890".utf8)

    // RFC 6238, appendix B, SHA-1; the last six of its eight digits.
    @Test(
        "The codes of the RFC",
        arguments: [
            (59, "287082"), (1_111_111_109, "081804"), (1_111_111_111, "050471"), (1_234_567_890, "005924"),
            (2_000_000_000, "279037"), (20_000_000_000, "353130"),
        ])
    func vectors(_ seconds: Int64, _ code: String) throws {
        let step = seconds.floorDivided(by: TimedCode.period)
        #expect(try TimedCode.code(Self.secret, step: step, engine: Self.engine) == code)
    }

    private func step(_ typed: String, at seconds: Int64, after last: Int64 = 0) -> Int64? {
        TimedCode.step(
            of: typed, Authenticator(secret: Self.secret, lastStep: last), now: Timestamp(epochSeconds: seconds),
            engine: Self.engine)
    }

    @Test("A code holds in its step, in the one before and in the one after")
    func window() {
        let present: Int64 = 1_111_111_111 / 30
        for (offset, isHeld) in [(-2, false), (-1, true), (0, true), (1, true), (2, false)] {
            #expect((step("050471", at: (present + Int64(offset)) * 30) != nil) == isHeld, "\(offset)")
        }
        #expect(step("050 471", at: 1_111_111_111) == present)
        for wrong in ["", "050472", "50471", "0504710", "05047a", "０５０４７１"] {
            #expect(step(wrong, at: 1_111_111_111) == nil, "\(wrong)")
        }
    }

    @Test("A code that was used does not hold again")
    func once() {
        let present: Int64 = 1_111_111_111 / 30
        #expect(step("050471", at: 1_111_111_111, after: present) == nil)
        #expect(step("050471", at: 1_111_111_111, after: present - 1) == present)
    }

    // RFC 4648 §10, without padding.
    @Test(
        "Base32",
        arguments: [
            ("", ""), ("f", "MY"), ("fo", "MZXQ"), ("foo", "MZXW6"), ("foob", "MZXW6YQ"), ("fooba", "MZXW6YTB"),
            ("foobar", "MZXW6YTBOI"),
        ])
    func base32(_ plain: String, _ text: String) {
        let made = TimedCode.base32(SensitiveBytes(plain.utf8)).withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
        #expect(made == text)
    }
}
