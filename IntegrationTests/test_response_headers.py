"""Every answer of a vault carries the headers of the service, errors included."""

import re
import uuid

import pytest

from harness.http1 import Connection

GUID = re.compile(r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$")


def success(wire, name):
    return wire.put(f"/secrets/{name}", json={"value": "v"})


def no_content(wire, name):
    wire.set_secret(name)
    wire.delete_secret(name)
    return wire.delete(f"/deletedsecrets/{name}")


def bad_request(wire, name):
    return wire.put(f"/secrets/{name}", json={})


def bad_version(wire, name):
    return wire.get(f"/secrets/{name}", version="9.9")


def unauthorized(wire, name):
    return wire.get(f"/secrets/{name}", headers={"Authorization": "Bearer nonsense"})


def forbidden(wire, name):
    wire.set_secret(name, attributes={"enabled": False})
    return wire.get(f"/secrets/{name}")


def not_found(wire, name):
    return wire.get(f"/secrets/{name}")


def no_such_path(wire, name):
    return wire.get(f"/{name}")


def no_such_method(wire, name):
    return wire.post(f"/secrets/{name}")


def conflict(wire, name):
    wire.set_secret(name)
    wire.delete_secret(name)
    return wire.put(f"/secrets/{name}", json={"value": "v"})


def too_large(wire, name):
    return wire.put(f"/secrets/{name}", data=b" " * 1_100_000)


ANSWERS = {
    200: success,
    204: no_content,
    "400 body": bad_request,
    "400 version": bad_version,
    401: unauthorized,
    403: forbidden,
    "404 object": not_found,
    "404 path": no_such_path,
    405: no_such_method,
    409: conflict,
    413: too_large,
}


@pytest.fixture(params=ANSWERS, ids=str)
def answer(request, wire, name):
    made = ANSWERS[request.param](wire, name)
    assert str(made.status_code) == str(request.param)[:3], made.text
    return made


def test_it_must_not_be_cached(answer):
    assert answer.headers["Cache-Control"] == "no-cache"
    assert answer.headers["Pragma"] == "no-cache"
    assert answer.headers["Expires"] == "-1"


def test_its_content_is_json_when_it_has_content(answer):
    expected = None if answer.status_code == 204 else "application/json; charset=utf-8"
    assert answer.headers.get("Content-Type") == expected


def test_it_names_the_request(answer):
    assert GUID.match(answer.headers["x-ms-request-id"])


def test_it_names_region_service_version_and_network(answer):
    assert re.fullmatch(r"[a-z0-9-]+", answer.headers["x-ms-keyvault-region"])
    assert re.fullmatch(r"\d+(\.\d+){1,3}", answer.headers["x-ms-keyvault-service-version"])
    network = answer.headers["x-ms-keyvault-network-info"]
    assert re.fullmatch(r"conn_type=Ipv[46];addr=(127\.0\.0\.1|::1);act_addr_fam=InterNetwork(V6)?;", network)


def test_it_is_for_https_only_and_its_type_is_not_guessed(answer):
    assert answer.headers["Strict-Transport-Security"] == "max-age=31536000;includeSubDomains"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_an_error_has_a_body_with_code_and_message(answer):
    if answer.status_code < 300:
        assert not answer.text or "error" not in answer.json()
    else:
        assert answer.json()["error"]["code"] and answer.json()["error"]["message"]


@pytest.mark.parametrize("make", [success, not_found, unauthorized, bad_version], ids=lambda make: make.__name__)
def test_the_clients_request_id_is_echoed(wire, name, make):
    sent = str(uuid.uuid4())
    wire._session.headers["x-ms-client-request-id"] = sent
    assert make(wire, name).headers["x-ms-client-request-id"] == sent


def test_a_request_id_is_made_for_a_client_that_sends_none(wire, name):
    assert GUID.match(not_found(wire, name).headers["x-ms-client-request-id"])


def test_no_two_answers_have_the_same_request_id(wire, name):
    made = [not_found(wire, name).headers["x-ms-request-id"] for _ in range(50)]
    assert len(set(made)) == 50


def test_the_network_info_of_an_ipv4_caller(server):
    with Connection(server) as connection:
        answer = connection.exchange(connection.request("GET", "/secrets"))
    assert answer.headers["x-ms-keyvault-network-info"] == "conn_type=Ipv4;addr=127.0.0.1;act_addr_fam=InterNetwork;"
