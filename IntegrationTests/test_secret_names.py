"""A name that is also a word of the paths is a name like any other."""

import pytest


@pytest.mark.parametrize("word", ["restore", "versions", "backup", "secrets", "recover"])
def test_a_secret_may_be_called_like_a_word_of_the_paths(wire, word):
    made = wire.set_secret(word, "v")
    assert wire.get(f"/secrets/{word}").json()["value"] == "v"
    assert wire.get(f"/secrets/{word}/versions").json()["value"][0]["id"] == made["id"]
    assert wire.delete_secret(word)["id"] == made["id"]
    assert wire.delete(f"/deletedsecrets/{word}").status_code == 204
