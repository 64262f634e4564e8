"""Authorities are made of certificates: of those that sign themselves, of those an issuer signs, of those signed elsewhere."""

from datetime import datetime, timedelta, timezone

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from harness.authorities_wire import Authorities, authority_policy, certificates_of, fresh, leaf_of, reason_of, signing_request
from harness.authorities_public import fetch, number_of, revocation_list, verify_chain
from harness.certificates_made import Authority, certificate_of, der, request_of
from harness.certificates_wire import make_together, policy, refusal, version_of
from harness.keys_wire import Keys

pytest_plugins = ["harness.authorities_fixtures"]


def usage_of(made: x509.Certificate) -> x509.KeyUsage:
    found = made.extensions.get_extension_for_class(x509.KeyUsage)
    assert found.critical
    return found.value


def constraints_of(made: x509.Certificate) -> x509.BasicConstraints:
    found = made.extensions.get_extension_for_class(x509.BasicConstraints)
    assert found.critical
    return found.value


# By itself


@pytest.mark.operation("AuthoritySet")
def test_a_certificate_that_signs_itself_becomes_an_authority(server, authorities, name):
    bundle = authorities.certificates.create(name, authority_policy(f"CN={name}, O=Example"))
    made, certificate = authorities.set(name), certificate_of(bundle)
    assert made["id"] == f"{server.vault_url()}/certificates/{name}/authority"
    assert made["certificate"] == bundle["id"]
    assert made["generations"] == [version_of(bundle)]
    assert made["enabled"] is True
    assert (made["subject"], made["issuer"]) == (f"CN={name}, O=Example",) * 2
    assert (made["nbf"], made["exp"]) == (bundle["attributes"]["nbf"], bundle["attributes"]["exp"])
    assert "path_length" not in made
    assert constraints_of(certificate) == x509.BasicConstraints(True, None)
    assert usage_of(certificate).key_cert_sign and usage_of(certificate).crl_sign


def test_what_is_not_said_has_its_default(authorities, root):
    made = authorities.get(root)
    assert {profile["name"]: profile["max_validity_days"] for profile in made["profiles"]} == {
        "codeSigning": 460,
        "intermediate": 3660,
        "tlsClient": 825,
        "tlsServer": 398,
    }
    assert (made["crl"]["full_hours"], made["crl"]["delta_hours"], made["ocsp"]["hours"]) == (168, 24, 72)


def test_its_addresses_are_served_from_the_first_moment(server, authorities, own):
    made = authorities.set(own)
    base, version = f"http://pki.localhost:{server.port}", made["generations"][0]
    assert made["crl"]["url"] == f"{base}/crl/demo/{version}.crl"
    assert made["crl"]["delta_url"] == f"{base}/crl/demo/{version}-delta.crl"
    assert made["certificate_url"] == f"{base}/ca/demo/{version}.cer"
    assert made["ocsp"]["url"] == f"{base}/ocsp/demo/{version}"
    assert fetch(made["certificate_url"]).content == der(authorities.certificate(own))
    assert fetch(made["certificate_url"]).headers["Content-Type"] == "application/pkix-cert"
    assert len(revocation_list(made["crl"]["url"])) == len(revocation_list(made["crl"]["delta_url"])) == 0
    assert number_of(revocation_list(made["crl"]["url"])) == made["crl"]["number"] == 1


def test_setting_it_again_changes_it_and_keeps_its_generation(authorities, own):
    first = authorities.set(own)
    second = authorities.set(own, {"crl": {"full_hours": 48}})
    assert second["generations"] == first["generations"]
    assert second["crl"]["full_hours"] == authorities.get(own)["crl"]["full_hours"] == 48
    assert second["crl"]["number"] > first["crl"]["number"]


KEYS = {
    "P-384": {"kty": "EC", "crv": "P-384"},
    "P-521": {"kty": "EC", "crv": "P-521"},
    "P-256K": {"kty": "EC", "crv": "P-256K"},
    "RSA-2048": {"kty": "RSA", "key_size": 2048},
    "EC-HSM": {"kty": "EC-HSM", "crv": "P-256"},
    "RSA-HSM": {"kty": "RSA-HSM", "key_size": 2048},
}


