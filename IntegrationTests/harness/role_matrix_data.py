"""The rows of the role matrix for what is in vaults and pools: secrets, keys, certificates, and the local affairs of a pool."""

import base64
import uuid

from .certificates_wire import policy
from .role_matrix import SUBJECT, Row
from .tokens import encode

# Keys that are there, for what only they show: a public part is for whoever may read the key, a symmetric key is not.
SYMMETRIC, CURVE = "symmetric", "curve"
# A secret that is there.
STANDING = "standing"

_VAULT, _POOL = "Microsoft.KeyVault/vaults/", "Microsoft.KeyVault/managedHsm/"
_TEXT = encode(b"t" * 32)
_VERSION = "0" * 32
_CIPHER = {"alg": "RSA-OAEP", "value": _TEXT}
_CHECK = {"alg": "ES256", "digest": _TEXT, "value": encode(b"s" * 64)}
_ISSUER = {"provider": "Test", "org_details": {"admin_details": []}}

# Operation, method, path, data action, status of one who is let in, body. Further actions that let in follow after a space.
_SECRETS = [
    ("SecretSet", "PUT", "/secrets/{subject}", "setSecret/action", 400, {"value": 5}),
    ("SecretGet", "GET", "/secrets/{subject}", "getSecret/action", 404, None),
    ("SecretGet", "GET", "/secrets/{subject}/{version}", "getSecret/action", 404, None),
    ("SecretGet", "GET", "/secrets/{standing}", "getSecret/action", 200, None),
    ("SecretUpdate", "PATCH", "/secrets/{subject}", "update/action", 404, {"contentType": "x"}),
    ("SecretDelete", "DELETE", "/secrets/{subject}", "delete", 404, None),
    ("SecretList", "GET", "/secrets", "readMetadata/action", 200, None),
    ("SecretListVersions", "GET", "/secrets/{standing}/versions", "readMetadata/action", 200, None),
    ("SecretListDeleted", "GET", "/deletedsecrets", "readMetadata/action", 200, None),
    ("SecretGetDeleted", "GET", "/deletedsecrets/{subject}", "readMetadata/action", 404, None),
    ("SecretRecover", "POST", "/deletedsecrets/{subject}/recover", "recover/action", 404, None),
    ("SecretPurge", "DELETE", "/deletedsecrets/{subject}", "purge/action", 404, None),
    ("SecretBackup", "POST", "/secrets/{subject}/backup", "backup/action", 404, None),
    ("SecretRestore", "POST", "/secrets/restore", "restore/action", 400, {"value": "AAAA"}),
]

