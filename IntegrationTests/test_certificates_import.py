"""Certificates that come from outside with their keys: containers and text, good ones and bad ones."""

import base64

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import PrivateFormat, pkcs12

from harness.certificates_made import (
    CURVES,
    PEM,
    PKCS12,
    Authority,
    certificate_of,
    common,
    der,
    new_key,
    pem,
    pem_of_key,
    pfx,
    public_der,
    self_signed,
)
from harness.certificates_wire import refusal, version_of
from harness.keys_wire import Keys
from harness.tokens import encode

pytest_plugins = ["harness.certificates_fixtures"]


@pytest.fixture(scope="module")
def own() -> tuple:
    return self_signed()


@pytest.fixture(scope="module")
def issued() -> tuple:
    """A key, its certificate, that of the intermediate authority and that of the root."""
    root, middle, key = Authority("Root"), Authority("Middle"), new_key()
    between = root.issue(middle.key.public_key(), common("Middle"), authority=True)
    return key, middle.issue(key.public_key(), common("leaf"), common("Middle")), between, root.certificate


def certificates_in(secret: dict) -> list[x509.Certificate]:
    if secret["contentType"] == PEM:
        return x509.load_pem_x509_certificates(secret["value"].encode())
    _, leaf, others = pkcs12.load_key_and_certificates(base64.b64decode(secret["value"]), b"")
    return [leaf, *others]


# What is taken


def test_the_bundle_shows_what_was_imported(server, certificates, own, name):
    _, certificate = own
    made = certificates.import_(name, pfx(*own), tags={"a": "b"})
    version = version_of(made)
    assert made["kid"] == f"{server.vault_url()}/keys/{name}/{version}"
    assert made["sid"] == f"{server.vault_url()}/secrets/{name}/{version}"
    assert made["x5t"] == encode(certificate.fingerprint(hashes.SHA1()))
    assert made["cer"] == base64.b64encode(der(certificate)).decode()
    assert made["attributes"]["nbf"] == certificate.not_valid_before_utc.timestamp()
    assert made["attributes"]["exp"] == certificate.not_valid_after_utc.timestamp()
    assert made["tags"] == {"a": "b"}
    assert "pending" not in made and certificates.wire.get(f"/certificates/{name}/pending").status_code == 404


def test_the_policy_follows_from_the_certificate(certificates, own, name):
    policy = certificates.import_(name, pfx(*own))["policy"]
    assert policy["lifetime_actions"] == []
    assert policy["issuer"]["name"] == "Unknown"
    assert policy["key_props"] == {"exportable": True, "kty": "EC", "key_size": 256, "reuse_key": False, "crv": "P-256"}
    assert policy["secret_props"] == {"contentType": PKCS12}
    assert (policy["x509_props"]["subject"], policy["x509_props"]["validity_months"]) == ("CN=leaf", 3)


@pytest.mark.parametrize("form", ["text", "base64", "base64 in lines", "the certificate first"])
def test_text_is_taken(certificates, own, name, form):
    key, certificate = own
    value = pem(key, certificate)
    if form == "the certificate first":
        value = certificate.public_bytes(serialization.Encoding.PEM).decode() + pem_of_key(key)
    if form.startswith("base64"):
        value = (base64.encodebytes if form.endswith("lines") else base64.b64encode)(value.encode()).decode()
    made = certificates.import_(name, value, policy={"secret_props": {"contentType": PEM}})
    assert made["policy"]["secret_props"]["contentType"] == PEM
    assert certificates_in(certificates.secret(name)) == [certificate_of(made)] == [certificate]
    assert certificates.secret(name)["value"].startswith("-----BEGIN PRIVATE KEY-----")


CIPHERS = {
    "AES": (pkcs12.PBES.PBESv2SHA256AndAES256CBC, hashes.SHA256()),
    "3DES": (pkcs12.PBES.PBESv1SHA1And3KeyTripleDESCBC, hashes.SHA1()),
}


@pytest.mark.parametrize("cipher", CIPHERS)
@pytest.mark.parametrize("password", ["secret", "pass wörd"])
def test_a_container_with_a_password_is_taken(certificates, own, name, cipher, password):
    key, certificate = own
    algorithm, mac = CIPHERS[cipher]
    protection = PrivateFormat.PKCS12.encryption_builder().key_cert_algorithm(algorithm).hmac_hash(mac)
    value = pkcs12.serialize_key_and_certificates(b"x", key, certificate, None, protection.build(password.encode()))
    certificates.import_(name, value, pwd=password)
    assert certificates_in(certificates.secret(name)) == [certificate]


KEYS = {
    "RSA": lambda: rsa.generate_private_key(65537, 2048),
    **{curve: lambda curve=curve: ec.generate_private_key(CURVES[curve]()) for curve in CURVES},
}
ALGORITHMS = {"RSA": ("RS256", 32), "P-256": ("ES256", 32), "P-384": ("ES384", 48), "P-521": ("ES512", 64), "P-256K": ("ES256K", 32)}


