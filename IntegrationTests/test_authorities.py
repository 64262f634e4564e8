"""Authorities inside: made, settled, issuing by profile, by request and through the API of certificates."""

import base64
import datetime
import threading
import uuid

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, pkcs12
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, ExtensionOID

from harness.authorities import Authorities, chain_of, openssl, pem, request_for, root_policy
from harness.certificates_made import certificate_of
from harness.certificates_wire import Certificates, policy, refusal
from harness.keys_wire import done

pytest_plugins = ["harness.certificates_fixtures"]


@pytest.fixture(scope="module")
def authorities(server) -> Authorities:
    return Authorities(Certificates(server.wire()))


@pytest.fixture(scope="module")
def root(authorities) -> str:
    name = f"root-{uuid.uuid4().hex[:8]}"
    authorities.make(name, root_policy(path_length=2))
    return name


@pytest.fixture(scope="module")
def issuing(authorities, root) -> str:
    """An intermediate below the root, bound to example.com."""
    name = f"issuing-{uuid.uuid4().hex[:8]}"
    assert authorities.issuer(root, root).status_code == 200
    wanted = root_policy()
    wanted["issuer"] = {"name": root, "cty": "intermediate"}
    wanted["x509_props"] = {
        **wanted["x509_props"],
        "subject": "CN=Test Issuing,O=Test",
        "validity_months": 60,
        "name_constraints": {"permitted": ["DNS:example.com"]},
    }
    authorities.make(name, wanted)
    return name


def by(issuer: str, **parts) -> dict:
    names = {"subject": "CN=www.example.com", "sans": {"dns_names": ["www.example.com"]}, "validity_months": 13}
    return {**policy(issuer, x509_props=names), **parts}


# Made


@pytest.mark.operation("AuthoritySet")
@pytest.mark.operation("AuthorityGet")
def test_a_certificate_that_signs_itself_becomes_an_authority(authorities, name):
    authorities.certificates.create(name, root_policy(path_length=1))
    made = authorities.establish(name)
    assert made == authorities.get(name)
    assert (made["subject"], made["issuer"], made["path_length"], made["enabled"]) == ("CN=Test Root, O=Test",) * 2 + (1, True)
    assert made["crl"]["number"] == 1
    assert {each["name"]: each["max_validity_days"] for each in made["profiles"]} == {
        "codeSigning": 460,
        "intermediate": 3660,
        "tlsClient": 825,
        "tlsServer": 398,
    }


@pytest.mark.operation("AuthorityList")
def test_the_authorities_of_a_vault_are_listed(authorities, root):
    listed, path = [], "/authorities"
    while path:
        page = done(authorities.wire.get(path))
        listed, path = listed + page["value"], page["nextLink"]
    assert [each["subject"] for each in listed if f"/{root}/" in each["id"]] == ["CN=Test Root, O=Test"]


@pytest.mark.parametrize("key", [{"kty": "EC-HSM", "crv": "P-256", "exportable": False}, {"kty": "RSA-HSM", "key_size": 2048, "exportable": False}])
def test_an_authority_signs_with_a_key_in_the_token(authorities, name, key):
    authorities.make(name, root_policy(key))
    _, csr = request_for("hsm.example.com")
    leaf, above = chain_of(authorities.issue(name, csr))
    leaf.verify_directly_issued_by(above)


def test_an_outside_root_signs_an_authority(authorities, name):
    outside_key, _ = request_for("outside")
    wanted = root_policy()
    wanted["issuer"] = {"name": "Unknown"}
    begun = authorities.certificates.begin(name, wanted)
    csr = x509.load_der_x509_csr(base64.b64decode(begun["csr"]))
    now = datetime.datetime.now(datetime.timezone.utc)
    outside_name = x509.Name.from_rfc4514_string("CN=Outside Root")

    def signed(subject, key, bound):
        return (
            x509.CertificateBuilder().subject_name(subject).issuer_name(outside_name).public_key(key)
            .serial_number(x509.random_serial_number()).not_valid_before(now).not_valid_after(now + datetime.timedelta(days=400))
            .add_extension(x509.BasicConstraints(True, bound), True)
            .add_extension(x509.KeyUsage(False, False, False, False, False, True, True, False, False), True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), False)
            .sign(outside_key, hashes.SHA256())
        )  # fmt: skip

    root = signed(outside_name, outside_key.public_key(), None)
    ours = signed(csr.subject, csr.public_key(), 0)
    merged = authorities.certificates.ask_merge(name, ours.public_bytes(Encoding.DER), root.public_bytes(Encoding.DER))
    assert merged.status_code == 201
    authorities.establish(name)
    leaf, above, top = chain_of(authorities.issue(name, request_for("x.example.com")[1]))
    leaf.verify_directly_issued_by(above)
    above.verify_directly_issued_by(top)
    assert top == root


