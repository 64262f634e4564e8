"""Requests from outside (PKCS #10): in which forms they come, what each profile makes of them, and what is refused."""

import base64

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from harness.authorities_public import told, verify_chain, write_pem
from harness.authorities_sdk import addresses_of, extension, verified_for_the_web
from harness.authorities_wire import (
    CLIENT,
    CODE,
    MAIL,
    SERVER,
    TIMESTAMPING,
    Authorities,
    certificates_of,
    der_of,
    fresh,
    leaf_of,
    leaf_policy,
    pem_of,
    reason_of,
    signing_request,
)
from harness.certificates_made import common, public_der, self_signed
from harness.tokens import encode

pytest_plugins = ["harness.authorities_fixtures"]

DAY = 86_400


def days_of(certificate: x509.Certificate) -> float:
    return (certificate.not_valid_after_utc - certificate.not_valid_before_utc).total_seconds() / DAY


# Forms


FORMS = {
    "PEM": pem_of,
    "PEM with an older label": lambda csr: pem_of(csr).replace("CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST"),
    "PEM of Windows": lambda csr: pem_of(csr).replace("\n", "\r\n"),
    "PEM below an explanation": lambda csr: "Certificate Request:\n    Data:\n" + pem_of(csr),
    "base64": lambda csr: base64.b64encode(der_of(csr)).decode(),
    "base64url": lambda csr: encode(der_of(csr)),
}


@pytest.mark.operation("AuthorityIssue")
@pytest.mark.parametrize("form", FORMS)
def test_a_request_comes_in_any_form(server, authorities, root, form):
    csr = signing_request()
    made = authorities.issue(root, FORMS[form](csr))
    leaf, *chain = certificates_of(made)
    assert leaf == leaf_of(made)
    assert public_der(leaf) == public_der(csr)
    assert chain == [authorities.certificate(root)]
    assert verified_for_the_web(leaf, chain, "leaf.example.com")
    assert int(made["serial_number"], 16) == leaf.serial_number
    assert made["id"] == f"{server.vault_url()}/certificates/{root}/authority/issued/{made['serial_number']}"
    assert (made["profile"], made["status"]) == ("tlsServer", "good") and "certificate" not in made


NO_REQUEST = {
    "nothing": ("", "csr"),
    "no base64": ("***", "neither PEM nor base64"),
    "other bytes": ("AAAA", "it is not a certification request"),
    "a certificate": (pem_of(self_signed()[1]), "neither PEM nor base64"),
    "a certificate in base64": (base64.b64encode(der_of(self_signed()[1])).decode(), "it is not a certification request"),
    "two requests": (pem_of(signing_request()) * 2, "neither PEM nor base64"),
    "PEM that does not end": ("-----BEGIN CERTIFICATE REQUEST-----\nx", "neither PEM nor base64"),
    "half a request": (base64.b64encode(der_of(signing_request())[:100]).decode(), "it is not a certification request"),
    "more than a request": (base64.b64encode(der_of(signing_request()) + b"0").decode(), "it is not a certification request"),
    "a long request": (base64.b64encode(b"0" * 70_000).decode(), "too large"),
}


@pytest.mark.parametrize("label", NO_REQUEST)
def test_what_is_no_request_is_refused(authorities, root, label):
    text, reason = NO_REQUEST[label]
    assert reason in reason_of(authorities.ask_issue(root, text))


@pytest.mark.parametrize("body", [{}, {"csr": None}, {"csr": 1}, [], {"csr": pem_of(signing_request()), "validity_days": "1"}])
def test_a_body_of_another_shape_is_refused(authorities, root, body):
    assert reason_of(authorities.wire.post(authorities.path(root, "/issue"), json=body))


def test_a_request_that_its_key_did_not_sign_is_refused(authorities, root):
    changed = bytearray(der_of(signing_request()))
    changed[-1] ^= 1
    answer = authorities.ask_issue(root, base64.b64encode(changed).decode())
    assert "not signed by the key that it names" in reason_of(answer)


def test_a_request_for_other_names_than_were_signed_is_refused(authorities, root):
    changed = der_of(signing_request("leaf.example.com")).replace(b"leaf.example.com", b"evil.example.com")
    assert "not signed by the key that it names" in reason_of(authorities.ask_issue(root, base64.b64encode(changed).decode()))


