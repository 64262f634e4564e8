"""`strongroom certificate check`: chain, names, usage, dates, revocation and key of a certificate, each with a verdict."""

from datetime import datetime, timedelta, timezone

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import NameOID

from harness.authorities_public import list_with
from harness.authorities_wire import CODE, SERVER, Authorities, authority_policy, certificates_of, fresh, leaf_policy
from harness.certificate_check import CHECKS, all_well, checked, write_bundle
from harness.certificates_made import Authority, certificate_of, common, new_key, pfx, self_signed
from harness.certificates_wire import Certificates, make_together, policy, version_of
from harness.clock import shifted
from harness.command_line import CommandLine
from harness.keys_wire import done

pytest_plugins = ["harness.certificates_fixtures"]

DAY = 86_400


# Certificates of an authority of the vault


@pytest.fixture(scope="module")
def root(server) -> str:
    """A root of our own: its revocations are nobody else's."""
    name = fresh("checked-root")
    Authorities(server.wire()).root(name)
    return name


@pytest.fixture(scope="module")
def issuer(server, root) -> str:
    return Authorities(server.wire()).issuer(fresh("checked-issuer"), root)


@pytest.fixture(scope="module")
def below(server, issuer) -> str:
    """An intermediate below the root."""
    name = fresh("checked-below")
    Authorities(server.wire()).intermediate(name, issuer)
    return name


@pytest.fixture(scope="module")
def leaves(server, root, issuer, below) -> dict[str, str]:
    """Names of certificates from an authority, by what they are like."""
    authorities = Authorities(server.wire())
    prefix, second = fresh("checked"), authorities.issuer(fresh("second"), below)
    wild = leaf_policy(issuer, ("*.example.com", "example.com"), x509_props={"subject": "CN=wild"})
    wild["x509_props"]["sans"]["ipAddresses"] = ["192.0.2.7", "2001:db8::7"]
    address = leaf_policy(issuer, x509_props={"subject": "CN=address", "sans": {"ipAddresses": ["192.0.2.7"]}})
    wanted = {
        "good": leaf_policy(issuer),
        "deep": leaf_policy(second),
        "revoked": leaf_policy(issuer),
        "held": leaf_policy(issuer),
        "wild": wild,
        "address": address,
        "server": leaf_policy(issuer, x509_props={"ekus": [SERVER]}),
        "code": leaf_policy(issuer, kind="codeSigning", x509_props={"ekus": [CODE]}),
        "hardware": leaf_policy(issuer, key={"kty": "EC-HSM", "exportable": False}),
        "long": leaf_policy(issuer, months=12),
    }
    made = {label: bundle for label, (_, bundle) in make_together(authorities.certificates, prefix, wanted).items()}
    url = authorities.get(root)["crl"]["url"]
    for label, reason in (("revoked", "keyCompromise"), ("held", "certificateHold")):
        serial = certificate_of(made[label]).serial_number
        authorities.revoke(root, f"{serial:032x}", reason)
        list_with(url, serial)
    return {label: f"{prefix}-{label}" for label in wanted}


@pytest.mark.parametrize("label", ["good", "deep", "wild", "address", "server", "code", "hardware", "long"])
def test_a_certificate_of_an_authority_holds(cli, leaves, label):
    assert checked(cli, leaves[label]) == all_well()


def test_each_check_has_a_line(cli, leaves):
    lines = cli.run("certificate", "check", leaves["good"]).stdout.splitlines()
    assert [line.split()[0] for line in lines] == CHECKS
    assert all(line.split()[1] == "ok" and len(line.split()) > 2 for line in lines)


@pytest.mark.parametrize("label", ["revoked", "held"])
def test_a_revoked_certificate_fails_by_the_list_and_by_its_status(cli, leaves, label):
    assert checked(cli, leaves[label]) == all_well(crl="failed", ocsp="failed")
    lines = cli.run("certificate", "check", leaves[label], exit_code=1).stdout.splitlines()
    assert [line.split()[0] for line in lines if "failed" in line and "revoked" in line.lower()] == ["crl", "ocsp"]


def test_a_verdict_is_no_error(cli, leaves):
    assert cli.run("certificate", "check", leaves["revoked"], exit_code=1).stderr == ""