@pytest.mark.parametrize(
    "settings, member",
    [
        ({"crl": {"full_hours": 0}}, "crl.full_hours"),
        ({"crl": {"full_hours": 10, "delta_hours": 11}}, "crl.delta_hours"),
        ({"ocsp": {"hours": 9_000}}, "ocsp.hours"),
        ({"profiles": [{"name": "any"}]}, "profiles.name"),
        ({"profiles": [{"name": "tlsServer"}, {"name": "tlsServer"}]}, "profiles.name"),
        ({"profiles": [{"name": "tlsServer", "max_validity_days": 0}]}, "profiles.max_validity_days"),
        ({"profiles": [{"name": "tlsServer", "path_length": 1}]}, "profiles"),
        ({"profiles": [{"name": "tlsServer", "ekus": ["x"]}]}, "profiles.ekus"),
        ({"profiles": [{"name": "intermediate", "permitted_names": ["example.com"]}]}, "profiles.permitted_names"),
    ],
)
def test_settings_that_make_no_sense_are_refused(authorities, root, settings, member):
    answer = authorities.ask_establish(root, **settings)
    assert refusal(answer) == (400, "BadParameter")
    assert f"'{member}'" in answer.json()["error"]["message"]


def test_what_is_no_authority_cannot_become_one(authorities, name):
    authorities.certificates.create(name, policy())
    assert refusal(authorities.ask_establish(name)) == (400, "BadParameter")
    assert refusal(authorities.wire.get(f"/certificates/{name}/authority")) == (404, "AuthorityNotFound")
    assert refusal(authorities.ask_establish(name + "x")) == (404, "CertificateNotFound")


def test_a_disabled_authority_issues_nothing(authorities, name):
    authorities.make(name, enabled=False)
    answer = authorities.ask_issue(name, request_for("a.example.com")[1])
    assert refusal(answer) == (400, "BadParameter") and "disabled" in answer.json()["error"]["message"]
    authorities.establish(name, enabled=True)
    authorities.issue(name, request_for("a.example.com")[1])


# By request


@pytest.mark.operation("AuthorityIssue")
@pytest.mark.operation("AuthorityIssuedGet")
def test_a_request_is_signed_by_its_profile(authorities, root, issuing, tmp_path):
    key, csr = request_for("www.example.com", "example.com")
    made = authorities.issue(issuing, csr)
    leaf, middle, top = chain_of(made)
    (tmp_path / "root").write_bytes(pem(top))
    (tmp_path / "middle").write_bytes(pem(middle))
    (tmp_path / "leaf").write_bytes(pem(leaf))
    told = openssl("verify", "-purpose", "sslserver", "-CAfile", tmp_path / "root", "-untrusted", tmp_path / "middle", tmp_path / "leaf")
    assert "OK" in told
    assert leaf.public_key() == key.public_key()
    extension = leaf.extensions.get_extension_for_oid
    assert extension(ExtensionOID.SUBJECT_ALTERNATIVE_NAME).value.get_values_for_type(x509.DNSName) == ["www.example.com", "example.com"]
    assert list(extension(ExtensionOID.EXTENDED_KEY_USAGE).value) == [ExtendedKeyUsageOID.SERVER_AUTH]
    assert extension(ExtensionOID.BASIC_CONSTRAINTS).value.ca is False
    access = {each.access_method: each.access_location.value for each in extension(ExtensionOID.AUTHORITY_INFORMATION_ACCESS).value}
    state = authorities.get(issuing)
    assert access == {
        AuthorityInformationAccessOID.OCSP: state["ocsp"]["url"],
        AuthorityInformationAccessOID.CA_ISSUERS: state["certificate_url"],
    }
    points = extension(ExtensionOID.CRL_DISTRIBUTION_POINTS).value
    assert points[0].full_name[0].value == state["crl"]["url"]
    assert 0 < leaf.serial_number < 2**127 and leaf.serial_number.bit_length() > 120
    shown = done(authorities.wire.get(f"/certificates/{issuing}/authority/issued/{made['serial_number']}"))
    assert shown == made and shown["status"] == "good" and shown["profile"] == "tlsServer"
    assert middle.extensions.get_extension_for_class(x509.BasicConstraints).value.path_length == 0
    assert middle.extensions.get_extension_for_class(x509.NameConstraints).value.permitted_subtrees[0].value == "example.com"