def test_a_request_without_any_name_is_refused(authorities, root):
    assert "neither a subject nor an alternative name" in reason_of(authorities.ask_issue(root, signing_request("", dns=())))


# Keys


@pytest.mark.parametrize("key", [ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1(), ec.SECP256K1(), 2048, 3072], ids=lambda k: getattr(k, "name", k))
def test_a_request_over_any_usual_key_is_signed(authorities, root, tmp_path, key):
    made = rsa.generate_private_key(65_537, key) if isinstance(key, int) else ec.generate_private_key(key)
    leaf, *chain = certificates_of(authorities.issue(root, signing_request(key=made)))
    assert public_der(leaf) == public_der(made)
    assert extension(leaf, x509.KeyUsage).key_encipherment is isinstance(key, int)
    assert ": OK" in verify_chain(tmp_path, leaf, chain)


def test_a_short_key_is_refused(authorities, root):
    assert "csr" in reason_of(authorities.ask_issue(root, signing_request(key=rsa.generate_private_key(65_537, 1024))))


def test_a_request_over_an_edwards_key_is_signed(authorities, root):
    key = ed25519.Ed25519PrivateKey.generate()
    csr = x509.CertificateSigningRequestBuilder().subject_name(common("leaf.example.com")).sign(key, None)
    leaf = leaf_of(authorities.issue(root, csr))
    assert public_der(leaf) == public_der(key)
    assert extension(leaf, x509.KeyUsage).digital_signature and not extension(leaf, x509.KeyUsage).key_encipherment


# Profiles


PROFILES = {
    "tlsServer": ([SERVER], "sslserver", 365),
    "tlsClient": ([CLIENT], "sslclient", 365),
    "codeSigning": ([CODE], "any", 365),
}


@pytest.mark.parametrize("profile", PROFILES)
def test_a_profile_gives_a_certificate_its_purpose(authorities, root, tmp_path, profile):
    ekus, purpose, days = PROFILES[profile]
    made = authorities.issue(root, profile=profile)
    leaf, *chain = certificates_of(made)
    assert made["profile"] == profile
    assert [each.dotted_string for each in extension(leaf, x509.ExtendedKeyUsage)] == ekus
    assert extension(leaf, x509.BasicConstraints).ca is False
    assert days - 0.1 < days_of(leaf) < days + 0.1
    assert ": OK" in verify_chain(tmp_path, leaf, chain, "-purpose", purpose)


def test_a_certificate_says_where_its_issuer_answers(authorities, root):
    shown = authorities.get(root)
    assert addresses_of(leaf_of(authorities.issue(root))) == {
        "ocsp": [shown["ocsp"]["url"]],
        "issuer": [shown["certificate_url"]],
        "crl": [shown["crl"]["url"]],
        "delta": [shown["crl"]["delta_url"]],
    }


def test_every_name_of_a_request_is_taken_over(authorities, root):
    leaf = leaf_of(authorities.issue(root, signing_request("www.example.com", dns=("www.example.com", "example.com"))))
    assert extension(leaf, x509.SubjectAlternativeName).get_values_for_type(x509.DNSName) == ["www.example.com", "example.com"]


def test_what_was_issued_is_on_record_as_it_was_answered(authorities, root):
    made = authorities.issue(root)
    assert authorities.issued(root, made["serial_number"]) == made


@pytest.mark.parametrize(("ekus", "profile"), [((SERVER, CLIENT), "tlsServer"), ((CLIENT, MAIL), "tlsClient"), ((CODE,), "codeSigning")])
def test_the_purposes_of_a_request_call_for_a_profile(authorities, root, ekus, profile):
    made = authorities.issue(root, signing_request(ekus=ekus))
    assert made["profile"] == profile
    assert [each.dotted_string for each in extension(leaf_of(made), x509.ExtendedKeyUsage)] == list(ekus)


@pytest.mark.parametrize(("ekus", "profile"), [((CODE,), "tlsServer"), ((SERVER,), "tlsClient"), ((TIMESTAMPING,), "codeSigning")])
def test_a_purpose_that_the_profile_does_not_allow_is_refused(authorities, root, ekus, profile):
    answer = authorities.ask_issue(root, signing_request(ekus=ekus), profile=profile)
    assert f"the profile '{profile}' does not allow the purpose {ekus[0]}" in reason_of(answer)


