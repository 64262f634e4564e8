"""`crypto.fips: "required"`: libcrypto's FIPS provider does the cryptography, or the server does not start."""

import base64
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import pkcs12

from harness import keys_algorithms as algorithms
from harness.certificates_made import pfx, self_signed
from harness.certificates_wire import Certificates, policy, refusal
from harness.command_line import CommandLine
from harness.keys_jwk import public_key
from harness.keys_wire import Keys, assert_bad_parameter
from harness.production import Production

PROVIDER = Path(__file__).parent.parent / ".fips" / "fips.so"
CONFIGURATION = """\
openssl_conf = begin
.include {folder}/fipsmodule.cnf
[begin]
providers = providers
[providers]
fips = fips_sect
base = base_sect
[base_sect]
activate = 1
"""


@pytest.fixture(scope="module")
def module(tmp_path_factory) -> dict[str, str]:
    """The environment of a server that is to find the provider: its folder, and what its installation wrote."""
    assert PROVIDER.exists(), "the FIPS provider is not there; run Scripts/setup.sh test"
    folder = tmp_path_factory.mktemp("fips")
    subprocess.run(
        ["openssl", "fipsinstall", "-quiet", "-module", PROVIDER, "-out", folder / "fipsmodule.cnf"], check=True, capture_output=True)
    (folder / "openssl.cnf").write_text(CONFIGURATION.format(folder=folder))
    return {"OPENSSL_CONF": str(folder / "openssl.cnf"), "OPENSSL_MODULES": str(PROVIDER.parent)}


@pytest.fixture
def fresh(binary, tmp_path):
    made = Production(binary, tmp_path)
    made.settings["crypto"] = {"fips": "required"}
    yield made
    made.kill()


@pytest.fixture(scope="module")
def production(binary, module, tmp_path_factory):
    made = Production(binary, tmp_path_factory.mktemp("fips-server"))
    made.settings["crypto"] = {"fips": "required"}
    made.initialise(**module).start(**module)
    CommandLine(binary, made.client_env).assign(made.owner, "Key Vault Administrator", f"/subscriptions/{made.subscription}")
    yield made
    made.kill()


@pytest.fixture
def keys(production) -> Keys:
    return Keys(production.wire())


@pytest.fixture
def certificates(production) -> Certificates:
    return Certificates(production.wire())


# Or no start


def refused(result: subprocess.CompletedProcess) -> None:
    assert (result.returncode, result.stdout) == (78, "")
    (line,) = result.stderr.strip().splitlines()
    assert "crypto.fips is 'required'" in line


@pytest.mark.parametrize("command", ["init", "serve"])
def test_without_the_provider_nothing_begins(fresh, command):
    refused(fresh.run(command))
    assert list((fresh.folder / "data").iterdir()) == []


def test_a_folder_is_not_served_without_the_provider_and_is_with_it(fresh, module):
    fresh.initialise(**module)
    refused(fresh.run("serve"))
    fresh.start(**module)
    assert fresh.wire().get("/secrets").status_code == 403


def test_a_provider_that_was_altered_is_not_used(fresh, module, tmp_path):
    altered = tmp_path / "modules"
    altered.mkdir()
    code = PROVIDER.read_bytes()
    assert b"OpenSSL FIPS Provider" in code
    (altered / "fips.so").write_bytes(code.replace(b"OpenSSL FIPS Provider", b"OpenSSL FIPS provider"))
    refused(fresh.run("init", **{**module, "OPENSSL_MODULES": str(altered)}))


def test_a_folder_made_without_the_provider_is_served_with_it(fresh, module):
    required = fresh.settings.pop("crypto")
    fresh.initialise()
    fresh.settings["crypto"] = required
    fresh.start(**module)
    assert fresh.wire().get("/secrets").status_code == 403


# All cryptography


def test_the_provider_is_in_the_server(production):
    assert str(PROVIDER) in Path(f"/proc/{production.process.pid}/maps").read_text()


def test_secrets_are_kept(production, name):
    wire = production.wire()
    wire.set_secret(name, "kept")
    assert wire.get(f"/secrets/{name}").json()["value"] == "kept"


@pytest.mark.parametrize("algorithm", algorithms.RSA_SIGNATURES)
def test_rsa_signs(keys, name, algorithm):
    made = keys.create(name, "RSA")
    hashed = algorithms.digest(algorithm)
    signature = keys.sign(made, algorithm, hashed)
    assert algorithms.verifies(public_key(made["key"]), algorithm, hashed, signature)
    assert keys.verify(made, algorithm, hashed, signature)


@pytest.mark.parametrize("algorithm", ["ES256", "ES384", "ES512"])
def test_curves_sign(keys, name, algorithm):
    made = keys.create(name, crv=algorithms.EC_SIGNATURES[algorithm])
    hashed = algorithms.digest(algorithm)
    signature = keys.sign(made, algorithm, hashed)
    assert algorithms.verifies(public_key(made["key"]), algorithm, hashed, signature)
    assert keys.verify(made, algorithm, hashed, signature)


def test_ed25519_signs(keys, name):
    made = keys.create(name, "OKP", crv="Ed25519")
    public_key(made["key"]).verify(keys.sign(made, "EdDSA", b"message"), b"message")


@pytest.mark.parametrize("algorithm", algorithms.RSA_ENCRYPTIONS)
def test_rsa_decrypts(keys, name, algorithm):
    made = keys.create(name, "RSA")
    sealed = public_key(made["key"]).encrypt(b"message", algorithms.encryption_padding(algorithm))
    assert keys.use("decrypt", made, algorithm, sealed) == b"message"


def test_the_curve_that_the_provider_lacks_is_refused(keys, name):
    assert_bad_parameter(keys.wire.post(f"/keys/{name}/create", json={"kty": "EC", "crv": "P-256K"}))


def test_a_key_goes_out_and_comes_back(keys, name):
    made = keys.create(name, "RSA")
    backup = keys.backup(name)
    keys.delete(name)
    keys.purge(name)
    assert keys.restore(backup)["key"] == made["key"]


def test_a_certificate_is_made_with_its_container(certificates, name):
    certificates.create(name, policy())
    container = base64.b64decode(certificates.secret(name)["value"])
    key, certificate, _ = pkcs12.load_key_and_certificates(container, b"")
    assert key.public_key() == certificate.public_key()


@pytest.mark.parametrize("password", ["", "a password"], ids=["without", "with"])
def test_a_container_comes_in(certificates, name, password):
    key, certificate = self_signed()
    certificates.import_(name, pfx(key, certificate, password), **({"pwd": password} if password else {}))
    container = base64.b64decode(certificates.secret(name)["value"])
    kept, _, _ = pkcs12.load_key_and_certificates(container, b"")
    assert kept.private_numbers() == key.private_numbers()


def test_a_wrong_password_is_told(certificates, name):
    key, certificate = self_signed()
    assert refusal(certificates.ask_import(name, pfx(key, certificate, "a password"), pwd="another")) == (400, "BadParameter")
