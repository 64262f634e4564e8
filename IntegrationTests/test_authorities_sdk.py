"""Certificates from an authority inside, asked for with the unmodified Python client."""

import base64

import pytest
from azure.core.exceptions import HttpResponseError
from azure.keyvault.certificates import CertificateContentType
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key, pkcs12

from harness.authorities_public import document, verify_chain
from harness.authorities_sdk import KINDS, UNKNOWN_TO_THE_WEB, addresses_of, extension, read, verified_for_the_web, wanted
from harness.authorities_wire import CLIENT, CODE, MAIL, SERVER, Authorities, certificates_of, fresh, leaf_policy
from harness.certificates_made import certificate_of, der, public_der

pytest_plugins = ["harness.authorities_fixtures", "harness.certificates_fixtures"]

FAST = {"_polling_interval": 0.2}


@pytest.fixture(scope="module")
def intermediate_issuer(server, below) -> str:
    """The issuer behind which the standing intermediate is."""
    return Authorities(server.wire()).issuer(fresh("below"), below)


@pytest.fixture(scope="module")
def made(certificate_client, intermediate_issuer) -> dict:
    """A certificate over each kind of key, each in either form."""
    prefix = fresh("sdk")
    forms = {"pfx": CertificateContentType.pkcs12, "pem": CertificateContentType.pem}
    policies = {
        **{kind: wanted(intermediate_issuer, kind) for kind in KINDS},
        **{form: wanted(intermediate_issuer, content_type=content) for form, content in forms.items()},
        "client": wanted(intermediate_issuer, enhanced_key_usage=[CLIENT, MAIL]),
        "code": wanted(intermediate_issuer, enhanced_key_usage=[CODE], key_usage=["digitalSignature"]),
        "none": wanted(intermediate_issuer, enhanced_key_usage=[]),
        "typed": wanted(intermediate_issuer, certificate_type="tlsClient", enhanced_key_usage=[CLIENT]),
        "names": wanted(
            intermediate_issuer,
            san_dns_names=["www.example.com", "*.example.com"],
            san_emails=["someone@example.com"],
            san_user_principal_names=["someone@corp.example.com"],
            san_ip_addresses=["192.0.2.1", "2001:db8::1"],
            san_uris=["spiffe://example.com/service"],
        ),
    }
    begun = {label: certificate_client.begin_create_certificate(f"{prefix}-{label}", one, **FAST) for label, one in policies.items()}
    return {label: poller.result() for label, poller in begun.items()}


@pytest.fixture
def above(authorities, root, below) -> list[x509.Certificate]:
    """The standing intermediate and the standing root."""
    return [authorities.certificate(below), authorities.certificate(root)]


def test_an_authority_is_made_an_issuer(certificate_client, root, name):
    made = certificate_client.create_issuer(name, "OnPremiseCA", account_id=root)
    assert (made.name, made.provider, made.account_id, made.enabled) == (name, "OnPremiseCA", root, True)


@pytest.mark.parametrize("kind", KINDS)
def test_a_certificate_over_any_kind_of_key_has_a_chain_that_holds(made, above, tmp_path, kind):
    leaf = read(made[kind])
    assert leaf.subject.rfc4514_string() == "CN=www.example.com"
    assert leaf.issuer == above[0].subject
    assert ": OK" in verify_chain(tmp_path, leaf, above, "-purpose", "sslserver", "-verify_hostname", "www.example.com")
    if kind not in UNKNOWN_TO_THE_WEB:
        assert verified_for_the_web(leaf, above, "www.example.com") == [leaf, *above]


@pytest.mark.parametrize("kind", KINDS)
def test_the_key_is_the_one_that_was_asked_for(made, certificate_client, kind):
    policy = made[kind].policy
    assert policy.key_type == KINDS[kind]["key_type"]
    key = read(made[kind]).public_key()
    assert key.key_size == policy.key_size == KINDS[kind].get("key_size", key.key_size)


def test_a_certificate_says_where_its_issuer_answers(authorities, below, made):
    told, shown = addresses_of(read(made["P-256"])), authorities.get(below)
    assert told == {
        "ocsp": [shown["ocsp"]["url"]],
        "issuer": [shown["certificate_url"]],
        "crl": [shown["crl"]["url"]],
        "delta": [shown["crl"]["delta_url"]],
    }
    assert document(told["issuer"][0]) == der(authorities.certificate(below))


