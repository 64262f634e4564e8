"""Every api-version since 7.0 serves keys, with the output of its time."""

import pytest

from harness.tokens import encode
from harness.versions import ALL, LATEST

pytest_plugins = ["harness.keys_fixtures"]

POLICY = {"attributes": {"expiryTime": "P90D"}}


def since(first: str) -> list[str]:
    return ALL[ALL.index(first) :]


@pytest.mark.parametrize("version", ALL)
def test_every_operation_works_in_every_version(keys, name, version):
    def call(method, path, **options):
        return keys.wire.call(method, path, version=version, **options)

    def status(method, path, body=None):
        return call(method, path, json=body).status_code

    assert status("POST", f"/keys/{name}/create", {"kty": "RSA"}) == 200
    assert status("GET", f"/keys/{name}/") == 200
    assert status("PATCH", f"/keys/{name}/", {"tags": {"a": "b"}}) == 200
    assert status("GET", "/keys") == 200
    assert status("GET", f"/keys/{name}/versions") == 200
    sign = {"alg": "RS256", "value": encode(b"d" * 32)}
    assert status("POST", f"/keys/{name}/sign", sign) == 200
    assert status("POST", f"/keys/{name}/verify", {**sign, "digest": sign["value"]}) == 200
    for sealing, opening in (("encrypt", "decrypt"), ("wrapkey", "unwrapkey")):
        sealed = call("POST", f"/keys/{name}/{sealing}", json={"alg": "RSA-OAEP", "value": "AAAA"}).json()["value"]
        assert status("POST", f"/keys/{name}/{opening}", {"alg": "RSA-OAEP", "value": sealed}) == 200
    backup = call("POST", f"/keys/{name}/backup").json()["value"]
    assert status("DELETE", f"/keys/{name}") == 200
    assert status("GET", f"/deletedkeys/{name}") == 200
    assert status("GET", "/deletedkeys") == 200
    assert status("POST", f"/deletedkeys/{name}/recover") == 200
    assert status("DELETE", f"/keys/{name}") == 200
    assert status("DELETE", f"/deletedkeys/{name}") == 204
    assert status("POST", "/keys/restore", {"value": backup}) == 200


@pytest.mark.parametrize("version", since("7.3"))
def test_rotation_works_in_every_version_since_7_3(keys, name, version):
    keys.create(name)
    assert keys.wire.put(f"/keys/{name}/rotationpolicy", version=version, json=POLICY).status_code == 200
    assert keys.wire.get(f"/keys/{name}/rotationpolicy", version=version).json()["attributes"]["expiryTime"] == "P90D"
    assert keys.wire.post(f"/keys/{name}/rotate", version=version).status_code == 200


def members_shown(keys, name, version) -> set[str]:
    """The attributes that are shown by create, get, list, delete and deleted, which must agree."""
    call = keys.wire.call
    made = call("POST", f"/keys/{name}/create", version=version, json={"kty": "EC"}).json()
    read = call("GET", f"/keys/{name}", version=version).json()
    listed = call("GET", f"/keys/{name}/versions", version=version).json()["value"][0]
    deleted = call("DELETE", f"/keys/{name}", version=version).json()
    kept = call("GET", f"/deletedkeys/{name}", version=version).json()
    shown = [set(answer["attributes"]) for answer in (made, read, listed, deleted, kept)]
    assert shown.count(shown[0]) == len(shown)
    return shown[0]


@pytest.mark.parametrize("version", ALL)
def test_attributes_are_shown_since_their_version(keys, name, version):
    """`exportable` is shown since 7.2 or 7.3; the sources differ."""
    shown = members_shown(keys, name, version)
    assert {"enabled", "created", "updated", "recoveryLevel"} <= shown
    assert ("recoverableDays" in shown) == (version in since("7.1"))
    assert ("hsmPlatform" in shown) == (version in since("7.5"))
    if version != "7.2":
        assert ("exportable" in shown) == (version in since("7.3"))


def test_what_one_version_made_another_reads(keys, name):
    made = keys.wire.post(f"/keys/{name}/create", version="7.0", json={"kty": "EC"}).json()
    assert keys.wire.get(f"/keys/{name}", version=LATEST).json()["key"] == made["key"]
