"""Each command of the Azure CLI that the operational runbook prints, as it stands there, and what the runbook expects of it. The
number of its section is in the name of a test. Where the runbook is mistaken, the test says how it is mended."""

import datetime
import json
import os
import subprocess
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from harness.authorities_wire import Authorities
from harness.azure_cli import ENVIRONMENT
from harness.certificates_made import certificate_of
from harness.keys_wire import Keys
from harness.management_wire import LOCATION, Arm, assert_withheld

pytest_plugins = ["harness.azure_cli_fixtures", "harness.authorities_fixtures"]

GROUP = "rg-security-prod"
VAULTS = ("kv-ultra-prod", "kv-confidential-prod", "kv-recovery-prod", "kv-prod")
KEYS = "Microsoft.KeyVault/vaults/keys"


@pytest.fixture(scope="module", autouse=True)
def arm(server, az) -> Arm:
    """The vaults that the runbook names are there."""
    az.run(f"group create --name {GROUP} --location {LOCATION}")
    arm = Arm.of(server)
    for vault in VAULTS:
        arm.create(vault, GROUP, sku={"family": "A", "name": "premium"})
    return arm


@pytest.fixture
def keys(server):
    """Plain calls to the keys of a vault."""
    return lambda vault: Keys(server.wire(vault))


@pytest.fixture
def shell(az, tmp_path):
    """Runs a script of the runbook in a folder of its own, as its reader does; what it prints."""

    def run(script: str, *arguments: str) -> str:
        environment = {**az.environment, "PATH": f"{ENVIRONMENT / 'bin'}:{os.environ['PATH']}", "USER": "operator"}
        command = ["bash", "-euc", script, "script", *arguments]
        ended = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300)
        assert ended.returncode == 0, f"{ended.stdout}\n{ended.stderr}"
        return ended.stdout.strip()

    return run


# 3. Key generation


def test_section_3_1_a_deleted_key_of_the_hardware_is_looked_at(shell, keys):
    # Keys have no attribute `hsm`: as printed, the query finds nothing, on Azure too. `hsmPlatform` is what is meant.
    keys("kv-ultra-prod").create("root-ca-key", "RSA-HSM")
    keys("kv-ultra-prod").delete("root-ca-key")
    command = 'az keyvault key show-deleted --vault-name "kv-ultra-prod" --name "root-ca-key" --query "attributes.{}" -o tsv'
    assert shell(command.format("hsm")) == ""
    assert shell(command.format("hsmPlatform")) == "2"


def test_section_3_1_the_strength_of_a_key_is_validated(shell, keys):
    # The private key of a vault does not leave it: openssl is shown the public one.
    keys("kv-ultra-prod").create("strong", "RSA-HSM", key_size=4096)
    said = shell(
        "az keyvault key download --vault-name kv-ultra-prod --name strong --encoding PEM --file public_key.pem\n"
        'openssl rsa -pubin -in public_key.pem -text -noout | grep "Public-Key"')
    assert "4096 bit" in said


def test_section_3_2_a_master_key_is_generated_in_the_hardware(az):
    # `az dedicated-hsm create-key` does not exist; a pool makes the key, and its class is a tag.
    made = az.json(
        "keyvault key create --hsm-name demohsm --name master-signing-key --kty RSA-HSM --size 4096 --exportable false"
        " --ops sign verify --tags classification=ULTRA quorum-requirement=3")
    assert (made["key"]["kty"], made["attributes"]["exportable"]) == ("RSA-HSM", False)
    assert made["tags"] == {"classification": "ULTRA", "quorum-requirement": "3"}
    assert az.json("keyvault key show --hsm-name demohsm --name master-signing-key") == made


# 4. Storage


