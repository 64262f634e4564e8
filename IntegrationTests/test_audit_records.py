"""Every answer leaves its record: who did what, to what, from where, and how it ended."""

import base64
import json
import re
import uuid

import pytest

from harness import audit
from harness.command_line import CommandLine
from harness.http1 import Connection
from harness.tokens import claims_of

GUID = re.compile(r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")
TIME = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z$")


@pytest.fixture
def traced(cli):
    """The one record of a call: its address carries a mark that no other has."""

    def find(make) -> dict:
        mark = uuid.uuid4().hex
        begun = audit.now()
        make(mark)
        (record,) = audit.records_about(cli, mark, since=begun)
        return record

    return find


CALLS = [
    ("SecretSet", 200, lambda w, n, q: w.put(f"/secrets/{n}", query=q, json={"value": "v"})),
    ("SecretGet", 200, lambda w, n, q: w.get(f"/secrets/{n}", query=q)),
    ("SecretUpdate", 200, lambda w, n, q: w.patch(f"/secrets/{n}/", query=q, json={"contentType": "x"})),
    ("SecretList", 200, lambda w, n, q: w.get("/secrets", query=q)),
    ("SecretListVersions", 200, lambda w, n, q: w.get(f"/secrets/{n}/versions", query=q)),
    ("SecretBackup", 200, lambda w, n, q: w.post(f"/secrets/{n}/backup", query=q)),
    ("SecretDelete", 200, lambda w, n, q: w.delete(f"/secrets/{n}", query=q)),
    ("SecretGetDeleted", 404, lambda w, n, q: w.get(f"/deletedsecrets/{n}", query=q)),
    ("SecretListDeleted", 200, lambda w, n, q: w.get("/deletedsecrets", query=q)),
    ("SecretRecover", 404, lambda w, n, q: w.post(f"/deletedsecrets/{n}-x/recover", query=q)),
    ("SecretPurge", 404, lambda w, n, q: w.delete(f"/deletedsecrets/{n}-x", query=q)),
    ("SecretRestore", 400, lambda w, n, q: w.post("/secrets/restore", query=q, json={"value": "x"})),
    ("SecretSet", 400, lambda w, n, q: w.put(f"/secrets/{n}", query=q, json={})),
    ("SecretGet", 404, lambda w, n, q: w.get(f"/secrets/{n}-x", query=q)),
]


@pytest.mark.parametrize("operation, status, call", CALLS, ids=[f"{operation} {status}" for operation, status, _ in CALLS])
def test_a_call_leaves_a_record_with_its_operation_and_result(wire, traced, name, operation, status, call):
    wire.set_secret(name)
    record = traced(lambda mark: call(wire, name, {"mark": mark}))
    assert record["operationName"] == operation
    assert record["properties"]["httpStatusCode"] == status
    assert record["resultType"] == ("Success" if status < 300 else "Failed")
    assert record["resultSignature"] == {200: "OK", 400: "Bad Request", 404: "Not Found"}[status]


@pytest.fixture
def of_a_get(server, wire, traced, name) -> dict:
    """The record of reading a secret."""
    wire.set_secret(name)
    return traced(
        lambda mark: wire.get(f"/secrets/{name}/", version="7.4", query={"mark": mark}, headers={"User-Agent": "test-client/1.0"})
    )


def test_a_record_has_the_members_of_an_audit_event(of_a_get):
    assert of_a_get["category"] == "AuditEvent"
    assert TIME.match(of_a_get["time"])
    assert GUID.match(of_a_get["correlationId"])
    assert of_a_get["operationVersion"] == "7.4"
    assert of_a_get["resultDescription"] == ""


def test_a_record_says_how_long_it_took_as_a_string(of_a_get):
    assert isinstance(of_a_get["durationMs"], str) and float(of_a_get["durationMs"]) >= 0


def test_a_record_names_the_vault_in_upper_case(server, of_a_get):
    assert of_a_get["resourceId"] == server.vault_scope().upper()


def test_a_record_says_who_called_and_from_where(server, of_a_get):
    claims = claims_of(server.token())
    assert of_a_get["identity"]["claim"]["oid"] == claims["oid"]
    assert of_a_get["identity"]["claim"]["appid"] == server.owner.app_id
    assert of_a_get["callerIpAddress"] in ("127.0.0.1", "::1")


def test_a_record_says_what_was_asked_and_by_which_client(server, of_a_get, name):
    properties = of_a_get["properties"]
    assert properties["id"].startswith(f"{server.vault_url()}/secrets/{name}")
    assert properties["requestUri"].startswith(f"{server.vault_url()}/secrets/{name}/?api-version=7.4&mark=")
    assert properties["clientInfo"] == "test-client/1.0"
    assert properties["httpStatusCode"] == 200
    assert properties["tlsVersion"] == "TLS1_3"


def test_a_record_says_that_a_role_allowed_it(of_a_get):
    assert of_a_get["properties"]["isRbacAuthorized"] is True
    assert GUID.match(of_a_get["properties"]["appliedAssignmentId"])


def test_the_correlation_id_is_one_that_the_client_knows(wire, traced, name):
    answers = []
    sent = str(uuid.uuid4())
    record = traced(
        lambda mark: answers.append(wire.get(f"/secrets/{name}", query={"mark": mark}, headers={"x-ms-client-request-id": sent}))
    )
    assert record["correlationId"] in (sent, answers[0].headers["x-ms-request-id"])


def test_a_list_has_no_id(wire, traced):
    assert "id" not in traced(lambda mark: wire.get("/secrets", query={"mark": mark}))["properties"]


# Refusals


def test_a_call_without_a_token_is_recorded_as_authentication(server, traced):
    record = traced(lambda mark: server.wire_with(None).get("/secrets/x", query={"mark": mark}))
    assert record["operationName"] == "Authentication"
    assert (record["properties"]["httpStatusCode"], record["resultSignature"]) == (401, "Unauthorized")


def test_a_call_with_a_bad_token_is_recorded_with_the_reason(server, traced):
    answers = []
    record = traced(lambda mark: answers.append(server.wire_with("a.b.c").get("/secrets/x", query={"mark": mark})))
    assert (record["resultType"], record["properties"]["httpStatusCode"]) == ("Failed", 401)
    assert record["resultDescription"] == answers[0].json()["error"]["message"]


def test_a_refusal_of_rbac_is_recorded_with_caller_and_reason(server, stranger, traced, name):
    answers = []
    record = traced(lambda mark: answers.append(server.wire(application=stranger).get(f"/secrets/{name}", query={"mark": mark})))
    assert record["operationName"] == "SecretGet"
    assert (record["resultType"], record["resultSignature"]) == ("Failed", "Forbidden")
    assert record["identity"]["claim"]["oid"] == stranger.object_id
    assert record["resultDescription"] == answers[0].json()["error"]["message"]
    assert record["properties"]["isRbacAuthorized"] is False


@pytest.mark.parametrize("method, path, status", [("GET", "/nothing", 404), ("POST", "/secrets", 405), ("PUT", "/secrets/bad_name", 400)])
def test_what_reaches_no_operation_is_recorded_too(wire, traced, method, path, status):
    record = traced(lambda mark: wire.call(method, path, query={"mark": mark}, json={"value": "v"}))
    assert (record["resultType"], record["properties"]["httpStatusCode"]) == ("Failed", status)


def test_a_wrong_api_version_is_recorded(wire, traced):
    record = traced(lambda mark: wire.get("/secrets", version="9.9", query={"mark": mark}))
    assert record["properties"]["httpStatusCode"] == 400


def test_a_vault_that_does_not_exist_is_recorded(server, traced):
    record = traced(lambda mark: server.wire("nowhere").get("/secrets", query={"mark": mark}))
    assert record["properties"]["httpStatusCode"] == 404


def test_a_refused_token_request_is_recorded_with_the_client(server, cli, name):
    made = cli.create_application(name)
    begun = audit.now()
    form = {"grant_type": "client_credentials", "client_id": made.app_id, "client_secret": "wrong", "scope": "x/.default"}
    server.request_token({**form, "scope": f"{server.vault_resource}/.default"})
    found = [record for record in audit.records_about(cli, "/oauth2/v2.0/token", since=begun) if record["resultType"] == "Failed"]
    assert [record["properties"]["httpStatusCode"] for record in found] == [401]
    assert made.app_id in json.dumps(found[0])


def test_an_issued_token_is_recorded_with_the_client(server, cli, name):
    made = cli.create_application(name)
    begun = audit.now()
    server.fresh_token(made)
    found = audit.records_about(cli, "/oauth2/v2.0/token", since=begun)
    assert [record["properties"]["httpStatusCode"] for record in found if made.app_id in json.dumps(record)] == [200]


def test_a_new_application_and_its_role_are_recorded(server, cli, name):
    begun = audit.now()
    made = cli.create_application(name)
    cli.assign(made, "Key Vault Secrets User", server.vault_scope())
    told = "\n".join(json.dumps(record) for record in audit.records(cli, since=begun))
    assert made.app_id in told or made.object_id in told
    assert made.password not in told


# What cannot get in


@pytest.mark.parametrize(
    "agent",
    ['quote"}\\n{"forged":"record"}', "tab\tinside", "high \x85 \xa0 \xff bytes", "\\u000a\\n", "{}[],:"],
    ids=["json", "tab", "high", "escapes", "marks"],
)
def test_a_header_cannot_forge_a_record(server, cli, agent):
    mark = uuid.uuid4().hex
    begun = audit.now()
    with Connection(server) as connection:
        connection.exchange(connection.request("GET", f"/secrets/{mark}?api-version=7.4", f"User-Agent: {agent}"))
    exported = cli.run("audit", "export", "--since", begun).stdout
    lines = [line for line in exported.split("\n") if line]
    assert all(isinstance(json.loads(line), dict) and "forged" not in json.loads(line) for line in lines)
    assert len([line for line in lines if mark in line]) == 1
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f\x85\u2028\u2029]", exported)


