"""A capacity that somebody sets. It stands for a cooldown before the controller decides again."""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from quarterdeck.errors import Conflict, Contention, FieldError, InvalidInput, crew_not_found
from quarterdeck.idempotency import Once, remember
from quarterdeck.names import Name
from quarterdeck.scaling.controller import Decision
from quarterdeck.scaling.crew import write_decision
from quarterdeck.scaling.memory import read_memory
from quarterdeck.systems.records import ScalingPolicy, System
from quarterdeck.systems.store import SystemStore
from quarterdeck.table import ConditionFailed, Item

ATTEMPTS = 5
MOST = 1000

Slots = Annotated[int, Field(strict=True, ge=1, le=MOST)]


class ScaleRequest(BaseModel):
    """What `POST /crews/{system_id}/scale` takes.

    `action` with `factor`, how many slots more or less; or `capacity`, how many at all.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    crew_name: Name
    action: Literal["scale_up", "scale_down"] | None = None
    factor: Slots | None = None
    """Without it, 1."""
    capacity: Slots | None = None


def check_request(request: ScaleRequest) -> None:
    """InvalidInput unless it says one thing."""
    if request.action and request.capacity:
        rule = "cannot be given with action: one says how many more or less, one how many at all"
        raise InvalidInput([FieldError("capacity", rule)])
    if not request.action and not request.capacity:
        rule = "is missing: scale_up or scale_down, or capacity in place of it"
        raise InvalidInput([FieldError("action", rule)])
    if request.capacity and request.factor:
        raise InvalidInput([FieldError("factor", "goes with action, not with capacity")])


def scale_by_hand(
    systems: SystemStore,
    system: System,
    request: ScaleRequest,
    by: str,
    clock: Callable[[], datetime],
    once: Once | None = None,
) -> Decision:
    """What was written. InvalidInput without such a crew; Conflict out of its bounds."""
    check_request(request)
    crew = request.crew_name
    if system.state not in {"active", "paused"}:
        raise Conflict(f"system '{system.name}' is {system.state}: its crews cannot be scaled")
    version = systems.get_crew_version(system, crew)
    if version is None:
        raise InvalidInput([crew_not_found("crew_name", crew, system.crews)])
    for _ in range(ATTEMPTS):
        item = systems.table.get(system.scope.crew_key(crew))
        if item is None:
            raise Conflict(f"crew '{crew}' has no capacity: deploy the version again")
        decision = decide_by_hand(request, version.policy, item, clock())
        try:
            made = {"previous_capacity": decision.previous, "capacity": decision.capacity}
            systems.table.write(
                *write_decision(system.scope, crew, item, decision, by),
                *remember(once, made, decision.at),
            )
        except ConditionFailed:
            continue
        return decision
    raise Contention("others changed the capacity at each attempt")


def decide_by_hand(
    request: ScaleRequest, policy: ScalingPolicy, item: Item, now: datetime
) -> Decision:
    previous = item["capacity"]
    capacity = find_capacity(request, previous)
    if policy.clamp(capacity) != capacity:
        bounds = f"min_agents is {policy.min_agents}, max_agents is {policy.max_agents}"
        rule = f"a capacity of {capacity} is out of bounds: {bounds}"
        field = "capacity" if request.capacity else "factor"
        raise Conflict(f"crew '{request.crew_name}': {rule}", [FieldError(field, rule)])
    changes = {"scaled_at": now, "by_hand": True, "idle": False}
    return Decision(
        at=now,
        previous=previous,
        capacity=capacity,
        reasons=(f"set by hand: nothing changes for {policy.cooldown_period} s",),
        numbers={"running": item["running"]},
        memory=read_memory(item).model_copy(update=changes),
    )


def find_capacity(request: ScaleRequest, previous: int) -> int:
    if request.capacity:
        return request.capacity
    slots = request.factor or 1
    return previous + slots if request.action == "scale_up" else previous - slots
