"""Every operation of the life of a key through the unmodified Python client, challenge verification on."""

import re
from datetime import datetime, timedelta, timezone

import pytest
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.keyvault.keys import JsonWebKey, KeyRotationLifetimeAction, KeyRotationPolicy, KeyRotationPolicyAction

from harness.keys_clients import key_client_for
from harness.keys_jwk import ec_jwk, new_ec, rsa_jwk
from harness.tokens import decode

pytest_plugins = ["harness.keys_fixtures"]

RSA_OPERATIONS = ["encrypt", "decrypt", "sign", "verify", "wrapKey", "unwrapKey"]
VERSION = re.compile(r"^[0-9a-f]{32}$")


def moment(**from_now) -> datetime:
    """A time in whole seconds, as the service keeps them."""
    return (datetime.now(timezone.utc) + timedelta(**from_now)).replace(microsecond=0)


def delete(client, name):
    poller = client.begin_delete_key(name)
    poller.wait()
    return poller.result()


def web_key(jwk: dict) -> JsonWebKey:
    """A JWK as the client takes it, in bytes."""
    return JsonWebKey(**{member: value if member in ("kty", "crv") else decode(value) for member, value in jwk.items()})


# Create and get


@pytest.mark.operation("KeyCreate")
def test_create_answers_with_the_key_and_its_identifier(key_client, name):
    key = key_client.create_ec_key(name)
    assert (key.name, key.key_type, key.key.crv, key.key_operations) == (name, "EC", "P-256", ["sign", "verify"])
    assert VERSION.match(key.properties.version)
    assert key.id == key.key.kid == f"{key_client.vault_url}/keys/{name}/{key.properties.version}"


def test_an_rsa_key_has_2048_bits_and_every_operation(key_client, name):
    key = key_client.create_rsa_key(name)
    assert (key.key_type, len(key.key.n), key.key.e) == ("RSA", 256, b"\x01\x00\x01")
    assert key.key_operations == RSA_OPERATIONS


@pytest.mark.parametrize("curve", ["P-256", "P-384", "P-521", "P-256K"])
def test_an_ec_key_has_the_curve_it_was_asked_for(key_client, name, curve):
    assert key_client.create_ec_key(name, curve=curve).key.crv == curve


def test_the_client_makes_a_key_of_the_additive_type(key_client, name):
    key = key_client.create_key(name, "OKP", curve="Ed25519")
    assert (key.key_type, key.key.crv, len(key.key.x)) == ("OKP", "Ed25519", 32)
    assert key_client.get_key(name).key.x == key.key.x


def test_the_client_asks_for_a_symmetric_key_in_vain(key_client, name):
    with pytest.raises(HttpResponseError) as refused:
        key_client.create_oct_key(name)
    assert (refused.value.status_code, refused.value.error.code) == (400, "BadParameter")


@pytest.mark.operation("KeyGet")
def test_a_key_that_was_created_is_read_back(key_client, name):
    made = key_client.create_ec_key(name)
    read = key_client.get_key(name)
    assert (read.id, read.key.x, read.key.y) == (made.id, made.key.x, made.key.y)


def test_a_new_key_has_the_attributes_of_the_service(key_client, name):
    before = moment()
    properties = key_client.create_ec_key(name).properties
    assert properties.enabled is True
    assert before <= properties.created_on <= moment()
    assert properties.updated_on == properties.created_on
    assert (properties.not_before, properties.expires_on, properties.tags) == (None, None, None)
    assert (properties.exportable, properties.managed, properties.release_policy) == (False, None, None)


def test_what_create_was_given_is_kept(key_client, name):
    begins, ends = moment(days=-1), moment(days=30)
    key_client.create_ec_key(
        name, key_operations=["sign"], enabled=False, tags={"team": "red"}, not_before=begins, expires_on=ends
    )
    key = key_client.get_key(name)
    assert key.key_operations == ["sign"]
    assert (key.properties.enabled, key.properties.tags) == (False, {"team": "red"})
    assert (key.properties.not_before, key.properties.expires_on) == (begins, ends)


def test_create_again_makes_a_new_version_that_inherits_nothing(key_client, name):
    first = key_client.create_ec_key(name, tags={"team": "red"}, expires_on=moment(days=1), key_operations=["sign"])
    second = key_client.create_ec_key(name)
    assert (second.properties.tags, second.properties.expires_on) == (None, None)
    assert second.key_operations == ["sign", "verify"]
    assert key_client.get_key(name).id == second.id
    assert key_client.get_key(name, first.properties.version).key.x == first.key.x != second.key.x


def test_a_key_that_does_not_exist_is_not_found(key_client, name):
    with pytest.raises(ResourceNotFoundError) as missing:
        key_client.get_key(name)
    assert missing.value.error.code == "KeyNotFound"


# Import


