import Cryptography
import Domain
import StrongroomTesting
import Testing

struct UnpaddingTests {
    private let engine: CryptoEngine

    init() throws { engine = try CryptoEngine() }

    // MARK: PKCS #7

    private func pkcs7(_ text: [UInt8]) -> Int? { text.withUnsafeBytes { Unpadding.pkcs7($0) } }

    /// The same, in the words of RFC 5652 §6.3.
    private func expected(_ text: [UInt8]) -> Int? {
        guard let last = text.last, (1...16).contains(last) else { return nil }
        return text.suffix(Int(last)).allSatisfy { $0 == last } ? text.count - Int(last) : nil
    }

    @Test("Every padding from 1 to 16 comes off", arguments: 1...16)
    func comesOff(_ pad: Int) throws {
        for blocks in 1...3 {
            let text = try engine.random(count: blocks * 16 - pad) + [UInt8](repeating: UInt8(pad), count: pad)
            #expect(pkcs7(text) == blocks * 16 - pad)
        }
    }

    @Test("A last byte that no padding ends in is refused", arguments: [0] + Array(17...255))
    func noPadding(_ last: Int) {
        #expect(pkcs7([UInt8](repeating: UInt8(last), count: 32)) == nil)
        #expect(pkcs7([UInt8](repeating: 1, count: 31) + [UInt8(last)]) == nil)
    }

    @Test("A single byte of padding that is wrong is seen, and one before it is not looked at", arguments: 1...16)
    func corrupted(_ pad: Int) {
        let text = [UInt8](repeating: 0xAA, count: 32 - pad) + [UInt8](repeating: UInt8(pad), count: pad)
        for index in text.indices {
            for value in 0...255 {
                var altered = text
                altered[index] = UInt8(value)
                #expect(pkcs7(altered) == expected(altered))
                if index < 32 - pad { #expect(pkcs7(altered) == 32 - pad) }
            }
        }
    }

    @Test("A whole block of padding leaves nothing")
    func empty() { #expect(pkcs7([UInt8](repeating: 16, count: 16)) == 0) }

    // MARK: OAEP

    private func digest(_ hash: HashFunction, _ bytes: [UInt8]) -> [UInt8] {
        // The padding is the same whatever the hash is, as long as both sides have the same: SHA-256 stretched or cut.
        var result: [UInt8] = []
        var counter: UInt8 = 0
        while result.count < hash.byteCount {
            result += (try? engine.sha256([hash.rawValue, counter] + bytes)) ?? []
            counter += 1
        }
        return Array(result.prefix(hash.byteCount))
    }

    /// RFC 8017 §B.2.1, once more.
    private func mask(_ seed: [UInt8], _ count: Int, _ hash: HashFunction) -> [UInt8] {
        let blocks = (0...(count / hash.byteCount)).flatMap { number in
            digest(hash, seed + [0, 0, UInt8(number >> 8), UInt8(number & 255)])
        }
        return Array(blocks.prefix(count))
    }

    private static func xor(_ left: [UInt8], _ right: [UInt8]) -> [UInt8] { zip(left, right).map { $0 ^ $1 } }

    /// RFC 8017 §7.1.1 step 2 around a data block that the test makes.
    private func encoded(block: [UInt8], _ hash: HashFunction, first: UInt8 = 0) throws -> [UInt8] {
        let seed = try engine.random(count: hash.byteCount)
        let maskedBlock = Self.xor(block, mask(seed, block.count, hash))
        return [first] + Self.xor(seed, mask(maskedBlock, hash.byteCount, hash)) + maskedBlock
    }

    private func block(_ message: [UInt8], _ hash: HashFunction, size: Int) -> [UInt8] {
        let zeros = size - 2 * hash.byteCount - 2 - message.count
        return digest(hash, []) + [UInt8](repeating: 0, count: zeros) + [1] + message
    }

    private func opened(_ encoded: [UInt8], _ hash: HashFunction) -> [UInt8]? {
        Unpadding.oaep(SensitiveBytes(encoded), hash) { digest($0, $1) }?.withUnsafeBytes { Array($0) }
    }

    @Test("A message comes out of OAEP as it went in, from none to the longest", arguments: HashFunction.allCases)
    func messages(_ hash: HashFunction) throws {
        let most = 256 - 2 * hash.byteCount - 2
        for count in [0, 1, 2, 31, most - 1, most] {
            let message = try engine.random(count: count)
            #expect(opened(try encoded(block: block(message, hash, size: 256), hash), hash) == message)
        }
        for message in [[0], [1], [0, 0, 1], [1, 1, 1], [0, 1, 0]] as [[UInt8]] {
            #expect(opened(try encoded(block: block(message, hash, size: 256), hash), hash) == message)
        }
    }

    @Test("A single byte that is wrong, wherever it is, opens nothing", arguments: HashFunction.allCases)
    func corrupted(_ hash: HashFunction) throws {
        let whole = try encoded(block: block([1, 2, 3], hash, size: 256), hash)
        for index in whole.indices {
            for change in [1, 0x80, 0xFF] as [UInt8] {
                var altered = whole
                altered[index] ^= change
                #expect(opened(altered, hash) == nil, "byte \(index)")
            }
        }
        #expect(opened(whole, hash) == [1, 2, 3])
    }

    @Test(
        "A data block that is wrong opens nothing, though it is masked as it should be",
        arguments: HashFunction.allCases)
    func blocks(_ hash: HashFunction) throws {
        let sound = block([7], hash, size: 256)
        let size = hash.byteCount
        // The hash of the label.
        for index in 0..<size {
            var wrong = sound
            wrong[index] ^= 1
            #expect(opened(try encoded(block: wrong, hash), hash) == nil)
        }
        // A byte among the zeros that is neither zero nor one.
        for index in size..<(sound.count - 2) {
            for value in [2, 0x80, 0xFF] as [UInt8] {
                var wrong = sound
                wrong[index] = value
                #expect(opened(try encoded(block: wrong, hash), hash) == nil)
            }
        }
        // No one at all.
        let zeros = digest(hash, []) + [UInt8](repeating: 0, count: sound.count - size)
        #expect(opened(try encoded(block: zeros, hash), hash) == nil)
        // The first byte.
        for first in 1...255 {
            #expect(opened(try encoded(block: sound, hash, first: UInt8(first)), hash) == nil)
        }
        // An earlier one begins the message.
        var earlier = sound
        earlier[size] = 1
        #expect(opened(try encoded(block: earlier, hash), hash) == Array(earlier[(size + 1)...]))
    }

    @Test("What is too short for the hash opens nothing", arguments: HashFunction.allCases)
    func short(_ hash: HashFunction) throws {
        for count in [0, 1, hash.byteCount, 2 * hash.byteCount + 1] {
            #expect(opened([UInt8](repeating: 0, count: count), hash) == nil)
        }
        let shortest = try encoded(block: digest(hash, []) + [1], hash)
        #expect(shortest.count == 2 * hash.byteCount + 2)
        #expect(opened(shortest, hash) == [])
    }
}
