"""The settings of a managed HSM pool, by the unmodified clients and by plain calls."""

import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.keyvault.administration import KeyVaultSettingsClient

from harness.clients import credential_for

pytest_plugins = ["harness.hsm_fixtures"]

NAME = "AllowKeyManagementOperationsThroughARM"
VERSION = "2025-07-01"


@pytest.fixture(scope="module")
def address(server) -> str:
    return server.vault_url("demo").replace("demo.vault.", "demohsm.managedhsm.")


@pytest.fixture(scope="module")
def settings(server, address):
    with KeyVaultSettingsClient(address, credential_for(server), connection_verify=server.bundle) as made:
        yield made


@pytest.fixture
def put_back(settings):
    yield
    settings.update_setting(settings.get_setting(NAME).__class__(name=NAME, value=False, setting_type="boolean"))


@pytest.mark.operation("SettingList")
@pytest.mark.operation("SettingGet")
@pytest.mark.operation("SettingUpdate")
def test_a_setting_is_read_and_changed(settings, put_back):
    (listed,) = settings.list_settings()
    assert (listed.name, listed.value, listed.setting_type, listed.getboolean()) == (NAME, "false", "boolean", False)
    listed.value = "true"
    assert settings.update_setting(listed).getboolean() is True
    assert settings.get_setting(NAME).getboolean() is True
    assert [each.value for each in settings.list_settings()] == ["true"]


@pytest.mark.operation("SettingGet")
async def test_the_asynchronous_client(acredential, address):
    from azure.keyvault.administration.aio import KeyVaultSettingsClient as Asynchronous

    async with Asynchronous(address, acredential) as settings:
        assert (await settings.get_setting(NAME)).name == NAME


def test_a_setting_that_does_not_exist(settings):
    with pytest.raises(ResourceNotFoundError, match="does not exist"):
        settings.get_setting("Nothing")


@pytest.mark.parametrize("body", [{}, {"value": True}, {"value": "yes"}, {"value": None}, []])
def test_a_value_that_cannot_be_is_refused(pool, body):
    answer = pool.wire.patch(f"/settings/{NAME}", json=body, version=VERSION)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "BadParameter"), answer.text
    assert pool.wire.get(f"/settings/{NAME}", version=VERSION).json()["value"] == "false"


def test_a_setting_survives_a_restart(own_server):
    server = own_server()
    url = server.vault_url("demo").replace("demo.vault.", "demohsm.managedhsm.")
    with KeyVaultSettingsClient(url, credential_for(server), connection_verify=server.bundle) as settings:
        setting = settings.get_setting(NAME)
        setting.value = "true"
        settings.update_setting(setting)
        server.restart()
        assert settings.get_setting(NAME).getboolean() is True


def test_who_holds_no_role_sees_no_settings(server, cli, name, address):
    nobody = cli.create_application(name)
    with KeyVaultSettingsClient(address, credential_for(server, nobody), connection_verify=server.bundle) as settings:
        with pytest.raises(HttpResponseError) as refused:
            settings.list_settings()
        assert refused.value.status_code == 403


@pytest.mark.operation("DeletedManagedHSMList")
def test_a_pool_that_stands_is_not_among_the_deleted(server):
    subscription = server.client_env["AZURE_SUBSCRIPTION_ID"]
    path = f"/subscriptions/{subscription}/providers/Microsoft.KeyVault/deletedManagedHSMs"
    answer = server.management().get(path, version="2026-02-01")
    assert answer.status_code == 200
    assert "demohsm" not in [deleted["name"] for deleted in answer.json()["value"]]
