import Barrier
import Domain
import FoundationEssentials
import Objects
import Operations
import Store
import X509

/// One key of an authority: what was signed by it is revoked by it. A new version of the authority's certificate is a new generation.
///
/// `vault/<vault>/authority/<version>`
struct AuthorityGeneration: Codable, Sendable {
    /// The name of the authority's certificate, as it is spelled.
    let certificate: String
    let version: GUID
    /// The number of the last list; 0 before the first.
    var number = 0
    /// The list that deltas are based on.
    var baseNumber = 0
    /// When it was signed, in seconds since 1970.
    var baseTime: Int64 = 0
    /// When the lists are to be made anew.
    var due: Int64 = 0
    /// Counts revocations, so that one that came while lists were signed is noticed.
    var changes: Int?

    var id: String { ObjectVersion(version).description }
}

/// A certificate that an authority issued: written before it leaves.
///
/// `vault/<vault>/authority-issued/<generation>/<serial number>`
struct IssuedCertificate: Sendable {
    let serialNumber: [UInt8]
    let der: [UInt8]
    let subject: String
    let notBefore: Int64
    let notAfter: Int64
    let issued: Int64
    let profile: String
    /// The object id of who asked; the server's own for renewals.
    let requester: String
    /// The identifier of the vault's certificate; empty for a request from outside.
    let certificate: String
    var revocation: Revocation?

    struct Revocation: Sendable, Hashable {
        let time: Int64
        let reason: RevocationReason
    }

    private static let format: UInt8 = 1

    func encoded() -> [UInt8] {
        var writer = ByteWriter(reserving: der.count + 512)
        writer.byte(Self.format)
        writer.blob(serialNumber)
        writer.blob(der)
        writer.string(subject)
        for number in [notBefore, notAfter, issued] { writer.integer(number) }
        writer.string(profile)
        writer.string(requester)
        writer.string(certificate)
        writer.integer(revocation?.time ?? 0)
        writer.byte(UInt8(revocation?.reason.rawValue ?? 0))
        return writer.bytes
    }

    init(
        serialNumber: [UInt8], certificate: Certificate, issued: Timestamp, profile: String, requester: String,
        name: String
    ) {
        self.serialNumber = serialNumber
        der = certificate.der
        subject = certificate.subject
        notBefore = certificate.notBefore.epochSeconds
        notAfter = certificate.notAfter.epochSeconds
        self.issued = issued.epochSeconds
        self.profile = profile
        self.requester = requester
        self.certificate = name
    }

    init?(_ bytes: [UInt8]) {
        var reader = ByteReader(bytes)
        guard reader.byte() == Self.format, let serial = reader.blob(), let der = reader.blob(),
            let subject = reader.string(), let notBefore = reader.integer(Int64.self),
            let notAfter = reader.integer(Int64.self), let issued = reader.integer(Int64.self),
            let profile = reader.string(), let requester = reader.string(), let certificate = reader.string(),
            let revoked = reader.integer(Int64.self), let code = reader.byte(),
            let reason = RevocationReason(rawValue: Int(code)), reader.isAtEnd
        else { return nil }
        (serialNumber, self.der, self.subject) = (Array(serial), Array(der), subject)
        (self.notBefore, self.notAfter, self.issued) = (notBefore, notAfter, issued)
        (self.profile, self.requester, self.certificate) = (profile, requester, certificate)
        revocation = revoked == 0 ? nil : Revocation(time: revoked, reason: reason)
    }
}

/// A line of the revocation lists, kept apart so that they are made without reading every certificate.
///
/// `vault/<vault>/authority-revoked/<generation>/<serial number>`
struct RevokedSerial: Sendable {
    let revoked: Int64
    let reason: RevocationReason
    let notAfter: Int64
    /// When the line came or changed, for deltas.
    let changed: Int64

    private static let format: UInt8 = 1

    func encoded() -> [UInt8] {
        var writer = ByteWriter()
        writer.byte(Self.format)
        for number in [revoked, notAfter, changed] { writer.integer(number) }
        writer.byte(UInt8(reason.rawValue))
        return writer.bytes
    }

    init(revoked: Int64, reason: RevocationReason, notAfter: Int64, changed: Int64) {
        (self.revoked, self.reason, self.notAfter, self.changed) = (revoked, reason, notAfter, changed)
    }

    init?(_ bytes: [UInt8]) {
        var reader = ByteReader(bytes)
        guard reader.byte() == Self.format, let revoked = reader.integer(Int64.self),
            let notAfter = reader.integer(Int64.self), let changed = reader.integer(Int64.self),
            let code = reader.byte(), let reason = RevocationReason(rawValue: Int(code)), reader.isAtEnd
        else { return nil }
        (self.revoked, self.notAfter, self.changed, self.reason) = (revoked, notAfter, changed, reason)
    }
}

/// The signed answers of the status service about one certificate.
///
/// `vault/<vault>/authority-status/<generation>/<serial number>`
struct StatusAnswers: Sendable {
    /// Until when they hold, in seconds since 1970.
    let nextUpdate: Int64
    /// When they are to be signed anew: the place in the index.
    let refresh: Int64
    let sha1: [UInt8]
    let sha256: [UInt8]

    private static let format: UInt8 = 1

    func encoded() -> [UInt8] {
        var writer = ByteWriter(reserving: sha1.count + sha256.count + 32)
        writer.byte(Self.format)
        writer.integer(nextUpdate)
        writer.integer(refresh)
        writer.blob(sha1)
        writer.blob(sha256)
        return writer.bytes
    }

    init(nextUpdate: Int64, refresh: Int64, sha1: [UInt8], sha256: [UInt8]) {
        (self.nextUpdate, self.refresh, self.sha1, self.sha256) = (nextUpdate, refresh, sha1, sha256)
    }

