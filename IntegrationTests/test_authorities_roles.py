"""Who may do what with an authority, and that an issuer is no way around it."""

import pytest

from harness.application import Application
from harness.authorities_wire import Authorities, fresh, pem_of, signing_request
from harness.certificates_wire import refusal
from harness.wire import Wire

pytest_plugins = ["harness.authorities_fixtures"]

_CSR = pem_of(signing_request())


def _path(root: str, rest: str = "") -> str:
    return f"/certificates/{root}/authority{rest}"


READING = {
    "get": lambda wire, root: wire.get(_path(root)),
    "list": lambda wire, root: wire.get("/authorities"),
    "list issued": lambda wire, root: wire.get(_path(root, "/issued")),
    "get issued": lambda wire, root: wire.get(_path(root, "/issued/0102")),
}
WRITING = {
    "set": lambda wire, root: wire.put(_path(root), json={}),
    "issue": lambda wire, root: wire.post(_path(root, "/issue"), json={"csr": _CSR}),
    "revoke": lambda wire, root: wire.post(_path(root, "/revoke"), json={"serial_number": "0102"}),
    "publish": lambda wire, root: wire.post(_path(root, "/publish")),
}
CALLS = {**READING, **WRITING}

ROLES = {
    "Key Vault Administrator": set(CALLS),
    "Key Vault Certificates Officer": set(CALLS),
    "Key Vault Reader": set(READING),
    "Key Vault Certificate User": set(),
    "Key Vault Crypto Officer": set(),
    "Key Vault Secrets Officer": set(),
    "Key Vault Contributor": set(),
}


def is_let_in(answer) -> bool:
    """A refusal must be the one of RBAC, before anything is told of what is there."""
    if answer.status_code == 403:
        assert answer.json()["error"]["code"] == "Forbidden"
        assert answer.json()["error"]["innererror"]["code"] == "ForbiddenByRbac"
        return False
    assert answer.status_code in (200, 201, 404), answer.text
    return True


@pytest.fixture(scope="module")
def holders(server, cli) -> dict[str, Application]:
    """An application for each role, which it has on the vault `demo`."""
    made = {role: cli.create_application(fresh(role.replace(" ", "-"))) for role in ROLES}
    for role, application in made.items():
        cli.assign(application, role, server.vault_scope())
    return made


@pytest.fixture(scope="module")
def asked(server, _spare) -> str:
    """An authority for calls that change it."""
    name = next(_spare)
    Authorities(server.wire()).set(name)
    return name


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("role", ROLES)
def test_a_role_allows_what_its_definition_says(server, holders, asked, role, call):
    assert is_let_in(CALLS[call](server.wire(application=holders[role]), asked)) is (call in ROLES[role])


@pytest.mark.parametrize("call", CALLS)
def test_who_has_no_role_learns_nothing_of_what_is_there(server, stranger, asked, name, call):
    wire = server.wire(application=stranger)
    there, absent = CALLS[call](wire, asked), CALLS[call](wire, name)
    assert there.status_code == absent.status_code == 403
    assert there.text.replace(asked, "") == absent.text.replace(name, "")


@pytest.mark.parametrize("call", CALLS)
def test_without_a_token_nothing_is_answered(server, asked, call):
    answer = CALLS[call](Wire(server.vault_url(), server.bundle), asked)
    assert answer.status_code == 401
    assert "Bearer" in answer.headers["WWW-Authenticate"]


@pytest.mark.parametrize(("call", "action"), [("issue", "issue/action"), ("revoke", "revoke/action"), ("set", "write"), ("get", "read")])
def test_a_refusal_names_the_permission_that_is_missing(server, stranger, asked, call, action):
    message = CALLS[call](server.wire(application=stranger), asked).json()["error"]["message"]
    assert f"Action: 'Microsoft.KeyVault/vaults/certificatecas/{action}'" in message


# Across vaults


@pytest.fixture(scope="module")
def elsewhere(server) -> str:
    """An authority of the vault `demo2`."""
    name = fresh("elsewhere")
    Authorities(server.wire("demo2")).root(name)
    return name


@pytest.mark.parametrize("form", ["demo2/{name}", "{url}/certificates/{name}"])
def test_an_issuer_is_no_way_to_an_authority_of_another_vault(server, holders, elsewhere, name, form):
    account = form.format(name=elsewhere, url=server.vault_url("demo2"))
    officer = Authorities(server.wire(application=holders["Key Vault Certificates Officer"]))
    answer = officer.ask_issuer(name, account)
    assert refusal(answer) == (403, "Forbidden")
    assert "is not authorized to issue" in answer.json()["error"]["message"]
    assert officer.wire.get(f"/certificates/issuers/{name}").status_code == 404


def test_an_issuer_of_ones_own_is_not_turned_to_another_vault(server, holders, elsewhere, asked, name):
    officer = Authorities(server.wire(application=holders["Key Vault Certificates Officer"]))
    officer.issuer(name, asked)
    changed = officer.wire.patch(f"/certificates/issuers/{name}", json={"credentials": {"account_id": f"demo2/{elsewhere}"}})
    assert changed.status_code == 403
    assert officer.wire.get(f"/certificates/issuers/{name}").json()["credentials"]["account_id"] == asked


def test_what_is_not_there_is_not_told_across_vaults(server, holders, elsewhere, name):
    officer = Authorities(server.wire(application=holders["Key Vault Certificates Officer"]))
    answers = [officer.ask_issuer(name, f"demo2/{authority}") for authority in (elsewhere, "nobody")]
    assert [answer.status_code for answer in answers] == [403, 403]


def test_who_may_issue_in_both_vaults_may_connect_them(server, cli, stranger, elsewhere, name):
    for vault in ("demo", "demo2"):
        cli.assign(stranger, "Key Vault Certificates Officer", server.vault_scope(vault))
    officer = Authorities(server.wire(application=stranger))
    assert officer.issuer(name, f"demo2/{elsewhere}") == name


def test_a_role_on_one_authority_is_good_for_that_one(server, cli, stranger, asked, root):
    cli.assign(stranger, "Key Vault Certificates Officer", f"{server.vault_scope()}/certificates/{asked}")
    wire = server.wire(application=stranger)
    assert is_let_in(CALLS["issue"](wire, asked)) is True
    assert is_let_in(CALLS["issue"](wire, root)) is False
