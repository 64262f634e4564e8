"""What the tests of people may ask for beside `conftest.py`. They load it with `pytest_plugins`."""

import pytest

from harness.directory import Directory
from harness.people import People, Person
from harness.sign_in import Login


@pytest.fixture(scope="module")
def people(server) -> People:
    """The people of the server, as its owner looks after them."""
    return People(server)


@pytest.fixture(scope="module")
def directory(server) -> Directory:
    return Directory.of(server)


@pytest.fixture(scope="module")
def login(server) -> Login:
    return Login(server)


@pytest.fixture(scope="module")
def alice(people) -> Person:
    """Somebody with a password alone, whom every test of a module may sign in and none may change."""
    return people.create(displayName="Alice of the tests")


@pytest.fixture
def person(people) -> Person:
    """Somebody of one test's own, with a password alone."""
    return people.create()


@pytest.fixture
def guarded(people) -> Person:
    """Somebody of one test's own, with an authenticator."""
    return people.create(authenticator=True)
