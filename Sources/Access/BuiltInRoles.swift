import Domain

/// The built-in roles of the service, and the four general ones that management needs.
///
/// - Source: Azure built-in roles for Key Vault; names, identifiers and actions as published.
package enum BuiltInRoles {
    package static let all: [RoleDefinition] = general + keyVault + pool

    private static let general: [RoleDefinition] = [
        RoleDefinition(
            name: "Owner", id: "8e3af657-a8ff-443c-a75c-2fe8c4bcb635", actions: ["*"]),
        RoleDefinition(
            name: "Contributor", id: "b24988ac-6180-42a0-ab88-20f7382dd24c", actions: ["*"],
            notActions: [
                "Microsoft.Authorization/*/Delete", "Microsoft.Authorization/*/Write",
                "Microsoft.Authorization/elevateAccess/Action", "Strongroom/applications/*", "Strongroom/users/*",
                "Strongroom/backupKeys/*",
            ]),
        RoleDefinition(
            name: "Reader", id: "acdd72a7-3385-48ef-bd42-f606fba81ae7", actions: ["*/read"]),
        RoleDefinition(
            name: "User Access Administrator", id: "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9",
            actions: [
                "*/read", "Microsoft.Authorization/*", "Microsoft.Support/*", "Strongroom/applications/*",
                "Strongroom/users/*",
            ]),
    ]

    /// What most roles of a vault may see of the management plane.
    private static let lookAround = [
        "Microsoft.Authorization/*/read",
        "Microsoft.Insights/alertRules/*",
        "Microsoft.Resources/deployments/*",
        "Microsoft.Resources/subscriptions/resourceGroups/read",
        "Microsoft.Support/*",
        "Microsoft.KeyVault/checkNameAvailability/read",
        "Microsoft.KeyVault/deletedVaults/read",
        "Microsoft.KeyVault/locations/*/read",
        "Microsoft.KeyVault/vaults/*/read",
        "Microsoft.KeyVault/operations/read",
    ]

    private static let keyVault: [RoleDefinition] = [
        RoleDefinition(
            name: "Key Vault Administrator", id: "00482a5a-887f-4fb3-b363-3b7fe8e74483",
            actions: lookAround,
            dataActions: ["Microsoft.KeyVault/vaults/*"]),
        RoleDefinition(
            name: "Key Vault Reader", id: "21090545-7ca7-4776-b22c-e363652d74d2",
            actions: lookAround,
            dataActions: ["Microsoft.KeyVault/vaults/*/read", "Microsoft.KeyVault/vaults/secrets/readMetadata/action"]),
        RoleDefinition(
            name: "Key Vault Certificates Officer", id: "a4417e6f-fecd-4de8-b567-7b0420556985",
            actions: lookAround,
            dataActions: [
                "Microsoft.KeyVault/vaults/certificatecas/*",
                "Microsoft.KeyVault/vaults/certificates/*",
                "Microsoft.KeyVault/vaults/certificatecontacts/write",
            ]),
        RoleDefinition(
            name: "Key Vault Certificate User", id: "db79e9a7-68ee-4b58-9aeb-b90e7c24fcba",
            dataActions: [
                "Microsoft.KeyVault/vaults/certificates/read",
                "Microsoft.KeyVault/vaults/secrets/getSecret/action",
                "Microsoft.KeyVault/vaults/secrets/readMetadata/action",
                "Microsoft.KeyVault/vaults/keys/read",
            ]),
        RoleDefinition(
            name: "Key Vault Crypto Officer", id: "14b46e9e-c2b7-41b4-b07b-48a6ebf60603",
            actions: lookAround,
            dataActions: ["Microsoft.KeyVault/vaults/keys/*", "Microsoft.KeyVault/vaults/keyrotationpolicies/*"]),
        RoleDefinition(
            name: "Key Vault Crypto User", id: "12338af0-0e69-4776-bea7-57ae8d297424",
            dataActions: [
                "Microsoft.KeyVault/vaults/keys/read",
                "Microsoft.KeyVault/vaults/keys/update/action",
                "Microsoft.KeyVault/vaults/keys/backup/action",
                "Microsoft.KeyVault/vaults/keys/encrypt/action",
                "Microsoft.KeyVault/vaults/keys/decrypt/action",
                "Microsoft.KeyVault/vaults/keys/wrap/action",
                "Microsoft.KeyVault/vaults/keys/unwrap/action",
                "Microsoft.KeyVault/vaults/keys/sign/action",
                "Microsoft.KeyVault/vaults/keys/verify/action",
            ]),
        RoleDefinition(
            name: "Key Vault Crypto Service Encryption User", id: "e147488a-f6f5-4113-8e2d-b22465e65bf6",
            actions: [
                "Microsoft.EventGrid/eventSubscriptions/write",
                "Microsoft.EventGrid/eventSubscriptions/read",
                "Microsoft.EventGrid/eventSubscriptions/delete",
            ],
            dataActions: [
                "Microsoft.KeyVault/vaults/keys/read",
                "Microsoft.KeyVault/vaults/keys/wrap/action",
                "Microsoft.KeyVault/vaults/keys/unwrap/action",
            ]),
        RoleDefinition(
            name: "Key Vault Crypto Service Release User", id: "08bbd89e-9f13-488c-ac41-acfcb10c90ab",
            dataActions: ["Microsoft.KeyVault/vaults/keys/release/action"]),
        RoleDefinition(
            name: "Key Vault Secrets Officer", id: "b86a8fe4-44ce-4948-aee5-eccb2c155cd7",
            actions: lookAround,
            dataActions: ["Microsoft.KeyVault/vaults/secrets/*"]),
        RoleDefinition(
            name: "Key Vault Secrets User", id: "4633458b-17de-408a-b874-0445c86b69e6",
            dataActions: [
                "Microsoft.KeyVault/vaults/secrets/getSecret/action",
                "Microsoft.KeyVault/vaults/secrets/readMetadata/action",
            ]),
        RoleDefinition(
            name: "Key Vault Contributor", id: "f25e0fa2-a7c8-4377-a976-54943a77a395",
            actions: [
                "Microsoft.Authorization/*/read",
                "Microsoft.Insights/alertRules/*",
                "Microsoft.KeyVault/*",
                "Microsoft.Resources/deployments/*",
                "Microsoft.Resources/subscriptions/resourceGroups/read",
                "Microsoft.Support/*",
            ],
            notActions: [
                "Microsoft.KeyVault/locations/deletedVaults/purge/action",
                "Microsoft.KeyVault/hsmPools/*",
                "Microsoft.KeyVault/managedHsms/*",
            ]),
        RoleDefinition(
            name: "Key Vault Data Access Administrator", id: "8b54135c-b56d-4d72-a534-26097cfdc8d8",
            actions: [
                "Microsoft.Authorization/roleAssignments/write",
                "Microsoft.Authorization/roleAssignments/delete",
                "Microsoft.Authorization/*/read",
                "Microsoft.Resources/deployments/*",
                "Microsoft.Resources/subscriptions/resourceGroups/read",
                "Microsoft.Resources/subscriptions/read",
                "Microsoft.Management/managementGroups/read",
                "Microsoft.Support/*",
                "Microsoft.KeyVault/vaults/*/read",
            ],
            assignableRoles: [
                "00482a5a-887f-4fb3-b363-3b7fe8e74483", "a4417e6f-fecd-4de8-b567-7b0420556985",
                "14b46e9e-c2b7-41b4-b07b-48a6ebf60603", "e147488a-f6f5-4113-8e2d-b22465e65bf6",
                "12338af0-0e69-4776-bea7-57ae8d297424", "21090545-7ca7-4776-b22c-e363652d74d2",
                "b86a8fe4-44ce-4948-aee5-eccb2c155cd7", "4633458b-17de-408a-b874-0445c86b69e6",
            ]),
        RoleDefinition(
            name: "Key Vault Purge Operator", id: "a68e7c17-0ab2-4c09-9a58-125dae29748c",
            actions: [
                "Microsoft.KeyVault/locations/deletedVaults/read",
                "Microsoft.KeyVault/locations/deletedVaults/purge/action",
                "Microsoft.KeyVault/locations/operationResults/read",
            ]),
        RoleDefinition(
            name: "Managed HSM contributor", id: "18500a29-7fe2-46b2-a342-b16a415e101d",
            actions: [
                "Microsoft.KeyVault/managedHSMs/*",
                "Microsoft.KeyVault/deletedManagedHsms/read",
                "Microsoft.KeyVault/locations/deletedManagedHsms/read",
                "Microsoft.KeyVault/locations/deletedManagedHsms/purge/action",
                "Microsoft.KeyVault/locations/managedHsmOperationResults/read",
            ]),
    ]

    /// The local roles of managed HSM pools. Exclusive by design: who administers a pool cannot use its keys.
    private static let pool: [RoleDefinition] = [
        RoleDefinition(
            name: "Managed HSM Administrator", id: "a290e904-7015-4bba-90c8-60543313cdb4",
            dataActions: [
                "Microsoft.KeyVault/managedHsm/securitydomain/download/action",
                "Microsoft.KeyVault/managedHsm/securitydomain/upload/action",
                "Microsoft.KeyVault/managedHsm/securitydomain/upload/read",
                "Microsoft.KeyVault/managedHsm/securitydomain/transferkey/read",
                "Microsoft.KeyVault/managedHsm/backup/start/action",
                "Microsoft.KeyVault/managedHsm/backup/status/action",
                "Microsoft.KeyVault/managedHsm/restore/start/action",
                "Microsoft.KeyVault/managedHsm/restore/status/action",
                "Microsoft.KeyVault/managedHsm/roleAssignments/read/action",
                "Microsoft.KeyVault/managedHsm/roleDefinitions/read/action",
                "Microsoft.KeyVault/managedHsm/roleAssignments/write/action",
                "Microsoft.KeyVault/managedHsm/roleAssignments/delete/action",
                "Microsoft.KeyVault/managedHsm/roleDefinitions/write/action",
                "Microsoft.KeyVault/managedHsm/roleDefinitions/delete/action",
            ], isOfPool: true),
        RoleDefinition(
            name: "Managed HSM Crypto Officer", id: "515eb02d-2335-4d2d-92f2-b1cbdf9c3778",
            dataActions: [
                "Microsoft.KeyVault/managedHsm/keys/deletedKeys/read/action",
                "Microsoft.KeyVault/managedHsm/keys/deletedKeys/recover/action",
                "Microsoft.KeyVault/managedHsm/keys/deletedKeys/delete",
                "Microsoft.KeyVault/managedHsm/roleAssignments/read/action",
                "Microsoft.KeyVault/managedHsm/roleDefinitions/read/action",
                "Microsoft.KeyVault/managedHsm/roleAssignments/write/action",
                "Microsoft.KeyVault/managedHsm/roleAssignments/delete/action",
                "Microsoft.KeyVault/managedHsm/roleDefinitions/write/action",
                "Microsoft.KeyVault/managedHsm/roleDefinitions/delete/action",
            ], isOfPool: true),
        RoleDefinition(
            name: "Managed HSM Crypto User", id: "21dbd100-6940-42c2-9190-5d6cb909625b",
            dataActions: [
                "Microsoft.KeyVault/managedHsm/keys/read/action",
                "Microsoft.KeyVault/managedHsm/keys/write/action",
                "Microsoft.KeyVault/managedHsm/keys/rotate/action",
                "Microsoft.KeyVault/managedHsm/keys/create",
                "Microsoft.KeyVault/managedHsm/keys/delete",
                "Microsoft.KeyVault/managedHsm/keys/backup/action",
                "Microsoft.KeyVault/managedHsm/keys/restore/action",
                "Microsoft.KeyVault/managedHsm/keys/release/action",
                "Microsoft.KeyVault/managedHsm/keys/import/action",
                "Microsoft.KeyVault/managedHsm/keys/encrypt/action",
                "Microsoft.KeyVault/managedHsm/keys/decrypt/action",
                "Microsoft.KeyVault/managedHsm/keys/wrap/action",
                "Microsoft.KeyVault/managedHsm/keys/unwrap/action",
                "Microsoft.KeyVault/managedHsm/keys/sign/action",
                "Microsoft.KeyVault/managedHsm/keys/verify/action",
                "Microsoft.KeyVault/managedHsm/roleAssignments/read/action",
                "Microsoft.KeyVault/managedHsm/roleDefinitions/read/action",
                "Microsoft.KeyVault/managedHsm/rng/action",
            ], isOfPool: true),
        RoleDefinition(
            name: "Managed HSM Policy Administrator", id: "4bd23610-cdcf-4971-bdee-bdc562cc28e4",
            dataActions: [
                "Microsoft.KeyVault/managedHsm/roleAssignments/read/action",
                "Microsoft.KeyVault/managedHsm/roleDefinitions/read/action",
                "Microsoft.KeyVault/managedHsm/roleAssignments/write/action",
                "Microsoft.KeyVault/managedHsm/roleAssignments/delete/action",
                "Microsoft.KeyVault/managedHsm/roleDefinitions/write/action",
                "Microsoft.KeyVault/managedHsm/roleDefinitions/delete/action",
            ], isOfPool: true),
        RoleDefinition(
            name: "Managed HSM Crypto Auditor", id: "2c18b078-7c48-4d3a-af88-5a3a1b3f82b3",
            dataActions: [
                "Microsoft.KeyVault/managedHsm/keys/read/action",
                "Microsoft.KeyVault/managedHsm/roleAssignments/read/action",
                "Microsoft.KeyVault/managedHsm/roleDefinitions/read/action",
            ], isOfPool: true),
        RoleDefinition(
            name: "Managed HSM Crypto Service Encryption User", id: "33413926-3206-4cdd-b39a-83574fe37a17",
            dataActions: [
                "Microsoft.KeyVault/managedHsm/keys/read/action",
                "Microsoft.KeyVault/managedHsm/keys/wrap/action",
                "Microsoft.KeyVault/managedHsm/keys/unwrap/action",
            ], isOfPool: true),
        RoleDefinition(
            name: "Managed HSM Crypto Service Release User", id: "21dbd100-6940-42c2-9190-5d6cb909625c",
            dataActions: [
                "Microsoft.KeyVault/managedHsm/keys/release/action"
            ], isOfPool: true),
        RoleDefinition(
            name: "Managed HSM Backup", id: "7b127d3c-77bd-4e3e-bbe0-dbb8971fa7f8",
            dataActions: [
                "Microsoft.KeyVault/managedHsm/keys/backup/action",
                "Microsoft.KeyVault/managedHsm/backup/start/action",
                "Microsoft.KeyVault/managedHsm/backup/status/action",
            ], isOfPool: true),
        RoleDefinition(
            name: "Managed HSM Restore", id: "6efe6056-5259-49d2-8b3d-d3d73544b20b",
            dataActions: [
                "Microsoft.KeyVault/managedHsm/keys/restore/action",
                "Microsoft.KeyVault/managedHsm/restore/start/action",
                "Microsoft.KeyVault/managedHsm/restore/status/action",
            ], isOfPool: true),
    ]
}
