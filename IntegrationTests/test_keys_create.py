"""Which keys a vault makes, and which it does not."""

import pytest

from harness.keys_jwk import public_key
from harness.keys_wire import assert_bad_parameter
from harness.tokens import encode

pytest_plugins = ["harness.keys_fixtures"]

POLICY = {"data": encode(b'{"version":"1.0.0","anyOf":[{"authority":"https://a.example","allOf":[{"claim":"c","equals":"v"}]}]}')}


@pytest.mark.parametrize("kind, bits", [("RSA-2048", 2048), ("RSA-3072", 3072), ("RSA-4096", 4096)])
def test_an_rsa_key_of_each_size(standing, kind, bits):
    key = public_key(standing(kind)["key"])
    assert (key.key_size, key.public_numbers().e) == (bits, 65_537)


@pytest.mark.parametrize("curve", ["P-256", "P-384", "P-521", "P-256K"])
def test_a_point_of_each_curve_lies_on_it(standing, curve):
    """The library refuses a point that does not."""
    assert public_key(standing(curve)["key"])


def test_an_rsa_key_has_2048_bits_when_nothing_is_asked(keys, name):
    assert public_key(keys.create(name, "RSA")["key"]).key_size == 2048


def test_an_ec_key_is_on_p_256_when_nothing_is_asked(keys, name):
    assert keys.create(name, "EC")["key"]["crv"] == "P-256"


def test_two_keys_are_never_the_same(keys, name):
    assert len({keys.create(name)["key"]["x"] for _ in range(5)}) == 5
    assert keys.create(name, "RSA")["key"]["n"] != keys.create(name, "RSA")["key"]["n"]


def test_a_new_version_may_be_of_another_type(keys, name):
    first = keys.create(name, "EC")
    second = keys.create(name, "RSA", key_size=2048)
    assert (keys.get(first)["key"]["kty"], keys.get(name)["key"]["kty"]) == ("EC", "RSA")
    assert len(keys.versions(name)) == len({first["key"]["kid"], second["key"]["kid"]})


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"kty": ""},
        {"kty": "DSA"},
        {"kty": None},
        {"kty": 1},
        {"kty": "oct"},
        {"kty": "oct", "key_size": 256},
        {"kty": "RSA", "key_size": 0},
        {"kty": "RSA", "key_size": -2048},
        {"kty": "RSA", "key_size": 512},
        {"kty": "RSA", "key_size": 1024},
        {"kty": "RSA", "key_size": 2047},
        {"kty": "RSA", "key_size": 2049},
        {"kty": "RSA", "key_size": 2560},
        {"kty": "RSA", "key_size": 8192},
        {"kty": "RSA", "key_size": 2**62},
        {"kty": "RSA", "key_size": "2048"},
        {"kty": "RSA", "key_size": 2048.5},
        {"kty": "RSA", "public_exponent": 3},
        {"kty": "EC", "crv": "P-192"},
        {"kty": "EC", "crv": "P-224"},
        {"kty": "EC", "crv": "secp256r1"},
        {"kty": "EC", "crv": "Ed25519"},
        {"kty": "EC", "crv": ""},
        {"kty": "EC", "crv": 256},
        {"kty": "EC", "key_size": 384, "crv": "P-256"},
        {"kty": "OKP", "crv": "Ed448"},
        {"kty": "OKP", "crv": "X25519"},
        {"kty": "OKP", "crv": "P-256"},
    ],
    ids=str,
)
def test_no_key_of_another_kind_is_made(keys, name, body):
    assert_bad_parameter(keys.wire.post(f"/keys/{name}/create", json=body))
    assert keys.wire.get(f"/keys/{name}").status_code == 404


@pytest.mark.parametrize(
    "kty, operations",
    [
        ("RSA", ["sing"]),
        ("RSA", ["sign", ""]),
        ("RSA", ["wrapkey "]),
        ("RSA", ["import", "sign"]),
        ("RSA", ["import", "export"]),
        ("RSA", "sign"),
        ("RSA", {"sign": True}),
        ("RSA", [1]),
        ("RSA", ["deriveKey"]),
        ("EC", ["encrypt"]),
        ("EC", ["sign", "decrypt"]),
        ("EC", ["wrapKey"]),
        ("EC", ["unwrapKey"]),
        ("EC", ["import"]),
        ("OKP", ["encrypt"]),
        ("OKP", ["sign", "wrapKey"]),
    ],
    ids=str,
)
def test_operations_that_a_type_does_not_have_are_refused(keys, name, kty, operations):
    assert_bad_parameter(keys.wire.post(f"/keys/{name}/create", json={"kty": kty, "key_ops": operations}))


ALONE = [("RSA", each) for each in ("encrypt", "decrypt", "sign", "verify", "wrapKey", "unwrapKey")] + [
    ("EC", "sign"),
    ("EC", "verify"),
]


@pytest.mark.parametrize("kty, operation", ALONE)
def test_a_key_may_be_for_one_operation_alone(keys, name, kty, operation):
    assert keys.create(name, kty, key_ops=[operation])["key"]["key_ops"] == [operation]


@pytest.mark.parametrize("kty", ["RSA", "EC"])
@pytest.mark.parametrize(
    "members",
    [
        {"attributes": {"exportable": True}},
        {"release_policy": POLICY},
        {"attributes": {"exportable": True}, "release_policy": POLICY},
    ],
    ids=["exportable", "policy", "both"],
)
def test_a_software_key_cannot_be_exportable(keys, name, kty, members):
    assert_bad_parameter(keys.wire.post(f"/keys/{name}/create", json={"kty": kty, **members}))


def test_a_key_that_is_said_to_be_not_exportable_is_made(keys, name):
    assert keys.create(name, attributes={"exportable": False})["attributes"]["exportable"] is False


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"RSA"', b"null", b'{"kty":"EC"', b'{"kty":"\xff"}'], ids=str)
def test_a_body_that_is_no_object_is_refused(keys, name, body):
    assert_bad_parameter(keys.wire.post(f"/keys/{name}/create", data=body, headers={"Content-Type": "application/json"}))
