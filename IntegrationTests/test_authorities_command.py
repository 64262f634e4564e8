"""`strongroom authority …`: an authority from its first certificate to the revocation of what it issued."""

import json

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from harness.authorities_wire import der_of, fresh, pem_of, signing_request
from harness.authorities_public import verify_chain

pytest_plugins = ["harness.authorities_fixtures"]


@pytest.fixture(scope="module")
def at_hand(server, cli):
    """A root and an intermediate below it, made by command."""
    root, below = fresh("cli-root"), fresh("cli-below")
    made = cli.json("authority", "create-root", root, "--subject", f"CN={root}, O=Example", "--key-type", "EC-HSM", "--curve", "P-256")
    options = ("--permit", "DNS:example.com", "--exclude", "DNS:not.example.com", "--curve", "P-256", "--years", "2")
    intermediate = cli.json("authority", "create-intermediate", below, "--issuer", root, "--subject", f"CN={below}", *options)
    return {"root": made, "below": intermediate, "names": (root, below)}


def test_a_root_in_hardware_is_made(authorities, at_hand):
    root, _ = at_hand["names"]
    certificate = authorities.certificate(root)
    assert at_hand["root"]["certificate"] == authorities.get(root)["certificate"]
    assert certificate.subject.rfc4514_string() == f"CN={root},O=Example"
    assert 19.9 < (certificate.not_valid_after_utc - certificate.not_valid_before_utc).days / 365.25 < 20.1
    assert authorities.wire.get(f"/keys/{root}").json()["key"]["kty"] == "EC-HSM"
    assert isinstance(certificate.public_key().curve, ec.SECP256R1)


def test_a_root_in_software_is_made_by_its_type_of_key_alone(authorities, cli, name):
    made = cli.json("authority", "create-root", name, "--subject", f"CN={name}", "--key-type", "EC")
    assert made == authorities.get(name)
    assert authorities.wire.get(f"/keys/{name}").json()["key"]["kty"] == "EC"


def test_an_intermediate_is_made_with_its_issuer(authorities, at_hand):
    root, below = at_hand["names"]
    certificate = authorities.certificate(below)
    certificate.verify_directly_issued_by(authorities.certificate(root))
    constraints = certificate.extensions.get_extension_for_class(x509.NameConstraints).value
    assert constraints.permitted_subtrees == [x509.DNSName("example.com")]
    assert constraints.excluded_subtrees == [x509.DNSName("not.example.com")]
    assert authorities.wire.get(f"/certificates/issuers/{root}").json()["provider"] == "OnPremiseCA"


def test_it_is_shown_and_listed(authorities, cli, at_hand):
    root, below = at_hand["names"]
    assert cli.json("authority", "show", below) == authorities.get(below)
    lines = cli.run("authority", "list").stdout.splitlines()
    assert [line for line in lines if f"/certificates/{root}/authority" in line and f"CN={root}" in line and "enabled" in line]
    assert [line for line in lines if f"/certificates/{below}/authority" in line]


def test_settings_come_from_a_file(cli, at_hand, tmp_path):
    (tmp_path / "settings.json").write_text(json.dumps({"crl": {"full_hours": 100}}))
    made = cli.json("authority", "enable", at_hand["names"][1], "--settings", str(tmp_path / "settings.json"))
    assert made["crl"]["full_hours"] == 100


@pytest.mark.parametrize("form", ["pem", "der"])
def test_a_request_is_signed_and_the_chain_printed(authorities, cli, at_hand, tmp_path, form):
    csr = signing_request("www.example.com")
    (tmp_path / "csr").write_bytes(pem_of(csr).encode() if form == "pem" else der_of(csr))
    printed = cli.run("authority", "issue", at_hand["names"][1], "--csr", str(tmp_path / "csr"), "--days", "5").stdout
    leaf, *chain = x509.load_pem_x509_certificates(printed.encode())
    assert chain == [authorities.certificate(name) for name in reversed(at_hand["names"])]
    assert ": OK" in verify_chain(tmp_path, leaf, chain, "-verify_hostname", "www.example.com")


def test_what_was_issued_is_listed_and_revoked(authorities, cli, at_hand):
    _, below = at_hand["names"]
    serial = authorities.issue(below)["serial_number"]
    assert [line for line in cli.run("authority", "issued", below).stdout.splitlines() if serial in line and "good" in line]
    revoked = cli.json("authority", "revoke", below, serial, "--reason", "keyCompromise")
    assert (revoked["status"], revoked["revocation"]["reason"]) == ("revoked", "keyCompromise")
    assert [line for line in cli.run("authority", "issued", below).stdout.splitlines() if line.split()[0] == serial and "revoked" in line]
    refused = cli.run("authority", "revoke", below, serial, exit_code=1)
    assert refused.stderr.count("\n") == 1 and "keyCompromise" in refused.stderr


def test_lists_are_made_now(authorities, cli, at_hand):
    _, below = at_hand["names"]
    before = authorities.get(below)["crl"]["number"]
    assert cli.json("authority", "publish", below)["crl"]["number"] > before


REFUSED = {
    "a name that is none": ("show", "a b"),
    "no subject": ("create-root", "x"),
    "too many years": ("create-root", "x", "--subject", "CN=x", "--years", "51"),
    "a subject that is none": ("create-root", "x", "--subject", "x"),
    "an authority that is not there": ("show", "nobody-has-this-name"),
    "a file that is not there": ("issue", "x", "--csr", "/nowhere/at/all"),
    "a reason that is none": ("revoke", "x", "01", "--reason", "boredom"),
}


@pytest.mark.parametrize("label", REFUSED)
def test_what_cannot_be_done_is_said_in_words(cli, label):
    result = cli.run("authority", *REFUSED[label], exit_code=None)
    assert result.returncode != 0
    assert result.stderr.strip() and "Error Domain" not in result.stderr
