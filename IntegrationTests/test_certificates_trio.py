"""A certificate is three things of one name and one version: certificate, key and secret."""

import base64

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key, pkcs12

from harness.certificates_made import PEM, PKCS12, certificate_of, pem, pfx, public_der, self_signed
from harness.certificates_wire import policy, refusal, version_of
from harness.keys_jwk import ec_jwk, new_ec
from harness.keys_wire import Keys, done

pytest_plugins = ["harness.certificates_fixtures"]

AS_PEM = {"secret_props": {"contentType": PEM}}


def opened(secret: dict) -> tuple:
    return pkcs12.load_key_and_certificates(base64.b64decode(secret["value"], validate=True), b"")


# What the key and the secret show


def test_the_secret_is_a_container_without_a_password(certificates, name):
    made = certificates.create(name, policy())
    secret = certificates.secret(name)
    assert (secret["id"], secret["kid"], secret["managed"], secret["contentType"]) == (made["sid"], made["kid"], True, PKCS12)
    key, certificate, chain = opened(secret)
    assert (public_der(key), certificate, chain) == (public_der(certificate_of(made)), certificate_of(made), [])


def test_the_secret_is_text_with_the_key_first(certificates, name):
    made = certificates.create(name, policy(**AS_PEM))
    secret = certificates.secret(name)
    assert (secret["contentType"], secret["managed"], secret["kid"]) == (PEM, True, made["kid"])
    assert secret["value"].startswith("-----BEGIN PRIVATE KEY-----\n")
    assert public_der(load_pem_private_key(secret["value"].encode(), None)) == public_der(certificate_of(made))
    assert x509.load_pem_x509_certificates(secret["value"].encode()) == [certificate_of(made)]


@pytest.mark.parametrize("content", [PEM, PKCS12])
def test_a_key_that_may_not_leave_is_not_in_the_secret(certificates, name, content):
    made = certificates.create(name, policy(key={"kty": "EC", "exportable": False}, secret_props={"contentType": content}))
    value = certificates.secret(name)["value"]
    if content == PEM:
        assert "PRIVATE" not in value
        assert x509.load_pem_x509_certificates(value.encode()) == [certificate_of(made)]
    else:
        assert opened({"value": value})[0] is None


def test_the_key_is_that_of_the_certificate(certificates, name):
    made = certificates.import_(name, pfx(*self_signed()))
    key = certificates.key(name)
    numbers = certificate_of(made).public_key().public_numbers()
    assert (key["key"]["kid"], key["managed"]) == (made["kid"], True)
    assert int.from_bytes(base64.urlsafe_b64decode(key["key"]["x"] + "="), "big") == numbers.x


def test_key_and_secret_mirror_the_certificate(certificates, name):
    made = certificates.import_(name, pfx(*self_signed()), tags={"a": "b"})
    for other in (certificates.key(name), certificates.secret(name)):
        for member in ("enabled", "nbf", "exp"):
            assert other["attributes"][member] == made["attributes"][member]


def test_key_and_secret_have_the_versions_of_the_certificate(certificates, name):
    made = {version_of(certificates.import_(name, pfx(*self_signed()))) for _ in range(2)}
    keys, secrets = (done(certificates.wire.get(f"/{kind}/{name}/versions"))["value"] for kind in ("keys", "secrets"))
    assert {item["kid"].rsplit("/", 1)[1] for item in keys} == made == {version_of(item) for item in secrets}
    assert {item["managed"] for item in [*keys, *secrets]} == {True}
    for version in made:
        assert opened(certificates.secret(name, version))[1] == certificate_of(certificates.get(name, version))


def test_lists_show_key_and_secret_as_managed(certificates, name):
    certificates.import_(name, pfx(*self_signed()))
    lists = Keys(certificates.wire)
    assert [item["managed"] for item in lists.listed("/keys") if item["kid"].endswith(f"/{name}")] == [True]
    assert [item["managed"] for item in lists.listed("/secrets") if item["id"].endswith(f"/{name}")] == [True]


# Changes reach all three


def test_a_disabled_certificate_disables_key_and_secret(certificates, name):
    certificates.import_(name, pfx(*self_signed()))
    done(certificates.wire.patch(f"/certificates/{name}/", json={"attributes": {"enabled": False}}))
    assert certificates.get(name)["attributes"]["enabled"] is False
    assert certificates.key(name)["attributes"]["enabled"] is False
    assert refusal(certificates.wire.get(f"/secrets/{name}")) == (403, "Forbidden")
    assert refusal(Keys(certificates.wire).ask("sign", name, "ES256", b"d" * 32)) == (403, "Forbidden")
    done(certificates.wire.patch(f"/certificates/{name}/", json={"attributes": {"enabled": True}}))
    assert certificates.secret(name)["attributes"]["enabled"] is True
    assert Keys(certificates.wire).sign(name, "ES256", b"d" * 32)