def test_key_identifiers_lead_from_leaf_to_root(made, above):
    for one, next_one in zip([read(made["P-256"]), above[0]], above, strict=True):
        identifier = extension(next_one, x509.SubjectKeyIdentifier).key_identifier
        assert extension(one, x509.AuthorityKeyIdentifier).key_identifier == identifier
    assert extension(read(made["P-256"]), x509.SubjectKeyIdentifier)


PURPOSES = {"P-256": [SERVER, CLIENT], "client": [CLIENT, MAIL], "code": [CODE], "none": [SERVER], "typed": [CLIENT]}
PROFILES = {"P-256": "tlsServer", "client": "tlsClient", "code": "codeSigning", "none": "tlsServer", "typed": "tlsClient"}


@pytest.mark.parametrize("label", PURPOSES)
def test_purposes_are_those_of_the_profile_that_they_call_for(authorities, below, made, label):
    leaf = read(made[label])
    assert [each.dotted_string for each in extension(leaf, x509.ExtendedKeyUsage)] == PURPOSES[label]
    assert authorities.issued(below, f"{leaf.serial_number:x}")["profile"] == PROFILES[label]


def test_a_leaf_signs_nothing(made):
    leaf = read(made["RSA-2048"])
    usage = leaf.extensions.get_extension_for_class(x509.KeyUsage)
    assert usage.critical
    assert usage.value.digital_signature and usage.value.key_encipherment
    assert not usage.value.key_cert_sign and not usage.value.crl_sign
    assert extension(leaf, x509.BasicConstraints) == x509.BasicConstraints(False, None)


def test_alternative_names_of_every_kind_are_there(made):
    names = extension(read(made["names"]), x509.SubjectAlternativeName)
    assert names.get_values_for_type(x509.DNSName) == ["www.example.com", "*.example.com"]
    assert names.get_values_for_type(x509.RFC822Name) == ["someone@example.com"]
    assert names.get_values_for_type(x509.UniformResourceIdentifier) == ["spiffe://example.com/service"]
    assert [str(one) for one in names.get_values_for_type(x509.IPAddress)] == ["192.0.2.1", "2001:db8::1"]
    (principal,) = names.get_values_for_type(x509.OtherName)
    assert principal.type_id.dotted_string == "1.3.6.1.4.1.311.20.2.3"
    assert principal.value.endswith(b"someone@corp.example.com")


def test_validity_begins_a_little_before_now_and_lasts_the_months_asked_for(made):
    leaf = read(made["P-256"])
    assert 89 <= (leaf.not_valid_after_utc - leaf.not_valid_before_utc).days <= 92


# The secret


def container_of(authorities: Authorities, one) -> tuple:
    secret = authorities.certificates.secret(one.name)
    assert secret["contentType"] == "application/x-pkcs12"
    return pkcs12.load_key_and_certificates(base64.b64decode(secret["value"]), b"")


@pytest.mark.parametrize("label", ["pfx", *(kind for kind, key in KINDS.items() if key.get("exportable", True))])
def test_the_container_has_key_leaf_and_chain(authorities, made, above, label):
    key, leaf, chain = container_of(authorities, made[label])
    assert leaf == read(made[label])
    assert public_der(key) == public_der(leaf)
    assert set(chain) == set(above)


@pytest.mark.parametrize("kind", [kind for kind, key in KINDS.items() if not key.get("exportable", True)])
def test_the_container_of_a_key_in_hardware_has_leaf_and_chain_alone(authorities, made, above, kind):
    key, leaf, others = container_of(authorities, made[kind])
    assert key is None
    assert {one for one in [leaf, *others] if one is not None} == {read(made[kind]), *above}


def test_the_text_has_key_leaf_and_chain_in_order(authorities, made, above):
    secret = authorities.certificates.secret(made["pem"].name)
    assert secret["contentType"] == "application/x-pem-file"
    assert x509.load_pem_x509_certificates(secret["value"].encode()) == [read(made["pem"]), *above]
    assert public_der(load_pem_private_key(secret["value"].encode(), None)) == public_der(read(made["pem"]))


# What was issued is on record


@pytest.mark.operation("AuthorityIssuedGet")
def test_what_was_issued_names_its_certificate_and_who_asked(authorities, below, made):
    leaf = read(made["P-256"])
    issued = authorities.issued(below, f"{leaf.serial_number:032x}")
    assert certificates_of(issued)[0] == certificate_of(issued) == leaf
    assert issued["certificate"] == made["P-256"].id.rsplit("/", 1)[0]
    assert (issued["status"], issued["subject"]) == ("good", "CN=www.example.com")
    assert issued["nbf"] == leaf.not_valid_before_utc.timestamp() and issued["exp"] == leaf.not_valid_after_utc.timestamp()


