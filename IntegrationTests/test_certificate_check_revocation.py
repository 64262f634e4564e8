"""`strongroom certificate check` against lists and status services that tell the truth, that lie, and that are not there."""

import pytest
from cryptography import x509
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID

from harness.certificate_check import checked, write_bundle
from harness.certificates_made import Authority, common, pfx, self_signed
from harness.revocation_made import Published, answer_by, covering, list_by, refusing, signed_by, unheard_of

pytest_plugins = ["harness.certificates_fixtures"]


@pytest.fixture(scope="module")
def above() -> Authority:
    return Authority("Above")


@pytest.fixture(scope="module")
def between(above) -> Authority:
    """An intermediate below a root that the command is told to trust."""
    made = Authority("Between")
    made.certificate = above.issue(made.key.public_key(), common("Between"), authority=True)
    return made


@pytest.fixture(scope="module")
def published():
    made = Published()
    yield made
    made.close()


@pytest.fixture
def look(certificates, cli, above, between, published, name, tmp_path):
    """Imports a certificate with this extension, publishes what is made for it, and tells the verdicts on list and status."""

    def look(extension: x509.ExtensionType, make) -> tuple[str, str]:
        key, leaf = signed_by(between, extension)
        document = make(between, leaf)
        if document is not None:
            published.documents[name] = document
        certificates.import_(name, pfx(key, leaf, chain=(between.certificate,)))
        verdicts = checked(cli, name, "--trusted", write_bundle(tmp_path / "ca.pem", above.certificate))
        assert verdicts["chain"] == "ok"
        return verdicts["crl"], verdicts["ocsp"]

    return look


# Lists


LISTS = {
    "it is not on the list": ("ok", lambda ours, _leaf: list_by(ours)),
    "others are on the list": ("ok", lambda ours, _leaf: list_by(ours, 1, 2, 3)),
    "the list is for its kind": ("ok", lambda ours, _leaf: list_by(ours, critical=covering(only_contains_user_certs=True))),
    "it is on the list": ("failed", lambda ours, leaf: list_by(ours, 1, leaf.serial_number)),
    "another signed the list": ("failed", lambda ours, _leaf: list_by(ours, signer=Authority())),
    "the list of another": ("failed", lambda _ours, _leaf: list_by(Authority("Another"))),
    "the list has ended": ("failed", lambda ours, _leaf: list_by(ours, begun=-9, days=-2)),
    "the list has not begun": ("failed", lambda ours, _leaf: list_by(ours, begun=2)),
    "the list is for authorities": ("failed", lambda ours, _leaf: list_by(ours, critical=covering(only_contains_ca_certs=True))),
    "the list has changes only": ("failed", lambda ours, _leaf: list_by(ours, critical=x509.DeltaCRLIndicator(1))),
    "the list has what nobody knows": ("failed", lambda ours, _leaf: list_by(ours, critical=unheard_of())),
    "no list": ("failed", lambda _ours, _leaf: b"<html>nothing</html>"),
    "an empty answer": ("failed", lambda _ours, _leaf: b""),
    "no answer": ("failed", lambda _ours, _leaf: None),
}


@pytest.mark.parametrize("label", LISTS)
def test_a_list_is_fetched_and_verified(published, look, name, label):
    verdict, make = LISTS[label]
    place = x509.DistributionPoint([published.address(name)], None, None, None)
    assert look(x509.CRLDistributionPoints([place]), make) == (verdict, "skipped")


# Status


MAY_ANSWER = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.OCSP_SIGNING])
MAY_NOT = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
REVOKED, UNKNOWN = ocsp.OCSPCertStatus.REVOKED, ocsp.OCSPCertStatus.UNKNOWN
ANSWERS = {
    "it is good": ("ok", answer_by),
    "one who stands in says so": ("ok", lambda ours, leaf: answer_by(ours, leaf, responder=signed_by(ours, MAY_ANSWER))),
    "it is revoked": ("failed", lambda ours, leaf: answer_by(ours, leaf, REVOKED)),
    "it is not known": ("failed", lambda ours, leaf: answer_by(ours, leaf, UNKNOWN)),
    "another is good": ("failed", lambda ours, leaf: answer_by(ours, leaf, about=signed_by(ours, MAY_NOT)[1])),
    "another says so": ("failed", lambda ours, leaf: answer_by(ours, leaf, responder=self_signed())),
    "one who may not says so": ("failed", lambda ours, leaf: answer_by(ours, leaf, responder=signed_by(ours, MAY_NOT))),
    "the answer has ended": ("failed", lambda ours, leaf: answer_by(ours, leaf, begun=-9, days=-2)),
    "the answer has not begun": ("failed", lambda ours, leaf: answer_by(ours, leaf, begun=2)),
    "it refuses": ("failed", lambda _ours, _leaf: refusing(ocsp.OCSPResponseStatus.UNAUTHORIZED)),
    "later": ("failed", lambda _ours, _leaf: refusing(ocsp.OCSPResponseStatus.TRY_LATER)),
    "nonsense": ("failed", lambda _ours, _leaf: b"<html>nothing</html>"),
    "no answer": ("failed", lambda _ours, _leaf: None),
}


@pytest.mark.parametrize("label", ANSWERS)
def test_a_status_is_asked_for_and_verified(published, look, name, label):
    verdict, make = ANSWERS[label]
    place = x509.AccessDescription(AuthorityInformationAccessOID.OCSP, published.address(name))
    assert look(x509.AuthorityInformationAccess([place]), make) == ("skipped", verdict)
