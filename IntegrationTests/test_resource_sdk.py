"""Keys and secrets below vaults and pools by the unmodified clients of the management plane."""

import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.keyvault.keys import KeyClient
from azure.keyvault.secrets import SecretClient
from azure.mgmt.keyvault import KeyVaultManagementClient
from azure.mgmt.keyvault.aio import KeyVaultManagementClient as AsyncKeyVaultManagementClient
from azure.mgmt.keyvault.models import (
    Action, KeyAttributes, KeyCreateParameters, KeyProperties, KeyRotationPolicyAttributes, KeyRotationPolicyActionType, LifetimeAction,
    ManagedHsmAction, ManagedHsmKeyAttributes, ManagedHsmKeyCreateParameters, ManagedHsmKeyProperties,
    ManagedHsmKeyRotationPolicyAttributes, ManagedHsmLifetimeAction, ManagedHsmRotationPolicy, ManagedHsmTrigger, RotationPolicy,
    SecretAttributes, SecretCreateOrUpdateParameters, SecretPatchParameters, SecretPatchProperties, SecretProperties, Trigger)

from harness.clients import credential_for, management_options
from harness.directory import Directory
from harness.hsm_pool import POOL, pool_url
from harness.object_resources import Place, open_pool, vault_place

KEY_VAULT_CONTRIBUTOR = "f25e0fa2-a7c8-4377-a976-54943a77a395"


@pytest.fixture(scope="module")
def group(server) -> str:
    return server.client_env["AZURE_RESOURCE_GROUP"]


@pytest.fixture(scope="module")
def options(server) -> dict:
    """What both clients are made with."""
    return management_options(server)


@pytest.fixture(scope="module")
def client(server, options):
    with KeyVaultManagementClient(credential_for(server), **options) as made:
        yield made


@pytest.fixture
async def aclient(acredential, options):
    async with AsyncKeyVaultManagementClient(acredential, **options) as made:
        yield made


@pytest.fixture(scope="module")
def vault(server) -> Place:
    return vault_place(server)


@pytest.fixture(scope="module")
def pool(server) -> Place:
    return open_pool(server)


def wanted_key(**more) -> KeyCreateParameters:
    return KeyCreateParameters(properties=KeyProperties(kty="EC", curve_name="P-384", **more), tags={"team": "blue"})


def wanted_pool_key(**more) -> ManagedHsmKeyCreateParameters:
    return ManagedHsmKeyCreateParameters(properties=ManagedHsmKeyProperties(kty="EC-HSM", **more), tags={"team": "blue"})


def wanted_secret(value: str = "v", **more) -> SecretCreateOrUpdateParameters:
    return SecretCreateOrUpdateParameters(properties=SecretProperties(value=value, **more), tags={"team": "blue"})


def changed_secret(tags: dict | None = None, **properties) -> SecretPatchParameters:
    return SecretPatchParameters(properties=SecretPatchProperties(**properties), tags=tags)


def rotation() -> RotationPolicy:
    return RotationPolicy(
        attributes=KeyRotationPolicyAttributes(expiry_time="P60D"),
        lifetime_actions=[
            LifetimeAction(trigger=Trigger(time_after_create="P30D"), action=Action(type=KeyRotationPolicyActionType.ROTATE))])


# Keys of vaults


