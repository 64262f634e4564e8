package import Cryptography
import Domain
package import ProviderOpenSSL

/// The file in which a security domain travels, in the form that clients of the reference service take apart and put together.
///
/// Out of the pool: the domain under a key that is shared among the holders (`SharedKeys`). Into a pool: a client that has a quorum of the
/// holders' private keys has put that key together, sealed the domain under a new one, and that one for the pool (`WrappedKey`).
/// - Source: Azure REST "HSM Security Domain", 7.2 to 2025-07-01; what `az keyvault security-domain` reads and writes.
package struct SecurityDomainFile: Sendable {
    /// Whom a piece is for.
    package struct Holder: Sendable {
        package let publicKey: PublicKey
        /// SHA-256 of the holder's certificate.
        package let thumbprint: [UInt8]

        package init(publicKey: PublicKey, thumbprint: [UInt8]) {
            (self.publicKey, self.thumbprint) = (publicKey, thumbprint)
        }
    }

    private let engine: CryptoEngine
    private let encryption: CompactEncryption

    package init(engine: CryptoEngine, software: OpenSSLProvider) {
        self.engine = engine
        encryption = CompactEncryption(engine: engine, software: software)
    }

    // MARK: Out

    /// - Returns: the file: JSON.
    package func seal(_ domain: SecurityDomain, for holders: [Holder], required: Int) throws(CryptoError) -> [UInt8] {
        let master = try engine.randomKey(count: 32)
        let sealed = try encryption.seal(
            domain.plain, key: try engine.counterKDF(master, label: SecurityDomain.tag, count: 64),
            keyID: SecurityDomain.tag)
        let pieces = try SecretShares(engine).split(master, into: holders.count, required: required)
        var shares: [(key: String, thumbprint: String)] = []
        for (holder, piece) in zip(holders, pieces) {
            shares.append(
                (
                    try encryption.seal(piece, for: holder.publicKey, keyID: Hex.encode(holder.thumbprint)),
                    Base64.encodeURL(holder.thumbprint)
                ))
        }
        var writer = JSONWriter()
        writer.object { file in
            file.object("EncData") { data in
                data.array("data") { list in
                    list.object { datum in
                        datum.member("compact_jwe", sealed)
                        datum.member("tag", SecurityDomain.tag)
                    }
                }
                data.member("kdf", "sp108_kdf")
            }
            file.object("SharedKeys") { keys in
                keys.array("enc_shares") { list in
                    for share in shares {
                        list.object { entry in
                            entry.member("enc_key", share.key)
                            entry.member("x5t_256", share.thumbprint)
                        }
                    }
                }
                keys.member("key_algorithm", "shamir_share")
                keys.member("required", required)
            }
            file.member("version", 2)
        }
        return writer.bytes
    }

    // MARK: In

    private struct Restore: Decodable {
        struct Data: Decodable {
            struct Datum: Decodable {
                let compact_jwe: String
                let tag: String
            }
            let data: [Datum]
            let kdf: String?
        }
        struct Key: Decodable {
            let enc_key: String
            let x5t_256: String
        }
        let EncData: Data
        let WrappedKey: Key
    }

    /// - Parameters:
    ///   - thumbprint: SHA-256 of the certificate of the transfer key.
    ///   - transferKey: its private half.
    /// - Throws: `.notAuthentic`, for every reason alike.
    package func open(_ file: [UInt8], thumbprint: [UInt8], transferKey: any CryptoKey) throws(CryptoError)
        -> SecurityDomain
    {
        guard let restore = try? Restore.fromJSON(file), restore.EncData.kdf ?? "sp108_kdf" == "sp108_kdf",
            let named = Base64.decodeURL(restore.WrappedKey.x5t_256), constantTimeEqual(named, thumbprint),
            let datum = restore.EncData.data.first(where: { $0.tag == SecurityDomain.tag })
        else { throw .notAuthentic }
        let master = try encryption.open(restore.WrappedKey.enc_key, recipient: transferKey)
        guard master.count == 32 else { throw .notAuthentic }
        let key = try engine.counterKDF(master, label: SecurityDomain.tag, count: 64)
        return try SecurityDomain(plain: try encryption.open(datum.compact_jwe, key: key))
    }
}
