"""Secrets of vaults as resources of Azure Resource Manager: made and changed, told in pages, and never with their values."""

import threading
import time

import pytest

from harness import audit
from harness.certificates_wire import Certificates
from harness.certificates_wire import policy as certificate_policy
from harness.directory import CONTRIBUTOR, OWNER, READER, SECRETS_OFFICER, SECRETS_USER, Directory
from harness.management_wire import EARLIER, GONE, LATEST, LOCATION, Arm, assert_refused, assert_withheld, case_label, changed, vault_name
from harness.object_resources import Resources, code_of, secret_body
from harness.tokens import encode
from harness.wire import Wire

ANOTHER = "11111111-1111-4111-8111-111111111111"
TYPE = "Microsoft.KeyVault/vaults/secrets"
KEY_VAULT_CONTRIBUTOR, KEY_VAULT_ADMINISTRATOR = "f25e0fa2-a7c8-4377-a976-54943a77a395", "00482a5a-887f-4fb3-b363-3b7fe8e74483"
CRYPTO_OFFICER = "14b46e9e-c2b7-41b4-b07b-48a6ebf60603"
ACTION = "Microsoft.KeyVault/vaults/secrets/"


@pytest.fixture(scope="module")
def arm(server) -> Arm:
    return Arm.of(server)


@pytest.fixture(scope="module")
def vault(arm) -> str:
    return arm.create()


@pytest.fixture(scope="module")
def secrets(arm, vault) -> Resources:
    return Resources(arm, vault, "secrets")


@pytest.fixture(scope="module")
def data(server, vault) -> Wire:
    """The same vault on the data plane."""
    return server.wire(vault)


@pytest.fixture
def theirs(server, vault, stranger) -> Resources:
    """Calls of an application that has no role at first."""
    return Resources(Arm.of(server, stranger), vault, "secrets")


def value_of(data: Wire, path: str) -> dict:
    answer = data.get(f"/secrets/{path}")
    assert answer.status_code == 200, answer.text
    return answer.json()


def resource_of(secrets: Resources, bundle: dict) -> dict:
    """What should be told of a secret that is such on the data plane."""
    uri = bundle["id"].rsplit("/", 1)[0]
    name = uri.rsplit("/", 1)[1]
    attributes = {member: value for member, value in bundle["attributes"].items() if member != "recoverableDays"}
    content = {member: bundle[member] for member in ("contentType",) if member in bundle}
    return {
        "id": secrets.path(name), "name": name, "type": TYPE, "location": LOCATION, "tags": bundle.get("tags", {}),
        "properties": {**content, "attributes": attributes, "secretUri": uri, "secretUriWithVersion": bundle["id"]},
    }


def every_call(secrets: Resources, name: str) -> list[tuple[str, str, object]]:
    """Of each operation: how it is called."""
    one = secrets.path(name)
    return [
        ("PUT", one, secret_body()), ("PATCH", one, {"tags": {"x": "y"}}), ("PATCH", one, secret_body()), ("GET", one, None),
        ("GET", secrets.all, None)]


# What is answered


@pytest.mark.operation("VaultSecretPut")
@pytest.mark.operation("VaultSecretGet")
@pytest.mark.operation("VaultSecretList")
def test_a_new_secret_is_answered_as_a_whole(server, vault, secrets, data, name):
    answer = secrets.ask_put(name, secret_body("s3cret", tags={"a": "b"}, contentType="text/plain"))
    made = answer.json()
    assert answer.status_code == 201 and set(made) == {"id", "name", "type", "location", "tags", "properties"}
    assert (made["id"], made["name"], made["type"]) == (secrets.path(name), name, TYPE)
    assert (made["location"], made["tags"], made["properties"]["contentType"]) == (LOCATION, {"a": "b"}, "text/plain")
    properties = made["properties"]
    assert set(properties) == {"contentType", "attributes", "secretUri", "secretUriWithVersion"}
    assert properties["attributes"]["enabled"] is True and abs(properties["attributes"]["created"] - time.time()) < 60
    assert properties["secretUri"] == f"{server.vault_url(vault)}/secrets/{name}"
    bundle = value_of(data, name)
    assert (bundle["id"], bundle["value"]) == (properties["secretUriWithVersion"], "s3cret")
    assert made == resource_of(secrets, bundle) == secrets.get(name) and made in secrets.listed()


