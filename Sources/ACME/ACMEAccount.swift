import Barrier
import Cryptography
import Domain
import Keys
import Objects
import Operations

/// An account at an authority: one for each vault, directory and external account.
///
/// Stored under `vault/<vault>/acme-account/<digest>`, the digest being of directory and external account. Its key is on record before the
/// authority sees it, so that the account is found again after a crash (RFC 8555 §7.3.1).
struct ACMEAccount: Sendable {
    let identifier: ObjectVersion
    let key: KeyVersion
    /// Where the authority has it; nil until the authority has said so.
    var address: String?

    private static let format: UInt8 = 1

    static func record(_ vault: Vault, directory: String, external: ACME.External?, engine: CryptoEngine)
        throws(VaultError) -> String
    {
        do throws(CryptoError) {
            // The key counts too: a wrong one must not find the account that the right one made.
            let key = try external.map { external throws(CryptoError) in
                Hex.encode(try engine.sha256(external.key.withUnsafeBytes { Array($0) }))
            }
            let digest = try engine.sha256(Array("\(directory)\n\(external?.identifier ?? "")\n\(key ?? "")".utf8))
            return vault.keyPrefix + "acme-account/" + Hex.encode(digest)
        } catch { throw VaultError(error) }
    }

    init(identifier: ObjectVersion, key: KeyVersion) { (self.identifier, self.key) = (identifier, key) }

    init(_ bytes: [UInt8], at record: String) throws(VaultError) {
        var reader = ByteReader(bytes)
        guard reader.byte() == Self.format, let identifier = reader.blob(), identifier.count == 16,
            let key = reader.blob(), let address = reader.string(), reader.isAtEnd
        else { throw .integrity(record: record) }
        self.identifier = ObjectVersion(random: Array(identifier))
        self.key = try KeyVersion(
            ObjectRecord(
                version: self.identifier,
                attributes: ObjectAttributes(isEnabled: true, notBefore: nil, expires: nil, created: 0, updated: 0),
                tags: nil, payload: Array(key)))
        self.address = address.isEmpty ? nil : address
    }

    func encoded() -> [UInt8] {
        var writer = ByteWriter()
        writer.byte(Self.format)
        writer.blob(identifier.bytes)
        writer.blob(key.encoded())
        writer.string(address ?? "")
        return writer.bytes
    }
}
