"""What is no `Bearer TOKEN` in one `Authorization` header opens nothing, although the token in it is genuine."""

import base64
import json

import pytest

from harness import http2
from harness.forged_tokens import LONG, MALFORMED, MISSING, Door, Watch, check_refused, doors_of
from harness.http1 import Answer, Connection

TARGET = "/secrets?api-version=7.4"
OWN_BODY = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture(scope="module")
def doors(server) -> list[Door]:
    return doors_of(server)


@pytest.fixture(scope="module")
def genuine(server, doors) -> dict[str, str]:
    """A genuine token for each door."""
    return {door.name: server.token(resource=door.resource) for door in doors}


@pytest.fixture(scope="module")
def watch(server, doors, genuine) -> Watch:
    return Watch(server)


def basic(user: str, password: str) -> str:
    return base64.b64encode(f"{user}:{password}".encode()).decode()


# Accepted, so that the refusals below mean something


@pytest.mark.parametrize("value", ["Bearer {}", "bearer {}", "BEARER {}", "bEaReR {}"])
def test_the_scheme_is_taken_in_any_case(doors, genuine, value):
    """RFC 9110 §11.1."""
    for door in doors:
        assert door.ask(value.format(genuine[door.name])).status_code == 200, door.name


@pytest.mark.parametrize(
    "value", [" Bearer {}", "\tBearer {}", "Bearer {} ", "Bearer {}\t", "  Bearer {}  ", "Bearer  {}"],
    ids=["space-before", "tab-before", "space-behind", "tab-behind", "spaces-around", "spaces-between"])
def test_white_space_around_the_value_and_behind_the_scheme_means_nothing(server, genuine, value):
    """RFC 9110 §5.5 and §11.4, RFC 6750 §2.1."""
    with Connection(server) as connection:
        answer = connection.exchange(connection.request("GET", TARGET, f"Authorization:{value.format(genuine['vault'])}"))
    assert answer.status == 200, answer.body


# Other schemes and other forms of the value


VALUES = {
    # Schemes
    "Basic": ("Basic {}", MISSING),
    "Basic-as-password": (lambda token: "Basic " + basic("token", token), MISSING),
    "Basic-as-user": (lambda token: "Basic " + basic(token, ""), MISSING),
    "Digest": ("Digest {}", MISSING),
    "Negotiate": ("Negotiate {}", MISSING),
    "PoP": ("PoP {}", MISSING),
    "DPoP": ("DPoP {}", MISSING),
    "MAC": ("MAC {}", MISSING),
    "OAuth": ("OAuth {}", MISSING),
    "Token": ("Token {}", MISSING),
    "JWT": ("JWT {}", MISSING),
    "SharedKey": ("SharedKey account:{}", MISSING),
    "SharedAccessSignature": ("SharedAccessSignature sig={}", MISSING),
    "GNAP": ("GNAP {}", MISSING),
    # Nearly Bearer
    "no-scheme": ("{}", MISSING),
    "no-token": ("Bearer", MISSING),
    "no-token-after-a-space": ("Bearer ", MISSING),
    "empty": ("", MISSING),
    "tab-behind-the-scheme": ("Bearer\t{}", MISSING),
    "colon-behind-the-scheme": ("Bearer:{}", MISSING),
    "colon-and-space-behind-the-scheme": ("Bearer: {}", MISSING),
    "equals-behind-the-scheme": ("Bearer={}", MISSING),
    "comma-behind-the-scheme": ("Bearer, {}", MISSING),
    "nothing-behind-the-scheme": ("Bearer{}", MISSING),
    "scheme-in-quotes": ('"Bearer" {}', MISSING),
    "scheme-cut": ("Beare {}", MISSING),
    "scheme-longer": ("Bearers {}", MISSING),
    "scheme-divided": ("Bear er {}", MISSING),
    "scheme-in-another-script": ("Веarer {}", MISSING),
    "scheme-behind": ("{} Bearer", MISSING),
    # Parameters and lists
    "token-as-parameter": ('Bearer token="{}"', MALFORMED),
    "realm-before": ('Bearer realm="x", token="{}"', MALFORMED),
    "list-of-two": ("Bearer {0}, Bearer {0}", MALFORMED),
    "list-without-scheme": ("Bearer {0}, {0}", MALFORMED),
    "list-without-space": ("Bearer {0},Bearer {0}", MALFORMED),
    "list-with-nonsense-first": ("Bearer x, Bearer {}", MALFORMED),
    "list-with-nonsense-last": ("Bearer {}, Bearer x", MALFORMED),
    "list-with-Basic-first": ("Basic YTpi, Bearer {}", MISSING),
    "list-with-Basic-last": ("Bearer {}, Basic YTpi", MALFORMED),
    "list-that-begins-empty": (", Bearer {}", MISSING),
    "list-that-ends-empty": ("Bearer {},", MALFORMED),
    "two-with-a-semicolon": ("Bearer {0}; Bearer {0}", MALFORMED),
    "two-with-a-space": ("Bearer {0} {0}", MALFORMED),
    "scheme-twice": ("Bearer Bearer {}", MALFORMED),
    "encoded-by-percent": ("Bearer%20{}", MISSING),
}


