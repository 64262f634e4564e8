"""The errors of the service: status, code, inner code and sentence."""

import uuid

import pytest

from harness import texts
from harness.versions import LATEST


def error_of(answer) -> dict:
    assert set(answer.json()) == {"error"}
    return answer.json()["error"]


def inner_of(answer) -> str:
    return error_of(answer)["innererror"]["code"]


@pytest.fixture
def secret(wire, name) -> str:
    wire.set_secret(name)
    return name


@pytest.fixture
def deleted(wire, secret) -> str:
    wire.delete_secret(secret)
    return secret


# 404


@pytest.mark.parametrize(
    "method, path, body",
    [
        ("GET", "/secrets/{}", None),
        ("GET", "/secrets/{}/", None),
        ("DELETE", "/secrets/{}", None),
        ("PATCH", "/secrets/{}/", {"contentType": "x"}),
        ("POST", "/secrets/{}/backup", None),
        ("POST", "/deletedsecrets/{}/recover", None),
    ],
)
def test_a_secret_that_does_not_exist_is_named_in_the_refusal(wire, name, method, path, body):
    answer = wire.call(method, path.format(name), json=body)
    assert answer.status_code == 404
    assert error_of(answer)["code"] == "SecretNotFound"
    assert error_of(answer)["message"] == texts.secret_not_found(name)


def test_a_version_that_does_not_exist_is_named_with_its_secret(wire, secret):
    version = uuid.uuid4().hex
    answer = wire.get(f"/secrets/{secret}/{version}")
    assert answer.status_code == 404
    assert error_of(answer)["code"] == "SecretNotFound"
    assert error_of(answer)["message"] == texts.secret_not_found(f"{secret}/{version}")


def test_an_update_of_a_version_that_does_not_exist_is_refused(wire, secret):
    answer = wire.patch(f"/secrets/{secret}/{uuid.uuid4().hex}", json={"contentType": "x"})
    assert (answer.status_code, error_of(answer)["code"]) == (404, "SecretNotFound")


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_a_deleted_secret_that_does_not_exist_is_named_in_the_refusal(wire, name, method):
    answer = wire.call(method, f"/deletedsecrets/{name}")
    assert answer.status_code == 404
    assert error_of(answer)["code"] == "SecretNotFound"
    assert error_of(answer)["message"] == texts.deleted_secret_not_found(name)


def test_a_live_secret_is_not_among_the_deleted(wire, secret):
    assert error_of(wire.get(f"/deletedsecrets/{secret}"))["message"] == texts.deleted_secret_not_found(secret)


@pytest.mark.parametrize("method, path", [("GET", "/secrets/{}"), ("DELETE", "/secrets/{}"), ("POST", "/secrets/{}/backup")])
def test_a_deleted_secret_is_not_found_in_the_live_collection(wire, deleted, method, path):
    answer = wire.call(method, path.format(deleted))
    assert answer.status_code == 404
    assert error_of(answer)["message"] == texts.secret_not_found(deleted)


@pytest.mark.parametrize("path", ["/", "/nothing", "/secrets/a/b/c/d", "/deletedsecrets/a/b/c", "/Secrets:nothing"])
def test_a_path_the_service_does_not_have_is_not_found(wire, path):
    answer = wire.get(path)
    assert (answer.status_code, error_of(answer)["code"]) == (404, "NotFound")


def test_a_vault_that_does_not_exist_is_not_found(server):
    answer = server.wire("nowhere").get("/secrets/x")
    assert (answer.status_code, error_of(answer)["code"]) == (404, "VaultNotFound")


@pytest.mark.parametrize("host", ["localhost", "nothing.localhost", "demo.example.com", "vault.localhost", "a.demo.vault.localhost"])
def test_a_host_the_server_does_not_have_is_not_found(server, wire, host):
    answer = wire.get("/secrets/x", headers={"Host": f"{host}:{server.port}"})
    assert (answer.status_code, error_of(answer)["code"]) == (404, "HostNotFound")


# 405