    init?(_ bytes: [UInt8]) {
        var reader = ByteReader(bytes)
        guard reader.byte() == Self.format, let nextUpdate = reader.integer(Int64.self),
            let refresh = reader.integer(Int64.self), let sha1 = reader.blob(), let sha256 = reader.blob(),
            reader.isAtEnd
        else { return nil }
        (self.nextUpdate, self.refresh, self.sha1, self.sha256) = (nextUpdate, refresh, Array(sha1), Array(sha256))
    }
}

/// The records of the authorities of one vault.
struct AuthorityTable: Sendable {
    let vault: Vault

    init(_ vault: Vault) { self.vault = vault }

    private var domain: SealDomain { vault.sealDomain }

    func generationKey(_ id: String) -> String { vault.keyPrefix + "authority/" + id }
    func issuedPrefix(_ id: String) -> String { vault.keyPrefix + "authority-issued/\(id)/" }
    func revokedPrefix(_ id: String) -> String { vault.keyPrefix + "authority-revoked/\(id)/" }
    func statusKey(_ id: String, _ serial: [UInt8]) -> String {
        vault.keyPrefix + "authority-status/\(id)/" + Hex.encode(serial)
    }
    func listKey(_ id: String, isDelta: Bool) -> String {
        vault.keyPrefix + "authority-list/\(id)/" + (isDelta ? "delta" : "full")
    }
    func certificateKey(_ id: String) -> String { vault.keyPrefix + "authority-certificate/" + id }

    /// Status answers in the order in which they are to be signed anew.
    func refreshPrefix(_ id: String) -> String { vault.keyPrefix + "authority-refresh/\(id)/" }
    func refreshKey(_ id: String, _ time: Int64, _ serial: [UInt8]) -> String {
        let digits = String(UInt64(max(0, time)), radix: 16)
        return refreshPrefix(id) + String(repeating: "0", count: 16 - digits.count) + digits + "/" + Hex.encode(serial)
    }

    func generation(_ id: String, in reader: any RecordReader) throws(VaultError) -> AuthorityGeneration? {
        let key = generationKey(id)
        guard let bytes = try reader.record(at: key) else { return nil }
        guard bytes.first == 1,
            let generation = try? JSONDecoder().decode(AuthorityGeneration.self, from: Data(bytes.dropFirst()))
        else { throw .integrity(record: key) }
        return generation
    }

    func put(_ generation: AuthorityGeneration, in transaction: Transaction) throws(VaultError) {
        guard let bytes = try? JSONEncoder().encode(generation) else { throw .internal("an authority not encoded") }
        try transaction.put([1] + Array(bytes), at: generationKey(generation.id), in: domain)
    }

    func issued(_ id: String, _ serial: [UInt8], in reader: any RecordReader) throws(VaultError) -> IssuedCertificate? {
        let key = issuedPrefix(id) + Hex.encode(serial)
        guard let bytes = try reader.record(at: key) else { return nil }
        guard let issued = IssuedCertificate(bytes) else { throw .integrity(record: key) }
        return issued
    }

    func put(_ issued: IssuedCertificate, _ id: String, in transaction: Transaction) throws(VaultError) {
        try transaction.put(issued.encoded(), at: issuedPrefix(id) + Hex.encode(issued.serialNumber), in: domain)
    }

    func revoked(_ id: String, in reader: any RecordReader) throws(VaultError) -> [(
        serial: [UInt8], line: RevokedSerial
    )] {
        let prefix = revokedPrefix(id)
        return try reader.records(in: KeyRange(prefix: prefix), limit: .max).mapTyped { entry throws(VaultError) in
            guard let serial = Hex.decode(entry.key.dropFirst(prefix.count)), let line = RevokedSerial(entry.value)
            else { throw .integrity(record: entry.key) }
            return (serial, line)
        }
    }

    func put(revoked line: RevokedSerial?, _ id: String, _ serial: [UInt8], in transaction: Transaction)
        throws(VaultError)
    {
        let key = revokedPrefix(id) + Hex.encode(serial)
        guard let line else { return try transaction.remove(key) }
        try transaction.put(line.encoded(), at: key, in: domain)
    }

    func status(_ id: String, _ serial: [UInt8], in reader: any RecordReader) throws(VaultError) -> StatusAnswers? {
        let key = statusKey(id, serial)
        guard let bytes = try reader.record(at: key) else { return nil }
        guard let status = StatusAnswers(bytes) else { throw .integrity(record: key) }
        return status
    }

    /// Replaces the answers about a certificate, and their place in the order of signing anew; nil removes both.
    func put(status: StatusAnswers?, _ id: String, _ serial: [UInt8], in transaction: Transaction) throws(VaultError) {
        if let old = try self.status(id, serial, in: transaction) {
            try transaction.remove(refreshKey(id, old.refresh, serial))
        }
        guard let status else { return try transaction.remove(statusKey(id, serial)) }
        try transaction.put(status.encoded(), at: statusKey(id, serial), in: domain)
        try transaction.put([1], at: refreshKey(id, status.refresh, serial), in: domain)
    }

    func put(list der: [UInt8], _ id: String, isDelta: Bool, in transaction: Transaction) throws(VaultError) {
        try transaction.put(der, at: listKey(id, isDelta: isDelta), in: domain)
    }

    func publishDuty(_ id: String, at time: Int64) -> Duty {
        Duty(
            due: Timestamp(epochSeconds: time), id: "authority-publish.\(vault.name).\(id)",
            operation: "AuthorityPublishIfDue", vault: vault.name, parameters: ["generation": id])
    }
}