@pytest.mark.parametrize("case", VALUES)
def test_another_form_of_the_value_opens_nothing(doors, genuine, watch, case):
    form, reason = VALUES[case]
    for door in doors:
        token = genuine[door.name]
        watch.shown.append(token)
        value = form(token) if callable(form) else form.format(token)
        check_refused(door.ask(value.encode()), door, token, reason)


# Other places in a request


PLACES = {
    "cookie": {"headers": {"Cookie": "Authorization=Bearer {0}; access_token={0}; token={0}"}},
    "cookie-of-app-service": {"headers": {"Cookie": "AppServiceAuthSession={}; .AspNetCore.Cookies={}"}},
    "proxy-authorization": {"headers": {"Proxy-Authorization": "Bearer {}"}},
    "forwarded-authorization": {"headers": {"X-Forwarded-Authorization": "Bearer {}", "X-Original-Authorization": "Bearer {}"}},
    "auxiliary-authorization": {"headers": {"x-ms-authorization-auxiliary": "Bearer {}"}},
    "token-of-app-service": {"headers": {"X-MS-TOKEN-AAD-ACCESS-TOKEN": "{}", "X-MS-CLIENT-PRINCIPAL": "{}"}},
    "own-headers": {"headers": {"X-Authorization": "Bearer {}", "X-Access-Token": "{}", "X-Auth-Token": "{}", "Token": "{}"}},
    "header-spelled-otherwise": {"headers": {"Authorisation": "Bearer {}", "HTTP_AUTHORIZATION": "Bearer {}"}},
    "web-socket-protocol": {"headers": {"Sec-WebSocket-Protocol": "base64url.bearer.authorization.k8s.io.{}"}},
    "client-request-id": {"headers": {"x-ms-client-request-id": "Bearer {}"}},
    "form": {"method": "POST", "headers": OWN_BODY, "data": "access_token={}"},
    "form-of-a-get": {"headers": OWN_BODY, "data": "access_token={}"},
    "json": {"method": "POST", "json": {"access_token": "{}", "authorization": "Bearer {}"}},
    "header-of-another-scheme": {"headers": {"Authorization": "Basic YTpi", "Proxy-Authorization": "Bearer {}"}},
}


def filled(value, token: str):
    """The texts in a value, with the token put in."""
    if isinstance(value, dict):
        return {name: filled(each, token) for name, each in value.items()}
    return value.replace("{0}", token).replace("{}", token)


@pytest.mark.parametrize("place", PLACES)
def test_a_token_in_another_place_is_not_seen(doors, genuine, watch, place):
    for door in doors:
        token = genuine[door.name]
        watch.shown.append(token)
        sent = filled({"method": "GET", **PLACES[place]}, token)
        check_refused(door.wire.call(path=door.path, version=door.version, **sent), door, token, MISSING)


@pytest.mark.parametrize(
    "name", ["access_token", "bearer_token", "id_token", "token", "jwt", "authorization", "Authorization", "bearer"])
def test_a_token_in_the_address_is_not_seen(doors, genuine, name):
    for door in doors:
        token = genuine[door.name]
        for value in (token, f"Bearer {token}"):
            answer = door.wire.get(door.path, version=door.version, query={name: value})
            check_refused(answer, door, token, MISSING)


# What is no HTTP


def refused_as_broken(answer: Answer, status: int, code: str, token: str) -> None:
    assert answer.status == status, answer.body
    assert json.loads(answer.body)["error"]["code"] == code
    assert token[-40:].encode() not in answer.body and "www-authenticate" not in answer.headers


