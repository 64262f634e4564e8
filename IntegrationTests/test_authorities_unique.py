"""Two hundred certificates by sixteen callers at once: every one is on record, and no serial number comes twice."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from harness.authorities_wire import Authorities, leaf_of, signing_request
from harness.certificates_wire import refusal
from harness.keys_wire import done

pytest_plugins = ["harness.authorities_fixtures"]

COUNT, CALLERS = 200, 16


@pytest.fixture(scope="module")
def made(server, _spare) -> tuple[str, list[dict]]:
    """The authority, and what it answered."""
    name, csr = next(_spare), signing_request()
    Authorities(server.wire()).set(name)
    callers = [Authorities(server.wire()) for _ in range(CALLERS)]
    with ThreadPoolExecutor(CALLERS) as threads:
        return name, list(threads.map(lambda number: callers[number % CALLERS].issue(name, csr), range(COUNT)))


def test_no_serial_number_comes_twice(made):
    assert len({each["serial_number"] for each in made[1]}) == COUNT


def test_serial_numbers_are_positive_and_have_sixteen_bytes(made):
    for each in made[1]:
        assert len(bytes.fromhex(each["serial_number"])) == 16
        assert 2**126 <= leaf_of(each).serial_number < 2**127
        assert leaf_of(each).serial_number == int(each["serial_number"], 16)


def test_serial_numbers_do_not_follow_each_other(made):
    """RFC 5280 asks for uniqueness; guidelines ask for at least 64 bits that nobody can foresee."""
    assert len({each["serial_number"][2:10] for each in made[1]}) == COUNT


@pytest.mark.operation("AuthorityIssuedList")
@pytest.mark.parametrize("size", [25, 7])
def test_all_are_listed_in_pages(authorities, made, size):
    name, answers = made
    listed = authorities.list_issued(name, maxresults=size)
    assert sorted(item["serial_number"] for item in listed) == sorted(each["serial_number"] for each in answers)
    assert {item["serial_number"]: item["cer"] for item in listed} == {each["serial_number"]: each["cer"] for each in answers}


def test_a_page_has_twenty_five_unless_fewer_are_asked_for(authorities, made):
    path = authorities.path(made[0], "/issued")
    assert len(done(authorities.wire.get(path))["value"]) == 25
    assert len(done(authorities.wire.get(path, query={"maxresults": 3}))["value"]) == 3


@pytest.mark.parametrize("query", [{"maxresults": "0"}, {"maxresults": "26"}, {"generation": "x"}, {"$skiptoken": "x"}])
def test_a_page_that_makes_no_sense_is_refused(authorities, made, query):
    assert refusal(authorities.wire.get(authorities.path(made[0], "/issued"), query=query)) == (400, "BadParameter")


def test_a_link_to_the_next_page_is_good_for_its_own_list_only(authorities, made, root):
    link = done(authorities.wire.get(authorities.path(made[0], "/issued")))["nextLink"]
    assert authorities.wire.get(link.replace(made[0], root)).status_code == 400


@pytest.mark.parametrize("serial", ["x", "0g", "00" * 21, "-1"])
def test_a_serial_number_that_is_none_is_refused(authorities, made, serial):
    assert refusal(authorities.wire.get(authorities.path(made[0], f"/issued/{serial}"))) == (400, "BadParameter")


def test_a_serial_number_that_was_not_issued_is_not_found(authorities, made):
    answer = authorities.wire.get(authorities.path(made[0], "/issued/0102"))
    assert answer.status_code == 404
    assert "has not issued a certificate with the serial number 0102" in answer.json()["error"]["message"]


def test_a_serial_number_may_have_colons(authorities, made):
    serial = made[1][0]["serial_number"]
    colons = ":".join(serial[place : place + 2] for place in range(0, len(serial), 2))
    assert authorities.issued(made[0], colons)["cer"] == made[1][0]["cer"]