@pytest.mark.parametrize("profile", ["", "TLSSERVER", "web", "x" * 500])
def test_a_profile_that_is_none_is_refused(authorities, root, profile):
    assert f"has no profile '{profile[:64]}'" in reason_of(authorities.ask_issue(root, signing_request(), profile=profile))


@pytest.mark.parametrize(("profile", "most"), [("tlsServer", 398), ("tlsClient", 825), ("codeSigning", 460)])
def test_more_days_than_the_profile_allows_are_refused(authorities, root, profile, most):
    assert most - 0.1 < days_of(leaf_of(authorities.issue(root, profile=profile, validity_days=most))) < most + 0.1
    answer = authorities.ask_issue(root, signing_request(), profile=profile, validity_days=most + 1)
    assert f"at most {most} days" in reason_of(answer)


@pytest.mark.parametrize("days", [0, -1, 36_501, 2**62])
def test_days_that_make_no_sense_are_refused(authorities, root, days):
    assert "validity_days" in reason_of(authorities.ask_issue(root, signing_request(), validity_days=days))


def test_what_a_request_wants_beside_names_and_purposes_is_not_taken_over(authorities, root):
    wishes = (
        x509.BasicConstraints(True, None),
        x509.KeyUsage(True, False, False, False, False, True, True, False, False),
        x509.CRLDistributionPoints([x509.DistributionPoint([x509.UniformResourceIdentifier("http://evil.example")], None, None, None)]),
    )
    leaf = leaf_of(authorities.issue(root, signing_request(extensions=wishes)))
    assert extension(leaf, x509.BasicConstraints) == x509.BasicConstraints(False, None)
    assert not extension(leaf, x509.KeyUsage).key_cert_sign
    assert addresses_of(leaf)["crl"] == [authorities.get(root)["crl"]["url"]]


def test_names_without_a_subject_are_critical(authorities, root, tmp_path):
    leaf, *chain = certificates_of(authorities.issue(root, signing_request("", dns=("only.example.com",))))
    assert leaf.subject.rfc4514_string() == ""
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert names.value.get_values_for_type(x509.DNSName) == ["only.example.com"]
    assert names.critical, "RFC 5280 §4.2.1.6"
    assert ": OK" in verify_chain(tmp_path, leaf, chain)


def test_a_subject_of_other_scripts_is_taken_over(authorities, root):
    assert leaf_of(authorities.issue(root, signing_request("Zürich 東京", dns=("leaf.example.com",)))).subject.rfc4514_string() == "CN=Zürich 東京"


# The end of the authority


def test_no_certificate_outlives_its_authority(authorities, name):
    authorities.root(name, months=1)
    leaf = leaf_of(authorities.issue(name, validity_days=300))
    assert leaf.not_valid_after_utc == authorities.certificate(name).not_valid_after_utc


# Authorities below


@pytest.fixture(scope="module")
def bounded(server) -> dict[str, str]:
    """A root with one authority below it, which may sign for example.com only."""
    authorities, names = Authorities(server.wire()), {"root": fresh("bounded"), "below": fresh("bounded-below")}
    limits = {"permitted_names": ["DNS:example.com", "email:example.com", "IP:192.0.2.0/255.255.255.0"], "excluded_names": ["DNS:no.example.com"]}
    profile = {"name": "intermediate", "path_length": 5, **limits}
    authorities.root(names["root"], {"profiles": [profile]}, basic_constraints={"ca": True, "path_length": 1})
    authorities.issuer(names["root"], names["root"])
    authorities.intermediate(names["below"], names["root"])
    return names


def test_the_bounds_of_a_profile_reach_the_authority_below(authorities, bounded):
    below = authorities.certificate(bounded["below"])
    assert extension(below, x509.BasicConstraints) == x509.BasicConstraints(True, 0)
    constraints = below.extensions.get_extension_for_class(x509.NameConstraints)
    assert constraints.critical
    assert x509.DNSName("example.com") in constraints.value.permitted_subtrees
    assert constraints.value.excluded_subtrees == [x509.DNSName("no.example.com")]
    assert authorities.get(bounded["root"])["path_length"] == 1


@pytest.mark.parametrize("name", ["example.com", "www.example.com", "*.example.com", "a.b.example.com"])
def test_a_name_within_the_constraints_is_signed(authorities, bounded, tmp_path, name):
    leaf, *chain = certificates_of(authorities.issue(bounded["below"], signing_request(name)))
    assert ": OK" in verify_chain(tmp_path, leaf, chain)