@pytest.mark.operation("VaultKeyPut")
@pytest.mark.operation("VaultKeyGet")
@pytest.mark.operation("VaultKeyList")
@pytest.mark.operation("VaultKeyVersionGet")
@pytest.mark.operation("VaultKeyVersionList")
def test_a_key_is_made_once_told_and_listed(server, client, group, vault, name):
    wanted = wanted_key(key_ops=["sign"], attributes=KeyAttributes(expires=4_000_000_000))
    made = client.keys.create_if_not_exist(group, vault.name, name, wanted)
    properties = made.properties
    assert (made.name, made.type, made.tags) == (name, "Microsoft.KeyVault/vaults/keys", {"team": "blue"})
    assert (properties.kty, properties.curve_name, properties.key_ops) == ("EC", "P-384", ["sign"])
    assert (properties.attributes.expires, properties.attributes.enabled, properties.attributes.exportable) == (4_000_000_000, True, False)
    again = client.keys.create_if_not_exist(group, vault.name, name, KeyCreateParameters(properties=KeyProperties(kty="RSA")))
    assert again.as_dict() == client.keys.get(group, vault.name, name).as_dict() == made.as_dict()
    assert made.as_dict() in [each.as_dict() for each in client.keys.list(group, vault.name)]
    (version,) = client.keys.list_versions(group, vault.name, name)
    assert properties.key_uri_with_version == f"{properties.key_uri}/{version.name}"
    assert client.keys.get_version(group, vault.name, name, version.name).as_dict() == version.as_dict()
    with KeyClient(server.vault_url(vault.name), credential_for(server), connection_verify=server.bundle) as keys:
        known = keys.get_key(name)
    assert (known.id, known.properties.tags) == (properties.key_uri_with_version, made.tags)
    assert properties.attributes.created == known.properties.created_on.timestamp()


def test_a_rotation_policy_is_given_and_told(client, group, vault, name):
    made = client.keys.create_if_not_exist(group, vault.name, name, wanted_key(rotation_policy=rotation()))
    told = made.properties.rotation_policy
    assert told.attributes.expiry_time == "P60D" and told.attributes.created
    assert "P30D" in [each.trigger.time_after_create for each in told.lifetime_actions]
    # It goes back as it came.
    copy = client.keys.create_if_not_exist(group, vault.name, f"{name}-2", wanted_key(rotation_policy=told))
    assert copy.properties.rotation_policy.lifetime_actions == told.lifetime_actions


def test_an_action_of_a_rotation_policy_is_one_that_the_client_knows(client, group, vault, name):
    made = client.keys.create_if_not_exist(group, vault.name, name, wanted_key(rotation_policy=rotation()))
    types = {each.action.type for each in made.properties.rotation_policy.lifetime_actions}
    assert KeyRotationPolicyActionType.ROTATE in types and types <= set(KeyRotationPolicyActionType)


def test_thirty_keys_and_thirty_versions_are_listed(server, client, group):
    place = vault_place(server)
    for number in range(30):
        client.keys.create_if_not_exist(group, place.name, f"k-{number:02}", wanted_key())
        place.keys.create("k-00")
    assert [each.name for each in client.keys.list(group, place.name)] == [f"k-{number:02}" for number in range(30)]
    assert [len(list(page)) for page in client.keys.list(group, place.name).by_page()] == [25, 5]
    versions = [each.name for each in client.keys.list_versions(group, place.name, "k-00")]
    assert len(set(versions)) == 31 and versions == sorted(versions)


def test_what_is_wrong_is_told(client, group, vault, name):
    with pytest.raises(ResourceNotFoundError):
        client.keys.get(group, vault.name, name)
    with pytest.raises(ResourceNotFoundError):
        client.keys.get(group, "no-such-vault", name)
    with pytest.raises(HttpResponseError) as refused:
        client.keys.create_if_not_exist(group, vault.name, name, KeyCreateParameters(properties=KeyProperties(kty="ABC")))
    assert (refused.value.status_code, refused.value.error.code) == (400, "BadParameter")


# Keys of pools


