"""Plain calls to the certificate authorities of a vault, and requests for them. What ends in a result insists that it worked."""

import base64
import uuid

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from requests import Response

from .certificates_made import common, new_key
from .certificates_wire import SMALL, Certificates
from .keys_wire import done
from .wire import Wire

SERVER = "1.3.6.1.5.5.7.3.1"
CLIENT = "1.3.6.1.5.5.7.3.2"
CODE = "1.3.6.1.5.5.7.3.3"
MAIL = "1.3.6.1.5.5.7.3.4"
TIMESTAMPING = "1.3.6.1.5.5.7.3.8"


def authority_policy(
    subject: str, issuer: str = "Self", key: dict | None = None, months: int = 60, kind: str | None = None, **props
) -> dict:
    """The policy of a certificate that may sign others. Its key stays where it is."""
    return {
        "key_props": {"exportable": False, **(key or SMALL)},
        "secret_props": {"contentType": "application/x-pem-file"},
        "x509_props": {
            "subject": subject,
            "ekus": [],
            "key_usage": ["keyCertSign", "cRLSign", "digitalSignature"],
            "validity_months": months,
            "basic_constraints": {"ca": True},
            **props,
        },
        "issuer": {"name": issuer, **({"cty": kind} if kind else {})},
        "lifetime_actions": [],
    }


def leaf_policy(
    issuer: str, dns: tuple[str, ...] = ("leaf.example.com",), key: dict | None = None, months: int = 3, kind: str | None = None, **parts
) -> dict:
    """The policy of a certificate for a server, from an issuer."""
    props = {"subject": "CN=leaf.example.com", "sans": {"dns_names": list(dns)}, "validity_months": months}
    return {
        "key_props": key or SMALL,
        "x509_props": {**props, **parts.pop("x509_props", {})},
        "issuer": {"name": issuer, **({"cty": kind} if kind else {})},
        **parts,
    }


def signing_request(
    name: str = "leaf.example.com",
    dns: tuple[str, ...] | None = None,
    key=None,
    ekus: tuple[str, ...] = (),
    extensions: tuple[x509.ExtensionType, ...] = (),
) -> x509.CertificateSigningRequest:
    """A request for these names, signed by its key."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(common(name) if name else x509.Name([]))
    names = (name,) if dns is None else dns
    if any(names):
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(each) for each in names]), False)
    if ekus:
        builder = builder.add_extension(x509.ExtendedKeyUsage([x509.ObjectIdentifier(each) for each in ekus]), False)
    for extension in extensions:
        builder = builder.add_extension(extension, False)
    return builder.sign(key or new_key(), hashes.SHA256())


def pem_of(made) -> str:
    """A certificate or a request as text."""
    return made.public_bytes(serialization.Encoding.PEM).decode()


def der_of(made) -> bytes:
    return made.public_bytes(serialization.Encoding.DER)


def certificates_of(answer: dict) -> list[x509.Certificate]:
    """The leaf of an answer and its chain."""
    return [x509.load_der_x509_certificate(base64.b64decode(one, validate=True)) for one in answer["x5c"]]


def leaf_of(answer: dict) -> x509.Certificate:
    return x509.load_der_x509_certificate(base64.b64decode(answer["cer"], validate=True))


def reason_of(answer: Response) -> str:
    """The message of a refusal as a bad parameter."""
    assert answer.status_code == 400, f"{answer.status_code} {answer.text}"
    assert answer.json()["error"]["code"] == "BadParameter", answer.text
    return answer.json()["error"]["message"]


def fresh(about: str) -> str:
    return f"{about}-{uuid.uuid4().hex[:8]}"


class Authorities:
    def __init__(self, wire: Wire):
        self.wire = wire
        self.certificates = Certificates(wire)

    def path(self, name: str, rest: str = "") -> str:
        return f"/certificates/{name}/authority{rest}"

    # Establishing

    def ask_set(self, name: str, settings: dict | None = None) -> Response:
        return self.wire.put(self.path(name), **({} if settings is None else {"json": settings}))

    def set(self, name: str, settings: dict | None = None) -> dict:
        return done(self.ask_set(name, settings))

    def get(self, name: str) -> dict:
        return done(self.wire.get(self.path(name)))

    def root(self, name: str, settings: dict | None = None, **options) -> dict:
        """A certificate that signs itself, and an authority of it."""
        self.certificates.create(name, authority_policy(f"CN={name}", **options))
        return self.set(name, settings)

    def intermediate(self, name: str, issuer: str, settings: dict | None = None, **options) -> dict:
        """An authority whose certificate an issuer of the vault signs."""
        options = {"months": 24, **options}
        self.certificates.create(name, authority_policy(f"CN={name}", issuer, kind="intermediate", **options))
        return self.set(name, settings)

    def certificate(self, name: str, version: str = "") -> x509.Certificate:
        return leaf_of(self.certificates.get(name, version))

    # Issuers

    def ask_issuer(self, issuer: str, account: str | None, provider: str = "OnPremiseCA") -> Response:
        credentials = {} if account is None else {"credentials": {"account_id": account}}
        return self.wire.put(f"/certificates/issuers/{issuer}", json={"provider": provider, **credentials})

    def issuer(self, issuer: str, account: str | None) -> str:
        """Makes an authority an issuer of this vault; the issuer's name."""
        done(self.ask_issuer(issuer, account))
        return issuer

    # Issuing

    def ask_issue(self, name: str, csr, **members) -> Response:
        text = csr if isinstance(csr, str) else pem_of(csr)
        return self.wire.post(self.path(name, "/issue"), json={"csr": text, **members})

    def issue(self, name: str, csr=None, **members) -> dict:
        answer = self.ask_issue(name, csr or signing_request(), **members)
        assert answer.status_code == 201, f"{answer.status_code} {answer.text}"
        return answer.json()

    def issued(self, name: str, serial: str) -> dict:
        return done(self.wire.get(self.path(name, f"/issued/{serial}")))

    def list_issued(self, name: str, **query) -> list[dict]:
        """Every page of what an authority issued."""
        answer = done(self.wire.get(self.path(name, "/issued"), query=query))
        items = list(answer["value"])
        while answer["nextLink"]:
            answer = done(self.wire.get(answer["nextLink"]))
            items += answer["value"]
        return items

    # Revoking

    def ask_revoke(self, name: str, **members) -> Response:
        return self.wire.post(self.path(name, "/revoke"), json=members)

    def revoke(self, name: str, serial: str, reason: str | None = None) -> dict:
        return done(self.ask_revoke(name, serial_number=serial, **({"reason": reason} if reason else {})))

    def publish(self, name: str) -> dict:
        """Asks again where the duty that follows a revocation has made lists at the same moment."""
        for _ in range(5):
            answer = self.wire.post(self.path(name, "/publish"))
            if answer.status_code != 409 or "made anew meanwhile" not in answer.text:
                break
        return done(answer)
