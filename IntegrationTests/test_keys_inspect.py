"""`strongroom key inspect`: strength, age and use of each version; and what 2026-04-01 adds and this server lacks."""

import base64

import pytest

pytest_plugins = ["harness.keys_fixtures"]

DIGEST = base64.urlsafe_b64encode(b"d" * 32).rstrip(b"=").decode()


@pytest.mark.operation("KeyInspect")
def test_a_report_counts_the_uses_of_each_version(wire, cli, name):
    first = wire.post(f"/keys/{name}/create", json={"kty": "EC"}).json()["key"]["kid"].rsplit("/", 1)[1]
    second = wire.post(f"/keys/{name}/create", json={"kty": "RSA", "key_size": 3072}).json()["key"]["kid"].rsplit("/", 1)[1]
    for _ in range(3):
        assert wire.post(f"/keys/{name}/{first}/sign", json={"alg": "ES256", "value": DIGEST}).status_code == 200
    assert wire.post(f"/keys/{name}/sign", json={"alg": "RS256", "value": DIGEST}).status_code == 200
    assert wire.post(f"/keys/{name}/sign", json={"alg": "ES256", "value": DIGEST}).status_code == 400
    report = cli.json("key", "inspect", name, "--output", "json")
    assert [version["version"] for version in report["versions"]] == [second, first]
    newest, oldest = report["versions"]
    assert (newest["algorithm"], newest["strengthBits"], newest["uses"], newest["isCurrent"]) == ("RSA 3072", 128, 1, True)
    assert (oldest["algorithm"], oldest["strengthBits"], oldest["uses"], oldest["isCurrent"]) == ("EC P-256", 128, 3, False)
    assert newest["lastUsed"] > oldest["lastUsed"]
    assert newest["ageDays"] == 0 and newest["protection"] == "software" and newest["origin"] == "generated"


def test_the_report_is_readable(wire, cli, name):
    wire.post(f"/keys/{name}/create", json={"kty": "EC"})
    text = cli.run("key", "inspect", name).stdout
    assert "EC P-256, 128 bits of strength, 0 days old, used 0 times (current)" in text


def test_what_does_not_exist_is_one_line(cli, name):
    for arguments, code in [
        ((name,), 1), ((name, "--vault", "nowhere"), 1), (("no_name",), 64), ((name, "--vault", "demo", "--hsm", "demohsm"), 64),
    ]:
        failed = cli.run("key", "inspect", *arguments, exit_code=code)
        assert len(failed.stderr.strip().splitlines()) == 1


def test_whoever_may_not_read_the_log_learns_no_use(server, stranger, name):
    assert server.management(stranger).get(f"/strongroom/keys/vault/demo/{name}").status_code == 403


def refuse(wire, name, operation):
    wire.post(f"/keys/{name}/create", json={"kty": "RSA"})
    answer = wire.post(f"/keys/{name}/{operation}", version="2026-04-01", json={"alg": "RSA-OAEP", "value": DIGEST})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "BadParameter")
    assert "not supported" in answer.json()["error"]["message"]


@pytest.mark.operation("KeySecureWrap", refused=True)
def test_secure_wrap_is_absent_and_says_so(wire, name):
    refuse(wire, name, "securewrapkey")


@pytest.mark.operation("KeySecureUnwrap", refused=True)
def test_secure_unwrap_is_absent_and_says_so(wire, name):
    refuse(wire, name, "secureunwrapkey")
