"""`strongroom certificate template …` and `strongroom certificate create`: policies in the shapes that people have them."""

import json
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from harness.authorities_wire import Authorities, fresh
from harness.certificate_templates import PLACES, WEB, Templates, holds
from harness.certificates_made import certificate_of
from harness.certificates_wire import policy
from harness.keys_wire import done

pytest_plugins = ["harness.authorities_fixtures", "harness.certificates_fixtures"]

# As a team of operators writes it down: the names of the members are those of `az`.
RUNBOOK = {
    "certificatePolicy": {
        "secretProperties": {"contentType": "application/x-pkcs12"},
        "keyProperties": {"exportable": False, "keyType": "RSA", "keySize": 3072, "reuseKey": False, "curve": None},
        "x509CertificateProperties": {
            "subject": "CN={{cert-name}}.company.com",
            "subjectAlternativeNames": {
                "dnsNames": ["{{cert-name}}.company.com", "{{cert-name}}.internal.company.com"],
                "emails": [],
                "upns": [],
            },
            "keyUsage": ["digitalSignature", "keyEncipherment"],
            "extendedKeyUsage": ["1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2"],
            "validityInMonths": 13,
        },
        "lifetimeActions": [{"trigger": {"daysBeforeExpiry": 30}, "action": {"actionType": "AutoRenew"}}],
        "issuerParameters": {"name": "CompanyInternalCA", "certificateType": "OV-SSL"},
    }
}
# What `az keyvault certificate get-default-policy` prints.
DEFAULT = {
    "issuerParameters": {"certificateTransparency": None, "name": "Self"},
    "keyProperties": {"curve": None, "exportable": True, "keySize": 2048, "keyType": "RSA", "reuseKey": True},
    "lifetimeActions": [{"action": {"actionType": "AutoRenew"}, "trigger": {"daysBeforeExpiry": 90}}],
    "secretProperties": {"contentType": "application/x-pkcs12"},
    "x509CertificateProperties": {
        "keyUsage": ["cRLSign", "dataEncipherment", "digitalSignature", "keyEncipherment", "keyAgreement", "keyCertSign"],
        "subject": "CN=CLIGetDefaultPolicy",
        "validityInMonths": 12,
    },
}


@pytest.fixture
def name() -> str:
    """Short, for it becomes part of a common name, which has at most 64 letters."""
    return fresh("t")


@pytest.fixture
def templates(wire) -> Templates:
    return Templates(wire)


def set_from(cli, tmp_path, name: str, content, exit_code: int | None = 0):
    (tmp_path / "policy.json").write_text(content if isinstance(content, str) else json.dumps(content))
    return cli.run("certificate", "template", "set", name, "--policy", str(tmp_path / "policy.json"), exit_code=exit_code)


@pytest.fixture(scope="module")
def company(server, root) -> str:
    """The issuer that the runbook names."""
    return Authorities(server.wire()).issuer("CompanyInternalCA", root)


def test_the_template_of_the_runbook_makes_a_certificate(cli, certificates, company, root, name, tmp_path):
    set_from(cli, tmp_path, f"{name}-web", RUNBOOK)
    tags = ("--tag", "environment=prod", "--tag", "owner=Web=Team")
    printed = cli.run("certificate", "create", name, "--template", f"{name}-web", *tags).stdout
    made = certificates.get(name)
    assert printed.strip() == made["id"]
    assert made["tags"] == {"environment": "prod", "owner": "Web=Team"}
    certificate = certificate_of(made)
    certificate.verify_directly_issued_by(certificate_of(certificates.get(root)))
    assert certificate.subject.rfc4514_string() == f"CN={name}.company.com"
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == [f"{name}.company.com", f"{name}.internal.company.com"]
    purposes = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert set(purposes) == {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH}
    usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    assert usage.digital_signature and usage.key_encipherment and not usage.key_cert_sign
    assert isinstance(certificate.public_key(), rsa.RSAPublicKey) and certificate.public_key().key_size == 3072
    lasts = certificate.not_valid_after_utc - certificate.not_valid_before_utc
    assert timedelta(days=394) < lasts < timedelta(days=398)
    shown = made["policy"]
    assert shown["key_props"]["exportable"] is False and shown["key_props"]["reuse_key"] is False
    assert (shown["issuer"]["name"], shown["issuer"]["cty"]) == ("CompanyInternalCA", "OV-SSL")
    (action,) = shown["lifetime_actions"]
    assert action == {"trigger": {"days_before_expiry": 30}, "action": {"action_type": "AutoRenew"}}


