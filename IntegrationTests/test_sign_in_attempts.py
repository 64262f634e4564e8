"""Guessing: every refusal is the same, a name that was tried too often is held up in every spelling, and each code opens once."""

import re
import statistics
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from requests import Response

from harness.people import PASSWORD, People, settle
from harness.sign_in import PKCE, Client, Login, Page, redirected

pytest_plugins = ["harness.people_fixtures"]

# Failed tries of a name until the next one has to wait.
ALLOWED = 10


@pytest.fixture
def attempt(login):
    """Tries to sign in; the answer."""
    page = login.open(Client(), PKCE.fresh())

    def attempt(name: str, password: str = "wrong password", code: str = "") -> Response:
        return login.submit(page, username=name, password=password, otc=code)

    return attempt


def what_is_told(answer: Response, name: str) -> tuple:
    """All that a guesser sees but the name that was typed, and what differs with every answer."""
    headers = {
        name: value for name, value in answer.headers.items()
        if name.lower() not in ("date", "x-ms-request-id", "x-ms-client-request-id", "content-length")
    }
    return answer.status_code, headers, answer.text.replace(name, "NAME")


# Alike


@pytest.fixture(scope="module")
def cast(people) -> dict[str, tuple[str, str, str]]:
    """Everybody who is refused: name, password and code."""
    plain, guarded, disabled, first = (people.create(authenticator=each) for each in (False, True, False, False))
    gone = people.create()
    people.act(disabled, "disable")
    people.act(first, "resetPassword")
    people.delete(gone)
    return {
        "wrong password": (plain.name, "wrong password", ""), "empty password": (plain.name, "", ""),
        "unknown name": (People.fresh_name(), PASSWORD, ""), "unknown name with a code": (People.fresh_name(), PASSWORD, "123456"),
        "no name": ("nobody-at-all", PASSWORD, ""), "deleted": (gone.name, PASSWORD, ""), "old password": (first.name, PASSWORD, ""),
        "disabled": (disabled.name, PASSWORD, ""), "disabled with a wrong password": (disabled.name, "wrong password", ""),
        "missing code": (guarded.name, PASSWORD, ""), "wrong code": (guarded.name, PASSWORD, "000000"),
        "right code and wrong password": (guarded.name, "wrong password", guarded.code()),
    }


def test_every_refusal_is_the_same_in_text(cast, attempt):
    answers = {kind: what_is_told(attempt(*who), who[0]) for kind, who in cast.items()}
    expected = answers["wrong password"]
    assert expected[0] == 403 and "is not right" in expected[2]
    assert {kind for kind, told in answers.items() if told != expected} == set()


def test_every_refusal_is_the_same_on_the_other_pages(login, cast):
    code = login.device()["user_code"]
    for page in (login.type_code(code), Page(login.get(f"{login.tenant_url}/password"))):
        told = set()
        for name, password, otc in cast.values():
            answer = login.submit(page, username=name, password=password, otc=otc, new_password="x", repeated_password="y")
            told.add((answer.status_code, answer.text.replace(name, "NAME")))
        assert len(told) == 1 and told.pop()[0] == 403


def test_an_unknown_name_takes_as_much_work_as_a_known_one(people, attempt):
    """Medians of interleaved tries. The work of a password is many times what is left without it, so that the factor can be generous."""
    known, disabled = people.create(), people.create(authenticator=True)
    people.act(disabled, "disable")
    spent: dict[str, list[float]] = {"known": [], "unknown": [], "disabled": []}
    for _ in range(5):
        for kind, name in (("known", known.name), ("unknown", People.fresh_name()), ("disabled", disabled.name)):
            begun = time.perf_counter()
            assert attempt(name).status_code == 403
            spent[kind].append(time.perf_counter() - begun)
    medians = {kind: statistics.median(times) for kind, times in spent.items()}
    assert all(0.5 < each / medians["known"] < 2 for each in medians.values()), medians


# Held up


