"""What transitions and attempts count, with plain values."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from quarterdeck.keys import Scope
from quarterdeck.metrics.buckets import find_bin
from quarterdeck.metrics.tally import Tally
from quarterdeck.table import Update, Write
from quarterdeck.tasks.outcome import Outcome
from quarterdeck.tasks.states import TaskState
from quarterdeck.tasks.transitions import (
    bury_task,
    cancel_task,
    continue_task,
    finish_task,
    postpone_task,
    requeue_task,
)

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
SCOPE = Scope("s", 1)
COUNTS = {"tool_calls": 3, "throttled": 2, "retries": 1}
DONE = Outcome(status="succeeded", output="Done")
RUNNING = TaskState(
    task_id="t",
    crew_name="one",
    status="running",
    epoch=1,
    priority="high",
    version=1,
    rank="rank",
    created_at="2026-11-23T11:00:00.000Z",
)
QUEUED = RUNNING.model_copy(update={"status": "queued"})


def find_counts(writes: list[Write]) -> Mapping[str, int]:
    (bucket,) = (write for write in writes if write.key == SCOPE.bucket_key("one", NOON))
    assert isinstance(bucket, Update)
    return bucket.add


@pytest.mark.parametrize(
    ("writes", "counted"),
    [
        (continue_task(SCOPE, RUNNING, 5, NOON, COUNTS), COUNTS | {"continuations": 1}),
        (postpone_task(SCOPE, RUNNING, 5, 1, NOON, NOON, COUNTS), COUNTS | {"retries": 2}),
        (requeue_task(SCOPE, RUNNING, 0, NOON), {"crashes": 1}),
    ],
)
def test_a_turn_of_a_task_is_counted(writes: list[Write], counted: Mapping[str, int]) -> None:
    assert find_counts(writes) == counted


def test_an_end_is_counted_with_what_its_attempt_did() -> None:
    finished = find_counts(finish_task(SCOPE, RUNNING, DONE, {}, NOON, COUNTS))
    assert COUNTS.items() <= finished.items()
    assert finished["succeeded"] == 1
    assert find_counts(bury_task(SCOPE, RUNNING, DONE, {}, NOON))["crashes"] == 1
    assert "crashes" not in find_counts(cancel_task(SCOPE, QUEUED, DONE, {}, NOON))


def test_an_end_is_seven_writes_whoever_makes_it() -> None:
    lengths: dict[str, Any] = {
        "finish": finish_task(SCOPE, RUNNING, DONE, {}, NOON, COUNTS),
        "bury": bury_task(SCOPE, RUNNING, DONE, {}, NOON),
        "cancel": cancel_task(SCOPE, QUEUED, DONE, {}, NOON),
    }
    assert {name: len(writes) for name, writes in lengths.items()} == dict.fromkeys(lengths, 7)


def test_a_tally_keeps_counts_and_times() -> None:
    tally = Tally()
    tally.count("tool_calls")
    tally.count("tool_calls")
    tally.time_call(1000)
    tally.time_call(1000)
    assert tally.read() == {"tool_calls": 2, "llm_ms": 2000, f"llm_bin_{find_bin(1000)}": 2}
    assert tally.read() == tally.read()