def test_a_released_certificate_holds_again(server, cli, root, issuer):
    authorities, name = Authorities(server.wire()), fresh("released")
    certificate = certificate_of(authorities.certificates.create(name, leaf_policy(issuer)))
    authorities.revoke(root, f"{certificate.serial_number:032x}", "certificateHold")
    list_with(authorities.get(root)["crl"]["url"], certificate.serial_number)
    assert checked(cli, name)["crl"] == "failed"
    authorities.revoke(root, f"{certificate.serial_number:032x}", "removeFromCRL")
    list_with(authorities.get(root)["crl"]["url"], certificate.serial_number, present=False)
    assert checked(cli, name) == all_well()


def test_an_authority_in_between_that_is_revoked_fails_what_is_below(server, cli, root, issuer):
    authorities, between, name = Authorities(server.wire()), fresh("between"), fresh("lower")
    authorities.intermediate(between, issuer)
    authorities.certificates.create(name, leaf_policy(authorities.issuer(between, between)))
    assert checked(cli, name) == all_well()
    serial = authorities.certificate(between).serial_number
    authorities.revoke(root, f"{serial:032x}", "cACompromise")
    list_with(authorities.get(root)["crl"]["url"], serial)
    assert checked(cli, name) == all_well(crl="failed", ocsp="failed")


# The chain of a version


@pytest.mark.operation("CertificateChainGet")
def test_the_chain_of_a_version_is_told(server, leaves, below, root):
    authorities = Authorities(server.wire())
    version = version_of(authorities.certificates.get(leaves["deep"]))
    answer = done(authorities.wire.get(f"/certificates/{leaves['deep']}/{version}/chain"))
    leaf, *chain = certificates_of(answer)
    assert leaf == authorities.certificate(leaves["deep"])
    assert chain == [authorities.certificate(below), authorities.certificate(root)]


@pytest.mark.parametrize("version", ["0" * 32, "x"])
def test_a_version_that_is_not_there_has_no_chain(server, leaves, version):
    assert server.wire().get(f"/certificates/{leaves['good']}/{version}/chain").status_code in (400, 404)


def test_the_chain_of_a_certificate_is_for_those_who_may_read_it(server, leaves, stranger):
    path = f"/certificates/{leaves['good']}/{version_of(Certificates(server.wire()).get(leaves['good']))}/chain"
    assert server.wire(application=stranger).get(path).status_code == 403


# Versions, vaults, and what is not there


def test_a_version_is_checked_by_itself(server, cli, root, issuer):
    authorities, name = Authorities(server.wire()), fresh("versions")
    first = authorities.certificates.create(name, leaf_policy(issuer))
    second = authorities.certificates.create(name)
    serial = certificate_of(first).serial_number
    authorities.revoke(root, f"{serial:032x}")
    list_with(authorities.get(root)["crl"]["url"], serial)
    assert checked(cli, name) == checked(cli, name, "--version", version_of(second)) == all_well()
    assert checked(cli, name, "--version", version_of(first)) == all_well(crl="failed", ocsp="failed")


def test_a_certificate_of_another_vault_is_checked(server, cli, name):
    Certificates(server.wire("other")).create(name, policy())
    assert checked(cli, name, "--vault", "other")["key"] == "ok"


ABSENT = {
    "no certificate": ("nobody-has-this-name",),
    "no version": ("{good}", "--version", "0" * 32),
    "no vault": ("{good}", "--vault", "nowhere"),
    "no file": ("{good}", "--trusted", "/nowhere/at/all"),
}


@pytest.mark.parametrize("label", ABSENT)
@pytest.mark.parametrize("output", ["text", "json"])
def test_what_is_not_there_is_an_error_in_one_line(cli, leaves, label, output):
    words = [word.format(**leaves) for word in ABSENT[label]]
    result = cli.run("certificate", "check", *words, "--output", output, exit_code=None)
    assert result.returncode != 0 and result.stdout == ""
    assert result.stderr.count("\n") == 1 and "Error Domain" not in result.stderr


@pytest.mark.parametrize("options", [("--output", "xml"), ("--usage", "everything"), ("--version", "x")], ids=str)
def test_an_option_that_means_nothing_is_refused(cli, leaves, options):
    result = cli.run("certificate", "check", leaves["good"], *options, exit_code=None)
    assert result.returncode not in (0, 1) or result.stdout == ""
    assert result.stderr


