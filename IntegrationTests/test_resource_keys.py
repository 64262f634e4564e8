"""Keys of vaults and pools as resources of Azure Resource Manager: made if they are not there, the same as keys, told in pages."""

import json
import threading
import time

import pytest

from harness import audit
from harness.certificates_wire import Certificates
from harness.certificates_wire import policy as certificate_policy
from harness.clock import shifted
from harness.directory import CONTRIBUTOR, OWNER, READER, SECRETS_OFFICER, Directory
from harness.hsm_authority import claim, policy
from harness.hsm_pool import POOL, pool_wire
from harness.management_pools import ADMINISTRATOR, ASSIGNMENTS, assert_unactivated
from harness.management_wire import EARLIER, GONE, LATEST, LOCATION, Arm, assert_refused, assert_withheld, case_label, changed, vault_name
from harness.object_resources import (
    Place, Resources, allow, code_of, inactive_place, key_body, open_pool, pool_place, resource_of, vault_place)
from harness.tokens import encode
from harness.wire import Wire

ANOTHER = "11111111-1111-4111-8111-111111111111"
DAY = 86_400
KEY_VAULT_CONTRIBUTOR, KEY_VAULT_ADMINISTRATOR = "f25e0fa2-a7c8-4377-a976-54943a77a395", "00482a5a-887f-4fb3-b363-3b7fe8e74483"
CRYPTO_OFFICER, CRYPTO_USER = "14b46e9e-c2b7-41b4-b07b-48a6ebf60603", "12338af0-0e69-4776-bea7-57ae8d297424"
POOL_CONTRIBUTOR = "18500a29-7fe2-46b2-a342-b16a415e101d"
ROTATION = {
    "lifetimeActions": [{"trigger": {"timeAfterCreate": "P30D"}, "action": {"type": "rotate"}}], "attributes": {"expiryTime": "P60D"}}
RELEASE = encode(json.dumps(policy("https://attestation.example", claim("x-ms-attestation-type", "sevsnpvm"))).encode())


@pytest.fixture(scope="module")
def vault(server) -> Place:
    """A premium vault."""
    return vault_place(server)


@pytest.fixture(scope="module")
def standard(server) -> Place:
    return vault_place(server, "standard")


@pytest.fixture(scope="module")
def pool(server) -> Place:
    """A pool that lets its keys be managed here."""
    return open_pool(server)


@pytest.fixture(params=["vault", "pool"])
def place(request) -> Place:
    return request.getfixturevalue(request.param)


def every_call(resources: Resources, name: str) -> list[tuple[str, str, object]]:
    """Of each operation: how it is called."""
    one = resources.path(name)
    return [
        ("PUT", one, key_body()), ("GET", one, None), ("GET", resources.all, None), ("GET", f"{one}/versions", None),
        ("GET", f"{one}/versions/{'0' * 32}", None)]


def without_rotation(resource: dict) -> dict:
    return changed(resource, "properties.rotationPolicy", GONE)


