"""How the controller follows loads, in simulated time, beside a rule of plus or minus one.

`.ci/uv run python tests/benchmarks/scaling.py`. Prints one JSON object. Both rules have the same
thresholds, bounds and cooldown, are asked once a minute and given the same tasks, which run for a
minute in the mean. Under `ours` and `simple`, of the worst of the seeds:

- `longest_wait_s`: of any task, from its submit to its slot
- `absorb_s`: the longest time for which the capacity was under the load
- `overshoot`: the highest capacity over the highest load, less one
- `reversals`: how often a capacity that grew began to shrink, or the other way round
- `unit_hours`: slots times hours, the mean of the seeds

`unit_hours_ratio_to_least`: ours over those of the smallest constant capacity (`least_capacity`)
with which no task of any seed waits 300 s. It can only be known afterwards.
"""

import json
import sys
from collections.abc import Callable, Sequence
from itertools import count, pairwise
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "functions")]

from tests.benchmarks.scaling_loads import (  # noqa: E402 - by path, as a script
    HOUR,
    LOADS,
    Arrival,
    Load,
    draw_arrivals,
)
from tests.benchmarks.scaling_simulation import (  # noqa: E402
    POLICY,
    Change,
    Course,
    Ours,
    Rule,
    Simple,
    keep_constant,
    simulate,
)

SEEDS = range(5)
LONGEST_WAIT_S = 300


class Figures(NamedTuple):
    longest_wait_s: float
    absorb_s: float
    overshoot: float
    reversals: int
    unit_hours: float


def measure(load: Load, course: Course) -> Figures:
    highest = max(load.slots(at) for at in range(load.end))
    return Figures(
        longest_wait_s=round(max(course.waits), 1),
        absorb_s=find_absorb(load, course),
        overshoot=round(max(c.capacity for c in course.changes) / highest - 1, 2),
        reversals=count_reversals(course.changes),
        unit_hours=round(course.slot_seconds / HOUR, 2),
    )


def find_absorb(load: Load, course: Course) -> int:
    """Seconds, of the longest stretch."""
    longest = short = place = 0
    for at in range(load.end):
        while place + 1 < len(course.changes) and course.changes[place + 1].at <= at:
            place += 1
        short = short + 1 if course.changes[place].capacity < load.slots(at) else 0
        longest = max(longest, short)
    return longest


def count_reversals(changes: Sequence[Change]) -> int:
    grew = [after.capacity > before.capacity for before, after in pairwise(changes)]
    return sum(before != after for before, after in pairwise(grew))


def follow(
    load: Load, arrivals: Sequence[Arrival], make_rule: Callable[[], Rule], second: int = 0
) -> Figures:
    course = simulate(arrivals, load.end, make_rule(), POLICY.min_agents, second)
    return measure(load, course)


def combine(figures: Sequence[Figures]) -> Figures:
    """The worst of each, but the mean of what it costs."""
    worst = Figures(*map(max, zip(*figures, strict=True)))
    hours = sum(each.unit_hours for each in figures) / len(figures)
    return worst._replace(unit_hours=round(hours, 1))


def find_least(load: Load, drawn: Sequence[Sequence[Arrival]]) -> int:
    def suffices(capacity: int) -> bool:
        courses = (simulate(each, load.end, keep_constant, capacity) for each in drawn)
        return all(max(course.waits) < LONGEST_WAIT_S for course in courses)

    return next(capacity for capacity in count(1) if suffices(capacity))


def compare(load: Load, seeds: Sequence[int]) -> dict[str, Any]:
    drawn = [draw_arrivals(load, seed) for seed in seeds]
    ours, simple = (
        combine([follow(load, arrivals, rule) for arrivals in drawn]) for rule in (Ours, Simple)
    )
    least = find_least(load, drawn)
    ratio = ours.unit_hours / (least * load.end / HOUR)
    return {
        "ours": ours._asdict(),
        "simple": simple._asdict(),
        "least_capacity": least,
        "unit_hours_ratio_to_least": round(ratio, 2),
    }


if __name__ == "__main__":
    print(json.dumps({load.name: compare(load, SEEDS) for load in LOADS}))
