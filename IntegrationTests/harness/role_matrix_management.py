"""The rows of the role matrix for the management plane: resources, roles, the server's own affairs, and the directory."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass

from requests import Response

from .directory import NOBODY, SECRETS_USER
from .management_wire import LATEST, LOCATION
from .role_matrix import DATA_ACCESS_ADMINISTRATOR, SUBJECT, Row

PURGE_OPERATOR = "a68e7c17-0ab2-4c09-9a58-125dae29748c"
# Roles that are given to nobody in particular at each scope: who may give them is told that they are given already.
GIVEN = {SECRETS_USER: (), PURGE_OPERATOR: (DATA_ACCESS_ADMINISTRATOR,)}

_KEY_VAULT, _AUTHORIZATION = "/providers/Microsoft.KeyVault", "/providers/Microsoft.Authorization"
_NOTHING = str(uuid.uuid4())


@dataclass(frozen=True)
class Scopes:
    """Where roles may be held. `deleted` is a vault that was deleted and is protected from purging."""

    subscription: str
    group: str
    vault: str
    deleted: str
    pool: str

    @property
    def object(self) -> str:
        return f"{self.vault}/secrets/{SUBJECT}"

    @property
    def all(self) -> list[str]:
        return [self.subscription, self.group, self.vault, self.object]

    @property
    def deleted_path(self) -> str:
        return f"{self.subscription}{_KEY_VAULT}/locations/{LOCATION}/deletedVaults/{self.deleted.rsplit('/', 1)[1]}"

    @property
    def deleted_pool_path(self) -> str:
        return f"{self.subscription}{_KEY_VAULT}/locations/{LOCATION}/deletedManagedHSMs/none"


def _shows(identifier: str) -> Callable[[Response], bool]:
    """Whether a list has a resource."""

    def has(answer: Response) -> bool:
        items = answer.json()["value"]
        return any(identifier.lower() in (each["id"].lower(), each.get("properties", {}).get("vaultId", "").lower()) for each in items)

    return has


def _row(operation: str, method: str, path: str, action: str, target: str, told: int, body: object = None, **more) -> Row:
    more.setdefault("version", LATEST)
    return Row(operation, "management", method, path, (action,) if action else (), target, told, body, **more)


def _known(at: Scopes) -> list[Row]:
    """What every token opens."""
    provider = at.subscription + _KEY_VAULT
    name = {"name": "a-name-of-its-own", "type": "Microsoft.KeyVault/vaults"}
    rows = [
        ("TenantList", "GET", "/tenants", 200, None),
        ("SubscriptionList", "GET", "/subscriptions", 200, None),
        ("SubscriptionGet", "GET", at.subscription, 200, None),
        ("LocationList", "GET", f"{at.subscription}/locations", 200, None),
        ("ProviderList", "GET", f"{at.subscription}/providers", 200, None),
        ("ProviderGet", "GET", provider, 200, None),
        ("ResourceGroupList", "GET", f"{at.subscription}/resourcegroups", 200, None),
        ("ResourceGroupGet", "GET", at.group, 200, None),
        ("VaultNameCheck", "POST", f"{provider}/checkNameAvailability", 200, name),
        ("ManagedHSMNameCheck", "POST", f"{provider}/checkMhsmNameAvailability", 200, name),
        ("DeletedManagedHSMList", "GET", f"{provider}/deletedManagedHSMs", 200, None),
        ("OperationResultGet", "GET", f"{provider}/locations/{LOCATION}/operationResults/none", 404, None),
        ("ManagedHSMOperationResultGet", "GET", f"{provider}/locations/{LOCATION}/managedHsmOperationResults/none", 404, None),
    ]
    for scope in ["", *at.all]:
        path = f"{scope}{_AUTHORIZATION}/roleDefinitions"
        rows += [("RoleDefinitionList", "GET", path, 200, None), ("RoleDefinitionGet", "GET", f"{path}/{SECRETS_USER}", 200, None)]
    return [_row(operation, method, path, "", "", told, body) for operation, method, path, told, body in rows]


def _listed(at: Scopes) -> list[Row]:
    """Lists that everyone may ask for and that show what one may read."""
    read, read_pool = "Microsoft.KeyVault/vaults/read", "Microsoft.KeyVault/managedHSMs/read"
    rows = [_row("ResourceList", "GET", f"{at.subscription}/resources", read, at.vault, 200, lets_in=_shows(at.vault))]
    rows.append(_row("ResourceList", "GET", f"{at.subscription}/resources", read_pool, at.group, 200, lets_in=_shows(at.pool)))
    for scope in (at.subscription, at.group):
        path = scope + _KEY_VAULT
        rows.append(_row("VaultList", "GET", f"{path}/vaults", read, at.vault, 200, lets_in=_shows(at.vault)))
        rows.append(_row("ManagedHSMList", "GET", f"{path}/managedHSMs", read_pool, at.group, 200, lets_in=_shows(at.pool)))
    deleted = f"{at.subscription}{_KEY_VAULT}/deletedVaults"
    rows.append(_row(
        "DeletedVaultList", "GET", deleted, "Microsoft.KeyVault/deletedVaults/read", at.deleted, 200, lets_in=_shows(at.deleted)))
    return rows


def _resources(at: Scopes) -> list[Row]:
    groups, vaults = "Microsoft.Resources/subscriptions/resourceGroups/", "Microsoft.KeyVault/vaults/"
    pools, deleted_pools = "Microsoft.KeyVault/managedHSMs/", "Microsoft.KeyVault/locations/deletedManagedHSMs/"
    deleted = "Microsoft.KeyVault/locations/deletedVaults/"
    fixed = {"properties": {"softDeleteRetentionInDays": 8}}
    return [
        _row("ResourceGroupPut", "PUT", at.group, f"{groups}write", at.group, 400, {}),
        # There are vaults in it.
        _row("ResourceGroupDelete", "DELETE", at.group, f"{groups}delete", at.group, 409),
        _row("VaultGet", "GET", at.vault, f"{vaults}read", at.vault, 200),
        _row("VaultPut", "PUT", at.vault, f"{vaults}write", at.vault, 400, {}),
        _row("VaultPatch", "PATCH", at.vault, f"{vaults}write", at.vault, 400, fixed),
        _row("VaultDelete", "DELETE", at.vault, f"{vaults}delete", at.vault, 400, version="none"),
        _row("VaultAccessPolicyPut", "PUT", f"{at.vault}/accessPolicies/forget", f"{vaults}accessPolicies/write", at.vault, 400, {}),
        _row("ManagedHSMGet", "GET", at.pool, f"{pools}read", at.group, 200),
        _row("ManagedHSMRegionList", "GET", f"{at.pool}/regions", f"{pools}read", at.group, 200),
        _row("ManagedHSMPut", "PUT", at.pool, f"{pools}write", at.group, 400, {"location": 7}),
        _row("ManagedHSMPatch", "PATCH", at.pool, f"{pools}write", at.group, 400, fixed),
        _row("ManagedHSMDelete", "DELETE", at.pool, f"{pools}delete", at.group, 400, version="none"),
        # There is none: that is told to who may do the same everywhere.
        _row("DeletedManagedHSMGet", "GET", at.deleted_pool_path, f"{deleted_pools}read", at.subscription, 404),
        _row("ManagedHSMPurge", "POST", f"{at.deleted_pool_path}/purge", f"{deleted_pools}purge/action", at.subscription, 404),
        _row("DeletedVaultGet", "GET", at.deleted_path, f"{deleted}read", at.deleted, 200),
        # Purge protection forbids it.
        _row("VaultPurge", "POST", f"{at.deleted_path}/purge", f"{deleted}purge/action", at.deleted, 403),
    ]


def _objects(at: Scopes) -> list[Row]:
    """Keys and secrets as resources. The pool keeps its keys to itself, which is told to who may manage them, as another 403."""
    rows, none = [], "0" * 32
    for operation, keys, action, target, kept in [
        ("VaultKey", f"{at.vault}/keys", "Microsoft.KeyVault/vaults/keys", at.vault, None),
        ("ManagedHSMKey", f"{at.pool}/keys", "Microsoft.KeyVault/managedHSMs/keys", at.group, 403),
    ]:
        one = f"{keys}/{SUBJECT}"
        rows += [
            _row(f"{operation}Put", "PUT", one, f"{action}/write", target, 400, {}),
            _row(f"{operation}Get", "GET", one, f"{action}/read", target, kept or 404),
            _row(f"{operation}List", "GET", keys, f"{action}/read", target, kept or 200),
            _row(f"{operation}VersionGet", "GET", f"{one}/versions/{none}", f"{action}/read", target, kept or 404),
            _row(f"{operation}VersionList", "GET", f"{one}/versions", f"{action}/read", target, kept or 200),
        ]
    secrets, action = f"{at.vault}/secrets", "Microsoft.KeyVault/vaults/secrets"
    one = f"{secrets}/{SUBJECT}"
    return [
        *rows,
        _row("VaultSecretPut", "PUT", one, f"{action}/write", at.vault, 400, {}),
        _row("VaultSecretPatch", "PATCH", one, f"{action}/write", at.vault, 404, {}),
        _row("VaultSecretGet", "GET", one, f"{action}/read", at.vault, 404),
        _row("VaultSecretList", "GET", secrets, f"{action}/read", at.vault, 200),
    ]


def _private_endpoints(at: Scopes) -> list[Row]:
    of_vaults, of_pools = "Microsoft.KeyVault/vaults/privateEndpointConnections/", "Microsoft.KeyVault/managedHSMs/"
    rows = []
    for kind, resource, target, actions, forget in (
        ("Vault", at.vault, at.vault, of_vaults, "delete"), ("ManagedHSM", at.pool, at.group, of_pools, "write"),
    ):
        path, prefix = f"{resource}/privateEndpointConnections", f"{kind}PrivateEndpointConnection"
        rows += [
            _row(f"{prefix}List", "GET", path, f"{actions}read", target, 200),
            _row(f"{prefix}Get", "GET", f"{path}/none", f"{actions}read", target, 404),
            # A new one names its private endpoint.
            _row(f"{prefix}Put", "PUT", f"{path}/none", f"{actions}write", target, 404, {}),
            _row(f"{prefix}Delete", "DELETE", f"{path}/none", f"{actions}{forget}", target, 204),
            _row(f"{kind}PrivateLinkResourceList", "GET", f"{resource}/privateLinkResources", f"{actions}read", target, 200),
        ]
    return rows


def _roles(at: Scopes, given: dict[tuple[str, str], str]) -> list[Row]:
    """Roles, read and given at each scope. `given` are the names of standing assignments by scope and role."""
    rows = []
    for number, scope in enumerate(at.all):
        assignments, definitions = f"{scope}{_AUTHORIZATION}/roleAssignments", f"{scope}{_AUTHORIZATION}/roleDefinitions"
        read, write, delete = (f"Microsoft.Authorization/roleAssignments/{verb}" for verb in ("read", "write", "delete"))
        define, forget = (f"Microsoft.Authorization/roleDefinitions/{verb}" for verb in ("write", "delete"))
        rows += [
            _row("RoleAssignmentList", "GET", assignments, read, scope, 200),
            _row("RoleAssignmentGet", "GET", f"{assignments}/{_NOTHING}", read, scope, 404),
            _row("RoleAssignmentPut", "PUT", f"{assignments}/{_NOTHING}", write, scope, 400, {}),
            _row("RoleAssignmentDelete", "DELETE", f"{assignments}/{_NOTHING}", delete, scope, 404),
            _row("RoleDefinitionPut", "PUT", f"{definitions}/{_NOTHING}", define, scope, 400, {}),
            _row("RoleDefinitionDelete", "DELETE", f"{definitions}/{_NOTHING}", forget, scope, 204),
            _row(
                "AccessExplain", "GET", "/strongroom/access/explanation", read, scope, 200, version=None,
                query={"principal": NOBODY, "operation": "VaultGet", "scope": scope}),
        ]
        elsewhere = at.all[number - 1]
        for role, not_for in GIVEN.items():
            body = {"properties": {"roleDefinitionId": role, "principalId": NOBODY}}
            # The same is given under another name; what is to be taken away is given at another scope.
            rows.append(_row("RoleAssignmentPut", "PUT", f"{assignments}/{uuid.uuid4()}", write, scope, 409, body, not_for=not_for))
            rows.append(_row(
                "RoleAssignmentDelete", "DELETE", f"{assignments}/{given[elsewhere, role]}", delete, scope, 404, not_for=not_for))
    return rows


def _diagnostics(at: Scopes) -> list[Row]:
    rows = []
    for scope in (at.vault, at.pool):
        settings, action = f"{scope}/providers/Microsoft.Insights/diagnosticSettings", "Microsoft.Insights/diagnosticSettings"
        rows += [
            _row("DiagnosticSettingPut", "PUT", f"{settings}/none", f"{action}/write", scope, 400, {}),
            _row("DiagnosticSettingGet", "GET", f"{settings}/none", f"{action}/read", scope, 404),
            _row("DiagnosticSettingList", "GET", settings, f"{action}/read", scope, 200),
            _row("DiagnosticSettingDelete", "DELETE", f"{settings}/none", f"{action}/delete", scope, 204),
            _row("DiagnosticCategoryList", "GET", f"{settings}Categories", f"{action}/read", scope, 200),
            _row("DiagnosticCategoryGet", "GET", f"{settings}Categories/AuditEvent", f"{action}/read", scope, 200),
        ]
    return rows


def _policies(at: Scopes) -> list[Row]:
    """Policies, which are defined in the subscription and assigned at each scope."""
    places = [("Definition", at.subscription), *(("Assignment", scope) for scope in (at.subscription, at.group, at.vault, at.pool))]
    rows = []
    for kind, scope in places:
        path, action = f"{scope}{_AUTHORIZATION}/policy{kind}s", f"Microsoft.Authorization/policy{kind}s"
        rows += [
            _row(f"Policy{kind}Put", "PUT", f"{path}/none", f"{action}/write", scope, 400, {}),
            _row(f"Policy{kind}Get", "GET", f"{path}/none", f"{action}/read", scope, 404),
            _row(f"Policy{kind}List", "GET", path, f"{action}/read", scope, 200),
            _row(f"Policy{kind}Delete", "DELETE", f"{path}/none", f"{action}/delete", scope, 204),
        ]
    return rows


def _server(at: Scopes) -> list[Row]:
    """The server's own affairs, which are of the whole subscription."""
    applications, one = "/strongroom/applications", f"/strongroom/applications/{_NOTHING}"
    people, person = "/strongroom/users", f"/strongroom/users/{_NOTHING}"
    rows = [
        ("ApplicationCreate", "POST", applications, "applications/write", 400, {}),
        ("ApplicationList", "GET", applications, "applications/read", 200, None),
        ("ApplicationDisable", "POST", f"{one}/disable", "applications/write", 404, None),
        ("ApplicationEnable", "POST", f"{one}/enable", "applications/write", 404, None),
        ("ApplicationResetPassword", "POST", f"{one}/resetPassword", "applications/write", 404, None),
        ("ApplicationCertificateAdd", "POST", f"{one}/certificates", "applications/write", 400, {}),
        ("ApplicationCertificateRemove", "DELETE", f"{one}/certificates/{'0' * 40}", "applications/write", 404, None),
        ("ApplicationDelete", "DELETE", one, "applications/delete", 404, None),
        ("PersonCreate", "POST", people, "users/write", 400, {}),
        ("PersonList", "GET", people, "users/read", 200, None),
        ("PersonGet", "GET", person, "users/read", 404, None),
        ("PersonDisable", "POST", f"{person}/disable", "users/write", 404, None),
        ("PersonEnable", "POST", f"{person}/enable", "users/write", 404, None),
        ("PersonResetPassword", "POST", f"{person}/resetPassword", "users/write", 404, None),
        ("PersonResetAuthenticator", "POST", f"{person}/resetAuthenticator", "users/write", 404, None),
        ("PersonRemoveAuthenticator", "POST", f"{person}/removeAuthenticator", "users/write", 404, None),
        ("PersonRevokeSessions", "POST", f"{person}/revokeSessions", "users/write", 404, None),
        ("PersonDelete", "DELETE", person, "users/delete", 404, None),
        ("AuditVerify", "GET", "/strongroom/audit/verification", "audit/read", 200, None),
        ("AuditExport", "GET", "/strongroom/audit/events?after=none", "audit/read", 400, None),
        ("BarrierRotate", "POST", "/strongroom/barrier/rotate", "barrier/rotate/action", 400, {"target": "none"}),
        ("BarrierMove", "POST", "/strongroom/barrier/move", "barrier/rotate/action", 400, {"to": "none"}),
        ("BackupKeyExport", "POST", "/strongroom/backupKeys/export", "backupKeys/export/action", 400, {"passphrase": "short"}),
        ("BackupKeyImport", "POST", "/strongroom/backupKeys/import", "backupKeys/import/action", 400, {}),
        ("KeyInspect", "GET", f"/strongroom/keys/vault/{at.vault.rsplit('/', 1)[1]}/{SUBJECT}", "audit/read", 404, None),
    ]
    demands = "/strongroom/mfaDemands"
    return [
        _row("MFADemandsGet", "GET", demands, "Microsoft.Authorization/roleAssignments/read", at.subscription, 200, version=None),
        # Who may only give some roles must not lift what others demand.
        _row(
            "MFADemandsSet", "PUT", demands, "Microsoft.Authorization/roleDefinitions/write", at.subscription, 400,
            {"scopes": ["none"]}, version=None),
        *(_row(operation, method, path, f"Strongroom/{action}", at.subscription, told, body, version=None)
          for operation, method, path, action, told, body in rows)]


