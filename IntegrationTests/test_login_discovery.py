"""The pages of the login host that clients read before they ask for a token."""

import pytest
import requests


def read(server, path, **query) -> dict:
    answer = requests.get(f"{server.login}{path}", params=query, verify=server.bundle, timeout=30)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.operation("OpenIDConfigurationGet")
@pytest.mark.parametrize("path", ["/v2.0/.well-known/openid-configuration", "/.well-known/openid-configuration"], ids=["v2", "v1"])
@pytest.mark.parametrize("tenant", ["own", "common", "organizations"])
def test_the_configuration_names_the_endpoints_of_the_login_host(server, tenant, path):
    page = read(server, f"/{server.tenant if tenant == 'own' else tenant}{path}")
    for member in ("issuer", "authorization_endpoint", "token_endpoint", "jwks_uri"):
        assert page[member].startswith("https://")
    for member in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
        assert page[member].startswith(f"{server.login}/")


def test_the_configuration_of_the_tenant_names_its_token_endpoint(server):
    page = read(server, f"/{server.tenant}/v2.0/.well-known/openid-configuration")
    assert page["token_endpoint"] == f"{server.login}/{server.tenant}/oauth2/v2.0/token"
    assert server.tenant in page["issuer"]


def test_the_configuration_tells_what_the_token_service_can_do(server):
    page = read(server, f"/{server.tenant}/v2.0/.well-known/openid-configuration")
    assert "RS256" in page["id_token_signing_alg_values_supported"]
    assert "client_secret_post" in page["token_endpoint_auth_methods_supported"]
    assert page["response_types_supported"] and page["subject_types_supported"]


@pytest.mark.operation("SigningKeysGet")
def test_the_key_set_has_public_rsa_keys_only(server):
    keys = key_set(server)
    assert keys
    for key in keys:
        assert (key["kty"], key["use"]) == ("RSA", "sig")
        assert key["kid"] and key["n"] and key["e"]
        assert {"d", "p", "q", "dp", "dq", "qi", "k"}.isdisjoint(key)


def key_set(server) -> list[dict]:
    page = read(server, f"/{server.tenant}/v2.0/.well-known/openid-configuration")
    return requests.get(page["jwks_uri"], verify=server.bundle, timeout=30).json()["keys"]


def test_every_configuration_leads_to_the_same_keys(server):
    found = []
    for tenant in (server.tenant, "common", "organizations"):
        uri = read(server, f"/{tenant}/v2.0/.well-known/openid-configuration")["jwks_uri"]
        found.append(requests.get(uri, verify=server.bundle, timeout=30).json())
    assert found[0] == found[1] == found[2]


@pytest.mark.operation("InstanceDiscoveryGet")
@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_instance_discovery_vouches_for_the_login_host(server, version):
    asked = f"{server.login}/{server.tenant}/oauth2/v2.0/authorize"
    page = read(server, "/common/discovery/instance", **{"api-version": version, "authorization_endpoint": asked})
    assert page["tenant_discovery_endpoint"] == f"{server.login}/{server.tenant}/v2.0/.well-known/openid-configuration"


def test_the_configuration_of_an_unknown_tenant_is_refused(server):
    unknown = "00000000-0000-4000-8000-000000000000"
    answer = requests.get(f"{server.login}/{unknown}/v2.0/.well-known/openid-configuration", verify=server.bundle, timeout=30)
    assert answer.status_code in (400, 404)
    assert answer.json()["error"]
