package import Cryptography
package import Domain
package import Objects

/// What is particular to a version of a key: the payload of its record.
package struct KeyVersion: Sendable {
    package var type: KeyType
    package var operations: [KeyOperation]
    /// Which provider holds it is told by `type`.
    package let material: KeyMaterial
    package let isExportable: Bool
    package var releasePolicy: ReleasePolicy?
    package let origin: Origin
    /// Belongs to a certificate of the same name.
    package let isManaged: Bool

    package enum Origin: UInt8, Sendable { case generated = 1, imported, rotated }

    /// When and to whom an exportable key may be released.
    package struct ReleasePolicy: Sendable, Hashable {
        package let contentType: String
        /// The policy as the client sent it.
        package let data: [UInt8]
        package let isImmutable: Bool
    }

    package init(
        type: KeyType, operations: [KeyOperation], material: KeyMaterial, isExportable: Bool = false,
        releasePolicy: ReleasePolicy? = nil, origin: Origin, isManaged: Bool = false
    ) {
        self.type = type
        self.operations = operations
        self.material = material
        self.isExportable = isExportable
        self.releasePolicy = releasePolicy
        self.origin = origin
        self.isManaged = isManaged
    }

    package var specification: KeySpecification { material.specification }

    // MARK: The record

    private static let format: UInt8 = 1

    package func encoded() -> [UInt8] {
        var writer = ByteWriter(reserving: material.reference.count + 512)
        writer.byte(Self.format)
        writer.byte(type.rawValue)
        writer.byte(origin.rawValue)
        writer.byte(isManaged ? 1 : 0)
        writer.byte(isExportable ? 1 : 0)
        writer.byte(UInt8(operations.count))
        for operation in operations { writer.byte(operation.rawValue) }
        switch material.specification {
        case .rsa(let bits), .oct(let bits): writer.integer(UInt16(bits))
        case .ec(let curve): writer.integer(UInt16(curve.rawValue))
        case .ed25519: writer.integer(UInt16(0))
        }
        switch material.publicKey {
        case .rsa(let n, let e):
            writer.blob(n)
            writer.blob(e)
        case .ec(_, let x, let y):
            writer.blob(x)
            writer.blob(y)
        case .ed25519(let x):
            writer.blob(x)
            writer.blob([])
        case .none:
            writer.blob([])
            writer.blob([])
        }
        material.reference.withUnsafeBytes { writer.blob($0) }
        writer.byte(releasePolicy == nil ? 0 : 1)
        if let releasePolicy {
            writer.string(releasePolicy.contentType)
            writer.blob(releasePolicy.data)
            writer.byte(releasePolicy.isImmutable ? 1 : 0)
        }
        return writer.bytes
    }

    package init(_ record: ObjectRecord) throws(VaultError) {
        guard let version = Self(record.payload) else { throw .integrity(record: "key version \(record.version)") }
        self = version
    }

    private init?(_ payload: [UInt8]) {
        var reader = ByteReader(payload)
        guard reader.byte() == Self.format, let type = reader.byte().flatMap({ KeyType(rawValue: $0) }),
            let origin = reader.byte().flatMap({ Origin(rawValue: $0) }), let isManaged = reader.flag(),
            let isExportable = reader.flag(), let count = reader.byte()
        else { return nil }
        self.type = type
        self.origin = origin
        self.isManaged = isManaged
        self.isExportable = isExportable
        operations = []
        operations.reserveCapacity(Int(count))
        for _ in 0..<count {
            guard let operation = reader.byte().flatMap({ KeyOperation(rawValue: $0) }) else { return nil }
            operations.append(operation)
        }
        guard let size = reader.integer(UInt16.self), let first = reader.blob(), let second = reader.blob(),
            let reference = reader.blob(), let hasPolicy = reader.flag(),
            let (specification, publicKey) = Self.publicPart(type.family, size, Array(first), Array(second))
        else { return nil }
        material = KeyMaterial(
            specification: specification, publicKey: publicKey, reference: SensitiveBytes(reference))
        if hasPolicy {
            guard let contentType = reader.string(), let data = reader.blob(), let isImmutable = reader.flag() else {
                return nil
            }
            releasePolicy = ReleasePolicy(contentType: contentType, data: Array(data), isImmutable: isImmutable)
        }
        guard reader.isAtEnd else { return nil }
    }

    private static func publicPart(
        _ family: KeyType.Family, _ size: UInt16, _ first: [UInt8], _ second: [UInt8]
    ) -> (KeySpecification, PublicKey)? {
        switch family {
        case .rsa: return (.rsa(bits: Int(size)), .rsa(n: first, e: second))
        case .oct: return (.oct(bits: Int(size)), .none)
        case .okp: return (.ed25519, .ed25519(x: first))
        case .ec:
            guard let curve = EllipticCurve(rawValue: UInt8(truncatingIfNeeded: size)) else { return nil }
            return (.ec(curve), .ec(curve, x: first, y: second))
        }
    }
}

extension KeyVersion {
    /// The members `kty`, `key_ops` and those of the public half.
    func writeJWK(kid: (prefix: String, name: String, version: ObjectVersion), to key: inout JSONWriter) {
        key.member("kid", plain: kid.prefix, kid.name, kid.version)
        writeJWK(to: &key)
    }

    func writeJWK(to key: inout JSONWriter) {
        key.member("kty", type.text)
        key.array("key_ops") { list in
            for operation in operations { list.string(operation.text) }
        }
        material.publicKey.writeMembers(to: &key)
    }
}

extension PublicKey {
    func writeMembers(to key: inout JSONWriter) {
        switch self {
        case .rsa(let n, let e):
            key.member("n", Base64.encodeURL(n))
            key.member("e", Base64.encodeURL(e))
        case .ec(let curve, let x, let y):
            key.member("crv", curve.text)
            key.member("x", Base64.encodeURL(x))
            key.member("y", Base64.encodeURL(y))
        case .ed25519(let x):
            key.member("crv", "Ed25519")
            key.member("x", Base64.encodeURL(x))
        case .none: break
        }
    }
}
