"""Workers are killed at every call and write of a crew's memory, and another one goes on."""

from typing import Any, cast

import pytest

from quarterdeck.blobs import BlobStore
from quarterdeck.keys import Scope
from quarterdeck.memory.store import MemoryStore
from tests.memories import FakeS3
from tests.prove import PROVE
from tests.unit.execution.crash_lab import Lab, Point, Trial
from tests.unit.execution.crash_worker import CREW

pytestmark = pytest.mark.xdist_group("crash-sweep")

REMEMBERED = "Rivers carry salt to the sea"
REACHED = {"before": 34, "between": 34, "after": 34, "kept": 6}
"""How often a run without a crash gets to each: calls and their records, writes to memory."""
MANY = [
    (phase, n)
    for phase, times in REACHED.items()
    for n in range(1, times + 1, 1 if phase == "kept" else 5)
]
SAMPLE: list[Point] = [("between", 12), ("kept", 4)]
POINTS = MANY if PROVE else SAMPLE


def list_contents(lab: Lab, trial: Trial) -> list[str]:
    """What the trial's crew remembers."""
    blobs = BlobStore(cast("Any", FakeS3()), "blobs")
    store = MemoryStore(lab.table, blobs, Scope(trial.system, 1), CREW)
    return sorted(memory.content for memory in store.list_newest())


class Undisturbed:
    """A run that nobody kills."""

    def __init__(self, lab: Lab) -> None:
        trial = lab.begin("remembering")
        self.result = trial.run()
        self.calls = count_calls(lab)
        self.contents = list_contents(lab, trial)


def count_calls(lab: Lab) -> int:
    """Of the models that answer, and of the embedder."""
    return len(lab.server.requests) + len(lab.server.embedded)


@pytest.fixture(scope="module")
def undisturbed(lab: Lab) -> Undisturbed:
    return Undisturbed(lab)


def test_a_crew_keeps_changes_and_forgets(undisturbed: Undisturbed) -> None:
    reached = undisturbed.result["reached"]
    assert {phase: reached[phase] for phase in REACHED} == REACHED
    assert undisturbed.contents == [
        "Rivers carry salt to the sea, always.",
        "Rivers carry salt to the sea, slowly.",
        "Salt comes with rivers.",
    ]


@pytest.mark.parametrize("point", POINTS, ids=str)
def test_nothing_is_kept_twice_and_nothing_lost_whenever_a_worker_dies(
    point: Point, lab: Lab, undisturbed: Undisturbed
) -> None:
    trial = lab.begin("remembering")
    in_flight = trial.run(point)["in_flight"]
    result = trial.run()
    for fact in ("output", "usage", "unclaimed"):
        assert result[fact] == undisturbed.result[fact]
    assert list_contents(lab, trial) == undisturbed.contents
    assert 0 <= count_calls(lab) - undisturbed.calls <= in_flight


def test_what_one_process_has_learned_another_one_knows(lab: Lab, undisturbed: Undisturbed) -> None:
    """Each run is a process of its own."""
    first = lab.begin("remembering")
    first.run()
    assert REMEMBERED not in read_first_prompt(lab)
    later = lab.begin("remembering", first.system)
    later.run()
    assert REMEMBERED in read_first_prompt(lab)
    assert set(undisturbed.contents) <= set(list_contents(lab, later))


def read_first_prompt(lab: Lab) -> str:
    """What the first agent was asked."""
    bodies = (body for body in lab.server.requests if "response_format" not in body)
    return str(next(bodies)["messages"][-1]["content"])
