/// What an access policy calls a permission: one of four groups and a name in it.
///
/// Access policies came before roles; a vault uses the one or the other.
/// - Source: Azure REST "Vaults", `Permissions`; the permissions that each operation of the data plane names.
package struct PolicyPermission: Hashable, Sendable {
    package enum Group: String, Sendable, CaseIterable { case keys, secrets, certificates, storage }

    package let group: Group
    package let name: String

    /// The names that a policy may hold, lower case.
    package static let names: [Group: Set<String>] = [
        .keys: [
            "all", "encrypt", "decrypt", "wrapkey", "unwrapkey", "sign", "verify", "get", "list", "create", "update",
            "import", "delete", "backup", "restore", "recover", "purge", "release", "rotate", "getrotationpolicy",
            "setrotationpolicy",
        ],
        .secrets: ["all", "get", "list", "set", "delete", "backup", "restore", "recover", "purge"],
        .certificates: [
            "all", "get", "list", "delete", "create", "import", "update", "managecontacts", "getissuers", "listissuers",
            "setissuers", "deleteissuers", "manageissuers", "recover", "purge", "backup", "restore",
        ],
        .storage: [
            "all", "get", "list", "delete", "set", "update", "regeneratekey", "recover", "purge", "backup", "restore",
            "setsas", "listsas", "getsas", "deletesas",
        ],
    ]
}

extension Permission {
    /// The names any of which gives this permission; the first is told when none is held. Empty for what no policy can give.
    package var policyPermissions: [PolicyPermission] {
        func key(_ name: String) -> [PolicyPermission] { [PolicyPermission(group: .keys, name: name)] }
        func secret(_ name: String) -> [PolicyPermission] { [PolicyPermission(group: .secrets, name: name)] }
        func certificate(_ names: String...) -> [PolicyPermission] {
            names.map { PolicyPermission(group: .certificates, name: $0) }
        }
        return switch self {
        case .secretsGet, .secretsReadDeleted: secret("get")
        case .secretsReadMetadata: secret("list")
        case .secretsSet, .secretsUpdate: secret("set")
        case .secretsDelete: secret("delete")
        case .secretsBackup: secret("backup")
        case .secretsRestore: secret("restore")
        case .secretsRecover: secret("recover")
        case .secretsPurge: secret("purge")
        case .keysRead: key("get")
        case .keysList: key("list")
        case .keysReadDeleted: key("get")
        case .keysListDeleted: key("list")
        case .keysCreate: key("create")
        case .keysImport: key("import")
        case .keysUpdate: key("update")
        case .keysDelete: key("delete")
        case .keysRecover: key("recover")
        case .keysPurge: key("purge")
        case .keysBackup: key("backup")
        case .keysRestore: key("restore")
        case .keysEncrypt: key("encrypt")
        case .keysDecrypt: key("decrypt")
        case .keysSign: key("sign")
        case .keysVerify: key("verify")
        case .keysWrap: key("wrapkey")
        case .keysUnwrap: key("unwrapkey")
        case .keysRotate: key("rotate")
        case .keyRotationPoliciesRead: key("getrotationpolicy")
        case .keyRotationPoliciesWrite: key("setrotationpolicy")
        case .keysRelease: key("release")
        case .certificatesRead: certificate("get")
        case .certificatesList: certificate("list")
        case .certificatesCreate: certificate("create")
        case .certificatesPendingUpdate, .certificatesUpdate: certificate("update")
        case .certificatesPendingDelete, .certificatesDelete: certificate("delete")
        case .certificatesImport: certificate("import")
        case .certificatesRecover: certificate("recover")
        case .certificatesPurge: certificate("purge")
        case .certificatesBackup: certificate("backup")
        case .certificatesRestore: certificate("restore")
        case .certificateContactsWrite: certificate("managecontacts")
        case .certificateIssuersRead: certificate("getissuers", "manageissuers")
        case .certificateIssuersList: certificate("listissuers", "manageissuers")
        case .certificateIssuersWrite: certificate("setissuers", "manageissuers")
        case .certificateIssuersDelete: certificate("deleteissuers", "manageissuers")
        case .authoritiesIssue, .authoritiesRevoke: certificate("manageissuers")
        case .randomBytes, .localAssignmentsRead, .localAssignmentsWrite, .localAssignmentsDelete,
            .localDefinitionsRead, .localDefinitionsWrite, .localDefinitionsDelete,
            .localSettingsRead, .localSettingsWrite, .roleDefinitionsWrite,
            .roleDefinitionsDelete, .vaultsRead, .vaultsWrite, .vaultsDelete, .accessPoliciesWrite, .deletedVaultsRead,
            .deletedVaultGet, .deletedVaultsPurge, .poolsRead, .poolsWrite, .poolsDelete, .deletedPoolsRead,
            .deletedPoolGet, .deletedPoolsPurge, .resourceKeysRead, .resourceKeysWrite, .resourceSecretsRead,
            .resourceSecretsWrite, .poolResourceKeysRead, .poolResourceKeysWrite, .privateEndpointsRead,
            .privateEndpointsWrite, .privateEndpointsDelete, .securityDomainDownload, .securityDomainUpload,
            .securityDomainUploadRead, .transferKeyRead, .poolBackupStart, .poolBackupRead, .poolRestoreStart,
            .poolRestoreRead,
            .resourceGroupsWrite, .resourceGroupsDelete, .roleAssignmentsRead, .roleAssignmentsWrite,
            .roleAssignmentsDelete, .applicationsRead, .applicationsWrite, .applicationsDelete, .usersRead,
            .usersWrite, .usersDelete, .diagnosticsRead, .diagnosticsWrite, .diagnosticsDelete, .policyDefinitionsRead,
            .policyDefinitionsWrite, .policyDefinitionsDelete, .policyAssignmentsRead, .policyAssignmentsWrite,
            .policyAssignmentsDelete, .auditRead,
            .barrierRotate, .backupKeysExport, .backupKeysImport:
            []
        }
    }
}
