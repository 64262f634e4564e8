"""What a list or an operation hands out to go on with is good for that one: page tokens, results of purges, and what outlives a vault."""

from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

import pytest

from harness.authorities_wire import Authorities
from harness.certificates_wire import Certificates, policy
from harness.crossing import ASIDE, COLLECTIONS, PLACES, TWIN
from harness.directory import SECRETS_USER, Directory
from harness.keys_wire import assert_bad_parameter, assert_forbidden, done
from harness.management_wire import LATEST, LOCATION, Arm, assert_refused
from harness.wire import Wire

pytest_plugins = ["harness.crossing_fixtures"]

HERE, THERE = "the vault twin", "the vault aside"
NAMES = ("listed-a", "listed-b")
GONE = ("gone-a", "gone-b")
_KEY_LISTS = ["/keys", "/deletedkeys", "/keys/listed-a/versions", "/keys/listed-b/versions"]
_VAULT_LISTS = [
    "/secrets", "/deletedsecrets", "/secrets/listed-a/versions", "/secrets/listed-b/versions", "/secrets:expiring", *_KEY_LISTS,
    "/certificates", "/deletedcertificates", "/certificates/signed-listed-a/versions", "/certificates/issuers", "/certificatetemplates",
    "/authorities", "/certificates/root-a/authority/issued", "/certificates/root-b/authority/issued",
]
ROOTS = ("root-a", "root-b")


@dataclass(frozen=True)
class Listing:
    """The first page of a list, with one item on it, and what goes on from there."""

    place: str
    path: str
    wire: Wire
    token: str

    def goes_on_with(self, token: str):
        within = {"within": "P30D"} if self.path.endswith(":expiring") else {}
        return self.wire.get(self.path, query={**within, "maxresults": 1, "$skiptoken": token})

    def __str__(self) -> str:
        return f"{self.place} {self.path}"


def fill(crossing, place: str) -> None:
    """The same in every place: two objects of a name with two versions each, and two that are deleted."""
    wire = crossing.wire(place)
    for collection in COLLECTIONS if PLACES[place][0] == "vault" else ["keys"]:
        # A certificate needs its name for itself.
        prefix = "signed-" if collection == "certificates" else ""
        for name in (*NAMES, *NAMES, *GONE):
            crossing.make(place, collection, prefix + name)
        for name in GONE:
            done(wire.delete(f"/{collection}/{prefix}{name}"))
    if PLACES[place][0] == "vault":
        for name in NAMES:
            wire.set_secret(name, attributes={"exp": int(wire.get("/secrets/listed-a").json()["attributes"]["created"]) + 86_400})
            done(wire.put(f"/certificates/issuers/{name}", json={"provider": "Test"}))
            done(wire.put(f"/certificatetemplates/{name}", json={"policy": policy()}))
        for root in ROOTS:
            Authorities(wire).root(root)
            for _ in range(2):
                Authorities(wire).issue(root)


@pytest.fixture(scope="module")
def listings(crossing) -> list[Listing]:
    found = []
    for place, (kind, _) in PLACES.items():
        fill(crossing, place)
        wire = crossing.wire(place)
        for path in _VAULT_LISTS if kind == "vault" else _KEY_LISTS:
            within = {"within": "P30D"} if path.endswith(":expiring") else {}
            link = done(wire.get(path, query={**within, "maxresults": 1}))["nextLink"]
            found.append(Listing(place, path, wire, parse_qs(urlsplit(link).query)["$skiptoken"][0]))
    return found


# Page tokens


@pytest.mark.parametrize("place", PLACES)
def test_a_page_token_opens_the_list_that_gave_it_and_no_other(listings, place):
    """Of every list with every list, in both directions."""
    tried = 0
    for listing in (each for each in listings if each.place == place):
        for other in listings:
            answer = listing.goes_on_with(other.token)
            tried += 1
            if other == listing:
                assert len(done(answer)["value"]) == 1
            else:
                assert answer.status_code == 400, f"a token of {other} opens {listing}: {answer.text}"
                assert_bad_parameter(answer)
    assert tried == len([each for each in listings if each.place == place]) * (2 * len(_VAULT_LISTS) + 2 * len(_KEY_LISTS))