@pytest.mark.parametrize(
    "method, path, allowed",
    [
        ("POST", "/secrets", {"GET"}),
        ("POST", "/secrets/{}", {"PUT", "DELETE", "GET", "PATCH"}),
        ("PUT", "/secrets/{}/versions", {"GET", "PATCH"}),
        ("DELETE", "/deletedsecrets", {"GET"}),
        ("PUT", "/deletedsecrets/{}", {"GET", "DELETE"}),
        ("GET", "/deletedsecrets/{}/recover", {"POST"}),
        ("GET", "/secrets:batchGet", {"POST"}),
    ],
)
def test_a_method_the_path_does_not_have_is_refused_with_those_it_has(wire, secret, method, path, allowed):
    answer = wire.call(method, path.format(secret))
    assert (answer.status_code, error_of(answer)["code"]) == (405, "MethodNotAllowed")
    told = {word.strip() for word in answer.headers["Allow"].split(",")}
    assert told and told <= allowed


# 409


def test_a_deleted_name_cannot_be_set(wire, deleted):
    answer = wire.put(f"/secrets/{deleted}", json={"value": "again"})
    assert (answer.status_code, error_of(answer)["code"]) == (409, "Conflict")
    assert inner_of(answer) == "ObjectIsDeletedButRecoverable"
    assert error_of(answer)["message"] == texts.deleted_but_recoverable(deleted)


def test_a_deleted_name_cannot_be_restored_onto(wire, secret):
    backup = wire.backup_secret(secret)
    wire.delete_secret(secret)
    answer = wire.post("/secrets/restore", json={"value": backup})
    assert (answer.status_code, error_of(answer)["code"]) == (409, "Conflict")
    assert inner_of(answer) == "ObjectIsDeletedButRecoverable"
    assert error_of(answer)["message"] == texts.deleted_but_recoverable(secret)


def test_an_existing_name_cannot_be_restored_onto(wire, secret):
    answer = wire.post("/secrets/restore", json={"value": wire.backup_secret(secret)})
    assert (answer.status_code, error_of(answer)["code"]) == (409, "Conflict")


def test_a_refused_restore_changes_nothing(wire, secret):
    backup = wire.backup_secret(secret)
    newest = wire.set_secret(secret, "newer")["id"]
    wire.post("/secrets/restore", json={"value": backup})
    assert wire.get(f"/secrets/{secret}").json()["id"] == newest


# 403 of the object


def test_a_disabled_secret_is_forbidden(wire, name):
    wire.set_secret(name, attributes={"enabled": False})
    answer = wire.get(f"/secrets/{name}")
    assert (answer.status_code, error_of(answer)["code"]) == (403, "Forbidden")
    assert inner_of(answer) == "SecretDisabled"
    assert error_of(answer)["message"] == "Operation get is not allowed on a disabled secret."


# 400


LATER, SOONER = 2_000_000_000, 1_900_000_000


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"value": None},
        {"value": 5},
        {"value": True},
        {"value": ["v"]},
        {"value": {"v": "v"}},
        {"value": "v", "contentType": 5},
        {"value": "v", "contentType": "c" * 256},
        {"value": "v", "tags": []},
        {"value": "v", "tags": "a"},
        {"value": "v", "tags": {"a": 5}},
        {"value": "v", "tags": {"a": {"b": "c"}}},
        {"value": "v", "tags": {f"tag{number}": "x" for number in range(16)}},
        {"value": "v", "tags": {"n" * 513: "x"}},
        {"value": "v", "tags": {"n": "x" * 513}},
        {"value": "v", "attributes": []},
        {"value": "v", "attributes": {"enabled": "true"}},
        {"value": "v", "attributes": {"enabled": 1}},
        {"value": "v", "attributes": {"exp": "tomorrow"}},
        {"value": "v", "attributes": {"exp": True}},
        {"value": "v", "attributes": {"nbf": {}}},
        {"value": "v", "attributes": {"exp": 10**30}},
        {"value": "v", "attributes": {"nbf": LATER, "exp": SOONER}},
        {"value": "v", "attributes": {"nbf": LATER, "exp": LATER}},
    ],
    ids=lambda body: str(body)[:60],
)
def test_a_body_with_a_wrong_member_is_refused(wire, name, body):
    answer = wire.put(f"/secrets/{name}", json=body)
    assert (answer.status_code, error_of(answer)["code"]) == (400, "BadParameter")
    assert wire.get(f"/secrets/{name}").status_code == 404