def test_section_4_1_a_premium_vault_is_set_up(server, az, arm):
    wanted = {
        "enabledForDeployment": False, "enabledForDiskEncryption": False, "enabledForTemplateDeployment": False,
        "enableSoftDelete": True, "enablePurgeProtection": True, "softDeleteRetentionInDays": 90, "enableRbacAuthorization": True,
        "publicNetworkAccess": "Disabled",
        "networkAcls": {"defaultAction": "Deny", "bypass": "AzureServices", "virtualNetworkRules": [], "ipRules": []},
    }
    made = az.json(
        f"keyvault create --name kv-premium-prod --resource-group {GROUP} --sku premium --enabled-for-deployment false"
        " --enabled-for-disk-encryption false --enabled-for-template-deployment false --enable-purge-protection true"
        " --retention-days 90 --enable-rbac-authorization true --public-network-access Disabled --default-action Deny"
        " --bypass AzureServices")
    for told in (made["properties"], arm.get("kv-premium-prod", GROUP)["properties"]):
        assert {member: told[member] for member in wanted} == wanted and told["sku"] == {"family": "A", "name": "premium"}
    assert_withheld(server.wire("kv-premium-prod").get("/keys"), "ForbiddenByConnection")


# 6. Rotation


def test_section_6_2_a_key_rotates_by_its_policy(az, keys, tmp_path):
    policy = {
        "lifetimeActions": [
            {"trigger": {"timeBeforeExpiry": "P30D"}, "action": {"type": "Rotate"}},
            {"trigger": {"timeBeforeExpiry": "P7D"}, "action": {"type": "Notify"}},
        ],
        "attributes": {"expiryTime": "P1Y"},
    }
    (tmp_path / "policy.json").write_text(json.dumps(policy))
    key = "--vault-name kv-confidential-prod --name rotating"
    az.run(f"keyvault key create {key} --size 3072")
    az.run(f"keyvault key rotation-policy update {key} --value", str(tmp_path / "policy.json"))
    stored = keys("kv-confidential-prod").policy("rotating")
    assert stored["attributes"]["expiryTime"] == "P1Y"
    actions = [(each["action"]["type"].lower(), each["trigger"].get("timeBeforeExpiry")) for each in stored["lifetimeActions"]]
    assert sorted(actions) == [("notify", "P7D"), ("rotate", "P30D")]
    rotated = az.json(f"keyvault key rotate {key}")
    expires = datetime.datetime.fromisoformat(rotated["attributes"]["expires"])
    assert 364 <= (expires - datetime.datetime.now(datetime.timezone.utc)).days <= 366


# 7. Certificates

# As printed, but for the word `bash` at its top.
ENROLL = r"""
CERT_NAME=$1
ENVIRONMENT=$2
CLASSIFICATION=$3

# Validate inputs
if [[ -z "$CERT_NAME" || -z "$ENVIRONMENT" || -z "$CLASSIFICATION" ]]; then
    echo "Usage: $0 <cert-name> <environment> <classification>"
    exit 1
fi

# Determine Key Vault based on classification
case $CLASSIFICATION in
    "ULTRA")
        VAULT_NAME="kv-ultra-${ENVIRONMENT}"
        KEY_SIZE=4096
        ;;
    "SECRET")
        VAULT_NAME="kv-secret-${ENVIRONMENT}"
        KEY_SIZE=3072
        ;;
    "CONFIDENTIAL")
        VAULT_NAME="kv-confidential-${ENVIRONMENT}"
        KEY_SIZE=3072
        ;;
    *)
        VAULT_NAME="kv-standard-${ENVIRONMENT}"
        KEY_SIZE=2048
        ;;
esac

# Create certificate with appropriate policy
az keyvault certificate create \
    --vault-name "$VAULT_NAME" \
    --name "$CERT_NAME" \
    --policy @certificate-policy-${CLASSIFICATION,,}.json \
    --tags "environment=$ENVIRONMENT" "classification=$CLASSIFICATION" \
           "created-by=$USER" "created-date=$(date -I)"

# Verify certificate creation
if az keyvault certificate show --vault-name "$VAULT_NAME" --name "$CERT_NAME" &>/dev/null; then
    echo "Certificate $CERT_NAME successfully created in $VAULT_NAME"

    # Register in certificate inventory
    ./scripts/register-certificate.sh "$CERT_NAME" "$VAULT_NAME" "$CLASSIFICATION"
else
    echo "Failed to create certificate $CERT_NAME"
    exit 1
fi
"""
TEMPLATE = {
    "secretProperties": {"contentType": "application/x-pkcs12"},
    "keyProperties": {"exportable": False, "keyType": "RSA", "keySize": 3072, "reuseKey": False, "curve": None},
    "x509CertificateProperties": {
        "subject": "CN=web.company.com",
        "subjectAlternativeNames": {"dnsNames": ["web.company.com", "web.internal.company.com"], "emails": [], "upns": []},
        "keyUsage": ["digitalSignature", "keyEncipherment"],
        # Printed as `extendedKeyUsage`, which `az` does not know.
        "ekus": ["1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2"],
        "validityInMonths": 13,
    },
    "lifetimeActions": [{"trigger": {"daysBeforeExpiry": 30}, "action": {"actionType": "AutoRenew"}}],
    "issuerParameters": {"name": "CompanyInternalCA", "certificateType": "OV-SSL"},
}