@pytest.mark.parametrize("form", ["{:x}", "{:X}", "0{:x}"])
def test_a_serial_number_is_read_in_any_form(authorities, below, made, form):
    serial = read(made["P-256"]).serial_number
    assert int(authorities.issued(below, form.format(serial))["serial_number"], 16) == serial


# Again


def test_a_second_version_has_a_new_key_unless_it_is_to_be_kept(certificate_client, issuer, name):
    begun = []
    for label, keeps in (("new", False), ("kept", True)):
        begun.append(certificate_client.begin_create_certificate(f"{name}-{label}", wanted(issuer, reuse_key=keeps), **FAST))
    first = [read(poller.result()) for poller in begun]
    begun = [
        certificate_client.begin_create_certificate(f"{name}-{label}", wanted(issuer, reuse_key=keeps), **FAST)
        for label, keeps in (("new", False), ("kept", True))
    ]
    second = [read(poller.result()) for poller in begun]
    assert [public_der(one) == public_der(two) for one, two in zip(first, second, strict=True)] == [False, True]
    assert len({one.serial_number for one in [*first, *second]}) == 4
    assert {one.issuer for one in second} == {first[0].issuer}


# Where the authority is


@pytest.fixture(scope="module")
def elsewhere(server) -> str:
    """An authority of the vault `demo2`."""
    name = fresh("elsewhere")
    Authorities(server.wire("demo2")).root(name)
    return name


def test_an_authority_of_another_vault_issues(server, certificate_client, elsewhere, name):
    other, begun = Authorities(server.wire("demo2")), {}
    identifier = other.certificates.get(elsewhere)["id"]
    for label, account in (("short", f"demo2/{elsewhere}"), ("long", identifier.rsplit("/", 1)[0]), ("version", identifier)):
        certificate_client.create_issuer(f"{name}-{label}", "OnPremiseCA", account_id=account)
        begun[label] = certificate_client.begin_create_certificate(f"{name}-{label}", wanted(f"{name}-{label}"), **FAST)
    for label, poller in begun.items():
        leaf = read(poller.result())
        leaf.verify_directly_issued_by(other.certificate(elsewhere))
        issued = other.issued(elsewhere, f"{leaf.serial_number:x}")
        assert issued["certificate"] == f"{server.vault_url()}/certificates/{name}-{label}"


def test_an_issuer_without_an_account_is_the_authority_of_its_name(authorities, own):
    authorities.set(own)
    authorities.issuer(own, None)
    authorities.certificates.create(f"{own}-leaf", leaf_policy(own))
    authorities.certificate(f"{own}-leaf").verify_directly_issued_by(authorities.certificate(own))


@pytest.mark.parametrize("account", ["nobody", "demo2/nobody", "nowhere/nobody", "https://example.com/certificates/x", "a/b/c/d", "a b"])
def test_an_issuer_needs_an_authority_behind_it(certificate_client, name, account):
    with pytest.raises(HttpResponseError) as refused:
        certificate_client.create_issuer(name, "OnPremiseCA", account_id=account)
    assert (refused.value.status_code, refused.value.error.code) == (400, "BadParameter")
    assert "credentials.account_id" in refused.value.message


def test_an_issuer_is_not_changed_to_what_is_no_authority(certificate_client, root, name):
    certificate_client.create_issuer(name, "OnPremiseCA", account_id=root)
    with pytest.raises(HttpResponseError):
        certificate_client.update_issuer(name, account_id="nobody")
    assert certificate_client.get_issuer(name).account_id == root


REFUSED = {
    "too long": ({"validity_in_months": 24}, "at most 398 days"),
    "a purpose of no profile": ({"enhanced_key_usage": ["1.3.6.1.5.5.7.3.8"]}, "no profile"),
    "purposes of two profiles": ({"enhanced_key_usage": [SERVER, CODE]}, "does not allow the purpose"),
    "signing others": ({"key_usage": ["keyCertSign"]}, "does not allow the key usage keyCertSign"),
}


def test_a_refusal_ends_the_order_with_its_reason(authorities, certificate_client, issuer, name):
    for number, (parts, _) in enumerate(REFUSED.values()):
        certificate_client.begin_create_certificate(f"{name}-{number}", wanted(issuer, **parts), _polling_interval=60)
    for number, (_, reason) in enumerate(REFUSED.values()):
        authorities.certificates.wait(f"{name}-{number}")
        failed = certificate_client.get_certificate_operation(f"{name}-{number}")
        assert (failed.status, failed.error.code) == ("failed", "Request rejected")
        assert reason in failed.error.message