BROKEN = {
    "given-twice": ["Authorization: Bearer {}", "Authorization: Bearer {}"],
    "given-twice-in-other-letters": ["Authorization: Bearer {}", "AUTHORIZATION: Bearer {}"],
    "given-twice-first-empty": ["Authorization:", "Authorization: Bearer {}"],
    "given-twice-first-Basic": ["Authorization: Basic YTpi", "Authorization: Bearer {}"],
    "given-twice-last-Basic": ["Authorization: Bearer {}", "Authorization: Basic YTpi"],
    "given-three-times": ["Authorization: Bearer {}"] * 3,
    "folded": ["Authorization: Bearer", " {}"],
    "space-before-the-colon": ["Authorization : Bearer {}"],
    "space-before-the-name": ["X-First: a", " Authorization: Bearer {}"],
    "nul-for-the-space": ["Authorization: Bearer\0{}"],
    "nul-behind": ["Authorization: Bearer {}\0"],
    "nul-before-nonsense": ["Authorization: Bearer {}\0.AAAA"],
    "control-byte": ["Authorization: Bearer \x01{}"],
    "escape-byte": ["Authorization: Bearer {}\x1b[2J"],
    "delete-byte": ["Authorization: Bearer {}\x7f"],
    "line-end-inside": ["Authorization: Bearer a\rb{}"],
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_header_that_is_not_one_is_broken_http(server, genuine, watch, case):
    token = genuine["vault"]
    with Connection(server) as connection:
        answer = connection.exchange(connection.request("GET", TARGET, *(line.format(token) for line in BROKEN[case])))
        refused_as_broken(answer, 400, "BadRequest", token)
        assert connection.is_closed()


@pytest.mark.parametrize("authority", ["{}@{host}", "token:{}@{host}"])
def test_a_token_in_the_authority_is_broken_http(server, genuine, authority):
    with Connection(server) as connection:
        target = "https://" + authority.format(genuine["vault"], host=connection.host) + TARGET
        answer = connection.exchange(connection.request("GET", target))
    refused_as_broken(answer, 400, "BadRequest", genuine["vault"])


def test_a_token_in_a_trailer_is_not_seen(server, doors, genuine):
    token = genuine["vault"]
    with Connection(server) as connection:
        head = connection.request("PUT", "/secrets/trailer?api-version=7.4", "Transfer-Encoding: chunked", "Trailer: Authorization")
        answer = connection.exchange(head + f"2\r\n{{}}\r\n0\r\nAuthorization: Bearer {token}\r\n\r\n".encode())
    assert (answer.status, answer.headers["www-authenticate"]) == (401, doors[0].challenge)


@pytest.mark.parametrize("count", [2, 3])
def test_the_header_given_more_than_once_by_http2_is_refused(server, genuine, count):
    with http2.Connection(server) as connection:
        answer = connection.get("GET", TARGET, *[("authorization", f"Bearer {genuine['vault']}")] * count)
    assert answer.status == 400 and json.loads(answer.body)["error"]["code"] == "BadRequest"


@pytest.mark.parametrize(
    "value", ["Bearer\0{}", "Bearer {}\0", "Bearer {}\r", "Bearer {}\n", "Bearer {}\r\nx: y", "Bearer {}\x01", "Bearer\x01{}"],
    ids=repr)
def test_bytes_that_no_header_may_hold_open_nothing_by_http2(server, genuine, value):
    with http2.Connection(server, polite=False) as connection:
        connection.h2.config.normalize_outbound_headers = False
        answer = connection.get("GET", TARGET, ("authorization", value.format(genuine["vault"])))
        assert answer.reset or connection.terminated or answer.status in (400, 401)
    assert b"value" not in answer.body


# Lengths


@pytest.mark.parametrize(("length", "reason"), [(16_384, MALFORMED), (16_385, LONG), (20_000, LONG), (60_000, LONG)])
def test_a_long_header_is_refused_as_what_it_is(doors, watch, length, reason):
    for door in doors:
        watch.refused(door, "a" * (length - len("Bearer ")), reason)


@pytest.mark.parametrize("length", [65_536, 70_000, 1_000_000])
def test_a_header_over_64_kib_is_too_large(server, length):
    token = "a" * length
    with Connection(server) as connection:
        answer = connection.exchange(connection.request("GET", TARGET, f"Authorization: Bearer {token}"))
        refused_as_broken(answer, 431, "RequestHeaderFieldsTooLarge", token)
        assert connection.is_closed()


@pytest.mark.parametrize("length", [16_385, 60_000])
def test_a_long_header_by_http2_is_refused_alike(server, doors, length):
    with http2.Connection(server) as connection:
        connection.get("GET", TARGET)
        answer = connection.get("GET", TARGET, ("authorization", "Bearer " + "a" * (length - 7)))
    assert (answer.status, json.loads(answer.body)["error"]["message"]) == (401, LONG)
    assert answer.headers["www-authenticate"] == doors[0].challenge


# Afterwards


def test_after_all_of_them_the_server_is_unharmed(watch):
    watch.check_unharmed()


def test_none_of_the_refusals_is_told_with_a_token(watch):
    watch.check_log()
