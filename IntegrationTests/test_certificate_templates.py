"""Templates of certificates: policies that a vault keeps under a name, with places for the names that are not known yet."""

import json

import pytest
from azure.keyvault.certificates import CertificatePolicy
from cryptography import x509

from harness.application import Application
from harness.audit import now, records_about
from harness.authorities_wire import fresh
from harness.certificate_templates import PLACES, WEB, Templates, create, holds
from harness.certificates_made import PEM, certificate_of, pfx, self_signed
from harness.certificates_wire import Certificates, policy, refusal
from harness.keys_wire import done
from harness.versions import ALL
from harness.wire import Wire

pytest_plugins = ["harness.certificates_fixtures"]


@pytest.fixture
def name() -> str:
    """Short, for it becomes part of a common name, which has at most 64 letters."""
    return fresh("t")


@pytest.fixture
def templates(wire) -> Templates:
    return Templates(wire)


# Keeping them


@pytest.mark.operation("CertificateTemplateSet")
@pytest.mark.operation("CertificateTemplateGet")
def test_a_template_is_kept_as_it_was_given(server, templates, name):
    kept = templates.set(name, WEB)
    assert kept["id"] == f"{server.vault_url()}/certificatetemplates/{name}"
    assert holds(kept["policy"], WEB)
    assert templates.get(name) == kept


@pytest.mark.operation("CertificateTemplatesList")
def test_the_list_has_every_template_over_its_pages(server, name):
    pages = Templates(server.wire("pages"))
    wanted = [f"{name}-{letter}" for letter in "abcde"]
    for each in wanted:
        pages.set(each, WEB)
    for query in ({}, {"maxresults": 2}):
        assert [each for item in pages.list(**query) if (each := item["id"].rsplit("/", 1)[1]).startswith(name)] == wanted


@pytest.mark.operation("CertificateTemplateDelete")
def test_a_deleted_template_is_gone(templates, name):
    kept = templates.set(name, WEB)
    assert templates.delete(name)["id"] == kept["id"]
    for answer in (templates.wire.get(f"/certificatetemplates/{name}"), templates.wire.delete(f"/certificatetemplates/{name}")):
        assert refusal(answer) == (404, "CertificateTemplateNotFound")
    assert kept["id"] not in [item["id"] for item in templates.list()]


def test_setting_it_again_replaces_it(templates, name):
    templates.set(name, WEB)
    templates.set(name, policy(x509_props={"subject": "CN={{cert-name}}"}))
    shown = templates.get(name)["policy"]["x509_props"]
    assert shown["subject"] == "CN={{cert-name}}"
    assert not shown.get("sans", {}).get("dns_names")


def test_a_template_is_of_one_vault(server, templates, certificates, name):
    templates.set(name, WEB)
    assert refusal(server.wire("other").get(f"/certificatetemplates/{name}")) == (404, "CertificateTemplateNotFound")
    answer = Certificates(server.wire("other")).ask_create(name, None, template=name)
    assert refusal(answer) == (404, "CertificateTemplateNotFound")


@pytest.mark.parametrize("api", ALL)
def test_every_api_version_knows_them(templates, name, api):
    done(templates.ask_set(name, WEB, version=api))
    done(templates.wire.get(f"/certificatetemplates/{name}", version=api))
    done(templates.wire.get("/certificatetemplates", version=api))
    done(templates.wire.delete(f"/certificatetemplates/{name}", version=api))


@pytest.mark.parametrize("wrong", ["a_b", "a.b", "ä", "a" * 128])
def test_a_name_with_other_letters_is_refused(templates, wrong):
    assert refusal(templates.ask_set(wrong, WEB)) == (400, "BadParameter")


@pytest.mark.parametrize("size", ["0", "26", "x"])
def test_a_page_of_a_wrong_size_is_refused(templates, size):
    assert refusal(templates.wire.get("/certificatetemplates", query={"maxresults": size})) == (400, "BadParameter")


WRONG = {
    "a type of key": policy(key={"kty": "oct"}),
    "a size": policy(key={"kty": "RSA", "key_size": 1024}),
    "months": policy(x509_props={"subject": "CN=x", "validity_months": 0}),
    "a usage": policy(x509_props={"subject": "CN=x", "key_usage": ["everything"]}),
    "a place that is none": policy(x509_props={"subject": "CN={{user-name}}"}),
    "a place that is none in a name": policy(x509_props={"subject": "CN=x", "sans": {"dns_names": ["{{host}}.company.com"]}}),
}


@pytest.mark.parametrize("label", WRONG)
def test_a_policy_that_breaks_a_rule_is_refused(templates, name, label):
    assert refusal(templates.ask_set(name, WRONG[label])) == (400, "BadParameter")
    assert templates.wire.get(f"/certificatetemplates/{name}").status_code == 404


@pytest.mark.parametrize("body", [{}, {"policy": None}, {"policy": "CN=x"}, []], ids=json.dumps)
def test_a_body_without_a_policy_is_refused(templates, name, body):
    assert refusal(templates.wire.put(f"/certificatetemplates/{name}", json=body)) == (400, "BadParameter")


