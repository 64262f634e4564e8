"""Every secret operation through the unmodified Python client, challenge verification on."""

import re
from datetime import datetime, timedelta, timezone

import pytest
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError

from harness.clients import secret_client_for

VERSION = re.compile(r"^[0-9a-f]{32}$")


def moment(**from_now) -> datetime:
    """A time in whole seconds, as the service keeps them."""
    return (datetime.now(timezone.utc) + timedelta(**from_now)).replace(microsecond=0)


def delete(client, name):
    poller = client.begin_delete_secret(name)
    poller.wait()
    return poller.result()


# Set and get


@pytest.mark.operation("SecretSet")
def test_set_answers_with_the_value_and_its_identifier(client, name):
    secret = client.set_secret(name, "world")
    assert (secret.name, secret.value) == (name, "world")
    assert VERSION.match(secret.properties.version)
    assert secret.id == f"{client.vault_url}/secrets/{name}/{secret.properties.version}"


@pytest.mark.operation("SecretGet")
def test_a_secret_that_was_set_is_read_back(client, name):
    client.set_secret(name, "world")
    assert client.get_secret(name).value == "world"


def test_a_new_secret_has_the_attributes_of_the_service(client, name):
    before = moment()
    properties = client.set_secret(name, "v").properties
    assert properties.enabled is True
    assert before <= properties.created_on <= moment()
    assert properties.updated_on == properties.created_on
    assert (properties.not_before, properties.expires_on) == (None, None)
    assert properties.vault_url == client.vault_url


def test_the_recovery_level_fits_the_retention(client, name):
    properties = client.set_secret(name, "v").properties
    assert 7 <= properties.recoverable_days <= 90
    level = "Recoverable+Purgeable" if properties.recoverable_days == 90 else "CustomizedRecoverable+Purgeable"
    assert properties.recovery_level == level


def test_get_answers_with_the_newest_version(client, name):
    client.set_secret(name, "first")
    second = client.set_secret(name, "second")
    read = client.get_secret(name)
    assert (read.value, read.properties.version) == ("second", second.properties.version)


def test_an_older_version_stays_readable_by_its_version(client, name):
    first = client.set_secret(name, "first")
    client.set_secret(name, "second")
    assert client.get_secret(name, first.properties.version).value == "first"


def test_names_are_matched_in_any_case_and_echoed_as_first_stored(client, name):
    stored = f"MiXeD-{name}"
    client.set_secret(stored, "one")
    again = client.set_secret(stored.upper(), "two")
    assert again.name == stored
    assert client.get_secret(stored.lower()).name == stored
    assert len(list(client.list_properties_of_secret_versions(stored.swapcase()))) == 2


def test_content_type_tags_and_times_are_kept(client, name):
    begins, ends = moment(days=-1), moment(days=30)
    client.set_secret(name, "v", content_type="text/plain", tags={"team": "red", "stage": ""}, not_before=begins, expires_on=ends)
    properties = client.get_secret(name).properties
    assert properties.content_type == "text/plain"
    assert properties.tags == {"team": "red", "stage": ""}
    assert (properties.not_before, properties.expires_on) == (begins, ends)


def test_a_new_version_inherits_nothing(client, name):
    client.set_secret(name, "first", content_type="text/plain", tags={"team": "red"}, expires_on=moment(days=1))
    properties = client.set_secret(name, "second").properties
    assert (properties.content_type, properties.tags, properties.expires_on) == (None, None, None)


@pytest.mark.parametrize(
    "value",
    [
        "",
        " leading and trailing ",
        "line\nbreaks\r\nand\ttabs",
        'quotes " and \\ backslashes / slashes',
        "nul \x00 and other controls \x01 \x1f \x7f",
        "ünïcödé 鍵 🔑 \u202e \ufeff",
        "{\"looks\": [\"like\", \"json\"]}",
        "&amp; %20 <script>",
    ],
    ids=["empty", "spaces", "breaks", "quotes", "controls", "unicode", "json", "markup"],
)
def test_a_value_comes_back_exactly(client, name, value):
    client.set_secret(name, value)
    assert client.get_secret(name).value == value


