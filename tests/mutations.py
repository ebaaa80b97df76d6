"""Guards taken out one by one: each condition of a transition, and checks around them.

`hunt` looks for a trial of `tests.task_races` that tells the difference.
"""

import random
import sys
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from unittest.mock import patch

from quarterdeck.keys import Scope
from quarterdeck.table import Condition, Write
from quarterdeck.tasks import transitions, waiting
from quarterdeck.tasks.outcome import Outcome
from quarterdeck.tasks.states import QueueEntry, TaskState
from tests.task_races import Failure, Race, Stage, list_trials

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
SCOPE = Scope("s", 1)
DONE = Outcome(status="succeeded", output="Done")
ENTRY = QueueEntry("one", "rank", "t", 1)


def make_state(status: str, **rest: Any) -> TaskState:
    return TaskState.model_validate(
        {
            "task_id": "t",
            "crew_name": "one",
            "status": status,
            "epoch": 1,
            "priority": "high",
            "version": 1,
            "rank": "rank",
            "created_at": "2026-11-23T11:00:00.000Z",
            "lease_expires_at": "2026-11-23T11:00:00.000Z",
        }
        | rest
    )


QUEUED, LATER = make_state("queued"), make_state("queued", not_before="2026-11-23T13:00:00.000Z")
DISPATCHED, RUNNING = make_state("dispatched"), make_state("running")
WAITING = make_state("waiting", question=1, waiting_since="2026-11-23T11:00:00.000Z")

# {function: arguments with which it makes all of its conditions}
SAMPLES: dict[str, list[tuple[Any, ...]]] = {
    "submit_task": [(SCOPE, QUEUED, {}, NOW)],
    "dispatch_task": [(SCOPE, ENTRY, NOW)],
    "resend_task": [(SCOPE, DISPATCHED, NOW)],
    "claim_task": [(SCOPE, DISPATCHED, "worker", NOW)],
    "beat_task": [(SCOPE, RUNNING, 5, NOW)],
    "continue_task": [(SCOPE, RUNNING, 5, NOW)],
    "postpone_task": [(SCOPE, RUNNING, 5, 1, NOW, NOW)],
    "ripen_task": [(SCOPE, ENTRY, "2026-11-23T11:00:00.000Z")],
    "requeue_task": [(SCOPE, RUNNING, 0, NOW)],
    "request_cancel": [(SCOPE, RUNNING)],
    "finish_task": [(SCOPE, RUNNING, DONE, {}, NOW)],
    "bury_task": [(SCOPE, RUNNING, DONE, {}, NOW)],
    "cancel_task": [(SCOPE, state, DONE, {}, NOW) for state in (QUEUED, LATER, DISPATCHED)],
    "wait_task": [(SCOPE, RUNNING, {}, 5, NOW, NOW)],
    "resume_task": [(SCOPE, WAITING, {}, SCOPE.call_key("t", "d", 0), {}, NOW)],
    "expire_task": [(SCOPE, WAITING, DONE, {}, NOW)],
}


@dataclass(frozen=True)
class Guard:
    """One condition: of which function, on which item, of which class and attribute."""

    function: str
    item: str
    kind: str
    attribute: str

    def __str__(self) -> str:
        return f"{self.function}: {self.item} {self.kind}({self.attribute})"


def list_guards() -> list[Guard]:
    """Every condition that a transition makes, once."""
    seen: set[Guard] = set()
    for function, samples in SAMPLES.items():
        for arguments in samples:
            for write in list_writes(find_transition(function)(*arguments)):
                for condition in write.conditions:
                    seen.add(find_guard(function, write, condition))
    return sorted(seen, key=str)


def find_transition(name: str) -> Callable[..., Any]:
    found: Callable[..., Any] = getattr(waiting if hasattr(waiting, name) else transitions, name)
    return found


def list_writes(made: Any) -> list[Write]:
    return list(made) if isinstance(made, list) else [made]


def find_guard(function: str, write: Write, condition: Condition) -> Guard:
    item = write.key.sk.split("#")[0]
    attribute = condition[0] if condition else ""
    return Guard(function, item, type(condition).__name__, attribute)


@contextmanager
def without(*guards: Guard) -> Iterator[None]:
    """The transitions as they would be without these conditions."""
    with ExitStack() as patches:
        for name in {guard.function for guard in guards}:
            drop = {guard for guard in guards if guard.function == name}
            original = find_transition(name)
            for module in list(sys.modules.values()):
                if getattr(module, name, None) is original and module is not sys.modules[__name__]:
                    patches.enter_context(patch.object(module, name, weaken(original, name, drop)))
        yield


def weaken(original: Callable[..., Any], name: str, drop: set[Guard]) -> Callable[..., Any]:
    def weaken_write(write: Write) -> Write:
        kept = [rule for rule in write.conditions if find_guard(name, write, rule) not in drop]
        return replace(write, conditions=kept)

    def weakened(*arguments: Any, **named: Any) -> Any:
        made = original(*arguments, **named)
        if isinstance(made, list):
            return [weaken_write(write) for write in made]
        return weaken_write(made)

    return weakened


def hunt(steps: Collection[str], starts: Collection[str], rule: str = "") -> str | None:
    """A trial of these steps, from one of `starts`, that breaks a rule, or this one; None if none.

    What the code raises for the want of a guard counts as well.
    """
    trials = [trial for trial in list_trials() if trial.step in steps]
    random.Random(1).shuffle(trials)
    broken = (text for start in starts for text in try_all(start, trials) if rule in text)
    return next(broken, None)


def try_all(start: str, trials: Iterable[Race | Failure]) -> Iterator[str]:
    """What breaks, on the way to the start or in a trial."""
    try:
        stage = Stage(start)
    except Exception as broken:
        yield f"{start}: {broken}"
        return
    with stage:
        for trial in trials:
            try:
                stage.run(trial)
            except Exception as broken:
                yield f"{start}, {trial}: {broken}"
