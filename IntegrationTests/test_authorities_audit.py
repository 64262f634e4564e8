"""The records that authorities leave, and what is not in them."""

import json
import time

import pytest
from cryptography.hazmat.primitives import serialization

from harness import audit
from harness.authorities_wire import Authorities, signing_request
from harness.certificates_made import new_key
from harness.tokens import encode

pytest_plugins = ["harness.authorities_fixtures"]


@pytest.fixture(scope="module")
def told(server, cli, _spare) -> dict:
    """The records of the life of one authority."""
    authorities, name, begun = Authorities(server.wire()), next(_spare), audit.now()
    key = new_key()
    authorities.set(name)
    made = authorities.issue(name, signing_request(key=key))
    authorities.get(name)
    authorities.list_issued(name)
    authorities.issued(name, made["serial_number"])
    authorities.ask_issue(name, "AAAA")
    authorities.revoke(name, made["serial_number"], "keyCompromise")
    authorities.ask_revoke(name, serial_number=made["serial_number"])
    authorities.publish(name)
    authorities.wire.get("/authorities")
    records = [record for record in audit.records(cli, since=begun) if name in json.dumps(record) or record["operationName"] == "AuthorityList"]
    return {"name": name, "made": made, "records": records, "key": key, "requester": made["requester"]}


OPERATIONS = [
    "AuthoritySet",
    "AuthorityIssue",
    "AuthorityGet",
    "AuthorityIssuedList",
    "AuthorityIssuedGet",
    "AuthorityRevoke",
    "AuthorityPublish",
    "AuthorityList",
]


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_call_leaves_a_record_of_who_did_what(server, told, operation):
    records = [record for record in told["records"] if record["operationName"] == operation and record["resultType"] == "Success"]
    assert records
    assert str(server.owner.app_id) in json.dumps(records[0]["identity"])
    assert records[0]["properties"]["requestUri"].startswith(server.vault_url())


@pytest.mark.parametrize(("operation", "status"), [("AuthorityIssue", 400), ("AuthorityRevoke", 409)])
def test_a_refused_call_leaves_a_record_too(told, operation, status):
    statuses = [record["properties"]["httpStatusCode"] for record in told["records"] if record["operationName"] == operation]
    assert status in statuses


def test_the_requester_on_record_is_the_caller_in_the_log(told):
    (issued,) = [record for record in told["records"] if record["operationName"] == "AuthorityIssue" and record["resultType"] == "Success"]
    assert told["requester"] in json.dumps(issued["identity"])


def test_the_duty_that_makes_lists_leaves_a_record(cli, told):
    for _ in range(120):
        found = [record for record in audit.records(cli) if record["operationName"] == "AuthorityPublishIfDue"]
        if [record for record in found if told["name"] in json.dumps(record)]:
            return
        time.sleep(0.25)
    raise AssertionError("the revocation was followed by no record of new lists")


def test_no_record_has_key_or_certificate_bytes(told):
    text = json.dumps(told["records"])
    secret = told["key"].private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    assert told["made"]["cer"] not in text
    assert encode(secret) not in text and secret.hex() not in text
    for word in ("BEGIN CERTIFICATE", "PRIVATE KEY", told["made"]["cer"][:60]):
        assert word not in text
