"""Guards taken out one by one: each condition of a transition, and checks around them.

`hunt` looks for a trial of `tests.task_races` that tells the difference.
"""

import ast
import importlib
import inspect
import itertools
import random
import sys
import textwrap
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from unittest.mock import patch

from quarterdeck.table import Condition, Scope, Write
from quarterdeck.tasks import transitions
from quarterdeck.tasks.outcome import Outcome
from quarterdeck.tasks.states import QueueEntry, TaskState
from tests.task_races import STARTS, Stage, list_trials

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

# {function: arguments with which it makes all of its conditions}
SAMPLES: dict[str, list[tuple[Any, ...]]] = {
    "submit_task": [(SCOPE, QUEUED, {}, NOW)],
    "dispatch_task": [(SCOPE, ENTRY, NOW)],
    "resend_task": [(SCOPE, DISPATCHED, NOW)],
    "claim_task": [(SCOPE, DISPATCHED, "worker", NOW)],
    "beat_task": [(SCOPE, RUNNING, 5, NOW)],
    "continue_task": [(SCOPE, RUNNING, 5, NOW)],
    "postpone_task": [(SCOPE, RUNNING, 5, 1, NOW)],
    "ripen_task": [(SCOPE, ENTRY, "2026-11-23T11:00:00.000Z")],
    "requeue_task": [(SCOPE, RUNNING, 0)],
    "request_cancel": [(SCOPE, RUNNING)],
    "finish_task": [(SCOPE, RUNNING, DONE, {}, NOW)],
    "bury_task": [(SCOPE, RUNNING, DONE, {}, NOW)],
    "cancel_task": [(SCOPE, state, DONE, {}, NOW) for state in (QUEUED, LATER, DISPATCHED)],
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


def list_guards() -> Iterator[Guard]:
    """Every condition that a transition makes, once."""
    seen: set[Guard] = set()
    for function, samples in SAMPLES.items():
        for arguments in samples:
            for write in list_writes(getattr(transitions, function)(*arguments)):
                for condition in write.conditions:
                    seen.add(find_guard(function, write, condition))
    yield from sorted(seen, key=str)


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
            original: Callable[..., Any] = getattr(transitions, name)
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


@dataclass(frozen=True)
class Edit:
    """A function's source with one piece of text in place of another; `steps` run it."""

    where: str
    """`module:function` or `module:Class.method`, below quarterdeck."""
    old: str
    new: str
    steps: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.where}: {self.old!r} -> {self.new!r}"


@contextmanager
def edited(edit: Edit) -> Iterator[None]:
    """The code as it would be with the edit; an edit that no longer applies is an error."""
    module_name, _, path = edit.where.partition(":")
    module = importlib.import_module(f"quarterdeck.{module_name}")
    *holders, name = path.split(".")
    holder: Any = getattr(module, holders[0]) if holders else module
    original = getattr(holder, name)
    source = textwrap.dedent(inspect.getsource(original))
    if source.count(edit.old) != 1:
        raise LookupError(f"{edit.where} has {edit.old!r} {source.count(edit.old)} times")
    namespace = vars(module)
    compiled = compile(ast.parse(source.replace(edit.old, edit.new)), module.__file__ or "", "exec")
    made: dict[str, Any] = {}
    exec(compiled, namespace, made)
    with ExitStack() as patches:
        for other in [holder, *sys.modules.values()]:
            if getattr(other, name, None) is original:
                patches.enter_context(patch.object(other, name, made[name]))
        yield


def hunt(steps: Collection[str], most: int = 4000) -> str | None:
    """A trial of these steps that breaks a rule, and which; None after so many variants."""
    trials = [trial for trial in list_trials() if trial.step in steps]
    random.Random(1).shuffle(trials)
    tried = 0
    for batch in itertools.batched(trials, 8, strict=False):
        for start in STARTS:
            try:
                with Stage(start) as stage:
                    tried += sum(stage.run(trial) for trial in batch)
            except Exception as broken:
                return f"{start}, one of {batch}: {broken}"
        if tried > most:
            break
    return None