def test_a_file_without_certificates_is_refused(cli, leaves, tmp_path):
    (tmp_path / "ca.pem").write_text("nothing\n")
    result = cli.run("certificate", "check", leaves["good"], "--trusted", str(tmp_path / "ca.pem"), exit_code=None)
    assert result.returncode != 0 and result.stdout == "" and result.stderr.count("\n") == 1


def test_who_may_not_read_it_is_told_so(server, leaves, stranger):
    environment = {**server.client_env, "AZURE_CLIENT_ID": stranger.app_id, "AZURE_CLIENT_SECRET": stranger.password}
    result = CommandLine(server.binary, environment).run("certificate", "check", leaves["good"], exit_code=None)
    assert result.returncode != 0 and result.stdout == "" and result.stderr


def test_who_may_not_see_the_key_is_told_that_it_was_not_looked_at(server, cli, leaves, stranger):
    cli.assign(stranger, "Key Vault Certificates Officer", server.vault_scope())
    environment = {**server.client_env, "AZURE_CLIENT_ID": stranger.app_id, "AZURE_CLIENT_SECRET": stranger.password}
    assert checked(CommandLine(server.binary, environment), leaves["good"]) == all_well(key="skipped")


# Chain


def test_the_root_of_the_authority_may_come_from_a_file(server, cli, leaves, root, tmp_path):
    trusted = write_bundle(tmp_path / "ca.pem", Authorities(server.wire()).certificate(root))
    assert checked(cli, leaves["deep"], "--trusted", trusted) == all_well()


def test_an_authority_that_another_file_names_is_not_trusted(cli, leaves, authority, tmp_path):
    trusted = write_bundle(tmp_path / "ca.pem", authority.certificate)
    assert checked(cli, leaves["good"], "--trusted", trusted)["chain"] == "failed"


def test_a_root_of_the_same_name_is_not_the_root(cli, leaves, root, tmp_path):
    _, impostor = self_signed(root, authority=True)
    assert checked(cli, leaves["good"], "--trusted", write_bundle(tmp_path / "ca.pem", impostor))["chain"] == "failed"


def test_every_authority_of_a_file_is_trusted(server, cli, leaves, root, tmp_path):
    others = [self_signed(f"other-{number}", authority=True)[1] for number in range(70)]
    trusted = write_bundle(tmp_path / "ca.pem", *others, Authorities(server.wire()).certificate(root))
    assert checked(cli, leaves["good"], "--trusted", trusted) == all_well()


def test_every_authority_of_a_vault_is_trusted(server, cli, name):
    authorities = Authorities(server.wire("pages"))
    wanted = {f"{number:02}": authority_policy(f"CN={name}-{number}") for number in range(30)}
    for label in make_together(authorities.certificates, name, wanted):
        authorities.set(f"{name}-{label}")
    authorities.certificates.create(f"{name}-leaf", leaf_policy(authorities.issuer(name, f"{name}-29")))
    assert checked(cli, f"{name}-leaf", "--vault", "pages") == all_well()


def test_a_certificate_that_signs_itself_is_noted(certificates, cli, name):
    certificates.create(name, policy(x509_props={"subject": "CN=example.com", "sans": {"dns_names": ["example.com"]}}))
    assert checked(cli, name) == all_well(chain="note", crl="skipped", ocsp="skipped")


def test_an_authority_that_signs_itself_is_checked(cli, root):
    assert checked(cli, root)["chain"] in ("ok", "note")


@pytest.fixture(scope="module")
def between() -> Authority:
    """An intermediate below a root of our own, which is its `above`."""
    above, made = Authority("Above"), Authority("Between")
    made.certificate = above.issue(made.key.public_key(), common("Between"), authority=True)
    made.above = above.certificate
    return made


def chain_of(between: Authority, **options) -> tuple:
    key = new_key()
    return key, between.issue(key.public_key(), common("www.example.com"), **options)


def test_an_imported_certificate_with_its_chain_holds(certificates, cli, between, name, tmp_path):
    certificates.import_(name, pfx(*chain_of(between), chain=(between.certificate,)))
    assert checked(cli, name, "--trusted", write_bundle(tmp_path / "ca.pem", between.above))["chain"] == "ok"
    assert checked(cli, name)["chain"] == "failed"


def test_an_imported_certificate_without_its_chain_fails(certificates, cli, between, name, tmp_path):
    certificates.import_(name, pfx(*chain_of(between)))
    assert checked(cli, name, "--trusted", write_bundle(tmp_path / "ca.pem", between.above))["chain"] == "failed"


