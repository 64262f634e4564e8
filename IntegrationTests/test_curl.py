"""The first five minutes with curl."""

import subprocess

import pytest

from harness.environment import clean_environment

TOKEN = """
set -eu
set -a; . "$DATA/client.env"; set +a
api=7.4
resource="${VAULT_URL#https://}"; resource="https://${resource#*.}"
token=$(curl --silent --show-error --fail --cacert "$DATA/ca.pem" \\
  --data-urlencode grant_type=client_credentials \\
  --data-urlencode client_id="$AZURE_CLIENT_ID" --data-urlencode client_secret="$AZURE_CLIENT_SECRET" \\
  --data-urlencode scope="${resource%/}/.default" \\
  "$AZURE_AUTHORITY_HOST/$AZURE_TENANT_ID/oauth2/v2.0/token" | sed 's/.*"access_token" *: *"\\([^"]*\\)".*/\\1/')
vault="${VAULT_URL%/}"
call() { curl --silent --show-error --cacert "$DATA/ca.pem" --header "Authorization: Bearer $token" "$@"; }
"""


@pytest.fixture
def shell(server):
    def run(script: str, name: str) -> str:
        result = subprocess.run(
            ["bash", "-c", TOKEN + script],
            env=clean_environment(DATA=str(server.data), NAME=name),
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert result.returncode == 0, result.stderr
        return result.stdout

    return run


def test_a_secret_is_set_and_read(shell, name):
    written = shell(
        """call --fail --request PUT --header 'Content-Type: application/json' --data '{"value":"from curl"}' \\
             "$vault/secrets/$NAME?api-version=$api" """,
        name,
    )
    assert '"from curl"' in written
    assert '"from curl"' in shell("""call --fail "$vault/secrets/$NAME?api-version=$api" """, name)


def test_both_http_versions_are_spoken(shell, name):
    script = """call --output /dev/null --write-out '%{http_version} %{http_code}' """
    assert shell(script + """--http1.1 "$vault/secrets?api-version=$api" """, name) == "1.1 200"
    assert shell(script + """--http2 "$vault/secrets?api-version=$api" """, name) == "2 200"


def test_without_a_token_the_challenge_is_shown(shell, server, name):
    script = """curl --silent --include --cacert "$DATA/ca.pem" "$vault/secrets?api-version=$api" """
    answer = shell(script, name).lower()
    assert " 401" in answer.splitlines()[0]
    assert f'www-authenticate: bearer authorization="{server.login}/{server.tenant}"' in answer


def test_a_large_body_is_taken_with_and_without_being_announced(shell, name):
    script = """head -c 20000 /dev/zero | tr '\\0' x | sed 's/.*/{"value":"&"}/' |
      call --fail --request PUT --header 'Content-Type: application/json' {option} --data-binary @- --output /dev/null \\
      --write-out '%{http_code}' "$vault/secrets/$NAME?api-version=$api" """
    assert shell(script.replace("{option}", "--header 'Expect: 100-continue'"), name) == "200"
    assert shell(script.replace("{option}", "--header 'Transfer-Encoding: chunked' --http1.1"), name) == "200"


def test_health_needs_nothing(shell, name):
    script = """curl --silent --cacert "$DATA/ca.pem" --output /dev/null --write-out '%{http_code}' "$vault/healthstatus" """
    assert shell(script, name) == "200"