@pytest.mark.parametrize(
    "body",
    [
        {"value": "v", "contentType": "c" * 255},
        {"value": "v", "tags": {f"tag{number}": "x" for number in range(15)}},
        {"value": "v", "tags": {"n" * 512: "x" * 512}},
        {"value": "v", "attributes": {"nbf": SOONER, "exp": LATER}},
        {"value": "v", "attributes": {"nbf": None, "exp": None}},
        {"value": "v", "contentType": None, "tags": None, "attributes": None},
        {"value": "v", "unknownMember": {"is": ["ignored"]}},
        {"value": "v", "attributes": {"created": 1, "updated": 1, "recoveryLevel": "Purgeable", "recoverableDays": 0}},
    ],
    ids=lambda body: str(body)[:60],
)
def test_a_body_at_the_limits_is_accepted(wire, name, body):
    assert wire.put(f"/secrets/{name}", json=body).status_code == 200


def test_read_only_attributes_in_a_body_have_no_effect(wire, name):
    attributes = wire.set_secret(name, attributes={"created": 1, "recoveryLevel": "Purgeable", "recoverableDays": 0})["attributes"]
    assert attributes["created"] > 1_600_000_000
    assert "Recoverable" in attributes["recoveryLevel"]
    assert attributes["recoverableDays"] >= 7


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b'"value"',
        b"5",
        b"{",
        b'{"value":"v"',
        b'{"value":"v"}}',
        b'{"value":"v"} {"value":"w"}',
        b"{'value':'v'}",
        b'{"value":"v",}',
        b'{value:"v"}',
        b'{"value":"\\x"}',
        b'{"value":"\\ud800"}',
        b'{"value":"line\nbreak"}',
        b'{"value":"\xff\xfe"}',
        b'{"value":"v","value":"w"}',
        b'{"value":"v","tags":{"a":"1","a":"2"}}',
        b'{"value":"v","attributes":{"exp":01}}',
        b'{"value":"v","attributes":{"exp":NaN}}',
        b"value=v",
    ],
)
def test_a_body_that_is_not_a_proper_json_object_is_refused(wire, name, body):
    answer = wire.put(f"/secrets/{name}", data=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, error_of(answer)["code"]) == (400, "BadParameter")
    assert wire.get(f"/secrets/{name}").status_code == 404


def written(encoding: str, mark: bytes = b""):
    return lambda good: mark + good.decode().encode(encoding)


def beside(more: bytes):
    """A good object with a member that nobody asks for."""
    return lambda good: good[:-1] + b',"x":' + more + b"}"