@pytest.mark.parametrize("value", ["x" * 25_600, "ü" * 12_800], ids=["ascii", "two bytes each"])
def test_a_value_of_25600_bytes_is_kept(client, name, value):
    client.set_secret(name, value)
    assert client.get_secret(name).value == value


@pytest.mark.parametrize("value", ["x" * 25_601, "ü" * 12_800 + "x"], ids=["ascii", "two bytes each"])
def test_a_value_of_25601_bytes_is_refused(client, name, value):
    with pytest.raises(HttpResponseError) as refused:
        client.set_secret(name, value)
    assert refused.value.status_code == 400
    assert refused.value.error.code == "BadParameter"


def test_a_secret_that_does_not_exist_is_not_found(client, name):
    with pytest.raises(ResourceNotFoundError) as missing:
        client.get_secret(name)
    assert missing.value.error.code == "SecretNotFound"


# Update


@pytest.mark.operation("SecretUpdate")
def test_update_changes_what_it_is_given_and_keeps_the_rest(client, name):
    client.set_secret(name, "v", content_type="text/plain", tags={"team": "red"})
    ends = moment(days=9)
    client.update_secret_properties(name, expires_on=ends)
    read = client.get_secret(name)
    assert read.value == "v"
    assert read.properties.expires_on == ends
    assert (read.properties.content_type, read.properties.tags) == ("text/plain", {"team": "red"})


def test_update_of_a_version_leaves_the_others_alone(client, name):
    first = client.set_secret(name, "first")
    client.set_secret(name, "second")
    client.update_secret_properties(name, first.properties.version, content_type="changed")
    assert client.get_secret(name, first.properties.version).properties.content_type == "changed"
    assert client.get_secret(name).properties.content_type is None


def test_update_without_a_version_changes_the_newest(client, name):
    first = client.set_secret(name, "first")
    second = client.set_secret(name, "second")
    assert client.update_secret_properties(name, content_type="changed").version == second.properties.version
    assert client.get_secret(name, first.properties.version).properties.content_type is None


def test_updated_tags_replace_all_tags(client, name):
    client.set_secret(name, "v", tags={"old": "1", "both": "1"})
    client.update_secret_properties(name, tags={"both": "2"})
    assert client.get_secret(name).properties.tags == {"both": "2"}


def test_empty_tags_clear_the_tags(client, name):
    client.set_secret(name, "v", tags={"old": "1"})
    client.update_secret_properties(name, tags={})
    assert not client.get_secret(name).properties.tags


def test_update_makes_no_new_version(client, name):
    made = client.set_secret(name, "v")
    assert client.update_secret_properties(name, content_type="changed").version == made.properties.version
    assert len(list(client.list_properties_of_secret_versions(name))) == 1


def test_update_of_a_secret_that_does_not_exist_is_not_found(client, name):
    with pytest.raises(ResourceNotFoundError):
        client.update_secret_properties(name, content_type="x")


# Disabled, not yet valid, expired


def test_a_disabled_secret_does_not_give_its_value(client, name):
    client.set_secret(name, "v", enabled=False)
    with pytest.raises(HttpResponseError) as refused:
        client.get_secret(name)
    assert refused.value.status_code == 403
    assert refused.value.error.innererror["code"] == "SecretDisabled"


def test_a_disabled_secret_is_readable_once_enabled_again(client, name):
    client.set_secret(name, "v", enabled=False)
    client.update_secret_properties(name, enabled=True)
    assert client.get_secret(name).value == "v"


def test_a_disabled_newest_version_does_not_uncover_the_older(client, name):
    client.set_secret(name, "first")
    client.set_secret(name, "second", enabled=False)
    with pytest.raises(HttpResponseError) as refused:
        client.get_secret(name)
    assert refused.value.status_code == 403


