"""Who asks, as the authorizer hands it to the api: a key's scopes and systems."""

import json
from collections.abc import Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from quarterdeck.errors import Forbidden, system_not_found

KeyScope = Literal["read", "run", "operate", "admin"]
ALL_SCOPES: tuple[KeyScope, ...] = ("read", "run", "operate", "admin")


class Principal(BaseModel):
    model_config = ConfigDict(frozen=True)

    key_id: str | None = None
    """None: the first admin key, which is not in the table."""
    name: str
    scopes: tuple[KeyScope, ...]
    systems: tuple[str, ...] | None = None
    """None: every system of the environment."""

    @property
    def mark(self) -> str:
        """What logs and records call the key: its id, or `admin`."""
        return self.key_id or self.name

    def require_scope(self, scope: KeyScope) -> None:
        if scope not in self.scopes:
            raise Forbidden(f"this needs a key with the scope '{scope}'")

    def require_system(self, system_id: str) -> None:
        """NotFound for what the key has no access to: it does not tell what is there."""
        if not self.may_see(system_id):
            raise system_not_found(system_id)

    def require_environment(self) -> None:
        """Forbidden for a key of some systems: what it asks for belongs to none of them."""
        if self.systems is not None:
            raise Forbidden(
                "this acts on the whole environment, and the key is limited to some systems"
            )

    def require_grantable(self, scopes: Sequence[KeyScope]) -> None:
        """Forbidden for scopes that this key lacks itself."""
        lacking = [scope for scope in scopes if scope not in self.scopes]
        if lacking:
            raise Forbidden(f"a key grants no scope that it lacks: {', '.join(lacking)}")

    def may_see(self, system_id: str) -> bool:
        return self.systems is None or system_id in self.systems


ADMIN = Principal(name="admin", scopes=ALL_SCOPES)


def pack_principal(principal: Principal) -> dict[str, str]:
    """The authorizer's context: flat text is all that API Gateway passes on, and logs."""
    return {
        "principal": principal.model_dump_json(),
        "key_id": principal.mark,
    }


def unpack_principal(context: dict[str, Any]) -> Principal:
    return Principal.model_validate(json.loads(context["principal"]))
