"""Sixteen writers at once, on different names and on the same."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness.clients import secret_client_for

WRITERS = 16


@pytest.fixture
def together():
    """Runs a piece of work sixteen times at once, all beginning at the same moment; the results in order."""

    def run(work):
        start = threading.Barrier(WRITERS)

        def begin(number: int):
            start.wait(30)
            return work(number)

        with ThreadPoolExecutor(WRITERS) as pool:
            return list(pool.map(begin, range(WRITERS)))

    return run


def test_sixteen_clients_write_different_secrets(server, name, together):
    def work(number: int) -> dict[str, str]:
        written = {}
        with secret_client_for(server) as client:
            for turn in range(10):
                each = f"{name}-{number}-{turn}"
                client.set_secret(each, f"value of {each}")
                written[each] = client.get_secret(each).value
        return written

    for written in together(work):
        assert written == {each: f"value of {each}" for each in written}
        assert len(written) == 10


def test_every_version_of_sixteen_writers_of_one_secret_is_kept(server, name, together):
    def work(number: int) -> dict[str, str]:
        wire = server.wire()
        values = [f"{number}-{turn}" for turn in range(15)]
        return {wire.set_secret(name, value)["id"]: value for value in values}

    written = {version: value for part in together(work) for version, value in part.items()}
    assert len(written) == WRITERS * 15
    wire = server.wire()
    assert {version: wire.get(version.split(str(server.port))[1]).json()["value"] for version in written} == written


def test_the_newest_version_is_one_that_was_written_last_by_its_writer(server, name, together):
    def work(number: int) -> str:
        wire = server.wire()
        return [wire.set_secret(name, f"{number}-{turn}")["id"] for turn in range(15)][-1]

    last = together(work)
    assert server.wire().get(f"/secrets/{name}").json()["id"] in last


def test_a_writer_reads_what_it_has_just_written(server, name, together):
    def work(number: int) -> bool:
        wire = server.wire()
        each = f"{name}-{number}"
        return all(
            wire.set_secret(each, str(turn)) and wire.get(f"/secrets/{each}").json()["value"] == str(turn) for turn in range(20)
        )

    assert all(together(work))


def test_a_reader_sees_whole_versions_only(server, name, together):
    """Half of the threads write, half read: a version's value, tag and content type always belong together."""
    server.wire().set_secret(name, "0", contentType="0", tags={"t": "0"})

    def work(number: int) -> bool:
        wire = server.wire()
        for turn in range(20):
            if number % 2:
                text = f"{number}-{turn}"
                wire.set_secret(name, text, contentType=text, tags={"t": text})
            else:
                read = wire.get(f"/secrets/{name}").json()
                if not read["value"] == read["contentType"] == read["tags"]["t"]:
                    return False
        return True

    assert all(together(work))


def test_one_of_sixteen_deletes_of_one_secret_wins(server, wire, name, together):
    wire.set_secret(name)
    statuses = together(lambda _: server.wire().delete(f"/secrets/{name}").status_code)
    assert sorted(statuses) == [200] + [404] * (WRITERS - 1)


def test_one_of_sixteen_restores_of_one_backup_wins(server, wire, name, together):
    wire.set_secret(name)
    backup = wire.backup_secret(name)
    statuses = together(lambda _: server.wire("other").post("/secrets/restore", json={"value": backup}).status_code)
    assert sorted(statuses) == [200] + [409] * (WRITERS - 1)


def test_set_and_delete_at_once_leave_a_secret_that_is_either_live_or_deleted(server, wire, name, together):
    def work(number: int) -> set[int]:
        own = server.wire()
        if number % 2:
            return {own.put(f"/secrets/{name}", json={"value": "v"}).status_code for _ in range(10)}
        return {own.delete(f"/secrets/{name}").status_code for _ in range(10)} | {
            own.post(f"/deletedsecrets/{name}/recover").status_code for _ in range(10)
        }

    assert set().union(*together(work)) <= {200, 404, 409}
    states = {wire.get(f"/secrets/{name}").status_code, wire.get(f"/deletedsecrets/{name}").status_code}
    assert states == {200, 404}


def test_updates_of_different_members_at_once_are_all_kept(server, wire, name, together):
    wire.set_secret(name)
    changes = [{"contentType": "text"}, {"tags": {"a": "b"}}, {"attributes": {"exp": 2_000_000_000}}, {"attributes": {"nbf": 1}}]
    together(lambda number: server.wire().patch(f"/secrets/{name}/", json=changes[number % 4]).status_code)
    read = wire.get(f"/secrets/{name}").json()
    assert (read["contentType"], read["tags"]) == ("text", {"a": "b"})
    assert (read["attributes"]["exp"], read["attributes"]["nbf"]) == (2_000_000_000, 1)
