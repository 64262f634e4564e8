"""Bring your own key: keys that independent tools wrapped for a key-exchange key arrive whole, and nothing else arrives."""

import os

import pytest
from cryptography.hazmat.primitives import hashes, keywrap, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding

from harness import hsm_aes as aes
from harness import hsm_kinds
from harness import keys_algorithms as algorithms
from harness.hsm_pool import pool_keys
from harness.hsm_private import rsa_of
from harness.hsm_token import TokenFolder
from harness.hsm_transfer import body, document, exchange_key, plain_bytes, wrapped_by_openssl, wrapped_for
from harness.keys_jwk import new_ec, new_rsa, public_key
from harness.keys_wire import Keys, assert_bad_parameter, assert_forbidden, done, error_of, path_of, version_of
from harness.tokens import encode

pytest_plugins = ["harness.hsm_fixtures"]

SECRET = bytes(range(32))


@pytest.fixture(params=["pool", "vault"], scope="module")
def place(request, server) -> tuple[Keys, dict]:
    """The calls of a place, and its key-exchange key."""
    keys = pool_keys(server) if request.param == "pool" else Keys(server.wire())
    return keys, keys.create(f"exchange-{request.param}", "RSA-HSM", key_size=3072, key_ops=["import"])


@pytest.fixture(scope="module")
def rsa_target():
    return rsa_of()


def kid(exchange: dict) -> str:
    return exchange["key"]["kid"]


def blob(exchange: dict, target, changes: dict | None = None) -> dict:
    return document(kid(exchange), wrapped_for(exchange_key(exchange), target), changes)


def ask(keys: Keys, name: str, request: dict):
    return keys.wire.put(f"/keys/{name}", json=request)


def assert_the_same_rsa_key(keys: Keys, made: dict, private) -> None:
    assert public_key(hsm_kinds.software_form(made)) == private.public_key()
    hashed = algorithms.digest("PS256")
    assert algorithms.verifies(private.public_key(), "PS256", hashed, keys.sign(made, "PS256", hashed))


# What arrives


def test_an_rsa_key_arrives(place, name, rsa_target):
    keys, exchange = place
    made = done(ask(keys, name, body("RSA-HSM", blob(exchange, rsa_target), tags={"a": "b"}, attributes={"exp": 2_000_000_000})))
    assert (made["key"]["kty"], made["tags"], made["attributes"]["exp"]) == ("RSA-HSM", {"a": "b"}, 2_000_000_000)
    assert set(made["key"]) == {"kid", "kty", "key_ops", "n", "e"}
    assert_the_same_rsa_key(keys, made, rsa_target)
    sealed = rsa_target.public_key().encrypt(b"plain", algorithms.encryption_padding("RSA-OAEP-256"))
    assert keys.use("decrypt", made, "RSA-OAEP-256", sealed) == b"plain"


@pytest.mark.parametrize("size", [3072, 4096])
def test_a_longer_rsa_key_arrives(place, name, size):
    keys, exchange = place
    private = rsa_of(size)
    assert_the_same_rsa_key(keys, done(ask(keys, name, body("RSA-HSM", blob(exchange, private)))), private)


@pytest.mark.parametrize("curve", hsm_kinds.EC)
def test_an_ec_key_arrives(place, name, curve):
    keys, exchange = place
    private = new_ec(curve)
    made = done(ask(keys, name, body("EC-HSM", blob(exchange, private))))
    assert (made["key"]["kty"], made["key"]["crv"]) == ("EC-HSM", curve)
    assert public_key(hsm_kinds.software_form(made)) == private.public_key()
    algorithm = hsm_kinds.CURVE_ALGORITHMS[curve]
    hashed = algorithms.digest(algorithm)
    assert algorithms.verifies(private.public_key(), algorithm, hashed, keys.sign(made, algorithm, hashed))


