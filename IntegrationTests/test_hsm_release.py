"""Secure key release: a key goes to an environment that a trusted authority vouches for, and to nothing else."""

import base64
import hashlib
import json
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from azure.core.exceptions import HttpResponseError
from azure.keyvault.keys import KeyReleasePolicy
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding

from harness import audit, hsm_kinds
from harness import keys_algorithms as algorithms
from harness.hsm_authority import (
    ENVIRONMENT_KEY,
    HASHES,
    AttestationAuthority,
    Environment,
    claim,
    policy,
    released_parts,
)
from harness.hsm_pool import pool_client_for, pool_keys
from harness.hsm_server import HsmServer
from harness.hsm_token import TokenFolder
from harness.keys_jwk import new_rsa, public_key
from harness.keys_wire import Keys, assert_bad_parameter, assert_forbidden, done, error_of, path_of
from harness.tokens import decode, encode, pem_of, signed_hs256, signing_input

pytest_plugins = ["harness.hsm_fixtures"]

REFUSAL = "Target environment attestation statement cannot be verified"
SEVSNP = claim("x-ms-attestation-type", "sevsnpvm")


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    made = AttestationAuthority(tmp_path_factory.mktemp("authority"))
    yield made
    made.stop()


@pytest.fixture(scope="module")
def second_authority(tmp_path_factory):
    """Trusted too, but no policy of these tests names it unless it says so."""
    made = AttestationAuthority(tmp_path_factory.mktemp("second"), kid="second-key")
    yield made
    made.stop()


@pytest.fixture(scope="module")
def server(binary, tmp_path_factory, authority, second_authority):
    """In these tests the server is one that trusts our authorities."""
    running = HsmServer(
        binary, tmp_path_factory.mktemp("releasing") / "data", *authority.option, *second_authority.option, vaults=("demo",)
    ).start()
    yield running
    running.kill()


@pytest.fixture(scope="module")
def cli(server):
    return server.cli()


@pytest.fixture(scope="module")
def environment() -> Environment:
    return Environment()


def exportable(keys: Keys, name: str, document: dict, kty: str = "RSA-HSM", **members) -> dict:
    body = {"kty": kty, "attributes": {"exportable": True}, "release_policy": {"data": encode(json.dumps(document).encode())}, **members}
    return done(keys.wire.post(f"/keys/{name}/create", json=body))


@pytest.fixture(scope="module")
def released_key(server, authority) -> dict:
    """An RSA key that environments of the one type may have."""
    return exportable(pool_keys(server), "for-release", policy(authority.url, SEVSNP))


def ask(keys: Keys, key: dict | str, target, **members):
    return keys.wire.post(f"{path_of(key)}/release", json={"target": target, **members})


def refused(keys: Keys, key: dict | str, target: str) -> str:
    answer = ask(keys, key, target)
    assert answer.status_code == 403, f"{answer.status_code} {answer.text}"
    assert error_of(answer)["code"] == "Forbidden"
    assert error_of(answer)["message"].startswith(REFUSAL)
    return error_of(answer)["message"]


def opened(answer: dict, environment: Environment, enc: str = "RSA_AES_KEY_WRAP_256") -> tuple[dict, bytes]:
    """The payload of a released key and what the environment finds in it."""
    _, payload, _, _ = released_parts(answer["value"])
    blob = json.loads(decode(payload["response"]["key"]["key"]["key_hsm"]))
    assert blob["schema_version"] == "1.0"
    assert blob["header"] == {"kid": ENVIRONMENT_KEY, "alg": "dir", "enc": enc}
    return payload, environment.unwrap(decode(blob["ciphertext"]), enc)


# What is released


@pytest.mark.parametrize("enc", HASHES)
def test_the_environment_gets_the_key_itself(pool, authority, environment, released_key, enc):
    answer = done(ask(pool, released_key, authority.statement(environment), enc=enc))
    assert set(answer) == {"value"}
    payload, pkcs8 = opened(answer, environment, enc)
    private = serialization.load_der_private_key(pkcs8, None)
    assert private.public_key() == public_key(hsm_kinds.software_form(released_key))
    hashed = algorithms.digest("PS256")
    assert pool.verify(released_key, "PS256", hashed, algorithms.sign(private, "PS256", hashed))
    assert payload["request"]["enc"] == enc


