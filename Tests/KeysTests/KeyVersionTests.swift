import Cryptography
import Domain
import Objects
import Testing

@testable import Keys

struct KeyVersionTests {
    private static func version(
        _ type: KeyType, _ specification: KeySpecification, _ publicKey: PublicKey, _ operations: [KeyOperation],
        reference: [UInt8] = [9, 8, 7], isExportable: Bool = false, policy: KeyVersion.ReleasePolicy? = nil,
        origin: KeyVersion.Origin = .generated, isManaged: Bool = false
    ) -> KeyVersion {
        KeyVersion(
            type: type, operations: operations,
            material: KeyMaterial(
                specification: specification, publicKey: publicKey, reference: SensitiveBytes(reference)),
            isExportable: isExportable, releasePolicy: policy, origin: origin, isManaged: isManaged)
    }

    private static let number = [UInt8](repeating: 0xAA, count: 32)
    private static let policy = KeyVersion.ReleasePolicy(
        contentType: "application/json; charset=utf-8", data: Array(#"{"version":"1.0.0"}"#.utf8), isImmutable: true)

    static let versions: [KeyVersion] = [
        version(
            .rsa, .rsa(bits: 2_048), .rsa(n: [UInt8](repeating: 0xFF, count: 256), e: [1, 0, 1]), [.sign, .verify]),
        version(.rsaHSM, .rsa(bits: 4_096), .rsa(n: [0x80], e: [3]), [.import], origin: .imported),
        version(.ec, .ec(.p256), .ec(.p256, x: number, y: number), KeyOperation.allCases),
        version(.ecHSM, .ec(.p521), .ec(.p521, x: number, y: []), [], origin: .rotated),
        version(.ec, .ec(.p256K), .ec(.p256K, x: number, y: number), [.verify], isManaged: true),
        version(.oct, .oct(bits: 128), .none, [.encrypt], reference: [UInt8](repeating: 1, count: 16)),
        version(.octHSM, .oct(bits: 512), .none, [.wrapKey, .unwrapKey], isExportable: true, policy: policy),
        version(.okp, .ed25519, .ed25519(x: number), [.sign]),
        version(.okpHSM, .ed25519, .ed25519(x: number), [.sign], reference: []),
        version(
            .rsa, .rsa(bits: 3_072), .rsa(n: [1], e: [1]), [.export], isExportable: true,
            policy: .init(contentType: "", data: [], isImmutable: false)),
    ]

    private func decoded(_ payload: [UInt8]) throws -> KeyVersion {
        try KeyVersion(
            ObjectRecord(
                version: ObjectVersion(GUID(high: 1, low: 2)),
                attributes: ObjectAttributes(isEnabled: true, notBefore: nil, expires: nil, created: 0, updated: 0),
                tags: nil, payload: payload))
    }

    private func isIntegrityFault(_ payload: [UInt8]) -> Bool {
        do {
            _ = try decoded(payload)
            return false
        } catch {
            return (error as? VaultError)?.code == .integrity
        }
    }

    @Test("A version comes back as it was", arguments: versions.indices)
    func roundTrip(_ index: Int) throws {
        let version = Self.versions[index]
        let again = try decoded(version.encoded())
        #expect(again.type == version.type && again.origin == version.origin)
        #expect(again.operations == version.operations)
        #expect(again.isExportable == version.isExportable && again.isManaged == version.isManaged)
        #expect(again.releasePolicy == version.releasePolicy)
        #expect(again.specification == version.specification)
        #expect(again.material.publicKey == version.material.publicKey)
        #expect(SensitiveBytes.equal(again.material.reference, version.material.reference))
        #expect(again.encoded() == version.encoded())
    }

    @Test("A payload that was cut or added to is an integrity fault", arguments: versions.indices)
    func truncated(_ index: Int) {
        let payload = Self.versions[index].encoded()
        for count in payload.indices { #expect(isIntegrityFault(Array(payload.prefix(count))), "\(count) bytes") }
        #expect(isIntegrityFault(payload + [0]))
    }

    @Test("Numbers that mean nothing are an integrity fault, and never a crash", arguments: versions.indices)
    func altered(_ index: Int) {
        let payload = Self.versions[index].encoded()
        // Format, type, origin, the two flags, then the operations behind their count.
        for (position, values) in [
            (0, [0, 2, 255]), (1, [0, 9, 255]), (2, [0, 4, 255]), (3, [2, 255]), (4, [2, 255]), (5, [255]),
        ] as [(Int, [UInt8])] {
            for value in values {
                var other = payload
                other[position] = value
                #expect(isIntegrityFault(other), "byte \(position) as \(value)")
            }
        }
        for place in 0..<Int(payload[5]) {
            for value in [0, 9, 255] as [UInt8] {
                var other = payload
                other[6 + place] = value
                #expect(isIntegrityFault(other), "operation \(place) as \(value)")
            }
        }
        // Whatever a byte becomes, reading it ends.
        for position in payload.indices {
            for value in [0, 1, 0x7F, 0xFF] as [UInt8] {
                var other = payload
                other[position] = value
                _ = try? decoded(other)
            }
        }
    }

    @Test("What prints a version prints no key")
    func prints() {
        let secret = Self.version(
            .oct, .oct(bits: 256), .none, [.encrypt], reference: [UInt8](repeating: 0x5A, count: 32))
        let text = "\(secret) " + String(reflecting: secret)
        #expect(!text.contains("90, 90") && !text.contains("5a5a") && text.contains("sensitive"))
    }
}