@pytest.mark.parametrize("hardware", [False, True], ids=["software", "hardware"])
@pytest.mark.parametrize("kind", KEYS)
def test_a_key_of_every_kind_is_taken_and_used(certificates, name, kind, hardware):
    key, certificate = self_signed(key=KEYS[kind]())
    kty = ("RSA" if kind == "RSA" else "EC") + ("-HSM" if hardware else "")
    made = certificates.import_(name, pfx(key, certificate), policy={"key_props": {"kty": kty, "exportable": not hardware}})
    assert made["policy"]["key_props"]["kty"] == kty == certificates.key(name)["key"]["kty"]
    algorithm, length = ALGORITHMS[kind]
    keys, hashed = Keys(certificates.wire), b"d" * length
    assert keys.verify(name, algorithm, hashed, keys.sign(name, algorithm, hashed))
    held, _, _ = pkcs12.load_key_and_certificates(base64.b64decode(certificates.secret(name)["value"]), b"")
    assert (held is None) is hardware
    assert held is None or public_der(held) == public_der(key)


def test_import_again_makes_a_new_version(certificates, own, name):
    first = certificates.import_(name, pfx(*own), tags={"a": "b"})
    second = certificates.import_(name, pem(*self_signed()))
    assert {version_of(item) for item in certificates.versions(name)} == {version_of(first), version_of(second)}
    assert (second["tags"], certificates.get(name)["id"]) == ({}, second["id"])
    assert certificates_in(certificates.secret(name, version_of(first))) == [own[1]]


def test_a_disabled_certificate_is_taken(certificates, own, name):
    made = certificates.import_(name, pfx(*own), attributes={"enabled": False})
    assert made["attributes"]["enabled"] is False
    assert certificates.wire.get(f"/secrets/{name}").status_code == 403


# The chain


@pytest.mark.parametrize("content", [PEM, PKCS12])
@pytest.mark.parametrize("keeps", [False, True])
def test_the_chain_is_put_in_order_unless_it_is_to_be_kept(certificates, issued, name, content, keeps):
    key, leaf, between, root = issued
    value = pem(key, leaf, root, between) if content == PEM else pfx(key, leaf, chain=(root, between))
    certificates.import_(name, value, preserveCertOrder=keeps)
    assert certificates_in(certificates.secret(name)) == ([leaf, root, between] if keeps else [leaf, between, root])
    assert certificate_of(certificates.get(name)) == leaf


# What is refused


def encrypted(key) -> str:
    protection = serialization.BestAvailableEncryption(b"secret")
    return key.private_bytes(serialization.Encoding.PEM, PrivateFormat.PKCS8, protection).decode()


def traditional(key) -> str:
    protection = serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, PrivateFormat.TraditionalOpenSSL, protection).decode()


def text(certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


WRONG = {
    "rubbish": lambda key, one: "rubbish",
    "nothing": lambda key, one: "",
    "base64 of rubbish": lambda key, one: base64.b64encode(b"rubbish").decode(),
    "half a container": lambda key, one: pfx(key, one)[:200],
    "a container without a key": lambda key, one: pkcs12.serialize_key_and_certificates(
        b"x", None, one, None, serialization.NoEncryption()
    ),
    "a container without a certificate": lambda key, one: pkcs12.serialize_key_and_certificates(
        b"x", key, None, None, serialization.NoEncryption()
    ),
    "text without a key": lambda key, one: text(one),
    "text without a certificate": lambda key, one: pem_of_key(key),
    "half a text": lambda key, one: pem(key, one)[:-40],
    "two keys": lambda key, one: pem_of_key(new_key()) + pem(key, one),
    "an encrypted key": lambda key, one: encrypted(key) + text(one),
    "a traditional key": lambda key, one: traditional(key) + text(one),
    "another key in text": lambda key, one: pem(new_key(), one),
    "a key of another type": lambda key, one: pem(rsa.generate_private_key(65537, 2048), one),
    "a small RSA key": lambda key, one: pem(*self_signed(key=rsa.generate_private_key(65537, 1024))),
    "a key on a strange curve": lambda key, one: pem(*self_signed(key=ec.generate_private_key(ec.BrainpoolP256R1()))),
    "an Ed25519 key": lambda key, one: pem(*self_signed(key=ed25519.Ed25519PrivateKey.generate())),
    "an expired certificate": lambda key, one: pfx(*self_signed(days=-1)),
    "an authority": lambda key, one: pfx(*self_signed(authority=True)),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_does_not_hold_together_is_refused(certificates, own, name, wrong):
    assert refusal(certificates.ask_import(name, WRONG[wrong](*own))) == (400, "BadParameter")
    for kind in ("certificates", "keys", "secrets"):
        assert certificates.wire.get(f"/{kind}/{name}").status_code == 404


@pytest.mark.parametrize("given", [{}, {"pwd": ""}, {"pwd": "Secret"}, {"pwd": "secret "}])
def test_another_password_is_refused(certificates, own, name, given):
    answer = certificates.ask_import(name, pfx(*own, "secret"), **given)
    assert refusal(answer) == (400, "BadParameter")
    assert "password" in answer.json()["error"]["message"]


def test_the_kind_of_content_must_be_that_of_the_policy(certificates, own, name):
    for value, content in ((pfx(*own), PEM), (pem(*own), PKCS12)):
        answer = certificates.ask_import(name, value, policy={"secret_props": {"contentType": content}})
        assert refusal(answer) == (400, "BadParameter")


def test_hardware_lets_no_key_leave(certificates, own, name):
    wanted = {"key_props": {"kty": "EC-HSM", "exportable": True}}
    assert refusal(certificates.ask_import(name, pfx(*own), policy=wanted)) == (400, "BadParameter")


def test_a_container_must_be_given(certificates, name):
    for body in ({}, {"value": None}, {"value": 5}, {"pwd": "x"}):
        assert refusal(certificates.wire.post(f"/certificates/{name}/import", json=body)) == (400, "BadParameter")