def test_section_7_2_a_certificate_is_enrolled(server, az, shell, root, tmp_path: Path):
    vault, name, classification = "kv-confidential-prod", "web", "CONFIDENTIAL"
    (tmp_path / "certificate-policy-confidential.json").write_text(json.dumps(TEMPLATE))
    (tmp_path / "scripts").mkdir()
    register = tmp_path / "scripts/register-certificate.sh"
    register.write_text('#!/bin/bash\necho "$@" > inventory\n')
    register.chmod(0o755)
    issuer = f"--vault-name {vault} --issuer-name CompanyInternalCA"
    az.run(f"keyvault certificate issuer create {issuer} --provider-name OnPremiseCA --account-id demo/{root}")
    az.run(f"keyvault certificate issuer admin add {issuer} --email security@company.com --first-name Security --last-name Team")
    begun = datetime.date.today()
    assert f"Certificate {name} successfully created in {vault}" in shell(ENROLL, name, "prod", classification)
    assert (tmp_path / "inventory").read_text() == f"{name} {vault} {classification}\n"

    shown = az.json(f"keyvault certificate show --vault-name {vault} --name {name}")
    created = datetime.date.fromisoformat(shown["tags"].pop("created-date"))
    assert begun <= created <= datetime.date.today()
    assert shown["tags"] == {"environment": "prod", "classification": classification, "created-by": "operator"}
    certificate = certificate_of(shown)
    certificate.verify_directly_issued_by(Authorities(server.wire()).certificate(root))
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(x509.DNSName)
    assert names == TEMPLATE["x509CertificateProperties"]["subjectAlternativeNames"]["dnsNames"]
    purposes = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert set(purposes) == {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH}
    assert certificate.public_key().key_size == 3072
    assert 390 <= (certificate.not_valid_after_utc - certificate.not_valid_before_utc).days <= 398


# 8. Access

OFFICER = {
    "Name": "Key Vault Cryptographic Officer",
    "Id": "12345678-1234-1234-1234-123456789012",
    "IsCustom": True,
    "Description": "Can manage cryptographic keys but cannot access secrets or certificates",
    "Actions": [],
    "NotActions": [],
    # Printed under `Actions` and `NotActions`, where they open nothing: what is done to a key is a data action.
    "DataActions": [
        f"{KEYS}/{each}"
        for each in (
            "read", "write", "delete", "backup/action", "restore/action", "update/action", "create/action", "import/action",
            "encrypt/action", "decrypt/action", "sign/action", "verify/action",
        )
    ],
    "NotDataActions": [
        "Microsoft.KeyVault/vaults/secrets/*", "Microsoft.KeyVault/vaults/certificates/*/action", f"{KEYS}/purge/action",
    ],
}


def test_section_8_1_a_cryptographic_officer_manages_keys_and_nothing_else(az, fresh_az, arm, stranger, tmp_path):
    scope, role = arm.group(GROUP), OFFICER["Name"]
    (tmp_path / "role.json").write_text(json.dumps({**OFFICER, "AssignableScopes": [scope]}))
    made = az.json("role definition create --role-definition", str(tmp_path / "role.json"))
    assert (made["roleName"], made["description"], made["assignableScopes"]) == (role, OFFICER["Description"], [scope])
    given = az.json(f"role assignment create --role '{role}' --assignee {stranger.app_id} --scope {scope}")
    fresh_az.login(stranger)
    key = "--vault-name kv-prod --name officers-key"
    fresh_az.run(f"keyvault key create {key}")
    fresh_az.run(f"keyvault key backup {key} --file", str(tmp_path / "backup"))
    fresh_az.run(f"keyvault key delete {key}")
    assert f"Action: '{KEYS}/purge/action'" in fresh_az.refused(f"keyvault key purge {key}")
    for command in ("secret list", "certificate list"):
        assert "ForbiddenByRbac" in fresh_az.refused(f"keyvault {command} --vault-name kv-prod")
    az.run("role assignment delete --ids", given["id"])
    az.run(f"role definition delete --scope {scope} --name '{role}'")


