import Cryptography
import Domain
import Objects

/// A backup key on its way to another server: AES-256-GCM under a key that scrypt makes of a passphrase.
struct BackupKeyFile: Decodable, Sendable {
    private let format: String
    private let kid: GUID
    private let created: Int64
    private let salt: String
    private let sealed: String

    private static let format = "strongroom-backup-key-v1"

    init(sealing key: BackupKeys.Key, passphrase: SensitiveBytes, engine: CryptoEngine) throws(VaultError) {
        do throws(CryptoError) {
            let salt = try engine.random(count: 16)
            let wrapping = try engine.scrypt(passphrase, salt: salt, cost: .passphrase)
            let cipher = try AES256GCM(key: wrapping, engine: engine)
            var sealed: [UInt8] = []
            let associated = Self.associatedData(key.id, key.created.nanoseconds)
            try key.secret.withUnsafeBytes { bytes throws(CryptoError) in
                try cipher.seal(bytes, associatedData: associated, nonces: RandomPool(engine), into: &sealed)
            }
            format = Self.format
            kid = key.id
            created = key.created.nanoseconds
            self.salt = Base64.encodeURL(salt)
            self.sealed = Base64.encodeURL(sealed)
        } catch { throw .internal("a backup key could not be sealed") }
    }

    /// - Throws: `.badParameter`, alike for a wrong passphrase and an altered file.
    func open(passphrase: SensitiveBytes, engine: CryptoEngine) throws(VaultError) -> BackupKeys.Key {
        guard format == Self.format, let salt = Base64.decodeURL(salt), let sealed = Base64.decodeURL(sealed) else {
            throw Self.refused
        }
        do throws(CryptoError) {
            let wrapping = try engine.scrypt(passphrase, salt: salt, cost: .passphrase)
            let cipher = try AES256GCM(key: wrapping, engine: engine)
            let record = SensitiveBytes(sealed)
            let associated = Self.associatedData(kid, created)
            let secret = try record.withUnsafeBytes { bytes throws(CryptoError) in
                try cipher.open(bytes, associatedData: associated)
            }
            guard secret.count == 32 else { throw .notAuthentic }
            return BackupKeys.Key(
                id: kid, secret: SensitiveBytes(secret), created: Timestamp(nanoseconds: created), isOwn: false)
        } catch { throw Self.refused }
    }

    func write(to writer: inout JSONWriter) {
        writer.member("format", format)
        writer.member("kid", kid)
        writer.member("created", created)
        writer.member("salt", salt)
        writer.member("sealed", sealed)
    }

    private static func associatedData(_ id: GUID, _ created: Int64) -> [UInt8] {
        var bytes = ByteWriter()
        bytes.string(format)
        bytes.guid(id)
        bytes.integer(created)
        return bytes.bytes
    }

    private static let refused = VaultError.badParameter(
        "The backup key file cannot be opened: the passphrase is wrong or the file was altered.")
}
