import Cryptography
import Domain
import ProviderOpenSSL
import StrongroomTesting
import Testing

/// What both providers promise of signatures.
struct ProviderSignatureTests {
    private let providers: Providers

    init() throws { providers = try Providers.shared }

    static let uses = Use.all(for: .sign)

    private func digest(_ algorithm: KeyAlgorithm) throws -> [UInt8] {
        try providers.random(algorithm.digestCount ?? 51)
    }

    private static func signatureCount(_ specification: KeySpecification) -> Int {
        switch specification {
        case .rsa(let bits), .oct(let bits): bits / 8
        case .ec(let curve): 2 * curve.byteCount
        case .ed25519: 64
        }
    }

    @Test("What a key signs, it verifies, and so does its public half alone", arguments: uses)
    func signs(_ use: Use) throws {
        let held = try providers.twin(use.kind, use.specification)
        #expect(held.provider.supports(use.algorithm, with: use.specification))
        for _ in 0..<4 {
            let digest = try digest(use.algorithm)
            let signature = try held.key.sign(digest, use.algorithm)
            #expect(signature.count == Self.signatureCount(use.specification))
            #expect(try held.key.verify(digest, signature: signature, use.algorithm))
            guard use.specification.family != .oct else { continue }
            let publicHalf = try providers.software.openPublic(held.material.publicKey)
            #expect(try publicHalf.verify(digest, signature: signature, use.algorithm))
        }
    }

    @Test("What one provider signs, the other verifies with the same key", arguments: uses)
    func crosses(_ use: Use) throws {
        let (one, other) = (
            try providers.twin(use.kind, use.specification), try providers.twin(use.kind.other, use.specification)
        )
        let digest = try digest(use.algorithm)
        let signature = try one.key.sign(digest, use.algorithm)
        #expect(try other.key.verify(digest, signature: signature, use.algorithm))
        switch use.algorithm {
        case .rsaPKCS1, .rsNull, .edDSA, .hmac: #expect(try other.key.sign(digest, use.algorithm) == signature)
        default: #expect(try other.key.sign(digest, use.algorithm) != signature)
        }
    }

    @Test("A signature that was changed in any way does not verify, and verifying it is no error", arguments: uses)
    func altered(_ use: Use) throws {
        let held = try providers.twin(use.kind, use.specification)
        let digest = try digest(use.algorithm)
        let signature = try held.key.sign(digest, use.algorithm)
        func holds(_ signature: [UInt8], _ digest: [UInt8]) throws -> Bool {
            try held.key.verify(digest, signature: signature, use.algorithm)
        }
        for index in [0, 1, signature.count / 2, signature.count - 2, signature.count - 1] {
            for bit in [0, 7] as [UInt8] {
                #expect(try !holds(signature.flipped(at: index, bit: bit), digest), "byte \(index) bit \(bit)")
            }
        }
        for wrong in [
            [], [0], Array(signature.dropLast()), Array(signature.dropFirst()), signature + [0], [0] + signature,
            signature + signature, [UInt8](repeating: 0, count: signature.count),
            [UInt8](repeating: 0xFF, count: signature.count),
        ] { #expect(try !holds(wrong, digest), "\(wrong.count) bytes") }
        for index in [0, digest.count / 2, digest.count - 1] {
            #expect(try !holds(signature, digest.flipped(at: index)), "byte \(index) of the digest")
        }
        #expect(try holds(signature, digest))
    }

    @Test("An RSA signature is as long as the modulus: its leading zero may not be left out", arguments: Kind.allCases)
    func leadingZero(_ kind: Kind) throws {
        let held = try providers.twin(kind, .rsa(bits: 2_048))
        for count in 0..<10_000 {
            let digest = (0..<32).map { UInt8(truncatingIfNeeded: count >> (8 * ($0 % 4))) }
            let signature = try held.key.sign(digest, .rsaPKCS1(.sha256))
            guard signature[0] == 0 else { continue }
            #expect(try held.key.verify(digest, signature: signature, .rsaPKCS1(.sha256)))
            #expect(try !held.key.verify(digest, signature: Array(signature.dropFirst()), .rsaPKCS1(.sha256)))
            return
        }
        Issue.record("no signature began with a zero")
    }

    @Test("The signature of one key is none of another", arguments: Kind.allCases)
    func otherKey(_ kind: Kind) throws {
        for (specification, algorithm) in [
            (.ec(.p256), .ecdsa(.p256)), (.ed25519, .edDSA), (.oct(bits: 256), .hmac(.sha256)),
        ] as [(KeySpecification, KeyAlgorithm)] {
            let (mine, yours) = (try providers.make(kind, specification), try providers.make(kind, specification))
            defer { for key in [mine, yours] { key.provider.destroy(key.material, id: key.id) } }
            let digest = try digest(algorithm)
            let signature = try mine.key.sign(digest, algorithm)
            #expect(try mine.key.verify(digest, signature: signature, algorithm))
            #expect(try !yours.key.verify(digest, signature: signature, algorithm))
        }
    }

    @Test("A signature by one algorithm is none by another", arguments: Kind.allCases)
    func otherAlgorithm(_ kind: Kind) throws {
        let held = try providers.twin(kind, .rsa(bits: 2_048))
        let algorithms: [KeyAlgorithm] = [
            .rsaPKCS1(.sha256), .rsaPSS(.sha256), .rsNull,
        ]
        let digest = try providers.random(32)
        for made in algorithms {
            let signature = try held.key.sign(digest, made)
            for tried in algorithms {
                #expect(try held.key.verify(digest, signature: signature, tried) == (made == tried))
            }
        }
    }

    @Test("Ed25519 takes a message of any length", arguments: Kind.allCases)
    func messages(_ kind: Kind) throws {
        let held = try providers.twin(kind, .ed25519)
        for count in [0, 1, 63, 64, 65, 4_096, 65_536] {
            let message = try providers.random(count)
            let signature = try held.key.sign(message, .edDSA)
            #expect(try held.key.verify(message, signature: signature, .edDSA), "\(count) bytes")
            #expect(try !held.key.verify(message + [0], signature: signature, .edDSA), "\(count) bytes")
        }
    }

    @Test("RSNULL signs what is given, from nothing to the modulus less eleven bytes", arguments: Kind.allCases)
    func rsNull(_ kind: Kind) throws {
        let held = try providers.twin(kind, .rsa(bits: 2_048))
        for count in [1, 19, 128, 245] {
            let text = try providers.random(count)
            let signature = try held.key.sign(text, .rsNull)
            #expect(try held.key.verify(text, signature: signature, .rsNull), "\(count) bytes")
        }
        #expect(throws: CryptoError.self) { try held.key.sign(try providers.random(246), .rsNull) }
    }

    @Test("A key signs for many threads at once", arguments: Kind.allCases)
    func threads(_ kind: Kind) async throws {
        let providers = providers
        for (specification, algorithm) in [
            (.ec(.p256), .ecdsa(.p256)), (.rsa(bits: 2_048), .rsaPSS(.sha256)), (.oct(bits: 256), .hmac(.sha256)),
        ] as [(KeySpecification, KeyAlgorithm)] {
            let held = try providers.twin(kind, specification)
            let failures = try await withThrowingTaskGroup(of: Int.self) { group in
                for _ in 0..<8 {
                    group.addTask {
                        try (0..<10).filter { _ in
                            let digest = try providers.random(32)
                            let signature = try held.key.sign(digest, algorithm)
                            return try !held.key.verify(digest, signature: signature, algorithm)
                        }.count
                    }
                }
                return try await group.reduce(0, +)
            }
            #expect(failures == 0)
        }
    }
}