@pytest.mark.parametrize("size", [2048, 3072, 4096])
def test_an_rsa_key_of_every_size_is_released(pool, authority, environment, name, size):
    key = exportable(pool, name, policy(authority.url, SEVSNP), key_size=size)
    _, pkcs8 = opened(done(ask(pool, key, authority.statement(environment))), environment)
    assert serialization.load_der_private_key(pkcs8, None).public_key() == public_key(hsm_kinds.software_form(key))


@pytest.mark.parametrize("curve", hsm_kinds.EC)
def test_an_ec_key_on_every_curve_is_released(pool, authority, environment, name, curve):
    key = exportable(pool, name, policy(authority.url, SEVSNP), "EC-HSM", crv=curve)
    _, pkcs8 = opened(done(ask(pool, key, authority.statement(environment))), environment)
    private = serialization.load_der_private_key(pkcs8, None)
    algorithm = hsm_kinds.CURVE_ALGORITHMS[curve]
    hashed = algorithms.digest(algorithm)
    assert pool.verify(key, algorithm, hashed, algorithms.sign(private, algorithm, hashed))


@pytest.mark.parametrize("size", [16, 24, 32])
def test_a_symmetric_key_is_released_as_its_bytes(pool, authority, environment, name, size):
    secret = bytes(range(size))
    members = {"attributes": {"exportable": True}, "release_policy": {"data": encode(json.dumps(policy(authority.url, SEVSNP)).encode())}}
    key = pool.import_key(name, {"kty": "oct-HSM", "k": encode(secret)}, **members)
    _, found = opened(done(ask(pool, key, authority.statement(environment))), environment)
    assert found == secret


def test_a_key_of_a_premium_vault_is_released(server, premium, authority, environment, name):
    key = exportable(premium, name, policy(authority.url, SEVSNP), "EC-HSM")
    _, pkcs8 = opened(done(ask(premium, key, authority.statement(environment))), environment)
    assert serialization.load_der_private_key(pkcs8, None).public_key() == public_key(hsm_kinds.software_form(key))


@pytest.mark.operation("KeyRelease")
def test_the_client_gets_the_released_key(server, authority, environment, name):
    with pool_client_for(server) as client:
        document = KeyReleasePolicy(json.dumps(policy(authority.url, SEVSNP)).encode())
        key = client.create_rsa_key(name, hardware_protected=True, exportable=True, release_policy=document)
        result = client.release_key(name, authority.statement(environment))
        assert opened({"value": result.value}, environment)[1]
        result = client.release_key(
            name, authority.statement(environment), version=key.properties.version, algorithm="RSA_AES_KEY_WRAP_384", nonce="n-1"
        )
        assert opened({"value": result.value}, environment, "RSA_AES_KEY_WRAP_384")[1]
        with pytest.raises(HttpResponseError) as failure:
            client.release_key(name, authority.statement(environment, **{"x-ms-attestation-type": "sgx"}))
    assert failure.value.status_code == 403
    assert REFUSAL in failure.value.message


def test_the_answer_is_signed_by_the_certificate_that_it_carries(pool, authority, environment, released_key):
    header, _, signed, signature = released_parts(done(ask(pool, released_key, authority.statement(environment)))["value"])
    assert (header["alg"], header["typ"]) == ("RS256", "JWT")
    certificates = [x509.load_der_x509_certificate(base64.b64decode(text)) for text in header["x5c"]]
    der = certificates[0].public_bytes(serialization.Encoding.DER)
    assert header["x5t"] == encode(hashlib.sha1(der).digest())
    assert header["x5t#S256"] == encode(hashlib.sha256(der).digest())
    assert header["kid"]
    certificates[0].public_key().verify(signature, signed, padding.PKCS1v15(), hashes.SHA256())
    for lower, upper in zip(certificates, certificates[1:]):
        lower.verify_directly_issued_by(upper)


def test_the_answer_says_what_was_asked_and_what_was_released(pool, authority, environment, released_key):
    answer = done(ask(pool, released_key, authority.statement(environment)))
    payload, _ = opened(answer, environment)
    assert payload["request"]["enc"] == "RSA_AES_KEY_WRAP_256"
    assert payload["request"]["kid"] == released_key["key"]["kid"]
    assert payload["request"]["api-version"] == "2026-04-01"
    bundle = payload["response"]["key"]
    assert {"kid", "kty", "key_ops", "n", "e", "key_hsm"} <= set(bundle["key"])
    assert not {"d", "p", "q", "dp", "dq", "qi"} & set(bundle["key"])
    assert bundle["key"]["n"] == released_key["key"]["n"]
    assert bundle["attributes"]["exportable"] is True
    assert bundle["release_policy"] == {"data": released_key["release_policy"]["data"], "immutable": False}


