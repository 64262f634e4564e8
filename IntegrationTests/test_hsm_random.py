"""Random bytes from a pool."""

import pytest

from harness import audit
from harness.keys_wire import assert_bad_parameter, done
from harness.tokens import decode

pytest_plugins = ["harness.hsm_fixtures"]


@pytest.mark.operation("RandomBytesGet")
@pytest.mark.parametrize("count", [1, 2, 16, 127, 128])
def test_a_pool_gives_as_many_bytes_as_were_asked_for(pool_client, count):
    given = pool_client.get_random_bytes(count)
    assert len(given) == count


def test_the_answer_is_base64url_without_padding(pool):
    answer = done(pool.wire.post("/rng", json={"count": 32}))
    assert set(answer) == {"value"}
    assert len(answer["value"]) == 43
    assert len(decode(answer["value"])) == 32


def test_no_two_answers_are_alike(pool):
    assert len({done(pool.wire.post("/rng", json={"count": 16}))["value"] for _ in range(40)}) == 40


def test_the_bytes_have_no_bias_that_can_be_seen(pool):
    taken = b"".join(decode(done(pool.wire.post("/rng", json={"count": 128}))["value"]) for _ in range(64))
    ones = sum(byte.bit_count() for byte in taken)
    # 65,536 bits: eight standard deviations are 1,024.
    assert abs(ones - len(taken) * 4) < 1_024
    assert len(set(taken)) == 256


@pytest.mark.parametrize("count", [0, -1, 129, 1000, 10**10, "16", 1.5, None, True], ids=str)
def test_another_count_is_refused(pool, count):
    assert_bad_parameter(pool.wire.post("/rng", json={"count": count}))


@pytest.mark.parametrize("body", [{}, [], None, {"Count": 16}], ids=str)
def test_a_body_without_a_count_is_refused(pool, body):
    assert_bad_parameter(pool.wire.post("/rng", json=body))


def test_slashes_may_be_repeated(pool):
    """Recorded: `POST //rng` is answered."""
    assert pool.wire.post("//rng", json={"count": 8}).status_code == 200


def test_a_vault_has_no_random_bytes(premium):
    assert premium.wire.post("/rng", json={"count": 16}).status_code == 404


def test_random_bytes_are_for_post_only(pool):
    assert pool.wire.get("/rng").status_code in (404, 405)


def test_the_log_knows_the_call_and_not_the_bytes(cli, pool):
    begun = audit.now()
    value = done(pool.wire.post("/rng", json={"count": 32}))["value"]
    found = [record for record in audit.records(cli, since=begun) if record["operationName"] == "RandomBytesGet"]
    assert [record["properties"]["httpStatusCode"] for record in found] == [200]
    assert value not in str(found)
