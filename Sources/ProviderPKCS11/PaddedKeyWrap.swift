internal import CPKCS11
import Cryptography
import Domain

/// AES key wrap with padding (RFC 5649) put together from the token's own AES blocks, for modules whose CKM_AES_KEY_WRAP_PAD is
/// something else when the length is not a multiple of 8. The key never leaves the token.
struct PaddedKeyWrap {
    let session: Token.Session
    let key: CK_OBJECT_HANDLE

    private static let prefix: [UInt8] = [0xA6, 0x59, 0x59, 0xA6]

    func wrap(_ text: [UInt8]) throws(TokenFailure) -> [UInt8] {
        let length = (0..<4).map { UInt8(truncatingIfNeeded: text.count >> (24 - 8 * $0)) }
        var block = Self.prefix + length
        var registers = text + [UInt8](repeating: 0, count: (8 - text.count % 8) % 8)
        let count = registers.count / 8
        let cipher = try Blocks(session, key, isEncrypting: true)
        defer { cipher.end() }
        guard count > 1 else { return try cipher.run(block + registers) }
        for step in 1...(6 * count) {
            let place = 8 * ((step - 1) % count)
            let output = try cipher.run(block + registers[place..<(place + 8)])
            block = Self.xor(Array(output[..<8]), step)
            registers.replaceSubrange(place..<(place + 8), with: output[8...])
        }
        return block + registers
    }

    /// - Returns: nil when it does not open, whatever is wrong.
    func unwrap(_ wrapped: [UInt8]) throws(TokenFailure) -> SensitiveBytes? {
        guard wrapped.count >= 16, wrapped.count.isMultiple(of: 8) else { return nil }
        let cipher = try Blocks(session, key, isEncrypting: false)
        defer { cipher.end() }
        var block: [UInt8]
        var registers: [UInt8]
        if wrapped.count == 16 {
            let output = try cipher.run(wrapped)
            (block, registers) = (Array(output[..<8]), Array(output[8...]))
        } else {
            (block, registers) = (Array(wrapped[..<8]), Array(wrapped[8...]))
            let count = registers.count / 8
            for step in (1...(6 * count)).reversed() {
                let place = 8 * ((step - 1) % count)
                let output = try cipher.run(Self.xor(block, step) + registers[place..<(place + 8)])
                block = Array(output[..<8])
                registers.replaceSubrange(place..<(place + 8), with: output[8...])
            }
        }
        return Self.checked(block, registers)
    }

    /// The prefix, the length and the zeros behind the text, judged together and without a shortcut.
    private static func checked(_ block: [UInt8], _ registers: [UInt8]) -> SensitiveBytes? {
        var wrong: UInt8 = 0
        for index in 0..<4 { wrong |= block[index] ^ prefix[index] }
        let length = block[4...].reduce(0) { $0 << 8 | Int($1) }
        let isInRange = length > registers.count - 8 && length <= registers.count
        wrong |= isInRange ? 0 : 1
        for distance in 1...7 {
            let index = registers.count - distance
            wrong |= isInRange && index >= length ? registers[index] : 0
        }
        return wrong == 0 ? SensitiveBytes(registers[..<length]) : nil
    }

    private static func xor(_ block: [UInt8], _ step: Int) -> [UInt8] {
        block.enumerated().map { index, byte in byte ^ UInt8(truncatingIfNeeded: step >> (56 - 8 * index)) }
    }

    /// AES on single blocks (CKM_AES_ECB), one operation for all of them.
    private struct Blocks {
        private let session: Token.Session
        private let isEncrypting: Bool

        init(_ session: Token.Session, _ key: CK_OBJECT_HANDLE, isEncrypting: Bool) throws(TokenFailure) {
            (self.session, self.isEncrypting) = (session, isEncrypting)
            var mechanism = CK_MECHANISM(
                mechanism: CK_MECHANISM_TYPE(CKM_AES_ECB), pParameter: nil, ulParameterLen: 0)
            let start: CK_RV =
                isEncrypting
                ? session.list.C_EncryptInit(session.handle, &mechanism, key)
                : session.list.C_DecryptInit(session.handle, &mechanism, key)
            try check(start)
        }

        func run(_ block: [UInt8]) throws(TokenFailure) -> [UInt8] {
            var input = block
            var output = [UInt8](repeating: 0, count: 32)
            var count: CK_ULONG = 32
            let result: CK_RV =
                isEncrypting
                ? session.list.C_EncryptUpdate(session.handle, &input, 16, &output, &count)
                : session.list.C_DecryptUpdate(session.handle, &input, 16, &output, &count)
            try check(result)
            guard count == 16 else { throw TokenFailure(CK_RV(CKR_FUNCTION_FAILED)) }
            return Array(output[..<16])
        }

        func end() {
            var rest = [UInt8](repeating: 0, count: 32)
            var count: CK_ULONG = 32
            if isEncrypting {
                _ = session.list.C_EncryptFinal(session.handle, &rest, &count)
            } else {
                _ = session.list.C_DecryptFinal(session.handle, &rest, &count)
            }
        }
    }
}