def test_without_a_version_the_newest_is_released(pool, authority, environment, name):
    exportable(pool, name, policy(authority.url, SEVSNP), "EC-HSM")
    newest = exportable(pool, name, policy(authority.url, SEVSNP), "EC-HSM")
    payload, _ = opened(done(ask(pool, name, authority.statement(environment))), environment)
    assert payload["request"]["kid"] == newest["key"]["kid"]


def test_an_environment_with_a_longer_key_gets_it_too(pool, authority, released_key):
    larger = Environment(4096)
    assert opened(done(ask(pool, released_key, authority.statement(larger))), larger)[1]


def test_a_key_outside_its_time_window_is_released(pool, authority, environment, name):
    """§3: decrypt, unwrapKey, verify and release still work outside nbf and exp."""
    key = exportable(pool, name, policy(authority.url, SEVSNP), "EC-HSM")
    pool.update(key, attributes={"exp": 1_600_000_000})
    assert ask(pool, key, authority.statement(environment)).status_code == 200


def test_the_released_object_in_the_token_still_cannot_be_extracted(server, pool, authority, environment, released_key):
    ask(pool, released_key, authority.statement(environment))
    (found,) = [each for each in TokenFolder(server.data).keys() if each.id == released_key["key"]["kid"].rsplit("/", 1)[1]]
    assert "sensitive" in found.access and "extractable" not in found.access


# The policy decides


@pytest.mark.parametrize(
    "conditions, holds",
    [
        ([claim("x-ms-attestation-type", "sevsnpvm")], True),
        ([claim("x-ms-attestation-type", "SEVSNPVM")], False),
        ([claim("x-ms-attestation-type", "sevsnpvm"), claim("sdk-test", "true")], True),
        ([claim("x-ms-attestation-type", "sevsnpvm"), claim("sdk-test", "false")], False),
        ([claim("sdk-test", True)], False),
        ([claim("x-ms-runtime.vm-configuration.secure-boot", True)], True),
        ([claim("x-ms-runtime.vm-configuration.secure-boot", "true")], False),
        ([claim("x-ms-runtime.vm-configuration.secure-boot", 1)], False),
        ([claim("x-ms-runtime.vm-configuration", True)], False),
        ([claim("x-ms-runtime.vm-configuration.missing", True)], False),
        ([claim("missing", "")], False),
        ([claim("a.b", "dotted")], True),
        ([claim("level", 3)], True),
        ([claim("level", 4)], False),
        ([claim("level", "3")], False),
        ([claim("flag", True)], False),
        ([claim("flag", False)], True),
        ([claim("flag", 0)], False),
        ([claim("list", "one")], False),
        ([claim("list.0", "one")], False),
        ([claim("nothing", "null")], False),
        ([{"anyOf": [claim("missing", "x"), claim("level", 3)]}], True),
        ([{"anyOf": [claim("missing", "x"), claim("level", 4)]}], False),
        ([{"anyOf": [{"allOf": [claim("level", 3), claim("flag", True)]}, {"allOf": [claim("level", 3), claim("flag", False)]}]}], True),
        ([{"allOf": [claim("level", 3), {"anyOf": [claim("flag", True)]}]}], False),
    ],
    ids=str,
)
def test_the_claims_decide(server, pool, authority, environment, name, conditions, holds):
    key = exportable(pool, name, policy(authority.url, *conditions), "EC-HSM")
    claims = {"a": {"b": "dotted"}, "level": 3, "flag": False, "list": ["one", "two"]}
    token = authority.sign({**authority.claims(environment, **claims), "nothing": None})
    if holds:
        assert ask(pool, key, token).status_code == 200
    else:
        refused(pool, key, token)


def test_the_older_name_of_equals_is_understood(pool, authority, environment, name):
    key = exportable(pool, name, policy(authority.url, {"claim": "sdk-test", "condition": "true"}), "EC-HSM")
    assert ask(pool, key, authority.statement(environment)).status_code == 200
    refused(pool, key, authority.statement(environment, **{"sdk-test": "false"}))


