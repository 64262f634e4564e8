"""Plain HTTPS calls to one host, with or without a token."""

import requests

from .versions import LATEST


class Wire:
    def __init__(self, base: str, verify: str | bool, token: str | None = None):
        self.base = base
        self.token = token
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.verify = verify

    def call(
        self, method: str, path: str, *, version: str | None = LATEST, headers: dict | None = None, query: dict | None = None, **body
    ) -> requests.Response:
        """One call; `path` may also be a whole URL such as a nextLink, which is then used as it is."""
        sent = dict(headers or {})
        if self.token is not None:
            sent.setdefault("Authorization", f"Bearer {self.token}")
        if path.startswith("https://"):
            return self._session.request(method, path, headers=sent, timeout=60, allow_redirects=False, **body)
        parameters = {**({"api-version": version} if version is not None else {}), **(query or {})}
        return self._session.request(
            method, self.base + path, params=parameters, headers=sent, timeout=60, allow_redirects=False, **body
        )

    def get(self, path: str, **options) -> requests.Response:
        return self.call("GET", path, **options)

    def put(self, path: str, **options) -> requests.Response:
        return self.call("PUT", path, **options)

    def post(self, path: str, **options) -> requests.Response:
        return self.call("POST", path, **options)

    def patch(self, path: str, **options) -> requests.Response:
        return self.call("PATCH", path, **options)

    def delete(self, path: str, **options) -> requests.Response:
        return self.call("DELETE", path, **options)

    def set_secret(self, name: str, value: str = "value", **members) -> dict:
        """Sets a secret and insists that it worked."""
        answer = self.put(f"/secrets/{name}", json={"value": value, **members})
        assert answer.status_code == 200, answer.text
        return answer.json()

    def delete_secret(self, name: str) -> dict:
        answer = self.delete(f"/secrets/{name}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    def backup_secret(self, name: str) -> str:
        answer = self.post(f"/secrets/{name}/backup")
        assert answer.status_code == 200, answer.text
        return answer.json()["value"]
