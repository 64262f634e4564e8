"""The register of a vault's certificates, as CSV and as JSON."""

import csv
import io
import json

import pytest

from harness.certificates_wire import Certificates, policy

HEADER = ["name", "owner", "usedBy", "issuer", "subject", "notBefore", "expires", "enabled", "thumbprint", "id"]


@pytest.fixture
def standing(own_server):
    server = own_server(vaults=("demo",))
    certificates = Certificates(server.wire())
    certificates.begin("plain", policy())
    tags = {"owner": 'Web, "Team"', "used-by": "=HYPERLINK(1)"}
    certificates.begin("tagged", policy(), tags=tags, attributes={"enabled": False})
    many = [f"many-{number:02}" for number in range(24)]
    for name in many:
        certificates.begin(name, policy())
    for name in ("plain", "tagged", *many):
        assert certificates.wait(name)["status"] == "completed"
    return server


def test_every_certificate_is_in_the_register(standing):
    cli = standing.cli()
    told = cli.run("certificate", "register").stdout
    rows = list(csv.reader(io.StringIO(told, newline="")))
    assert rows[0] == HEADER and len(rows) == 27
    by_name = {row[0]: dict(zip(HEADER, row)) for row in rows[1:]}
    tagged = by_name["tagged"]
    assert (tagged["owner"], tagged["usedBy"], tagged["enabled"]) == ('Web, "Team"', "'=HYPERLINK(1)", "false")
    plain = by_name["plain"]
    assert (plain["owner"], plain["issuer"], plain["subject"], plain["enabled"]) == ("", "Self", "CN=example.com", "true")
    entries = {entry["name"]: entry for entry in json.loads(cli.run("certificate", "register", "--output", "json").stdout)}
    assert entries.keys() == by_name.keys()
    assert entries["tagged"]["usedBy"] == "=HYPERLINK(1)" and entries["tagged"]["enabled"] is False
    assert entries["plain"]["expires"] == plain["expires"] > entries["plain"]["notBefore"]


def test_a_vault_that_is_not_there_is_told_in_one_line(cli):
    result = cli.run("certificate", "register", "--vault", "nowhere", exit_code=1)
    assert result.stdout == "" and result.stderr.count("\n") == 1 and "nowhere" in result.stderr
    assert cli.run("certificate", "register", "--output", "xml", exit_code=64).stderr
