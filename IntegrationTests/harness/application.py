"""An application: who a client says it is."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Application:
    app_id: str
    object_id: str
    password: str
    tenant: str