@pytest.mark.operation("VaultSecretPut")
def test_the_next_put_makes_a_version_that_inherits_nothing(secrets, data, name):
    first = secrets.ask_put(name, secret_body("1", tags={"a": "b"}, contentType="x", attributes={"exp": 4_000_000_000})).json()
    answer = secrets.ask_put(name.upper(), secret_body("2"))
    assert answer.status_code == 200 and answer.json() == secrets.get(name) == resource_of(secrets, value_of(data, name))
    assert (answer.json()["name"], answer.json()["tags"]) == (name, {}) and "contentType" not in answer.json()["properties"]
    assert "exp" not in answer.json()["properties"]["attributes"]
    versions = [first["properties"]["secretUriWithVersion"], answer.json()["properties"]["secretUriWithVersion"]]
    assert sorted(versions) == [each["id"] for each in data.get(f"/secrets/{name}/versions").json()["value"]]
    assert [value_of(data, version.split("/secrets/")[1])["value"] for version in versions] == ["1", "2"]


def test_a_secret_is_the_same_on_the_data_plane(secrets, data, name):
    attributes = {"enabled": True, "nbf": 1_700_000_000, "exp": 4_000_000_000}
    made = secrets.put(name, secret_body("ö\n\0€", tags={"team": "blue", "ö": ""}, contentType="ö", attributes=attributes))
    bundle = value_of(data, name)
    assert made == resource_of(secrets, bundle)
    assert (bundle["value"], bundle["contentType"], bundle["tags"]) == ("ö\n\0€", "ö", {"team": "blue", "ö": ""})
    assert {member: bundle["attributes"][member] for member in attributes} == attributes
    data.set_secret(name, "of the data plane", tags={"c": "d"})
    assert secrets.get(name) == resource_of(secrets, value_of(data, name))


def test_a_disabled_secret_is_told(secrets, data, name):
    made = secrets.put(name, secret_body(attributes={"enabled": False}))
    assert made["properties"]["attributes"]["enabled"] is False and secrets.get(name) == made
    assert_withheld(data.get(f"/secrets/{name}"), "SecretDisabled")


def test_an_earlier_api_version_answers_alike(secrets, name):
    assert secrets.ask_put(name, secret_body(), version=EARLIER).json() == secrets.get(name)


@pytest.mark.parametrize("value", ["", "x" * 25_600, "€" * 8_533])
def test_values_of_every_length_are_taken(secrets, data, name, value):
    tags = {**{f"n{number}": "v" for number in range(14)}, "n" * 512: "v" * 512}
    made = secrets.put(name, secret_body(value, tags=tags, contentType="c" * 255))
    assert made["tags"] == tags and value_of(data, name)["value"] == value


