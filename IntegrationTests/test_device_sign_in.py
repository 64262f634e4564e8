"""Devices without a browser (RFC 8628): a code is shown, a person types it elsewhere, and the device gets its tokens once."""

import re
import time

import pytest

from harness.clock import shifted
from harness.people import People
from harness.sign_in import AZURE_POWERSHELL, V1, Client, Login, Page, granted, oauth_refusal
from harness.tokens import claims_of

pytest_plugins = ["harness.people_fixtures"]

MOST_WAITING = 1_000


def polled(login: Login, device: dict, **changes) -> str:
    return oauth_refusal(login.ask_poll(device, **changes))[1]


# The way through


@pytest.mark.operation("DeviceCodeIssue")
@pytest.mark.operation("DevicePageGet")
@pytest.mark.operation("DeviceSignIn")
def test_a_person_signs_in_for_a_device(server, login, person):
    device = login.device()
    assert device["verification_uri"] == login.device_url and device["interval"] >= 1 and device["expires_in"] == 900
    assert re.fullmatch(r"[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}", device["user_code"])
    assert device["user_code"] in device["message"] and login.device_url in device["message"]
    assert polled(login, device) == "authorization_pending"
    page = login.type_code(device["user_code"])
    assert page.heading == "Sign in on another device" and "Microsoft Azure CLI" in page.text and device["user_code"] in page.text
    done = Page(login.submit(page, **person.types()))
    assert (done.status, done.heading, done.forms) == (200, "You are signed in", [])
    tokens = granted(login.ask_poll(device))
    assert claims_of(tokens["access_token"])["oid"] == person.id and tokens["refresh_token"] and tokens["id_token"]
    assert claims_of(tokens["access_token"])["aud"] == server.vault_resource
    assert login.refresh(tokens["refresh_token"])["refresh_token"]


def test_version_1_speaks_of_an_address_and_of_texts(server, login, person):
    device = granted(login.ask_device(version=V1, scope=None, resource=server.vault_resource))
    assert device["verification_url"] == login.device_url and (device["expires_in"], device["interval"]) == ("900", "5")
    login.confirm_device(device, person)
    form = {"grant_type": "device_code", "code": device["device_code"], "device_code": device["device_code"], "resource": server.vault_resource}
    tokens = granted(login.ask_token(V1, client_id=Client().id, **form))
    assert tokens["resource"] == server.vault_resource == claims_of(tokens["access_token"])["aud"]


def test_a_person_with_an_authenticator_gives_a_code(login, guarded):
    device = login.device()
    assert login.confirm_device(device, guarded, otc="").status == 403
    assert polled(login, device) == "authorization_pending"
    login.confirm_device(device, guarded)
    assert claims_of(granted(login.ask_poll(device))["access_token"])["amr"] == ["pwd", "mfa"]


# What the device is told


def test_who_asks_too_often_is_told_to_slow_down(login, person):
    """RFC 8628 §3.5; the first question after that is answered again once the interval is over."""
    device = login.device()
    assert [polled(login, device) for _ in range(3)] == ["authorization_pending", "slow_down", "slow_down"]
    login.confirm_device(device, person)
    assert granted(login.ask_poll(device))["access_token"]


def test_who_keeps_the_interval_is_not_told_to_slow_down(login):
    device = login.device()
    assert polled(login, device) == "authorization_pending"
    time.sleep(device["interval"])
    assert polled(login, device) == "authorization_pending"


def test_who_declines_ends_it(login, person):
    device = login.device()
    page = Page(login.submit(login.type_code(device["user_code"]), "cancel"))
    assert (page.status, page.heading) == (200, "You did not sign in")
    assert polled(login, device) in ("access_denied", "authorization_declined")
    assert login.type_code(device["user_code"]).alert


def test_what_a_device_gets_it_gets_once(login, person):
    device = login.device()
    login.confirm_device(device, person)
    assert granted(login.ask_poll(device))["access_token"]
    assert oauth_refusal(login.ask_poll(device)) == (400, "invalid_grant")
    assert login.type_code(device["user_code"]).alert


def test_a_code_that_was_confirmed_is_not_confirmed_again(login, person, alice):
    device = login.device()
    page = login.type_code(device["user_code"])
    assert Page(login.submit(page, **person.types())).heading == "You are signed in"
    assert "not known" in Page(login.submit(page, **alice.types())).alert
    assert claims_of(granted(login.ask_poll(device))["access_token"])["oid"] == person.id


def test_a_device_code_is_for_the_client_that_asked(login, person):
    device = login.device()
    login.confirm_device(device, person)
    assert oauth_refusal(login.ask_poll(device, Client(AZURE_POWERSHELL))) == (400, "invalid_grant")
    assert granted(login.ask_poll(device))["access_token"]


