"""Certificates, their contacts and issuers through the unmodified Azure CLI."""

import json
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, pkcs12

from harness.certificates_made import certificate_of, pem, pfx, public_der, request_of, self_signed
from harness.certificates_wire import policy

pytest_plugins = ["harness.azure_cli_fixtures", "harness.certificates_fixtures"]

VAULT = "--vault-name demo"


@pytest.fixture
def imported(certificates, name) -> x509.Certificate:
    """A certificate under the test's name."""
    key, certificate = self_signed()
    certificates.import_(name, pfx(key, certificate))
    return certificate


def names(items: list[dict]) -> list[str]:
    return [item["name"] for item in items]


# Create, merge


@pytest.mark.operation("CertificateCreate")
@pytest.mark.operation("CertificatePendingGet")
@pytest.mark.operation("CertificateGet")
def test_a_certificate_is_created_by_the_default_policy(az, certificates, name, tmp_path: Path):
    default = az.json("keyvault certificate get-default-policy")
    done = az.json(f"keyvault certificate create {VAULT} --name {name} --policy", json.dumps(default))
    assert (done["status"], done["name"]) == ("completed", name)
    assert az.json(f"keyvault certificate pending show {VAULT} --name {name}")["csr"] == done["csr"]

    shown = az.json(f"keyvault certificate show {VAULT} --name {name}")
    certificate = certificate_of(shown)
    assert certificate.subject.rfc4514_string() == certificate.issuer.rfc4514_string() == "CN=CLIGetDefaultPolicy"
    assert (shown["policy"]["issuerParameters"]["name"], shown["policy"]["keyProperties"]["keySize"]) == ("Self", 2048)
    assert certificates.get(name)["cer"] == shown["cer"]

    az.run(f"keyvault secret download {VAULT} --name {name} --encoding base64 --file", str(tmp_path / "all.pfx"))
    key, found, _ = pkcs12.load_key_and_certificates((tmp_path / "all.pfx").read_bytes(), None)
    assert found == certificate and public_der(key) == public_der(certificate)


@pytest.mark.operation("CertificateCreate")
@pytest.mark.operation("CertificatePendingMerge")
def test_a_request_is_signed_elsewhere_and_merged(az, certificates, authority, name, tmp_path: Path):
    wanted = {
        "issuerParameters": {"name": "Unknown"},
        "keyProperties": {"exportable": True, "keyType": "EC", "curve": "P-256", "reuseKey": False},
        "x509CertificateProperties": {"subject": "CN=example.com", "validityInMonths": 6},
    }
    az.run(f"keyvault certificate create {VAULT} --name {name} --policy", json.dumps(wanted))
    pending = az.json(f"keyvault certificate pending show {VAULT} --name {name}")
    assert (pending["status"], pending["issuerParameters"]["name"]) == ("inProgress", "Unknown")
    signed = authority.answer(request_of(pending))
    (tmp_path / "signed.pem").write_bytes(signed.public_bytes(Encoding.PEM))
    merged = az.json(f"keyvault certificate pending merge {VAULT} --name {name} --file", str(tmp_path / "signed.pem"))
    assert certificate_of(merged) == signed == certificate_of(certificates.get(name))


@pytest.mark.operation("CertificatePendingDelete")
def test_a_pending_request_is_deleted(az, certificates, name):
    certificates.begin(name, policy("Unknown"))
    assert az.json(f"keyvault certificate pending delete {VAULT} --name {name}")["name"] == name
    assert "(PendingCertificateNotFound)" in az.refused(f"keyvault certificate pending show {VAULT} --name {name}", exit_code=3)


# Import, download, lists


@pytest.mark.operation("CertificateImport")
@pytest.mark.parametrize("form", ["pem", "pfx"])
def test_a_file_is_imported(az, certificates, name, form, tmp_path: Path):
    key, certificate = self_signed()
    file = tmp_path / f"in.{form}"
    file.write_bytes(pem(key, certificate).encode() if form == "pem" else pfx(key, certificate, "password"))
    options = "" if form == "pem" else "--password password"
    made = az.json(f"keyvault certificate import {VAULT} --name {name} {options} --tags a=b --file", str(file))
    assert made["x509ThumbprintHex"] == certificate.fingerprint(hashes.SHA1()).hex().upper()
    assert made["tags"] == {"a": "b"} and certificate_of(certificates.get(name)) == certificate


@pytest.mark.operation("CertificateGet")
@pytest.mark.parametrize(("encoding", "load"), [("PEM", x509.load_pem_x509_certificate), ("DER", x509.load_der_x509_certificate)])
def test_a_certificate_is_downloaded(az, imported, name, encoding, load, tmp_path: Path):
    az.run(f"keyvault certificate download {VAULT} --name {name} --encoding {encoding} --file", str(tmp_path / "out"))
    assert load((tmp_path / "out").read_bytes()) == imported


@pytest.mark.operation("CertificateList")
@pytest.mark.operation("CertificateListVersions")
def test_certificates_and_their_versions_are_listed(az, certificates, name):
    identifiers = {certificates.import_(name, pfx(*self_signed()))["id"] for _ in range(2)}
    assert name in names(az.json(f"keyvault certificate list {VAULT}"))
    assert {each["id"] for each in az.json(f"keyvault certificate list-versions {VAULT} --name {name}")} == identifiers


# Update, delete, backup