@pytest.mark.parametrize(
    "profile, purpose",
    [("tlsClient", ExtendedKeyUsageOID.CLIENT_AUTH), ("codeSigning", ExtendedKeyUsageOID.CODE_SIGNING), ("tlsServer", ExtendedKeyUsageOID.SERVER_AUTH)],
)
def test_each_profile_has_its_purpose(authorities, issuing, profile, purpose):
    leaf = chain_of(authorities.issue(issuing, request_for("a.example.com")[1], profile=profile))[0]
    assert list(leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [purpose]


@pytest.mark.parametrize(
    "names, members, words",
    [
        (("evil.test",), {}, "permitted subtree violation"),
        (("a.example.com",), {"profile": "intermediate"}, "path length is 0"),
        (("a.example.com",), {"validity_days": 399}, "at most 398 days"),
        (("a.example.com",), {"profile": "any"}, "no profile 'any'"),
    ],
)
def test_what_the_authority_may_not_issue_is_refused_with_the_reason(authorities, issuing, names, members, words):
    answer = authorities.ask_issue(issuing, request_for(*names)[1], **members)
    assert refusal(answer) == (400, "BadParameter") and words in answer.json()["error"]["message"]


def test_a_purpose_outside_of_the_profile_is_refused(authorities, issuing):
    wanted = [x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CODE_SIGNING])]
    answer = authorities.ask_issue(issuing, request_for("a.example.com", extensions=wanted)[1], profile="tlsServer")
    assert refusal(answer) == (400, "BadParameter") and "1.3.6.1.5.5.7.3.3" in answer.json()["error"]["message"]


def broken() -> str:
    der = bytearray(x509.load_pem_x509_csr(request_for("a.example.com")[1]).public_bytes(Encoding.DER))
    der[-1] ^= 1
    return base64.b64encode(bytes(der)).decode()


@pytest.mark.parametrize("csr", ["", "!", "aGVsbG8=", "-----BEGIN CERTIFICATE REQUEST-----\nx", broken()])
def test_what_is_no_request_is_refused(authorities, root, csr):
    assert refusal(authorities.ask_issue(root, csr)) == (400, "BadParameter")


def test_a_request_may_come_as_base64_of_der(authorities, root):
    der = x509.load_pem_x509_csr(request_for("a.example.com")[1]).public_bytes(Encoding.DER)
    authorities.issue(root, base64.b64encode(der).decode())
    authorities.issue(root, base64.urlsafe_b64encode(der).decode().rstrip("="))


def test_no_certificate_outlives_its_authority(authorities, name):
    wanted = root_policy()
    wanted["x509_props"] = {**wanted["x509_props"], "validity_months": 1}
    authorities.make(name, wanted)
    leaf, above = chain_of(authorities.issue(name, request_for("a.example.com")[1], validity_days=300))
    assert leaf.not_valid_after_utc == above.not_valid_after_utc


@pytest.mark.operation("AuthorityIssuedList")
def test_serial_numbers_are_unique_and_all_on_record(authorities, name):
    authorities.make(name)
    _, csr = request_for("a.example.com")
    answered, lock = [], threading.Lock()

    def work():
        for _ in range(10):
            serial = authorities_of_thread().issue(name, csr)["serial_number"]
            with lock:
                answered.append(serial)

    def authorities_of_thread():
        wire = authorities.wire
        return Authorities(Certificates(type(wire)(wire.base, wire._session.verify, wire.token)))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answered) == len(set(answered)) == 80
    assert {each["serial_number"] for each in authorities.issued(name)} == set(answered)


# Through the API of certificates

KEYS = [
    {"kty": "RSA", "key_size": 2048},
    {"kty": "EC", "crv": "P-256"},
    {"kty": "EC", "crv": "P-384"},
    {"kty": "EC", "crv": "P-521"},
    {"kty": "EC", "crv": "P-256K"},
    {"kty": "EC-HSM", "crv": "P-256", "exportable": False},
]