def spellings(name: str) -> list[str]:
    local, domain = name.split("@")
    return [
        name, name.upper(), f"{local.title()}@{domain}", f" {name}", f"{name} ", f"\t{name}\n", f"{local}@{domain.upper()}", f"\u00a0{name}",
        f"  {name.upper()}  ", name.swapcase(),
    ]


def locked(answer: Response) -> bool:
    assert answer.status_code in (303, 200, 403, 429), answer.text[:300]
    if answer.status_code == 429:
        assert "too many failed tries" in Page(answer).alert
    return answer.status_code == 429


def test_ten_failed_tries_in_any_spelling_hold_a_name_up(attempt, person, alice):
    for spelling in spellings(person.name):
        assert not locked(attempt(spelling))
    for spelling in spellings(person.name):
        assert locked(attempt(spelling, PASSWORD))
    assert attempt(alice.name, PASSWORD).status_code == 303


def test_a_name_that_is_nobodys_is_held_up_alike(attempt, person):
    unknown = People.fresh_name()
    for spelling, other in zip(spellings(person.name), spellings(unknown)):
        attempt(spelling), attempt(other)
    held = [what_is_told(attempt(name), name) for name in (person.name, unknown)]
    assert [status for status, _, _ in held] == [429, 429]
    # The seconds are rounded up, and may differ by one.
    first, second = ("".join(letter for letter in text if not letter.isdigit()) for _, _, text in held)
    assert first == second


def test_what_is_no_name_is_held_up_as_well(attempt):
    for _ in range(ALLOWED):
        assert not locked(attempt("no name at all ‮"))
    assert locked(attempt("NO name at all ‮ "))


def test_tries_on_all_pages_are_one_count(login, attempt, person):
    code = login.device()["user_code"]
    device, change = login.type_code(code), Page(login.get(f"{login.tenant_url}/password"))
    wrong = {"username": person.name, "password": "wrong password"}
    for _ in range(4):
        assert login.submit(device, **wrong).status_code == 403
    for _ in range(3):
        assert login.submit(change, None, **wrong, new_password="x", repeated_password="x").status_code == 403
        assert attempt(person.name).status_code == 403
    right = {"username": person.name, "password": PASSWORD}
    answers = [
        login.submit(device, **right), login.submit(change, None, **right, new_password="an own password", repeated_password="an own password"),
        attempt(person.name, PASSWORD),
    ]
    assert [locked(answer) for answer in answers] == [True] * 3


def test_wrong_codes_count_as_well(attempt, guarded):
    for number in range(ALLOWED):
        assert attempt(guarded.name, PASSWORD, f"{number:06}").status_code == 403
    assert locked(attempt(guarded.name, PASSWORD, guarded.code()))


def test_tries_that_come_at_once_are_counted_too(login, people):
    """Otherwise whoever sends a hundred at once has a hundred guesses each time."""
    person = people.create()
    pages = [login.open(Client(), PKCE.fresh()) for _ in range(24)]

    def guess(page: Page) -> int:
        return Login(people.server).submit(page, username=person.name, password="wrong password").status_code

    with ThreadPoolExecutor(24) as pool:
        statuses = list(pool.map(guess, pages))
    assert set(statuses) <= {403, 429} and statuses.count(403) <= ALLOWED + 4, statuses


def test_a_name_is_let_in_again_after_the_wait_and_its_session_goes_on_meanwhile(login, attempt, person):
    """Whoever knows a name can hold it up for a while, but not sign it out."""
    tokens = login.tokens(person)
    for _ in range(ALLOWED):
        attempt(person.name)
    assert login.refresh(tokens["refresh_token"])["access_token"]
    seconds = int(re.search(r"in (\d+) seconds", Page(attempt(person.name)).alert)[1])
    assert 1 <= seconds <= 6
    time.sleep(seconds + 0.5)
    assert attempt(person.name, PASSWORD).status_code == 303


def test_a_sign_in_forgets_the_failures_before_it(attempt, person):
    for _ in range(2):
        for _ in range(ALLOWED - 1):
            assert attempt(person.name).status_code == 403
        assert attempt(person.name, PASSWORD).status_code == 303