def test_a_chain_over_one_who_may_not_sign_fails(certificates, cli, between, name, tmp_path):
    signer = Authority("Between")
    signer.certificate = between.issue(signer.key.public_key(), common("Leaf"), issuer=common("Between"))
    key = new_key()
    leaf = signer.issue(key.public_key(), common("www.example.com"), issuer=common("Leaf"))
    certificates.import_(name, pfx(key, leaf, chain=(signer.certificate, between.certificate)))
    assert checked(cli, name, "--trusted", write_bundle(tmp_path / "ca.pem", between.above))["chain"] == "failed"


# Names


HOSTS = {
    ("good", "leaf.example.com"): "ok",
    ("good", "LEAF.example.com"): "ok",
    ("good", "other.example.com"): "failed",
    ("good", "example.com"): "failed",
    ("wild", "a.example.com"): "ok",
    ("wild", "example.com"): "ok",
    ("wild", "a.b.example.com"): "failed",
    ("wild", "wild"): "failed",
    ("wild", "192.0.2.7"): "ok",
    ("wild", "192.0.2.8"): "failed",
    ("wild", "2001:db8::7"): "ok",
    ("address", "192.0.2.7"): "ok",
    ("address", "address"): "failed",
    ("deep", "xn--lef-joa.example.com"): "failed",
}


@pytest.mark.parametrize(("label", "host"), HOSTS)
def test_a_host_is_one_of_its_names_or_is_not(cli, leaves, label, host):
    assert checked(cli, leaves[label], "--host", host) == all_well(names=HOSTS[label, host])


# Usage


@pytest.mark.parametrize(
    ("label", "usage", "verdict"),
    [
        ("good", "server", "ok"), ("good", "client", "ok"), ("good", "codeSigning", "failed"), ("good", "any", "ok"),
        ("server", "server", "ok"), ("server", "client", "failed"),
        ("code", "codeSigning", "ok"), ("code", "server", "failed"), ("code", "any", "ok"),
    ],
)
def test_a_certificate_is_for_what_it_claims(cli, leaves, label, usage, verdict):
    assert checked(cli, leaves[label], "--usage", usage)["usage"] == verdict


# Dates


def later(server, days: int) -> CommandLine:
    """The command on a machine whose clock is so many days ahead."""
    return CommandLine(server.binary, {**server.client_env, **shifted(days * DAY)})


def test_a_certificate_near_its_end_is_noted(certificates, cli, name):
    certificates.import_(name, pfx(*self_signed(days=20)))
    assert checked(cli, name)["dates"] == "note"
    certificates.import_(name, pfx(*self_signed(days=40)))
    assert checked(cli, name)["dates"] == "ok"


def test_a_certificate_that_has_ended_fails(server, leaves):
    assert checked(later(server, 100), leaves["good"])["dates"] == "failed"


def test_what_is_too_old_says_nothing_about_revocation(server, leaves):
    verdicts = checked(later(server, 40), leaves["long"])
    assert (verdicts["dates"], verdicts["crl"], verdicts["ocsp"]) == ("ok", "failed", "failed")


def test_a_certificate_that_has_not_begun_fails(certificates, cli, name):
    key, now = new_key(), datetime.now(timezone.utc)
    builder = x509.CertificateBuilder().subject_name(common("early")).issuer_name(common("early")).public_key(key.public_key())
    builder = builder.serial_number(7).not_valid_before(now + timedelta(days=2)).not_valid_after(now + timedelta(days=90))
    certificates.import_(name, pfx(key, builder.sign(key, hashes.SHA256())))
    assert checked(cli, name)["dates"] == "failed"


# What is printed


def test_a_name_does_not_print_lines_of_its_own(certificates, cli, name):
    key, now = new_key(), datetime.now(timezone.utc)
    crooked = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a\nchain ok fine\x1b[2J\r")])
    builder = x509.CertificateBuilder().subject_name(crooked).issuer_name(crooked).public_key(key.public_key()).serial_number(7)
    builder = builder.not_valid_before(now - timedelta(days=2)).not_valid_after(now + timedelta(days=90))
    certificates.import_(name, pfx(key, builder.sign(key, hashes.SHA256())))
    printed = cli.run("certificate", "check", name, exit_code=None).stdout
    assert [line.split()[0] for line in printed.splitlines()] == CHECKS
    assert "\x1b" not in printed and "\r" not in printed