def test_the_times_of_a_certificate_are_its_own(certificates, name):
    made = certificates.import_(name, pfx(*self_signed()))
    changed = certificates.wire.patch(f"/certificates/{name}/", json={"attributes": {"exp": 2_000_000_000, "nbf": 1}})
    assert changed.status_code in (200, 400)
    assert certificates.get(name)["attributes"]["exp"] == made["attributes"]["exp"]
    assert certificates.get(name)["attributes"]["nbf"] == made["attributes"]["nbf"]


def test_all_three_are_deleted_and_recovered(certificates, name):
    made = certificates.import_(name, pfx(*self_signed()))
    deleted = certificates.delete(name)
    assert deleted["recoveryId"].endswith(f"/deletedcertificates/{name}")
    assert deleted["scheduledPurgeDate"] - deleted["deletedDate"] == 86_400 * made["attributes"]["recoverableDays"]
    for kind in ("certificates", "keys", "secrets"):
        assert certificates.wire.get(f"/{kind}/{name}").status_code == 404
    assert certificates.recover(name)["id"] == made["id"]
    assert certificates.key(name)["key"]["kid"] == made["kid"]
    assert opened(certificates.secret(name))[1] == certificate_of(made)
    assert Keys(certificates.wire).sign(name, "ES256", b"d" * 32)


def test_all_three_are_purged(certificates, name):
    certificates.import_(name, pfx(*self_signed()))
    certificates.delete(name)
    certificates.purge(name)
    for kind in ("certificates", "keys", "secrets"):
        assert certificates.wire.get(f"/deleted{kind}/{name}").status_code == 404
    done(certificates.wire.put(f"/secrets/{name}", json={"value": "free"}))
    Keys(certificates.wire).create(name)


def test_a_purged_certificate_leaves_no_policy_and_no_operation(certificates, name):
    certificates.import_(name, pfx(*self_signed()))
    certificates.delete(name)
    certificates.purge(name)
    assert certificates.wire.get(f"/certificates/{name}/policy").status_code == 404
    assert certificates.wire.get(f"/certificates/{name}/pending").status_code == 404
    assert refusal(certificates.ask_create(name, None)) == (400, "BadParameter")


def test_all_three_are_backed_up_and_restored(certificates, name):
    first, second = (certificates.import_(name, pem(*self_signed()), tags={"n": str(n)}) for n in range(2))
    secret = certificates.secret(name, version_of(first))["value"]
    backup = certificates.backup(name)
    assert refusal(certificates.wire.post("/certificates/restore", json={"value": backup})) == (409, "Conflict")
    certificates.delete(name)
    certificates.purge(name)
    restored = certificates.restore(backup)
    assert (restored["id"], restored["cer"], restored["tags"]) == (second["id"], second["cer"], {"n": "1"})
    assert certificates.secret(name, version_of(first))["value"] == secret
    assert certificates.key(name, version_of(first))["managed"] is True
    assert Keys(certificates.wire).sign(name, "ES256", b"d" * 32)
    assert certificates.wire.get(f"/certificates/{name}/policy").status_code == 200


def test_a_backup_of_a_key_in_hardware_is_restored(certificates, name):
    made = certificates.import_(name, pfx(*self_signed()), policy={"key_props": {"kty": "EC-HSM", "exportable": False}})
    backup = certificates.backup(name)
    certificates.delete(name)
    certificates.purge(name)
    assert certificates.restore(backup)["cer"] == made["cer"]
    assert Keys(certificates.wire).sign(name, "ES256", b"d" * 32)


# Key and secret are not changed by themselves


@pytest.mark.parametrize(
    "method, path, body",
    [
        ("PUT", "/secrets/{}", {"value": "other"}),
        ("PATCH", "/secrets/{}/", {"tags": {}}),
        ("PATCH", "/secrets/{}/{{}}", {"attributes": {"enabled": False}}),
        ("DELETE", "/secrets/{}", None),
        ("POST", "/keys/{}/create", {"kty": "EC"}),
        ("PUT", "/keys/{}", {"key": ec_jwk(new_ec())}),
        ("PATCH", "/keys/{}/", {"key_ops": ["sign"]}),
        ("PATCH", "/keys/{}/{{}}", {"attributes": {"enabled": False}}),
        ("POST", "/keys/{}/rotate", None),
        ("DELETE", "/keys/{}", None),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_key_and_secret_are_changed_with_the_certificate_only(certificates, name, method, path, body):
    made = certificates.import_(name, pfx(*self_signed()))
    before = certificates.key(name), certificates.secret(name)
    answer = certificates.wire.call(method, path.format(name).format(version_of(made)), json=body)
    assert refusal(answer) == (403, "Forbidden")
    assert (certificates.key(name), certificates.secret(name)) == before


@pytest.mark.parametrize("kind", ["keys", "secrets"])
@pytest.mark.parametrize("method, end", [("DELETE", ""), ("POST", "/recover")])
def test_deleted_key_and_secret_stay_with_the_certificate(certificates, name, kind, method, end):
    made = certificates.import_(name, pfx(*self_signed()))
    certificates.delete(name)
    assert certificates.wire.call(method, f"/deleted{kind}/{name}{end}").status_code in (403, 404)
    assert certificates.recover(name)["id"] == made["id"]
    assert opened(certificates.secret(name))[1] == certificate_of(made)
