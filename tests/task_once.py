"""Submits with an `Idempotency-Key`: what must hold of them at any moment."""

from collections.abc import Iterable, Iterator
from datetime import timedelta
from functools import cache
from itertools import pairwise
from typing import NamedTuple

from quarterdeck.errors import InvalidInput
from quarterdeck.idempotency import KEPT, Once, act_once
from quarterdeck.keys import parse_task_key
from quarterdeck.names import parse_time
from quarterdeck.table import Item
from quarterdeck.tasks.states import TaskSpec, TaskState
from quarterdeck.tasks.store import TaskStore
from quarterdeck.tasks.submission import TaskRequest, accept_task
from tests.task_world import Actor, World

KEYS = ("first", "second")
BODIES = ("this", "that")
SKEWS = timedelta(minutes=10)
"""More than any two clocks are apart."""


class Accepted(NamedTuple):
    """`task_id` is None when the key was refused as another request's."""

    key: str
    body: str
    task_id: str | None


def submit_once(world: World, actor: Actor, key: str, body: str) -> Accepted:
    """As the route does it. The task's description says by which key it was made."""
    asked = f"{key}: {body}"
    request = TaskRequest(description=asked, crew_name="one")
    tasks = TaskStore(world.table, world.blobs)

    def accept(named: Once) -> TaskState:
        return accept_task(world.table, world.blobs, world.system, request, actor.clock(), named)

    def recall(made: Item) -> TaskState:
        return tasks.get_state(world.scope, made["task_id"])

    try:
        state, _ = act_once(
            world.table, Once("caller", "POST /tasks", key, body), actor.clock, accept, recall
        )
    except InvalidInput:
        return Accepted(key, body, None)
    return Accepted(key, body, state.task_id)


def check_once(items: Iterable[Item], answers: Iterable[Accepted]) -> Iterator[str]:
    """A key makes one task in a day, and says so to all who ask the same; others are refused."""
    kept = {(parse_task(item), item["sk"]): item for item in items}
    made = {
        task_id: read_description(item["document"]["text"])
        for (task_id, sk), item in kept.items()
        if sk == "SPEC"
    }
    for key, body, task_id in answers:
        if task_id is None and not any(
            text.startswith(f"{key}: ") and text != f"{key}: {body}" for text in made.values()
        ):
            yield f"refused, and nobody has asked anything else: {key}: {body}"
        if task_id is not None and made[task_id] != f"{key}: {body}":
            yield f"asked for '{key}: {body}' and got {made[task_id]}"
    latest = set()
    for key in KEYS:
        created = sorted(
            (kept[task_id, "STATE"]["created_at"], task_id)
            for task_id, text in made.items()
            if text.startswith(f"{key}: ")
        )
        latest |= {task_id for _, task_id in created[-1:]}
        for (earlier, _), (later, _) in pairwise(created):
            if parse_time(later) - parse_time(earlier) < KEPT - SKEWS:
                yield f"two tasks of one key: {created}"
    remembered = {item["made"]["task_id"] for (_, sk), item in kept.items() if sk == "IDEM"}
    if remembered != latest:
        yield f"keys remember {remembered}, not {latest}"


def parse_task(item: Item) -> str:
    """The task's id, or for what is of no task its partition."""
    return parse_task_key(item["pk"])[1] if item["sk"] in {"SPEC", "STATE"} else item["pk"]


@cache
def read_description(text: str) -> str:
    """Nothing for a retry, which nobody has asked for by a key."""
    spec = TaskSpec.model_validate_json(text)
    return "" if spec.retries else spec.description
