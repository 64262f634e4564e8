"""POST may stand for another method, for clients behind proxies that pass nothing else."""

import pytest


@pytest.mark.parametrize("header", ["X-HTTP-METHOD", "X-HTTP-REQUEST"])
def test_a_post_may_stand_for_a_get(wire, name, header):
    wire.set_secret(name, "v")
    assert wire.post(f"/secrets/{name}", headers={header: "GET"}).json()["value"] == "v"


@pytest.mark.parametrize("method, status", [("PUT", 200), ("PATCH", 200), ("DELETE", 200)])
def test_a_post_may_stand_for_a_write(wire, name, method, status):
    wire.set_secret(name)
    body = {"value": "w"} if method == "PUT" else {"contentType": "x"}
    assert wire.post(f"/secrets/{name}", headers={"X-HTTP-METHOD": method}, json=body).status_code == status


def test_only_a_post_may_stand_for_another(wire, name):
    wire.set_secret(name)
    assert wire.get(f"/secrets/{name}", headers={"X-HTTP-METHOD": "DELETE"}).status_code == 200
    assert wire.get(f"/secrets/{name}").status_code == 200


def test_the_right_that_is_asked_is_that_of_the_method_meant(server, cli, wire, stranger, name):
    wire.set_secret(name)
    cli.assign(stranger, "Key Vault Secrets User", server.vault_scope())
    caller = server.wire(application=stranger)
    assert caller.post(f"/secrets/{name}", headers={"X-HTTP-METHOD": "GET"}).status_code == 200
    assert caller.post(f"/secrets/{name}", headers={"X-HTTP-METHOD": "DELETE"}).status_code == 403


@pytest.mark.parametrize("method", ["FETCH", "", "GET, DELETE", "get delete"])
def test_a_method_nobody_knows_is_refused(wire, name, method):
    wire.set_secret(name)
    assert wire.post(f"/secrets/{name}", headers={"X-HTTP-METHOD": method}).status_code in (400, 405)
