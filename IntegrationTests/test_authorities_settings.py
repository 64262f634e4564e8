"""How an authority issues: its settings, and each that is not accepted."""

import pytest

from harness.authorities_wire import CLIENT, CODE, MAIL, SERVER, TIMESTAMPING, leaf_of, leaf_policy, reason_of, signing_request
from harness.authorities_public import revocation_list

pytest_plugins = ["harness.authorities_fixtures"]

NAMES = {f"DNS:{number}.example.com" for number in range(101)}


def profile(name: str = "tlsServer", **members) -> dict:
    return {"profiles": [{"name": name, **members}]}


BAD = {
    "full list of no hours": ({"crl": {"full_hours": 0}}, "crl.full_hours"),
    "full list of too many hours": ({"crl": {"full_hours": 8761}}, "crl.full_hours"),
    "delta of no hours": ({"crl": {"delta_hours": 0}}, "crl.delta_hours"),
    "delta of negative hours": ({"crl": {"delta_hours": -1}}, "crl.delta_hours"),
    "delta that outlives the full list": ({"crl": {"full_hours": 12, "delta_hours": 13}}, "'crl.delta_hours' has invalid value: it must not exceed"),
    "full list below the standard delta": ({"crl": {"full_hours": 12}}, "it must not exceed crl.full_hours"),
    "status of no hours": ({"ocsp": {"hours": 0}}, "ocsp.hours"),
    "status of too many hours": ({"ocsp": {"hours": 8761}}, "ocsp.hours"),
    "unknown profile": (profile("tlsserver"), "profiles.name"),
    "profile without a name": ({"profiles": [{"max_validity_days": 1}]}, "profiles.name"),
    "profile named twice": ({"profiles": [{"name": "tlsServer"}, {"name": "tlsServer"}]}, "'profiles.name' has invalid value: it must be one of"),
    "no days": (profile(max_validity_days=0), "profiles.max_validity_days"),
    "too many days": (profile(max_validity_days=36_501), "profiles.max_validity_days"),
    "path length of a leaf": (profile(path_length=0), "'profiles' has invalid value: path length and names are for the profile 'intermediate'"),
    "permitted names of a leaf": (profile(permitted_names=["DNS:a.example"]), "are for the profile 'intermediate'"),
    "excluded names of a leaf": (profile(excluded_names=[]), "are for the profile 'intermediate'"),
    "negative path length": (profile("intermediate", path_length=-1), "profiles.path_length"),
    "long path": (profile("intermediate", path_length=11), "profiles.path_length"),
    "name of no kind": (profile("intermediate", permitted_names=["example.com"]), "profiles.permitted_names"),
    "empty name": (profile("intermediate", permitted_names=["DNS:"]), "profiles.permitted_names"),
    "name with a comma": (profile("intermediate", excluded_names=["DNS:a,CA:TRUE"]), "profiles.excluded_names"),
    "name with a line feed": (profile("intermediate", excluded_names=["DNS:a\nb"]), "profiles.excluded_names"),
    "too many names": (profile("intermediate", permitted_names=sorted(NAMES)), "more than 100"),
    "address without a mask": (profile("intermediate", permitted_names=["IP:10.0.0.0"]), "profiles.permitted_names"),
    "purpose that is none": (profile(ekus=["serverAuth"]), "profiles.ekus"),
    "too many purposes": (profile(ekus=[f"1.3.6.1.4.1.{number}" for number in range(21)]), "more than 20"),
}

NOT_SETTINGS = {
    "a list": [],
    "a text": "x",
    "hours as text": {"crl": {"full_hours": "24"}},
    "enabled as text": {"enabled": "yes"},
    "profiles as an object": {"profiles": {}},
    "half an hour": {"ocsp": {"hours": 0.5}},
}


@pytest.fixture(scope="module")
def asked(_spare) -> str:
    """A certificate that could be an authority."""
    return next(_spare)


@pytest.mark.parametrize("label", BAD)
def test_a_bad_setting_is_refused_with_its_reason(authorities, asked, label):
    settings, reason = BAD[label]
    assert reason in reason_of(authorities.ask_set(asked, settings))