# The same with two actions: that of vaults, that of pools.
_KEYS = [
    ("KeyCreate", "POST", "/keys/{subject}/create", "keys/create/action", "keys/create", 400, {"kty": "none"}),
    ("KeyImport", "PUT", "/keys/{subject}", "keys/import/action", "keys/import/action", 400, {"key": {"kty": "none"}}),
    ("KeyGet", "GET", "/keys/{subject}", "keys/read", "keys/read/action", 404, None),
    ("KeyGet", "GET", "/keys/{subject}/{version}", "keys/read", "keys/read/action", 404, None),
    ("KeyGet", "GET", "/keys/{curve}", "keys/read", "keys/read/action", 200, None),
    ("KeyUpdate", "PATCH", "/keys/{subject}", "keys/update/action", "keys/write/action", 404, {"tags": {}}),
    ("KeyDelete", "DELETE", "/keys/{subject}", "keys/delete", "keys/delete", 404, None),
    ("KeyList", "GET", "/keys", "keys/read", "keys/read/action", 200, None),
    ("KeyListVersions", "GET", "/keys/{curve}/versions", "keys/read", "keys/read/action", 200, None),
    ("KeyListDeleted", "GET", "/deletedkeys", "keys/read", "keys/deletedKeys/read/action", 200, None),
    ("KeyGetDeleted", "GET", "/deletedkeys/{subject}", "keys/read", "keys/deletedKeys/read/action", 404, None),
    ("KeyRecover", "POST", "/deletedkeys/{subject}/recover", "keys/recover/action", "keys/deletedKeys/recover/action", 404, None),
    ("KeyPurge", "DELETE", "/deletedkeys/{subject}", "keys/purge/action", "keys/deletedKeys/delete", 404, None),
    ("KeyBackup", "POST", "/keys/{subject}/backup", "keys/backup/action", "keys/backup/action", 404, None),
    ("KeyRestore", "POST", "/keys/restore", "keys/restore/action", "keys/restore/action", 400, {"value": "AAAA"}),
    ("KeyEncrypt", "POST", "/keys/{subject}/encrypt", "keys/encrypt/action keys/read", "keys/encrypt/action keys/read/action", 404,
     _CIPHER),
    ("KeyEncrypt", "POST", "/keys/{symmetric}/encrypt", "keys/encrypt/action", "keys/encrypt/action", 200, {**_CIPHER, "alg": "A256GCM"}),
    ("KeyDecrypt", "POST", "/keys/{subject}/decrypt", "keys/decrypt/action", "keys/decrypt/action", 404, _CIPHER),
    ("KeySign", "POST", "/keys/{subject}/sign", "keys/sign/action", "keys/sign/action", 404, {"alg": "ES256", "value": _TEXT}),
    ("KeySign", "POST", "/keys/{curve}/sign", "keys/sign/action", "keys/sign/action", 200, {"alg": "ES256", "value": _TEXT}),
    ("KeyVerify", "POST", "/keys/{subject}/verify", "keys/verify/action keys/read", "keys/verify/action keys/read/action", 404, _CHECK),
    ("KeyVerify", "POST", "/keys/{curve}/verify", "keys/verify/action keys/read", "keys/verify/action keys/read/action", 200, _CHECK),
    ("KeyWrap", "POST", "/keys/{subject}/wrapkey", "keys/wrap/action keys/read", "keys/wrap/action keys/read/action", 404, _CIPHER),
    ("KeyWrap", "POST", "/keys/{symmetric}/wrapkey", "keys/wrap/action", "keys/wrap/action", 200, {**_CIPHER, "alg": "A256KW"}),
    ("KeyUnwrap", "POST", "/keys/{subject}/unwrapkey", "keys/unwrap/action", "keys/unwrap/action", 404, _CIPHER),
    ("KeySecureWrap", "POST", "/keys/{subject}/securewrapkey", "keys/wrap/action", "keys/wrap/action", 400, _CIPHER),
    ("KeySecureUnwrap", "POST", "/keys/{subject}/secureunwrapkey", "keys/unwrap/action", "keys/unwrap/action", 400, _CIPHER),
    ("KeyRotate", "POST", "/keys/{subject}/rotate", "keys/rotate/action", "keys/rotate/action", 404, None),
    ("KeyRotationPolicyGet", "GET", "/keys/{subject}/rotationpolicy", "keyrotationpolicies/read", "keys/read/action", 404, None),
    ("KeyRotationPolicySet", "PUT", "/keys/{subject}/rotationpolicy", "keyrotationpolicies/write", "keys/write/action", 404,
     {"attributes": {"expiryTime": "P90D"}}),
    ("KeyAttestationGet", "GET", "/keys/{subject}/attestation", "keys/read", "keys/read/action", 404, None),
    ("KeyRelease", "POST", "/keys/{subject}/release", "keys/release/action", "keys/release/action", 404, {"target": "e30.e30.e30"}),
]

