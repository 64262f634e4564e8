"""The directory as one caller reaches it: plain calls to the host `graph.`, and to the management plane for who holds which role.

Calls that end in a result insist that they worked; `ask` does not.
"""

import uuid
from dataclasses import dataclass

from requests import Response

from .application import Application
from .server import Server
from .wire import Wire

OWNER, CONTRIBUTOR = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635", "b24988ac-6180-42a0-ab88-20f7382dd24c"
READER, ACCESS_ADMINISTRATOR = "acdd72a7-3385-48ef-bd42-f606fba81ae7", "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9"
SECRETS_USER, SECRETS_OFFICER = "4633458b-17de-408a-b874-0445c86b69e6", "b86a8fe4-44ce-4948-aee5-eccb2c155cd7"
DATA_ACCESS_ADMINISTRATOR = "8b54135c-b56d-4d72-a534-26097cfdc8d8"
NOBODY = "11111111-1111-4111-8111-111111111111"


def graph_url(server: Server) -> str:
    return f"https://graph.localhost:{server.port}"


@dataclass(frozen=True)
class Identity:
    """An application or a managed identity, without its secret."""

    app_id: str
    object_id: str


class Directory:
    def __init__(self, graph: Wire, management: Wire):
        self.graph, self.management = graph, management

    @classmethod
    def of(cls, server: Server, application: Application | None = None) -> "Directory":
        """As the owner unless said otherwise."""
        url = graph_url(server)
        return cls(Wire(url, server.bundle, server.token(application, url)), server.management(application))

    def ask(self, method: str, path: str, body: object = None, **query: str) -> Response:
        """`path` is what follows `/v1.0`."""
        sent = {} if body is None else {"json": body}
        return self.graph.call(method, f"/v1.0{path}", version=None, query={f"${name}": value for name, value in query.items()}, **sent)

    def get(self, path: str, **query: str) -> dict:
        return done(self.ask("GET", path, **query), 200)

    def items(self, path: str, **query: str) -> list[dict]:
        return self.get(path, **query)["value"]

    def post(self, path: str, body: object = None) -> dict:
        return done(self.ask("POST", path, body), 200)

    # Groups

    def group(self, name: str, **members: str) -> str:
        """Makes a group; its id."""
        return done(self.ask("POST", "/groups", {"displayName": name, **members}), 201)["id"]

    def delete_group(self, group: str) -> None:
        done(self.ask("DELETE", f"/groups/{group}"), 204)

    def ask_add(self, group: str, member: str) -> Response:
        return self.ask("POST", f"/groups/{group}/members/$ref", {"@odata.id": f"{self.graph.base}/v1.0/directoryObjects/{member}"})

    def ask_remove(self, group: str, member: str) -> Response:
        return self.ask("DELETE", f"/groups/{group}/members/{member}/$ref")

    def add(self, group: str, *members: str) -> None:
        for member in members:
            done(self.ask_add(group, member), 204)

    def remove(self, group: str, *members: str) -> None:
        for member in members:
            done(self.ask_remove(group, member), 204)

    def members(self, group: str) -> list[str]:
        return [member["id"] for member in self.items(f"/groups/{group}/members")]

    def chain(self, name: str, length: int, member: str) -> list[str]:
        """Groups of which each is in the next; the member is in the first."""
        groups = [self.group(f"{name}-{number}") for number in range(length)]
        for inner, outer in zip([member, *groups], groups):
            self.add(outer, inner)
        return groups

    # Applications

    def identity(self, name: str, kind: str = "managedIdentity") -> Identity:
        answer = self.management.post("/strongroom/applications", version=None, json={"displayName": name, "kind": kind})
        made = done(answer, 201)
        return Identity(made["appId"], made["objectId"])

    # Roles

    def ask_assign(self, role: str, principal: str, scope: str, name: str | None = None) -> Response:
        body = {"properties": {"roleDefinitionId": f"/providers/Microsoft.Authorization/roleDefinitions/{role}", "principalId": principal}}
        path = f"{scope}/providers/Microsoft.Authorization/roleAssignments/{name or uuid.uuid4()}"
        return self.management.put(path, version="2022-04-01", json=body)

    def assign(self, role: str, principal: str, scope: str) -> dict:
        return done(self.ask_assign(role, principal, scope), 201)

    def unassign(self, assignment: dict) -> None:
        done(self.management.delete(assignment["id"], version="2022-04-01"), 200)


def done(answer: Response, status: int) -> dict:
    assert answer.status_code == status, f"{answer.request.method} {answer.request.url}: {answer.status_code} {answer.text[:500]}"
    return answer.json() if answer.content else {}


def refusal(answer: Response) -> tuple[int, str]:
    """Status and code of an error, which has a code, a message, and nothing else."""
    assert answer.status_code >= 400, f"{answer.status_code} {answer.text[:500]}"
    error = answer.json()["error"]
    assert set(answer.json()) == {"error"} and set(error) == {"code", "message"} and error["message"], answer.text
    return answer.status_code, error["code"]
