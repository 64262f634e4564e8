import Cryptography
import Domain
import Pools
import Testing

@Suite("Secret shares")
struct SecretSharesTests {
    /// Puts a secret together as clients do: interpolation at zero in the field of 257 elements.
    private func join(_ pieces: [SensitiveBytes]) -> [UInt8] {
        let words = pieces.map { piece in
            piece.withUnsafeBytes { bytes in
                stride(from: 0, to: bytes.count, by: 2).map { Int(bytes[$0]) | Int(bytes[$0 + 1]) << 8 }
            }
        }
        func inverse(_ number: Int) -> Int { (1..<257).first { $0 * number % 257 == 1 } ?? 0 }
        return (0..<words[0].count).map { index in
            var secret = 0
            for own in words {
                var factor = own[index] & 0x1FF
                let place = own[index] >> 9
                for other in words where other[index] >> 9 != place {
                    let another = other[index] >> 9
                    factor = factor * another % 257 * inverse((another - place + 257) % 257) % 257
                }
                secret = (secret + factor) % 257
            }
            return UInt8(secret)
        }
    }

    private func combinations(_ count: Int, of pieces: [SensitiveBytes]) -> [[SensitiveBytes]] {
        guard count > 0 else { return [[]] }
        guard pieces.count >= count else { return [] }
        let rest = Array(pieces.dropFirst())
        return combinations(count - 1, of: rest).map { [pieces[0]] + $0 } + combinations(count, of: rest)
    }

    @Test("Every quorum gives the secret back", arguments: [(2, 3), (3, 3), (2, 10), (5, 7), (10, 10), (2, 126)])
    func quorum(_ required: Int, _ count: Int) throws {
        let engine = try CryptoEngine()
        let secret: [UInt8] = Array(0...255)
        let pieces = try SecretShares(engine).split(SensitiveBytes(secret), into: count, required: required)
        #expect(pieces.count == count)
        #expect(pieces.allSatisfy { $0.count == 512 })
        for quorum in combinations(required, of: Array(pieces.prefix(10))) { #expect(join(quorum) == secret) }
    }

    @Test("Fewer than a quorum tell nothing: what they would give differs from call to call")
    func tooFew() throws {
        let shares = SecretShares(try CryptoEngine())
        let secret = SensitiveBytes([UInt8](repeating: 7, count: 2_000))
        let pieces = try shares.split(secret, into: 3, required: 2)
        // One piece of two: each value of the field about as often as any other.
        var counts = [Int](repeating: 0, count: 257)
        pieces[0].withUnsafeBytes { bytes in
            for index in stride(from: 0, to: bytes.count, by: 2) {
                counts[(Int(bytes[index]) | Int(bytes[index + 1]) << 8) & 0x1FF] += 1
            }
        }
        #expect(counts.filter { $0 > 0 }.count > 240)
        #expect((counts.max() ?? 0) < 40)
    }

    @Test("A quorum that cannot be is refused", arguments: [(1, 3), (4, 3), (2, 127), (0, 3)])
    func refused(_ required: Int, _ count: Int) throws {
        let shares = SecretShares(try CryptoEngine())
        #expect(throws: CryptoError.self) {
            _ = try shares.split(SensitiveBytes([1, 2, 3]), into: count, required: required)
        }
    }
}