@pytest.mark.operation("ManagedHSMKeyPut")
@pytest.mark.operation("ManagedHSMKeyGet")
@pytest.mark.operation("ManagedHSMKeyList")
@pytest.mark.operation("ManagedHSMKeyVersionGet")
@pytest.mark.operation("ManagedHSMKeyVersionList")
def test_a_key_of_a_pool_is_made_once_told_and_listed(server, client, group, pool, name):
    keys = client.managed_hsm_keys
    action = ManagedHsmLifetimeAction(trigger=ManagedHsmTrigger(time_after_create="P30D"), action=ManagedHsmAction(type="rotate"))
    policy = ManagedHsmRotationPolicy(
        attributes=ManagedHsmKeyRotationPolicyAttributes(expiry_time="P60D"), lifetime_actions=[action])
    attributes = ManagedHsmKeyAttributes(expires=4_000_000_000)
    made = keys.create_if_not_exist(group, pool.name, name, wanted_pool_key(attributes=attributes, rotation_policy=policy))
    properties = made.properties
    assert (made.name, made.type, made.tags) == (name, "Microsoft.KeyVault/managedHSMs/keys", {"team": "blue"})
    assert (properties.kty, properties.curve_name, properties.attributes.expires) == ("EC-HSM", "P-256", 4_000_000_000)
    assert properties.rotation_policy.lifetime_actions[0].trigger.time_after_create == "P30D"
    other = ManagedHsmKeyCreateParameters(properties=ManagedHsmKeyProperties(kty="RSA-HSM"))
    again = keys.create_if_not_exist(group, pool.name, name, other)
    assert again.as_dict() == keys.get(group, pool.name, name).as_dict() == made.as_dict()
    assert made.id in [each.id for each in keys.list(group, pool.name)]
    (version,) = keys.list_versions(group, pool.name, name)
    assert keys.get_version(group, pool.name, name, version.name).as_dict() == version.as_dict()
    with KeyClient(pool_url(server, pool.name), credential_for(server), connection_verify=server.bundle) as data:
        assert data.get_key(name).id == properties.key_uri_with_version
        assert data.get_key_rotation_policy(name).expires_in == "P60D"


def test_a_pool_that_keeps_its_keys_to_itself_is_told_as_such(client, group, name):
    with pytest.raises(HttpResponseError, match="AllowKeyManagementOperationsThroughARM") as refused:
        client.managed_hsm_keys.create_if_not_exist(group, POOL, name, wanted_pool_key())
    assert (refused.value.status_code, refused.value.error.code) == (403, "Forbidden")


# Secrets


@pytest.mark.operation("VaultSecretPut")
@pytest.mark.operation("VaultSecretPatch")
@pytest.mark.operation("VaultSecretGet")
@pytest.mark.operation("VaultSecretList")
def test_a_secret_is_set_changed_and_listed_without_its_value(server, client, group, vault, name):
    attributes = SecretAttributes(enabled=True, expires=4_000_000_000)
    wanted = wanted_secret("one", content_type="text/plain", attributes=attributes)
    made = client.secrets.create_or_update(group, vault.name, name, wanted)
    assert (made.name, made.type, made.tags) == (name, "Microsoft.KeyVault/vaults/secrets", {"team": "blue"})
    assert (made.properties.value, made.properties.content_type) == (None, "text/plain")
    stamp = made.properties.attributes.expires
    assert (stamp if isinstance(stamp, int) else stamp.timestamp()) == 4_000_000_000
    assert client.secrets.get(group, vault.name, name).as_dict() == made.as_dict()
    changed = client.secrets.update(group, vault.name, name, changed_secret(tags={"a": "b"}, content_type="x"))
    assert (changed.tags, changed.properties.content_type) == ({"a": "b"}, "x")
    assert changed.properties.secret_uri_with_version == made.properties.secret_uri_with_version
    with SecretClient(server.vault_url(vault.name), credential_for(server), connection_verify=server.bundle) as secrets:
        assert secrets.get_secret(name).value == "one"
        newer = client.secrets.update(group, vault.name, name, changed_secret(value="two"))
        assert (secrets.get_secret(name).value, secrets.get_secret(name).id) == ("two", newer.properties.secret_uri_with_version)
        last = client.secrets.create_or_update(group, vault.name, name, wanted_secret("three"))
        assert (secrets.get_secret(name).value, len(list(secrets.list_properties_of_secret_versions(name)))) == ("three", 3)
    listed = [each for each in client.secrets.list(group, vault.name) if each.name == name]
    assert [each.as_dict() for each in listed] == [last.as_dict()] and listed[0].properties.value is None


def test_thirty_secrets_are_listed(server, client, group):
    place = vault_place(server)
    for number in range(30):
        client.secrets.create_or_update(group, place.name, f"s-{number:02}", wanted_secret())
    assert [each.name for each in client.secrets.list(group, place.name)] == [f"s-{number:02}" for number in range(30)]
    # However long the pages are, all come.
    assert [each.name for each in client.secrets.list(group, place.name, top=7)] == [f"s-{number:02}" for number in range(30)]


