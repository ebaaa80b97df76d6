"""Who asks, as the authorizer hands it to the api: a key's scopes and systems."""

import json
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from quarterdeck.errors import Forbidden, system_not_found

KeyScope = Literal["read", "run", "operate", "admin"]
ALL_SCOPES: tuple[KeyScope, ...] = ("read", "run", "operate", "admin")


class Principal(BaseModel):
    model_config = ConfigDict(frozen=True)

    name: str
    scopes: tuple[KeyScope, ...]
    systems: tuple[str, ...] | None = None
    """None: every system of the environment."""

    def require_scope(self, scope: KeyScope) -> None:
        if scope not in self.scopes:
            raise Forbidden(f"this needs a key with the scope '{scope}'")

    def require_system(self, system_id: str) -> None:
        """NotFound for what the key has no access to: it does not tell what is there."""
        if not self.may_see(system_id):
            raise system_not_found(system_id)

    def may_see(self, system_id: str) -> bool:
        return self.systems is None or system_id in self.systems


ADMIN = Principal(name="admin", scopes=ALL_SCOPES)


def pack_principal(principal: Principal) -> dict[str, str]:
    """The authorizer's context: flat text is all that API Gateway passes on."""
    return {"principal": principal.model_dump_json()}


def unpack_principal(context: dict[str, Any]) -> Principal:
    return Principal.model_validate(json.loads(context["principal"]))
