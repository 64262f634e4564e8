"""Plain calls to the keys of a vault. Those that end in a result insist that they worked; `ask` and `Wire` do not."""

from urllib.parse import urlsplit

from requests import Response

from .tokens import decode, encode
from .wire import Wire


def path_of(key: dict | str) -> str:
    """The path of a key: of a bundle with its version, of a name without."""
    if isinstance(key, str):
        return key if key.startswith("/") else f"/keys/{key}"
    return urlsplit(key["key"]["kid"]).path


def version_of(bundle: dict) -> str:
    return bundle["key"]["kid"].rsplit("/", 1)[1]


def error_of(answer: Response) -> dict:
    assert set(answer.json()) == {"error"}, answer.text
    return answer.json()["error"]


def assert_bad_parameter(answer: Response) -> None:
    assert answer.status_code == 400, f"{answer.status_code} {answer.text}"
    assert error_of(answer)["code"] == "BadParameter"
    assert error_of(answer)["message"]


def assert_forbidden(answer: Response, inner: str) -> None:
    assert answer.status_code == 403, f"{answer.status_code} {answer.text}"
    error = error_of(answer)
    assert (error["code"], error["innererror"]["code"]) == ("Forbidden", inner)


def done(answer: Response) -> dict:
    assert answer.status_code == 200, f"{answer.status_code} {answer.text}"
    return answer.json()


class Keys:
    def __init__(self, wire: Wire):
        self.wire = wire

    # Life

    def create(self, name: str, kty: str = "EC", **members) -> dict:
        return done(self.wire.post(f"/keys/{name}/create", json={"kty": kty, **members}))

    def import_key(self, name: str, jwk: dict, **members) -> dict:
        return done(self.wire.put(f"/keys/{name}", json={"key": jwk, **members}))

    def get(self, key: dict | str) -> dict:
        return done(self.wire.get(path_of(key)))

    def update(self, key: dict | str, **members) -> dict:
        return done(self.wire.patch(path_of(key), json=members))

    def delete(self, name: str) -> dict:
        return done(self.wire.delete(f"/keys/{name}"))

    def recover(self, name: str) -> dict:
        return done(self.wire.post(f"/deletedkeys/{name}/recover"))

    def purge(self, name: str) -> None:
        assert self.wire.delete(f"/deletedkeys/{name}").status_code == 204

    def backup(self, name: str) -> str:
        return done(self.wire.post(f"/keys/{name}/backup"))["value"]

    def restore(self, backup: str) -> dict:
        return done(self.wire.post("/keys/restore", json={"value": backup}))

    def versions(self, name: str) -> list[dict]:
        return self.listed(f"/keys/{name}/versions")

    def listed(self, path: str, **query) -> list[dict]:
        """Every item of a list, over all its pages."""
        page = done(self.wire.get(path, query=query))
        items = page["value"]
        while page["nextLink"] is not None:
            page = done(self.wire.get(page["nextLink"]))
            items += page["value"]
        return items

    # Rotation

    def rotate(self, name: str) -> dict:
        return done(self.wire.post(f"/keys/{name}/rotate"))

    def policy(self, name: str) -> dict:
        return done(self.wire.get(f"/keys/{name}/rotationpolicy"))

    def ask_policy(self, name: str, policy: dict) -> Response:
        return self.wire.put(f"/keys/{name}/rotationpolicy", json=policy)

    def set_policy(self, name: str, policy: dict) -> dict:
        return done(self.ask_policy(name, policy))

    # Use

    def ask(self, operation: str, key: dict | str, alg: str, value: bytes, **members) -> Response:
        return self.wire.post(f"{path_of(key)}/{operation}", json={"alg": alg, "value": encode(value), **members})

    def use(self, operation: str, key: dict | str, alg: str, value: bytes) -> bytes:
        return decode(done(self.ask(operation, key, alg, value))["value"])

    def ask_verify(self, key: dict | str, alg: str, hashed: bytes, signature: bytes) -> Response:
        return self.ask("verify", key, alg, signature, digest=encode(hashed))

    def sign(self, key: dict | str, alg: str, hashed: bytes) -> bytes:
        return self.use("sign", key, alg, hashed)

    def verify(self, key: dict | str, alg: str, hashed: bytes, signature: bytes) -> bool:
        answer = done(self.ask_verify(key, alg, hashed, signature))
        assert set(answer) == {"value"}
        return answer["value"]