def test_an_older_version_is_readable_while_the_newest_is_disabled(client, name):
    first = client.set_secret(name, "first")
    client.set_secret(name, "second", enabled=False)
    assert client.get_secret(name, first.properties.version).value == "first"


@pytest.mark.parametrize(
    "window",
    [{"not_before": moment(days=5)}, {"expires_on": moment(days=-5)}, {"not_before": moment(days=-9), "expires_on": moment(days=-8)}],
    ids=["not yet valid", "expired", "window over"],
)
def test_a_secret_is_readable_outside_its_time_window(client, name, window):
    client.set_secret(name, "v", **window)
    assert client.get_secret(name).value == "v"


# Lists


@pytest.mark.operation("SecretList")
def test_the_list_has_the_secret_once_however_many_versions(client, name):
    client.set_secret(name, "first")
    client.set_secret(name, "second", content_type="text/plain", tags={"a": "b"})
    found = [item for item in client.list_properties_of_secrets() if item.name == name]
    assert [(item.content_type, item.tags) for item in found] == [("text/plain", {"a": "b"})]


def test_the_list_names_secrets_without_a_version(client, name):
    client.set_secret(name, "v")
    found = next(item for item in client.list_properties_of_secrets() if item.name == name)
    assert found.id == f"{client.vault_url}/secrets/{name}"


@pytest.mark.operation("SecretListVersions")
def test_the_list_of_versions_has_every_version(client, name):
    made = {client.set_secret(name, f"{number}").properties.version for number in range(5)}
    assert {item.version for item in client.list_properties_of_secret_versions(name)} == made


def test_the_list_of_versions_shows_the_attributes_of_each(client, name):
    off = client.set_secret(name, "off", enabled=False).properties.version
    on = client.set_secret(name, "on").properties.version
    assert {item.version: item.enabled for item in client.list_properties_of_secret_versions(name)} == {off: False, on: True}


def test_the_versions_of_an_unknown_name_are_an_empty_list(client, name):
    assert list(client.list_properties_of_secret_versions(name)) == []


@pytest.mark.operation("SecretListDeleted")
def test_the_list_of_deleted_secrets_has_what_was_deleted(client, name):
    client.set_secret(name, "v")
    delete(client, name)
    found = next(item for item in client.list_deleted_secrets() if item.name == name)
    assert found.recovery_id == f"{client.vault_url}/deletedsecrets/{name}"
    assert found.scheduled_purge_date > found.deleted_date


# Delete, recover, purge


@pytest.mark.operation("SecretDelete")
def test_a_deleted_secret_is_gone_from_the_live_collection(client, name):
    client.set_secret(name, "v")
    delete(client, name)
    with pytest.raises(ResourceNotFoundError):
        client.get_secret(name)
    assert name not in [item.name for item in client.list_properties_of_secrets()]


def test_delete_tells_when_the_secret_will_be_purged(client, name):
    made = client.set_secret(name, "v")
    deleted = delete(client, name)
    assert deleted.recovery_id == f"{client.vault_url}/deletedsecrets/{name}"
    assert deleted.scheduled_purge_date - deleted.deleted_date == timedelta(days=made.properties.recoverable_days)


def test_delete_answers_with_the_identifier_of_the_newest_version(client, name):
    client.set_secret(name, "first")
    second = client.set_secret(name, "second")
    assert delete(client, name).id == second.id


@pytest.mark.operation("SecretGetDeleted")
def test_a_deleted_secret_can_be_looked_up(client, name):
    client.set_secret(name, "v", content_type="text/plain", tags={"a": "b"})
    deleted = delete(client, name)
    found = client.get_deleted_secret(name)
    assert (found.name, found.deleted_date, found.scheduled_purge_date) == (name, deleted.deleted_date, deleted.scheduled_purge_date)
    assert (found.properties.content_type, found.properties.tags) == ("text/plain", {"a": "b"})