@pytest.mark.parametrize("key", KEYS, ids=lambda key: f"{key['kty']}-{key.get('crv', key.get('key_size'))}")
def test_a_policy_names_the_authority_as_its_issuer(authorities, issuing, name, key, tmp_path):
    assert authorities.issuer(issuing, issuing).status_code == 200
    bundle = authorities.certificates.create(name, {**by(issuing), "key_props": key})
    leaf = certificate_of(bundle)
    assert leaf.issuer.rfc4514_string() == "CN=Test Issuing,O=Test"
    secret = authorities.certificates.secret(name)
    held, last, others = pkcs12.load_key_and_certificates(base64.b64decode(secret["value"]), None)
    assert (held is None) == (key.get("exportable") is False)
    chain = [each for each in [last, *others] if each is not None]
    assert {each.subject.rfc4514_string() for each in chain} == {"CN=www.example.com", "CN=Test Issuing,O=Test", "CN=Test Root,O=Test"}
    listed = {each["serial_number"]: each for each in authorities.issued(issuing)}
    assert listed[format(leaf.serial_number, "x").zfill(32)]["certificate"].endswith(f"/certificates/{name}")


def test_a_refusal_of_the_authority_ends_the_order_with_its_reason(authorities, issuing, name):
    authorities.issuer(issuing, issuing)
    wanted = by(issuing)
    wanted["x509_props"] = {**wanted["x509_props"], "sans": {"dns_names": ["evil.test"]}}
    authorities.certificates.begin(name, wanted)
    pending = authorities.certificates.wait(name)
    assert (pending["status"], pending["error"]["code"]) == ("failed", "Request rejected")
    assert "permitted subtree violation" in pending["error"]["message"]


def test_an_authority_of_another_vault_issues_by_its_identifier(server, authorities, issuing, name):
    other = Authorities(Certificates(server.wire("demo2")))
    for account in (f"demo/{issuing}", f"{server.vault_url()}/certificates/{issuing}"):
        assert other.issuer("elsewhere", account).status_code == 200
        leaf = certificate_of(other.certificates.create(name, by("elsewhere")))
        assert leaf.issuer.rfc4514_string() == "CN=Test Issuing,O=Test"


def test_an_issuer_without_an_authority_behind_it_is_refused(authorities, name):
    for account in (name, "nowhere/x", "https://example.com/certificates/x"):
        assert refusal(authorities.issuer("nothing", account)) == (400, "BadParameter")


def test_who_may_not_issue_cannot_name_the_authority_as_an_issuer(server, cli, issuing):
    officer = cli.create_application(f"officer-{uuid.uuid4().hex[:8]}")
    cli.assign(officer, "Key Vault Certificates Officer", server.vault_scope("demo2"))
    theirs = Authorities(Certificates(server.wire("demo2", officer)))
    assert refusal(theirs.issuer("borrowed", f"demo/{issuing}")) == (403, "Forbidden")
    cli.assign(officer, "Key Vault Certificates Officer", server.vault_scope("demo"))
    assert theirs.issuer("borrowed", f"demo/{issuing}").status_code == 200


def test_a_reader_may_neither_issue_nor_revoke(server, cli, issuing):
    reader = cli.create_application(f"reader-{uuid.uuid4().hex[:8]}")
    cli.assign(reader, "Key Vault Reader", server.vault_scope())
    theirs = Authorities(Certificates(server.wire("demo", reader)))
    assert refusal(theirs.ask_issue(issuing, request_for("a.example.com")[1])) == (403, "Forbidden")
    assert refusal(theirs.ask_revoke(issuing, "01")) == (403, "Forbidden")
    assert refusal(theirs.ask_establish(issuing)) == (403, "Forbidden")


def test_the_command_line_sets_up_root_and_intermediate(server, cli, name, tmp_path):
    cli.run("authority", "create-root", name, "--subject", "CN=Line Root", "--key-type", "EC")
    cli.run("authority", "create-intermediate", f"{name}-i", "--issuer", name, "--subject", "CN=Line Issuing", "--permit", "DNS:example.com")
    (tmp_path / "csr").write_bytes(request_for("a.example.com")[1])
    chain = x509.load_pem_x509_certificates(cli.run("authority", "issue", f"{name}-i", "--csr", str(tmp_path / "csr")).stdout.encode())
    assert [each.subject.rfc4514_string() for each in chain] == ["CN=a.example.com", "CN=Line Issuing", "CN=Line Root"]
    listed = cli.run("authority", "issued", f"{name}-i").stdout
    serial = listed.split()[0]
    assert int(serial, 16) == chain[0].serial_number
    assert '"status":"revoked"' in cli.run("authority", "revoke", f"{name}-i", serial, "--reason", "superseded").stdout
    refused = cli.run("authority", "revoke", f"{name}-i", serial, exit_code=1)
    assert refused.stderr.count("\n") == 1 and "superseded" in refused.stderr
    cli.run("authority", "publish", name)
    cli.run("authority", "show", name)
    assert name in cli.run("authority", "list").stdout