def _directory(at: Scopes) -> list[Row]:
    principal, group, application, user = (f"/{kind}/{_NOTHING}" for kind in ("servicePrincipals", "groups", "applications", "users"))
    credentials = f"{application}/federatedIdentityCredentials"
    ids = {"groupIds": [_NOTHING]}
    rows = [
        ("DirectoryMeGet", "GET", "/me", "", 200, None),
        ("ServicePrincipalList", "GET", "/servicePrincipals", "read", 200, None),
        ("ServicePrincipalGet", "GET", principal, "read", 404, None),
        ("GraphApplicationList", "GET", "/applications", "read", 200, None),
        ("GraphApplicationGet", "GET", application, "read", 404, None),
        ("DirectoryObjectsGetByIds", "POST", "/directoryObjects/getByIds", "read", 200, {"ids": [_NOTHING]}),
        ("DirectoryObjectMemberOfList", "GET", f"{principal}/memberOf", "read", 404, None),
        ("DirectoryObjectGetMemberGroups", "POST", f"{principal}/getMemberGroups", "read", 404, {"securityEnabledOnly": False}),
        ("DirectoryObjectCheckMemberGroups", "POST", f"/directoryObjects/{_NOTHING}/checkMemberGroups", "read", 404, ids),
        ("GroupList", "GET", "/groups", "read", 200, None),
        ("GroupCreate", "POST", "/groups", "write", 400, {}),
        ("GroupGet", "GET", group, "read", 404, None),
        ("GroupUpdate", "PATCH", group, "write", 404, {"description": "x"}),
        ("GroupDelete", "DELETE", group, "delete", 404, None),
        ("GroupMemberList", "GET", f"{group}/members", "read", 404, None),
        ("GroupMemberAdd", "POST", f"{group}/members/$ref", "write", 400, {}),
        ("GroupMemberRemove", "DELETE", f"{group}/members/{_NOTHING}/$ref", "write", 404, None),
        ("FederatedCredentialList", "GET", credentials, "read", 404, None),
        ("FederatedCredentialCreate", "POST", credentials, "write", 400, {}),
        ("FederatedCredentialGet", "GET", f"{credentials}/none", "read", 404, None),
        ("FederatedCredentialDelete", "DELETE", f"{credentials}/none", "write", 404, None),
    ]
    people = [
        ("UserList", "GET", "/users", "read", 200, None),
        ("UserCreate", "POST", "/users", "write", 400, {}),
        ("UserGet", "GET", user, "read", 404, None),
        ("UserUpdate", "PATCH", user, "write", 404, {"displayName": "x"}),
        ("UserDelete", "DELETE", user, "delete", 404, None),
        ("UserRevokeSessions", "POST", f"{user}/revokeSignInSessions", "write", 404, None),
    ]
    return [
        Row(operation, "graph", method, f"/v1.0{path}", (f"Strongroom/{what}/{verb}",) if verb else (), at.subscription, told, body,
            version=None)
        for what, each in (("applications", rows), ("users", people)) for operation, method, path, verb, told, body in each]


def management_rows(at: Scopes, given: dict[tuple[str, str], str]) -> list[Row]:
    return [
        *_known(at), *_listed(at), *_resources(at), *_objects(at), *_private_endpoints(at), *_roles(at, given), *_diagnostics(at),
        *_policies(at), *_server(at), *_directory(at)]