# Creating by them


@pytest.fixture
def web(templates, name) -> str:
    """A template that no other test has."""
    templates.set(f"{name}-web", WEB)
    return f"{name}-web"


def test_the_places_are_filled_in(certificates, web, name):
    certificate = certificate_of(create(certificates, name, web))
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert certificate.subject.rfc4514_string() == f"CN={name}.company.com,O=demo"
    assert names.get_values_for_type(x509.DNSName) == [f"{name}.company.com", f"{name}.demo.company.com"]
    assert names.get_values_for_type(x509.RFC822Name) == [f"{name}@company.com"]
    assert names.get_values_for_type(x509.UniformResourceIdentifier) == [f"https://demo.company.com/{name}"]
    (principal,) = names.get_values_for_type(x509.OtherName)
    assert principal.value.endswith(f"{name}@demo.company.com".encode())


def test_the_policy_of_the_certificate_has_no_places_left(certificates, web, name):
    made = create(certificates, name, web)
    shown = done(certificates.wire.get(f"/certificates/{name}/policy"))
    assert "{{" not in json.dumps([made, shown])
    filled = json.loads(json.dumps(WEB).replace("{{cert-name}}", name).replace("{{vault-name}}", "demo"))
    assert holds(shown, filled) and holds(made["policy"], filled)
    assert certificates.secret(name)["contentType"] == PEM


def test_attributes_and_tags_stand_beside_the_template(certificates, web, name):
    made = create(certificates, name, web, attributes={"enabled": False}, tags={"a": "b"})
    assert (made["attributes"]["enabled"], made["tags"]) == (False, {"a": "b"})


def test_a_template_keeps_its_places(certificates, templates, web, name):
    before = templates.get(web)
    create(certificates, name, web)
    assert templates.get(web) == before


def test_a_changed_template_changes_no_certificate(certificates, templates, web, name):
    create(certificates, name, web)
    before = done(certificates.wire.get(f"/certificates/{name}/policy"))
    templates.set(web, policy(x509_props={"subject": "CN=changed"}))
    assert done(certificates.wire.get(f"/certificates/{name}/policy")) == before
    renewed = certificate_of(certificates.create(name))
    assert renewed.subject.rfc4514_string() == f"CN={name}.company.com,O=demo"


def test_a_certificate_outlives_its_template(certificates, templates, web, name):
    create(certificates, name, web)
    templates.delete(web)
    assert certificate_of(certificates.create(name)).subject.rfc4514_string() == f"CN={name}.company.com,O=demo"


def test_a_next_version_may_be_made_by_another_template(certificates, templates, web, name):
    create(certificates, name, web)
    templates.set(f"{name}-next", policy(x509_props={"subject": "CN={{cert-name}}-next"}))
    assert certificate_of(create(certificates, name, f"{name}-next")).subject.rfc4514_string() == f"CN={name}-next"


def test_a_template_and_a_policy_are_too_much(certificates, web, name):
    assert refusal(certificates.ask_create(name, policy(), template=web)) == (400, "BadParameter")
    assert certificates.wire.get(f"/certificates/{name}/pending").status_code == 404


def test_a_template_that_is_not_there_is_not_found(certificates, name):
    assert refusal(certificates.ask_create(name, None, template="nowhere")) == (404, "CertificateTemplateNotFound")


@pytest.mark.parametrize("template", ["", "a/b", 7, ["x"]], ids=str)
def test_a_template_of_no_name_is_refused(certificates, name, template):
    assert certificates.ask_create(name, None, template=template).status_code in (400, 404)


def test_a_template_may_name_an_issuer_that_comes_later(certificates, templates, name):
    templates.set(name, policy(f"{name}-issuer"))
    assert refusal(certificates.ask_create(name, None, template=name)) == (400, "BadParameter")
    done(certificates.wire.put(f"/certificates/issuers/{name}-issuer", json={"provider": "Test"}))
    certificates.begin(name, None, template=name)


# Places in any policy


def test_places_are_filled_in_without_a_template(certificates, name):
    made = certificates.create(name, policy(x509_props=PLACES))
    assert certificate_of(made).subject.rfc4514_string() == f"CN={name}.company.com,O=demo"
    assert "{{" not in json.dumps(done(certificates.wire.get(f"/certificates/{name}/policy")))


def test_the_client_may_use_them(certificate_client, name):
    names = {"subject": "CN={{cert-name}}", "san_dns_names": ["{{cert-name}}.company.com"]}
    wanted = CertificatePolicy("Self", key_type="EC", key_curve_name="P-256", **names)
    made = certificate_client.begin_create_certificate(name, wanted, _polling_interval=1).result()
    certificate = x509.load_der_x509_certificate(bytes(made.cer))
    assert certificate.subject.rfc4514_string() == f"CN={name}"
    assert made.policy.san_dns_names == [f"{name}.company.com"]


