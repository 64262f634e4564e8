"""Authorities are made of certificates: of those that sign themselves, of those an issuer signs, of those signed elsewhere."""

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from harness.authorities import Authorities, authority_policy, certificates_of, fresh, leaf_of, pem_of, reason_of
from harness.authorities_public import fetch, revocation_list, verify_chain
from harness.certificates_made import Authority, certificate_of, common, der, request_of
from harness.certificates_wire import policy, refusal, version_of
from harness.keys_wire import Keys, done

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


def test_its_addresses_are_served_from_the_first_moment(server, authorities, name):
    made = authorities.root(name)
    base, version = f"http://pki.localhost:{server.port}", made["generations"][0]
    assert made["crl"]["url"] == f"{base}/crl/demo/{version}.crl"
    assert made["crl"]["delta_url"] == f"{base}/crl/demo/{version}-delta.crl"
    assert made["certificate_url"] == f"{base}/ca/demo/{version}.cer"
    assert made["ocsp"]["url"] == f"{base}/ocsp/demo/{version}"
    assert fetch(made["certificate_url"]).content == der(authorities.certificate(name))
    assert fetch(made["certificate_url"]).headers["Content-Type"] == "application/pkix-cert"
    assert len(revocation_list(made["crl"]["url"])) == len(revocation_list(made["crl"]["delta_url"])) == 0


def test_setting_it_again_changes_it_and_keeps_its_generation(authorities, name):
    first = authorities.root(name)
    second = authorities.set(name, {"crl": {"full_hours": 48}})
    assert second["generations"] == first["generations"]
    assert second["crl"]["full_hours"] == authorities.get(name)["crl"]["full_hours"] == 48
    assert second["crl"]["number"] > first["crl"]["number"]


@pytest.mark.parametrize(
    "key",
    [
        {"kty": "EC", "crv": "P-384"},
        {"kty": "EC", "crv": "P-521"},
        {"kty": "EC", "crv": "P-256K"},
        {"kty": "RSA", "key_size": 2048},
        {"kty": "EC-HSM", "crv": "P-256"},
        {"kty": "RSA-HSM", "key_size": 2048},
    ],
    ids=lambda key: "-".join(str(value) for value in key.values()),
)
def test_an_authority_has_any_kind_of_key(authorities, name, tmp_path, key):
    made = authorities.root(name, key=key)
    leaf, *chain = certificates_of(authorities.issue(name))
    assert chain == [authorities.certificate(name)]
    assert ": OK" in verify_chain(tmp_path, leaf, chain)
    assert revocation_list(made["crl"]["url"]).is_signature_valid(chain[0].public_key())
    assert Keys(authorities.wire).get(name)["key"]["kty"] == key["kty"]


# By an issuer of the vault


def test_an_intermediate_is_signed_by_an_authority_of_the_vault(authorities, root, issuer, name, tmp_path):
    authorities.intermediate(name, issuer)
    leaf, *chain = certificates_of(authorities.issue(name))
    assert chain == [authorities.certificate(name), authorities.certificate(root)]
    assert constraints_of(chain[0]) == x509.BasicConstraints(True, 0)
    assert usage_of(chain[0]).key_cert_sign and usage_of(chain[0]).crl_sign
    assert ": OK" in verify_chain(tmp_path, leaf, chain)
    assert authorities.get(name)["path_length"] == 0


def test_an_intermediate_is_among_what_its_authority_issued(authorities, root, issuer, name):
    authorities.intermediate(name, issuer)
    issued = authorities.issued(root, f"{authorities.certificate(name).serial_number:x}")
    assert issued["profile"] == "intermediate"
    assert issued["certificate"] == f"{authorities.certificates.get(name)['id'].rsplit('/', 1)[0]}"


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
    assert ": OK" in verify_chain(tmp_path, leaf, chain[:1] + [outside.certificate], "-partial_chain")


def signed_as_authority(outside: Authority, request: x509.CertificateSigningRequest) -> x509.Certificate:
    """As a careful root does it: with key usage and both identifiers."""
    from datetime import datetime, timedelta, timezone

    from cryptography.hazmat.primitives import hashes

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