# 10. Escrow and recovery


VERIFY = """
for authorizer in "$1" "$2"; do
    if ! az ad user show --id "$authorizer" --query "accountEnabled" -o tsv | grep -q "true"; then
        echo "Error: Invalid authorizer: $authorizer"
    fi
done
"""


def test_section_10_2_authorizers_are_people_of_the_directory(az, shell, name):
    # Printed with `onPremisesSecurityIdentifier`, which people have who come from a directory elsewhere. Here is none.
    known, unknown = f"{name[-20:]}@company.com", f"nobody-{name[-20:]}@company.com"
    az.run(f"ad user create --display-name Authorizer --user-principal-name {known} --password", "a first password 4 them")
    assert shell(VERIFY, known, known) == ""
    assert shell(VERIFY, known, unknown) == f"Error: Invalid authorizer: {unknown}"
    az.run(f"ad user delete --id {known}")
    assert shell(VERIFY, known, known).count("Invalid authorizer") == 2


def test_section_10_2_a_key_is_restored_from_escrow(az, shell, keys, name, tmp_path: Path):
    before = keys("kv-ultra-prod").create(name, "RSA-HSM")
    (tmp_path / "escrow").mkdir()
    az.run(f"keyvault key backup --vault-name kv-ultra-prod --name {name} --file", str(tmp_path / f"escrow/{name}.backup"))
    shell(
        "KEY_NAME=$1\nESCROW_LOCATION=escrow\n"
        'az keyvault key restore --vault-name "kv-recovery-prod" --file "$ESCROW_LOCATION/$KEY_NAME.backup"', name)
    after, digest = keys("kv-recovery-prod").get(name), b"\x01" * 32
    assert after["key"]["n"] == before["key"]["n"]
    signature = keys("kv-recovery-prod").sign(after, "RS256", digest)
    assert keys("kv-ultra-prod").verify(before, "RS256", digest, signature) is True


# 11. Incidents


def test_section_11_1_a_compromised_key_is_replaced(shell, keys, name):
    printed = shell(
        'COMPROMISED_KEY=$1\n'
        'NEW_KEY=$(az keyvault key create \\\n'
        '    --vault-name "kv-prod" \\\n'
        '    --name "$COMPROMISED_KEY-emergency" \\\n'
        '    --protection software \\\n'
        '    --size 3072 \\\n'
        '    --ops encrypt decrypt sign verify \\\n'
        '    --query "key.kid" -o tsv)\n'
        'echo "$NEW_KEY"', name)
    made = keys("kv-prod").get(f"{name}-emergency")
    assert (printed, made["key"]["kty"]) == (made["key"]["kid"], "RSA")
    assert made["key"]["key_ops"] == ["encrypt", "decrypt", "sign", "verify"]


# 15. Quick reference


def test_section_15_2_a_new_version_of_a_key_is_made(az, keys, name):
    first = keys("kv-prod").create(name, "EC")["key"]["kid"]
    made = az.json(f"keyvault key create --vault-name kv-prod --name {name}")
    assert {each["kid"] for each in keys("kv-prod").versions(name)} == {first, made["key"]["kid"]}


def test_section_15_2_a_key_that_is_not_found_may_be_among_the_deleted(az, keys, name):
    # Printed without the vault, which `az` asks for.
    keys("kv-prod").create(name, "EC")
    keys("kv-prod").delete(name)
    assert "(KeyNotFound)" in az.refused(f"keyvault key show --vault-name kv-prod --name {name}", exit_code=3)
    assert "Please specify --vault-name or --hsm-name." in az.refused("keyvault key list-deleted")
    assert name in [each["name"] for each in az.json("keyvault key list-deleted --vault-name kv-prod")]