def test_one_of_many_makes_a_secret_and_the_others_add_to_it(server, secrets, vault, data, name):
    callers = [Resources(Arm.of(server), vault, "secrets") for _ in range(8)]
    for fresh in (f"{name}-{number}" for number in range(8)):
        answers: list = []
        threads = [
            threading.Thread(target=lambda one=one, fresh=fresh: answers.append(one.ask_put(fresh, secret_body()))) for one in callers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        versions = data.get(f"/secrets/{fresh}/versions").json()["value"]
        assert sorted(answer.json()["properties"]["secretUriWithVersion"] for answer in answers) == [each["id"] for each in versions]
        assert sorted(answer.status_code for answer in answers) == [200] * 7 + [201]


# Changes


@pytest.mark.operation("VaultSecretPatch")
def test_a_change_keeps_what_it_does_not_name(secrets, data, name):
    old = secrets.put(name, secret_body("1"))["properties"]["secretUriWithVersion"]
    made = secrets.put(name, secret_body("2", tags={"a": "b"}, contentType="x", attributes={"nbf": 1_700_000_000}))
    before = value_of(data, old.split("/secrets/")[1])

    def change(body: dict) -> dict:
        answer = secrets.ask_patch(name, body)
        assert answer.status_code == 200 and answer.json() == secrets.get(name) == resource_of(secrets, value_of(data, name))
        told = changed(answer.json(), "properties.attributes.updated", 0)
        assert told["properties"]["secretUriWithVersion"] == made["properties"]["secretUriWithVersion"]
        return told

    expected = changed(made, "properties.attributes.updated", 0)
    for path, value, body in [
        ("properties.contentType", "y", {"properties": {"contentType": "y"}}), ("tags", {"c": "d"}, {"tags": {"c": "d"}}),
        ("properties.attributes.exp", 4_000_000_000, {"properties": {"attributes": {"exp": 4_000_000_000}}}),
        ("tags", {}, {"tags": {}, "properties": {}}),
    ]:
        expected = changed(expected, path, value)
        assert change(body) == expected
    assert change({}) == expected
    assert value_of(data, name)["value"] == "2" and value_of(data, old.split("/secrets/")[1]) == before


@pytest.mark.operation("VaultSecretPatch")
def test_a_change_with_a_value_makes_a_version(secrets, data, name):
    first = secrets.put(name, secret_body("1"))
    answer = secrets.ask_patch(name, secret_body("2", tags={"a": "b"}, contentType="x"))
    assert answer.status_code in (200, 201) and answer.json() == secrets.get(name) == resource_of(secrets, value_of(data, name))
    assert (answer.json()["tags"], answer.json()["properties"]["contentType"]) == ({"a": "b"}, "x")
    assert answer.json()["properties"]["secretUriWithVersion"] != first["properties"]["secretUriWithVersion"]
    assert value_of(data, name)["value"] == "2"
    assert value_of(data, first["properties"]["secretUriWithVersion"].split("/secrets/")[1])["value"] == "1"


@pytest.mark.parametrize("body", [{"tags": {}}, secret_body()], ids=["without a value", "with a value"])
def test_what_is_not_there_is_not_changed(secrets, data, name, body):
    assert code_of(secrets.ask_patch(name, body)) == (404, "SecretNotFound")
    assert code_of(secrets.ask_get(name)) == (404, "SecretNotFound")
    assert data.get(f"/secrets/{name}").status_code == 404


def test_the_name_of_a_deleted_secret_is_not_free(secrets, data, name):
    made = secrets.put(name, secret_body("1"))
    data.delete_secret(name)
    assert code_of(secrets.ask_put(name, secret_body("2"))) == (409, "Conflict")
    for body in ({}, secret_body("2")):
        assert code_of(secrets.ask_patch(name, body)) == (404, "SecretNotFound")
    assert secrets.ask_get(name).status_code == 404 and name not in [each["name"] for each in secrets.listed()]
    assert data.post(f"/deletedsecrets/{name}/recover").status_code == 200
    assert secrets.get(name) == made and value_of(data, name)["value"] == "1"
    data.delete_secret(name)
    assert data.delete(f"/deletedsecrets/{name}").status_code == 204
    assert secrets.ask_put(name, secret_body("3")).status_code == 201


def test_the_secret_of_a_certificate_is_told_and_not_changed(secrets, data, name):
    Certificates(data).create(name, certificate_policy())
    before = value_of(data, name)
    for answer in (
        secrets.ask_put(name, secret_body("mine")), secrets.ask_patch(name, secret_body("mine")),
        secrets.ask_patch(name, {"tags": {"a": "b"}}),
    ):
        assert_refused(answer, 403, "Forbidden", "certificate")
    assert value_of(data, name) == before and len(data.get(f"/secrets/{name}/versions").json()["value"]) == 1
    told = secrets.get(name)
    assert told["properties"]["contentType"] == "application/x-pkcs12" and before["value"][:40] not in str(told)
    assert told in secrets.listed()


# The value


def test_a_value_is_in_no_answer_no_record_and_no_log(server, cli, secrets, arm, data, name):
    value = f"hidden-{name[::-1]}"
    begun = audit.now()
    answers = [
        secrets.ask_put(name, secret_body(value)), secrets.ask_put(name, secret_body(value)), secrets.ask_patch(name, secret_body(value)),
        secrets.ask_patch(name, {"tags": {"a": "b"}}), secrets.ask_get(name), secrets.ask_list(),
        # What is wrong beside it, or with it.
        secrets.ask_put(name, secret_body(value, attributes={"nbf": -1})), secrets.ask_put(name, secret_body(value, contentType=7)),
        secrets.ask_put(name, secret_body(value * 1000)), secrets.ask_put(name, {"properties": {"value": [value]}}),
        secrets.ask_put(name, {"properties": value}), secrets.ask_put(name, value), secrets.ask_put("a_b", secret_body(value)),
        secrets.ask_patch(name, {"properties": {"value": {value: value}}}), secrets.ask_patch("no-such-secret", secret_body(value)),
        arm.wire.put(secrets.path(name), version=LATEST, data=b'{"properties":{"value":"' + value.encode()),
        arm.wire.put(secrets.path(name), version=None, json=secret_body(value)),
    ]
    assert [answer.status_code for answer in answers] == [201, 200, 200, 200, 200, 200] + [400] * 8 + [404, 400, 400]
    for answer in answers:
        assert value not in answer.text + str(answer.headers), answer.text
    assert value_of(data, name)["value"] == value
    assert len(audit.records_about(cli, name, since=begun)) >= 12
    exported = cli.run("audit", "export", "--since", begun).stdout
    assert value not in exported and encode(value.encode()) not in exported
    assert value not in server.output.text() + server.errors.text()


# Pages


@pytest.fixture(scope="module")
def many(arm) -> Resources:
    """Thirty secrets in a vault of their own, in the order of their names."""
    made = Resources(arm, arm.create(), "secrets")
    for number in range(30):
        made.put(f"{'Many' if number % 2 else 'many'}-{number:02}", secret_body())
    return made


@pytest.mark.parametrize("size", [None, 1, 7, 25])
def test_secrets_come_in_pages(many, size):
    pages = many.pages(**({} if size is None else {"maxresults": size}))
    assert all(len(page) == (size or 25) for page in pages[:-1]) and len(pages) > 1 and pages[-1]
    listed = [each for page in pages for each in page]
    assert [each["name"] for each in listed] == [f"{'Many' if number % 2 else 'many'}-{number:02}" for number in range(30)]
    assert listed[7] == many.get(listed[7]["name"])


def test_a_link_to_the_next_page_has_everything(many, secrets, arm):
    link = many.ask_list(maxresults=2).json()["nextLink"]
    assert link.startswith(f"{arm.wire.base}{many.all}?") and "&maxresults=2" in link
    assert f"api-version={LATEST}" in link and "$skiptoken=" in link
    empty = Resources(arm, arm.create(), "secrets").ask_list().json()
    assert empty["value"] == [] and empty.get("nextLink") is None


def test_a_page_is_as_long_as_top_says(many):
    """secrets.json: `$top`, "Maximum number of results to return"."""
    answer = many.ask_list(**{"$top": 2})
    assert answer.status_code == 200 and len(answer.json()["value"]) == 2, answer.text


@pytest.mark.parametrize("size", ["0", "26", "-1", "x", "1.5", "", "025"])
def test_pages_of_other_sizes_are_refused(secrets, size):
    assert_refused(secrets.ask_list(maxresults=size), 400, "BadParameter", "maxresults")


def test_a_token_is_good_for_its_list_only(server, many, secrets, arm):
    vault = many.all.split("/")[-2]
    wire = server.wire(vault)
    lists = {"here": lambda **query: many.ask_list(**query), "data": lambda **query: wire.get("/secrets", query=query)}
    others = {
        "another vault": lambda **query: secrets.ask_list(**query),
        "keys": lambda **query: Resources(arm, vault, "keys").ask_list(**query),
        "versions": lambda **query: wire.get("/secrets/many-00/versions", query=query),
        "data keys": lambda **query: wire.get("/keys", query=query),
        "deleted": lambda **query: wire.get("/deletedsecrets", query=query),
    }
    for label, ask in lists.items():
        token = ask(maxresults=2).json()["nextLink"].split("$skiptoken=")[1].split("&")[0]
        assert ask(**{"$skiptoken": token}).status_code == 200
        for other, asked in {**lists, **others}.items():
            if other != label:
                assert_refused(asked(**{"$skiptoken": token}), 400, "BadParameter", "$skiptoken")


@pytest.mark.parametrize("wrong", ["", "x", "e30", encode(b'{"NextMarker":"bWFueS0wMA","TargetLocation":0}'), "A" * 2000, "%00"])
def test_a_token_that_was_not_given_out_is_refused(secrets, wrong):
    assert_refused(secrets.ask_list(**{"$skiptoken": wrong}), 400, "BadParameter", "$skiptoken")


# Bodies that are wrong

WRONG = [
    *[("properties", value) for value in ([], "x", 7)],
    *[("properties.value", value) for value in (7, [], {}, True, "x" * 25_601, "€" * 8_534)],
    *[("properties.contentType", value) for value in (7, [], "x" * 256)],
    *[("properties.attributes", value) for value in ([], "x", 7, {"enabled": "yes"}, {"enabled": 1})],
    *[(f"properties.attributes.{member}", value) for member in ("nbf", "exp") for value in ("soon", -1, 2**62, 1.5, [])],
    ("properties.attributes", {"nbf": 2_000_000_000, "exp": 2_000_000_000}),
    *[("tags", value) for value in (
        [], "x", {"a": 1}, {"a": {}}, {f"n{number}": "v" for number in range(16)}, {"n" * 513: "v"}, {"n": "v" * 513}, {"": "v"})],
]


@pytest.fixture(scope="module")
def standing(secrets) -> str:
    """A secret that no wrong request may change."""
    secrets.put("standing", secret_body("stands", tags={"a": "b"}))
    return "standing"


@pytest.mark.parametrize("case", WRONG, ids=case_label)
def test_a_wrong_member_is_refused_and_changes_nothing(secrets, data, standing, name, case):
    whole, before = changed(secret_body(), *case), value_of(data, standing)
    assert_refused(secrets.ask_put(name, whole), 400, "BadParameter", case[0].split(".")[1] if "." in case[0] else case[0])
    for answer in (secrets.ask_put(standing, whole), secrets.ask_patch(standing, whole)):
        assert_refused(answer, 400, "BadParameter")
    if case[0] != "properties.value":
        assert_refused(secrets.ask_patch(standing, changed({}, *case)), 400, "BadParameter")
    assert secrets.ask_get(name).status_code == 404 and value_of(data, standing) == before


@pytest.mark.parametrize("value", [GONE, None], ids=["absent", "null"])
@pytest.mark.parametrize("path", ["properties", "properties.value"])
def test_a_secret_is_not_made_without_a_value(secrets, data, standing, name, path, value):
    before = value_of(data, standing)
    for each in (name, standing):
        assert_refused(secrets.ask_put(each, changed(secret_body(), path, value)), 400, "BadParameter")
    assert secrets.ask_get(name).status_code == 404 and value_of(data, standing) == before


@pytest.mark.parametrize(
    "text",
    [b"", b"no json", b"[]", b"null", b"7", b'"x"', b"{", b'{"tags":{},}', b"{" * 40, b"\xff\xfe{}", b'{"tags":{"a":"1"},"tags":{}}',
     b'{"properties":{"value":"x","a":' + b"[" * 40 + b"]" * 40 + b"}}", b'{"properties":{"value":"x"}} x'],
    ids=lambda text: text[:28].decode("latin-1"))
def test_a_body_that_is_no_object_is_refused(secrets, arm, data, standing, name, text):
    before, headers = value_of(data, standing), {"Content-Type": "application/json"}
    for method, each in (("PUT", name), ("PUT", standing), ("PATCH", standing)):
        assert_refused(arm.wire.call(method, secrets.path(each), version=LATEST, headers=headers, data=text), 400, "BadParameter")
    assert secrets.ask_get(name).status_code == 404 and value_of(data, standing) == before


def test_a_body_that_is_too_long_is_refused(secrets, data, standing):
    before = value_of(data, standing)
    for answer in (secrets.ask_put(standing, secret_body("x" * (1 << 20))), secrets.ask_patch(standing, secret_body("x" * (1 << 20)))):
        assert_refused(answer, 413, "RequestBodyTooLarge")
    assert value_of(data, standing) == before


def test_what_was_told_goes_back_with_a_value(secrets, data, name):
    told = secrets.put(name, secret_body("1", tags={"a": "b"}, contentType="x"))
    again = secrets.put(name, changed(told, "properties.value", "2"))
    assert (again["tags"], again["properties"]["contentType"]) == (told["tags"], "x")
    assert value_of(data, name)["value"] == "2"


# Names and places


@pytest.mark.parametrize("wrong", ["a_b", "a.b", "a%20b", "caf%C3%A9", "x" * 128, "a~", "a:b"])
def test_a_name_that_cannot_be_a_secrets_is_refused(secrets, arm, wrong):
    for method, path, body in every_call(secrets, wrong):
        if path != secrets.all:
            assert_refused(arm.wire.call(method, path, version=LATEST, json=body), 400, "BadParameter")


@pytest.mark.parametrize("right", ["0", "-", "a--b", "x" * 127])
def test_every_name_of_a_secret_is_taken(secrets, data, right):
    assert secrets.put(right, secret_body("v"))["name"] == right
    assert value_of(data, right)["value"] == "v"


def test_secrets_are_below_what_is_there_only(secrets, arm, vault, name):
    beside = f"beside-{vault}"
    assert arm.wire.put(arm.group(beside), version=LATEST, json={"location": LOCATION}).status_code in (200, 201)
    for each in (arm.vault(vault_name()), arm.vault(vault, beside), arm.vault(vault, "no-such-group")):
        for method, path, body in every_call(secrets, name):
            answer = arm.wire.call(method, path.replace(arm.vault(vault), each), version=LATEST, json=body)
            assert_refused(answer, 404, "ResourceNotFound")
    assert secrets.ask_get(name).status_code == 404


def test_another_subscription_has_no_secrets(secrets, arm, name):
    for method, path, body in every_call(secrets, name):
        for subscription in (ANOTHER, "mine"):
            wrong = path.replace(arm.subscription, f"/subscriptions/{subscription}")
            answer = arm.wire.call(method, wrong, version=LATEST, json=body)
            assert answer.status_code in (400, 403, 404) and set(answer.json()["error"]) == {"code", "message"}, answer.text


def test_a_pool_has_no_secrets(arm, secrets, vault, name):
    for method, path, body in every_call(secrets, name):
        wrong = path.replace(f"/vaults/{vault}", "/managedHSMs/demohsm")
        assert_refused(arm.wire.call(method, wrong, version=LATEST, json=body), 404, "NotFound")


@pytest.mark.parametrize("version", [None, "", "7.4", "latest", "2026-13-01"])
def test_the_api_version_must_be_one_of_azure_resource_manager(secrets, arm, name, version):
    for method, path, body in every_call(secrets, name):
        assert_refused(arm.wire.call(method, path, version=version, json=body), 400, "InvalidApiVersionParameter")
    assert secrets.ask_get(name).status_code == 404


@pytest.mark.parametrize("method", ["DELETE", "POST"])
def test_a_secret_is_not_deleted_here(secrets, arm, name, method):
    made = secrets.put(name, secret_body())
    assert arm.wire.call(method, secrets.path(name), version=LATEST, json=secret_body()).status_code == 405
    assert secrets.get(name) == made


def test_a_secret_has_no_versions_here(secrets, name):
    version = secrets.put(name, secret_body())["properties"]["secretUriWithVersion"].rsplit("/", 1)[1]
    for below in ("versions", f"versions/{version}", version):
        assert secrets.ask_get(f"{name}/{below}").status_code == 404


# Who may, and what does not matter


def all_refused(secrets: Resources, name: str) -> None:
    for method, path, body in every_call(secrets, name):
        answer = secrets.arm.wire.call(method, path, version=LATEST, json=body)
        assert_refused(answer, 403, "AuthorizationFailed", f"{ACTION}{'read' if method == 'GET' else 'write'}")


def test_who_has_no_role_may_nothing(secrets, theirs, data, standing):
    before = value_of(data, standing)
    all_refused(theirs, standing)
    all_refused(theirs, "no-such-secret")
    for path in (theirs.path(standing), theirs.path("a_b")):
        assert_refused(theirs.arm.wire.put(path, version=LATEST, data=b"no json"), 403, "AuthorizationFailed")
    assert value_of(data, standing) == before


@pytest.mark.parametrize("token", [None, "data"])
def test_a_token_of_the_management_plane_is_needed(server, secrets, arm, data, name, token):
    wire = Wire(arm.wire.base, server.bundle, token and data.token)
    for method, path, body in every_call(secrets, name):
        assert wire.call(method, path, version=LATEST, json=body).status_code == 401
    assert secrets.ask_get(name).status_code == 404


@pytest.mark.parametrize("role", [KEY_VAULT_ADMINISTRATOR, SECRETS_OFFICER, SECRETS_USER, CRYPTO_OFFICER, READER])
def test_roles_of_the_data_plane_set_no_secret_here(server, arm, vault, stranger, theirs, data, standing, role):
    Directory.of(server).assign(role, stranger.object_id, arm.vault(vault))
    before = value_of(data, standing)
    refused = [theirs.ask_put(standing, secret_body())]
    refused += [theirs.ask_patch(standing, body) for body in ({"tags": {}}, secret_body())]
    for answer in refused:
        assert_refused(answer, 403, "AuthorizationFailed", f"{ACTION}write")
    assert value_of(data, standing) == before
    # What they may read here is in their actions, not in their data actions.
    if role == SECRETS_USER:
        all_refused(theirs, standing)
    else:
        assert theirs.get(standing)["name"] == standing


@pytest.mark.parametrize("role", [OWNER, CONTRIBUTOR, KEY_VAULT_CONTRIBUTOR])
def test_who_manages_a_vault_sets_secrets_and_cannot_read_them(server, arm, vault, stranger, theirs, data, name, role):
    Directory.of(server).assign(role, stranger.object_id, arm.vault(vault))
    assert theirs.ask_put(name, secret_body("theirs")).status_code == 201
    assert theirs.ask_patch(name, {"tags": {"a": "b"}}).json() == theirs.get(name) and theirs.listed()
    wire = server.wire(vault, stranger)
    for answer in (wire.get(f"/secrets/{name}"), wire.get("/secrets"), wire.put(f"/secrets/{name}", json={"value": "x"})):
        assert_withheld(answer, "ForbiddenByRbac")
    assert value_of(data, name)["value"] == "theirs"


def test_a_role_at_one_secret_gives_nothing_here(server, secrets, stranger, theirs, standing):
    Directory.of(server).assign(KEY_VAULT_CONTRIBUTOR, stranger.object_id, secrets.path(standing))
    all_refused(theirs, standing)


@pytest.mark.parametrize("closed", [{"publicNetworkAccess": "Disabled"}, {"networkAcls": {"defaultAction": "Deny"}}], ids=str)
def test_network_rules_do_not_matter(server, arm, name, closed):
    vault = arm.create(**closed)
    secrets, wire = Resources(arm, vault, "secrets"), server.wire(vault)
    assert secrets.put(name, secret_body("1")) == secrets.get(name)
    assert secrets.ask_patch(name, secret_body("2")).status_code == 200 and len(secrets.listed()) == 1
    assert code_of_withheld(wire.get(f"/secrets/{name}")) in ("ForbiddenByConnection", "ForbiddenByFirewall")
    arm.change(vault, publicNetworkAccess="Enabled", networkAcls={"defaultAction": "Allow"})
    assert value_of(wire, name)["value"] == "2"


def code_of_withheld(answer) -> str:
    assert answer.status_code == 403, answer.text
    return answer.json()["error"]["innererror"]["code"]


def test_access_policies_do_not_matter(server, arm, stranger, name):
    everything = {"keys": ["all"], "secrets": ["all"], "certificates": ["all"]}
    vault = arm.create(enableRbacAuthorization=False, accessPolicies=[arm.entry(stranger.object_id, **everything)])
    secrets, wire = Resources(arm, vault, "secrets"), server.wire(vault, stranger)
    assert secrets.put(name, secret_body("v")) == secrets.get(name)
    assert_withheld(server.wire(vault).get(f"/secrets/{name}"), "AccessDenied")
    all_refused(Resources(Arm.of(server, stranger), vault, "secrets"), name)
    assert value_of(wire, name)["value"] == "v"


# Life of the vault


def test_secrets_come_back_with_their_vault(server, arm, name):
    vault = arm.create()
    secrets = Resources(arm, vault, "secrets")
    made = secrets.put(name, secret_body("v"))
    arm.delete(vault)
    for method, path, body in every_call(secrets, name):
        assert_refused(arm.wire.call(method, path, version=LATEST, json=body), 404, "ResourceNotFound")
    arm.recover(vault)
    assert secrets.get(name) == made and value_of(server.wire(vault), name)["value"] == "v"


def test_secrets_survive_a_restart(own_server):
    server = own_server()
    made = Resources(Arm.of(server), "demo", "secrets").put("kept", secret_body("v", tags={"a": "b"}))
    server.kill()
    server.start()
    assert Resources(Arm.of(server), "demo", "secrets").get("kept") == made
    assert value_of(server.wire(), "kept")["value"] == "v"


# The log


def test_every_call_is_on_record_with_its_operation_and_its_secret(cli, arm, secrets, data, vault, name):
    begun = audit.now()
    for method, path, body in every_call(secrets, name):
        arm.wire.call(method, path, version=LATEST, json=body)
    secrets.ask_put(name, secret_body())
    secrets.ask_put(name, {})
    about = audit.records_about(cli, secrets.all, since=begun)
    records = [record for record in about if record["operationName"].startswith("VaultSecret")]
    told = [(record["operationName"].removeprefix("VaultSecret"), record["properties"]["httpStatusCode"]) for record in records]
    assert told == [("Put", 201), ("Patch", 200), ("Patch", 200), ("Get", 200), ("List", 200), ("Put", 200), ("Put", 400)]
    for record in records[:-1]:
        assert record["resourceId"] == arm.vault(vault).upper() and record["identity"]["claim"]["oid"] == arm.object_id, record
    for record in (*records[:4], records[5]):
        assert record["properties"]["id"].startswith(f"{data.base}/secrets/{name}"), record


def test_a_refused_call_is_on_record(cli, theirs, stranger, name):
    begun = audit.now()
    theirs.ask_put(name, secret_body())
    (record,) = audit.records_about(cli, f"/secrets/{name}", since=begun)
    assert (record["operationName"], record["properties"]["httpStatusCode"], record["resultType"]) == ("VaultSecretPut", 403, "Failed")
    assert record["identity"]["claim"]["oid"] == stranger.object_id
