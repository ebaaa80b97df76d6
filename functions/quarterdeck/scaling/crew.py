"""A crew's capacity and its decisions, as the table keeps them. Writes are compare-and-set."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from quarterdeck.keys import DECISION_PREFIX, Scope, parse_decision_key
from quarterdeck.retention import Expiry
from quarterdeck.scaling.controller import Action, Decision
from quarterdeck.scaling.memory import TIMES, dump_memory
from quarterdeck.table import Absent, Condition, Equals, Item, Put, Table, Unset, Update

CONTROLLER = "controller"


class KnownDecision(BaseModel):
    """`by`: the controller, or the id of the key whose holder changed the capacity."""

    at: str
    action: Action
    previous_capacity: int
    capacity: int
    by: str
    reasons: list[str]
    numbers: dict[str, float] = {}


def write_decision(
    scope: Scope, crew: str, item: Item, decision: Decision, by: str = CONTROLLER
) -> list[Update | Put]:
    """If CREW is still as `item` has it in what concerns scaling. Free slots do not."""
    changes = {"capacity": decision.capacity} | dump_memory(decision.memory)
    kept = {
        "action": decision.action,
        "previous_capacity": decision.previous,
        "capacity": decision.capacity,
        "by": by,
        "reasons": list(decision.reasons),
        "numbers": dict(decision.numbers),
        "expires_at": Expiry("decisions", decision.at),
    }
    return [
        Update(scope.crew_key(crew), changes, {}, conditions=list_conditions(item)),
        Put(scope.decision_key(crew, decision.at), kept, [Absent()]),
    ]


def list_conditions(item: Mapping[str, Any]) -> list[Condition]:
    """Nobody has decided since it was read."""
    return [
        Equals("capacity", item["capacity"]),
        *(Equals(name, item[name]) if name in item else Unset(name) for name in TIMES),
    ]


def list_decisions(table: Table, scope: Scope, crew: str, limit: int) -> list[KnownDecision]:
    """The latest, newest first."""
    page = table.query_newest(scope.crew_key(crew).pk, DECISION_PREFIX, limit=limit)
    return [
        KnownDecision.model_validate(item | {"at": parse_decision_key(item["sk"])})
        for item in page.items
    ]
