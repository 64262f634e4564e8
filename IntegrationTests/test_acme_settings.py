"""What is accepted as a directory, as an issuer, and as the `acme` part of a configuration."""

import json

import pytest

from harness.acme_site import AcmeServer
from harness.acme_wire import ask_issuer, make_issuer
from harness.authorities_wire import reason_of
from harness.certificates import CertificateAuthority
from harness.certificates_wire import Certificates
from harness.production import Production
from harness.tokens import encode

FIRST, SECOND = "https://acme.example.com/directory", "https://acme.example.net/dir"
KEY = encode(bytes(range(32)))
SHORT = encode(bytes(15))
WEBHOOK = {"webhook": "https://dns.example.com/hook", "secret": "fd:9"}


@pytest.fixture(scope="module")
def two(binary, tmp_path_factory):
    """A server that may use two directories, neither of which is there."""
    folder = tmp_path_factory.mktemp("settings")
    (folder / "ca.pem").write_bytes(CertificateAuthority().pem())
    server = AcmeServer(binary, folder / "data")
    server.options = ("--acme-directory", FIRST, "--acme-directory", f"{SECOND},{folder / 'ca.pem'}")
    try:
        yield Certificates(server.start().wire())
    finally:
        server.kill()


# Issuers


@pytest.mark.parametrize("directory", [FIRST, SECOND])
def test_an_issuer_of_a_configured_directory_is_set_and_read(two, directory):
    make_issuer(two, "good", directory, email="pki@example.com", account_id="kid", pwd=KEY)
    read = two.wire.get("/certificates/issuers/good").json()
    assert (read["provider"], read["org_details"]["id"], read["credentials"]) == ("ACME", directory, {"account_id": "kid"})
    assert read["org_details"]["admin_details"] == [{"email": "pki@example.com"}]


@pytest.mark.parametrize(
    "directory",
    ["https://acme.example.org/directory", FIRST + "/", FIRST.upper(), FIRST.replace("https", "http"), "acme.example.com", "x"],
)
def test_a_directory_that_is_not_configured_is_refused(two, directory):
    assert "directory" in reason_of(ask_issuer(two, "bad", directory))
    assert two.wire.get("/certificates/issuers/bad").status_code == 404


def test_with_several_directories_one_must_be_named(two):
    assert "org_details.id" in reason_of(ask_issuer(two, "bad"))


@pytest.mark.parametrize(
    "credentials",
    [
        {"account_id": "kid"},
        {"pwd": KEY},
        {"account_id": "", "pwd": KEY},
        {"account_id": "kid", "pwd": ""},
        {"account_id": "kid", "pwd": SHORT},
        {"account_id": "kid", "pwd": "not base64url, however long it may be!"},
        {"account_id": "kid", "pwd": KEY + "AA"},
        {"account_id": "kid", "pwd": "+/" * 16},
    ],
)
def test_credentials_that_bind_no_account_are_refused_and_not_shown(two, credentials):
    answer = ask_issuer(two, "bad", FIRST, **credentials)
    reason_of(answer)
    assert not credentials.get("pwd") or credentials["pwd"] not in answer.text


@pytest.mark.parametrize("change", [{"org_details": {"id": "https://acme.example.org/"}}, {"credentials": {"pwd": SHORT}}])
def test_a_change_is_judged_like_the_whole(two, change):
    make_issuer(two, "changed", FIRST, account_id="kid", pwd=KEY)
    reason_of(two.wire.patch("/certificates/issuers/changed", json=change))
    assert two.wire.get("/certificates/issuers/changed").json()["org_details"]["id"] == FIRST


def test_without_a_directory_there_is_no_such_issuer(server, name):
    certificates = Certificates(server.wire())
    for directory in (None, FIRST):
        assert "provider" in reason_of(ask_issuer(certificates, name, directory))


@pytest.mark.parametrize("provider", ["DigiCert", "GlobalSign"])
def test_an_issuer_of_azure_is_set_whatever_is_configured(server, name, provider):
    certificates = Certificates(server.wire())
    make_issuer(certificates, name, provider=provider)
    make_issuer(certificates, name, "12345", provider=provider, account_id="account", pwd="password")
    assert certificates.wire.get(f"/certificates/issuers/{name}").json()["credentials"] == {"account_id": "account"}


# `strongroom dev`


@pytest.mark.parametrize(
    "options",
    [
        ("--acme-directory", "http://acme.example.com/dir"),
        ("--acme-directory", "acme.example.com"),
        ("--acme-directory", ""),
        ("--acme-directory", FIRST + ",/none/ca.pem"),
        ("--acme-dns-command", "hook.sh"),
        ("--acme-dns-command", "/none/hook.sh"),
        ("--acme-dns-command", "/etc/passwd"),
        ("--acme-dns-command", "/usr/bin"),
    ],
)
def test_options_that_make_no_sense_stop_the_start(cli, tmp_path, options):
    result = cli.run("dev", "--data", str(tmp_path / "data"), *options, exit_code=None)
    assert result.returncode in (64, 78) and result.stderr.strip()


# `strongroom serve`


@pytest.fixture(scope="module")
def production(binary, tmp_path_factory):
    folder = tmp_path_factory.mktemp("acme-serve")
    (folder / "program").touch(mode=0o600)
    return Production(binary, folder).initialise()


def directories(*entries) -> dict:
    return {"directories": list(entries)}


@pytest.mark.parametrize(
    "member, acme",
    [
        ("acme", {**directories({"url": FIRST}), "unknown": 1}),
        ("acme", "https://acme.example.com"),
        ("acme.directories", {"directories": FIRST}),
        ("acme.directories", directories(FIRST)),
        ("acme.directories", directories({})),
        ("acme.directories", directories({"url": "http://acme.example.com"})),
        ("acme.directories", directories({"url": ""})),
        ("acme.directories", directories({"url": FIRST, "unknown": 1})),
        ("acme.directories", directories({"url": FIRST, "caFile": "/none"})),
        ("acme.directories", directories({"url": FIRST}, {"url": FIRST})),
        ("acme.dns", {**directories({"url": FIRST}), "dns": {}}),
        ("acme.dns", {**directories({"url": FIRST}), "dns": {"command": "/usr/bin/true", **WEBHOOK}}),
        ("acme.dns.command", {**directories({"url": FIRST}), "dns": {"command": "bin/true"}}),
        ("acme.dns.command", {**directories({"url": FIRST}), "dns": {"command": "/none"}}),
        ("acme.dns.command", {**directories({"url": FIRST}), "dns": {"command": "{folder}/program"}}),
        ("acme.dns.command", {**directories({"url": FIRST}), "dns": {"command": "/usr/bin"}}),
        ("acme.dns.webhook", {**directories({"url": FIRST}), "dns": {**WEBHOOK, "webhook": "http://dns.example.com"}}),
        ("acme.dns.secret", {**directories({"url": FIRST}), "dns": {**WEBHOOK, "secret": "the secret itself"}}),
        ("acme.dns", {**directories({"url": FIRST}), "dns": {"webhook": WEBHOOK["webhook"]}}),
        ("acme.dns.caFile", {**directories({"url": FIRST}), "dns": {**WEBHOOK, "caFile": "/none"}}),
    ],
)
def test_settings_that_make_no_sense_stop_the_start(production, member, acme):
    production.settings["acme"] = json.loads(json.dumps(acme).replace("{folder}", str(production.folder)))
    result = production.run("serve")
    assert (result.returncode, result.stdout) == (78, ""), result.stderr
    assert result.stderr.count("\n") == 1 and member in result.stderr
    assert "the secret itself" not in result.stderr