def test_a_page_token_is_no_right_and_does_not_carry_one(crossing, listings, name):
    """Who may list goes on from where another was; who may not, or may no longer, does not."""
    listing = next(each for each in listings if (each.place, each.path) == (HERE, "/secrets"))
    cli, scope = crossing.server.cli(), crossing.server.vault_scope(TWIN)
    reader, stranger = cli.create_application(name), cli.create_application(f"{name}-2")
    link = f"/secrets?maxresults=1&$skiptoken={listing.token}"
    assert_forbidden(crossing.of(HERE, reader).get(link), "ForbiddenByRbac")
    cli.assign(reader, "Key Vault Secrets User", scope)
    wire = crossing.of(HERE, reader)
    own = done(wire.get("/secrets", query={"maxresults": 1}))["nextLink"]
    assert done(wire.get(link))["value"] == done(crossing.wire(HERE).get(link))["value"] == done(wire.get(own))["value"]
    assert_forbidden(crossing.of(HERE, stranger).get(own), "ForbiddenByRbac")
    assert_forbidden(crossing.of(THERE, reader).get(own.replace(f"//{TWIN}.", f"//{ASIDE}.")), "ForbiddenByRbac")
    cli.unassign(reader, "Key Vault Secrets User", scope)
    assert_forbidden(wire.get(own), "ForbiddenByRbac")


