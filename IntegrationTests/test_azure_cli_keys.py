"""Keys through the unmodified Azure CLI, in a vault (`--vault-name`) and in a pool (`--hsm-name`).

With the public key that it reads it encrypts (RSA) and verifies by itself; the service is asked to decrypt and to sign.
"""

import base64
import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from harness import hsm_aes as aes
from harness.azure_cli import AzureCLI
from harness.hsm_kinds import software_form
from harness.hsm_pool import pool_keys
from harness.keys_jwk import new_ec, new_rsa, public_key
from harness.keys_wire import Keys
from harness.tokens import decode, encode

pytest_plugins = ["harness.azure_cli_fixtures"]

MESSAGE = b"message"


@dataclass(frozen=True)
class Place:
    """Where keys live: the words that name it, the end of its key types, and plain calls to it."""

    az: AzureCLI
    named: tuple[str, str]
    hardware: str
    keys: Keys

    def json(self, command: str, *more: str):
        return self.az.json(f"keyvault key {command}", *more, *self.named)


@pytest.fixture(params=["vault", "pool"])
def place(request, server, az) -> Place:
    if request.param == "pool":
        return Place(az, ("--hsm-name", "demohsm"), "-HSM", pool_keys(server))
    return Place(az, ("--vault-name", "demo"), "", Keys(server.wire()))


@pytest.fixture
def pool(server, az) -> Place:
    return Place(az, ("--hsm-name", "demohsm"), "-HSM", pool_keys(server))


def names(items: list[dict]) -> list[str]:
    return [item["name"] for item in items]


def text(content: bytes) -> str:
    return base64.b64encode(content).decode()


# Create, import, lists


@pytest.mark.operation("KeyCreate")
@pytest.mark.operation("KeyGet")
@pytest.mark.parametrize(("kind", "options", "member", "length"), [("RSA", "--size 3072", "n", 384), ("EC", "--curve P-384", "x", 48)])
def test_a_key_is_created_and_shown(place, name, kind, options, member, length):
    made = place.json(f"create --name {name} --kty {kind}{place.hardware} {options} --tags a=b --ops sign verify")
    assert (made["key"]["kty"], made["key"]["keyOps"], made["tags"]) == (kind + place.hardware, ["sign", "verify"], {"a": "b"})
    assert len(base64.b64decode(made["key"][member])) == length
    assert place.json(f"show --name {name}") == made
    read = place.keys.get(name)
    assert (read["key"]["kid"], decode(read["key"][member])) == (made["key"]["kid"], base64.b64decode(made["key"][member]))


def test_a_key_is_made_in_the_hardware_of_a_vault(az, name):
    made = az.json(f"keyvault key create --vault-name demo --name {name} --kty EC --protection hsm")
    assert (made["key"]["kty"], made["attributes"]["hsmPlatform"]) == ("EC-HSM", "2")


@pytest.mark.operation("KeyImport")
@pytest.mark.parametrize("make", [new_rsa, new_ec])
def test_a_pem_file_is_imported(place, name, make, tmp_path: Path):
    private, file = make(), tmp_path / "key.pem"
    file.write_bytes(private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"password")))
    protection = "--protection hsm" if place.hardware else ""
    made = place.json(f"import --name {name} {protection} --pem-password password --pem-file", str(file))
    assert made["key"]["kty"].endswith("-HSM") == bool(place.hardware) and made["key"]["d"] is None
    assert public_key(software_form(place.keys.get(name))) == private.public_key()


@pytest.mark.operation("KeyList")
@pytest.mark.operation("KeyListVersions")
def test_keys_and_their_versions_are_listed(place, name):
    identifiers = {place.keys.create(name, f"EC{place.hardware}")["key"]["kid"] for _ in range(2)}
    assert name in names(place.json("list"))
    assert {each["kid"] for each in place.json(f"list-versions --name {name}")} == identifiers


@pytest.mark.operation("KeyUpdate")
def test_attributes_are_set(place, name):
    place.keys.create(name, f"EC{place.hardware}")
    changed = place.json(f"set-attributes --name {name} --enabled false --expires 2031-01-02T03:04:05Z --tags c=d --ops sign")
    assert (changed["attributes"]["enabled"], changed["attributes"]["expires"]) == (False, "2031-01-02T03:04:05+00:00")
    read = place.keys.get(name)
    assert (read["attributes"]["enabled"], read["attributes"]["exp"]) == (False, 1_925_089_445)
    assert (read["tags"], read["key"]["key_ops"]) == ({"c": "d"}, ["sign"])


def test_the_public_key_is_downloaded(place, name, tmp_path: Path):
    made, file = place.keys.create(name, f"EC{place.hardware}"), tmp_path / "public.pem"
    place.json(f"download --name {name} --encoding PEM --file", str(file))
    assert serialization.load_pem_public_key(file.read_bytes()) == public_key(software_form(made))


# Use


@pytest.mark.operation("KeyDecrypt")
def test_what_it_encrypts_the_service_decrypts(place, name):
    place.json(f"create --name {name} --kty RSA{place.hardware} --size 2048")
    what = f"--name {name} --algorithm RSA-OAEP-256 --data-type plaintext --value"
    sealed = place.json(f"encrypt {what}", "grüße")
    assert place.keys.use("decrypt", name, "RSA-OAEP-256", base64.b64decode(sealed["result"])) == "grüße".encode()
    assert place.json(f"decrypt {what}", sealed["result"])["result"] == "grüße"


