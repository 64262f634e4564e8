/// What an operation needs: an action of Azure RBAC, and beside it the name a legacy access policy uses.
///
/// - Source: behaviour of the service per operation; built-in roles name the same actions.
package enum Permission: UInt8, CaseIterable, Sendable {
    case secretsGet, secretsReadMetadata, secretsSet, secretsUpdate, secretsDelete, secretsBackup, secretsRestore,
        secretsRecover
    case secretsPurge, secretsReadDeleted
    case keysList, keysListDeleted
    case keysRead, keysReadDeleted, keysCreate, keysImport, keysUpdate, keysDelete, keysRecover, keysPurge, keysBackup
    case keysRestore, keysEncrypt, keysDecrypt, keysSign, keysVerify, keysWrap, keysUnwrap, keysRotate
    case keyRotationPoliciesRead, keyRotationPoliciesWrite, keysRelease, randomBytes
    case certificatesRead, certificatesCreate, certificatesImport, certificatesUpdate, certificatesDelete
    case certificatesList, certificatesPendingUpdate, certificatesPendingDelete
    case certificatesRecover, certificatesPurge, certificatesBackup, certificatesRestore, certificateContactsWrite
    case certificateIssuersRead, certificateIssuersList, certificateIssuersWrite, certificateIssuersDelete
    case authoritiesIssue, authoritiesRevoke
    case vaultsRead, vaultsWrite, vaultsDelete, accessPoliciesWrite, deletedVaultsRead, deletedVaultGet
    case deletedVaultsPurge
    case poolsRead, poolsWrite, poolsDelete, deletedPoolsRead, deletedPoolGet, deletedPoolsPurge
    case resourceKeysRead, resourceKeysWrite, resourceSecretsRead, resourceSecretsWrite, poolResourceKeysRead
    case poolResourceKeysWrite, privateEndpointsRead, privateEndpointsWrite, privateEndpointsDelete
    case securityDomainDownload, securityDomainUpload, securityDomainUploadRead, transferKeyRead
    case poolBackupStart, poolBackupRead, poolRestoreStart, poolRestoreRead
    case resourceGroupsWrite, resourceGroupsDelete
    case roleAssignmentsRead, roleAssignmentsWrite, roleAssignmentsDelete
    case roleDefinitionsWrite, roleDefinitionsDelete, localDefinitionsWrite, localDefinitionsDelete
    case localSettingsRead, localSettingsWrite
    case localAssignmentsRead, localAssignmentsWrite, localAssignmentsDelete, localDefinitionsRead
    case applicationsRead, applicationsWrite, applicationsDelete
    case usersRead, usersWrite, usersDelete
    case diagnosticsRead, diagnosticsWrite, diagnosticsDelete
    case policyDefinitionsRead, policyDefinitionsWrite, policyDefinitionsDelete
    case policyAssignmentsRead, policyAssignmentsWrite, policyAssignmentsDelete
    case auditRead, barrierRotate, backupKeysExport, backupKeysImport

    /// The action as role definitions spell it.
    package var action: String {
        switch self {
        case .secretsGet: "Microsoft.KeyVault/vaults/secrets/getSecret/action"
        case .secretsReadMetadata: "Microsoft.KeyVault/vaults/secrets/readMetadata/action"
        case .secretsReadDeleted: "Microsoft.KeyVault/vaults/secrets/readMetadata/action"
        case .secretsSet: "Microsoft.KeyVault/vaults/secrets/setSecret/action"
        case .secretsUpdate: "Microsoft.KeyVault/vaults/secrets/update/action"
        case .secretsDelete: "Microsoft.KeyVault/vaults/secrets/delete"
        case .secretsBackup: "Microsoft.KeyVault/vaults/secrets/backup/action"
        case .secretsRestore: "Microsoft.KeyVault/vaults/secrets/restore/action"
        case .secretsRecover: "Microsoft.KeyVault/vaults/secrets/recover/action"
        case .secretsPurge: "Microsoft.KeyVault/vaults/secrets/purge/action"
        case .keysRead: "Microsoft.KeyVault/vaults/keys/read"
        case .keysListDeleted: "Microsoft.KeyVault/vaults/keys/read"
        case .keysList: "Microsoft.KeyVault/vaults/keys/read"
        case .keysReadDeleted: "Microsoft.KeyVault/vaults/keys/read"
        case .keysCreate: "Microsoft.KeyVault/vaults/keys/create/action"
        case .keysImport: "Microsoft.KeyVault/vaults/keys/import/action"
        case .keysUpdate: "Microsoft.KeyVault/vaults/keys/update/action"
        case .keysDelete: "Microsoft.KeyVault/vaults/keys/delete"
        case .keysRecover: "Microsoft.KeyVault/vaults/keys/recover/action"
        case .keysPurge: "Microsoft.KeyVault/vaults/keys/purge/action"
        case .keysBackup: "Microsoft.KeyVault/vaults/keys/backup/action"
        case .keysRestore: "Microsoft.KeyVault/vaults/keys/restore/action"
        case .keysEncrypt: "Microsoft.KeyVault/vaults/keys/encrypt/action"
        case .keysDecrypt: "Microsoft.KeyVault/vaults/keys/decrypt/action"
        case .keysSign: "Microsoft.KeyVault/vaults/keys/sign/action"
        case .keysVerify: "Microsoft.KeyVault/vaults/keys/verify/action"
        case .keysWrap: "Microsoft.KeyVault/vaults/keys/wrap/action"
        case .keysUnwrap: "Microsoft.KeyVault/vaults/keys/unwrap/action"
        case .keysRotate: "Microsoft.KeyVault/vaults/keys/rotate/action"
        case .keyRotationPoliciesRead: "Microsoft.KeyVault/vaults/keyrotationpolicies/read"
        case .keyRotationPoliciesWrite: "Microsoft.KeyVault/vaults/keyrotationpolicies/write"
        case .keysRelease: "Microsoft.KeyVault/vaults/keys/release/action"
        case .randomBytes: "Microsoft.KeyVault/vaults/rng/action"
        case .certificatesRead, .certificatesList: "Microsoft.KeyVault/vaults/certificates/read"
        case .certificatesPendingUpdate, .certificatesPendingDelete:
            "Microsoft.KeyVault/vaults/certificates/create/action"
        case .certificatesCreate: "Microsoft.KeyVault/vaults/certificates/create/action"
        case .certificatesImport: "Microsoft.KeyVault/vaults/certificates/import/action"
        case .certificatesUpdate: "Microsoft.KeyVault/vaults/certificates/update/action"
        case .certificatesDelete: "Microsoft.KeyVault/vaults/certificates/delete"
        case .certificatesRecover: "Microsoft.KeyVault/vaults/certificates/recover/action"
        case .certificatesPurge: "Microsoft.KeyVault/vaults/certificates/purge/action"
        case .certificatesBackup: "Microsoft.KeyVault/vaults/certificates/backup/action"
        case .certificatesRestore: "Microsoft.KeyVault/vaults/certificates/restore/action"
        case .certificateContactsWrite: "Microsoft.KeyVault/vaults/certificatecontacts/write"
        case .certificateIssuersRead, .certificateIssuersList: "Microsoft.KeyVault/vaults/certificatecas/read"
        case .certificateIssuersWrite: "Microsoft.KeyVault/vaults/certificatecas/write"
        case .certificateIssuersDelete: "Microsoft.KeyVault/vaults/certificatecas/delete"
        case .authoritiesIssue: "Microsoft.KeyVault/vaults/certificatecas/issue/action"
        case .authoritiesRevoke: "Microsoft.KeyVault/vaults/certificatecas/revoke/action"
        case .localAssignmentsRead: "Microsoft.KeyVault/managedHsm/roleAssignments/read/action"
        case .localAssignmentsWrite: "Microsoft.KeyVault/managedHsm/roleAssignments/write/action"
        case .localAssignmentsDelete: "Microsoft.KeyVault/managedHsm/roleAssignments/delete/action"
        case .localDefinitionsRead: "Microsoft.KeyVault/managedHsm/roleDefinitions/read/action"
        case .localSettingsRead: "Microsoft.KeyVault/managedHsm/settings/read/action"
        case .localSettingsWrite: "Microsoft.KeyVault/managedHsm/settings/write/action"
        case .localDefinitionsWrite: "Microsoft.KeyVault/managedHsm/roleDefinitions/write/action"
        case .localDefinitionsDelete: "Microsoft.KeyVault/managedHsm/roleDefinitions/delete/action"
        case .roleDefinitionsWrite: "Microsoft.Authorization/roleDefinitions/write"
        case .roleDefinitionsDelete: "Microsoft.Authorization/roleDefinitions/delete"
        case .vaultsRead: "Microsoft.KeyVault/vaults/read"
        case .vaultsWrite: "Microsoft.KeyVault/vaults/write"
        case .vaultsDelete: "Microsoft.KeyVault/vaults/delete"
        case .accessPoliciesWrite: "Microsoft.KeyVault/vaults/accessPolicies/write"
        case .deletedVaultsRead: "Microsoft.KeyVault/deletedVaults/read"
        case .deletedVaultGet: "Microsoft.KeyVault/locations/deletedVaults/read"
        case .deletedVaultsPurge: "Microsoft.KeyVault/locations/deletedVaults/purge/action"
        case .poolsRead: "Microsoft.KeyVault/managedHSMs/read"
        case .poolsWrite: "Microsoft.KeyVault/managedHSMs/write"
        case .poolsDelete: "Microsoft.KeyVault/managedHSMs/delete"
        case .deletedPoolsRead: "Microsoft.KeyVault/deletedManagedHSMs/read"
        case .deletedPoolGet: "Microsoft.KeyVault/locations/deletedManagedHSMs/read"
        case .resourceKeysRead: "Microsoft.KeyVault/vaults/keys/read"
        case .resourceKeysWrite: "Microsoft.KeyVault/vaults/keys/write"
        case .resourceSecretsRead: "Microsoft.KeyVault/vaults/secrets/read"
        case .resourceSecretsWrite: "Microsoft.KeyVault/vaults/secrets/write"
        case .poolResourceKeysRead: "Microsoft.KeyVault/managedHSMs/keys/read"
        case .poolResourceKeysWrite: "Microsoft.KeyVault/managedHSMs/keys/write"
        case .privateEndpointsRead: "Microsoft.KeyVault/vaults/privateEndpointConnections/read"
        case .privateEndpointsWrite: "Microsoft.KeyVault/vaults/privateEndpointConnections/write"
        case .privateEndpointsDelete: "Microsoft.KeyVault/vaults/privateEndpointConnections/delete"
        case .securityDomainDownload: "Microsoft.KeyVault/managedHsm/securitydomain/download/action"
        case .securityDomainUpload: "Microsoft.KeyVault/managedHsm/securitydomain/upload/action"
        case .securityDomainUploadRead: "Microsoft.KeyVault/managedHsm/securitydomain/upload/read"
        case .transferKeyRead: "Microsoft.KeyVault/managedHsm/securitydomain/transferkey/read"
        case .poolBackupStart: "Microsoft.KeyVault/managedHsm/backup/start/action"
        case .poolBackupRead: "Microsoft.KeyVault/managedHsm/backup/status/action"
        case .poolRestoreStart: "Microsoft.KeyVault/managedHsm/restore/start/action"
        case .poolRestoreRead: "Microsoft.KeyVault/managedHsm/restore/status/action"
        case .deletedPoolsPurge: "Microsoft.KeyVault/locations/deletedManagedHSMs/purge/action"
        case .resourceGroupsWrite: "Microsoft.Resources/subscriptions/resourceGroups/write"
        case .resourceGroupsDelete: "Microsoft.Resources/subscriptions/resourceGroups/delete"
        case .roleAssignmentsRead: "Microsoft.Authorization/roleAssignments/read"
        case .roleAssignmentsWrite: "Microsoft.Authorization/roleAssignments/write"
        case .roleAssignmentsDelete: "Microsoft.Authorization/roleAssignments/delete"
        case .applicationsRead: "Strongroom/applications/read"
        case .applicationsWrite: "Strongroom/applications/write"
        case .applicationsDelete: "Strongroom/applications/delete"
        case .usersRead: "Strongroom/users/read"
        case .usersWrite: "Strongroom/users/write"
        case .usersDelete: "Strongroom/users/delete"
        case .diagnosticsRead: "Microsoft.Insights/diagnosticSettings/read"
        case .diagnosticsWrite: "Microsoft.Insights/diagnosticSettings/write"
        case .diagnosticsDelete: "Microsoft.Insights/diagnosticSettings/delete"
        case .policyDefinitionsRead: "Microsoft.Authorization/policyDefinitions/read"
        case .policyDefinitionsWrite: "Microsoft.Authorization/policyDefinitions/write"
        case .policyDefinitionsDelete: "Microsoft.Authorization/policyDefinitions/delete"
        case .policyAssignmentsRead: "Microsoft.Authorization/policyAssignments/read"
        case .policyAssignmentsWrite: "Microsoft.Authorization/policyAssignments/write"
        case .policyAssignmentsDelete: "Microsoft.Authorization/policyAssignments/delete"
        case .auditRead: "Strongroom/audit/read"
        case .barrierRotate: "Strongroom/barrier/rotate/action"
        case .backupKeysExport: "Strongroom/backupKeys/export/action"
        case .backupKeysImport: "Strongroom/backupKeys/import/action"
        }
    }

    /// The action as the local roles of a managed HSM spell it; nil for what a pool does not have.
    package var poolAction: String? {
        let action: String
        switch self {
        case .keysRead: action = "keys/read/action"
        case .keysList: action = "keys/read/action"
        case .keysReadDeleted, .keysListDeleted: action = "keys/deletedKeys/read/action"
        case .keysCreate: action = "keys/create"
        case .keysImport: action = "keys/import/action"
        case .keysUpdate: action = "keys/write/action"
        case .keysDelete: action = "keys/delete"
        case .keysRecover: action = "keys/deletedKeys/recover/action"
        case .keysPurge: action = "keys/deletedKeys/delete"
        case .keysBackup: action = "keys/backup/action"
        case .keysRestore: action = "keys/restore/action"
        case .keysEncrypt: action = "keys/encrypt/action"
        case .keysDecrypt: action = "keys/decrypt/action"
        case .keysSign: action = "keys/sign/action"
        case .keysVerify: action = "keys/verify/action"
        case .keysWrap: action = "keys/wrap/action"
        case .keysUnwrap: action = "keys/unwrap/action"
        case .keysRotate: action = "keys/rotate/action"
        case .keyRotationPoliciesRead: action = "keys/read/action"
        case .keyRotationPoliciesWrite: action = "keys/write/action"
        case .keysRelease: action = "keys/release/action"
        case .randomBytes: action = "rng/action"
        case .localAssignmentsRead: action = "roleAssignments/read/action"
        case .localAssignmentsWrite: action = "roleAssignments/write/action"
        case .localAssignmentsDelete: action = "roleAssignments/delete/action"
        case .localDefinitionsRead: action = "roleDefinitions/read/action"
        // No role names actions for settings: who sees roles sees them, and administrators alone change them.
        case .localSettingsRead: action = "roleDefinitions/read/action"
        case .localSettingsWrite: action = "securitydomain/upload/action"
        case .localDefinitionsWrite: action = "roleDefinitions/write/action"
        case .localDefinitionsDelete: action = "roleDefinitions/delete/action"
        case .securityDomainDownload: action = "securitydomain/download/action"
        case .securityDomainUpload: action = "securitydomain/upload/action"
        case .securityDomainUploadRead: action = "securitydomain/upload/read"
        case .transferKeyRead: action = "securitydomain/transferkey/read"
        case .poolBackupStart: action = "backup/start/action"
        case .poolBackupRead: action = "backup/status/action"
        case .poolRestoreStart: action = "restore/start/action"
        case .poolRestoreRead: action = "restore/status/action"
        default: return nil
        }
        return "Microsoft.KeyVault/managedHsm/" + action
    }

    /// Whether it is about the keys of a pool, so that a role at `/keys` can give it.
    package var concernsPoolKeys: Bool { poolAction?.hasPrefix("Microsoft.KeyVault/managedHsm/keys/") ?? false }

    /// Data actions reach what is stored in a vault; management actions never do.
    package var isDataAction: Bool {
        switch self {
        case .vaultsRead, .vaultsWrite, .vaultsDelete, .accessPoliciesWrite, .deletedVaultsRead, .deletedVaultGet,
            .deletedVaultsPurge,
            .poolsRead, .poolsWrite, .poolsDelete, .deletedPoolsRead, .deletedPoolGet, .deletedPoolsPurge,
            .resourceKeysRead, .resourceKeysWrite, .resourceSecretsRead, .resourceSecretsWrite, .poolResourceKeysRead,
            .poolResourceKeysWrite, .privateEndpointsRead, .privateEndpointsWrite, .privateEndpointsDelete,
            .resourceGroupsWrite,
            .resourceGroupsDelete, .roleAssignmentsRead, .roleAssignmentsWrite, .roleAssignmentsDelete,
            .roleDefinitionsWrite, .roleDefinitionsDelete, .applicationsRead, .applicationsWrite, .applicationsDelete,
            .usersRead, .usersWrite, .usersDelete, .diagnosticsRead, .diagnosticsWrite, .diagnosticsDelete,
            .policyDefinitionsRead, .policyDefinitionsWrite, .policyDefinitionsDelete, .policyAssignmentsRead,
            .policyAssignmentsWrite, .policyAssignmentsDelete, .auditRead, .barrierRotate, .backupKeysExport,
            .backupKeysImport:
            false
        case .secretsGet, .secretsReadMetadata, .secretsReadDeleted, .secretsSet, .secretsUpdate, .secretsDelete,
            .secretsBackup, .secretsRestore, .secretsRecover, .secretsPurge, .keysRead, .keysList, .keysReadDeleted,
            .keysListDeleted,
            .keysCreate, .keysImport, .keysUpdate, .keysDelete, .keysRecover, .keysPurge, .keysBackup, .keysRestore,
            .keysEncrypt, .keysDecrypt, .keysSign, .keysVerify, .keysWrap, .keysUnwrap, .keysRotate,
            .keyRotationPoliciesRead, .keyRotationPoliciesWrite, .keysRelease, .randomBytes, .localAssignmentsRead,
            .localAssignmentsWrite, .localAssignmentsDelete, .localDefinitionsRead, .localDefinitionsWrite,
            .localDefinitionsDelete, .localSettingsRead, .localSettingsWrite, .securityDomainDownload,
            .securityDomainUpload, .securityDomainUploadRead, .transferKeyRead, .poolBackupStart, .poolBackupRead,
            .poolRestoreStart, .poolRestoreRead, .certificatesRead,
            .certificatesList, .certificatesCreate, .certificatesPendingUpdate, .certificatesPendingDelete,
            .certificatesImport, .certificatesUpdate, .certificatesDelete, .certificatesRecover, .certificatesPurge,
            .certificatesBackup, .certificatesRestore, .certificateContactsWrite, .certificateIssuersRead,
            .certificateIssuersList, .certificateIssuersWrite, .certificateIssuersDelete, .authoritiesIssue,
            .authoritiesRevoke:
            true
        }
    }
}

/// A set of permissions as bits, so that checking one costs an instruction.
package struct PermissionSet: Hashable, Sendable {
    private var bits: UInt128 = 0

    package init() {}

    package init(_ permissions: some Sequence<Permission>) {
        for permission in permissions { insert(permission) }
    }

    package mutating func insert(_ permission: Permission) { bits |= 1 << UInt128(permission.rawValue) }
    package func contains(_ permission: Permission) -> Bool { bits & (1 << UInt128(permission.rawValue)) != 0 }
    package mutating func formUnion(_ other: PermissionSet) { bits |= other.bits }
    package var isEmpty: Bool { bits == 0 }
}
