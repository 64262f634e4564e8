"""The change of a password: by one's own choice, and at the first sign-in."""

from urllib.parse import urljoin

import pytest

from harness.people import PASSWORD
from harness.sign_in import PKCE, Client, Page, granted, redirected

pytest_plugins = ["harness.people_fixtures"]

NEW = "a new password of my own"


@pytest.fixture
def pkce() -> PKCE:
    return PKCE.fresh()


@pytest.fixture
def client() -> Client:
    return Client()


@pytest.fixture
def form(login) -> Page:
    return Page(login.get(f"{login.tenant_url}/password"))


@pytest.mark.operation("PasswordPageGet")
@pytest.mark.operation("PasswordChange")
def test_a_person_changes_the_password(login, client, person):
    token = login.tokens(person)["refresh_token"]
    link = next(given["href"] for tag, given in login.open(client, PKCE.fresh()).tags if tag == "a")
    page = Page(login.get(urljoin(login.server.login, link)))
    assert page.heading == "Change your password"
    done = Page(login.submit(page, None, **person.types(), new_password=NEW, repeated_password=NEW))
    assert (done.status, done.heading, done.forms) == (200, "Your password is changed", [])
    assert login.ask_refresh(client, token).status_code == 400
    assert login.sign_in(person, client).status_code == 403
    person.password = NEW
    assert login.sign_in(person, client).status_code == 303


def test_a_change_takes_the_code_of_an_authenticator(login, client, form, guarded):
    typed = {"new_password": NEW, "repeated_password": NEW}
    assert login.submit(form, None, **{**guarded.types(), "otc": ""}, **typed).status_code == 403
    assert login.submit(form, None, **guarded.types(), **typed).status_code == 200
    guarded.password = NEW
    assert login.submit(login.open(client, PKCE.fresh()), **guarded.types(steps=1)).status_code == 303


@pytest.mark.parametrize(("new", "repeated", "told"), [
    ("short one", "short one", "at least 12 characters"), (NEW, NEW + "x", "twice alike"), (NEW, "", "twice alike"),
    ("aaaaaaaaaaaaaa", "aaaaaaaaaaaaaa", "five different"), (PASSWORD, PASSWORD, "present one"), ("y" * 300, "y" * 300, "256"),
    ("{name} is my name", "{name} is my name", "user's name"),
])
def test_a_new_password_that_does_not_do_is_told(login, form, alice, new, repeated, told):
    name = alice.name.split("@")[0]
    typed = {"new_password": new.format(name=name), "repeated_password": repeated.format(name=name)}
    page = Page(login.submit(form, None, **alice.types(), **typed))
    assert page.status == 400 and told in page.alert and page.input("new_password")
    assert not any(typed["new_password"] in given.get("value", "") for _, given in page.tags)


def test_a_change_that_was_refused_changed_nothing(login, client, form, alice):
    assert login.submit(form, None, **alice.types(), new_password="short", repeated_password="short").status_code == 400
    assert login.sign_in(alice, client).status_code == 303


def test_an_empty_new_password_is_not_blamed_on_somebody_else(login, form, alice):
    page = Page(login.submit(form, None, **alice.types(), new_password="", repeated_password=""))
    assert page.status in (400, 403) and "somebody else" not in page.alert and "password" in page.alert.lower()


def test_a_first_password_is_changed_at_the_first_sign_in(login, people, client, pkce):
    person = people.create(mustChangePassword=True, authenticator=True)
    page = Page(login.submit(login.open(client, pkce, state="kept"), **person.types()))
    assert (page.status, page.heading) == (403, "Choose a new password")
    assert "Choose one of your own" in page.text and not page.alert and page.form.hidden["state"] == "kept"
    assert page.input("username")["value"] == person.name
    again = Page(login.submit(page, **person.types(steps=1), new_password=NEW, repeated_password="otherwise"))
    assert again.status == 400 and "twice alike" in again.alert
    code = redirected(login.submit(again, **person.types(steps=1), new_password=NEW, repeated_password=NEW))[1]["code"]
    assert granted(login.ask_exchange(client, code, pkce))["refresh_token"]
    assert login.submit(login.open(client, pkce), **person.types(steps=1)).status_code == 403


def test_a_first_password_opens_nothing_before_it_is_changed(login, people):
    person = people.create(mustChangePassword=True)
    device = login.device()
    assert login.confirm_device(device, person).heading == "Choose a new password"
    assert login.ask_poll(device).json()["error"] == "authorization_pending"
    page = Page(login.submit(login.type_code(device["user_code"]), **person.types(), new_password=NEW, repeated_password=NEW))
    assert page.heading == "You are signed in" and granted(login.ask_poll(device))["access_token"]
