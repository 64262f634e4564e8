"""Tokens that somebody has signed in earnest, shown where, when or for what they do not hold."""

import hashlib
import time

import pytest

from harness.assertions import TYPE, Identity, assertion, claims_for, identity
from harness.clock import shifted
from harness.directory import READER, Directory
from harness.forged_tokens import (
    ALGORITHM, EXPIRED, FOREIGN, KEY, MALFORMED, NOT_YET, OWN_KEY, REVOKED, SIGNATURE, Door, Mint, Watch, check_refused, doors_of, mint_of,
    published_keys,
)
from harness.hsm_server import HsmServer
from harness.keys_jwk import new_ec, new_rsa
from harness.keys_wire import Keys
from harness.oidc_issuer import Issuer, IssuerHost
from harness.server import Server
from harness.tokens import encode, header_of, signing_input

DAY = 86_400
AUDIENCES = {
    "vault": ["https://vault.azure.net", "https://vault.azure.net/"],
    "pool": ["https://managedhsm.azure.net", "https://managedhsm.azure.net/"],
    "management": ["https://management.azure.com", "https://management.azure.com/", "https://management.core.windows.net/"],
    "graph": ["https://graph.microsoft.com", "https://graph.microsoft.com/"],
}
SUBJECT = "repo:company/shop:ref:refs/heads/main"


@pytest.fixture(scope="module")
def doors(server) -> dict[str, Door]:
    return {door.name: door for door in doors_of(server)}


@pytest.fixture(scope="module")
def mint(server, doors) -> Mint:
    """It knows a token for the vault."""
    return mint_of(server, doors["vault"])


@pytest.fixture(scope="module")
def watch(server, doors) -> Watch:
    return Watch(server)


def tokens_of(server: Server, application=None, verify=None) -> dict[str, str]:
    """A fresh token for each door of a server."""
    return {door.name: server.fresh_token(application, door.resource, verify) for door in doors_of(server, verify)}


# For another host


@pytest.mark.parametrize("own", [True, False], ids=["our-audience", "audiences-of-azure"])
@pytest.mark.parametrize("shown_to", AUDIENCES)
@pytest.mark.parametrize("made_for", AUDIENCES)
def test_a_token_opens_the_host_it_is_for_and_no_other(server, doors, watch, made_for, shown_to, own):
    meant, door = doors[made_for], doors[shown_to]
    for audience in [meant.resource, meant.resource + "/"] if own else AUDIENCES[made_for]:
        token = server.token(resource=audience)
        if made_for == shown_to:
            assert door.show(token).status_code == 200, audience
        else:
            watch.refused(door, token, f"AKV10022: Invalid audience. Expected {door.resource}, found: {meant.resource}.")


# Of another server


@pytest.fixture(scope="module")
def elsewhere(binary, tmp_path_factory):
    """Another server, with a tenant and signing keys of its own."""
    running = Server(binary, tmp_path_factory.mktemp("elsewhere") / "data").start()
    yield running
    running.kill()


@pytest.mark.parametrize("audience", [each[0] for each in AUDIENCES.values()])
def test_a_token_of_another_server_is_refused(doors, watch, elsewhere, audience):
    token = elsewhere.token(resource=audience)
    for door in doors.values():
        watch.refused(door, token, KEY)


def test_parts_of_tokens_of_two_servers_do_not_fit(doors, watch, elsewhere, mint):
    theirs = elsewhere.token(resource="https://vault.azure.net").split(".")
    for token in (
        mint.parts(body=theirs[1]), mint.parts(proof=theirs[2]), mint.parts(body=theirs[1], proof=theirs[2]),
    ):
        watch.refused(doors["vault"], token, SIGNATURE)
    watch.refused(doors["vault"], mint.parts(head=theirs[0]), KEY)


# At another time


def refused_everywhere(server: Server, shown: dict[str, str], reason: str, verify: bool | None = None) -> None:
    for door in doors_of(server, verify):
        check_refused(door.show(shown[door.name]), door, shown[door.name], reason)


def restarted(server: Server, seconds: int) -> Server:
    return server.restart(**(shifted(seconds) if seconds else {}))


def test_a_token_that_has_ended_is_refused_everywhere(own_server):
    server = own_server()
    held = tokens_of(server)
    restarted(server, 3_600 + 70)
    refused_everywhere(server, held, EXPIRED, verify=False)


