package import Barrier
package import Cryptography
package import Domain
import FoundationEssentials
package import Operations
import Store

/// What a pool's backups are sealed with: a key that leaves the server only in pieces, for the holders of its quorum, and that gives a new
/// pool, here or elsewhere, what it needs to take the backups back.
///
/// Stored under `pool/<name>/security-domain`, sealed by the pool's own data key.
package struct SecurityDomain: Sendable {
    package let id: GUID
    /// 32 bytes.
    package let key: SensitiveBytes
    package let created: Timestamp
    /// Of the last download; nil when there was none.
    package var download: Download?
    /// When it was brought here; nil when it was made here.
    package var uploaded: Timestamp?

    package struct Download: Sendable {
        package let time: Timestamp
        package let required: UInt8
        /// How many hold a piece.
        package let holders: UInt8
    }

    package static func make(engine: CryptoEngine, now: Timestamp) throws(CryptoError) -> SecurityDomain {
        SecurityDomain(
            id: GUID(random: try engine.random(count: 16)), key: try engine.randomKey(count: 32), created: now)
    }

    private init(id: GUID, key: SensitiveBytes, created: Timestamp) {
        (self.id, self.key, self.created) = (id, key, created)
    }

    // MARK: The record

    private static func path(_ pool: Vault) -> String { pool.keyPrefix + "security-domain" }

    package static func stored(of pool: Vault, in reader: any RecordReader) throws(VaultError) -> SecurityDomain? {
        guard let record = try reader.record(at: path(pool)) else { return nil }
        var bytes = ByteReader(record)
        guard bytes.byte() == 1, let id = bytes.guid(), let created = bytes.integer(Int64.self),
            let key = bytes.blob(), key.count == 32, let downloaded = bytes.optionalInteger(),
            let required = bytes.byte(), let holders = bytes.byte(), let uploaded = bytes.optionalInteger(),
            bytes.isAtEnd
        else { throw .integrity(record: path(pool)) }
        var domain = SecurityDomain(id: id, key: SensitiveBytes(key), created: Timestamp(nanoseconds: created))
        domain.download = downloaded.map {
            Download(time: Timestamp(epochSeconds: $0), required: required, holders: holders)
        }
        domain.uploaded = uploaded.map { Timestamp(epochSeconds: $0) }
        return domain
    }

    package func put(in pool: Vault, _ transaction: Transaction) throws(VaultError) {
        var bytes = ByteWriter()
        bytes.byte(1)
        bytes.guid(id)
        bytes.integer(created.nanoseconds)
        key.withUnsafeBytes { bytes.blob($0) }
        bytes.optional(download?.time.epochSeconds)
        bytes.byte(download?.required ?? 0)
        bytes.byte(download?.holders ?? 0)
        bytes.optional(uploaded?.epochSeconds)
        try transaction.put(bytes.bytes, at: Self.path(pool), in: pool.sealDomain)
    }

    // MARK: On its way

    /// Names what is in the file; clients keep it and derive a key from it.
    static let tag = "strongroom-security-domain"

    private struct Plain: Decodable {
        let format: Int
        let id: GUID
        let created: Int64
        let key: String
    }

    /// What is sealed in the file.
    var plain: SensitiveBytes {
        var writer = JSONWriter()
        writer.object { plain in
            plain.member("format", 1)
            plain.member("id", id)
            plain.member("created", created.epochSeconds)
            plain.member("key", key.withUnsafeBytes { Base64.encodeURL($0) })
        }
        return SensitiveBytes(writer.bytes)
    }

    /// - Throws: `.notAuthentic`.
    init(plain: SensitiveBytes) throws(CryptoError) {
        guard let decoded = try? Plain.fromJSON(plain.withUnsafeBytes { Array($0) }), decoded.format == 1,
            let key = Base64.decodeURL(decoded.key), key.count == 32
        else { throw .notAuthentic }
        self.init(id: decoded.id, key: SensitiveBytes(key), created: Timestamp(epochSeconds: decoded.created))
    }
}
