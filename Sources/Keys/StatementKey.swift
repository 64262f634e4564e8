package import Barrier
package import Cryptography
package import Domain
import Store

/// The key with which the server signs what it states: attestations of keys, and released keys. RSA-2048 with a certificate of its own,
/// made at the first start.
package struct StatementKey: Sendable {
    private static let path = "statement-key"

    private let key: RSAPrivateKey
    /// DER (X.509).
    let certificate: [UInt8]
    private let engine: CryptoEngine

    private init(key: RSAPrivateKey, certificate: [UInt8], engine: CryptoEngine) {
        (self.key, self.certificate, self.engine) = (key, certificate, engine)
    }

    package static func make(commonName: String, engine: CryptoEngine, now: Timestamp) throws(CryptoError)
        -> StatementKey
    {
        let key = try RSAPrivateKey.generate(bits: 2_048, engine: engine)
        let certificate = try ServerCertificates(engine).makeSelfSigned(
            commonName: commonName, key: key, from: now, to: now + .days(3_650))
        return StatementKey(key: key, certificate: certificate, engine: engine)
    }

    package static func load(from reader: any RecordReader, engine: CryptoEngine) throws(VaultError) -> StatementKey? {
        guard let record = try reader.record(at: path) else { return nil }
        var bytes = ByteReader(record)
        guard bytes.byte() == 1, let pkcs8 = bytes.blob(), let certificate = bytes.blob(), bytes.isAtEnd,
            let key = try? RSAPrivateKey(pkcs8: SensitiveBytes(pkcs8), engine: engine)
        else { throw .integrity(record: path) }
        return StatementKey(key: key, certificate: Array(certificate), engine: engine)
    }

    package func record() throws(CryptoError) -> [UInt8] {
        var bytes = ByteWriter(reserving: 2_048)
        bytes.byte(1)
        try key.pkcs8().withUnsafeBytes { bytes.blob($0) }
        bytes.blob(certificate)
        return bytes.bytes
    }

    package static func put(_ record: [UInt8], in transaction: Transaction) throws(VaultError) {
        try transaction.put(record, at: path, in: .system)
    }

    var certificatePEM: String {
        let text = Array(Base64.encode(certificate))
        let lines = stride(from: 0, to: text.count, by: 64).map { String(text[$0..<min($0 + 64, text.count)]) }
        return "-----BEGIN CERTIFICATE-----\n\(lines.joined(separator: "\n"))\n-----END CERTIFICATE-----\n"
    }

    /// A compact JWS (RFC 7515) with RS256 over a JSON document.
    func sign(_ payload: [UInt8]) throws(CryptoError) -> String {
        let sha256 = try engine.sha256(certificate)
        var header = JSONWriter()
        let (der, sha1) = (Base64.encode(certificate), try engine.sha1(certificate))
        header.object { header in
            header.member("alg", "RS256")
            header.member("kid", Hex.encode(sha1).uppercased())
            header.member("x5t", Base64.encodeURL(sha1))
            header.member("typ", "JWT")
            header.member("x5t#S256", Base64.encodeURL(sha256))
            header.array("x5c") { $0.string(der) }
        }
        let signed = Base64.encodeURL(header.bytes) + "." + Base64.encodeURL(payload)
        return signed + "." + Base64.encodeURL(try key.signSHA256(Array(signed.utf8)))
    }
}
