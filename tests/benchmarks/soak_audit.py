"""What a soak has left behind, judged: the table, the provider's requests, and what was seen."""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from quarterdeck.keys import LATER_PREFIX, LEASE_SHARDS, LEASES, QUEUE_PREFIX, Scope, lease_shard
from quarterdeck.names import read_clock
from quarterdeck.systems.records import System
from quarterdeck.table import Table
from quarterdeck.tasks.states import TERMINAL
from quarterdeck.tasks.store import TaskStore, TaskView
from tests.benchmarks.soak_desks import STEPS
from tests.benchmarks.soak_rounds import Submitted
from tests.benchmarks.soak_site import Facts


class Stay(NamedTuple):
    """An entry that was in a crew's queue at least from one time to another."""

    entry: str
    since: float
    until: float
    look: tuple[float, float]
    """Began and ended: what took the entry was decided by it."""


def read_views(tasks: TaskStore, submitted: Iterable[Submitted]) -> dict[Submitted, TaskView]:
    return {task: tasks.get_view(task.system.scope, task.task_id) for task in submitted}


def judge_end(task: Submitted, view: TaskView) -> str | None:
    """What is wrong with how the task ended."""
    found = (view.status, view.result and view.result.output, view.usage and view.usage.requests)
    if found == ("succeeded", task.answer, STEPS):
        return None
    return f"task {task.task_id} (status, output, requests): {found}, {view.error}"


def count_double_outcomes(table: Table, views: Mapping[Submitted, TaskView]) -> int:
    """By how much the outcomes in metrics differ from the tasks that have ended, over all crews."""
    ended = Counter(
        (task.system.scope, task.crew) for task, view in views.items() if view.status in TERMINAL
    )
    return sum(abs(count_outcomes(table, *crew) - number) for crew, number in ended.items())


def count_outcomes(table: Table, scope: Scope, crew: str) -> int:
    buckets = table.query(scope.bucket_key(crew, read_clock()).pk, "")
    return sum(bucket.get(status, 0) for bucket in buckets for status in TERMINAL)


def find_leftovers(table: Table, systems: Iterable[System]) -> Iterator[str]:
    """What is held or waits although every task has ended."""
    for system in systems:
        for crew in system.crews:
            key = system.scope.crew_key(crew)
            item = table.get(key) or {}
            entries = [table.count(key.pk, prefix) for prefix in (QUEUE_PREFIX, LATER_PREFIX)]
            if (item.get("running"), *entries) != (0, 0, 0):
                yield f"{key.pk} has {item.get('running')} running, {entries} queued and put off"
    for shard in range(LEASE_SHARDS):
        page = table.query_index(LEASES, lease_shard(shard), limit=10)
        yield from (f"{item['pk']} has a lease" for item in page.items)


def count_repeated(
    requests: Counter[tuple[str, int]], facts: Facts, tasks: Iterable[Submitted]
) -> int:
    """Requests of the same step of a task beyond the first, but those in flight at a kill."""
    repeated: Counter[str] = Counter()
    for (number, _), times in requests.items():
        repeated[number] += times - 1
    numbers = {task.task_id: task.number for task in tasks}
    in_flight = [kill for kill in facts["killed"] if kill["place"] == "between"]
    repeated -= Counter(numbers[kill["task_id"]] for kill in in_flight)
    return repeated.total()


def count_priority_violations(facts: Facts) -> int:
    """Entries that were taken although another with a lower key was queued all through the look.

    What was queued during the look or later could not be known.
    """
    crews = list_stays(facts)
    return sum(
        any(
            other.entry < taken.entry and other.since <= began and other.until > ended
            for other in stays
        )
        for stays in crews.values()
        for taken in stays
        for began, ended in [taken.look]
    )


NEVER: dict[str, Any] = {"began": math.inf, "look": (-math.inf, -math.inf)}


def list_stays(facts: Facts) -> dict[str, list[Stay]]:
    """By crew. The nth time that an entry is taken ends its nth stay."""
    taken: defaultdict[tuple[str, str], list[Any]] = defaultdict(list)
    for fact in sorted(facts["taken"], key=lambda fact: fact["began"]):
        taken[fact["crew"], fact["entry"]].append(fact)
    stays: defaultdict[str, list[Stay]] = defaultdict(list)
    for fact in sorted(facts["queued"], key=lambda fact: fact["ended"]):
        ends = taken[fact["crew"], fact["entry"]]
        end = ends.pop(0) if ends else NEVER
        stays[fact["crew"]].append(Stay(fact["entry"], fact["ended"], end["began"], end["look"]))
    return stays
