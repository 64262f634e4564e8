"""The service as the vectors meet it: keys go in as JWKs, operations are called over connections that stay open."""

import hashlib
import http.client
import json
import socket
import ssl
import threading
from dataclasses import dataclass

from .server import Server
from .tokens import decode, encode
from .vectors_tally import expect
from .versions import LATEST

_PRIVATE = {"d", "p", "q", "dp", "dq", "qi", "oth", "k", "key_hsm"}
_OPERATIONS = {
    "RSA": ["encrypt", "decrypt", "sign", "verify", "wrapKey", "unwrapKey"],
    "EC": ["sign", "verify"],
    "OKP": ["sign", "verify"],
    "oct": ["encrypt", "decrypt", "wrapKey", "unwrapKey"],
}


@dataclass(frozen=True)
class Answer:
    status: int
    body: dict

    @property
    def refused(self) -> bool:
        """Refused as a wrong parameter, in words; any other failure is not a refusal."""
        error = self.body.get("error", {})
        return self.status == 400 and error.get("code") == "BadParameter" and bool(error.get("message"))

    def __str__(self) -> str:
        return f"{self.status} {json.dumps(self.body)[:300]}"


class _Loopback(http.client.HTTPSConnection):
    """Connects to this machine, whatever the name, and sends small requests at once."""

    def connect(self) -> None:
        plain = socket.create_connection(("127.0.0.1", self.port), timeout=60)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock = self._context.wrap_socket(plain, server_hostname=self.host)


class Key:
    """An imported key, or one whose import was refused."""

    def __init__(self, service: "Service", imported: Answer):
        self._service = service
        self.imported = imported
        self.accepted = imported.status == 200
        if self.accepted:
            self.public = imported.body["key"]
            self._path = "/keys/" + self.public["kid"].split("/keys/")[1]

    def call(self, operation: str, **members: str | bytes) -> Answer:
        """Calls an operation; bytes are sent as base64url."""
        body = {name: encode(value) if isinstance(value, bytes) else value for name, value in members.items()}
        return self._service.send("POST", f"{self._path}/{operation}", body)

    def result(self, operation: str, **members: str | bytes) -> bytes:
        """The `value` of an operation that must succeed."""
        answer = self.call(operation, **members)
        expect(answer.status == 200, f"{operation} {members.get('alg')}: expected 200, got {answer}")
        return decode(answer.body["value"])

    def verifies(self, alg: str, digest: bytes, signature: bytes) -> bool:
        """Whether a signature is good. A refused request says no as well."""
        answer = self.call("verify", alg=alg, digest=digest, value=signature)
        if answer.refused:
            return False
        expect(answer.status == 200 and type(answer.body.get("value")) is bool, f"verify {alg}: got {answer}")
        return answer.body["value"]

    def refuses(self, operation: str, **members: str | bytes) -> Answer:
        """Insists that an operation is refused."""
        answer = self.call(operation, **members)
        expect(answer.refused, f"{operation} {members.get('alg')}: expected 400 BadParameter, got {answer}")
        return answer


class Service:
    """One host of a server, with the kind of keys that are made there."""

    def __init__(self, server: Server, name: str, host: str, resource: str, in_hsm: bool):
        self.name, self.in_hsm = name, in_hsm
        self._host, self._port, self._token = host, server.port, server.token(resource=resource)
        self._context = ssl.create_default_context(cafile=server.bundle)
        self._local = threading.local()
        self._keys: dict[str, Key] = {}
        self._locks: dict[str, threading.Lock] = {}
        self._lock = threading.Lock()

    def send(self, method: str, path: str, body: dict) -> Answer:
        data = json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        for attempt in (1, 2):
            connection = getattr(self._local, "connection", None)
            if connection is None:
                connection = self._local.connection = _Loopback(self._host, self._port, context=self._context)
            try:
                connection.request(method, f"{path}?api-version={LATEST}", data, headers)
                response = connection.getresponse()
                text = response.read()
                return Answer(response.status, json.loads(text) if text else {})
            except (ssl.SSLError, ConnectionError):
                # A server may close a connection that it has kept open for long; more than once is a fault.
                connection.close()
                if attempt == 2:
                    raise
        raise AssertionError("unreachable")

    def key(self, jwk: dict, operations: list[str] | None = None) -> Key:
        """Imports a key, once for each distinct one."""
        family = jwk["kty"]
        wanted = {**jwk, "kty": f"{family}-HSM" if self.in_hsm else family, "key_ops": operations or _OPERATIONS[family]}
        identity = hashlib.sha256(json.dumps(wanted, sort_keys=True).encode()).hexdigest()
        with self._lock:
            lock = self._locks.setdefault(identity, threading.Lock())
        with lock:
            if identity not in self._keys:
                self._keys[identity] = Key(self, self._import(f"{family.lower()}-{identity[:32]}", wanted))
            return self._keys[identity]

    def _import(self, name: str, jwk: dict) -> Answer:
        answer = self.send("PUT", f"/keys/{name}", {"key": jwk, **({"Hsm": True} if self.in_hsm else {})})
        if answer.status != 200:
            expect(answer.refused, f"import of {jwk['kty']}: expected 200 or 400 BadParameter, got {answer}")
            return answer
        shown = answer.body["key"]
        expect(not _PRIVATE & shown.keys(), f"import shows private members: {sorted(_PRIVATE & shown.keys())}")
        expect(shown["kty"] == jwk["kty"], f"kty {jwk['kty']} came back as {shown['kty']}")
        for member in ("n", "e", "x", "y"):
            if member in jwk:
                same = int.from_bytes(decode(shown[member]), "big") == int.from_bytes(decode(jwk[member]), "big")
                expect(same, f"{member} changed")
        return answer

    def imported(self, jwk: dict, operations: list[str] | None = None) -> Key:
        """Imports a key that must be accepted."""
        key = self.key(jwk, operations)
        expect(key.accepted, f"import of {jwk['kty']} {jwk.get('crv', '')}: expected 200, got {key.imported}")
        return key


def service_of(server: Server, name: str) -> Service:
    """A host of `strongroom dev`: `software` keys of a vault, HSM keys of a `premium` vault, or those of the `hsm` pool."""
    if name == "hsm":
        pool = server.client_env["MHSM_URL"].removeprefix("https://").split(":")[0].rstrip("/")
        return Service(server, name, pool, f"https://managedhsm.localhost:{server.port}", in_hsm=True)
    vault = server.vault_host().split(":")[0]
    return Service(server, name, vault, server.vault_resource, in_hsm=name == "premium")