@pytest.mark.operation("CertificateUpdate")
def test_attributes_are_set(az, certificates, imported, name):
    changed = az.json(f"keyvault certificate set-attributes {VAULT} --name {name} --enabled false --tags c=d")
    assert (changed["attributes"]["enabled"], changed["tags"]) == (False, {"c": "d"})
    read = certificates.get(name)
    assert (read["attributes"]["enabled"], read["tags"]) == (False, {"c": "d"}) and certificate_of(read) == imported


@pytest.mark.operation("CertificateDelete")
@pytest.mark.operation("CertificateListDeleted")
@pytest.mark.operation("CertificateGetDeleted")
@pytest.mark.operation("CertificateRecover")
@pytest.mark.operation("CertificatePurge")
def test_a_certificate_is_deleted_recovered_and_purged(az, certificates, imported, name):
    gone = az.json(f"keyvault certificate delete {VAULT} --name {name}")
    assert gone["recoveryId"].endswith(f"/deletedcertificates/{name}")
    assert name in names(az.json(f"keyvault certificate list-deleted {VAULT}"))
    assert certificate_of(az.json(f"keyvault certificate show-deleted {VAULT} --name {name}")) == imported

    assert az.json(f"keyvault certificate recover {VAULT} --name {name}")["name"] == name
    assert certificate_of(certificates.get(name)) == imported

    az.run(f"keyvault certificate delete {VAULT} --name {name}")
    az.run(f"keyvault certificate purge {VAULT} --name {name}")
    assert certificates.wire.get(f"/deletedcertificates/{name}").status_code == 404
    said = az.refused(f"keyvault certificate show {VAULT} --name {name}", exit_code=3)
    assert said.startswith(f"ERROR: (CertificateNotFound) A certificate with (name/id) {name} was not found")


@pytest.mark.operation("CertificateBackup")
@pytest.mark.operation("CertificateRestore")
def test_a_certificate_is_restored_from_its_backup(az, certificates, imported, name, tmp_path: Path):
    before = certificates.get(name)
    az.run(f"keyvault certificate backup {VAULT} --name {name} --file", str(tmp_path / "backup"))
    certificates.delete(name)
    certificates.purge(name)
    assert az.json(f"keyvault certificate restore {VAULT} --file", str(tmp_path / "backup"))["id"] == before["id"]
    after = certificates.get(name)
    assert certificate_of(after) == imported and (after["kid"], after["sid"]) == (before["kid"], before["sid"])


# Contacts


@pytest.mark.operation("CertificateContactsSet")
@pytest.mark.operation("CertificateContactsGet")
def test_contacts_are_added_listed_and_deleted(server, az):
    """In a vault where no other test has contacts."""
    contact, wire = "keyvault certificate contact", server.wire("demo2")
    az.run(f"{contact} add --vault-name demo2 --email first@example.com --phone 123", "--name", "The First")
    az.run(f"{contact} add --vault-name demo2 --email second@example.com")
    first = {"emailAddress": "first@example.com", "name": "The First", "phone": "123"}
    second = {"emailAddress": "second@example.com", "name": None, "phone": None}
    assert az.json(f"{contact} list --vault-name demo2")["contactList"] == [first, second]
    az.run(f"{contact} delete --vault-name demo2 --email first@example.com")
    assert wire.get("/certificates/contacts").json()["contacts"] == [{"email": "second@example.com"}]
    az.run(f"{contact} delete --vault-name demo2 --email second@example.com")
    assert wire.get("/certificates/contacts").status_code == 404
    assert "(ContactsNotFound)" in az.refused(f"{contact} list --vault-name demo2")


# Issuers


@pytest.mark.operation("CertificateIssuerSet")
@pytest.mark.operation("CertificateIssuerGet")
@pytest.mark.operation("CertificateIssuerUpdate")
@pytest.mark.operation("CertificateIssuersList")
@pytest.mark.operation("CertificateIssuerDelete")
def test_an_issuer_is_created_shown_listed_updated_and_deleted(az, wire, name):
    issuer, named = "keyvault certificate issuer", f"{VAULT} --issuer-name {name}"
    made = az.json(f"{issuer} create {named} --provider-name Test --account-id account --password password --organization-id one")
    assert (made["provider"], made["credentials"]["accountId"], made["organizationDetails"]["id"]) == ("Test", "account", "one")
    assert az.json(f"{issuer} show {named}") == made
    assert made["id"] in [each["id"] for each in az.json(f"{issuer} list {VAULT}")]

    az.run(f"{issuer} update {named} --organization-id two")
    read = wire.get(f"/certificates/issuers/{name}").json()
    assert (read["org_details"]["id"], read["credentials"]) == ("two", {"account_id": "account"})

    az.run(f"{issuer} delete {named}")
    assert wire.get(f"/certificates/issuers/{name}").status_code == 404
    assert az.refused(f"{issuer} show {named}", exit_code=3).startswith("ERROR: (CertificateIssuerNotFound)")


@pytest.mark.operation("CertificateIssuerUpdate")
def test_administrators_of_an_issuer_are_added_listed_and_deleted(az, wire, name):
    issuer, named = "keyvault certificate issuer", f"{VAULT} --issuer-name {name}"
    az.run(f"{issuer} create {named} --provider-name Test")
    for who in ("first", "second"):
        az.run(f"{issuer} admin add {named} --email {who}@example.com --first-name {who} --phone 123")
    assert [each["emailAddress"] for each in az.json(f"{issuer} admin list {named}")] == ["first@example.com", "second@example.com"]
    az.run(f"{issuer} admin delete {named} --email first@example.com")
    [left] = wire.get(f"/certificates/issuers/{name}").json()["org_details"]["admin_details"]
    assert (left["email"], left["first_name"], left["phone"]) == ("second@example.com", "second", "123")