OUTSIDE = {
    "another domain": (signing_request("example.org"), "permitted"),
    "a longer domain": (signing_request("notexample.com"), "permitted"),
    "an excluded name": (signing_request("no.example.com"), "excluded"),
    "below an excluded name": (signing_request("a.no.example.com"), "excluded"),
    "one of several": (signing_request("www.example.com", dns=("www.example.com", "example.org")), "permitted"),
    "only a common name": (signing_request("example.org", dns=()), "permitted"),
    "another address": (
        signing_request("", dns=(), extensions=(x509.SubjectAlternativeName([x509.RFC822Name("a@example.org")]),)),
        "permitted",
    ),
}


@pytest.mark.parametrize("label", OUTSIDE)
def test_a_name_outside_the_constraints_is_refused(authorities, bounded, label):
    csr, subtree = OUTSIDE[label]
    reason = reason_of(authorities.ask_issue(bounded["below"], csr, profile="tlsServer"))
    assert "its chain would not hold" in reason
    assert f"{subtree} subtree violation" in reason


def test_an_order_for_a_name_outside_the_constraints_ends_with_its_reason(authorities, bounded, name):
    authorities.issuer(name, bounded["below"])
    authorities.certificates.begin(name, leaf_policy(name, ("www.example.org",)))
    pending = authorities.certificates.wait(name)
    assert (pending["status"], pending["error"]["code"]) == ("failed", "Request rejected")
    assert "permitted subtree violation" in pending["error"]["message"]


# Names that other software may read otherwise: (what they are, DER of the extension's value).
CROOKED = {
    "no DER": b"\x00",
    "nothing": b"\x30\x00",
    "half a name": b"\x30\x10\x82\x0eexample",
    "more after the names": b"\x30\x0d\x82\x0bexample.comXX",
    "a zero in a name": b"\x30\x1a\x82\x18example.org\x00.example.com",
    "a name of no letters": b"\x30\x05\x82\x03\xff\xfe\xfd",
}


@pytest.mark.parametrize("label", CROOKED)
def test_crooked_alternative_names_are_refused(authorities, bounded, label):
    value = x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.17"), CROOKED[label])
    csr = signing_request("www.example.com", dns=(), extensions=(value,))
    assert reason_of(authorities.ask_issue(bounded["below"], csr, profile="tlsServer"))


def test_what_was_refused_is_not_on_record(authorities, bounded):
    before = len(authorities.list_issued(bounded["below"]))
    authorities.ask_issue(bounded["below"], OUTSIDE["another domain"][0])
    assert len(authorities.list_issued(bounded["below"])) == before


def test_an_authority_is_signed_by_request(authorities, bounded, tmp_path):
    made = authorities.issue(bounded["root"], signing_request("Issuing", dns=()), profile="intermediate", validity_days=100)
    leaf, *chain = certificates_of(made)
    assert extension(leaf, x509.BasicConstraints) == x509.BasicConstraints(True, 0)
    assert extension(leaf, x509.KeyUsage).key_cert_sign and extension(leaf, x509.KeyUsage).crl_sign
    assert 99.9 < days_of(leaf) < 100.1
    assert ": OK" in verify_chain(tmp_path, leaf, chain)


def test_an_authority_without_a_subject_is_refused(authorities, bounded):
    """RFC 5280 §4.1.2.6: the subject of an authority is not empty."""
    csr = signing_request("", dns=("ca.example.com",))
    assert "subject" in reason_of(authorities.ask_issue(bounded["root"], csr, profile="intermediate"))


def test_a_path_that_is_used_up_has_no_further_authority(authorities, bounded):
    answer = authorities.ask_issue(bounded["below"], signing_request("ca.example.com", dns=()), profile="intermediate")
    assert "may have no authority below it (its path length is 0)" in reason_of(answer)


def test_the_file_of_a_chain_is_what_openssl_reads(authorities, root, tmp_path):
    made = authorities.issue(root, signing_request("leaf.example.com"))
    text = told("x509", "-noout", "-text", "-in", write_pem(tmp_path / "leaf.pem", leaf_of(made)))
    for wanted in ("X509v3 CRL Distribution Points", "X509v3 Freshest CRL", "CA Issuers - URI", "OCSP - URI", "CA:FALSE"):
        assert wanted in text
