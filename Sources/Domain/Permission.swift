/// What an operation needs: an action of Azure RBAC, and beside it the name a legacy access policy uses.
///
/// - Source: behaviour of the service per operation; built-in roles name the same actions.
package enum Permission: UInt8, CaseIterable, Sendable {
    case secretsGet, secretsReadMetadata, secretsSet, secretsUpdate, secretsDelete, secretsBackup, secretsRestore,
        secretsRecover
    case secretsPurge
    case roleAssignmentsRead, roleAssignmentsWrite, roleAssignmentsDelete
    case applicationsRead, applicationsWrite, applicationsDelete
    case auditRead, barrierRotate, backupKeysExport, backupKeysImport

    /// The action as role definitions spell it.
    package var action: String {
        switch self {
        case .secretsGet: "Microsoft.KeyVault/vaults/secrets/getSecret/action"
        case .secretsReadMetadata: "Microsoft.KeyVault/vaults/secrets/readMetadata/action"
        case .secretsSet: "Microsoft.KeyVault/vaults/secrets/setSecret/action"
        case .secretsUpdate: "Microsoft.KeyVault/vaults/secrets/update/action"
        case .secretsDelete: "Microsoft.KeyVault/vaults/secrets/delete"
        case .secretsBackup: "Microsoft.KeyVault/vaults/secrets/backup/action"
        case .secretsRestore: "Microsoft.KeyVault/vaults/secrets/restore/action"
        case .secretsRecover: "Microsoft.KeyVault/vaults/secrets/recover/action"
        case .secretsPurge: "Microsoft.KeyVault/vaults/secrets/purge/action"
        case .roleAssignmentsRead: "Microsoft.Authorization/roleAssignments/read"
        case .roleAssignmentsWrite: "Microsoft.Authorization/roleAssignments/write"
        case .roleAssignmentsDelete: "Microsoft.Authorization/roleAssignments/delete"
        case .applicationsRead: "Strongroom/applications/read"
        case .applicationsWrite: "Strongroom/applications/write"
        case .applicationsDelete: "Strongroom/applications/delete"
        case .auditRead: "Strongroom/audit/read"
        case .barrierRotate: "Strongroom/barrier/rotate/action"
        case .backupKeysExport: "Strongroom/backupKeys/export/action"
        case .backupKeysImport: "Strongroom/backupKeys/import/action"
        }
    }

    /// Data actions reach what is stored in a vault; management actions never do.
    package var isDataAction: Bool {
        switch self {
        case .secretsGet, .secretsReadMetadata, .secretsSet, .secretsUpdate, .secretsDelete, .secretsBackup,
            .secretsRestore,
            .secretsRecover, .secretsPurge:
            true
        case .roleAssignmentsRead, .roleAssignmentsWrite, .roleAssignmentsDelete, .applicationsRead, .applicationsWrite,
            .applicationsDelete, .auditRead, .barrierRotate, .backupKeysExport, .backupKeysImport:
            false
        }
    }
}

/// A set of permissions as bits, so that checking one costs an instruction.
package struct PermissionSet: Hashable, Sendable {
    private var bits: UInt64 = 0

    package init() {}

    package init(_ permissions: some Sequence<Permission>) {
        for permission in permissions { insert(permission) }
    }

    package mutating func insert(_ permission: Permission) { bits |= 1 << UInt64(permission.rawValue) }
    package func contains(_ permission: Permission) -> Bool { bits & (1 << UInt64(permission.rawValue)) != 0 }
    package mutating func formUnion(_ other: PermissionSet) { bits |= other.bits }
    package var isEmpty: Bool { bits == 0 }
}