def at_once(calls: list) -> list:
    answers: list = []
    threads = [threading.Thread(target=lambda call=call: answers.append(call())) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == len(calls)
    return answers


# What is answered


def live(place: Place, name: str) -> None:
    answer = place.resources.ask_put(name, key_body("EC", tags={"a": "b"}))
    made = answer.json()
    assert answer.status_code == 200 and set(made) == {"id", "name", "type", "location", "tags", "properties"}
    assert (made["id"], made["name"], made["type"]) == (place.resources.path(name), name, f"Microsoft.KeyVault/{place.kind}/keys")
    assert (made["location"], made["tags"]) == (LOCATION, {"a": "b"})
    properties = made["properties"]
    assert set(properties) == {"attributes", "kty", "keyOps", "curveName", "keyUri", "keyUriWithVersion"}
    assert set(properties["attributes"]) == {"enabled", "created", "updated", "recoveryLevel", "exportable"}
    assert (properties["attributes"]["enabled"], properties["attributes"]["exportable"]) == (True, False)
    assert abs(properties["attributes"]["created"] - time.time()) < 60
    assert (properties["kty"], properties["curveName"]) == ("EC-HSM" if place.is_pool else "EC", "P-256")
    assert properties["keyUri"] == f"{place.keys.wire.base}/keys/{name}"
    bundle = place.keys.get(name)
    assert properties["keyUriWithVersion"] == bundle["key"]["kid"] and made == resource_of(place, bundle)
    assert place.resources.get(name) == made and made in place.resources.listed()
    version = resource_of(place, bundle, is_version=True)
    assert version["type"] == f"Microsoft.KeyVault/{place.kind}/keys/versions" and version["id"].endswith(f"/versions/{version['name']}")
    assert place.resources.listed(f"/{name}/versions") == [version]
    assert place.resources.get(f"{name}/versions/{version['name']}") == version


@pytest.mark.operation("VaultKeyPut")
@pytest.mark.operation("VaultKeyGet")
@pytest.mark.operation("VaultKeyList")
@pytest.mark.operation("VaultKeyVersionGet")
@pytest.mark.operation("VaultKeyVersionList")
def test_a_key_of_a_vault_is_made_told_and_listed(vault, name):
    live(vault, name)


@pytest.mark.operation("ManagedHSMKeyPut")
@pytest.mark.operation("ManagedHSMKeyGet")
@pytest.mark.operation("ManagedHSMKeyList")
@pytest.mark.operation("ManagedHSMKeyVersionGet")
@pytest.mark.operation("ManagedHSMKeyVersionList")
def test_a_key_of_a_pool_is_made_told_and_listed(pool, name):
    live(pool, name)


KINDS = [
    ("RSA", {}), ("RSA", {"keySize": 3072}), ("RSA-HSM", {"keySize": 2048}), ("EC", {}), ("EC", {"curveName": "P-384"}),
    ("EC", {"curveName": "P-521", "keySize": 521}), ("EC", {"curveName": "P-256K"}), ("EC-HSM", {"curveName": "P-256"}),
    ("oct-HSM", {"keySize": 128}), ("oct-HSM", {"keySize": 256})]


@pytest.mark.parametrize(("kty", "members"), KINDS, ids=str)
def test_a_key_is_the_same_on_the_data_plane(place, name, kty, members):
    attributes = {"enabled": False, "nbf": 1_700_000_000, "exp": 4_000_000_000}
    operations = ["wrapKey", "unwrapKey"] if kty == "oct-HSM" else ["verify", "sign"]
    body = key_body(kty, tags={"team": "blue", "ö": ""}, keyOps=operations, attributes=attributes, **members)
    made = place.resources.put(name, body)
    bundle = place.keys.get(name)
    assert made == resource_of(place, bundle, size=members.get("keySize")) == place.resources.get(name)
    assert bundle["key"]["kty"] == kty.removesuffix("-HSM") + ("-HSM" if place.is_pool or kty.endswith("-HSM") else "")
    assert bundle["key"]["key_ops"] == operations and bundle["tags"] == {"team": "blue", "ö": ""}
    assert {member: bundle["attributes"][member] for member in attributes} == attributes
    assert made["properties"].get("keySize", 2048) == members.get("keySize", 2048) or kty.startswith("EC")
    assert made["properties"].get("curveName", "P-256") == members.get("curveName", "P-256")


def test_a_key_can_be_used_for_what_its_type_is_for_by_default(place, name):
    made = place.resources.put(name, key_body("RSA"))
    assert made["properties"]["keySize"] == 2048
    assert set(made["properties"]["keyOps"]) == {"encrypt", "decrypt", "sign", "verify", "wrapKey", "unwrapKey"}
    signature = place.keys.sign(name, "RS256", b"d" * 32)
    assert place.keys.verify(name, "RS256", b"d" * 32, signature)


@pytest.mark.parametrize("kty", ["RSA-HSM", "EC-HSM"])
def test_an_exportable_key_has_its_release_policy(place, name, kty):
    made = place.resources.put(name, key_body(kty, attributes={"exportable": True}, release_policy={"data": RELEASE}))
    assert made["properties"]["release_policy"] == {"contentType": "application/json; charset=utf-8", "data": RELEASE}
    bundle = place.keys.get(name)
    assert bundle["attributes"]["exportable"] is True and bundle["release_policy"]["data"] == RELEASE
    assert made == resource_of(place, bundle)


def test_an_exportable_key_needs_a_vault_with_hardware(standard, name):
    for body in (key_body("EC", attributes={"exportable": True}, release_policy={"data": RELEASE}), key_body("EC-HSM")):
        assert_refused(standard.resources.ask_put(name, body), 400, "BadParameter")
    assert standard.resources.ask_get(name).status_code == 404


def test_an_earlier_api_version_answers_alike(vault, name):
    made = vault.resources.ask_put(name, key_body(), version=EARLIER)
    assert made.status_code == 200 and made.json() == vault.resources.get(name)


def test_what_was_told_goes_back_as_it_came(place, name):
    made = place.resources.put(name, key_body(rotationPolicy=ROTATION))
    again = place.resources.put(f"{name}-2", made)
    assert again["properties"]["keyOps"] == made["properties"]["keyOps"]
    assert again["properties"]["rotationPolicy"]["lifetimeActions"] == made["properties"]["rotationPolicy"]["lifetimeActions"]


# Rotation


def test_a_rotation_policy_is_the_same_on_the_data_plane(place, name):
    made = place.resources.put(name, key_body(rotationPolicy=ROTATION))
    told = made["properties"]["rotationPolicy"]
    known = place.keys.policy(name)
    assert known.pop("id") == f"{place.keys.wire.base}/keys/{name}/rotationpolicy"
    assert json.dumps(told).lower() == json.dumps(known).lower()
    assert told["attributes"]["expiryTime"] == "P60D" and abs(told["attributes"]["created"] - time.time()) < 60
    rotate = [each["trigger"] for each in told["lifetimeActions"] if each["action"]["type"].lower() == "rotate"]
    assert rotate == [{"timeAfterCreate": "P30D"}]
    assert place.resources.get(name) == made
    assert without_rotation(made) == resource_of(place, place.keys.get(name))
    # It is the key's, not a version's.
    (version,) = place.resources.listed(f"/{name}/versions")
    assert "rotationPolicy" not in version["properties"]


def test_the_actions_of_a_rotation_policy_are_spelled_as_by_azure_resource_manager(place, name):
    """keys.json and keysManagedHsm.json: `rotate`, `notify`; the data plane has them with capitals."""
    made = place.resources.put(name, key_body(rotationPolicy=ROTATION))
    assert {each["action"]["type"] for each in made["properties"]["rotationPolicy"]["lifetimeActions"]} <= {"rotate", "notify"}


def test_a_policy_that_the_data_plane_sets_is_told(place, name):
    assert "rotationPolicy" not in place.resources.put(name, key_body())["properties"]
    place.keys.set_policy(name, ROTATION)
    assert place.resources.get(name)["properties"]["rotationPolicy"]["attributes"]["expiryTime"] == "P60D"


def test_a_key_is_rotated_when_its_policy_says_so(own_server):
    server = own_server()
    arm = Arm.of(server)
    early = {**ROTATION, "lifetimeActions": [{"trigger": {"timeAfterCreate": "P7D"}, "action": {"type": "Rotate"}}]}
    first = Resources(arm, "demo", "keys").put("rotating", key_body(tags={"a": "b"}, rotationPolicy=early))
    # Two days at a time, as for a server that is stopped over a weekend.
    for day in (2, 4, 6, 8):
        assert server.stop() == 0
        server.start(**shifted(day * DAY))
        keys = Resources(Arm.late(server), "demo", "keys")
        assert day > 6 or len(keys.listed("/rotating/versions")) == 1
    deadline = time.monotonic() + 30
    while len(keys.listed("/rotating/versions")) == 1 and time.monotonic() < deadline:
        time.sleep(0.5)
    told = keys.get("rotating")
    assert len(keys.listed("/rotating/versions")) == 2
    assert told["properties"]["keyUriWithVersion"] != first["properties"]["keyUriWithVersion"] and told["tags"] == {"a": "b"}
    lives = told["properties"]["attributes"]["exp"] - told["properties"]["attributes"]["created"]
    assert lives == 60 * DAY and told["properties"]["rotationPolicy"] == first["properties"]["rotationPolicy"]


# A key that is there


OTHER = key_body("RSA", tags={"c": "d"}, keySize=3072, keyOps=["sign"], attributes={"enabled": False}, rotationPolicy=ROTATION)


def test_a_key_that_is_there_is_answered_as_it_is(place, name):
    made = place.resources.put(name, key_body("EC", tags={"a": "b"}))
    known, rotation = place.keys.get(name), place.keys.policy(name)
    for spelled in (name, name.upper()):
        answer = place.resources.ask_put(spelled, OTHER)
        assert (answer.status_code, answer.json()) == (200, made)
    assert place.keys.get(name) == known and place.keys.policy(name) == rotation and len(place.keys.versions(name)) == 1


def test_a_key_of_the_data_plane_is_answered_as_it_is(place, name):
    place.keys.create(name, "RSA", tags={"a": "b"})
    bundle = place.keys.create(name, "EC", crv="P-384")
    assert place.resources.put(name, OTHER) == resource_of(place, bundle) == place.resources.get(name.upper())
    assert place.keys.get(name) == bundle and len(place.keys.versions(name)) == 2


def test_the_key_of_a_certificate_is_answered_as_it_is(server, vault, name):
    Certificates(server.wire(vault.name)).create(name, certificate_policy())
    before = vault.keys.get(name)
    assert vault.resources.put(name, OTHER) == resource_of(vault, before)
    assert vault.keys.get(name) == before and len(vault.keys.versions(name)) == 1


def test_one_of_many_makes_a_key_and_the_others_find_it(server, place, name):
    callers = [Resources(type(place.arm).of(server), place.name, "keys") for _ in range(8)]
    bodies = [key_body("EC", tags={"by": str(number)}) for number in range(8)]
    answers = at_once([lambda one=one, body=body: one.ask_put(name, body) for one, body in zip(callers, bodies)])
    assert {answer.status_code for answer in answers} == {200}, [answer.text for answer in answers]
    assert [answer.json() for answer in answers] == [place.resources.get(name)] * 8
    assert len(place.keys.versions(name)) == 1


def test_the_name_of_a_deleted_key_is_not_free(place, name):
    made = place.resources.put(name, key_body())
    place.keys.delete(name)
    assert code_of(place.resources.ask_put(name, key_body())) == (409, "Conflict")
    assert place.resources.ask_get(name).status_code == 404
    assert name not in [each["name"] for each in place.resources.listed()]
    place.keys.recover(name)
    assert place.resources.get(name) == made
    place.keys.delete(name)
    place.keys.purge(name)
    again = place.resources.put(name, key_body())
    assert again["properties"]["keyUriWithVersion"] != made["properties"]["keyUriWithVersion"]


# Versions


def test_every_version_is_told(place, name):
    place.resources.put(name, key_body("EC", tags={"n": "1"}))
    for number, kty in ((2, "RSA"), (3, "EC")):
        place.keys.create(name, kty, tags={"n": str(number)})
    versions = [each["kid"].rsplit("/", 1)[1] for each in place.keys.versions(name)]
    expected = [resource_of(place, place.keys.get(f"/keys/{name}/{version}"), is_version=True) for version in versions]
    listed = place.resources.listed(f"/{name}/versions")
    assert listed == expected and {each["tags"]["n"] for each in listed} == {"1", "2", "3"}
    for version, told in zip(versions, expected):
        assert place.resources.get(f"{name}/versions/{version}") == told
        assert place.resources.get(f"{name.upper()}/versions/{version.upper()}") == told
    assert place.resources.get(name) == resource_of(place, place.keys.get(name))


def test_a_version_that_is_not_there_is_not_found(place, name):
    place.resources.put(name, key_body())
    assert code_of(place.resources.ask_get(f"{name}/versions/{'0' * 32}")) == (404, "KeyNotFound")
    for wrong in ("x", "0" * 31, "0" * 33, "g" * 32):
        assert_refused(place.resources.ask_get(f"{name}/versions/{wrong}"), 400, "BadParameter")
    assert code_of(place.resources.ask_get("no-such-key")) == (404, "KeyNotFound")


# Pages


@pytest.fixture(scope="module")
def many(vault, pool) -> dict[str, Place]:
    """Places with 30 keys and more, and in each a key with 30 versions."""
    for each in (vault, pool):
        for number in range(30):
            each.resources.put(f"{'Many' if number % 2 else 'many'}-{number:02}", key_body())
        for _ in range(30):
            each.keys.create("versions")
    return {"vault": vault, "pool": pool}


@pytest.mark.parametrize("size", [None, 1, 7, 25])
@pytest.mark.parametrize("kind", ["vault", "pool"])
def test_keys_come_in_pages(many, kind, size):
    place = many[kind]
    query = {} if size is None else {"maxresults": size}
    pages = place.resources.pages(**query)
    assert all(len(page) == (size or 25) for page in pages[:-1]) and len(pages) > 1 and pages[-1]
    names = [each["name"] for page in pages for each in page]
    assert names == [each["kid"].rsplit("/", 1)[1] for each in place.keys.listed("/keys")] == sorted(names, key=str.lower)
    assert {f"{'Many' if number % 2 else 'many'}-{number:02}" for number in range(30)} <= set(names)
    versions = place.resources.pages("/VERSIONS/versions", **query)
    assert all(len(page) == (size or 25) for page in versions[:-1])
    assert [each["name"] for page in versions for each in page] == [
        each["kid"].rsplit("/", 1)[1] for each in place.keys.versions("versions")]


@pytest.mark.parametrize("below", ["", "/versions/versions"])
def test_a_link_to_the_next_page_has_everything(many, below):
    resources = many["vault"].resources
    link = resources.ask_list(below, maxresults=2).json()["nextLink"]
    assert link.startswith(f"{resources.arm.wire.base}{resources.all}{below}?") and "&maxresults=2" in link
    assert f"api-version={LATEST}" in link and "$skiptoken=" in link
    last = resources.ask_list(f"/{resources.listed()[0]['name']}/versions").json()
    assert last.get("nextLink") is None and len(last["value"]) == 1


@pytest.mark.parametrize("size", ["0", "26", "-1", "x", "1.5", "", "025"])
def test_pages_of_other_sizes_are_refused(place, size):
    for below in ("", "/one/versions"):
        assert_refused(place.resources.ask_list(below, maxresults=size), 400, "BadParameter", "maxresults")


def token_of(answer) -> str:
    assert answer.status_code == 200, answer.text
    return answer.json()["nextLink"].split("$skiptoken=")[1].split("&")[0]


def test_a_token_is_good_for_its_list_only(server, many, standard):
    vault, pool = many["vault"], many["pool"]
    lists = {
        "keys": lambda **query: vault.resources.ask_list(**query),
        "versions": lambda **query: vault.resources.ask_list("/versions/versions", **query),
        "data": lambda **query: vault.keys.wire.get("/keys", query=query),
        "data versions": lambda **query: vault.keys.wire.get("/keys/versions/versions", query=query),
        "pool": lambda **query: pool.resources.ask_list(**query),
        "pool versions": lambda **query: pool.resources.ask_list("/versions/versions", **query),
    }
    others = {
        "another vault": lambda **query: standard.resources.ask_list(**query),
        "another key": lambda **query: vault.resources.ask_list("/many-00/versions", **query),
        "secrets": lambda **query: Resources(vault.arm, vault.name, "secrets").ask_list(**query),
        "data secrets": lambda **query: vault.keys.wire.get("/secrets", query=query),
    }
    tokens = {label: token_of(ask(maxresults=2)) for label, ask in lists.items()}
    for label, token in tokens.items():
        assert lists[label](**{"$skiptoken": token}).status_code == 200
        for other, ask in {**lists, **others}.items():
            if other != label:
                assert_refused(ask(**{"$skiptoken": token}), 400, "BadParameter", "$skiptoken")


@pytest.mark.parametrize("wrong", ["", "x", "e30", encode(b'{"NextMarker":"bWFueS0wMA","TargetLocation":0}'), "A" * 2000, "%00"])
def test_a_token_that_was_not_given_out_is_refused(place, wrong):
    assert_refused(place.resources.ask_list(**{"$skiptoken": wrong}), 400, "BadParameter", "$skiptoken")


# Bodies that are wrong

WHOLE = key_body("EC")
ACTIONS = "properties.rotationPolicy.lifetimeActions"
ROTATE = {"type": "rotate"}
WRONG = [
    *[("properties", value) for value in (GONE, None, [], "x", 7)],
    *[("properties.kty", value) for value in (GONE, None, "", "ABC", "RSA ", 7, [])],
    *[("properties.keyOps", value) for value in ("sign", {}, [7], ["fly"], [""], ["encrypt"], ["import"], ["export"], ["sign"] * 33)],
    *[("properties.keySize", value) for value in (7, 255, -1, "256", 256.5, True, [], 2**70)],
    *[("properties.curveName", value) for value in ("", "P-255", 7, [])],
    *[("properties.attributes", value) for value in ([], "x", 7, {"enabled": "yes"}, {"enabled": 1}, {"exportable": "no"})],
    *[(f"properties.attributes.{member}", value) for member in ("nbf", "exp") for value in ("soon", -1, 2**62, 1.5, [])],
    ("properties.attributes", {"nbf": 2_000_000_000, "exp": 2_000_000_000}), ("properties.attributes.exportable", True),
    *[("properties.release_policy", value) for value in ("x", [], {}, {"data": RELEASE})],
    *[("properties.rotationPolicy", value) for value in ("x", [], 7)],
    *[(ACTIONS, value) for value in (
        "x", [7], [{}], [{"action": ROTATE}], [{"action": ROTATE, "trigger": {}}], [{"trigger": {"timeAfterCreate": "P30D"}}],
        [{"action": ROTATE, "trigger": {"timeAfterCreate": "P30D", "timeBeforeExpiry": "P30D"}}],
        [{"action": {"type": "fly"}, "trigger": {"timeAfterCreate": "P30D"}}],
        [{"action": ROTATE, "trigger": {"timeAfterCreate": "P1D"}}], [{"action": ROTATE, "trigger": {"timeAfterCreate": "soon"}}],
        [{"action": ROTATE, "trigger": {"timeBeforeExpiry": "P30D"}}], [{"action": ROTATE, "trigger": {"timeAfterCreate": 30}}],
        [{"action": ROTATE, "trigger": {"timeAfterCreate": "P30D"}}] * 2)],
    *[("properties.rotationPolicy.attributes", value) for value in (
        "x", {"expiryTime": "P27D"}, {"expiryTime": "soon"}, {"expiryTime": 60}, {"expiryTime": "P200Y"})],
    *[("tags", value) for value in (
        [], "x", {"a": 1}, {"a": {}}, {f"n{number}": "v" for number in range(16)}, {"n" * 257: "v"}, {"n": "v" * 257}, {"": "v"})],
]


@pytest.mark.parametrize("case", WRONG, ids=case_label)
def test_a_wrong_member_is_refused_and_makes_nothing(place, name, case):
    answer = place.resources.ask_put(name, changed(WHOLE, *case) if case[0] != "properties" or case[1] is not GONE else {})
    assert_refused(answer, 400, "BadParameter")
    assert place.resources.ask_get(name).status_code == 404
    assert place.keys.wire.get(f"/deletedkeys/{name}").status_code == 404


@pytest.mark.parametrize(("kty", "members"), [
    ("RSA", {"keySize": 1024}), ("RSA", {"keySize": 2049}), ("oct-HSM", {"keySize": 127}),
    ("EC", {"attributes": {"exportable": True}, "release_policy": {"data": "!"}}),
    ("EC-HSM", {"attributes": {"exportable": True}, "release_policy": {"data": encode(b"{}")}}),
    ("EC-HSM", {"attributes": {"exportable": True}, "release_policy": {"data": RELEASE, "contentType": "x" * 256}}),
    ("RSA", {"keyOps": ["fly"]})], ids=str)
def test_a_kind_that_there_is_not_is_refused(place, name, kty, members):
    assert_refused(place.resources.ask_put(name, key_body(kty, **members)), 400, "BadParameter")
    assert place.resources.ask_get(name).status_code == 404


@pytest.mark.parametrize(("member", "value"), [("keySize", 7), ("curveName", "P-255"), ("keyOps", ["fly"]), ("kty", "ABC")])
def test_a_refusal_names_the_member_as_it_was_sent(vault, name, member, value):
    assert_refused(vault.resources.ask_put(name, key_body(**{"kty": "EC", member: value})), 400, "BadParameter", member)


def test_a_wrong_body_changes_no_key_that_is_there(place, name):
    made = place.resources.put(name, key_body())
    for case in (("properties.kty", 7), ("properties", []), ("tags", "x"), ("properties.attributes.nbf", "soon")):
        assert_refused(place.resources.ask_put(name, changed(WHOLE, *case)), 400, "BadParameter")
    assert place.resources.get(name) == made


@pytest.mark.parametrize(
    "text",
    [b"", b"no json", b"[]", b"null", b"7", b'"x"', b"{", b'{"tags":{},}', b"{" * 40, b"\xff\xfe{}",
     b'{"properties":{"kty":"EC"},"properties":{"kty":"RSA"}}', b'{"properties":{"kty":"EC","a":' + b"[" * 40 + b"]" * 40 + b"}}",
     b'{"properties":{"kty":"EC"}} x'],
    ids=lambda text: text[:28].decode("latin-1"))
def test_a_body_that_is_no_object_is_refused(place, name, text):
    path, headers = place.resources.path(name), {"Content-Type": "application/json"}
    assert_refused(place.arm.wire.put(path, version=LATEST, headers=headers, data=text), 400, "BadParameter")
    assert place.resources.ask_get(name).status_code == 404


def test_a_body_that_is_too_long_is_refused(place, name):
    assert_refused(place.resources.ask_put(name, key_body(more="x" * (1 << 20))), 413, "RequestBodyTooLarge")
    assert place.resources.ask_get(name).status_code == 404


def test_limits_are_met_exactly_and_unknown_members_passed_over(place, name):
    tags = {**{f"n{number}": "v" for number in range(14)}, "n" * 256: "v" * 256}
    body = changed(key_body(tags=tags), "properties.new", {"a": [1]})
    assert place.resources.put(name, {**body, "location": "nowhere", "zones": ["1"]})["tags"] == tags


# Names and places


@pytest.mark.parametrize("wrong", ["a_b", "a.b", "a%20b", "caf%C3%A9", "x" * 128, "a~", "a:b"])
def test_a_name_that_cannot_be_a_keys_is_refused(place, wrong):
    for method, path, body in every_call(place.resources, wrong):
        if path != place.resources.all:
            answer = place.arm.wire.call(method, path, version=LATEST, json=body)
            assert_refused(answer, 400, "BadParameter")


@pytest.mark.parametrize("right", ["0", "-", "a--b", "x" * 127])
def test_every_name_of_a_key_is_taken(place, right):
    assert place.resources.put(right, key_body())["name"] == right
    assert place.keys.get(right)["key"]["kid"].split("/")[4] == right


@pytest.fixture(scope="module")
def beside(vault) -> str:
    """Another resource group."""
    name = f"beside-{vault.name}"
    assert vault.arm.wire.put(vault.arm.group(name), version=LATEST, json={"location": LOCATION}).status_code in (200, 201)
    return name


def test_keys_are_below_what_is_there_only(place, beside, name):
    arm = place.arm
    other_kind = arm.vault(place.name).replace(place.kind, "vaults" if place.is_pool else "managedHSMs")
    for each in (arm.vault(vault_name()), arm.vault(place.name, beside), arm.vault(place.name, "no-such-group"), other_kind):
        for method, path, body in every_call(place.resources, name):
            answer = arm.wire.call(method, path.replace(arm.vault(place.name), each), version=LATEST, json=body)
            assert_refused(answer, 404, "ResourceNotFound")
    assert place.resources.ask_get(name).status_code == 404


def test_another_subscription_has_no_keys(place, name):
    for method, path, body in every_call(place.resources, name):
        for subscription in (ANOTHER, "mine"):
            changed_path = path.replace(place.arm.subscription, f"/subscriptions/{subscription}")
            answer = place.arm.wire.call(method, changed_path, version=LATEST, json=body)
            assert answer.status_code in (400, 403, 404) and set(answer.json()["error"]) == {"code", "message"}, answer.text


def test_a_deleted_vault_has_no_keys(server, name):
    place = vault_place(server)
    place.resources.put(name, key_body())
    place.arm.delete(place.name)
    for method, path, body in every_call(place.resources, name):
        assert_refused(place.arm.wire.call(method, path, version=LATEST, json=body), 404, "ResourceNotFound")
    place.arm.recover(place.name)
    assert place.resources.get(name)["name"] == name


@pytest.mark.parametrize("version", [None, "", "7.4", "latest", "2026-13-01"])
def test_the_api_version_must_be_one_of_azure_resource_manager(place, name, version):
    for method, path, body in every_call(place.resources, name):
        assert_refused(place.arm.wire.call(method, path, version=version, json=body), 400, "InvalidApiVersionParameter")
    assert place.resources.ask_get(name).status_code == 404


@pytest.mark.parametrize("method", ["DELETE", "PATCH", "POST"])
def test_a_key_is_neither_changed_nor_deleted_here(place, name, method):
    made = place.resources.put(name, key_body())
    answer = place.arm.wire.call(method, place.resources.path(name), version=LATEST, json=key_body(tags={"x": "y"}))
    assert answer.status_code == 405, answer.text
    assert place.resources.get(name) == made


# Who may, and what does not matter


def all_refused(resources: Resources, name: str, action: str) -> None:
    for method, path, body in every_call(resources, name):
        answer = resources.arm.wire.call(method, path, version=LATEST, json=body)
        assert_refused(answer, 403, "AuthorizationFailed", f"{action}{'write' if method == 'PUT' else 'read'}")


def test_who_has_no_role_may_nothing(server, place, stranger, name):
    place.resources.put(name, key_body())
    all_refused(place.of(server, stranger), name, place.action)
    all_refused(place.of(server, stranger), "no-such-key", place.action)


def test_a_wrong_body_tells_nobody_anything(server, place, stranger, name):
    theirs = place.of(server, stranger)
    for path in (theirs.path(name), theirs.path("a_b")):
        answer = theirs.arm.wire.put(path, version=LATEST, data=b"no json")
        assert_refused(answer, 403, "AuthorizationFailed")


@pytest.mark.parametrize("token", [None, "data"])
def test_a_token_of_the_management_plane_is_needed(server, place, name, token):
    wire = Wire(place.arm.wire.base, server.bundle, token and place.keys.wire.token)
    for method, path, body in every_call(place.resources, name):
        assert wire.call(method, path, version=LATEST, json=body).status_code == 401
    assert place.resources.ask_get(name).status_code == 404


@pytest.mark.parametrize("role", [KEY_VAULT_ADMINISTRATOR, CRYPTO_OFFICER, CRYPTO_USER, SECRETS_OFFICER, READER])
def test_roles_of_the_data_plane_make_no_key_here(server, vault, stranger, name, role):
    Directory.of(server).assign(role, stranger.object_id, vault.arm.vault(vault.name))
    theirs = vault.of(server, stranger)
    assert_refused(theirs.ask_put(name, key_body()), 403, "AuthorizationFailed", f"{vault.action}write")
    assert vault.resources.ask_get(name).status_code == 404
    # What they may read here is in their actions, not in their data actions.
    if role == CRYPTO_USER:
        all_refused(theirs, name, vault.action)
    else:
        assert theirs.ask_list().status_code == 200


@pytest.mark.parametrize("role", [OWNER, CONTRIBUTOR, KEY_VAULT_CONTRIBUTOR])
def test_who_manages_a_vault_makes_keys_and_cannot_use_them(server, vault, stranger, name, role):
    Directory.of(server).assign(role, stranger.object_id, vault.arm.vault(vault.name))
    theirs = vault.of(server, stranger)
    assert theirs.put(name, key_body("RSA")) == theirs.get(name) == vault.resources.get(name)
    data = server.wire(vault.name, stranger)
    assert_withheld(data.get(f"/keys/{name}"), "ForbiddenByRbac")
    assert_withheld(data.post(f"/keys/{name}/sign", json={"alg": "RS256", "value": encode(b"d" * 32)}), "ForbiddenByRbac")


def test_a_role_at_one_key_gives_nothing_here(server, vault, stranger, name):
    vault.resources.put(name, key_body())
    Directory.of(server).assign(KEY_VAULT_CONTRIBUTOR, stranger.object_id, vault.resources.path(name))
    all_refused(vault.of(server, stranger), name, vault.action)


def test_local_roles_of_a_pool_give_nothing_here(server, pool, stranger, name):
    body = {"properties": {"roleDefinitionId": ADMINISTRATOR, "principalId": stranger.object_id}}
    assert pool.keys.wire.put(f"{ASSIGNMENTS}/{stranger.object_id}", json=body).status_code == 201
    all_refused(pool.of(server, stranger), name, pool.action)
    Directory.of(server).assign(KEY_VAULT_CONTRIBUTOR, stranger.object_id, pool.arm.group())
    all_refused(pool.of(server, stranger), name, pool.action)


@pytest.mark.parametrize("role", [OWNER, CONTRIBUTOR, POOL_CONTRIBUTOR])
def test_who_manages_pools_makes_keys_and_cannot_use_them(server, pool, stranger, name, role):
    Directory.of(server).assign(role, stranger.object_id, pool.arm.group())
    theirs = pool.of(server, stranger)
    assert theirs.put(name, key_body("RSA")) == theirs.get(name)
    assert_withheld(pool_wire(server, stranger, pool.name).get(f"/keys/{name}"), "ForbiddenByRbac")


@pytest.mark.parametrize("closed", [{"publicNetworkAccess": "Disabled"}, {"networkAcls": {"defaultAction": "Deny"}}], ids=str)
def test_network_rules_do_not_matter(server, name, closed):
    place = vault_place(server, **closed)
    assert place.resources.put(name, key_body()) == place.resources.get(name)
    assert code_of(place.keys.wire.get(f"/keys/{name}")) == (403, "Forbidden")
    place.arm.change(place.name, publicNetworkAccess="Enabled", networkAcls={"defaultAction": "Allow"})
    assert place.resources.get(name) == resource_of(place, place.keys.get(name))


def test_network_rules_of_a_pool_do_not_matter(server, pool, name):
    pool.arm.change(pool.name, publicNetworkAccess="Disabled")
    try:
        assert pool.resources.put(name, key_body()) == pool.resources.get(name)
        assert code_of(pool.keys.wire.get(f"/keys/{name}")) == (403, "Forbidden")
    finally:
        pool.arm.change(pool.name, publicNetworkAccess="Enabled")
    assert pool.resources.get(name) == resource_of(pool, pool.keys.get(name))


def test_access_policies_do_not_matter(server, stranger, name):
    arm = Arm.of(server)
    entry = arm.entry(stranger.object_id, keys=["all"], secrets=["all"], certificates=["all"])
    place = vault_place(server, enableRbacAuthorization=False, accessPolicies=[entry])
    assert place.resources.put(name, key_body()) == place.resources.get(name)
    assert_withheld(place.keys.wire.get(f"/keys/{name}"), "AccessDenied")
    all_refused(place.of(server, stranger), name, place.action)
    assert server.wire(place.name, stranger).get(f"/keys/{name}").status_code == 200


# Pools that keep their keys to themselves


def test_a_pool_whose_setting_is_off_keeps_its_keys_to_itself(server, stranger, name):
    place = pool_place(server, POOL)
    for method, path, body in every_call(place.resources, name):
        answer = place.arm.wire.call(method, path, version=LATEST, json=body)
        assert_refused(answer, 403, "Forbidden", "does not allow key management", POOL)
    assert place.keys.wire.get(f"/keys/{name}").status_code == 404
    all_refused(place.of(server, stranger), name, place.action)


def test_the_setting_of_a_pool_opens_and_closes(pool, name):
    made = pool.resources.put(name, key_body())
    allow(pool, False)
    try:
        assert_refused(pool.resources.ask_get(name), 403, "Forbidden", "does not allow key management")
        assert_refused(pool.resources.ask_put(f"{name}-2", key_body()), 403, "Forbidden", "does not allow key management")
    finally:
        allow(pool, True)
    assert pool.resources.get(name) == made and pool.resources.ask_get(f"{name}-2").status_code == 404


def test_a_pool_that_is_not_active_has_no_keys(server, stranger, name):
    place = inactive_place(server)
    for method, path, body in every_call(place.resources, name):
        assert_unactivated(place.arm.wire.call(method, path, version=LATEST, json=body), place.name)
    all_refused(place.of(server, stranger), name, place.action)


# The log


def test_every_call_is_on_record_with_its_operation_and_its_key(cli, place, name):
    place.resources.put(name, key_body())
    begun = audit.now()
    calls = every_call(place.resources, name)
    for method, path, body in calls:
        place.arm.wire.call(method, path, version=LATEST, json=body)
    place.resources.ask_put(name, {})
    resource, uri = place.arm.vault(place.name), f"{place.keys.wire.base}/keys/{name}"
    about = audit.records_about(cli, place.resources.all, since=begun)
    records = [record for record in about if place.operation in record["operationName"]]
    told = [(record["operationName"].removeprefix(place.operation), record["properties"]["httpStatusCode"]) for record in records]
    assert told == [("Put", 200), ("Get", 200), ("List", 200), ("VersionList", 200), ("VersionGet", 404), ("Put", 400)]
    for record in records[:-1]:
        assert record["resourceId"] == resource.upper() and record["identity"]["claim"]["oid"] == place.arm.object_id, record
    for number in (0, 1, 4):
        assert records[number]["properties"]["id"] == uri, records[number]


def test_a_refused_call_is_on_record(cli, server, place, stranger, name):
    begun = audit.now()
    place.of(server, stranger).ask_put(name, key_body())
    (record,) = audit.records_about(cli, f"/keys/{name}", since=begun)
    assert (record["operationName"], record["properties"]["httpStatusCode"]) == (f"{place.operation}Put", 403)
    assert record["resultType"] == "Failed" and record["identity"]["claim"]["oid"] == stranger.object_id