def test_a_new_version_is_a_new_generation_and_the_old_one_is_still_served(authorities, name):
    first = authorities.root(name)
    before = authorities.issue(name)
    authorities.certificates.create(name)
    after = authorities.issue(name)
    made = authorities.get(name)
    assert made["generations"] == [first["generations"][0], version_of(authorities.certificates.get(name))]
    assert [before["generation"], after["generation"]] == made["generations"]
    assert revocation_list(first["crl"]["url"]).is_signature_valid(certificates_of(before)[1].public_key())
    assert leaf_of(authorities.issued(name, before["serial_number"])) == leaf_of(before)
    listed = authorities.list_issued(name, generation=first["generations"][0])
    assert [item["serial_number"] for item in listed] == [before["serial_number"]]


# Reading


@pytest.mark.operation("AuthorityGet")
def test_an_authority_is_read_as_it_was_set(authorities, name):
    assert authorities.root(name) == authorities.get(name)


@pytest.mark.operation("AuthorityList")
def test_authorities_are_listed_and_nothing_else(server, name):
    pages = Authorities(server.wire("pages"))
    names = sorted(f"{name}-{number}" for number in range(3))
    for each in names:
        pages.root(each)
    pages.certificates.create(f"{name}-none", policy())
    pages.set(names[1], {"enabled": False})
    items = [item for item in Keys(pages.wire).listed("/authorities", maxresults=2) if f"/{name}" in item["id"]]
    assert [item["id"] for item in items] == [f"{server.vault_url('pages')}/certificates/{each}/authority" for each in names]
    assert [item["enabled"] for item in items] == [True, False, True]
    assert {item["subject"] for item in items} == {f"CN={each}" for each in names}


def test_the_authority_of_a_deleted_certificate_is_gone_until_it_is_recovered(authorities, name):
    made = authorities.root(name)
    authorities.certificates.delete(name)
    assert refusal(authorities.wire.get(f"/certificates/{name}/authority")) == (404, "CertificateNotFound")
    assert not [item for item in Keys(authorities.wire).listed("/authorities") if f"/{name}/" in item["id"]]
    authorities.certificates.recover(name)
    assert authorities.get(name)["generations"] == made["generations"]
    assert authorities.issue(name)


# What is none


NO_AUTHORITY = ["", "/issued", "/issued/01"]


@pytest.mark.parametrize("rest", NO_AUTHORITY)
def test_a_certificate_that_is_no_authority_is_told_so(authorities, name, rest):
    authorities.certificates.create(name, policy())
    answer = authorities.wire.get(authorities.path(name, rest))
    assert answer.status_code == 404
    assert "is not an authority" in answer.json()["error"]["message"]


@pytest.mark.parametrize("rest", NO_AUTHORITY)
def test_a_certificate_that_is_not_there_is_not_found(authorities, name, rest):
    assert refusal(authorities.wire.get(authorities.path(name, rest))) == (404, "CertificateNotFound")


def test_nothing_is_made_an_authority_that_is_not_there(authorities, name):
    assert refusal(authorities.ask_set(name)) == (404, "CertificateNotFound")


def test_what_is_no_authority_neither_issues_nor_revokes_nor_publishes(authorities, name):
    authorities.certificates.create(name, policy())
    from harness.authorities import signing_request

    answers = [
        authorities.ask_issue(name, pem_of(signing_request())),
        authorities.ask_revoke(name, serial_number="01"),
        authorities.wire.post(authorities.path(name, "/publish")),
    ]
    assert [answer.status_code for answer in answers] == [404] * 3
    assert all("is not an authority" in answer.json()["error"]["message"] for answer in answers)


def test_a_certificate_that_may_not_sign_others_cannot_be_an_authority(authorities, name):
    authorities.certificates.create(name, policy())
    assert "basic constraints must say CA" in reason_of(authorities.ask_set(name))


@pytest.mark.parametrize("usage", [["digitalSignature"], ["keyCertSign"], ["cRLSign"]], ids="-".join)
def test_a_certificate_whose_key_usage_is_too_narrow_cannot_be_an_authority(authorities, name, usage):
    authorities.certificates.create(name, authority_policy(f"CN={name}", key_usage=usage))
    assert "key usage keyCertSign and cRLSign" in reason_of(authorities.ask_set(name))


@pytest.mark.parametrize("method", ["POST", "PATCH", "DELETE"])
def test_an_authority_knows_no_other_method(authorities, root, method):
    assert authorities.wire.call(method, authorities.path(root)).status_code == 405
