"""RSA encryption with hardware keys, in a premium vault and in a pool, against an independent library."""

import pytest

from harness import hsm_kinds
from harness import keys_algorithms as algorithms
from harness.hsm_pool import pool_keys
from harness.keys_jwk import new_rsa, public_key, rsa_jwk
from harness.keys_wire import assert_bad_parameter, error_of

pytest_plugins = ["harness.hsm_fixtures"]

SIZES = {"RSA-2048": 256, "RSA-3072": 384, "RSA-4096": 512}


@pytest.mark.parametrize("algorithm", algorithms.RSA_ENCRYPTIONS)
@pytest.mark.parametrize("kind", SIZES)
def test_the_hardware_opens_what_the_library_seals(hardware, kind, algorithm):
    keys, standing = hardware
    public = public_key(hsm_kinds.software_form(standing(kind)))
    sealed = public.encrypt(b"k" * 32, algorithms.encryption_padding(algorithm))
    assert keys.use("decrypt", standing(kind), algorithm, sealed) == b"k" * 32
    assert keys.use("unwrapkey", standing(kind), algorithm, sealed) == b"k" * 32


@pytest.fixture(scope="module")
def imported(server):
    private = new_rsa()
    return private, pool_keys(server).import_key("opens-with-imported-rsa", {**rsa_jwk(private), "kty": "RSA-HSM"})


@pytest.mark.parametrize("algorithm", algorithms.RSA_ENCRYPTIONS)
@pytest.mark.parametrize("sealing", ["encrypt", "wrapkey"])
def test_the_library_opens_what_the_pool_seals(pool, imported, sealing, algorithm):
    private, bundle = imported
    sealed = pool.use(sealing, bundle, algorithm, b"k" * 32)
    assert private.decrypt(sealed, algorithms.encryption_padding(algorithm)) == b"k" * 32


@pytest.mark.parametrize("algorithm", algorithms.RSA_ENCRYPTIONS)
@pytest.mark.parametrize("plain", [b"", b"\x00", b"\x00" * 20, b"\xff" * 33], ids=len)
def test_bytes_come_back_exactly(hardware, algorithm, plain):
    keys, standing = hardware
    key = standing("RSA-2048")
    sealed = public_key(hsm_kinds.software_form(key)).encrypt(plain, algorithms.encryption_padding(algorithm))
    assert keys.use("decrypt", key, algorithm, sealed) == plain


@pytest.mark.parametrize("algorithm", algorithms.RSA_ENCRYPTIONS)
def test_the_longest_plaintext_fits_and_one_byte_more_does_not(hardware, algorithm):
    keys, standing = hardware
    length = algorithms.longest_plaintext(algorithm, 256)
    sealed = keys.use("encrypt", standing("RSA-2048"), algorithm, b"p" * length)
    assert keys.use("decrypt", standing("RSA-2048"), algorithm, sealed) == b"p" * length
    assert_bad_parameter(keys.ask("encrypt", standing("RSA-2048"), algorithm, b"p" * (length + 1)))


def test_every_ciphertext_that_does_not_open_is_refused_alike(pool, imported):
    """One answer, so that nothing can be learnt from it: OAEP by any hash, PKCS #1, cut, too long, not below the modulus."""
    private, bundle = imported
    public = private.public_key()
    numbers = public.public_numbers()
    blocks = {
        "block type 1": b"\x00\x01" + b"\xff" * 243 + b"\x00" + b"plain!!!!!",
        "no separator": b"\x00\x02" + b"\xaa" * 254,
        "short padding": b"\x00\x02" + b"\xaa" * 7 + b"\x00" + b"m" * 246,
        "first byte": b"\x01\x02" + b"\xaa" * 243 + b"\x00" + b"plain!!!!!",
    }
    refusals: dict[tuple, list[str]] = {}
    for algorithm in algorithms.RSA_ENCRYPTIONS:
        sealed = public.encrypt(b"plain", algorithms.encryption_padding(algorithm))
        wrong = {
            "first bit": bytes([sealed[0] ^ 1]) + sealed[1:],
            "last bit": sealed[:-1] + bytes([sealed[-1] ^ 1]),
            "cut": sealed[:-1],
            "longer": sealed + b"\x00",
            "zero first": b"\x00" + sealed,
            "short": b"\x01" * 16,
            "zero": bytes(256),
            "one": bytes(255) + b"\x01",
            "not below the modulus": b"\xff" * 256,
            **{what: pow(int.from_bytes(block, "big"), numbers.e, numbers.n).to_bytes(256, "big") for what, block in blocks.items()},
        }
        for other in algorithms.RSA_ENCRYPTIONS:
            if other != algorithm:
                wrong[f"sealed by {other}"] = public.encrypt(b"plain", algorithms.encryption_padding(other))
        for what, value in wrong.items():
            if algorithm == "RSA1_5" and algorithms.opens_as_pkcs1(private, value):
                continue
            for opening in ("decrypt", "unwrapkey"):
                answer = pool.ask(opening, bundle, algorithm, value)
                told = (answer.status_code, error_of(answer)["code"], error_of(answer)["message"])
                refusals.setdefault(told, []).append(f"{opening} {algorithm}: {what}")
    assert len(refusals) == 1, refusals
    ((status, code, _),) = refusals
    assert (status, code) == (400, "BadParameter")