def test_only_the_authority_that_the_policy_names_opens_a_key(pool, authority, second_authority, environment, released_key, name):
    refused(pool, released_key, second_authority.statement(environment))
    either = {
        "version": "1.0.0",
        "anyOf": [*policy(authority.url, claim("sdk-test", "no"))["anyOf"], *policy(second_authority.url, SEVSNP)["anyOf"]],
    }
    key = exportable(pool, name, either, "EC-HSM")
    assert ask(pool, key, second_authority.statement(environment)).status_code == 200
    refused(pool, key, authority.statement(environment))


def test_an_authority_is_compared_without_its_last_slash(pool, authority, environment, name):
    key = exportable(pool, name, policy(f"{authority.url}/", SEVSNP), "EC-HSM")
    assert ask(pool, key, authority.statement(environment)).status_code == 200


def test_a_policy_that_was_replaced_decides_from_then_on(pool, authority, environment, name):
    key = exportable(pool, name, policy(authority.url, SEVSNP), "EC-HSM")
    assert ask(pool, key, authority.statement(environment)).status_code == 200
    stricter = policy(authority.url, SEVSNP, claim("missing", "x"))
    pool.update(key, release_policy={"data": encode(json.dumps(stricter).encode())})
    refused(pool, key, authority.statement(environment))


# Statements that prove nothing


def test_a_statement_whose_time_is_over_is_refused(pool, authority, environment, released_key):
    now = int(time.time())
    refused(pool, released_key, authority.statement(environment, iat=now - 7200, nbf=now - 7200, exp=now - 3600))
    refused(pool, released_key, authority.statement(environment, nbf=now + 3600, exp=now + 7200))
    refused(pool, released_key, authority.statement(environment, exp=None))
    refused(pool, released_key, authority.statement(environment, exp=str(now + 600)))


def test_a_statement_that_another_signed_is_refused(pool, authority, environment, released_key):
    claims = authority.claims(environment)
    stranger = new_rsa()
    refused(pool, released_key, authority.sign(claims, stranger))
    refused(pool, released_key, authority.sign(claims, stranger, jwk=environment.jwk(), kid=None))
    refused(pool, released_key, authority.sign(claims, environment.key, kid=ENVIRONMENT_KEY))
    refused(pool, released_key, authority.sign(claims, kid="unknown"))
    refused(pool, released_key, authority.sign(claims, kid=None))


def test_a_statement_that_was_changed_is_refused(pool, authority, environment, released_key):
    header, payload, signature = authority.statement(environment).split(".")
    other = encode(json.dumps(authority.claims(environment, admin=True)).encode())
    refused(pool, released_key, f"{header}.{other}.{signature}")
    flipped = bytearray(decode(signature))
    flipped[10] ^= 1
    refused(pool, released_key, f"{header}.{payload}.{encode(bytes(flipped))}")
    refused(pool, released_key, f"{header}.{payload}.")
    refused(pool, released_key, f"{header}.{payload}.{encode(b'')}")


def test_only_signatures_of_a_key_pair_count(pool, authority, environment, released_key):
    claims = authority.claims(environment)
    for none in ("none", "None", "NONE", ""):
        refused(pool, released_key, signing_input({"alg": none, "kid": authority.kid}, claims) + ".")
    for secret in (pem_of(authority.key.public_key()), decode(authority.key_set()["keys"][0]["n"]), b""):
        refused(pool, released_key, signed_hs256(secret, {"alg": "HS256", "kid": authority.kid}, claims))
    refused(pool, released_key, authority.sign(claims, alg="PS256"))
    refused(pool, released_key, authority.sign(claims, crit=["exp"]))


def test_an_authority_that_nobody_trusts_is_not_asked(pool, environment, released_key, tmp_path, name):
    unknown = AttestationAuthority(tmp_path / "unknown")
    try:
        refused(pool, released_key, unknown.statement(environment))
        key = exportable(pool, name, policy(unknown.url, SEVSNP), "EC-HSM")
        refused(pool, key, unknown.statement(environment))
        refused(pool, key, unknown.sign(unknown.claims(environment), jku=f"{unknown.url}/certs", x5u=f"{unknown.url}/certs"))
        assert unknown.asked == []
    finally:
        unknown.stop()