@pytest.mark.parametrize("label", NOT_SETTINGS)
def test_what_is_not_settings_is_refused(authorities, asked, label):
    assert reason_of(authorities.ask_set(asked, NOT_SETTINGS[label]))


def test_text_that_is_not_json_is_refused(authorities, asked):
    assert reason_of(authorities.wire.put(authorities.path(asked), data=b"{", headers={"Content-Type": "application/json"}))


def test_a_refused_setting_changes_nothing(authorities, own):
    made = authorities.set(own, {"ocsp": {"hours": 5}})
    authorities.ask_set(own, {"ocsp": {"hours": 0}})
    assert authorities.get(own) == made


def test_settings_are_shown_as_they_were_set(authorities, own):
    names = {"permitted_names": ["DNS:a.example"], "excluded_names": ["IP:10.0.0.0/255.0.0.0"]}
    made = authorities.set(
        own,
        {
            "profiles": [
                {"name": "tlsServer", "max_validity_days": 7, "ekus": [SERVER]},
                {"name": "intermediate", "path_length": 2, **names},
            ],
            "crl": {"full_hours": 10, "delta_hours": 2},
            "ocsp": {"hours": 3},
        },
    )
    profiles = {each["name"]: each for each in made["profiles"]}
    assert profiles["tlsServer"] == {"name": "tlsServer", "max_validity_days": 7, "ekus": [SERVER]}
    assert profiles["tlsClient"] == {"name": "tlsClient", "max_validity_days": 825, "ekus": [CLIENT, MAIL]}
    assert profiles["intermediate"] == {
        "name": "intermediate",
        "max_validity_days": 3660,
        "ekus": [],
        "path_length": 2,
        **names,
    }
    assert (made["crl"]["full_hours"], made["crl"]["delta_hours"], made["ocsp"]["hours"]) == (10, 2, 3)


def test_hours_are_the_time_that_lists_hold(authorities, own):
    made = authorities.set(own, {"crl": {"full_hours": 10, "delta_hours": 2}})
    for url, hours in ((made["crl"]["url"], 10), (made["crl"]["delta_url"], 2)):
        found = revocation_list(url)
        held = (found.next_update_utc - found.last_update_utc).total_seconds()
        assert hours * 3600 <= held <= hours * 3600 + 600


def test_the_days_of_a_profile_bind(authorities, own):
    authorities.set(own, profile(max_validity_days=7))
    assert "at most 7 days" in reason_of(authorities.ask_issue(own, signing_request(), validity_days=8))
    made = leaf_of(authorities.issue(own))
    assert 6.9 < (made.not_valid_after_utc - made.not_valid_before_utc).total_seconds() / 86_400 < 7.1


def test_the_purposes_of_a_profile_bind(authorities, own):
    authorities.set(own, profile(ekus=[SERVER, TIMESTAMPING]))
    assert authorities.issue(own, signing_request(ekus=(SERVER, TIMESTAMPING)))
    refused = authorities.ask_issue(own, signing_request(ekus=(SERVER, CODE)), profile="tlsServer")
    assert f"does not allow the purpose {CODE}" in reason_of(refused)


def test_a_disabled_authority_does_not_issue(authorities, own):
    authorities.set(own, {"enabled": False})
    assert f"the authority {own} is disabled" in reason_of(authorities.ask_issue(own, signing_request()))
    authorities.set(own, {"enabled": True})
    assert authorities.issue(own)


def test_a_disabled_authority_still_revokes_and_publishes(authorities, own):
    authorities.set(own)
    serial = authorities.issue(own)["serial_number"]
    authorities.set(own, {"enabled": False})
    assert authorities.revoke(own, serial)["status"] == "revoked"
    assert authorities.publish(own)["crl"]["number"] > 1


def test_an_issuer_of_a_disabled_authority_says_why_it_does_not_issue(authorities, own):
    authorities.set(own, {"enabled": False})
    authorities.issuer(own, own)
    authorities.certificates.begin(f"{own}-leaf", leaf_policy(own))
    pending = authorities.certificates.wait(f"{own}-leaf")
    assert pending["status"] == "failed"
    assert f"the authority {own} is disabled" in pending["error"]["message"]