@pytest.mark.operation("KeyImport")
def test_an_rsa_key_is_imported(key_client, rsa_private, name):
    jwk = rsa_jwk(rsa_private)
    key = key_client.import_key(name, web_key(jwk), tags={"from": "outside"}, enabled=True)
    assert (key.key_type, key.key.n, key.key.e) == ("RSA", decode(jwk["n"]), decode(jwk["e"]))
    assert key.properties.tags == {"from": "outside"}
    assert [getattr(key.key, part) for part in ("d", "p", "q", "dp", "dq", "qi")] == [None] * 6


def test_an_ec_key_is_imported(key_client, name):
    jwk = ec_jwk(new_ec("P-384"))
    key = key_client.import_key(name, web_key(jwk))
    assert (key.key.crv, key.key.x, key.key.y, key.key.d) == ("P-384", decode(jwk["x"]), decode(jwk["y"]), None)


# Update


@pytest.mark.operation("KeyUpdate")
def test_update_changes_what_it_is_given_and_keeps_the_rest(key_client, name):
    made = key_client.create_ec_key(name, tags={"team": "red"})
    ends = moment(days=9)
    key_client.update_key_properties(name, expires_on=ends)
    read = key_client.get_key(name)
    assert (read.id, read.key.x) == (made.id, made.key.x)
    assert (read.properties.expires_on, read.properties.tags) == (ends, {"team": "red"})


def test_update_changes_the_operations(key_client, name):
    key_client.create_ec_key(name)
    assert key_client.update_key_properties(name, key_operations=["verify"]).key_operations == ["verify"]
    assert key_client.get_key(name).key_operations == ["verify"]


def test_update_of_a_version_leaves_the_others_alone(key_client, name):
    first = key_client.create_ec_key(name)
    second = key_client.create_ec_key(name)
    key_client.update_key_properties(name, first.properties.version, enabled=False)
    assert key_client.get_key(name, first.properties.version).properties.enabled is False
    assert key_client.get_key(name, second.properties.version).properties.enabled is True


# Lists


@pytest.mark.operation("KeyList")
def test_the_list_has_the_key_once_however_many_versions(key_client, name):
    key_client.create_ec_key(name)
    key_client.create_ec_key(name, tags={"a": "b"})
    found = [item for item in key_client.list_properties_of_keys() if item.name == name]
    assert [(item.id, item.tags) for item in found] == [(f"{key_client.vault_url}/keys/{name}", {"a": "b"})]


@pytest.mark.operation("KeyListVersions")
def test_the_list_of_versions_has_every_version(key_client, name):
    made = {key_client.create_ec_key(name).properties.version for _ in range(4)}
    assert {item.version for item in key_client.list_properties_of_key_versions(name)} == made


@pytest.mark.operation("KeyListDeleted")
def test_the_list_of_deleted_keys_has_what_was_deleted(key_client, name):
    key_client.create_ec_key(name)
    delete(key_client, name)
    found = next(item for item in key_client.list_deleted_keys() if item.name == name)
    assert found.recovery_id == f"{key_client.vault_url}/deletedkeys/{name}"
    assert found.scheduled_purge_date > found.deleted_date


# Delete, recover, purge


@pytest.mark.operation("KeyDelete")
def test_a_deleted_key_is_gone_from_the_live_collection(key_client, name):
    made = key_client.create_ec_key(name)
    deleted = delete(key_client, name)
    assert deleted.id == made.id
    assert deleted.scheduled_purge_date - deleted.deleted_date == timedelta(days=made.properties.recoverable_days)
    with pytest.raises(ResourceNotFoundError):
        key_client.get_key(name)
    assert name not in [item.name for item in key_client.list_properties_of_keys()]


@pytest.mark.operation("KeyGetDeleted")
def test_a_deleted_key_can_be_looked_up(key_client, name):
    made = key_client.create_ec_key(name, tags={"a": "b"})
    deleted = delete(key_client, name)
    found = key_client.get_deleted_key(name)
    assert (found.name, found.deleted_date, found.recovery_id) == (name, deleted.deleted_date, deleted.recovery_id)
    assert (found.key.x, found.properties.tags) == (made.key.x, {"a": "b"})


def test_the_name_of_a_deleted_key_cannot_be_created(key_client, name):
    key_client.create_ec_key(name)
    delete(key_client, name)
    with pytest.raises(ResourceExistsError):
        key_client.create_ec_key(name)


@pytest.mark.operation("KeyRecover")
def test_recover_brings_back_every_version(key_client, name):
    made = {key.properties.version: key.key.x for key in (key_client.create_ec_key(name) for _ in range(3))}
    delete(key_client, name)
    poller = key_client.begin_recover_deleted_key(name)
    poller.wait()
    assert poller.result().name == name
    assert {version: key_client.get_key(name, version).key.x for version in made} == made
    with pytest.raises(ResourceNotFoundError):
        key_client.get_deleted_key(name)