@pytest.mark.parametrize(
    "content",
    [RUNBOOK, RUNBOOK["certificatePolicy"], DEFAULT, WEB],
    ids=["of the runbook", "without its outside", "of az", "of the wire"],
)
def test_a_file_may_have_any_shape_that_people_have(cli, templates, name, tmp_path, content):
    set_from(cli, tmp_path, name, content)
    shown = templates.get(name)["policy"]
    subjects = {"CN={{cert-name}}.company.com", "CN=CLIGetDefaultPolicy", PLACES["subject"]}
    assert shown["x509_props"]["subject"] in subjects
    assert shown["key_props"]["kty"] in ("RSA", "EC")


def test_the_shape_of_az_loses_nothing(cli, templates, name, tmp_path):
    set_from(cli, tmp_path, name, DEFAULT)
    shown = templates.get(name)["policy"]
    wanted = {
        "issuer": {"name": "Self"},
        "key_props": {"exportable": True, "key_size": 2048, "kty": "RSA", "reuse_key": True},
        "secret_props": {"contentType": "application/x-pkcs12"},
        "x509_props": {"validity_months": 12, "key_usage": DEFAULT["x509CertificateProperties"]["keyUsage"]},
        "lifetime_actions": [{"trigger": {"days_before_expiry": 90}, "action": {"action_type": "AutoRenew"}}],
    }
    assert holds(shown, wanted)


def test_a_template_is_shown_listed_and_deleted(cli, templates, name):
    templates.set(name, WEB)
    assert cli.json("certificate", "template", "show", name) == templates.get(name)
    assert [line for line in cli.run("certificate", "template", "list").stdout.splitlines() if name in line]
    cli.run("certificate", "template", "delete", name)
    assert templates.wire.get(f"/certificatetemplates/{name}").status_code == 404


def test_a_certificate_that_fails_is_told_with_its_reason(cli, certificates, templates, name):
    done(certificates.wire.put(f"/certificates/issuers/{name}-issuer", json={"provider": "Test"}))
    templates.set(name, policy(f"{name}-issuer", x509_props={"subject": "CN={{cert-name}}"}))
    result = cli.run("certificate", "create", name, "--template", name, exit_code=1)
    assert certificates.pending(name)["error"]["message"] in result.stderr
    assert result.stdout == ""


REFUSED = {
    "a template that is not there": ("create", "x", "--template", "nobody-has-this-name"),
    "no template to show": ("template", "show", "nobody-has-this-name"),
    "no template to delete": ("template", "delete", "nobody-has-this-name"),
    "a file that is not there": ("template", "set", "x", "--policy", "/nowhere/at/all"),
    "a name that is none": ("template", "set", "a b", "--policy", "/dev/null"),
    "a tag that is none": ("create", "x", "--template", "x", "--tag", "nothing"),
    "a vault that is not there": ("template", "list", "--vault", "nowhere"),
}


@pytest.mark.parametrize("label", REFUSED)
def test_what_cannot_be_done_is_said_in_words(cli, label):
    result = cli.run("certificate", *REFUSED[label], exit_code=None)
    assert result.returncode != 0 and result.stdout == ""
    assert result.stderr.strip() and "Error Domain" not in result.stderr


CROOKED = {
    "no JSON": "{",
    "a list": "[]",
    "nothing": "",
    "no member of a policy": {"a": 1},
    "a type of key": {**DEFAULT, "keyProperties": {"keyType": "oct"}},
}


@pytest.mark.parametrize("label", CROOKED)
def test_a_crooked_file_is_refused(cli, templates, name, tmp_path, label):
    result = set_from(cli, tmp_path, name, CROOKED[label], exit_code=None)
    assert result.returncode != 0 and result.stderr.count("\n") == 1
    assert templates.wire.get(f"/certificatetemplates/{name}").status_code == 404