@pytest.mark.parametrize("size", aes.SIZES)
def test_a_symmetric_key_arrives(place, name, size):
    keys, exchange = place
    made = done(ask(keys, name, body("oct-HSM", blob(exchange, SECRET[: size // 8]))))
    assert (made["key"]["kty"], set(made["key"])) == ("oct-HSM", {"kid", "kty", "key_ops"})
    algorithm = f"A{size}KW"
    assert keys.use("wrapkey", made, algorithm, b"t" * 16) == aes.wrap(algorithm, SECRET[: size // 8], b"t" * 16)


@pytest.mark.parametrize("kind", ["RSA", "EC", "oct"])
def test_what_openssl_wrapped_arrives(place, name, tmp_path, rsa_target, kind):
    keys, exchange = place
    target = {"RSA": rsa_target, "EC": new_ec(), "oct": SECRET}[kind]
    wrapped = wrapped_by_openssl(exchange_key(exchange), target, tmp_path)
    made = done(ask(keys, name, body(f"{kind}-HSM", document(kid(exchange), wrapped))))
    if kind == "oct":
        assert keys.use("wrapkey", made, "A256KW", b"t" * 16) == aes.wrap("A256KW", SECRET, b"t" * 16)
    else:
        assert public_key(hsm_kinds.software_form(made)) == target.public_key()


@pytest.mark.parametrize("size", [2048, 4096])
def test_the_key_exchange_key_may_have_any_size(pool, name, size):
    exchange = pool.create(f"{name}-exchange", "RSA-HSM", key_size=size, key_ops=["import"])
    assert ask(pool, name, body("oct-HSM", blob(exchange, SECRET))).status_code == 200


def test_an_older_version_of_the_key_exchange_key_still_opens(pool, name):
    older = pool.create(f"{name}-exchange", "RSA-HSM", key_ops=["import"])
    pool.create(f"{name}-exchange", "RSA-HSM", key_ops=["import"])
    assert ask(pool, name, body("oct-HSM", blob(older, SECRET))).status_code == 200


def test_a_blob_in_base64url_with_padding_is_taken(place, name):
    keys, exchange = place
    request = body("oct-HSM", blob(exchange, SECRET))
    text = request["key"]["key_hsm"]
    request["key"]["key_hsm"] = text + "=" * (-len(text) % 4)
    assert ask(keys, name, request).status_code == 200


def test_the_generator_does_not_matter(place, name):
    keys, exchange = place
    request = blob(exchange, SECRET)
    del request["generator"]
    assert ask(keys, name, body("oct-HSM", request)).status_code == 200


def test_operations_of_the_arriving_key_are_kept(place, name, rsa_target):
    keys, exchange = place
    request = body("RSA-HSM", blob(exchange, rsa_target))
    request["key"]["key_ops"] = ["sign"]
    assert done(ask(keys, name, request))["key"]["key_ops"] == ["sign"]


def test_a_key_exchange_key_does_nothing_else(place):
    keys, exchange = place
    for operation, algorithm, value in (
        ("decrypt", "RSA-OAEP", b"c" * 384),
        ("unwrapkey", "RSA-OAEP", b"c" * 384),
        ("sign", "RS256", b"d" * 32),
        ("encrypt", "RSA-OAEP", b"p"),
    ):
        assert keys.ask(operation, exchange, algorithm, value).status_code == 403, operation


# What does not: the key-exchange key is another


def refused(keys: Keys, name: str, request: dict) -> str:
    """The sentence of the refusal; and no key was made."""
    answer = ask(keys, name, request)
    assert_bad_parameter(answer)
    assert keys.wire.get(f"/keys/{name}").status_code == 404
    return error_of(answer)["message"]


@pytest.mark.parametrize("operations", [["decrypt", "unwrapKey"], ["unwrapKey"], ["sign", "verify"]], ids=str)
def test_a_key_that_is_not_for_import_opens_nothing(place, name, operations):
    keys, _ = place
    other = keys.create(f"{name}-other", "RSA-HSM", key_ops=operations)
    refused(keys, name, body("oct-HSM", blob(other, SECRET)))


def test_a_software_key_opens_nothing(premium, name):
    other = premium.create(f"{name}-other", "RSA", key_ops=["unwrapKey", "decrypt"])
    refused(premium, name, body("oct-HSM", document(kid(other), wrapped_for(public_key(other["key"]), SECRET))))


def test_a_key_exchange_key_of_another_vault_opens_nothing(server, premium, pool, name):
    elsewhere = Keys(server.wire("demo2")).create(f"{name}-exchange", "RSA-HSM", key_ops=["import"])
    in_pool = pool.create(f"{name}-exchange", "RSA-HSM", key_ops=["import"])
    for exchange in (elsewhere, in_pool):
        refused(premium, name, body("oct-HSM", blob(exchange, SECRET)))
    refused(pool, name, body("oct-HSM", blob(elsewhere, SECRET)))


def test_the_kid_names_the_vault_not_only_the_key(server, premium, name):
    """The same name and version in another vault's address: a blob meant for there is not opened here."""
    exchange = premium.create(f"{name}-exchange", "RSA-HSM", key_ops=["import"])
    there = kid(exchange).replace("demo.vault", "demo2.vault")
    refused(premium, name, body("oct-HSM", blob(exchange, SECRET) | {"header": {"kid": there, "alg": "dir", "enc": "CKM_RSA_AES_KEY_WRAP"}}))


def test_a_disabled_key_exchange_key_opens_nothing(place, name):
    """What is disabled is not used (§2.3: 403 KeyDisabled); enabled again it opens the same blob."""
    keys, _ = place
    exchange = keys.create(f"{name}-exchange", "RSA-HSM", key_ops=["import"])
    request = body("oct-HSM", blob(exchange, SECRET))
    keys.update(exchange, attributes={"enabled": False})
    assert_forbidden(ask(keys, name, request), "KeyDisabled")
    assert keys.wire.get(f"/keys/{name}").status_code == 404
    keys.update(exchange, attributes={"enabled": True})
    assert ask(keys, name, request).status_code == 200


def test_a_key_exchange_key_stays_one_and_no_other_becomes_one(place, name):
    """Otherwise whoever may update keys could open the transfers of others."""
    keys, _ = place
    exchange = keys.create(f"{name}-exchange", "RSA-HSM", key_ops=["import"])
    ordinary = keys.create(name, "RSA-HSM")
    assert_bad_parameter(keys.wire.patch(path_of(exchange), json={"key_ops": ["unwrapKey", "decrypt"]}))
    assert_bad_parameter(keys.wire.patch(path_of(ordinary), json={"key_ops": ["import"]}))


def test_a_deleted_key_exchange_key_opens_nothing(place, name):
    keys, _ = place
    exchange = keys.create(f"{name}-exchange", "RSA-HSM", key_ops=["import"])
    request = body("oct-HSM", blob(exchange, SECRET))
    keys.delete(f"{name}-exchange")
    assert ask(keys, name, request).status_code in (400, 404)
    assert keys.wire.get(f"/keys/{name}").status_code == 404


@pytest.mark.parametrize("named", ["", "exchange", "https://example.org/keys/exchange/0123456789abcdef0123456789abcdef", "no version", "unknown version"])
def test_a_kid_that_names_no_key_exchange_key_is_refused(place, name, named):
    keys, exchange = place
    right = kid(exchange)
    wrong = {"no version": right.rsplit("/", 1)[0], "unknown version": right[:-8] + "00000000"}.get(named, named)
    wrapped = wrapped_for(exchange_key(exchange), SECRET)
    assert ask(keys, name, body("oct-HSM", document(wrong, wrapped))).status_code in (400, 404)
    assert keys.wire.get(f"/keys/{name}").status_code == 404


# The document is another


@pytest.mark.parametrize(
    "change",
    [
        {"schema_version": "2.0.0"},
        {"schema_version": ""},
        {"alg": "RSA-OAEP"},
        {"alg": "none"},
        {"enc": "CKM_RSA_AES_KEY_WRAP_PAD"},
        {"enc": "RSA_AES_KEY_WRAP_256"},
        {"enc": "A256KW"},
        {"ciphertext": ""},
        {"ciphertext": "!!!"},
        {"ciphertext": None},
        {"header": None},
    ],
    ids=str,
)
def test_another_document_is_refused(place, name, change):
    keys, exchange = place
    refused(keys, name, body("oct-HSM", blob(exchange, SECRET, change)))


@pytest.mark.parametrize("member", ["schema_version", "header", "ciphertext"])
def test_a_document_that_lacks_a_member_is_refused(place, name, member):
    keys, exchange = place
    request = blob(exchange, SECRET)
    del request[member]
    refused(keys, name, body("oct-HSM", request))


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"null", b"text", "not base64url!", ""], ids=str)
def test_what_is_no_document_is_refused(place, name, raw):
    keys, _ = place
    refused(keys, name, body("RSA-HSM", raw))


@pytest.mark.parametrize("kty", ["RSA", "EC", "oct"])
def test_a_transfer_is_for_hardware_types_only(premium, name, kty):
    exchange = premium.create(f"{name}-exchange", "RSA-HSM", key_ops=["import"])
    refused(premium, name, body(kty, blob(exchange, SECRET)))


# The wrapped key is another


def test_whatever_does_not_open_is_refused_alike(place, name):
    keys, exchange = place
    public = exchange_key(exchange)
    length = public.key_size // 8
    whole = wrapped_for(public, SECRET)
    assert ask(keys, f"{name}-right", body("oct-HSM", document(kid(exchange), whole))).status_code == 200

    def flipped(at: int) -> bytes:
        return whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]

    oaep1 = padding.OAEP(padding.MGF1(hashes.SHA1()), hashes.SHA1(), None)
    short = os.urandom(16)
    wrong = {
        "first bit": flipped(0),
        "last bit of the head": flipped(length - 1),
        "first bit of the tail": flipped(length),
        "last bit": flipped(-1 % len(whole)),
        "cut by one": whole[:-1],
        "cut by a block": whole[:-8],
        "head only": whole[:length],
        "half a head": whole[: length // 2],
        "tail only": whole[length:],
        "longer": whole + bytes(8),
        "SHA-256": wrapped_for(public, SECRET, hashes.SHA256()),
        "for another key": wrapped_for(rsa_of(public.key_size).public_key(), SECRET),
        "AES-128 in between": public.encrypt(short, oaep1) + keywrap.aes_key_wrap_with_padding(short, SECRET),
        "tail of another": whole[:length] + wrapped_for(public, SECRET)[length:],
        "noise": os.urandom(len(whole)),
    }
    answers: dict[str, list[str]] = {}
    for what, ciphertext in wrong.items():
        answers.setdefault(refused(keys, name, body("oct-HSM", document(kid(exchange), ciphertext))), []).append(what)
    assert len(answers) == 1, answers


@pytest.mark.parametrize("kty, target", [("RSA-HSM", "EC"), ("EC-HSM", "RSA"), ("RSA-HSM", "oct"), ("EC-HSM", "oct"), ("oct-HSM", "RSA"), ("oct-HSM", "EC")])
def test_a_key_of_another_type_is_refused(place, name, rsa_target, kty, target):
    keys, exchange = place
    made = {"RSA": rsa_target, "EC": new_ec(), "oct": SECRET}[target]
    refused(keys, name, body(kty, blob(exchange, made)))


@pytest.mark.parametrize("secret", [b"k", b"k" * 8, b"k" * 15, b"k" * 17, b"k" * 33, b"k" * 48, b"k" * 64], ids=len)
def test_a_symmetric_key_of_no_size_is_refused(place, name, secret):
    keys, exchange = place
    refused(keys, name, body("oct-HSM", blob(exchange, secret)))


def test_keys_that_the_service_does_not_make_are_refused(place, name):
    keys, exchange = place
    refused(keys, name, body("RSA-HSM", blob(exchange, new_rsa(1024))))
    refused(keys, name, body("EC-HSM", blob(exchange, ec.generate_private_key(ec.SECP224R1()))))


@pytest.mark.parametrize("change", ["cut", "longer", "not DER", "PKCS #1"])
def test_what_is_not_pkcs8_is_refused(place, name, rsa_target, change):
    keys, exchange = place
    whole = plain_bytes(rsa_target)
    wrong = {
        "cut": whole[:-9],
        "longer": whole + b"\x01" * 9,
        "not DER": b"\x05" * 200,
        "PKCS #1": rsa_target.private_bytes(
            serialization.Encoding.DER, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
        ),
    }[change]
    refused(keys, name, body("RSA-HSM", blob(exchange, wrong)))


def test_a_refused_transfer_leaves_nothing_in_the_token(server, place, name):
    keys, exchange = place
    token = TokenFolder(server.data)
    before = {each.id for each in token.keys()}
    refused(keys, name, body("RSA-HSM", blob(exchange, new_ec())))
    refused(keys, name, body("oct-HSM", blob(exchange, b"k" * 15)))
    assert {each.id for each in token.keys()} == before


def test_the_arrived_key_is_in_the_token(server, place, name):
    keys, exchange = place
    made = done(ask(keys, name, body("oct-HSM", blob(exchange, SECRET))))
    (found,) = [each for each in TokenFolder(server.data).keys() if each.id == version_of(made)]
    assert found.access >= {"sensitive"} and "extractable" not in found.access


def test_no_answer_shows_the_wrapped_key_again(place, name):
    keys, exchange = place
    made = done(ask(keys, name, body("oct-HSM", blob(exchange, SECRET))))
    assert "key_hsm" not in made["key"] and "k" not in made["key"]
    assert encode(SECRET) not in str(keys.get(made))
