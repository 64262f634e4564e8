"""Every use of a key leaves its record, and no record holds anything of the key or of what it was used on."""

import base64
import json
import uuid

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from harness import audit
from harness.keys_jwk import ec_jwk, ed25519_jwk, new_ec, rsa_jwk
from harness.keys_wire import Keys
from harness.server import Server
from harness.tokens import decode, encode

pytest_plugins = ["harness.keys_fixtures"]

DIGEST = encode(b"d" * 32)
POLICY = {"attributes": {"expiryTime": "P90D"}}


@pytest.fixture
def traced(cli):
    """The one record of a call: its address carries a mark that no other has."""

    def find(make) -> dict:
        mark = uuid.uuid4().hex
        begun = audit.now()
        make({"mark": mark})
        (record,) = audit.records_about(cli, mark, since=begun)
        return record

    return find


CALLS = [
    ("KeyCreate", 200, lambda w, n, q: w.post(f"/keys/{n}-new/create", query=q, json={"kty": "EC"})),
    ("KeyImport", 200, lambda w, n, q: w.put(f"/keys/{n}-new", query=q, json={"key": ec_jwk(new_ec())})),
    ("KeyGet", 200, lambda w, n, q: w.get(f"/keys/{n}", query=q)),
    ("KeyUpdate", 200, lambda w, n, q: w.patch(f"/keys/{n}/", query=q, json={"tags": {}})),
    ("KeyList", 200, lambda w, n, q: w.get("/keys", query=q)),
    ("KeyListVersions", 200, lambda w, n, q: w.get(f"/keys/{n}/versions", query=q)),
    ("KeyBackup", 200, lambda w, n, q: w.post(f"/keys/{n}/backup", query=q)),
    ("KeyRotate", 200, lambda w, n, q: w.post(f"/keys/{n}/rotate", query=q)),
    ("KeyRotationPolicyGet", 200, lambda w, n, q: w.get(f"/keys/{n}/rotationpolicy", query=q)),
    ("KeyRotationPolicySet", 200, lambda w, n, q: w.put(f"/keys/{n}/rotationpolicy", query=q, json=POLICY)),
    ("KeySign", 200, lambda w, n, q: w.post(f"/keys/{n}/sign", query=q, json={"alg": "RS256", "value": DIGEST})),
    (
        "KeyVerify",
        200,
        lambda w, n, q: w.post(f"/keys/{n}/verify", query=q, json={"alg": "RS256", "digest": DIGEST, "value": "AAAA"}),
    ),
    ("KeyEncrypt", 200, lambda w, n, q: w.post(f"/keys/{n}/encrypt", query=q, json={"alg": "RSA-OAEP", "value": "AAAA"})),
    ("KeyWrap", 200, lambda w, n, q: w.post(f"/keys/{n}/wrapkey", query=q, json={"alg": "RSA-OAEP", "value": "AAAA"})),
    ("KeyDecrypt", 400, lambda w, n, q: w.post(f"/keys/{n}/decrypt", query=q, json={"alg": "RSA-OAEP", "value": "AAAA"})),
    ("KeyUnwrap", 400, lambda w, n, q: w.post(f"/keys/{n}/unwrapkey", query=q, json={"alg": "RSA-OAEP", "value": "AAAA"})),
    ("KeyDelete", 200, lambda w, n, q: w.delete(f"/keys/{n}", query=q)),
    ("KeyGetDeleted", 404, lambda w, n, q: w.get(f"/deletedkeys/{n}", query=q)),
    ("KeyListDeleted", 200, lambda w, n, q: w.get("/deletedkeys", query=q)),
    ("KeyRecover", 404, lambda w, n, q: w.post(f"/deletedkeys/{n}-x/recover", query=q)),
    ("KeyPurge", 404, lambda w, n, q: w.delete(f"/deletedkeys/{n}-x", query=q)),
    ("KeyRestore", 400, lambda w, n, q: w.post("/keys/restore", query=q, json={"value": "x"})),
    ("KeyCreate", 400, lambda w, n, q: w.post(f"/keys/{n}/create", query=q, json={})),
    ("KeyGet", 404, lambda w, n, q: w.get(f"/keys/{n}-x", query=q)),
]


@pytest.mark.parametrize("operation, status, call", CALLS, ids=[f"{operation} {status}" for operation, status, _ in CALLS])
def test_a_call_leaves_a_record_with_its_operation_and_result(keys, rsa_private, traced, name, operation, status, call):
    keys.import_key(name, rsa_jwk(rsa_private))
    record = traced(lambda query: call(keys.wire, name, query))
    assert (record["operationName"], record["properties"]["httpStatusCode"]) == (operation, status)
    assert record["resultType"] == ("Success" if status < 300 else "Failed")
    assert record["resultSignature"] == {200: "OK", 400: "Bad Request", 404: "Not Found"}[status]