def test_a_token_that_has_not_begun_is_refused_everywhere(own_server):
    server = restarted(own_server(), 7_200)
    held = tokens_of(server, verify=False)
    restarted(server, 0)
    refused_everywhere(server, held, NOT_YET)


def wait_for_keys(server: Server, wanted) -> None:
    until = time.monotonic() + 60
    while not wanted({key["kid"] for key in published_keys(server, verify=False)}):
        assert time.monotonic() < until, "the signing key was not changed"
        time.sleep(0.1)


def test_a_token_whose_key_is_gone_is_refused_everywhere(own_server):
    """The key is changed twice; then the clock goes back into the hour of the token."""
    server = own_server()
    held = tokens_of(server)
    kid = header_of(held["vault"])["kid"]
    restarted(server, 31 * DAY)
    wait_for_keys(server, lambda kids: kids - {kid})
    restarted(server, 62 * DAY)
    wait_for_keys(server, lambda kids: kids and kid not in kids)
    restarted(server, 0)
    wait_for_keys(server, lambda kids: kid not in kids)
    refused_everywhere(server, held, KEY, verify=False)


# Of clients that are no more what they were


@pytest.mark.parametrize("change", ["delete", "disable", "reset-password"])
def test_tokens_of_a_client_that_has_changed_are_refused_everywhere(server, stranger, cli, watch, doors, change):
    held = tokens_of(server, stranger)
    assert all(door.show(held[door.name]).status_code != 401 for door in doors.values())
    cli.run("app", change, stranger.app_id)
    for door in doors.values():
        watch.refused(door, held[door.name], REVOKED)


def test_tokens_of_a_client_that_was_deleted_do_not_hold_for_one_of_its_name(server, cli, watch, doors, name):
    first = cli.create_application(name)
    held = tokens_of(server, first)
    cli.run("app", "delete", first.app_id)
    second = cli.create_application(name)
    assert second.object_id != first.object_id
    for door in doors.values():
        watch.refused(door, held[door.name], REVOKED)


# Signed by keys that lie in a vault: whoever may sign with them is no token service


@pytest.fixture(scope="module")
def vault_key(server) -> tuple[Keys, dict]:
    keys = Keys(server.wire())
    return keys, keys.create("signs-tokens", "RSA", key_size=2_048)


VAULT_KEYS = {
    "by-the-genuine-kid": (lambda m, key: {"kid": m.kid}, SIGNATURE),
    "by-its-identifier": (lambda m, key: {"kid": key["key"]["kid"]}, KEY),
    "by-its-version": (lambda m, key: {"kid": key["key"]["kid"].rpartition("/")[2]}, KEY),
    "by-its-address": (lambda m, key: {"kid": m.kid, "jku": key["key"]["kid"]}, OWN_KEY),
    "brought-along": (lambda m, key: {"kid": m.kid, "jwk": key["key"]}, OWN_KEY),
}


@pytest.mark.parametrize("case", VAULT_KEYS)
def test_a_token_signed_by_a_key_of_the_vault_is_refused(doors, watch, mint, vault_key, case):
    make, reason = VAULT_KEYS[case]
    keys, key = vault_key
    text = signing_input({**mint.header, **make(mint, key)}, mint.claims)
    proof = keys.sign(key, "RS256", hashlib.sha256(text.encode()).digest())
    watch.refused(doors["vault"], f"{text}.{encode(proof)}", reason)


# Tokens that are for something else


@pytest.fixture(scope="module")
def certified(server, tmp_path_factory) -> tuple[Identity, str]:
    """A client that proves itself by a certificate, and its id."""
    who, made = identity(), server.cli().create_application("shows-assertions")
    file = tmp_path_factory.mktemp("client") / "client.pem"
    file.write_bytes(who.pem)
    server.cli().run("app", "add-certificate", made.app_id, "--certificate", str(file))
    return who, made.app_id


ASSERTIONS = {
    "as-it-is": ({}, KEY),
    "by-PS256": ({"algorithm": "PS256"}, ALGORITHM),
    "with-its-chain": ({"x5c": ["MIIB"]}, OWN_KEY),
    "with-the-genuine-kid": ({"kid": ...}, SIGNATURE),
}