def test_a_statement_without_its_authority_is_refused(pool, authority, environment, released_key):
    for iss in (None, "", 5, f"{authority.url}.example", f"{authority.url}/certs"):
        refused(pool, released_key, authority.statement(environment, iss=iss))


@pytest.mark.parametrize(
    "runtime",
    [None, {}, {"keys": []}, {"keys": [{"kty": "EC", "kid": ENVIRONMENT_KEY, "crv": "P-256"}]}, {"keys": "text"}, "text"],
    ids=str,
)
def test_an_environment_without_an_rsa_key_gets_nothing(pool, authority, environment, released_key, runtime):
    refused(pool, released_key, authority.statement(environment, **{"x-ms-runtime": runtime}))


def test_a_key_of_the_environment_that_is_weak_or_for_signing_is_not_used(pool, authority, environment, released_key):
    small = new_rsa(1024).public_key().public_numbers()
    wrong = {
        "1024 bits": environment.jwk(n=encode(small.n.to_bytes(128, "big"))),
        "exponent 1": environment.jwk(e=encode(b"\x01")),
        "exponent 2": environment.jwk(e=encode(b"\x02")),
        "even modulus": environment.jwk(n=encode((environment.key.public_key().public_numbers().n + 1).to_bytes(256, "big"))),
        "for signing": environment.jwk(key_ops=["verify"]),
    }
    taken = []
    for what, key in wrong.items():
        token = authority.statement(environment, **{"x-ms-runtime": {"keys": [key]}})
        if ask(pool, released_key, token).status_code != 403:
            taken.append(what)
    assert taken == []


def test_the_key_for_wrapping_is_chosen_among_several(pool, authority, environment, released_key):
    keys = [environment.jwk(kid="signing", key_ops=["sign"]), {"kty": "EC", "kid": "ec"}, environment.jwk()]
    answer = done(ask(pool, released_key, authority.statement(environment, **{"x-ms-runtime": {"keys": keys}})))
    assert opened(answer, environment)[1]


def test_a_statement_beyond_measure_is_refused(pool, authority, environment, released_key):
    refused(pool, released_key, authority.statement(environment, padding="x" * 80_000))


@pytest.mark.parametrize("target", ["a", "a.b", "a.b.c", "....", "e30.e30.", "eyJhbGciOiJSUzI1NiJ9.bm90anNvbg.AAAA", "ü.ü.ü"])
def test_what_is_no_token_is_refused(pool, released_key, target):
    refused(pool, released_key, target)


def test_no_refusal_shows_the_statement(pool, authority, environment, released_key):
    message = refused(pool, released_key, authority.statement(environment, **{"x-ms-attestation-type": "secret-claim-value"}))
    assert "secret-claim-value" not in message


# Calls that are wrong


@pytest.mark.parametrize("enc", ["RSA_AES_KEY_WRAP_512", "A256KW", "", "ckm"])
def test_another_wrapping_is_refused(pool, authority, environment, released_key, enc):
    assert_bad_parameter(ask(pool, released_key, authority.statement(environment), enc=enc))


@pytest.mark.parametrize("body", [{}, {"target": None}, {"target": 5}, []], ids=str)
def test_a_call_without_a_statement_is_refused(pool, released_key, body):
    assert_bad_parameter(pool.wire.post(f"{path_of(released_key)}/release", json=body))


def test_a_key_that_is_not_exportable_is_not_released(pool, authority, environment, name):
    key = pool.create(name, "RSA-HSM")
    answer = ask(pool, key, authority.statement(environment))
    assert answer.status_code in (400, 403), answer.text


def test_a_disabled_key_is_not_released(pool, authority, environment, name):
    key = exportable(pool, name, policy(authority.url, SEVSNP), "EC-HSM")
    pool.update(key, attributes={"enabled": False})
    assert_forbidden(ask(pool, key, authority.statement(environment)), "KeyDisabled")


def test_a_key_that_does_not_exist_is_not_found(pool, authority, environment, name):
    assert ask(pool, name, authority.statement(environment)).status_code == 404


def test_who_has_no_role_gets_nothing(server, stranger, authority, environment, released_key):
    answer = ask(pool_keys(server, stranger), released_key, authority.statement(environment))
    assert answer.status_code == 403
    assert not error_of(answer)["message"].startswith(REFUSAL)


