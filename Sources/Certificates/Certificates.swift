package import Barrier
package import Cryptography
package import Domain
import FoundationEssentials
package import Keys
package import Notices
package import Objects
package import Operations
import Secrets
import Store
import X509

/// The certificates of a vault: the data plane of Azure Key Vault certificates. Each version is a certificate, a key and a secret of one
/// name and one version.
///
/// - Source: Azure REST, Key Vault Certificates, api-versions 7.0 to 2026-04-01.
package struct Certificates: Sendable {
    static let policyCompanion = "certificate-policy"
    static let pendingCompanion = "certificate-pending"
    static let scheduleCompanion = "certificate-schedule"
    /// Written by the room of authorities: that the certificate is one.
    package static let authorityCompanion = "certificate-authority"
    package static let kind = ObjectKind(
        collection: "certificates", noun: "certificate", title: "Certificate", notFound: .certificateNotFound,
        purgeOperation: "CertificatePurgeIfDue",
        companions: [policyCompanion, pendingCompanion, scheduleCompanion, authorityCompanion])
    /// Names that paths of the service use.
    static let reservedNames: Set = ["contacts", "issuers", "restore"]

    let paging: Paging
    let backups: BackupEnvelope
    let work: KeyWork
    let engine: CryptoEngine
    private let connectors: [any IssuerConnector]
    let notices: Notices

    /// - Parameters:
    ///   - connectors: what asks issuers other than `Self`.
    ///   - notices: who is told of ends and failures.
    package init(
        paging: Paging, backupKeys: BackupKeys, engine: CryptoEngine, work: KeyWork,
        connectors: [any IssuerConnector], notices: Notices
    ) {
        self.connectors = connectors
        self.notices = notices
        self.paging = paging
        self.work = work
        self.engine = engine
        backups = BackupEnvelope(kind: Self.kind, keys: backupKeys, engine: engine)
    }

    /// The three tables a certificate lives in.
    struct Tables: Sendable {
        let certificates: ObjectTable
        let keys: ObjectTable
        let secrets: ObjectTable
        let vault: Vault

        init(_ vault: Vault) {
            self.vault = vault
            certificates = ObjectTable(Certificates.kind, in: vault)
            keys = ObjectTable(Keys.kind, in: vault)
            secrets = ObjectTable(Secrets.kind, in: vault)
        }
    }

    func connector(for provider: String) -> (any IssuerConnector)? {
        connectors.first { $0.providers.contains(provider) }
    }

    func tables(_ call: Call) throws(VaultError) -> Tables { Tables(try call.vault()) }

    // MARK: Companions

    func policy(of name: ObjectName, _ tables: Tables, in reader: any RecordReader) throws(VaultError)
        -> CertificatePolicy?
    {
        guard let bytes = try tables.certificates.companion(Self.policyCompanion, of: name, in: reader) else {
            return nil
        }
        return try CertificatePolicy(record: bytes, at: "certificate-policy/\(name.key)")
    }

    func pending(of name: ObjectName, _ tables: Tables, in reader: any RecordReader) throws(VaultError)
        -> PendingCertificate?
    {
        guard let bytes = try tables.certificates.companion(Self.pendingCompanion, of: name, in: reader) else {
            return nil
        }
        guard bytes.first == 1,
            let pending = try? JSONDecoder().decode(PendingCertificate.self, from: Data(bytes.dropFirst()))
        else { throw .integrity(record: "certificate-pending/\(name.key)") }
        return pending
    }

    /// - Parameter record: `encoded()` of it; nil to remove it.
    func put(pending record: [UInt8]?, of name: ObjectName, _ tables: Tables, in transaction: Transaction)
        throws(VaultError)
    {
        try tables.certificates.putCompanion(Self.pendingCompanion, of: name, record, in: transaction)
    }

    func put(_ pending: PendingCertificate, of name: ObjectName, _ tables: Tables, in transaction: Transaction)
        throws(VaultError)
    {
        try put(pending: try pending.encoded(), of: name, tables, in: transaction)
    }
}

extension Certificates {
    /// The versions whose keys are made and whose certificates are not yet.
    package static func pendingVersions(in vault: Vault, _ reader: any RecordReader) throws(VaultError) -> [[UInt8]] {
        var versions: [[UInt8]] = []
        let prefix = vault.keyPrefix + pendingCompanion + "/"
        for entry in try reader.records(in: KeyRange(prefix: prefix), limit: .max) {
            guard entry.value.first == 1,
                let pending = try? JSONDecoder().decode(PendingCertificate.self, from: Data(entry.value.dropFirst()))
            else { throw .integrity(record: entry.key) }
            if pending.status == .inProgress { versions.append(ObjectVersion(pending.version).bytes) }
        }
        return versions
    }

    package var operations: [any AnyOperation] {
        lifecycle + making + contactsAndIssuers + templates + [
            Operation(scheduled: "CertificateEnroll", requires: .certificatesCreate, run: enroll),
            Operation(
                scheduled: "CertificateEnrollElsewhere", requires: .certificatesCreate, isElsewhere: true, run: enroll),
            Operation(scheduled: "CertificateRenew", requires: .certificatesCreate, run: renew),
            Operation(
                scheduled: "CertificateNearExpiryEventGridNotification", requires: .certificatesRead,
                run: tellNearExpiry),
            Operation(
                scheduled: "CertificateExpiredEventGridNotification", requires: .certificatesRead, run: tellExpired),
            Operation(
                scheduled: "CertificatePurgeIfDue", requires: .certificatesPurge, destroys: true, run: purgeIfDue),
        ]
    }

