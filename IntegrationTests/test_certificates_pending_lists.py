"""Lists with certificates that have no first version yet: `includePending`."""

import pytest

from harness.certificates_made import der, pfx, request_of, self_signed
from harness.certificates_wire import Certificates, policy, refusal
from harness.keys_wire import Keys
from harness.versions import ALL

pytest_plugins = ["harness.certificates_fixtures"]


@pytest.fixture
def waiting(certificates, name) -> dict:
    """A certificate that waits for its merge."""
    return certificates.begin(name, policy("Unknown"), tags={"a": "b"}, attributes={"enabled": False})


def listed(certificates: Certificates, path: str = "/certificates", **query) -> dict[str, dict]:
    """Every item of every page by its name."""
    items = Keys(certificates.wire).listed(path, **query)
    found = {item["id"].split("/")[4]: item for item in items}
    assert len(found) == len(items)
    return found


def test_what_waits_is_listed_when_asked_for(server, certificates, waiting, name):
    item = listed(certificates, includePending="true")[name]
    assert item["id"] == f"{server.vault_url()}/certificates/{name}"
    assert item["attributes"]["enabled"] is False
    assert {"created", "updated"} <= item["attributes"].keys()
    assert not {"nbf", "exp"} & item["attributes"].keys()


@pytest.mark.parametrize("query", [{}, {"includePending": "false"}], ids=str)
def test_what_waits_is_left_out_otherwise(certificates, waiting, name, query):
    assert name not in listed(certificates, **query)


@pytest.mark.parametrize("value", ["yes", "1", "", "tru"])
@pytest.mark.parametrize("path", ["/certificates", "/deletedcertificates"])
def test_any_other_value_is_refused(certificates, path, value):
    assert refusal(certificates.wire.get(path, query={"includePending": value})) == (400, "BadParameter")


@pytest.mark.parametrize("api", ALL)
def test_it_is_known_to_every_api_version(certificates, waiting, name, api):
    names, link = set(), "/certificates"
    answer = certificates.wire.get(link, version=api, query={"includePending": "true"})
    while True:
        assert answer.status_code == 200, answer.text
        names |= {item["id"].split("/")[4] for item in answer.json()["value"]}
        if answer.json()["nextLink"] is None:
            break
        answer = certificates.wire.get(answer.json()["nextLink"])
    assert name in names


def test_pages_have_everything_once_and_in_order(server, name):
    certificates, value = Certificates(server.wire("pages")), pfx(*self_signed())
    wanted = [f"{name}-{letter}" for letter in "abcdefg"]
    for number, each in enumerate(wanted):
        if number % 2:
            certificates.import_(each, value)
        else:
            certificates.begin(each, policy("Unknown"))
    paged = [each for each in listed(certificates, includePending="true", maxresults=2) if each.startswith(name)]
    assert paged == wanted == [each for each in listed(certificates, includePending="true") if each.startswith(name)]
    assert [each for each in listed(certificates, maxresults=2) if each.startswith(name)] == wanted[1::2]


def test_a_certificate_with_a_version_is_listed_once(certificates, name):
    certificates.import_(name, pfx(*self_signed()))
    certificates.begin(name, policy("Unknown"))
    assert listed(certificates, includePending="true")[name] == listed(certificates)[name]


def test_what_was_merged_is_listed_without_asking(certificates, authority, waiting, name):
    assert certificates.ask_merge(name, der(authority.answer(request_of(waiting)))).status_code == 201
    assert listed(certificates)[name] == listed(certificates, includePending="true")[name]


def test_a_pending_operation_that_was_deleted_is_listed_nowhere(certificates, waiting, name):
    assert certificates.wire.delete(f"/certificates/{name}/pending").status_code == 200
    assert name not in listed(certificates, includePending="true")


def test_the_client_lists_what_waits(certificate_client, waiting, name):
    def names(**options) -> list[str]:
        return [item.name for item in certificate_client.list_properties_of_certificates(**options)]

    assert name in names(include_pending=True)
    assert name not in names(include_pending=False) and name not in names()


# The deleted


@pytest.mark.parametrize("value", ["true", "false"])
def test_a_deleted_certificate_is_listed_either_way(certificates, name, value):
    certificates.import_(name, pfx(*self_signed()))
    certificates.delete(name)
    item = listed(certificates, "/deletedcertificates", includePending=value)[name]
    assert item == listed(certificates, "/deletedcertificates")[name]


def test_a_certificate_that_waits_is_not_among_the_deleted(certificates, waiting, name):
    assert name not in listed(certificates, "/deletedcertificates", includePending="true")


def test_the_client_lists_the_deleted_with_it(certificate_client, certificates, name):
    certificates.import_(name, pfx(*self_signed()))
    certificates.delete(name)
    assert name in [item.name for item in certificate_client.list_deleted_certificates(include_pending=True)]
