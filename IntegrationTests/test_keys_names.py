"""Names, tags and times of keys."""

import pytest

from harness.keys_wire import assert_bad_parameter

pytest_plugins = ["harness.keys_fixtures"]

LAST_SECOND = 253_402_300_799


@pytest.mark.parametrize(
    "word", ["restore", "versions", "backup", "create", "rotate", "rotationpolicy", "sign", "keys", "recover"]
)
def test_a_key_may_be_called_like_a_word_of_the_paths(keys, word):
    made = keys.create(word)
    assert keys.get(word) == made
    assert [item["kid"] for item in keys.versions(word)] == [made["key"]["kid"]]
    assert keys.sign(word, "ES256", b"d" * 32)
    assert keys.rotate(word)["key"]["kid"] != made["key"]["kid"]
    keys.delete(word)
    keys.purge(word)


def test_a_name_may_have_127_characters(keys, name):
    long = (name + "-" + "x" * 127)[:127]
    assert keys.create(long)["key"]["kid"].split("/")[4] == long


@pytest.mark.parametrize("bad", ["x" * 128, "under_score", "dot.ted", "space d", "ümlaut", "a:b", "a,b", "%25"])
@pytest.mark.parametrize("method, tail", [("POST", "/create"), ("PUT", ""), ("GET", "")])
def test_a_wrong_name_is_refused(keys, bad, method, tail):
    assert_bad_parameter(keys.wire.call(method, f"/keys/{bad}{tail}", json=None if method == "GET" else {"kty": "EC"}))


@pytest.mark.parametrize("version", ["latest", "0" * 31, "0" * 33, "g" * 32])
def test_a_version_is_32_hexadecimal_digits(keys, name, version):
    keys.create(name)
    assert keys.wire.get(f"/keys/{name}/{version}").status_code in (400, 404)


def test_names_are_matched_in_any_case_and_echoed_as_first_stored(keys, name):
    stored = f"MiXeD-{name}"
    keys.create(stored)
    again = keys.create(stored.upper())
    assert again["key"]["kid"].split("/")[4] == stored
    assert keys.get(stored.lower()) == again
    assert len(keys.versions(stored.swapcase())) == 2


def test_a_key_and_a_secret_may_have_the_same_name(keys, name):
    made = keys.create(name)
    keys.wire.set_secret(name, "v")
    keys.wire.delete_secret(name)
    assert keys.get(name) == made


# Tags


def test_fifteen_tags_of_256_characters_are_kept(keys, name):
    tags = {f"{number:02}" + "ü" * 254: "v" * 256 for number in range(15)}
    assert keys.create(name, tags=tags)["tags"] == tags


@pytest.mark.parametrize(
    "tags",
    [{str(number): "v" for number in range(16)}, {"n" * 257: "v"}, {"n": "v" * 257}, {"n": 5}, {"n": ["v"]}, ["n"], "n"],
    ids=["16", "long name", "long value", "number", "list", "no object", "text"],
)
def test_other_tags_are_refused(keys, name, tags):
    assert_bad_parameter(keys.wire.post(f"/keys/{name}/create", json={"kty": "EC", "tags": tags}))


# Times


@pytest.mark.parametrize("times", [{"nbf": 0}, {"exp": LAST_SECOND}, {"nbf": 5, "exp": 6}, {"exp": 1}], ids=str)
def test_times_within_the_calendar_are_kept(keys, name, times):
    assert keys.create(name, attributes=times)["attributes"].items() >= times.items()


@pytest.mark.parametrize(
    "times",
    [
        {"nbf": -1},
        {"exp": LAST_SECOND + 1},
        {"nbf": 1.5},
        {"exp": "5"},
        {"nbf": 6, "exp": 5},
        {"nbf": 5, "exp": 5},
        {"exp": 2**70},
    ],
    ids=str,
)
def test_other_times_are_refused(keys, name, times):
    assert_bad_parameter(keys.wire.post(f"/keys/{name}/create", json={"kty": "EC", "attributes": times}))


@pytest.mark.parametrize("member", ["created", "updated", "recoveryLevel", "recoverableDays"])
def test_what_only_the_server_says_is_not_taken_from_the_client(keys, name, member):
    value = "Purgeable" if member == "recoveryLevel" else 5
    answer = keys.wire.post(f"/keys/{name}/create", json={"kty": "EC", "attributes": {member: value}})
    assert answer.status_code == 400 or answer.json()["attributes"][member] != value
