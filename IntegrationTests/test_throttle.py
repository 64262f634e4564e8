"""Someone who guesses client secrets is slowed down, however the client id is spelled."""

import itertools
import uuid

import pytest

from harness.clients import credential_for

ENOUGH = 100


@pytest.fixture
def guess(own_server):
    """Guesses at a client of a server of its own, so that no other test is slowed down."""
    server = own_server()

    def attempt(client_id: str, secret: str = "wrong"):
        return server.request_token(
            {
                "grant_type": "client_credentials",
                "client_id": client_id,
                "client_secret": secret,
                "scope": f"{server.vault_resource}/.default",
            }
        )

    attempt.server = server
    return attempt


def spellings(client_id: str) -> list[str]:
    mixed = "".join(letter.upper() if at % 2 else letter for at, letter in enumerate(client_id))
    return [client_id, client_id.upper(), mixed]


def guess_until_slowed(guess, client_ids) -> int:
    """The number of guesses that were judged before one was not."""
    for count, client_id in enumerate(itertools.islice(itertools.cycle(client_ids), ENOUGH)):
        answer = guess(client_id)
        if answer.status_code == 429:
            return count
        assert answer.status_code == 401
    raise AssertionError(f"{ENOUGH} wrong secrets were judged")


def test_after_some_wrong_secrets_no_more_are_judged(guess):
    made = guess.server.cli().create_application("guessed")
    assert guess_until_slowed(guess, [made.app_id]) >= 3


def test_the_refusal_says_when_to_come_back(guess):
    made = guess.server.cli().create_application("guessed")
    guess_until_slowed(guess, [made.app_id])
    answer = guess(made.app_id)
    assert answer.status_code == 429
    assert int(answer.headers["Retry-After"]) > 0


def test_every_spelling_of_the_client_counts_the_same(guess):
    one, other = (guess.server.cli().create_application(f"guessed-{number}") for number in (1, 2))
    assert guess_until_slowed(guess, [one.app_id]) == guess_until_slowed(guess, spellings(other.app_id))


def test_every_spelling_of_a_slowed_client_is_slowed(guess):
    made = guess.server.cli().create_application("guessed")
    guess_until_slowed(guess, [made.app_id])
    assert [guess(spelling).status_code for spelling in spellings(made.app_id)] == [429, 429, 429]


def test_while_slowed_even_the_right_secret_is_not_judged(guess):
    """Otherwise a guess would still show whether it was right."""
    made = guess.server.cli().create_application("guessed")
    guess_until_slowed(guess, [made.app_id])
    assert guess(made.app_id.upper(), made.password).status_code == 429


def test_other_clients_are_not_slowed(guess):
    guessed = guess.server.cli().create_application("guessed")
    other = guess.server.cli().create_application("other")
    guess_until_slowed(guess, [guessed.app_id])
    assert credential_for(guess.server, other).get_token(f"{guess.server.vault_resource}/.default").token


def test_a_client_that_does_not_exist_is_slowed_like_one_that_does(guess):
    """Otherwise guessing would tell which clients exist."""
    made = guess.server.cli().create_application("guessed")
    assert guess_until_slowed(guess, [str(uuid.uuid4())]) == guess_until_slowed(guess, [made.app_id])


def test_a_client_that_comes_with_its_secret_is_never_slowed(guess):
    made = guess.server.cli().create_application("patient")
    assert {guess(made.app_id, made.password).status_code for _ in range(40)} == {200}
