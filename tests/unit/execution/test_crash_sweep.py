"""The worker's process is killed at every call of a crew, and another one finishes its task."""

from typing import Any

import pytest

from quarterdeck.execution.journal_key import digest
from tests.prove import PROVE
from tests.unit.execution.crash_lab import Lab, Point

pytestmark = pytest.mark.xdist_group("crash-sweep")

CALLS = {"sequential": (8, 2), "hierarchical": (16, 2)}
"""Of each crew: all calls, and those of the tool."""


def list_points(process: str) -> list[Point]:
    calls, letters = CALLS[process]
    phases = ("before", calls), ("between", calls), ("after", calls), ("marked", letters)
    return [(phase, n) for phase, times in phases for n in range(1, times + 1)]


SAMPLE: dict[str, list[Point]] = {
    "sequential": [("before", 4), ("between", 2), ("after", 6), ("marked", 2)],
    "hierarchical": [("between", 3), ("after", 9), ("before", 14)],
}
POINTS = [
    (process, point)
    for process, sample in SAMPLE.items()
    for point in (list_points(process) if PROVE else sample)
]


@pytest.fixture(scope="module")
def undisturbed(lab: Lab) -> dict[str, dict[str, Any]]:
    """What each crew does when nobody kills it."""
    results = {}
    for process, (calls, letters) in CALLS.items():
        trial = lab.begin(process)
        result = trial.run()
        assert result["reached"]["after"] == calls
        assert trial.sent.total() == result["reached"]["marked"] == letters
        assert set(trial.asked.values()) == {1}
        results[process] = {**result, "asked": trial.asked}
    return results


@pytest.mark.parametrize(("process", "point"), POINTS, ids=str)
def test_a_task_whose_worker_was_killed_ends_as_if_it_had_not(
    process: str, point: Point, lab: Lab, undisturbed: dict[str, dict[str, Any]]
) -> None:
    trial, expected = lab.begin(process), undisturbed[process]
    killed = trial.run(point)
    in_flight = killed["in_flight"]
    result = trial.run()
    for fact in ("output", "usage", "unclaimed"):
        assert result[fact] == expected[fact]
    assert order_steps(result) == order_steps(expected)
    assert sorted(result["told"]["told"]) == sorted(result["told"]["made"])
    assert len(result["told"]["told"]) == CALLS[process][0]
    assert set(trial.asked) == set(expected["asked"])
    again = trial.asked.total() - expected["asked"].total()
    effects_again = trial.sent.total() - CALLS[process][1]
    assert 0 <= again + effects_again <= in_flight
    assert len(trial.sent) == CALLS[process][1], "a repeated effect has the key of the first"
    if point[0] == "after":
        assert again + effects_again < in_flight, "what is recorded is not in flight"


def test_a_task_whose_workers_die_after_each_call_ends(
    lab: Lab, undisturbed: dict[str, dict[str, Any]]
) -> None:
    trial, expected = lab.begin("sequential"), undisturbed["sequential"]
    repeated = 0
    for _ in range(20):
        result = trial.run(("after", 1))
        if "output" in result:
            break
        repeated += result["in_flight"] - 1
    assert result["output"] == expected["output"]
    assert result["replayed"] == CALLS["sequential"][0]
    assert sorted(result["told"]["told"]) == sorted(result["told"]["made"])
    assert trial.asked.total() - expected["asked"].total() <= repeated
    assert len(trial.sent) == CALLS["sequential"][1]


def order_steps(result: dict[str, Any]) -> list[Any]:
    """Steps side by side end in any order."""
    return sorted(digest(step) for step in result["steps"])