# Each code once


def test_a_code_opens_once(attempt, guarded):
    settle()
    code = guarded.code()
    assert attempt(guarded.name, PASSWORD, code).status_code == 303
    assert attempt(guarded.name, PASSWORD, code).status_code == 403
    assert attempt(guarded.name, PASSWORD, guarded.code(1)).status_code == 303


def test_a_code_opens_once_on_any_page(login, attempt, guarded):
    settle()
    device = login.device()
    assert login.confirm_device(device, guarded).heading == "You are signed in"
    typed = {**guarded.types(), "new_password": "an own password", "repeated_password": "an own password"}
    assert login.submit(Page(login.get(f"{login.tenant_url}/password")), None, **typed).status_code == 403
    assert attempt(guarded.name, PASSWORD, guarded.code()).status_code == 403


def test_of_tries_with_one_code_at_once_one_opens(people, login, guarded):
    settle()
    typed = guarded.types()
    pages = [login.open(Client(), PKCE.fresh()) for _ in range(6)]
    with ThreadPoolExecutor(6) as pool:
        statuses = sorted(pool.map(lambda page: Login(people.server).submit(page, **typed).status_code, pages))
    assert statuses == [303, 403, 403, 403, 403, 403]


@pytest.mark.parametrize(("steps", "opens"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)])
def test_codes_of_the_steps_beside_this_one_open(attempt, guarded, steps, opens):
    """RFC 6238 §5.2."""
    settle()
    assert attempt(guarded.name, PASSWORD, guarded.code(steps)).status_code == (303 if opens else 403)


def test_an_earlier_code_does_not_open_after_a_later_one(attempt, guarded):
    settle()
    assert attempt(guarded.name, PASSWORD, guarded.code(1)).status_code == 303
    assert [attempt(guarded.name, PASSWORD, guarded.code(steps)).status_code for steps in (0, -1)] == [403, 403]


@pytest.mark.parametrize("spelling", ["{0} {1}", " {0}{1} ", "{0}  {1}"])
def test_a_code_may_be_typed_with_spaces(attempt, guarded, spelling):
    settle()
    code = guarded.code()
    assert attempt(guarded.name, PASSWORD, spelling.format(code[:3], code[3:])).status_code == 303


@pytest.mark.parametrize("spoil", [
    lambda code: code[:5], lambda code: code + "0", lambda code: code + " " * 20 + code, lambda code: "-" + code,
    lambda code: code.replace(code[0], "x"),
])
def test_a_code_is_six_digits(attempt, guarded, spoil):
    settle()
    assert attempt(guarded.name, PASSWORD, spoil(guarded.code())).status_code == 403


def test_a_code_is_not_used_up_by_a_wrong_password(attempt, guarded):
    settle()
    assert attempt(guarded.name, "wrong password", guarded.code()).status_code == 403
    assert attempt(guarded.name, PASSWORD, guarded.code()).status_code == 303


def test_a_code_of_somebody_else_does_not_open(people, attempt, guarded):
    other = people.create(authenticator=True)
    assert attempt(guarded.name, PASSWORD, other.code()).status_code == 403


def test_who_has_no_authenticator_may_type_anything_as_a_code(attempt, person):
    assert attempt(person.name, PASSWORD, "123456").status_code == 303


def test_a_code_that_came_with_a_new_password_is_used_up(people, login):
    settle()
    person = people.create(authenticator=True, mustChangePassword=True)
    page = Page(login.submit(login.open(Client(), PKCE.fresh()), **person.types()))
    assert page.heading == "Choose a new password"
    typed = person.types(steps=1)
    new = "an own choice of mine"
    assert redirected(login.submit(page, **typed, new_password=new, repeated_password=new))[1]["code"]
    for code in (typed["otc"], person.code()):
        answer = login.submit(login.open(Client(), PKCE.fresh()), username=person.name, password=new, otc=code)
        assert answer.status_code == 403