@pytest.fixture(scope="module")
def of_every_key(server) -> dict[str, str]:
    """A certificate that may sign others with each kind of key, and what it is called."""
    prefix = fresh("key")
    wanted = {label: authority_policy(f"CN={label}", key=key) for label, key in KEYS.items()}
    make_together(Authorities(server.wire()).certificates, prefix, wanted)
    return {label: f"{prefix}-{label}" for label in KEYS}


@pytest.mark.parametrize("label", KEYS)
def test_an_authority_has_any_kind_of_key(authorities, of_every_key, tmp_path, label):
    name = of_every_key[label]
    made = authorities.set(name)
    leaf, *chain = certificates_of(authorities.issue(name))
    assert chain == [authorities.certificate(name)]
    assert ": OK" in verify_chain(tmp_path, leaf, chain)
    assert revocation_list(made["crl"]["url"]).is_signature_valid(chain[0].public_key())
    assert Keys(authorities.wire).get(name)["key"]["kty"] == KEYS[label]["kty"]


# By an issuer of the vault


def test_an_intermediate_is_signed_by_an_authority_of_the_vault(authorities, root, issuer, name, tmp_path):
    authorities.intermediate(name, issuer)
    leaf, *chain = certificates_of(authorities.issue(name))
    assert chain == [authorities.certificate(name), authorities.certificate(root)]
    assert constraints_of(chain[0]) == x509.BasicConstraints(True, 0)
    assert usage_of(chain[0]).key_cert_sign and usage_of(chain[0]).crl_sign
    assert ": OK" in verify_chain(tmp_path, leaf, chain)
    assert authorities.get(name)["path_length"] == 0
    issued = authorities.issued(root, f"{chain[0].serial_number:x}")
    assert issued["profile"] == "intermediate"
    assert issued["certificate"] == authorities.certificates.get(name)["id"].rsplit("/", 1)[0]


def test_names_that_the_policy_permits_bind_an_intermediate(authorities, issuer, name):
    limits = {"permitted": ["DNS:example.com"], "excluded": ["DNS:secret.example.com"]}
    authorities.intermediate(name, issuer, name_constraints=limits)
    found = authorities.certificate(name).extensions.get_extension_for_class(x509.NameConstraints)
    assert found.critical
    assert found.value.permitted_subtrees == [x509.DNSName("example.com")]
    assert found.value.excluded_subtrees == [x509.DNSName("secret.example.com")]


# By a root outside


def test_an_intermediate_below_an_outside_root(authorities, name, tmp_path):
    outside = Authority(fresh("Outside"))
    pending = authorities.certificates.begin(name, authority_policy(f"CN={name}", issuer="Unknown"))
    signed = signed_as_authority(outside, request_of(pending))
    assert authorities.certificates.ask_merge(name, der(signed), der(outside.certificate)).status_code == 201
    authorities.set(name)
    leaf, *chain = certificates_of(authorities.issue(name))
    assert chain == [signed, outside.certificate]
    assert ": OK" in verify_chain(tmp_path, leaf, chain, strict=False)


def signed_as_authority(outside: Authority, request: x509.CertificateSigningRequest) -> x509.Certificate:
    """As a careful root does it: with key usage and both identifiers."""
    now = datetime.now(timezone.utc)
    return (
        x509.CertificateBuilder()
        .subject_name(request.subject)
        .issuer_name(outside.certificate.subject)
        .public_key(request.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=25))
        .add_extension(x509.BasicConstraints(True, 0), True)
        .add_extension(x509.KeyUsage(True, False, False, False, False, True, True, False, False), True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(request.public_key()), False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(outside.key.public_key()), False)
        .sign(outside.key, hashes.SHA256())
    )


def test_a_request_for_an_authority_asks_for_what_an_authority_needs(authorities, name):
    request = request_of(authorities.certificates.begin(name, authority_policy(f"CN={name}", issuer="Unknown")))
    assert request.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert request.extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign


# A new version


def test_a_new_version_is_a_new_generation_and_the_old_one_is_still_served(authorities, own):
    first = authorities.set(own)
    before = authorities.issue(own)
    authorities.certificates.create(own)
    after = authorities.issue(own)
    made = authorities.get(own)
    assert made["generations"] == [first["generations"][0], version_of(authorities.certificates.get(own))]
    assert [before["generation"], after["generation"]] == made["generations"]
    assert revocation_list(first["crl"]["url"]).is_signature_valid(certificates_of(before)[1].public_key())
    assert leaf_of(authorities.issued(own, before["serial_number"])) == leaf_of(before)
    listed = authorities.list_issued(own, generation=first["generations"][0])
    assert [item["serial_number"] for item in listed] == [before["serial_number"]]