_CERTIFICATES = [
    ("CertificateCreate", "POST", "/certificates/{subject}/create", "create/action", 400, {"policy": policy(key={"kty": "none"})}),
    ("CertificateImport", "POST", "/certificates/{subject}/import", "import/action", 400, {"value": base64.b64encode(b"none").decode()}),
    ("CertificateGet", "GET", "/certificates/{subject}", "read", 404, None),
    ("CertificateGet", "GET", "/certificates/{subject}/{version}", "read", 404, None),
    ("CertificateChainGet", "GET", "/certificates/{subject}/{version}/chain", "read", 404, None),
    ("CertificateUpdate", "PATCH", "/certificates/{subject}", "update/action", 404, {"tags": {}}),
    ("CertificateList", "GET", "/certificates", "read", 200, None),
    ("CertificateListVersions", "GET", "/certificates/{subject}/versions", "read", 200, None),
    ("CertificateDelete", "DELETE", "/certificates/{subject}", "delete", 404, None),
    ("CertificateListDeleted", "GET", "/deletedcertificates", "read", 200, None),
    ("CertificateGetDeleted", "GET", "/deletedcertificates/{subject}", "read", 404, None),
    ("CertificateRecover", "POST", "/deletedcertificates/{subject}/recover", "recover/action", 404, None),
    ("CertificatePurge", "DELETE", "/deletedcertificates/{subject}", "purge/action", 404, None),
    ("CertificateBackup", "POST", "/certificates/{subject}/backup", "backup/action", 404, None),
    ("CertificateRestore", "POST", "/certificates/restore", "restore/action", 400, {"value": "AAAA"}),
    ("CertificatePolicyGet", "GET", "/certificates/{subject}/policy", "read", 404, None),
    ("CertificatePolicyUpdate", "PATCH", "/certificates/{subject}/policy", "update/action", 404, policy()),
    ("CertificatePendingGet", "GET", "/certificates/{subject}/pending", "read", 404, None),
    ("CertificatePendingUpdate", "PATCH", "/certificates/{subject}/pending", "create/action", 404, {"cancellation_requested": True}),
    ("CertificatePendingDelete", "DELETE", "/certificates/{subject}/pending", "create/action", 404, None),
    ("CertificatePendingMerge", "POST", "/certificates/{subject}/pending/merge", "create/action", 404, {"x5c": ["AAAA"]}),
]

# What a vault knows about issuers; the authority of a certificate is reached by its name.
_ISSUERS = [
    ("CertificateContactsGet", "GET", "/certificates/contacts", "certificatecontacts/write", 404, None),
    ("CertificateContactsSet", "PUT", "/certificates/contacts", "certificatecontacts/write", 400, {"contacts": 5}),
    ("CertificateContactsDelete", "DELETE", "/certificates/contacts", "certificatecontacts/write", 404, None),
    ("CertificateIssuersList", "GET", "/certificates/issuers", "certificatecas/read", 200, None),
    ("CertificateIssuerGet", "GET", "/certificates/issuers/absent", "certificatecas/read", 404, None),
    ("CertificateIssuerSet", "PUT", "/certificates/issuers/absent", "certificatecas/write", 400, {}),
    ("CertificateIssuerUpdate", "PATCH", "/certificates/issuers/absent", "certificatecas/write", 404, _ISSUER),
    ("CertificateIssuerDelete", "DELETE", "/certificates/issuers/absent", "certificatecas/delete", 404, None),
    ("CertificateTemplatesList", "GET", "/certificatetemplates", "certificatecas/read", 200, None),
    ("CertificateTemplateGet", "GET", "/certificatetemplates/absent", "certificatecas/read", 404, None),
    ("CertificateTemplateSet", "PUT", "/certificatetemplates/absent", "certificatecas/write", 400, {}),
    ("CertificateTemplateDelete", "DELETE", "/certificatetemplates/absent", "certificatecas/delete", 404, None),
    ("AuthorityList", "GET", "/authorities", "certificatecas/read", 200, None),
    ("AuthoritySet", "PUT", "/certificates/{subject}/authority", "certificatecas/write", 404, {}),
    ("AuthorityGet", "GET", "/certificates/{subject}/authority", "certificatecas/read", 404, None),
    ("AuthorityIssue", "POST", "/certificates/{subject}/authority/issue", "certificatecas/issue/action", 400, {}),
    ("AuthorityIssuedList", "GET", "/certificates/{subject}/authority/issued", "certificatecas/read", 404, None),
    ("AuthorityIssuedGet", "GET", "/certificates/{subject}/authority/issued/0A", "certificatecas/read", 404, None),
    ("AuthorityRevoke", "POST", "/certificates/{subject}/authority/revoke", "certificatecas/revoke/action", 400, {}),
    ("AuthorityPublish", "POST", "/certificates/{subject}/authority/publish", "certificatecas/revoke/action", 404, None),
]

