"""Certificates from an authority outside: ordered, proved by HTTP, fetched and kept; and what the authority is asked meanwhile."""

import hashlib
import json
import time

import pytest
from azure.keyvault.certificates import CertificateClient, CertificatePolicy
from cryptography import x509

from harness.acme_faults import hold
from harness.acme_site import acme_site
from harness.acme_wire import STATES, Watch, acme_policy, held_by, make_issuer
from harness.authorities_public import fetch
from harness.certificates_made import certificate_of, public_der, request_of
from harness.clients import credential_for
from harness.tokens import encode

# Checks that take a while, proofs that are kept for the next order, and a chain of several links.
HABITS = {"PEBBLE_VA_NOSLEEP": "0", "PEBBLE_VA_SLEEPTIME": "2", "PEBBLE_AUTHZREUSE": "100", "PEBBLE_CHAIN_LENGTH": "3"}
PEM = {"secret_props": {"contentType": "application/x-pem-file"}}
SDK = CertificatePolicy("acme", subject="CN=sdk", san_dns_names=["sdk.example.com"], key_type="EC", key_curve_name="P-256")


def host(label: str) -> str:
    return f"{label}.example.com"


def with_sans(subject: str, **sans) -> dict:
    return acme_policy("acme", subject=f"CN={subject}", x509_props={"sans": sans} if sans else {})


WANTED = {
    "plain": acme_policy("acme", host("plain")),
    "common": with_sans(host("common")),
    "both": acme_policy("acme", host("both"), host("second.both"), subject=f"CN={host('both')}"),
    "apart": acme_policy("acme", host("second.apart"), subject=f"CN={host('apart')}"),
    "case": acme_policy("acme", "CASE.example.com", "Upper.Case.example.com", subject=f"CN={host('case')}"),
    "service": acme_policy("acme", host("service"), subject="CN=My Service,O=Example"),
    "pem": acme_policy("acme", host("pem"), **PEM),
    "rsa": acme_policy("acme", host("rsa"), key={"kty": "RSA", "key_size": 2048}),
    "address": with_sans("127.0.0.1", ipAddresses=["127.0.0.1"]),
    "mixed": with_sans(host("mixed"), dns_names=[host("mixed"), host("b.mixed")], ipAddresses=["127.0.0.1"]),
}
NAMES = {
    **{label: {host(label)} for label in WANTED},
    "both": {host("both"), host("second.both")},
    "apart": {host("apart"), host("second.apart")},
    "case": {host("case"), host("upper.case")},
    "address": {"127.0.0.1"},
    "mixed": {host("mixed"), host("b.mixed"), "127.0.0.1"},
}
# With a part of the reason.
REFUSED = {
    "mail": (with_sans(host("mail"), emails=["a@example.com"]), "e-mail"),
    "principal": (with_sans(host("principal"), upns=["a@example.com"]), "UPN"),
    "uri": (with_sans(host("uri"), uris=["urn:example"]), "URI"),
    "nameless": (with_sans("My Service"), "DNS names"),
    "wildcard": (acme_policy("acme", "*.example.com"), "dns-01"),
}
# Stopped while the authority has the request to check the challenge.
STOPPED = {label: acme_policy("acme", host(label)) for label in ("challenge", "cancelled", "deleted", "disabled", "gone")}
STOPPED["disabled"]["issuer"]["name"], STOPPED["gone"]["issuer"]["name"] = "to-disable", "to-delete"


@pytest.fixture(scope="module")
def site(binary, tmp_path_factory):
    with acme_site(binary, tmp_path_factory.mktemp("orders"), environment=HABITS) as made:
        # With one directory it need not be named.
        for issuer in ("acme", "to-disable", "to-delete"):
            make_issuer(made.certificates, issuer, email="pki@example.com")
        yield made


@pytest.fixture
def certificates(site):
    return site.certificates


def questions(site) -> dict:
    """What anyone is answered at the address of a challenge while the authority checks it."""
    token = site.proxy.tokens(host("challenge"), "http-01")[0]
    address = f"http://127.0.0.1:{site.server.port}/.well-known/acme-challenge/"
    others = ["", "none", token[:-1], token + "x", token.swapcase(), token + ".x", "..%2F" + token, token + "/", "%00"]
    files = [path for path in site.server.data.rglob("*") if path.is_file()]
    return {
        "token": token,
        "address": address + token,
        "hosts": [fetch(address + token, headers={"Host": name}) for name in (host("challenge"), "localhost", "other.example.org:80")],
        "head": fetch(address + token, "HEAD"),
        "others": {other: fetch(address + other).status_code for other in others},
        "files": [path.read_bytes() for path in files],
    }