def test_the_log_has_releases_and_refusals_and_shows_neither_statement_nor_key(cli, pool, authority, environment, released_key):
    begun = audit.now()
    token = authority.statement(environment)
    value = done(ask(pool, released_key, token))["value"]
    refused(pool, released_key, authority.statement(environment, **{"x-ms-attestation-type": "sgx"}))
    found = [record for record in audit.records(cli, since=begun) if record["operationName"] == "KeyRelease"]
    assert [record["properties"]["httpStatusCode"] for record in found] == [200, 403]
    assert token.split(".")[1] not in str(found) and value.split(".")[1] not in str(found)


# Authorities that misbehave


NONSENSE = {
    "500": (500, {}, b"{}"),
    "404": (404, {}, b""),
    "no JSON": (200, {}, b"not JSON"),
    "no keys": (200, {}, b'{"keys":[]}'),
    "half a key": (200, {}, b'{"keys":[{"kty":"RSA","kid":"authority-key-1"}]}'),
    "20 MB": (200, {}, b'{"keys":[' + b" " * 20_000_000 + b"]}"),
}


class Doubtful:
    """A server that trusts many authorities, each with a way of its own to answer."""

    def __init__(self, binary, folder, elsewhere: AttestationAuthority):
        names = [*NONSENSE, "redirecting", "another root", "silent", "diligent"]
        self.authorities = {name: AttestationAuthority(folder / name.replace(" ", "-")) for name in names}
        for name, answer in NONSENSE.items():
            self.authorities[name].answer = lambda answer=answer: answer
        self.authorities["redirecting"].answer = lambda: (302, {"Location": f"{elsewhere.url}/certs"}, b"")
        self.authorities["silent"].answer = lambda: (time.sleep(60), (200, {}, b"{}"))[1]
        options = [word for authority in self.authorities.values() for word in authority.option]
        options[options.index(self.authorities["another root"].option[1])] = f"{self.authorities['another root'].url},{elsewhere.ca_file}"
        self.server = HsmServer(binary, folder / "data", *options, vaults=("demo",)).start()
        self.keys = pool_keys(self.server)

    def ask(self, name: str, environment: Environment, **header):
        """Asks, on the word of an authority, for a key that it may open."""
        authority = self.authorities[name]
        key = f"key-{name.replace(' ', '-')}"
        if self.keys.wire.get(f"/keys/{key}").status_code == 404:
            exportable(self.keys, key, policy(authority.url, SEVSNP), "EC-HSM")
        return ask(self.keys, key, authority.sign(authority.claims(environment), **header))

    def refused(self, name: str, environment: Environment, **header) -> None:
        answer = self.ask(name, environment, **header)
        assert answer.status_code == 403, f"{answer.status_code} {answer.text}"
        assert error_of(answer)["message"].startswith(REFUSAL)


@pytest.fixture(scope="module")
def doubtful(binary, tmp_path_factory, authority):
    made = Doubtful(binary, tmp_path_factory.mktemp("doubtful"), authority)
    yield made
    made.server.kill()
    for each in made.authorities.values():
        each.stop()


def test_an_authority_with_a_certificate_of_another_root_is_not_believed(doubtful, environment):
    doubtful.refused("another root", environment)
    assert doubtful.authorities["another root"].asked == []


@pytest.mark.parametrize("nonsense", NONSENSE)
def test_an_authority_that_answers_nonsense_opens_nothing(doubtful, environment, nonsense):
    doubtful.refused(nonsense, environment)
    assert doubtful.authorities[nonsense].asked == ["/certs"]


def test_a_redirect_is_not_followed(doubtful, authority, environment):
    before = len(authority.asked)
    doubtful.refused("redirecting", environment)
    assert len(authority.asked) == before


def test_an_authority_that_says_nothing_holds_nobody_up(doubtful, environment):
    begun = time.monotonic()
    with ThreadPoolExecutor(1) as thread:
        waiting = thread.submit(doubtful.refused, "silent", environment)
        assert doubtful.ask("diligent", environment).status_code == 200
        assert time.monotonic() - begun < 5
        waiting.result()
    assert time.monotonic() - begun < 20


def test_the_keys_of_an_authority_are_asked_for_once(doubtful, environment):
    for _ in range(5):
        assert doubtful.ask("diligent", environment).status_code == 200
    for _ in range(5):
        doubtful.refused("diligent", environment, kid="unknown")
    assert doubtful.authorities["diligent"].asked == ["/certs"]