@pytest.mark.operation("KeyPurge")
def test_a_purged_key_is_gone_for_good_and_its_name_is_free(key_client, name):
    old = key_client.create_ec_key(name).properties.version
    delete(key_client, name)
    key_client.purge_deleted_key(name)
    with pytest.raises(ResourceNotFoundError):
        key_client.get_deleted_key(name)
    key_client.create_ec_key(name)
    with pytest.raises(ResourceNotFoundError):
        key_client.get_key(name, old)


# Backup and restore


@pytest.mark.operation("KeyBackup")
@pytest.mark.operation("KeyRestore")
def test_restore_brings_back_every_version_of_a_backup(key_client, name):
    made = {key.properties.version: key.key.x for key in (key_client.create_ec_key(name) for _ in range(2))}
    backup = key_client.backup_key(name)
    delete(key_client, name)
    key_client.purge_deleted_key(name)
    assert key_client.restore_key_backup(backup).name == name
    assert {version: key_client.get_key(name, version).key.x for version in made} == made


def test_a_backup_restores_into_another_vault(server, key_client, name):
    made = key_client.create_ec_key(name, tags={"a": "b"})
    with key_client_for(server, "other") as other:
        restored = other.restore_key_backup(key_client.backup_key(name))
        assert restored.id == made.id.replace("://demo.", "://other.")
        assert (restored.key.x, restored.properties.tags) == (made.key.x, {"a": "b"})


def test_restore_onto_an_existing_name_is_refused(key_client, name):
    key_client.create_ec_key(name)
    with pytest.raises(ResourceExistsError):
        key_client.restore_key_backup(key_client.backup_key(name))


# Rotation


@pytest.mark.operation("KeyRotate")
def test_rotate_makes_a_new_version_of_the_same_kind(key_client, name):
    first = key_client.create_ec_key(name, curve="P-384", key_operations=["sign"])
    second = key_client.rotate_key(name)
    assert second.properties.version != first.properties.version
    assert (second.key_type, second.key.crv, second.key_operations) == ("EC", "P-384", ["sign"])
    assert second.key.x != first.key.x
    assert key_client.get_key(name).id == second.id


@pytest.mark.operation("KeyRotationPolicyGet")
def test_a_key_without_a_policy_is_notified_thirty_days_before_it_ends(key_client, name):
    key_client.create_ec_key(name)
    policy = key_client.get_key_rotation_policy(name)
    assert policy.id == f"{key_client.vault_url}/keys/{name}/rotationpolicy"
    assert policy.expires_in is None
    assert [(action.action, action.time_before_expiry) for action in policy.lifetime_actions] == [("Notify", "P30D")]


@pytest.mark.operation("KeyRotationPolicySet")
def test_a_policy_that_was_set_is_read_back(key_client, name):
    key_client.create_ec_key(name)
    actions = [
        KeyRotationLifetimeAction(KeyRotationPolicyAction.rotate, time_after_create="P60D"),
        KeyRotationLifetimeAction(KeyRotationPolicyAction.notify, time_before_expiry="P10D"),
    ]
    before = moment()
    key_client.update_key_rotation_policy(name, KeyRotationPolicy(), lifetime_actions=actions, expires_in="P90D")
    policy = key_client.get_key_rotation_policy(name)
    assert policy.expires_in == "P90D"
    assert {(action.action, action.time_after_create, action.time_before_expiry) for action in policy.lifetime_actions} == {
        ("Rotate", "P60D", None),
        ("Notify", None, "P10D"),
    }
    assert before <= policy.created_on <= policy.updated_on <= moment()
    rotated = key_client.rotate_key(name).properties
    assert rotated.expires_on - rotated.created_on == timedelta(days=90)


def test_a_policy_that_was_read_may_be_sent_back(key_client, name):
    key_client.create_ec_key(name)
    actions = [KeyRotationLifetimeAction(KeyRotationPolicyAction.rotate, time_before_expiry="P30D")]
    key_client.update_key_rotation_policy(name, KeyRotationPolicy(), lifetime_actions=actions, expires_in="P1Y")
    policy = key_client.get_key_rotation_policy(name)
    again = key_client.update_key_rotation_policy(name, policy)
    assert [vars(action) for action in again.lifetime_actions] == [vars(action) for action in policy.lifetime_actions]


# Old versions of the client


@pytest.mark.parametrize("version", ["7.0", "7.1", "7.2", "7.3", "7.4", "7.5", "7.6", "2025-07-01"])
def test_the_client_works_with_every_version_it_knows(server, name, version):
    with key_client_for(server, api_version=version) as client:
        made = client.create_ec_key(name)
        assert client.get_key(name).id == made.id
        assert [item.version for item in client.list_properties_of_key_versions(name)] == [made.properties.version]
