"""Forged, confused and malformed tokens: each is refused at every host, for its own reason, and leaves the server unharmed."""

import pytest

from harness import http2
from harness.forged_claims import CLAIMS, SIGNATURES
from harness.forged_headers import ALGORITHMS, KEY_IDS, MEMBERS
from harness.forged_shapes import ENCODINGS, HEADERS, PARTS
from harness.forged_tokens import Door, Mint, Table, Watch, doors_of, mint_of

FAMILIES: dict[str, Table] = {
    "algorithm": ALGORITHMS, "key": KEY_IDS, "member": MEMBERS, "parts": PARTS, "encoding": ENCODINGS, "header": HEADERS,
    "claims": CLAIMS, "signature": SIGNATURES,
}
CASES: Table = {f"{family}/{case}": made for family, table in FAMILIES.items() for case, made in table.items()}
STREAMS = 90


@pytest.fixture(scope="module")
def mints(server) -> list[tuple[Door, Mint]]:
    """Each door, and a mint that knows a genuine token for it."""
    return [(door, mint_of(server, door)) for door in doors_of(server)]


@pytest.fixture(scope="module")
def watch(server, mints) -> Watch:
    for door, mint in mints:
        assert door.show(mint.genuine).status_code == 200
    return Watch(server)


def test_the_table_is_long():
    assert len(CASES) >= 250


@pytest.mark.parametrize("case", CASES)
def test_a_forged_token_is_refused(mints, watch, case):
    make, reasons = CASES[case]
    for door, mint in mints:
        watch.refused(door, make(mint), reasons)


def test_none_of_them_was_remembered_as_genuine(mints, watch):
    """A second time, after a genuine one, so that a cache of what was proven would be asked."""
    for door, mint in mints:
        assert door.show(mint.genuine).status_code == 200
        for make, reasons in list(CASES.values())[::10]:
            watch.refused(door, make(mint), reasons)


def test_all_at_once_on_one_http2_connection_are_refused(server, mints, watch):
    door, mint = mints[0]
    forged = [make(mint) for make, _ in CASES.values()]
    forged = [token for token in forged if token.isascii() and token == token.strip()]
    with http2.Connection(server) as connection:
        for start in range(0, len(forged), STREAMS):
            shown = forged[start : start + STREAMS]
            watch.shown += shown
            streams = [connection.begin("GET", "/secrets?api-version=7.4", ("authorization", f"Bearer {token}")) for token in shown]
            answers = [connection.finish(stream) for stream in streams]
            assert [answer.status for answer in answers] == [401] * len(shown)
            assert {answer.headers["www-authenticate"] for answer in answers} == {door.challenge}


def test_after_all_of_them_the_server_is_unharmed(watch):
    watch.check_unharmed()


def test_all_of_them_are_in_the_log_without_their_text(watch):
    watch.check_log()