@pytest.mark.parametrize("case", ASSERTIONS)
def test_a_client_assertion_is_no_access_token(server, doors, watch, mint, certified, case):
    """Also with all the claims of one."""
    (who, client), (header, reason) = certified, ASSERTIONS[case]
    chosen = {name: mint.kid if value is ... else value for name, value in header.items()}
    for claims in (claims_for(client, f"{server.login}/{server.tenant}/oauth2/v2.0/token"), mint.claims):
        for door in doors.values():
            watch.refused(door, assertion(who, claims, **chosen), reason)


def test_a_backup_and_a_page_of_a_list_are_no_access_tokens(server, wire, doors, watch, name):
    for number in range(2):
        wire.set_secret(f"{name}-{number}")
    page = wire.get("/secrets", query={"maxresults": 1}).json()["nextLink"]
    for token in (wire.backup_secret(f"{name}-0"), page.partition("skiptoken=")[2]):
        assert len(token) > 16
        watch.refused(doors["vault"], token, MALFORMED)


# Tokens of an issuer that the server trusts: what stands for a client at the token endpoint stands for nobody at a host


@pytest.fixture(scope="module")
def issuer_host(tmp_path_factory):
    made = IssuerHost(tmp_path_factory.mktemp("issuers")).start()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def issuer(issuer_host) -> Issuer:
    made = issuer_host.issuer("trusted", new_rsa())
    made.keys["curve"] = new_ec()
    return made


@pytest.fixture(scope="module")
def home(binary, tmp_path_factory, issuer):
    """A server that trusts the issuer, which publishes its key by the `kid` of the server's too, and whose keys it has fetched."""
    running = HsmServer(binary, tmp_path_factory.mktemp("home") / "data", *issuer.option).start()
    issuer.keys[header_of(running.token())["kid"]] = issuer.keys["key-1"]
    client = running.cli().create_application("federated")
    added = ["--issuer", issuer.url, "--subject", SUBJECT, "--name", "trusted"]
    running.cli().run("app", "add-federated", client.app_id, *added)
    Directory.of(running).assign(READER, client.object_id, running.subscription_scope)
    exchange = {
        "grant_type": "client_credentials", "client_id": client.app_id, "client_assertion": issuer.token(SUBJECT),
        "client_assertion_type": TYPE, "scope": f"{running.vault_resource}/.default",
    }
    assert running.request_token(exchange).status_code == 200
    yield running
    running.kill()


FEDERATED = {
    "as-it-is": (lambda issuer, m: issuer.token(SUBJECT), FOREIGN),
    "for-the-vault": (lambda issuer, m: issuer.token(SUBJECT, aud=m.claims["aud"]), FOREIGN),
    "with-our-claims": (lambda issuer, m: issuer.sign(m.claims), KEY),
    "with-our-claims-and-kid": (lambda issuer, m: issuer.sign(m.claims, kid=m.kid), SIGNATURE),
    "with-our-kid": (lambda issuer, m: issuer.sign(issuer.claims(SUBJECT), kid=m.kid), FOREIGN),
    "with-our-claims-and-their-issuer": (lambda issuer, m: issuer.sign({**m.claims, "iss": issuer.url}, kid=m.kid), FOREIGN),
    "by-a-curve": (lambda issuer, m: issuer.sign(m.claims, "ES256", issuer.keys["curve"], kid=m.kid), ALGORITHM),
    "by-PS256": (lambda issuer, m: issuer.sign(m.claims, "PS256", kid=m.kid), ALGORITHM),
    "with-the-address-of-its-keys": (lambda issuer, m: issuer.sign(m.claims, kid="key-1", jku=f"{issuer.url}/keys"), OWN_KEY),
}


@pytest.mark.parametrize("case", FEDERATED)
def test_a_token_of_a_trusted_issuer_is_no_access_token(home, issuer, case):
    make, reason = FEDERATED[case]
    asked = list(issuer.asked)
    for door in doors_of(home):
        token = make(issuer, mint_of(home, door))
        check_refused(door.show(token), door, token, reason)
    assert issuer.asked == asked


# Afterwards


def test_after_all_of_them_the_server_is_unharmed(watch):
    watch.check_unharmed()


def test_all_of_them_are_in_the_log_without_their_text(watch):
    watch.check_log()