@pytest.mark.parametrize("hidden", ["%0a", "%0d%0a", "%00", "%1b[31m", "%e2%80%a8", "%22%7d%0a%7b%22"])
def test_an_address_cannot_forge_a_record(server, cli, hidden):
    mark = uuid.uuid4().hex
    begun = audit.now()
    with Connection(server) as connection:
        connection.exchange(
            connection.request("GET", f"/secrets/{mark}{hidden}?api-version=7.4&q={hidden}", f"Authorization: Bearer {server.token()}")
        )
    exported = cli.run("audit", "export", "--since", begun).stdout
    assert len([line for line in exported.split("\n") if mark in line]) == 1
    assert all(isinstance(json.loads(line), dict) for line in exported.split("\n") if line)
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f\x85\u2028\u2029]", exported)


def test_a_long_header_does_not_swell_the_log_without_end(server, cli):
    mark = uuid.uuid4().hex
    begun = audit.now()
    server.wire_with(None).get(f"/secrets/{mark}", headers={"User-Agent": "x" * 50_000})
    (line,) = [line for line in cli.run("audit", "export", "--since", begun).stdout.split("\n") if mark in line]
    assert len(line) < 20_000


# What must not get in, and must not lie on the disk


def spellings(secret: str) -> list[bytes]:
    """The text as it is, and as base64 whatever its place in what was encoded."""
    plain = secret.encode()
    encoded = [base64.b64encode(b"\0" * shift + plain)[4 * (shift > 0) : -4] for shift in range(3)]
    return [plain, plain.hex().encode(), *encoded, *(part.replace(b"+", b"-").replace(b"/", b"_") for part in encoded)]


