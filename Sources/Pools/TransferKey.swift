import Barrier
import Cryptography
import Domain
import Operations
import ProviderOpenSSL
import Store

/// The key of a pool under which a security domain is brought into it: RSA-3072, in use until one was brought.
///
/// Stored under `pool/<name>/transfer-key`, sealed by the pool's own data key.
struct TransferKey: Sendable {
    let material: KeyMaterial
    /// DER (X.509), signed by the key itself.
    let certificate: [UInt8]

    static func make(for pool: Vault, engine: CryptoEngine, software: OpenSSLProvider, now: Timestamp)
        throws(CryptoError) -> TransferKey
    {
        let key = try RSAPrivateKey.generate(bits: 3_072, engine: engine)
        let certificate = try ServerCertificates(engine).makeSelfSigned(
            commonName: "\(pool.name) transfer key", key: key, usage: "keyEncipherment", from: now,
            to: now + .days(3_650))
        return TransferKey(
            material: try software.importKey(.pkcs8(try key.pkcs8()), id: [], isExportable: false),
            certificate: certificate)
    }

    private init(material: KeyMaterial, certificate: [UInt8]) {
        (self.material, self.certificate) = (material, certificate)
    }

    private static func path(_ pool: Vault) -> String { pool.keyPrefix + "transfer-key" }

    static func stored(of pool: Vault, in reader: any RecordReader, software: OpenSSLProvider) throws(VaultError)
        -> TransferKey?
    {
        guard let record = try reader.record(at: path(pool)) else { return nil }
        var bytes = ByteReader(record)
        guard bytes.byte() == 1, let pkcs8 = bytes.blob(), let certificate = bytes.blob(), bytes.isAtEnd,
            let material = try? software.importKey(
                .pkcs8(SensitiveBytes(pkcs8)), id: [], isExportable: false)
        else { throw .integrity(record: path(pool)) }
        return TransferKey(material: material, certificate: Array(certificate))
    }

    func put(in pool: Vault, _ transaction: Transaction) throws(VaultError) {
        var bytes = ByteWriter(reserving: 4_096)
        bytes.byte(1)
        material.reference.withUnsafeBytes { bytes.blob($0) }
        bytes.blob(certificate)
        try transaction.put(bytes.bytes, at: Self.path(pool), in: pool.sealDomain)
    }

    static func remove(of pool: Vault, _ transaction: Transaction) throws(VaultError) {
        try transaction.remove(path(pool))
    }

    /// As a JSON Web Key (RFC 7517) with its certificate.
    func jwk(engine: CryptoEngine) throws(CryptoError) -> [UInt8] {
        guard case .rsa(let n, let e) = material.publicKey else { throw .failed("a transfer key of another kind") }
        let (sha1, sha256) = (try engine.sha1(certificate), try engine.sha256(certificate))
        var writer = JSONWriter()
        writer.object { key in
            key.member("kid", Hex.encode(sha256))
            key.member("kty", "RSA")
            key.array("key_ops") { list in
                list.string("wrapKey")
                list.string("encrypt")
            }
            key.member("alg", "RSA-OAEP-256")
            key.member("n", Base64.encodeURL(n))
            key.member("e", Base64.encodeURL(e))
            key.array("x5c") { $0.string(Base64.encode(certificate)) }
            key.member("x5t", Base64.encodeURL(sha1))
            key.member("x5t#S256", Base64.encodeURL(sha256))
        }
        return writer.bytes
    }
}
