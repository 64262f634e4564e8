package import Cryptography
package import Domain
package import Objects
package import Operations

/// The secrets of a vault: the data plane of Azure Key Vault secrets.
///
/// - Source: Azure REST, Key Vault Secrets, api-versions 7.0 to 2026-04-01.
package struct Secrets: Sendable {
    package static let kind = ObjectKind(
        collection: "secrets", noun: "secret", title: "Secret", notFound: .secretNotFound,
        purgeOperation: "SecretPurgeIfDue")

    /// Turns the container of a certificate's secret into PEM.
    package typealias Convert = @Sendable (SensitiveBytes, Call) async throws(VaultError) -> SensitiveBytes

    let paging: Paging
    let backups: BackupEnvelope
    let convert: Convert
    /// Of Azure Resource Manager.
    let parts: ObjectResources

    package init(
        paging: Paging, backupKeys: BackupKeys, engine: CryptoEngine, resources: ObjectResources,
        convert: @escaping Convert
    ) {
        parts = resources
        self.paging = paging
        self.convert = convert
        backups = BackupEnvelope(kind: Self.kind, keys: backupKeys, engine: engine)
    }

    func table(_ call: Call) throws(VaultError) -> ObjectTable { ObjectTable(Self.kind, in: try call.vault()) }
}

extension Secrets {
    package var operations: [any AnyOperation] { dataPlane + resources }

    private var dataPlane: [any AnyOperation] {
        let name = "/secrets/{secret-name}"
        let deleted = "/deletedsecrets/{secret-name}"
        return [
            Operation("SecretSet", .put, name, requires: .permission(.secretsSet), since: .v7_0preview, run: set),
            Operation(
                "SecretGet", .get, name, name + "/{secret-version}", requires: .permission(.secretsGet),
                since: .v7_0preview, run: get),
            Operation(
                "SecretUpdate", .patch, name, name + "/{secret-version}", requires: .permission(.secretsUpdate),
                since: .v7_0preview,
                run: update),
            Operation(
                "SecretDelete", .delete, name, requires: .permission(.secretsDelete), since: .v7_0preview, run: delete),
            Operation(
                "SecretList", .get, "/secrets", requires: .permission(.secretsReadMetadata), since: .v7_0preview,
                run: list),
            Operation(
                "SecretListVersions", .get, name + "/versions", requires: .permission(.secretsReadMetadata),
                since: .v7_0preview,
                run: listVersions),
            Operation(
                "SecretListDeleted", .get, "/deletedsecrets", requires: .permission(.secretsReadMetadata),
                since: .v7_0preview,
                run: listDeleted),
            Operation(
                "SecretGetDeleted", .get, deleted, requires: .permission(.secretsReadDeleted), since: .v7_0preview,
                run: getDeleted),
            Operation(
                "SecretRecover", .post, deleted + "/recover", requires: .permission(.secretsRecover),
                since: .v7_0preview, run: recover),
            Operation(
                "SecretPurge", .delete, deleted, requires: .permission(.secretsPurge), since: .v7_0preview, status: 204,
                run: purge),
            Operation(
                "SecretBackup", .post, name + "/backup", requires: .permission(.secretsBackup), since: .v7_0preview,
                run: backup),
            Operation(
                "SecretRestore", .post, "/secrets/restore", requires: .permission(.secretsRestore), since: .v7_0preview,
                bodyLimit: Self.restoreLimit, run: restore),
            Operation(
                "SecretBatchGet", .post, "/secrets:batchGet", requires: .perItem(.secretsGet), since: .v7_0preview,
                run: batchGet),
            Operation(
                "SecretListExpiring", .get, "/secrets:expiring", requires: .permission(.secretsReadMetadata),
                since: .v7_0preview,
                run: listExpiring),
            Operation(scheduled: "SecretPurgeIfDue", requires: .secretsPurge, destroys: true, run: purgeIfDue),
        ]
    }

    /// 501 versions of the largest value, each with full tags, as base64url twice over.
    static let restoreLimit = 48 << 20
}