def files_with(folder, secret: str, but=()) -> list[str]:
    return [
        path.name
        for path in folder.rglob("*")
        if path.is_file() and path.name not in but and any(form in path.read_bytes() for form in spellings(secret))
    ]


@pytest.fixture
def used(own_server):
    """A server after every kind of call, with the secrets that were used on it."""
    server = own_server()
    application = server.cli().create_application("reader")
    server.cli().assign(application, "Key Vault Secrets User", server.vault_scope())
    value = "value-" + uuid.uuid4().hex
    wire = server.wire()
    wire.set_secret("kept", value, tags={"a": "b"})
    wire.get("/secrets/kept")
    wire.post("/secrets:batchGet", json={"items": [{"name": "kept"}]})
    server.wire("other").post("/secrets/restore", json={"value": wire.backup_secret("kept")})
    wire.put("/secrets/refused_name", json={"value": value})
    wire.put("/secrets/refused", json={"value": value, "tags": 5})
    wire.delete_secret("kept")
    token = server.fresh_token(application)
    server.wire_with(token).get("/secrets")
    server.wire_with(token).put("/secrets/not-allowed", json={"value": value})
    guess = "guess-" + uuid.uuid4().hex
    server.request_token({"grant_type": "client_credentials", "client_id": application.app_id, "client_secret": guess, "scope": "x"})
    secrets = {
        "value": value,
        "password": application.password,
        "owner's password": server.owner.password,
        "token": token,
        "signature of the token": token.rsplit(".", 1)[1],
        "guess": guess,
    }
    return server, secrets


