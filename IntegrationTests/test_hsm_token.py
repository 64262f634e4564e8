"""What lies in the token: private and symmetric keys that are sensitive and cannot leave it, and nothing of them on any disk."""

import base64
import itertools
import os
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness import audit, hsm_kinds
from harness.hsm_token import WRAPPING_KEY, TokenFolder
from harness.keys_jwk import ec_jwk, new_ec, new_rsa, rsa_jwk
from harness.keys_wire import done, version_of
from harness.tokens import decode, encode

pytest_plugins = ["harness.hsm_fixtures"]


@pytest.fixture(scope="module")
def token(server) -> TokenFolder:
    return TokenFolder(server.data)


@pytest.mark.parametrize("kind", hsm_kinds.ALL)
def test_every_key_has_one_object_that_cannot_leave_the_token(hardware, token, kind):
    _, standing = hardware
    version = version_of(standing(kind))
    (found,) = [each for each in token.keys() if each.id == version]
    assert found.kind == ("Secret Key Object" if kind.startswith("oct") else "Private Key Object")
    assert "sensitive" in found.access
    assert "extractable" not in found.access


def test_the_key_that_wraps_the_others_was_born_in_the_token(pool, pool_standing, token):
    pool_standing("oct-256")
    (wrapping,) = [each for each in token.objects() if each.label == WRAPPING_KEY]
    assert wrapping.access == {"sensitive", "always sensitive", "never extractable", "local"}


def test_nothing_but_keys_of_the_server_is_in_the_token(pool_standing, token):
    pool_standing("RSA-2048")
    # Another process sees an object that is being written, for a duty of another test, without its label and its class: what counts
    # is what stays.
    for _ in range(300):
        found = token.objects()
        strangers = [each for each in found if not each.label.startswith("strongroom-")]
        if not strangers:
            break
        time.sleep(0.1)
    assert strangers == []
    assert {each.kind for each in found} <= {"Private Key Object", "Secret Key Object"}


def test_keys_made_and_purged_by_many_at_once_leave_nothing_behind(pool, token, name):
    def come_and_go(thread: int) -> None:
        end = time.monotonic() + 8
        for number in itertools.count():
            key = f"{name}-{thread}-{number}"
            pool.create(key, ("oct-HSM", "EC-HSM")[number % 2])
            pool.delete(key)
            pool.purge(key)
            if time.monotonic() > end:
                return

    before = {each.id for each in token.keys()}
    with ThreadPoolExecutor(12) as threads:
        list(threads.map(come_and_go, range(12)))
    for _ in range(300):
        found = token.objects()
        if all(each.label == WRAPPING_KEY or each.id in before for each in found):
            return
        time.sleep(0.1)
    assert [each for each in found if each.id not in before] == []


def test_a_holder_of_the_pin_cannot_read_a_key(pool, token, name):
    made = pool.create(name, "oct-HSM")
    result = token.run("--read-object", "--type", "secrkey", "--id", version_of(made))
    assert result.stdout == b"" or result.returncode != 0
    assert not [line for line in result.stdout.splitlines() if len(line.strip()) >= 32]


def test_a_software_key_is_not_in_the_token(premium, token, name):
    made = premium.create(name, "EC")
    assert version_of(made) not in [each.id for each in token.objects()]


def test_a_new_version_is_a_new_object_and_the_old_one_stays(pool, token, name):
    versions = {version_of(pool.create(name, "oct-HSM")) for _ in range(2)}
    assert versions <= {each.id for each in token.keys()}


def test_a_deleted_key_stays_and_a_purged_key_goes(pool, token, name):
    versions = {version_of(pool.create(name, "EC-HSM")) for _ in range(2)}
    pool.delete(name)
    assert versions <= {each.id for each in token.keys()}
    pool.purge(name)
    assert not versions & {each.id for each in token.keys()}


def test_a_refused_key_leaves_no_object(pool, token, name):
    pool.create(name, "oct-HSM")
    pool.delete(name)
    before = {each.id for each in token.keys()}
    assert pool.wire.post(f"/keys/{name}/create", json={"kty": "oct-HSM"}).status_code == 409
    jwk = {**rsa_jwk(new_rsa()), "kty": "RSA-HSM", "d": rsa_jwk(new_rsa())["d"]}
    assert pool.wire.put(f"/keys/{name}-2", json={"key": jwk}).status_code == 400
    assert {each.id for each in token.keys()} == before


def test_no_file_of_the_server_shows_an_imported_key(server, pool, name):
    secret = os.urandom(32)
    rsa, ec = rsa_jwk(new_rsa()), ec_jwk(new_ec())
    pool.import_key(f"{name}-oct", {"kty": "oct-HSM", "k": encode(secret)})
    pool.import_key(f"{name}-rsa", {**rsa, "kty": "RSA-HSM"})
    pool.import_key(f"{name}-ec", {**ec, "kty": "EC-HSM"})
    backup = decode(pool.backup(f"{name}-oct"))
    wanted = [secret, decode(rsa["d"])[8:40], decode(rsa["p"])[8:40], decode(ec["d"])]
    files = [path.read_bytes() for path in server.data.rglob("*") if path.is_file() and path.name != "reserve"]
    for content in [*files, backup]:
        for part in wanted:
            assert part not in content
            assert base64.b64encode(part)[:40] not in content
            assert part.hex().encode() not in content


def test_the_files_of_the_token_are_the_servers_alone(server):
    for path in [server.data / "hsm", server.data / "hsm-pin", server.data / "softhsm2.conf", *(server.data / "hsm").rglob("*")]:
        assert path.stat().st_mode & 0o077 == 0, path


def test_the_audit_log_tells_of_hardware_keys_but_shows_nothing_of_them(cli, pool, name):
    begun = audit.now()
    secret = os.urandom(32)
    pool.import_key(name, {"kty": "oct-HSM", "k": encode(secret)})
    done(pool.ask("encrypt", name, "A256GCM", b"a plain text to look for"))
    found = audit.records_about(cli, f"/keys/{name}", since=begun)
    assert {record["operationName"] for record in found} >= {"KeyImport", "KeyEncrypt"}
    assert all(encode(secret) not in str(record) and encode(b"a plain text to look for") not in str(record) for record in found)
    imported = next(record for record in found if record["operationName"] == "KeyImport")
    assert imported["properties"]["id"].startswith(pool.wire.base)
    assert "MANAGEDHSMS/DEMOHSM" in imported["resourceId"]