@pytest.mark.operation("KeyEncrypt")
@pytest.mark.operation("KeyDecrypt")
def test_a_symmetric_key_encrypts_at_the_service(pool, name):
    secret, plain = os.urandom(32), os.urandom(32)
    pool.keys.import_key(name, {"kty": "oct-HSM", "k": encode(secret), "key_ops": ["encrypt", "decrypt"]}, Hsm=True)
    what = f"--name {name} --algorithm A256GCM --aad 00ff"
    sealed = pool.json(f"encrypt {what} --value", text(plain))
    iv, tag, value = bytes.fromhex(sealed["iv"]), bytes.fromhex(sealed["tag"]), sealed["result"]
    assert aes.gcm_open(secret, iv, base64.b64decode(value), tag, b"\0\xff") == plain
    opened = pool.json(f"decrypt {what} --iv {sealed['iv']} --tag {sealed['tag']} --value", value)
    assert base64.b64decode(opened["result"]) == plain


@pytest.mark.operation("KeySign")
@pytest.mark.parametrize(("kind", "algorithm"), [("RSA", "RS256"), ("RSA", "PS256"), ("EC", "ES256")])
def test_what_the_service_signs_it_verifies(place, name, kind, algorithm):
    bundle = place.keys.create(name, f"{kind}{place.hardware}")
    digest, other = (text(hashlib.sha256(message).digest()) for message in (MESSAGE, b"another"))
    signed = place.json(f"sign --name {name} --algorithm {algorithm} --digest", digest)
    assert (signed["keyId"], signed["algorithm"]) == (bundle["key"]["kid"], algorithm)
    verify = f"verify --name {name} --algorithm {algorithm} --signature {signed['signature']} --digest"
    assert place.json(verify, digest)["isValid"] is True
    assert place.json(verify, other)["isValid"] is False
    assert place.keys.verify(bundle, algorithm, base64.b64decode(digest), base64.b64decode(signed["signature"])) is True


@pytest.mark.operation("RandomBytesGet")
def test_a_pool_gives_random_bytes(az):
    first, second = (az.json("keyvault key random --hsm-name demohsm --count 32")["value"] for _ in range(2))
    assert len(base64.b64decode(first)) == 32 and first != second


# Rotation


@pytest.mark.operation("KeyRotationPolicySet")
@pytest.mark.operation("KeyRotationPolicyGet")
@pytest.mark.operation("KeyRotate")
def test_a_policy_is_set_and_the_key_rotated(place, name):
    first = place.keys.create(name, f"EC{place.hardware}")["key"]["kid"]
    action = {"trigger": {"timeAfterCreate": "P90D"}, "action": {"type": "Rotate"}}
    wanted = {"lifetimeActions": [action], "attributes": {"expiryTime": "P1Y"}}
    made = place.json(f"rotation-policy update --name {name} --value", json.dumps(wanted))
    assert (made["expiresIn"], made["lifetimeActions"][0]["timeAfterCreate"]) == ("P1Y", "P90D")
    assert place.json(f"rotation-policy show --name {name}") == made
    stored = place.keys.policy(name)
    assert stored["attributes"]["expiryTime"] == "P1Y" and action["trigger"] in [each["trigger"] for each in stored["lifetimeActions"]]

    second = place.json(f"rotate --name {name}")["key"]["kid"]
    assert second != first and place.keys.get(name)["key"]["kid"] == second
    assert {each["kid"] for each in place.keys.versions(name)} == {first, second}


# Delete, recover, purge, backup


@pytest.mark.operation("KeyDelete")
@pytest.mark.operation("KeyListDeleted")
@pytest.mark.operation("KeyGetDeleted")
@pytest.mark.operation("KeyRecover")
@pytest.mark.operation("KeyPurge")
def test_a_key_is_deleted_recovered_and_purged(place, name):
    kid = place.keys.create(name, f"EC{place.hardware}")["key"]["kid"]
    gone = place.json(f"delete --name {name}")
    assert gone["recoveryId"].endswith(f"/deletedkeys/{name}") and place.keys.wire.get(f"/keys/{name}").status_code == 404
    assert name in names(place.json("list-deleted"))
    assert place.json(f"show-deleted --name {name}")["key"]["kid"] == kid

    assert place.json(f"recover --name {name}")["key"]["kid"] == kid
    assert place.keys.get(name)["key"]["kid"] == kid

    place.json(f"delete --name {name}")
    place.json(f"purge --name {name}")
    assert place.keys.wire.get(f"/deletedkeys/{name}").status_code == 404
    said = place.az.refused(f"keyvault key show --name {name}", *place.named, exit_code=3)
    assert said.startswith(f"ERROR: (KeyNotFound) A key with (name/id) {name} was not found in this key vault.")


@pytest.mark.operation("KeyBackup")
@pytest.mark.operation("KeyRestore")
def test_a_key_is_restored_from_its_backup(place, name, tmp_path: Path):
    made, digest = place.keys.create(name, f"EC{place.hardware}"), hashlib.sha256(MESSAGE).digest()
    signature = place.keys.sign(made, "ES256", digest)
    place.json(f"backup --name {name} --file", str(tmp_path / "backup"))
    place.keys.delete(name)
    place.keys.purge(name)
    assert place.json("restore --file", str(tmp_path / "backup"))["key"]["kid"] == made["key"]["kid"]
    assert place.keys.verify(name, "ES256", digest, signature) is True