# What is made of a good object. RFC 8259: §8.1 encoding, §2 grammar, §6 numbers, §7 strings.
NOT_JSON = {
    "UTF-16-LE": written("utf-16-le"),
    "UTF-16-BE": written("utf-16-be"),
    "UTF-16-with-mark": written("utf-16-le", b"\xff\xfe"),
    "UTF-32-LE": written("utf-32-le"),
    "UTF-32-BE": written("utf-32-be"),
    "UTF-32-with-mark": written("utf-32-be", b"\0\0\xfe\xff"),
    "nul-before": lambda good: b"\0" + good,
    "nul-behind": lambda good: good + b"\0",
    "nul-between": lambda good: good.replace(b":", b":\0", 1),
    "nul-in-a-text": beside(b'"a\0b"'),
    "byte-alone": beside(b'"\xff"'),
    "letter-cut": beside(b'"\xe2\x82"'),
    "letter-overlong": beside(b'"\xc0\xaf"'),
    "surrogate-in-UTF-8": beside(b'"\xed\xa0\x80"'),
    "beyond-Unicode": beside(b'"\xf4\x90\x80\x80"'),
    "byte-in-a-name": lambda good: good[:-1] + b',"\xff":1}',
    "leading-zero": beside(b"01"),
    "leading-zero-negative": beside(b"-01"),
    "leading-plus": beside(b"+1"),
    "point-alone": beside(b"1."),
    "exponent-empty": beside(b"1e"),
    "hexadecimal": beside(b"0x1"),
    "infinity": beside(b"-Infinity"),
    "word-cut": beside(b"nul"),
    "word-in-capitals": beside(b"True"),
    "tab-in-a-text": beside(b'"\t"'),
    "line-end-in-a-text": beside(b'"\n"'),
    "control-byte-in-a-text": beside(b'"\x1f"'),
    "control-byte-between": lambda good: good.replace(b":", b":\x0b", 1),
    "escape-unknown": beside(b'"\\x41"'),
    "escape-of-an-apostrophe": beside(b"\"\\'\""),
    "escape-cut": beside(b'"\\u12"'),
    "escape-of-other-digits": beside(b'"\\u12g4"'),
    "comma-at-an-end": beside(b"[1,]"),
    "comma-missing": beside(b"[1 2]"),
    "comment": beside(b"1/* */"),
    "word-behind": lambda good: good + b" x",
    "comma-behind": lambda good: good + b",",
    "object-behind": lambda good: good * 2,
}
AS_JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize("case", NOT_JSON)
def test_a_body_that_some_would_take_for_json_is_refused_and_changes_nothing(wire, secret, case):
    """Also where nobody asks for the member that is wrong."""
    fresh, before = f"{secret}-2", wire.get(f"/secrets/{secret}").json()
    changes = [("PUT", fresh, b'{"value":"v"}'), ("PUT", secret, b'{"value":"w"}'), ("PATCH", secret, b'{"contentType":"c"}')]
    for method, name, good in changes:
        answer = wire.call(method, f"/secrets/{name}", data=NOT_JSON[case](good), headers=AS_JSON)
        assert (answer.status_code, error_of(answer)["code"]) == (400, "BadParameter"), method
    assert wire.get(f"/secrets/{fresh}").status_code == 404
    assert wire.get(f"/secrets/{secret}").json() == before


@pytest.mark.parametrize(
    "case", ["UTF-16-LE", "UTF-32-with-mark", "nul-behind", "byte-alone", "leading-zero", "escape-unknown", "word-behind"])
def test_such_a_body_is_refused_of_whatever_it_tells(server, wire, name, case):
    """Where the good one makes a key, a certificate and an application."""
    applications = "/strongroom/applications"
    pending = b'{"policy":{"issuer":{"name":"Unknown"},"x509_props":{"subject":"CN=a"}}}'
    made = [
        (wire, LATEST, f"/keys/{name}", f"/keys/{name}/create", b'{"kty":"EC"}'),
        (wire, LATEST, f"/certificates/{name}-2/pending", f"/certificates/{name}-2/create", pending),
        (server.management(), None, applications, applications, b'{"displayName":"%s"}' % name.encode()),
    ]
    for host, version, seen, path, good in made:
        answer = host.post(path, version=version, data=NOT_JSON[case](good), headers=AS_JSON)
        assert (answer.status_code, error_of(answer)["code"]) == (400, "BadParameter"), path
        left = host.get(seen, version=version)
        assert left.status_code == 404 or name not in left.text, path
        assert host.post(path, version=version, data=good, headers=AS_JSON).status_code in (200, 201, 202), path


@pytest.mark.parametrize("depth", [33, 1_000, 400_000])
def test_a_body_nested_over_32_deep_is_refused(wire, name, depth):
    body = b'{"value":"v","x":' + b"[" * depth + b"]" * depth + b"}"
    answer = wire.put(f"/secrets/{name}", data=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, error_of(answer)["code"]) == (400, "BadParameter")


def test_a_body_nested_30_deep_is_accepted(wire, name):
    body = b'{"value":"v","x":' + b"[" * 29 + b"]" * 29 + b"}"
    assert wire.put(f"/secrets/{name}", data=body, headers={"Content-Type": "application/json"}).status_code == 200


