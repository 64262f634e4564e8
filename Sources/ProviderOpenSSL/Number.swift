internal import COpenSSL
import Cryptography
import Domain

/// A big number of libcrypto. Zeroed when it goes.
final class Number {
    let pointer: OpaquePointer

    /// Takes the number over.
    init(adopting pointer: OpaquePointer) { self.pointer = pointer }

    init(_ bytes: [UInt8]) throws(CryptoError) {
        guard let number = BN_bin2bn(bytes, Int32(bytes.count), nil) else { throw .failed("number") }
        pointer = number
    }

    init(_ bytes: SensitiveBytes) throws(CryptoError) {
        let number = bytes.withUnsafeBytes {
            BN_bin2bn($0.bindMemory(to: UInt8.self).baseAddress, Int32($0.count), nil)
        }
        guard let number else { throw .failed("number") }
        BN_set_flags(number, BN_FLG_CONSTTIME)
        pointer = number
    }

    deinit { BN_clear_free(pointer) }

    var bits: Int { Int(BN_num_bits(pointer)) }
}