def test_the_name_of_a_deleted_secret_cannot_be_set(client, name):
    client.set_secret(name, "v")
    delete(client, name)
    with pytest.raises(ResourceExistsError):
        client.set_secret(name, "again")


@pytest.mark.operation("SecretRecover")
def test_recover_brings_back_every_version(client, name):
    made = {client.set_secret(name, value).properties.version: value for value in ("first", "second", "third")}
    delete(client, name)
    poller = client.begin_recover_deleted_secret(name)
    poller.wait()
    assert poller.result().name == name
    assert {version: client.get_secret(name, version).value for version in made} == made
    assert client.get_secret(name).value == "third"


def test_a_recovered_secret_is_no_longer_among_the_deleted(client, name):
    client.set_secret(name, "v")
    delete(client, name)
    client.begin_recover_deleted_secret(name).wait()
    with pytest.raises(ResourceNotFoundError):
        client.get_deleted_secret(name)


@pytest.mark.operation("SecretPurge")
def test_a_purged_secret_is_gone_for_good(client, name):
    client.set_secret(name, "v")
    delete(client, name)
    client.purge_deleted_secret(name)
    with pytest.raises(ResourceNotFoundError):
        client.get_deleted_secret(name)
    with pytest.raises(ResourceNotFoundError):
        client.begin_recover_deleted_secret(name)


def test_the_name_of_a_purged_secret_is_free_and_its_versions_are_gone(client, name):
    old = client.set_secret(name, "old").properties.version
    delete(client, name)
    client.purge_deleted_secret(name)
    client.set_secret(name, "new")
    assert client.get_secret(name).value == "new"
    with pytest.raises(ResourceNotFoundError):
        client.get_secret(name, old)


# Backup and restore


@pytest.mark.operation("SecretBackup")
@pytest.mark.operation("SecretRestore")
def test_restore_brings_back_every_version_of_a_backup(client, name):
    made = {client.set_secret(name, value, tags={"n": value}).properties.version: value for value in ("first", "second")}
    backup = client.backup_secret(name)
    delete(client, name)
    client.purge_deleted_secret(name)
    assert client.restore_secret_backup(backup).name == name
    for version, value in made.items():
        read = client.get_secret(name, version)
        assert (read.value, read.properties.tags) == (value, {"n": value})
    assert client.get_secret(name).value == "second"


def test_a_backup_restores_into_another_vault_with_the_same_versions(server, client, name):
    versions = {client.set_secret(name, value).properties.version for value in ("first", "second")}
    with secret_client_for(server, "other") as other:
        restored = other.restore_secret_backup(client.backup_secret(name))
        assert restored.vault_url == other.vault_url
        assert {item.version for item in other.list_properties_of_secret_versions(name)} == versions
        assert other.get_secret(name).value == "second"


def test_restore_keeps_attributes(server, client, name):
    ends = moment(days=30)
    version = client.set_secret(name, "v", enabled=False, content_type="text/plain", expires_on=ends).properties.version
    with secret_client_for(server, "other") as other:
        restored = other.restore_secret_backup(client.backup_secret(name))
    assert (restored.version, restored.enabled, restored.content_type, restored.expires_on) == (version, False, "text/plain", ends)


def test_restore_onto_an_existing_name_is_refused(client, name):
    client.set_secret(name, "v")
    backup = client.backup_secret(name)
    with pytest.raises(ResourceExistsError):
        client.restore_secret_backup(backup)


def test_restore_onto_a_deleted_name_is_refused(client, name):
    client.set_secret(name, "v")
    backup = client.backup_secret(name)
    delete(client, name)
    with pytest.raises(ResourceExistsError):
        client.restore_secret_backup(backup)


def test_a_backup_does_not_show_the_value(client, name):
    client.set_secret(name, "a-value-to-look-for")
    assert b"a-value-to-look-for" not in client.backup_secret(name)


def test_a_backup_of_a_disabled_secret_is_allowed(client, name):
    client.set_secret(name, "v", enabled=False)
    assert client.backup_secret(name)