@pytest.mark.parametrize(
    "bad", ["under_score", "dot.dot", "space space", "ümlaut", "a" * 128, "semi;colon", "star*", "at@", "plus+", "tilde~"]
)
def test_a_name_of_other_characters_or_over_127_long_is_refused(wire, bad):
    answer = wire.put(f"/secrets/{bad}", json={"value": "v"})
    assert (answer.status_code, error_of(answer)["code"]) == (400, "BadParameter")


def test_a_name_of_127_characters_is_accepted(wire, name):
    longest = (name + "-" + "x" * 127)[:127]
    assert wire.set_secret(longest)["id"].split("/")[4] == longest


@pytest.mark.parametrize("body", [{"attributes": {"enabled": "no"}}, {"tags": {"a": 1}}, {"contentType": "c" * 256}, [], "x"], ids=str)
def test_an_update_with_a_wrong_member_is_refused_and_changes_nothing(wire, secret, body):
    before = wire.get(f"/secrets/{secret}").json()
    answer = wire.patch(f"/secrets/{secret}/", json=body)
    assert (answer.status_code, error_of(answer)["code"]) == (400, "BadParameter")
    assert wire.get(f"/secrets/{secret}").json() == before


def test_an_update_that_would_end_before_it_begins_is_refused(wire, name):
    wire.set_secret(name, attributes={"nbf": LATER})
    answer = wire.patch(f"/secrets/{name}/", json={"attributes": {"exp": SOONER}})
    assert (answer.status_code, error_of(answer)["code"]) == (400, "BadParameter")


@pytest.mark.parametrize("maxresults", ["0", "26", "-1", "1.5", "many", "", "99999999999999999999"])
@pytest.mark.parametrize("path", ["/secrets", "/deletedsecrets", "/secrets/any/versions"])
def test_a_page_size_outside_1_to_25_is_refused(wire, path, maxresults):
    answer = wire.get(path, query={"maxresults": maxresults})
    assert (answer.status_code, error_of(answer)["code"]) == (400, "BadParameter")


@pytest.mark.parametrize("value", [None, "", "AAAA", "not base64url!", "x" * 9_000, 5, "é"], ids=lambda value: str(value)[:16])
def test_a_backup_that_is_not_one_is_refused(wire, value):
    answer = wire.post("/secrets/restore", json={"value": value})
    assert (answer.status_code, error_of(answer)["code"]) == (400, "BadParameter")


def test_a_restore_without_a_backup_is_refused(wire):
    assert wire.post("/secrets/restore", json={}).status_code == 400


@pytest.mark.parametrize("part", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_a_backup_with_one_changed_character_is_refused(wire, secret, part):
    backup = wire.backup_secret(secret)
    at = int(len(backup) * part)
    changed = backup[:at] + ("A" if backup[at] != "A" else "B") + backup[at + 1 :]
    wire.delete_secret(secret)
    wire.delete(f"/deletedsecrets/{secret}")
    answer = wire.post("/secrets/restore", json={"value": changed})
    assert (answer.status_code, error_of(answer)["code"]) == (400, "BadParameter")


@pytest.mark.parametrize("kept", [0.5, 0.99])
def test_a_backup_that_was_cut_is_refused(wire, secret, kept):
    backup = wire.backup_secret(secret)
    answer = wire.post("/secrets/restore", json={"value": backup[: int(len(backup) * kept)]})
    assert (answer.status_code, error_of(answer)["code"]) == (400, "BadParameter")


def test_a_backup_of_another_server_is_refused(wire, own_server, name):
    foreign = own_server().wire()
    foreign.set_secret(name)
    answer = wire.post("/secrets/restore", json={"value": foreign.backup_secret(name)})
    assert (answer.status_code, error_of(answer)["code"]) == (400, "BadParameter")


# What no error tells


def test_a_refused_value_is_not_repeated(wire, name):
    answer = wire.put(f"/secrets/{name}", json={"value": "do-not-repeat-me" * 2_000})
    assert answer.status_code == 400
    assert "do-not-repeat-me" not in answer.text


def test_a_wrong_member_is_named_without_its_value(wire, name):
    answer = wire.put(f"/secrets/{name}", json={"value": ["do-not-repeat-me"]})
    assert answer.status_code == 400
    assert "do-not-repeat-me" not in answer.text