# Reading


@pytest.mark.operation("AuthorityGet")
def test_an_authority_is_read_as_it_was_set(authorities, own):
    assert authorities.set(own) == authorities.get(own)


@pytest.mark.operation("AuthorityList")
def test_authorities_are_listed_and_nothing_else(server, name):
    pages = Authorities(server.wire("pages"))
    names = sorted(f"{name}-{number}" for number in range(3))
    wanted = {f"{number}": authority_policy(f"CN={each}") for number, each in enumerate(names)}
    make_together(pages.certificates, name, {**wanted, "none": policy()})
    for each in names:
        pages.set(each)
    pages.set(names[1], {"enabled": False})
    items = [item for item in Keys(pages.wire).listed("/authorities", maxresults=2) if f"/{name}" in item["id"]]
    assert [item["id"] for item in items] == [f"{server.vault_url('pages')}/certificates/{each}/authority" for each in names]
    assert [item["enabled"] for item in items] == [True, False, True]
    assert {item["subject"] for item in items} == {f"CN={each}" for each in names}


def test_the_authority_of_a_deleted_certificate_is_gone_until_it_is_recovered(authorities, own):
    made = authorities.set(own)
    authorities.certificates.delete(own)
    assert refusal(authorities.wire.get(authorities.path(own))) == (404, "CertificateNotFound")
    assert not [item for item in Keys(authorities.wire).listed("/authorities") if f"/{own}/" in item["id"]]
    authorities.certificates.recover(own)
    assert authorities.get(own)["generations"] == made["generations"]
    assert authorities.issue(own)


# What is none


NO_AUTHORITY = ["", "/issued", "/issued/01"]


@pytest.fixture(scope="module")
def leaves(server) -> dict[str, str]:
    """Certificates that cannot be authorities, and what they are called."""
    prefix = fresh("none")
    narrow = {usage: authority_policy("CN=narrow", key_usage=[usage]) for usage in ("digitalSignature", "keyCertSign", "cRLSign")}
    wanted = {"leaf": policy(), **narrow}
    make_together(Authorities(server.wire()).certificates, prefix, wanted)
    return {label: f"{prefix}-{label}" for label in wanted}


@pytest.mark.parametrize("rest", NO_AUTHORITY)
def test_a_certificate_that_is_no_authority_is_told_so(authorities, leaves, rest):
    answer = authorities.wire.get(authorities.path(leaves["leaf"], rest))
    assert refusal(answer) == (404, "AuthorityNotFound")
    assert "is not an authority" in answer.json()["error"]["message"]


@pytest.mark.parametrize("rest", NO_AUTHORITY)
def test_a_certificate_that_is_not_there_is_not_found(authorities, name, rest):
    assert refusal(authorities.wire.get(authorities.path(name, rest))) == (404, "CertificateNotFound")


def test_nothing_is_made_an_authority_that_is_not_there(authorities, name):
    assert refusal(authorities.ask_set(name)) == (404, "CertificateNotFound")


def test_what_is_no_authority_neither_issues_nor_revokes_nor_publishes(authorities, leaves):
    answers = [
        authorities.ask_issue(leaves["leaf"], signing_request()),
        authorities.ask_revoke(leaves["leaf"], serial_number="01"),
        authorities.wire.post(authorities.path(leaves["leaf"], "/publish")),
    ]
    assert [answer.status_code for answer in answers] == [404] * 3
    assert all("is not an authority" in answer.json()["error"]["message"] for answer in answers)


@pytest.mark.parametrize("label", ["leaf", "digitalSignature", "keyCertSign", "cRLSign"])
def test_a_certificate_that_may_not_sign_others_and_lists_cannot_be_an_authority(authorities, leaves, label):
    reason = reason_of(authorities.ask_set(leaves[label]))
    assert "its basic constraints must say CA, and its key usage keyCertSign and cRLSign" in reason


@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_an_authority_knows_no_other_method(authorities, root, method):
    assert authorities.wire.call(method, authorities.path(root)).status_code == 405
