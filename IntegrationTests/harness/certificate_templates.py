"""Plain calls to the templates of a vault's certificates. What ends in a result insists that it worked."""

from requests import Response

from .certificates_made import PEM
from .certificates_wire import Certificates, policy
from .keys_wire import Keys, done
from .wire import Wire

PLACES = {
    "subject": "CN={{cert-name}}.company.com, O={{vault-name}}",
    "sans": {
        "dns_names": ["{{cert-name}}.company.com", "{{cert-name}}.{{vault-name}}.company.com"],
        "emails": ["{{cert-name}}@company.com"],
        "upns": ["{{cert-name}}@{{vault-name}}.company.com"],
        "uris": ["https://{{vault-name}}.company.com/{{cert-name}}"],
    },
    "ekus": ["1.3.6.1.5.5.7.3.1"],
    "key_usage": ["digitalSignature"],
    "validity_months": 3,
}
WEB = policy(x509_props=PLACES, secret_props={"contentType": PEM}, lifetime_actions=[])


class Templates:
    def __init__(self, wire: Wire):
        self.wire = wire

    def ask_set(self, name: str, wanted: dict, **options) -> Response:
        return self.wire.put(f"/certificatetemplates/{name}", json={"policy": wanted}, **options)

    def set(self, name: str, wanted: dict) -> dict:
        return done(self.ask_set(name, wanted))

    def get(self, name: str) -> dict:
        return done(self.wire.get(f"/certificatetemplates/{name}"))

    def delete(self, name: str) -> dict:
        return done(self.wire.delete(f"/certificatetemplates/{name}"))

    def list(self, **query) -> list[dict]:
        return Keys(self.wire).listed("/certificatetemplates", **query)


def create(certificates: Certificates, name: str, template: str, **members) -> dict:
    return certificates.create(name, None, template=template, **members)


def holds(shown: dict, wanted: dict) -> bool:
    """Whether every member that is wanted is shown as it is wanted."""
    return all(
        holds(shown.get(key, {}), value) if isinstance(value, dict) else shown.get(key) == value for key, value in wanted.items()
    )