@pytest.fixture(scope="module")
def told(site):
    """What became of all orders at once."""
    certificates = site.certificates
    policies = {**WANTED, **{label: policy for label, (policy, _) in REFUSED.items()}, **STOPPED}
    holds = {label: hold(site.proxy, "challenge", host(label)) for label in STOPPED}
    begun = {label: certificates.begin(label, policy) for label, policy in policies.items()}
    watch = Watch(certificates, *policies)
    answers: dict = {"begun": begun, "watch": watch}

    def stop(label: str, act) -> None:
        def stopped() -> None:
            answers[label] = act()
            holds[label].release()

        watch.when(holds[label].reached.is_set, stopped)

    def delete() -> dict:
        """The pending operation is deleted, and the same certificate is ordered anew."""
        deleted = wire.delete("/certificates/deleted/pending")
        missing = wire.get("/certificates/deleted/pending")
        begun["deleted"] = certificates.begin("deleted", policies["deleted"])
        return {"deleted": deleted, "missing": missing}

    def repeat() -> None:
        """Another order for a name that was proved."""
        answers["asked"] = len(site.proxy.seen("challenge", host("plain")))
        watch.add("repeated")
        begun["repeated"] = certificates.begin("repeated", policies["plain"])

    wire = certificates.wire
    stop("challenge", lambda: questions(site))
    stop("cancelled", lambda: wire.patch("/certificates/cancelled/pending", json={"cancellation_requested": True}))
    stop("deleted", delete)
    stop("disabled", lambda: wire.patch("/certificates/issuers/to-disable", json={"attributes": {"enabled": False}}))
    stop("gone", lambda: wire.delete("/certificates/issuers/to-delete"))
    watch.when(lambda: "plain" in watch.ends, repeat)
    server = site.server
    with CertificateClient(server.vault_url(), credential_for(server), connection_verify=server.bundle) as client:
        poller = client.begin_create_certificate("sdk", SDK, _polling_interval=1)
        watch.run()
        answers["sdk"] = (poller.result(), client.get_certificate_operation("sdk").status)
    return answers


@pytest.fixture
def version(told):
    """The newest version of a certificate."""
    return told["watch"].version


# What is kept


@pytest.mark.parametrize("label", WANTED)
def test_the_certificate_is_for_the_names_of_the_policy(version, label):
    names = certificate_of(version(label)).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    found = {*names.get_values_for_type(x509.DNSName), *map(str, names.get_values_for_type(x509.IPAddress))}
    assert {name.lower() for name in found} == NAMES[label]


@pytest.mark.parametrize("label", WANTED)
def test_chain_and_key_are_kept_with_it(site, version, label):
    chain = site.verify(version(label))
    assert len(chain) == 4
    for below, above in zip(chain, chain[1:]):
        below.verify_directly_issued_by(above)


def test_the_key_is_that_of_the_request(told, version):
    assert public_der(request_of(told["begun"]["plain"])) == public_der(certificate_of(version("plain")))


def test_the_times_of_the_version_are_those_of_the_certificate(version):
    made = version("plain")
    leaf = certificate_of(made)
    assert made["attributes"]["exp"] == int(leaf.not_valid_after_utc.timestamp())
    assert made["attributes"]["nbf"] == int(leaf.not_valid_before_utc.timestamp())
    assert made["policy"]["issuer"]["name"] == "acme"


def test_a_pem_secret_has_the_key_first(version, certificates):
    secret = certificates.at(version("pem")["sid"])
    assert secret["value"].startswith("-----BEGIN PRIVATE KEY-----") and len(held_by(secret)[1]) > 1


def test_the_client_library_waits_until_the_certificate_is_there(site, told):
    made, status = told["sdk"]
    assert (made.policy.issuer_name, status) == ("acme", "completed")
    assert site.pebble.knows(x509.load_der_x509_certificate(bytes(made.cer)))


# What is told


@pytest.mark.parametrize("label", WANTED)
def test_every_step_is_told_in_words(told, label):
    details = [text for text in told["watch"].details[label] if text != told["begun"][label]["status_details"]]
    assert len(details) > 2 and set(details) <= set(STATES)
    assert sorted(details, key=STATES.index) == details


def test_an_order_is_in_progress_at_the_beginning(told):
    begun = told["begun"]["plain"]
    assert (begun["status"], begun["issuer"]["name"], begun["cancellation_requested"]) == ("inProgress", "acme", False)


@pytest.mark.parametrize("label", REFUSED)
def test_names_that_cannot_be_proved_are_refused_with_a_reason(told, label):
    assert REFUSED[label][1] in told["watch"].reason(label)