_ASSIGNMENTS, _DEFINITIONS = "/providers/Microsoft.Authorization/roleAssignments", "/providers/Microsoft.Authorization/roleDefinitions"
_NOTHING = str(uuid.uuid4())
_LOCAL = [
    ("LocalRoleAssignmentPut", "PUT", f"{_ASSIGNMENTS}/{_NOTHING}", "roleAssignments/write/action", 400, {}),
    ("LocalRoleAssignmentGet", "GET", f"{_ASSIGNMENTS}/{_NOTHING}", "roleAssignments/read/action", 404, None),
    ("LocalRoleAssignmentDelete", "DELETE", f"{_ASSIGNMENTS}/{_NOTHING}", "roleAssignments/delete/action", 404, None),
    ("LocalRoleAssignmentList", "GET", _ASSIGNMENTS, "roleAssignments/read/action", 200, None),
    ("LocalRoleDefinitionGet", "GET", f"{_DEFINITIONS}/{_NOTHING}", "roleDefinitions/read/action", 404, None),
    ("LocalRoleDefinitionPut", "PUT", f"{_DEFINITIONS}/{_NOTHING}", "roleDefinitions/write/action", 400, {}),
    ("LocalRoleDefinitionList", "GET", _DEFINITIONS, "roleDefinitions/read/action", 200, None),
]
_LOCAL_DELETE = ("LocalRoleDefinitionDelete", "DELETE", f"{_DEFINITIONS}/{_NOTHING}", "roleDefinitions/delete/action", 404, None)
# For settings no role names actions: who sees roles sees them, and administrators alone, who hold this one, change them.
_SETTING = "/settings/AllowKeyManagementOperationsThroughARM"
_NOWHERE = {"storageResourceUri": "file:///nowhere"}
_WHOLE_POOL = [
    ("RandomBytesGet", "POST", "/rng", "rng/action", 200, {"count": 1}),
    ("SettingList", "GET", "/settings", "roleDefinitions/read/action", 200, None),
    ("SettingGet", "GET", _SETTING, "roleDefinitions/read/action", 200, None),
    ("SettingUpdate", "PATCH", _SETTING, "securitydomain/upload/action", 400, {"value": "perhaps"}),
    # The pool has no security domain and gets none: too few certificates, and nothing that could be uploaded.
    ("SecurityDomainDownload", "POST", "/securitydomain/download", "securitydomain/download/action", 400, {"certificates": []}),
    ("SecurityDomainDownloadStatus", "GET", "/securitydomain/download/pending", "securitydomain/download/action", 404, None),
    ("SecurityDomainTransferKeyGet", "GET", "/securitydomain/upload", "securitydomain/transferkey/read", 200, None),
    ("SecurityDomainUpload", "POST", "/securitydomain/upload", "securitydomain/upload/action", 400, {"value": 5}),
    ("SecurityDomainUploadStatus", "GET", "/securitydomain/upload/pending", "securitydomain/upload/read", 404, None),
    # A folder that nobody configured, and bodies without one: nothing is begun.
    ("PoolBackup", "POST", "/backup", "backup/start/action", 400, _NOWHERE),
    ("PoolPreBackup", "POST", "/prebackup", "backup/start/action", 400, _NOWHERE),
    ("PoolBackupStatus", "GET", f"/backup/{_VERSION}/pending", "backup/status/action", 404, None),
    ("PoolRestore", "PUT", "/restore", "restore/start/action", 400, {"sasTokenParameters": _NOWHERE}),
    ("PoolPreRestore", "PUT", "/prerestore", "restore/start/action", 400, {"sasTokenParameters": _NOWHERE}),
    ("KeySelectiveRestore", "PUT", "/keys/{subject}/restore", "restore/start/action", 400, {"sasTokenParameters": _NOWHERE}),
    ("PoolRestoreStatus", "GET", f"/restore/{_VERSION}/pending", "restore/status/action", 404, None),
]