def test_a_record_names_the_key_the_caller_and_the_role(server, keys, traced, name):
    keys.create(name)
    record = traced(lambda query: keys.wire.post(f"/keys/{name}/sign", query=query, json={"alg": "ES256", "value": DIGEST}))
    assert record["properties"]["id"].startswith(f"{server.vault_url()}/keys/{name}")
    assert record["resourceId"] == server.vault_scope().upper()
    assert record["identity"]["claim"]["appid"] == server.owner.app_id
    assert record["properties"]["isRbacAuthorized"] is True


def test_a_refusal_of_the_key_is_recorded_with_its_reason(keys, traced, name):
    keys.create(name, key_ops=["verify"])
    answers = []
    record = traced(
        lambda query: answers.append(keys.wire.post(f"/keys/{name}/sign", query=query, json={"alg": "ES256", "value": DIGEST}))
    )
    assert (record["operationName"], record["resultSignature"]) == ("KeySign", "Forbidden")
    assert record["resultDescription"] == answers[0].json()["error"]["message"]


# What must not get in, and must not lie on the disk


def spellings(raw: bytes) -> list[bytes]:
    """Bytes as they are, in hexadecimal, and as base64 and base64url whatever their place in what was encoded."""
    encoded = [base64.b64encode(b"\0" * shift + raw)[4 * (shift > 0) : -4] for shift in range(3)]
    return [raw, raw.hex().encode(), *encoded, *(part.replace(b"+", b"-").replace(b"/", b"_") for part in encoded)]


def found_in(files: dict[str, bytes], raw: bytes) -> list[str]:
    return [name for name, content in files.items() if any(form in content for form in spellings(raw))]


def files_of(folder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def private_parts(jwk: dict) -> dict[str, bytes]:
    """A stretch of each private number, long enough to be found by no accident."""
    return {f"{jwk['kty']} {part}": decode(jwk[part])[4:28] for part in ("d", "p", "q", "dp", "dq", "qi") if part in jwk}


@pytest.fixture(scope="module")
def used(binary, tmp_path_factory, rsa_private):
    """A stopped server after every kind of use, what its log was told while it ran, and what may be found in neither."""
    server = Server(binary, tmp_path_factory.mktemp("keys-audit")).start()
    try:
        keys = Keys(server.wire())
        secrets = use_in_every_way(server, keys, rsa_private)
        exported = server.cli().run("audit", "export").stdout.encode()
        assert server.stop() == 0
        yield server, exported, secrets
    finally:
        server.kill()


def use_in_every_way(server, keys: Keys, rsa_private) -> dict[str, bytes]:
    plain, hashed, message = (uuid.uuid4().bytes + uuid.uuid4().bytes for _ in range(3))
    jwks = [rsa_jwk(rsa_private), ec_jwk(new_ec()), ed25519_jwk(Ed25519PrivateKey.generate())]
    rsa, ec, ed = (keys.import_key(jwk["kty"], jwk) for jwk in jwks)
    for sealing, opening in (("encrypt", "decrypt"), ("wrapkey", "unwrapkey")):
        sealed = keys.use(sealing, rsa, "RSA-OAEP", plain)
        assert keys.use(opening, rsa, "RSA-OAEP", sealed) == plain
        keys.ask(opening, rsa, "RSA1_5", sealed)
    for key, algorithm in ((rsa, "RS256"), (ec, "ES256")):
        keys.verify(key, algorithm, hashed, keys.sign(key, algorithm, hashed))
        keys.ask("sign", key, "PS512", hashed)
    keys.sign(ed, "EdDSA", message)
    keys.wire.put("/keys/refused", json={"key": {**jwks[0], "qi": jwks[0]["q"]}})
    keys.wire.put("/keys/refused", json={"key": jwks[1], "tags": 5})
    Keys(server.wire("other")).restore(keys.backup("RSA"))
    keys.rotate("EC")
    keys.delete("OKP")
    secrets = {"plaintext": plain, "digest": hashed, "message": message}
    for jwk in jwks:
        secrets |= private_parts(jwk)
    return secrets


def test_nothing_of_keys_and_of_what_they_were_used_on_is_in_the_log(used):
    _, exported, secrets = used
    assert b"KeyDecrypt" in exported
    assert [what for what, raw in secrets.items() if any(form in exported for form in spellings(raw))] == []


def test_nothing_of_keys_and_of_what_they_were_used_on_is_in_any_file(used):
    server, _, secrets = used
    files = {name: content for name, content in files_of(server.data).items() if content.strip(b"\0")}
    assert {what: found_in(files, raw) for what, raw in secrets.items()} == dict.fromkeys(secrets, [])


def test_nothing_of_keys_is_in_the_output_of_the_server(used):
    server, _, secrets = used
    told = (server.output.finish() + server.errors.finish()).encode()
    assert [what for what, raw in secrets.items() if any(form in told for form in spellings(raw))] == []


def test_the_search_would_find_what_lies_open(used, tmp_path):
    _, _, secrets = used
    raw = secrets["RSA p"]
    (tmp_path / "open.json").write_text(json.dumps({"p": encode(b"." + raw + b"....")}))
    assert found_in(files_of(tmp_path), raw) == ["open.json"]


def test_the_log_of_keys_is_whole(used):
    server, _, _ = used
    server.cli().run("audit", "verify", "--data", str(server.data))
