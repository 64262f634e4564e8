package import Cryptography
import Domain
package import Objects
package import Operations

/// The keys of a vault or a managed HSM pool: the data plane of Azure Key Vault keys.
///
/// - Source: Azure REST, Key Vault Keys, api-versions 7.0 to 2026-04-01.
package struct Keys: Sendable {
    static let rotationCompanion = "key-rotation"
    static let scheduleCompanion = "key-schedule"
    package static let kind = ObjectKind(
        collection: "keys", noun: "key", title: "Key", notFound: .keyNotFound, purgeOperation: "KeyPurgeIfDue",
        companions: [rotationCompanion, scheduleCompanion])

    let paging: Paging
    let backups: BackupEnvelope
    let work: KeyWork
    let statements: StatementKey
    let authorities: AttestationAuthorities
    let inspection: KeyInspection
    /// Of Azure Resource Manager.
    let parts: ObjectResources

    package init(
        paging: Paging, backupKeys: BackupKeys, engine: CryptoEngine, work: KeyWork, statements: StatementKey,
        authorities: AttestationAuthorities, inspection: KeyInspection, resources: ObjectResources
    ) {
        self.inspection = inspection
        parts = resources
        self.paging = paging
        self.statements = statements
        self.authorities = authorities
        self.work = work
        backups = BackupEnvelope(kind: Self.kind, keys: backupKeys, engine: engine)
    }

    func table(_ call: Call) throws(VaultError) -> ObjectTable { ObjectTable(Self.kind, in: try call.vault()) }

    func table(_ vault: Vault) -> ObjectTable { ObjectTable(Self.kind, in: vault) }
}

extension Keys {
    private static let hosts: Hosts = [.vault, .managedHSM]

    package var operations: [any AnyOperation] {
        lifecycle + cryptography + rotation + hardware + resources + duties
    }

    private var lifecycle: [any AnyOperation] {
        let name = "/keys/{key-name}"
        let version = name + "/{key-version}"
        let deleted = "/deletedkeys/{key-name}"
        let hosts = Self.hosts
        let since = APIVersion.v7_0preview
        return [
            Operation(
                "KeyCreate", .post, on: hosts, name + "/create", requires: .permission(.keysCreate), since: since,
                run: create),
            Operation(
                "KeyImport", .put, on: hosts, name, requires: .permission(.keysImport), since: since, run: importKey),
            Operation(
                "KeyGet", .get, on: hosts, name, version, requires: .permission(.keysRead), since: since, run: get),
            Operation(
                "KeyUpdate", .patch, on: hosts, name, version, requires: .permission(.keysUpdate), since: since,
                run: update),
            Operation(
                "KeyDelete", .delete, on: hosts, name, requires: .permission(.keysDelete), since: since, run: delete),
            Operation("KeyList", .get, on: hosts, "/keys", requires: .permission(.keysList), since: since, run: list),
            Operation(
                "KeyListVersions", .get, on: hosts, name + "/versions", requires: .permission(.keysList), since: since,
                run: listVersions),
            Operation(
                "KeyListDeleted", .get, on: hosts, "/deletedkeys", requires: .permission(.keysListDeleted),
                since: since, run: listDeleted),
            Operation(
                "KeyGetDeleted", .get, on: hosts, deleted, requires: .permission(.keysReadDeleted), since: since,
                run: getDeleted),
            Operation(
                "KeyRecover", .post, on: hosts, deleted + "/recover", requires: .permission(.keysRecover), since: since,
                run: recover),
            Operation(
                "KeyPurge", .delete, on: hosts, deleted, requires: .permission(.keysPurge), since: since, status: 204,
                run: purge),
            Operation(
                "KeyBackup", .post, on: hosts, name + "/backup", requires: .permission(.keysBackup), since: since,
                run: backup),
            Operation(
                "KeyRestore", .post, on: hosts, "/keys/restore", requires: .permission(.keysRestore), since: since,
                bodyLimit: Self.restoreLimit, run: restore),
        ]
    }