def test_who_manages_a_vault_sets_a_secret_and_does_not_read_it(server, options, group, vault, stranger, name):
    Directory.of(server).assign(KEY_VAULT_CONTRIBUTOR, stranger.object_id, vault.arm.vault(vault.name))
    with KeyVaultManagementClient(credential_for(server, stranger), **options) as theirs:
        assert theirs.secrets.create_or_update(group, vault.name, name, wanted_secret()).name == name
    with SecretClient(server.vault_url(vault.name), credential_for(server, stranger), connection_verify=server.bundle) as secrets:
        with pytest.raises(HttpResponseError, match="not authorized") as refused:
            secrets.get_secret(name)
    assert refused.value.status_code == 403


def test_who_may_not_is_told_so(server, options, group, vault, stranger, name):
    with KeyVaultManagementClient(credential_for(server, stranger), **options) as theirs:
        for call in (
            lambda: theirs.secrets.create_or_update(group, vault.name, name, wanted_secret()),
            lambda: list(theirs.secrets.list(group, vault.name)),
            lambda: theirs.keys.create_if_not_exist(group, vault.name, name, wanted_key()),
            lambda: theirs.keys.get(group, vault.name, name),
        ):
            with pytest.raises(HttpResponseError) as refused:
                call()
            assert (refused.value.status_code, refused.value.error.code) == (403, "AuthorizationFailed")


# The asynchronous client


@pytest.mark.operation("VaultKeyPut")
@pytest.mark.operation("VaultKeyGet")
@pytest.mark.operation("VaultKeyList")
@pytest.mark.operation("VaultKeyVersionGet")
@pytest.mark.operation("VaultKeyVersionList")
async def test_the_asynchronous_client_and_a_key(aclient, group, vault, name):
    keys = aclient.keys
    made = await keys.create_if_not_exist(group, vault.name, name, wanted_key())
    other = wanted_key(attributes=KeyAttributes(enabled=False))
    assert (await keys.create_if_not_exist(group, vault.name, name, other)).as_dict() == made.as_dict()
    assert (await keys.get(group, vault.name, name)).as_dict() == made.as_dict()
    assert name in [each.name async for each in keys.list(group, vault.name)]
    (version,) = [each async for each in keys.list_versions(group, vault.name, name)]
    assert (await keys.get_version(group, vault.name, name, version.name)).as_dict() == version.as_dict()
    with pytest.raises(ResourceNotFoundError):
        await keys.get(group, vault.name, "no-such-key")


@pytest.mark.operation("ManagedHSMKeyPut")
@pytest.mark.operation("ManagedHSMKeyGet")
@pytest.mark.operation("ManagedHSMKeyList")
@pytest.mark.operation("ManagedHSMKeyVersionGet")
@pytest.mark.operation("ManagedHSMKeyVersionList")
async def test_the_asynchronous_client_and_a_key_of_a_pool(aclient, group, pool, name):
    keys = aclient.managed_hsm_keys
    made = await keys.create_if_not_exist(group, pool.name, name, wanted_pool_key())
    assert (await keys.get(group, pool.name, name)).as_dict() == made.as_dict()
    assert name in [each.name async for each in keys.list(group, pool.name)]
    (version,) = [each async for each in keys.list_versions(group, pool.name, name)]
    assert (await keys.get_version(group, pool.name, name, version.name)).as_dict() == version.as_dict()


@pytest.mark.operation("VaultSecretPut")
@pytest.mark.operation("VaultSecretPatch")
@pytest.mark.operation("VaultSecretGet")
@pytest.mark.operation("VaultSecretList")
async def test_the_asynchronous_client_and_a_secret(aclient, group, vault, name):
    secrets = aclient.secrets
    made = await secrets.create_or_update(group, vault.name, name, wanted_secret())
    assert (await secrets.get(group, vault.name, name)).as_dict() == made.as_dict() and made.properties.value is None
    changed = await secrets.update(group, vault.name, name, changed_secret(tags={"a": "b"}))
    assert changed.tags == {"a": "b"} and changed.properties.secret_uri_with_version == made.properties.secret_uri_with_version
    assert changed.as_dict() in [each.as_dict() async for each in secrets.list(group, vault.name)]