    private var lifecycle: [any AnyOperation] {
        let name = "/certificates/{certificate-name}"
        let version = name + "/{certificate-version}"
        let deleted = "/deletedcertificates/{certificate-name}"
        let since = APIVersion.v7_0preview
        return [
            Operation(
                "CertificateGet", .get, name, version, requires: .permission(.certificatesRead), since: since, run: get),
            Operation(
                "CertificateChainGet", .get, version + "/chain", requires: .permission(.certificatesRead), since: since,
                run: getChain),
            Operation(
                "CertificateUpdate", .patch, name, version, requires: .permission(.certificatesUpdate), since: since,
                run: update),
            Operation(
                "CertificateList", .get, "/certificates", requires: .permission(.certificatesList), since: since,
                run: list),
            Operation(
                "CertificateListVersions", .get, name + "/versions", requires: .permission(.certificatesList),
                since: since, run: listVersions),
            Operation(
                "CertificateDelete", .delete, name, requires: .permission(.certificatesDelete), since: since,
                run: delete),
            Operation(
                "CertificateListDeleted", .get, "/deletedcertificates", requires: .permission(.certificatesList),
                since: since, run: listDeleted),
            Operation(
                "CertificateGetDeleted", .get, deleted, requires: .permission(.certificatesRead), since: since,
                run: getDeleted),
            Operation(
                "CertificateRecover", .post, deleted + "/recover", requires: .permission(.certificatesRecover),
                since: since, run: recover),
            Operation(
                "CertificatePurge", .delete, deleted, requires: .permission(.certificatesPurge), since: since,
                status: 204, run: purge),
            Operation(
                "CertificateBackup", .post, name + "/backup", requires: .permission(.certificatesBackup), since: since,
                run: backup),
            Operation(
                "CertificateRestore", .post, "/certificates/restore", requires: .permission(.certificatesRestore),
                since: since, bodyLimit: 48 << 20, run: restore),
        ]
    }

    private var making: [any AnyOperation] {
        let name = "/certificates/{certificate-name}"
        let pending = name + "/pending"
        let since = APIVersion.v7_0preview
        return [
            Operation(
                "CertificateCreate", .post, name + "/create", requires: .permission(.certificatesCreate), since: since,
                status: 202, run: create),
            Operation(
                "CertificateImport", .post, name + "/import", requires: .permission(.certificatesImport), since: since,
                run: importCertificate),
            Operation(
                "CertificatePolicyGet", .get, name + "/policy", requires: .permission(.certificatesRead), since: since,
                run: getPolicy),
            Operation(
                "CertificatePolicyUpdate", .patch, name + "/policy", requires: .permission(.certificatesUpdate),
                since: since, run: updatePolicy),
            Operation(
                "CertificatePendingGet", .get, pending, requires: .permission(.certificatesRead), since: since,
                run: getPending),
            Operation(
                "CertificatePendingUpdate", .patch, pending, requires: .permission(.certificatesPendingUpdate),
                since: since,
                run: updatePending),
            Operation(
                "CertificatePendingDelete", .delete, pending, requires: .permission(.certificatesPendingDelete),
                since: since,
                run: deletePending),
            Operation(
                "CertificatePendingMerge", .post, pending + "/merge", requires: .permission(.certificatesCreate),
                since: since, status: 201, run: merge),
        ]
    }

    private var contactsAndIssuers: [any AnyOperation] {
        let contacts = "/certificates/contacts"
        let issuer = "/certificates/issuers/{issuer}"
        let since = APIVersion.v7_0preview
        return [
            Operation(
                "CertificateContactsGet", .get, contacts, requires: .permission(.certificateContactsWrite),
                since: since,
                run: getContacts),
            Operation(
                "CertificateContactsSet", .put, contacts, requires: .permission(.certificateContactsWrite),
                since: since,
                run: setContacts),
            Operation(
                "CertificateContactsDelete", .delete, contacts, requires: .permission(.certificateContactsWrite),
                since: since, run: deleteContacts),
            Operation(
                "CertificateIssuersList", .get, "/certificates/issuers", requires: .permission(.certificateIssuersList),
                since: since, run: listIssuers),
            Operation(
                "CertificateIssuerGet", .get, issuer, requires: .permission(.certificateIssuersRead), since: since,
                run: getIssuer),
            Operation(
                "CertificateIssuerSet", .put, issuer, requires: .permission(.certificateIssuersWrite), since: since,
                run: setIssuer),
            Operation(
                "CertificateIssuerUpdate", .patch, issuer, requires: .permission(.certificateIssuersWrite),
                since: since, run: updateIssuer),
            Operation(
                "CertificateIssuerDelete", .delete, issuer, requires: .permission(.certificateIssuersDelete),
                since: since, run: deleteIssuer),
        ]
    }
}