def test_a_page_token_that_was_put_together_of_two_is_none(listings):
    first, second = (next(each for each in listings if (each.place, each.path) == (place, "/secrets")) for place in (HERE, THERE))
    for cut in (8, len(first.token) // 2, len(first.token) - 8):
        mixed = first.token[:cut] + second.token[cut:]
        if mixed not in (first.token, second.token):
            assert_bad_parameter(first.goes_on_with(mixed))
            assert_bad_parameter(second.goes_on_with(mixed))


def test_a_serial_number_of_one_authority_is_not_known_to_another(crossing, listings):
    """Of the same name in another vault, and of the same vault."""
    here, there = (Authorities(crossing.wire(place)) for place in (HERE, THERE))
    serial = here.list_issued(ROOTS[0])[0]["serial_number"]
    before = here.issued(ROOTS[0], serial)
    for authorities, root in ((there, ROOTS[0]), (here, ROOTS[1])):
        assert authorities.wire.get(authorities.path(root, f"/issued/{serial}")).status_code == 404
        assert authorities.ask_revoke(root, serial_number=serial).status_code == 404
    assert here.issued(ROOTS[0], serial) == before


# Results of operations


@pytest.fixture(scope="module")
def arm(crossing) -> Arm:
    return Arm.of(crossing.server)


def purged(arm: Arm) -> tuple[str, str]:
    """A vault that was purged: its name, and where the result is told."""
    name = arm.create()
    arm.delete(name)
    location = arm.purge(name)
    arm.finish(location)
    return name, location


def test_the_result_of_one_purge_is_not_that_of_another(arm):
    (first, one), (second, two) = purged(arm), purged(arm)
    tokens = [urlsplit(each).path.rsplit("/", 1)[1].split(".") for each in (one, two)]
    for part in range(len(tokens[0])):
        if tokens[0][part] == tokens[1][part]:
            continue
        mixed = [*tokens[0][:part], tokens[1][part], *tokens[0][part + 1 :]]
        assert_refused(arm.wire.get(one.replace(".".join(tokens[0]), ".".join(mixed))), 404, "ResourceNotFound")
    assert_refused(arm.wire.get(one.replace(first, TWIN)), 404, "ResourceNotFound")
    assert arm.wire.get(one).status_code == arm.wire.get(two).status_code == 200


def test_the_result_of_a_purge_tells_nothing_of_a_later_vault_of_the_name(arm):
    """Neither that it is there, nor that it is being purged."""
    name, location = purged(arm)
    before = arm.wire.get(location).json()
    arm.create(name)
    arm.delete(name)
    after = arm.wire.get(location)
    assert after.status_code == 200
    assert {**after.json(), "lastActionDateTime": ""} == {**before, "lastActionDateTime": ""}
    arm.recover(name)
    assert arm.get(name)["name"] == name


def test_the_result_of_a_purge_is_told_on_its_host_and_to_callers_of_it_only(crossing, arm, listings):
    _, location = purged(arm)
    for token in (None, crossing.wire(HERE).token, crossing.wire("the pool twin").token):
        assert Wire(arm.wire.base, crossing.server.bundle, token).get(location).status_code == 401
    path = urlsplit(location).path
    for place in PLACES:
        assert crossing.wire(place).get(path).status_code == 404
    # It is no page token either, nor a page token the name of an operation.
    operation = path.rsplit("/", 1)[1]
    for listing in listings:
        assert_bad_parameter(listing.goes_on_with(operation))
    assert_refused(arm.wire.get(location.replace(operation, listings[0].token)), 404, "ResourceNotFound")


# What outlives a vault


@pytest.fixture
def groups(arm, name) -> tuple[str, str]:
    """Two resource groups of the test's own."""
    made = (f"{name}-first", f"{name}-second")
    for group in made:
        assert arm.wire.put(arm.group(group), version=LATEST, json={"location": LOCATION}).status_code == 200
    return made


def end(arm: Arm, vault: str, group: str) -> None:
    assert arm.ask_delete(vault, group=group).status_code == 200
    arm.finish(arm.purge(vault))


def test_a_role_over_one_group_opens_no_vault_that_was_made_anew_in_another(crossing, arm, groups, name):
    """The name is the same; the vault lies elsewhere, and so does what is inherited from above."""
    reader = crossing.server.cli().create_application(name)
    Directory.of(crossing.server).assign(SECRETS_USER, reader.object_id, arm.group(groups[0]))
    vault = arm.create(group=groups[0])
    theirs = crossing.server.wire(vault, reader)
    assert theirs.get("/secrets").status_code == 200
    end(arm, vault, groups[0])
    arm.create(vault, groups[1])
    crossing.server.wire(vault).set_secret(name, "of the second vault")
    for wire in (theirs, crossing.server.wire(vault, reader)):
        assert_forbidden(wire.get("/secrets"), "ForbiddenByRbac")
        answer = wire.get(f"/secrets/{name}")
        assert "of the second vault" not in answer.text
        assert_forbidden(answer, "ForbiddenByRbac")


def test_nothing_that_named_an_object_names_one_in_a_vault_made_anew(crossing, arm, groups, name):
    """Identifiers of versions, deleted objects, pending operations and tags of the old vault; the new one has objects of the names."""
    vault = arm.create(group=groups[0])
    wire = crossing.server.wire(vault)
    old = [wire.set_secret(f"{name}-{number}", "of the first vault")["id"].rsplit("/", 1)[1] for number in range(3)]
    wire.delete_secret(f"{name}-2")
    Certificates(wire).begin(name, policy("Unknown"))
    tag = wire.get(f"/secrets/{name}-0").headers["ETag"]
    link = done(wire.get("/secrets", query={"maxresults": 1}))["nextLink"]
    end(arm, vault, groups[0])
    arm.create(vault, groups[1])
    wire.set_secret(f"{name}-0", "of the second vault")
    wire.set_secret(f"{name}-1", "of the second vault")
    for number, version in enumerate(old):
        assert wire.get(f"/secrets/{name}-{number}/{version}").status_code == 404
    for method, path in (
        ("GET", f"/deletedsecrets/{name}-2"), ("POST", f"/deletedsecrets/{name}-2/recover"), ("DELETE", f"/deletedsecrets/{name}-2"),
        ("GET", f"/certificates/{name}/pending"), ("DELETE", f"/certificates/{name}/pending"),
    ):
        assert wire.call(method, path).status_code == 404, f"{method} {path}"
    assert done(wire.get(f"/secrets/{name}-0", headers={"If-None-Match": tag}))["value"] == "of the second vault"
    assert done(wire.get("/deletedsecrets"))["value"] == done(wire.get("/certificates", query={"includePending": "true"}))["value"] == []
    # A page token holds a name to go on after: it may be taken, and shows what is in this vault.
    answer = wire.get(link)
    assert answer.status_code == 400 or [each["id"] for each in answer.json()["value"]] == [f"{wire.base}/secrets/{name}-1"]