CROOKED = ["{{user-name}}", "{{}}", "{{cert-name", "{{ cert-name }}", "{{CERT-NAME}}", "{{{{cert-name}}}}", "{{cert-name}}}}"]


@pytest.mark.parametrize("place", CROOKED)
@pytest.mark.parametrize("member", ["subject", "dns_names"])
def test_what_is_no_place_is_refused_or_filled_in(certificates, name, member, place):
    """Nothing with a pair of braces is ever kept."""
    props = {"subject": {"subject": f"CN={place}"}, "dns_names": {"sans": {"dns_names": [f"{place}.example.com"]}}}
    answer = certificates.ask_create(name, policy(x509_props=props[member]))
    if answer.status_code == 202:
        assert "{{" not in certificates.wire.get(f"/certificates/{name}/policy").text
        return
    assert refusal(answer) == (400, "BadParameter")


def test_a_place_that_is_none_is_refused_by_its_member(certificates, name):
    answer = certificates.ask_create(name, policy(x509_props={"subject": "CN={{user-name}}"}))
    assert refusal(answer) == (400, "BadParameter")
    message = answer.json()["error"]["message"]
    assert "policy.x509_props.subject" in message and "{{cert-name}}" in message


def test_a_subject_that_grows_too_long_is_refused(certificates, templates, name):
    templates.set(name, policy(x509_props={"subject": "CN={{cert-name}}.company.com"}))
    answer = certificates.ask_create(f"{name}-{'x' * 60}", None, template=name)
    assert refusal(answer) == (400, "BadParameter")
    assert "subject" in answer.json()["error"]["message"]


@pytest.mark.parametrize("path", ["/policy", ""])
@pytest.mark.parametrize("place", ["{{cert-name}}", "{{user-name}}"])
def test_a_changed_policy_keeps_no_places(certificates, name, path, place):
    certificates.create(name, policy())
    changed = {"x509_props": {"subject": f"CN={place}"}}
    answer = certificates.wire.patch(f"/certificates/{name}{path}", json=changed if path else {"policy": changed})
    shown = certificates.wire.get(f"/certificates/{name}/policy").json()
    assert "{{" not in json.dumps(shown)
    assert answer.status_code == 400 or shown["x509_props"]["subject"] == f"CN={name}"


def test_an_imported_policy_keeps_no_places(certificates, name):
    answer = certificates.ask_import(name, pfx(*self_signed()), policy={"x509_props": {"subject": "CN={{cert-name}}"}})
    assert answer.status_code == 400 or "{{" not in certificates.wire.get(f"/certificates/{name}/policy").text


# Roles


CALLS = {
    "get": lambda wire, name: wire.get(f"/certificatetemplates/{name}"),
    "list": lambda wire, name: wire.get("/certificatetemplates"),
    "set": lambda wire, name: wire.put(f"/certificatetemplates/{name}", json={"policy": WEB}),
    "delete": lambda wire, name: wire.delete(f"/certificatetemplates/{name}"),
}
ROLES = {
    "Key Vault Administrator": set(CALLS),
    "Key Vault Certificates Officer": set(CALLS),
    "Key Vault Reader": {"get", "list"},
    "Key Vault Certificate User": set(),
    "Key Vault Secrets Officer": set(),
    "Key Vault Contributor": set(),
}


@pytest.fixture(scope="module")
def holders(server, cli) -> dict[str, Application]:
    """An application for each role, which it has on the vault `demo`."""
    made = {role: cli.create_application(fresh(role.replace(" ", "-"))) for role in ROLES}
    for role, application in made.items():
        cli.assign(application, role, server.vault_scope())
    return made


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("role", ROLES)
def test_a_role_allows_what_its_definition_says(server, holders, name, role, call):
    answer = CALLS[call](server.wire(application=holders[role]), name)
    if answer.status_code == 403:
        assert answer.json()["error"]["innererror"]["code"] == "ForbiddenByRbac"
    else:
        assert answer.status_code in (200, 404), answer.text
    assert (answer.status_code != 403) is (call in ROLES[role])


@pytest.mark.parametrize("call", CALLS)
def test_without_a_token_nothing_is_answered(server, name, call):
    answer = CALLS[call](Wire(server.vault_url(), server.bundle), name)
    assert answer.status_code == 401 and "Bearer" in answer.headers["WWW-Authenticate"]


def test_each_call_leaves_a_record(cli, templates, name):
    begun = now()
    templates.set(name, WEB)
    templates.get(name)
    templates.delete(name)
    named = [record["operationName"] for record in records_about(cli, f"/certificatetemplates/{name}", since=begun)]
    assert sorted(named) == ["CertificateTemplateDelete", "CertificateTemplateGet", "CertificateTemplateSet"]


# Restarts


def test_templates_are_there_after_a_kill(own_server):
    server = own_server(vaults=("demo",))
    kept = Templates(server.wire()).set("web", WEB)
    server.kill()
    server.start()
    assert Templates(server.wire_with(server.fresh_token())).get("web") == kept
    assert certificate_of(create(Certificates(server.wire_with(server.fresh_token())), "one", "web"))