def _filled(path: str) -> str:
    return path.format(subject=SUBJECT, version=_VERSION, symmetric=SYMMETRIC, curve=CURVE, standing=STANDING)


def _scope(path: str, above: str) -> str:
    """The object that a path names, below a vault or pool; what contains it when it names none."""
    collection, _, rest = path.removeprefix("/").removeprefix("deleted").partition("/")
    return f"{above}/{collection}/{_filled(rest.split('/')[0])}" if rest.startswith("{") else above


def _actions(prefix: str, names: str) -> tuple[str, ...]:
    return tuple(prefix + name for name in names.split())


def _item_was_told(answer) -> bool:
    (item,) = answer.json()["value"]
    assert item["status"] in (200, 403) and ("secret" in item) == (item["status"] == 200), item
    return item["status"] == 200


def vault_rows(scope: str) -> list[Row]:
    """Every operation of the vault at a scope."""
    prefixed = [(each, _VAULT + collection + "/") for collection, rows in (
        ("secrets", _SECRETS), ("certificates", _CERTIFICATES)) for each in rows]
    prefixed += [((operation, method, path, action, told, body), _VAULT) for operation, method, path, action, _, told, body in _KEYS]
    prefixed += [(each, _VAULT) for each in _ISSUERS]
    rows = [
        Row(operation, "vault", method, _filled(path), _actions(prefix, action), _scope(path, scope), told, body)
        for (operation, method, path, action, told, body), prefix in prefixed]
    expiring = Row(
        "SecretListExpiring", "vault", "GET", "/secrets:expiring", _actions(_VAULT, "secrets/readMetadata/action"), scope, 200,
        query={"within": "P1D"})
    several = Row(
        "SecretBatchGet", "vault", "POST", "/secrets:batchGet", _actions(_VAULT, "secrets/getSecret/action"),
        f"{scope}/secrets/{STANDING}", 200, {"items": [{"name": STANDING}]}, lets_in=_item_was_told)
    return [*rows, expiring, several]


def pool_rows(scope: str) -> list[Row]:
    """Every operation of the pool at a scope. Keys lie below `/keys`; roles are read and given at each scope."""
    keys = [
        Row(operation, "pool", method, _filled(path), _actions(_POOL, action),
            _scope(path, scope) if "{" in path else f"{scope}/keys", told, body)
        for operation, method, path, _, action, told, body in _KEYS]
    roles = [
        Row(operation, "pool", method, below + path, _actions(_POOL, action), scope + below, told, body)
        for below in ("", "/keys", f"/keys/{SUBJECT}") for operation, method, path, action, told, body in _LOCAL]
    # A role definition is the whole pool's, whatever the path says.
    operation, method, path, action, told, body = _LOCAL_DELETE
    roles += [
        Row(operation, "pool", method, below + path, _actions(_POOL, action), scope, told, body)
        for below in ("", "/keys", f"/keys/{SUBJECT}")]
    whole = [
        Row(operation, "pool", method, _filled(path), _actions(_POOL, action), _scope(path, scope), told, body)
        for operation, method, path, action, told, body in _WHOLE_POOL]
    return keys + roles + whole


def key_uses() -> list[tuple[str, dict]]:
    """Each use of a key that a version can be named for: the word at the end of its path, and a body."""
    absent = [(path, body) for _, method, path, _, _, told, body in _KEYS if method == "POST" and body is not None and told == 404]
    return [(path.rsplit("/", 1)[1], body) for path, body in absent if path.startswith("/keys/{subject}/")]
