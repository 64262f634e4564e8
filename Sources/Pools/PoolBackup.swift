import Cryptography
import Domain
import Keys

/// A backup of a pool: a folder with `backup.json`, which says what it is, and parts of some megabytes.
///
/// A part is AES-256-GCM under a key that the security domain gives for this backup, with the backup's name and the part's number as
/// associated data; its first byte tells the last one. Nothing of it can be altered, left out, put in another order or in another backup.
/// `backup.json` is written when all parts are there.
/// - Source: docs/storage-format.md, "Backups of pools".
struct PoolBackup: Sendable {
    static let format = "strongroom-pool-backup-v1"
    static let manifestName = "backup.json"
    private static let partBytes = 4 << 20
    private static let mostPartBytes = 64 << 20
    private static let mostParts = 4_096
    /// Of all parts; held in memory while they are restored.
    private static let mostBytes = 512 << 20

    enum Entry: Sendable {
        case key(PoolKey)
        case role(LocalRole)
        case assignment(LocalAssignment)
        case settings(allowsKeysThroughARM: Bool)
    }

    let id: GUID
    /// Wraps the material of keys.
    let wrapping: SensitiveBytes
    private let sealing: SensitiveBytes
    private let engine: CryptoEngine

    init(_ id: GUID, of domain: SecurityDomain, engine: CryptoEngine) throws(VaultError) {
        self.id = id
        self.engine = engine
        do throws(CryptoError) {
            sealing = try engine.counterKDF(domain.key, label: "pool-backup \(id)", count: 32)
            wrapping = try engine.counterKDF(domain.key, label: "pool-backup-keys \(id)", count: 32)
        } catch { throw .internal("the keys of a backup could not be derived") }
    }

    private static func partName(_ index: Int) -> String {
        let digits = String(index)
        return "part-" + String(repeating: "0", count: max(0, 5 - digits.count)) + digits
    }

    private func associated(_ index: Int) -> [UInt8] { Array("\(Self.format)\u{0}\(id)\u{0}\(index)".utf8) }

    // MARK: Writing

    /// Collects entries and writes a part when there is enough.
    struct Writer {
        private let backup: PoolBackup
        private let storage: any BackupStorage
        private let folder: String
        private var content = ByteWriter()
        private var parts = 0
        private var total = 0
        private(set) var keys = 0

        init(_ backup: PoolBackup, to storage: any BackupStorage, _ folder: String) {
            (self.backup, self.storage, self.folder) = (backup, storage, folder)
        }

        mutating func add(_ entry: Entry) async throws(VaultError) {
            var writer = ByteWriter(reserving: 4_096)
            switch entry {
            case .key(let key):
                writer.byte(1)
                key.encode(to: &writer)
                keys += 1
            case .role(let role):
                writer.byte(2)
                writer.blob(try role.encoded())
            case .assignment(let assignment):
                writer.byte(3)
                writer.blob(try assignment.encoded())
            case .settings(let allowsKeysThroughARM):
                writer.byte(4)
                writer.byte(allowsKeysThroughARM ? 1 : 0)
            }
            guard writer.bytes.count <= PoolBackup.mostPartBytes / 2 else {
                throw .badParameter("A key has more versions than a backup can hold.")
            }
            content.blob(writer.bytes)
            if content.bytes.count >= PoolBackup.partBytes { try await flush(isLast: false) }
        }

        mutating func finish(pool: String, domain: GUID, at now: Timestamp) async throws(VaultError) {
            try await flush(isLast: true)
            var manifest = JSONWriter()
            let (id, parts, keys) = (backup.id, parts, keys)
            manifest.object { manifest in
                manifest.member("format", PoolBackup.format)
                manifest.member("id", id)
                manifest.member("securityDomain", domain)
                manifest.member("pool", pool)
                manifest.member("created", now.iso8601)
                manifest.member("parts", parts)
                manifest.member("keys", keys)
            }
            try await storage.write(manifest.bytes, to: "\(folder)/\(PoolBackup.manifestName)")
        }

