package import Barrier
package import Cryptography
package import Domain
import FoundationEssentials
import Store
import Synchronization

/// The keys that seal backups. The newest of our own seals; any of them opens, so that a server that was given another's key can restore
/// what that one backed up.
package final class BackupKeys: Sendable {
    package struct Key: Sendable {
        package let id: GUID
        package let secret: SensitiveBytes
        package let created: Timestamp
        /// Made here. Another server's key opens its backups and seals none of ours.
        package let isOwn: Bool

        package init(id: GUID, secret: SensitiveBytes, created: Timestamp, isOwn: Bool) {
            (self.id, self.secret, self.created, self.isOwn) = (id, secret, created, isOwn)
        }
    }

    private static let prefix = "backup-key/"
    private let current: Mutex<[Key]>

    package init(_ keys: [Key]) { current = Mutex(keys.sorted { $0.created < $1.created }) }

    package convenience init(loadingFrom reader: any RecordReader) throws(VaultError) {
        var keys: [Key] = []
        for entry in try reader.records(in: KeyRange(prefix: Self.prefix), limit: 10_000) {
            var bytes = ByteReader(entry.value)
            guard bytes.byte() == 1, let id = bytes.guid(), let created = bytes.integer(Int64.self),
                let isOwn = bytes.flag(),
                let secret = bytes.blob(),
                secret.count == 32, bytes.isAtEnd
            else { throw .integrity(record: entry.key) }
            keys.append(
                Key(id: id, secret: SensitiveBytes(secret), created: Timestamp(nanoseconds: created), isOwn: isOwn))
        }
        self.init(keys)
    }

    package static func put(_ key: Key, in transaction: Transaction) throws(VaultError) {
        var bytes = ByteWriter()
        bytes.byte(1)
        bytes.guid(key.id)
        bytes.integer(key.created.nanoseconds)
        bytes.byte(key.isOwn ? 1 : 0)
        key.secret.withUnsafeBytes { bytes.blob($0) }
        try transaction.put(bytes.bytes, at: prefix + key.id.description, in: .system)
    }

    package func publish(_ key: Key) {
        current.withLock { keys in
            guard !keys.contains(where: { $0.id == key.id }) else { return }
            keys.append(key)
            keys.sort { $0.created < $1.created }
        }
    }

    package var newest: Key? { current.withLock { $0.last { $0.isOwn } } }
    package func key(_ id: GUID) -> Key? { current.withLock { $0.first { $0.id == id } } }
}

/// A sealed backup of one object: a length byte, a marker that names the kind, and a JWE in compact form (RFC 7516) with
/// `alg: dir`, `enc: A256GCM` and the backup key's id as `kid`.
package struct BackupEnvelope: Sendable {
    /// More would make a backup that nothing could restore within its limit.
    package static let mostPastVersions = 500

    private let kind: ObjectKind
    private let keys: BackupKeys
    private let engine: CryptoEngine

    package init(kind: ObjectKind, keys: BackupKeys, engine: CryptoEngine) {
        (self.kind, self.keys, self.engine) = (kind, keys, engine)
    }

    private var marker: [UInt8] { Array("Strongroom\(kind.title)BackupV1".utf8) }

    /// - Parameters:
    ///   - records: oldest first, the current one last.
    ///   - extra: of the kind's own.
    package func seal(_ name: ObjectName, _ records: [ObjectRecord], extra: [UInt8] = []) throws(VaultError) -> [UInt8]
    {
        guard let key = keys.newest else { throw .internal("no backup key") }
        var content = ByteWriter(reserving: 4_096)
        content.byte(extra.isEmpty ? 1 : 2)
        content.string(name.spelling)
        content.integer(UInt32(records.count))
        for record in records { record.encode(to: &content) }
        if !extra.isEmpty { content.blob(extra) }
        var header = JSONWriter()
        header.object { header in
            header.member("alg", "dir")
            header.member("enc", "A256GCM")
            header.member("kid", key.id)
        }
        let protected = Base64.encodeURL(header.bytes)
        var sealed: [UInt8] = []
        do throws(CryptoError) {
            let cipher = try AES256GCM(key: key.secret, engine: engine)
            let plaintext = SensitiveBytes(content.bytes)
            try plaintext.withUnsafeBytes { bytes throws(CryptoError) in
                try cipher.seal(bytes, associatedData: Array(protected.utf8), nonces: RandomPool(engine), into: &sealed)
            }
        } catch { throw .internal("a backup could not be sealed") }
        let nonce = Base64.encodeURL(sealed.prefix(AES256GCM.nonceCount))
        let text = Base64.encodeURL(sealed.dropFirst(AES256GCM.nonceCount).dropLast(AES256GCM.tagCount))
        let tag = Base64.encodeURL(sealed.suffix(AES256GCM.tagCount))
        return [UInt8(marker.count)] + marker + Array("\(protected)..\(nonce).\(text).\(tag)".utf8)
    }

    /// - Throws: `.badParameter`, alike for every reason.
    package func open(_ blob: [UInt8]) throws(VaultError) -> (
        name: ObjectName, records: [ObjectRecord], extra: [UInt8]
    ) {
        guard let length = blob.first, Int(length) == marker.count, blob.count > 1 + marker.count,
            Array(blob[1...marker.count]) == marker
        else { throw refused }
        let parts = blob[(1 + marker.count)...].split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard parts.count == 5, parts[1].isEmpty, let header = Base64.decodeURL(parts[0]),
            let nonce = Base64.decodeURL(parts[2]),
            let text = Base64.decodeURL(parts[3]), let tag = Base64.decodeURL(parts[4]),
            nonce.count == AES256GCM.nonceCount,
            tag.count == AES256GCM.tagCount, let decoded = try? Header.fromJSON(header), decoded.alg == "dir",
            decoded.enc == "A256GCM", let key = keys.key(decoded.kid)
        else { throw refused }
        let plaintext: [UInt8]
        do throws(CryptoError) {
            let cipher = try AES256GCM(key: key.secret, engine: engine)
            let sealed = SensitiveBytes(nonce + text + tag)
            plaintext = try sealed.withUnsafeBytes { bytes throws(CryptoError) in
                try cipher.open(bytes, associatedData: Array(parts[0]))
            }
        } catch { throw refused }
        var content = ByteReader(plaintext)
        guard let format = content.byte(), format == 1 || format == 2,
            let name = content.string().flatMap({ ObjectName($0) }),
            let count = content.integer(UInt32.self), count >= 1, count <= Self.mostPastVersions + 1
        else { throw refused }
        var records: [ObjectRecord] = []
        for _ in 0..<count {
            guard let record = ObjectRecord(from: &content) else { throw refused }
            records.append(record)
        }
        var extra: [UInt8] = []
        if format == 2 {
            guard let bytes = content.blob() else { throw refused }
            extra = Array(bytes)
        }
        guard content.isAtEnd else { throw refused }
        return (name, records, extra)
    }

    private struct Header: Decodable {
        let alg: String
        let enc: String
        let kid: GUID
    }

    package var refused: VaultError {
        .badParameter(
            "The backup blob cannot be restored: it is malformed, was altered, is not that of a \(kind.noun), or was sealed with a backup "
                + "key that this server does not hold.")
    }
}
