"""The health pages answer without a token and say nothing but the state."""

import pytest

from harness.wire import Wire


@pytest.mark.parametrize("path", ["/healthstatus", "/health", "/livez", "/readyz"])
def test_a_vault_host_tells_its_health_without_a_token(server, path):
    assert server.wire_with(None).get(path, version=None).status_code == 200


@pytest.mark.parametrize("path", ["/health", "/livez", "/readyz"])
@pytest.mark.parametrize("host", ["login", "management", "console", "nothing"])
def test_any_host_tells_its_health_without_a_token(server, host, path):
    answer = Wire(server.vault_url(), server.bundle).get(path, version=None, headers={"Host": f"{host}.localhost:{server.port}"})
    assert answer.status_code == 200


@pytest.mark.parametrize("path", ["/healthstatus", "/health", "/livez", "/readyz"])
def test_the_health_page_names_no_vault_no_tenant_and_no_file(server, path):
    text = server.wire_with(None).get(path, version=None).text
    assert all(hidden not in text for hidden in ("demo", "other", server.tenant, str(server.data)))


def test_the_health_of_a_vault_that_does_not_exist_is_the_same(server):
    there, nowhere = (server.wire_with(None, vault).get("/healthstatus", version=None) for vault in ("demo", "nowhere"))
    assert (there.status_code, there.text) == (nowhere.status_code, nowhere.text)