    private var cryptography: [any AnyOperation] {
        /// The version may be left out, with or without the slash before it.
        func crypto<Input: OperationInput, Output: OperationOutput>(
            _ name: String, _ verb: String, _ requirement: Requirement,
            run: @escaping @Sendable (Input, Call) async throws(VaultError) -> Output
        ) -> any AnyOperation {
            Operation(
                name, .post, on: Self.hosts, "/keys/{key-name}/{key-version}/\(verb)", "/keys/{key-name}/\(verb)",
                requires: requirement, since: .v7_0preview, run: run)
        }
        return [
            crypto("KeyEncrypt", "encrypt", .permission(.keysEncrypt, or: .keysRead), run: encrypt),
            crypto("KeyDecrypt", "decrypt", .permission(.keysDecrypt), run: decrypt),
            crypto("KeySign", "sign", .permission(.keysSign), run: sign),
            crypto("KeyVerify", "verify", .permission(.keysVerify, or: .keysRead), run: verify),
            crypto("KeyWrap", "wrapkey", .permission(.keysWrap, or: .keysRead), run: wrap),
            crypto("KeyUnwrap", "unwrapkey", .permission(.keysUnwrap), run: unwrap),
        ]
    }

    private var rotation: [any AnyOperation] {
        let policy = "/keys/{key-name}/rotationpolicy"
        return [
            Operation(
                "KeyRotate", .post, on: Self.hosts, "/keys/{key-name}/rotate", requires: .permission(.keysRotate),
                since: .v7_3preview, run: rotate),
            Operation(
                "KeyRotationPolicyGet", .get, on: Self.hosts, policy,
                requires: .permission(.keyRotationPoliciesRead), since: .v7_3preview, run: getRotationPolicy),
            Operation(
                "KeyRotationPolicySet", .put, on: Self.hosts, policy,
                requires: .permission(.keyRotationPoliciesWrite), since: .v7_3preview, run: setRotationPolicy),
        ]
    }

    private var hardware: [any AnyOperation] {
        let version = "/keys/{key-name}/{key-version}"
        return [
            Operation(
                "KeyAttestationGet", .get, on: Self.hosts, version + "/attestation", "/keys/{key-name}/attestation",
                requires: .permission(.keysRead), since: .v7_6preview2, run: attest),
            Operation(
                "KeyRelease", .post, on: Self.hosts, version + "/release", "/keys/{key-name}/release",
                requires: .permission(.keysRelease), since: .v7_3preview, run: release),
            Operation(
                "RandomBytesGet", .post, on: .managedHSM, "/rng", requires: .permission(.randomBytes),
                since: .v7_3preview, run: randomBytes),
            Operation(
                "KeyInspect", .get, on: .management, "/strongroom/keys/{service}/{vault}/{key}",
                requires: .atScope(.auditRead) { _ in nil }, run: inspect),
            Operation(
                "KeySecureWrap", .post, on: Self.hosts, version + "/securewrapkey", "/keys/{key-name}/securewrapkey",
                requires: .permission(.keysWrap), since: .v2026_04_01, run: secureOperation),
            Operation(
                "KeySecureUnwrap", .post, on: Self.hosts, version + "/secureunwrapkey",
                "/keys/{key-name}/secureunwrapkey", requires: .permission(.keysUnwrap), since: .v2026_04_01,
                run: secureOperation),
        ]
    }

    /// What 2026-04-01 adds and this server does not have.
    private func secureOperation(_ input: NamedKey, _ call: Call) async throws(VaultError) -> NoContent {
        throw .badParameter(
            "The operations securewrapkey and secureunwrapkey are not supported by this server; use wrapkey and unwrapkey."
        )
    }

    private var duties: [any AnyOperation] {
        [
            Operation(scheduled: "KeyPurgeIfDue", requires: .keysPurge, destroys: true, run: purgeIfDue),
            Operation(scheduled: "KeyRotateIfDue", requires: .keysRotate, run: rotateIfDue),
            Operation(scheduled: "KeyNearExpiryEventGridNotification", requires: .keysRead, run: notifyNearExpiry),
            Operation(scheduled: "KeyExpiredEventGridNotification", requires: .keysRead, run: notifyExpired),
        ]
    }

    /// 501 versions of the largest key, each with full tags, as base64url twice over.
    static let restoreLimit = 16 << 20
}