        private mutating func flush(isLast: Bool) async throws(VaultError) {
            let plain = SensitiveBytes([isLast ? 1 : 0] + content.bytes)
            content = ByteWriter()
            let sealed = try backup.seal(plain, parts)
            total += sealed.count
            // What could not be restored must not be taken for a backup.
            guard parts < PoolBackup.mostParts, total <= PoolBackup.mostBytes else {
                throw .badParameter(
                    "The pool is too large for a backup: it would be longer than \(PoolBackup.mostBytes) bytes.")
            }
            try await storage.write(sealed, to: "\(folder)/\(PoolBackup.partName(parts))")
            parts += 1
        }
    }

    private func seal(_ plain: SensitiveBytes, _ index: Int) throws(VaultError) -> [UInt8] {
        var sealed: [UInt8] = []
        do throws(CryptoError) {
            let cipher = try AES256GCM(key: sealing, engine: engine)
            try plain.withUnsafeBytes { bytes throws(CryptoError) in
                try cipher.seal(bytes, associatedData: associated(index), nonces: RandomPool(engine), into: &sealed)
            }
        } catch { throw .internal("a part of a backup could not be sealed") }
        return sealed
    }

    // MARK: Reading

    private struct Manifest: Decodable {
        let format: String
        let id: GUID
        let securityDomain: GUID
        let parts: Int
    }

    /// Reads a whole backup, part by part.
    ///
    /// - Throws: `.badParameter` when it is none, is of another security domain, or was altered.
    static func read(
        _ folder: String, from storage: any BackupStorage, _ domain: SecurityDomain, engine: CryptoEngine,
        _ body: (Entry) throws(VaultError) -> Void
    ) async throws(VaultError) -> PoolBackup {
        let bytes = try await storage.read("\(folder)/\(manifestName)", mostBytes: 65_536)
        guard let manifest = try? Manifest.fromJSON(bytes), manifest.format == format,
            (1...mostParts).contains(manifest.parts)
        else { throw .badParameter("The folder '\(folder)' holds no backup of a pool.") }
        guard manifest.securityDomain == domain.id else {
            throw .badParameter(
                "The backup in '\(folder)' was made under another security domain. It restores into a pool that has that one."
            )
        }
        let backup = try PoolBackup(manifest.id, of: domain, engine: engine)
        var total = 0
        for index in 0..<manifest.parts {
            let sealed = try await storage.read("\(folder)/\(partName(index))", mostBytes: mostPartBytes)
            total += sealed.count
            guard total <= mostBytes else { throw .badParameter("The backup is longer than \(mostBytes) bytes.") }
            let plain = try backup.open(sealed, index)
            var content = ByteReader(plain)
            guard let isLast = content.flag(), isLast == (index == manifest.parts - 1) else { throw damaged }
            while !content.isAtEnd {
                guard let blob = content.blob(), let entry = Entry(Array(blob)) else { throw damaged }
                try body(entry)
            }
        }
        return backup
    }

    private func open(_ sealed: [UInt8], _ index: Int) throws(VaultError) -> [UInt8] {
        do throws(CryptoError) {
            let cipher = try AES256GCM(key: sealing, engine: engine)
            return try SensitiveBytes(sealed).withUnsafeBytes { bytes throws(CryptoError) in
                try cipher.open(bytes, associatedData: associated(index))
            }
        } catch { throw Self.damaged }
    }

    static let damaged = VaultError.badParameter("The backup was altered or is incomplete.")
}

extension PoolBackup.Entry {
    init?(_ bytes: [UInt8]) {
        var reader = ByteReader(bytes)
        switch reader.byte() {
        case 1:
            guard let key = PoolKey(from: &reader) else { return nil }
            self = .key(key)
        case 2:
            guard let blob = reader.blob(), let role = try? LocalRole.fromJSON(Array(blob)) else { return nil }
            self = .role(role)
        case 3:
            guard let blob = reader.blob(), let assignment = try? LocalAssignment.fromJSON(Array(blob)) else {
                return nil
            }
            self = .assignment(assignment)
        case 4:
            guard let isOn = reader.flag() else { return nil }
            self = .settings(allowsKeysThroughARM: isOn)
        default: return nil
        }
        guard reader.isAtEnd else { return nil }
    }
}