@pytest.mark.parametrize("code", ["", "x", "A" * 54, "x" * 10_000])
def test_a_device_code_that_was_not_given_out_is_refused(login, code):
    assert oauth_refusal(login.ask_poll({"device_code": code})) in ((400, "invalid_grant"), (400, "expired_token"), (400, "invalid_request"))


def test_the_code_of_the_person_is_not_the_code_of_the_device(login, person):
    device = login.device()
    login.confirm_device(device, person)
    assert oauth_refusal(login.ask_poll({"device_code": device["user_code"]})) == (400, "invalid_grant")


@pytest.mark.parametrize("change", ["disable", "revokeSessions", "resetPassword", "resetAuthenticator"])
def test_a_sign_in_falls_with_its_person(people, login, person, change):
    device = login.device()
    login.confirm_device(device, person)
    people.act(person, change)
    assert oauth_refusal(login.ask_poll(device)) == (400, "invalid_grant")


@pytest.mark.parametrize("client", ["", "nobody", "11111111-1111-4111-8111-111111111111"])
def test_an_unknown_client_gets_no_code(login, client):
    assert oauth_refusal(login.ask_device(Client(client)))[1] in ("unauthorized_client", "invalid_client", "invalid_request")


@pytest.mark.parametrize("scope", ["https://vault.azure.net/.default https://management.azure.com/.default", "x" * 1_025])
def test_a_scope_that_cannot_be_is_refused(login, scope):
    assert oauth_refusal(login.ask_device(scope=scope)) == (400, "invalid_scope")


def test_a_confidential_client_proves_itself(people, login, person):
    made = people.management.post(
        "/strongroom/applications", version=None, json={"displayName": "a device", "redirectUris": ["https://device.example"]}).json()
    client = Client(made["appId"])
    device = login.device(client)
    login.confirm_device(device, person)
    assert oauth_refusal(login.ask_poll(device, client)) == (401, "invalid_client")
    client.secret = made["password"]
    assert granted(login.ask_poll(device, client))["access_token"]


# What the person types


@pytest.mark.parametrize("spell", [
    str, str.lower, lambda code: code.replace("-", ""), lambda code: code.replace("-", " "), lambda code: f"  {code} ",
    lambda code: "-".join(code.replace("-", "")),
])
def test_a_code_is_known_in_any_spelling(login, spell):
    assert login.type_code(spell(login.device()["user_code"])).heading == "Sign in on another device"


@pytest.mark.parametrize("typed", ["", "BCDF-GHJK", "AAAA-AAAA", "BCDF", "BCDF-GHJKL", "<b>", "x" * 1_000, "ＢＣＤＦ-ＧＨＪＫ"])
def test_a_code_that_was_not_shown_is_told_on_a_page(login, typed):
    page = login.type_code(typed)
    assert page.status == 400 and page.heading == "Enter the code" and page.alert and page.input("user_code")


def test_the_page_warns_of_codes_that_one_did_not_ask_for(login):
    """RFC 8628 §5.4: whoever talks somebody into typing a code is signed in as them."""
    assert "only if you started that yourself" in Page(login.get(login.device_url)).text
    assert "only if you started this yourself" in login.type_code(login.device()["user_code"]).text


def test_codes_do_not_repeat(login):
    devices = [login.device() for _ in range(20)]
    assert len({device["user_code"] for device in devices}) == len({device["device_code"] for device in devices}) == 20


# Time, restarts and crowds


def test_a_device_code_ends_after_fifteen_minutes_and_outlasts_restarts(lasting_server):
    login, people = Login(lasting_server, verify=False), People(lasting_server)
    person = people.create()
    late, early, confirmed = login.device(), login.device(), login.device()
    login.confirm_device(confirmed, person)
    lasting_server.kill()
    lasting_server.start(**shifted(800))
    login.confirm_device(early, person)
    for device in (early, confirmed):
        assert granted(login.ask_poll(device))["access_token"]
    lasting_server.restart(**shifted(901))
    assert oauth_refusal(login.ask_poll(late)) == (400, "expired_token")
    assert "its time is over" in login.type_code(late["user_code"]).alert
    lasting_server.restart()


def test_at_most_a_thousand_devices_wait_and_those_whose_time_is_over_make_room(lasting_server):
    login = Login(lasting_server, verify=False)
    statuses = []
    while len(statuses) <= MOST_WAITING and (not statuses or statuses[-1] == 200):
        answer = login.ask_device()
        statuses.append(answer.status_code)
    assert statuses[-1] == 429 and len(statuses) > MOST_WAITING - 10
    assert answer.json()["error"] and int(answer.headers["Retry-After"]) > 0
    lasting_server.restart(**shifted(1_000))
    assert [login.ask_device().status_code for _ in range(3)] == [200] * 3
    lasting_server.restart()
