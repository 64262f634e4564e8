import Cryptography
import Domain
import ProviderOpenSSL
import Testing
import X509

/// A key of this process, ready to sign.
struct SigningKey: Sendable {
    static let engine = try! CryptoEngine()
    static let provider = try! OpenSSLProvider(engine)
    /// One of each kind that certificates may have, made once.
    static let all: [SigningKey] = try! [
        .rsa(bits: 2_048), .ec(.p256), .ec(.p384), .ec(.p521), .ec(.p256K),
    ].map { try SigningKey($0) }

    let specification: KeySpecification
    let publicKey: PublicKey
    let key: any CryptoKey

    init(_ specification: KeySpecification) throws {
        let id = [UInt8](repeating: 1, count: 16)
        let material = try Self.provider.generate(
            specification, publicExponent: 65_537, id: id, isExportable: false)
        self.specification = specification
        publicKey = material.publicKey
        key = try Self.provider.open(material, id: id)
    }

    var signer: CertificateBuilder.Signer { signer { $0 } }

    /// - Parameter change: what is signed in place of what was asked for.
    func signer(_ change: @escaping @Sendable ([UInt8]) -> [UInt8]) -> CertificateBuilder.Signer {
        .init(key: key, specification: specification) { Self.provider.digest(change($0), $1) }
    }
}

extension SigningKey: CustomTestStringConvertible {
    var testDescription: String { specification.description }
}

/// An authority of a test: a key and its certificate.
struct Authority: Sendable {
    static let start = Timestamp(utcTime: "250101000000Z")
    static let now = Timestamp(utcTime: "260101000000Z")
    static let end = Timestamp(utcTime: "300101000000Z")
    static let builder = CertificateBuilder(SigningKey.engine)

    let key: SigningKey
    let certificate: Certificate

    private static func content(_ name: String, _ pathLength: Int?) -> CertificateContent {
        var content = CertificateContent(subject: "CN=\(name), O=Example")
        (content.isAuthority, content.pathLength) = (true, pathLength)
        content.keyUsage = ["keyCertSign", "cRLSign", "digitalSignature"]
        return content
    }

    private init(key: SigningKey, certificate: Certificate) { (self.key, self.certificate) = (key, certificate) }

    /// An authority that its own key signs.
    init(root name: String, from start: Timestamp = start) throws {
        key = try SigningKey(.ec(.p256))
        certificate = try Self.builder.certificate(
            Self.content(name, nil), key: key.publicKey, issuer: nil, signer: key.signer, serialNumber: [1],
            notBefore: start, notAfter: Self.end)
    }

    /// An authority below this one.
    func authority(
        _ name: String, key: SigningKey? = nil, serialNumber: [UInt8] = [2], pathLength: Int? = nil,
        _ change: (inout CertificateContent) -> Void = { _ in }
    ) throws -> Authority {
        let key = try key ?? SigningKey(.ec(.p256))
        var content = Self.content(name, pathLength)
        change(&content)
        return Authority(key: key, certificate: try issue(content, to: key.publicKey, serialNumber: serialNumber))
    }

    func issue(_ content: CertificateContent, to key: PublicKey, serialNumber: [UInt8] = [3]) throws -> Certificate {
        try Self.builder.certificate(
            content, key: key, issuer: certificate, signer: self.key.signer, serialNumber: serialNumber,
            notBefore: certificate.notBefore, notAfter: certificate.notAfter)
    }

    /// A certificate for a server of this name.
    func leaf(_ host: String, serialNumber: [UInt8] = [3], key: SigningKey = SigningKey.all[1]) throws -> Certificate {
        var content = CertificateContent(subject: "CN=\(host)")
        content.dnsNames = [host]
        content.keyUsage = ["digitalSignature"]
        content.extendedKeyUsage = ["1.3.6.1.5.5.7.3.1"]
        return try issue(content, to: key.publicKey, serialNumber: serialNumber)
    }

    /// A list of this authority, DER.
    func list(
        _ entries: [RevocationList.Entry] = [], number: Int = 1, base: Int? = nil,
        thisUpdate: Timestamp = now - .hours(1), nextUpdate: Timestamp = now + .days(1), deltaAddress: String? = nil
    ) throws -> [UInt8] {
        try Self.builder.revocationList(
            entries, issuer: certificate, number: number, base: base, thisUpdate: thisUpdate, nextUpdate: nextUpdate,
            deltaAddress: deltaAddress, signer: key.signer)
    }

    func answer(
        _ status: OCSP.Status, about serialNumber: [UInt8], hash: OCSP.Hash = .sha1,
        thisUpdate: Timestamp = now - .hours(1), nextUpdate: Timestamp = now + .hours(1)
    ) throws -> [UInt8] {
        try Self.builder.ocspAnswer(
            status, serialNumber: serialNumber, issuer: certificate, hash: hash, thisUpdate: thisUpdate,
            nextUpdate: nextUpdate, signer: key.signer)
    }
}

extension [UInt8] {
    /// The last byte changed: it belongs to the signature.
    var altered: [UInt8] { dropLast() + [last! ^ 1] }

    /// Every place of `old` taken by `new`, which is as long.
    func replacing(_ old: String, with new: String) -> [UInt8] {
        let (old, new) = (Array(old.utf8), Array(new.utf8))
        precondition(old.count == new.count)
        var bytes = self
        for place in 0...(count - old.count) where Array(self[place..<place + old.count]) == old {
            bytes.replaceSubrange(place..<place + old.count, with: new)
        }
        return bytes
    }
}