def test_no_secret_is_in_the_log(used):
    server, secrets = used
    exported = server.cli().run("audit", "export").stdout.encode()
    assert [what for what, secret in secrets.items() if any(form in exported for form in spellings(secret))] == []


def test_no_secret_is_in_any_file_while_the_server_runs(used):
    server, secrets = used
    assert {what: files_with(server.data, secret, but=["client.env"]) for what, secret in secrets.items()} == {
        what: [] for what in secrets
    }


def test_no_secret_is_in_any_file_after_the_server_stopped(used):
    server, secrets = used
    assert server.stop() == 0
    assert {what: files_with(server.data, secret, but=["client.env"]) for what, secret in secrets.items()} == {
        what: [] for what in secrets
    }


def test_no_secret_is_in_the_output_of_the_server(used):
    server, secrets = used
    assert server.stop() == 0
    told = (server.output.finish() + server.errors.finish()).encode()
    assert [what for what, secret in secrets.items() if any(form in told for form in spellings(secret))] == []


def test_the_client_env_holds_the_one_password_it_must(used):
    server, secrets = used
    assert files_with(server.data, secrets["owner's password"]) == ["client.env"]


# Export


@pytest.mark.operation("AuditExport")
def test_the_export_is_one_json_object_a_line_in_order(cli, wire, name):
    for _ in range(5):
        wire.get(f"/secrets/{name}")
    found = audit.records(cli)
    assert all(isinstance(record, dict) for record in found)
    assert len([record for record in found if f"/secrets/{name}" in record["properties"].get("requestUri", "")]) == 5


def test_the_export_may_begin_and_end_at_a_time(cli, wire, name):
    wire.get(f"/secrets/{name}-before")
    begun = audit.now()
    wire.get(f"/secrets/{name}-between")
    ended = audit.now()
    wire.get(f"/secrets/{name}-after")
    exported = cli.run("audit", "export", "--since", begun, "--until", ended).stdout
    assert [part for part in ("before", "between", "after") if f"{name}-{part}" in exported] == ["between"]


def test_the_export_may_be_of_one_vault(server, cli, name):
    begun = audit.now()
    for vault in ("demo", "other"):
        server.wire(vault).get(f"/secrets/{name}")
    found = audit.records(cli, "--vault", "other", since=begun)
    assert found and {record["resourceId"] for record in found} == {server.vault_scope("other").upper()}


@pytest.mark.parametrize("option, value", [("--since", "yesterday"), ("--until", "99"), ("--vault", "no/such")])
def test_a_wrong_option_of_the_export_is_an_error_of_one_line(cli, option, value):
    result = cli.run("audit", "export", option, value, exit_code=None)
    assert result.returncode in (1, 64)
    assert len(result.stderr.strip().splitlines()) == 1


def test_the_stopped_servers_log_can_be_exported_from_its_folder(own_server):
    server = own_server()
    server.wire().get("/secrets/asked")
    assert server.stop() == 0
    assert "/secrets/asked" in server.cli().run("audit", "export", "--data", str(server.data)).stdout


def test_a_caller_without_the_right_gets_no_log(server, cli, binary, stranger):
    environment = {**server.client_env, "AZURE_CLIENT_ID": stranger.app_id, "AZURE_CLIENT_SECRET": stranger.password}
    result = CommandLine(binary, environment).run("audit", "export", exit_code=1)
    assert result.stdout == ""