@pytest.mark.parametrize("label", ["mail", "principal", "uri", "nameless"])
def test_no_order_is_made_for_names_that_the_authority_cannot_prove(site, told, label):
    assert told["watch"].reason(label)
    assert site.proxy.steps(host(label)) == []


# What the authority is asked


def test_one_account_is_made_for_all_orders(site, told):
    assert len(site.proxy.account_keys()) == 1 and len(site.proxy.accounts()) == 1
    assert {one.protected["kid"] for one in site.proxy.seen("order")} == site.proxy.accounts()
    for account in site.proxy.seen("account"):
        assert account.payload["contact"] == ["mailto:pki@example.com"] and account.payload["termsOfServiceAgreed"] is True
        assert "jwk" in account.protected and "kid" not in account.protected


@pytest.mark.parametrize("label", WANTED)
def test_each_name_is_ordered_once(site, told, label):
    orders = [one.payload["identifiers"] for one in site.proxy.made("order")]
    wanted = sorted(("ip" if name[0].isdigit() else "dns", name) for name in NAMES[label])
    assert wanted in [sorted((one["type"], one["value"]) for one in order) for order in orders]


def test_every_request_says_who_asks(site, told):
    assert {one.step for one in site.proxy.passed if not one.headers.get("user-agent")} == set()


def test_every_signed_request_has_a_nonce_of_its_own(site, told):
    nonces = [one.protected["nonce"] for one in site.proxy.passed if one.protected]
    assert nonces and len(nonces) == len(set(nonces))


def test_a_proof_that_still_holds_is_not_asked_for_again(site, told, version):
    site.verify(version("repeated"))
    assert len(site.proxy.made("order", host("plain"))) == 2
    assert len(site.proxy.seen("challenge", host("plain"))) == told["asked"]


# The answers to challenges


@pytest.fixture
def thumbprint(site, told) -> str:
    """Of the account's key (RFC 7638)."""
    jwk = site.proxy.made("account")[0].protected["jwk"]
    canonical = json.dumps({key: jwk[key] for key in sorted(jwk) if key in ("crv", "kty", "x", "y")}, separators=(",", ":"))
    return encode(hashlib.sha256(canonical.encode()).digest())


def test_the_answer_to_a_challenge_is_there_for_any_host(told, thumbprint):
    asked = told["challenge"]
    assert {(answer.status_code, answer.text) for answer in asked["hosts"]} == {(200, f"{asked['token']}.{thumbprint}")}
    assert asked["head"].status_code == 200 and asked["head"].content == b""


def test_no_other_token_is_answered(told):
    assert set(told["challenge"]["others"].values()) <= {400, 404}


def test_the_answer_is_sealed_on_the_disk(told, thumbprint):
    files = told["challenge"]["files"]
    assert files and [held for held in files if thumbprint.encode() in held] == []


@pytest.mark.parametrize("label", [*WANTED, *STOPPED])
def test_a_challenge_that_is_over_is_not_answered_any_more(site, told, label):
    """Whether the order came off or was stopped. It is taken back by a duty, due at once."""
    address = f"http://127.0.0.1:{site.server.port}/.well-known/acme-challenge/"
    tokens = [token for name in NAMES.get(label, {host(label)}) for token in site.proxy.tokens(name)]
    until = time.monotonic() + 30
    while (answered := {fetch(address + token).status_code for token in tokens}) - {404} and time.monotonic() < until:
        time.sleep(0.2)
    assert answered <= {404}


# What stops an order


def test_an_order_that_is_cancelled_goes_no_further(site, told, certificates):
    answer = told["cancelled"]
    assert (answer.status_code, answer.json()["cancellation_requested"]) == (200, True)
    assert told["watch"].ends["cancelled"]["status"] == "cancelled"
    assert "finalize" not in site.proxy.steps(host("cancelled"))
    assert certificates.wire.get("/certificates/cancelled").status_code == 404


def test_a_pending_operation_that_is_deleted_makes_no_certificate_and_the_next_one_does(site, told, version, certificates):
    assert (told["deleted"]["deleted"].status_code, told["deleted"]["missing"].status_code) == (200, 404)
    made = version("deleted")
    site.verify(made)
    assert public_der(certificate_of(made)) == public_der(request_of(told["begun"]["deleted"]))
    assert len(certificates.versions("deleted")) == 1
    assert len(site.proxy.made("order", host("deleted"))) == 2


@pytest.mark.parametrize("label, word", [("disabled", "disabled"), ("gone", "no longer")])
def test_an_issuer_that_is_taken_away_ends_its_orders(site, told, certificates, label, word):
    assert told[label].status_code == 200
    assert word in told["watch"].reason(label)
    assert "finalize" not in site.proxy.steps(host(label))
    assert certificates.wire.get(f"/certificates/{label}").status_code == 404
