"""A lease: what it decides with plain values, and what its thread does."""

import threading
import time
from collections.abc import Callable
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quarterdeck.execution.lease import (
    Lease,
    Limits,
    Overtime,
    Times,
    find_wake,
    judge_hang,
    judge_time,
)
from quarterdeck.execution.stopping import Stop
from quarterdeck.table import ConditionFailed

LIMITS = Limits()
seconds = st.floats(0, 100_000)
times = st.builds(Times, ran=seconds, timeout=st.floats(1, 86_400), left=st.floats(0, 900))


@given(times)
def test_a_call_that_may_begin_is_not_given_up(now: Times) -> None:
    if judge_time(now, LIMITS) is None:
        assert judge_hang(now, LIMITS) is None


@given(times)
def test_the_thread_wakes_before_it_is_late(now: Times) -> None:
    wait = find_wake(now, LIMITS)
    assert 0 < wait <= LIMITS.beat
    later = Times(now.ran + wait, now.timeout, now.left - wait)
    if judge_hang(now, LIMITS) is None and wait < LIMITS.beat:
        assert judge_hang(later, LIMITS) is not None


@pytest.mark.parametrize(
    ("now", "may_begin", "is_waited_for"),
    [
        (Times(0, 300, 900), None, None),
        (Times(300, 300, 900), "timed_out", None),
        (Times(305, 300, 900), "timed_out", "timed_out"),
        (Times(10, 300, 59), "out_of_time", None),
        (Times(10, 300, 19), "out_of_time", "out_of_time"),
        (Times(300, 300, 19), "timed_out", "out_of_time"),
    ],
)
def test_judgements(now: Times, may_begin: str | None, is_waited_for: str | None) -> None:
    assert (judge_time(now, LIMITS), judge_hang(now, LIMITS)) == (may_begin, is_waited_for)


class FakeAttempt:
    """Beats as `answer` says."""

    def __init__(self, answer: Callable[[], bool]) -> None:
        self.state = SimpleNamespace(task_id="1", ran_ms=0, cancel_requested=False)
        self.answer = answer
        self.beats = 0

    def beat(self, _: int) -> bool:
        self.beats += 1
        return self.answer()


def hold(attempt: FakeAttempt, **change: Any) -> Lease:
    settings: dict[str, Any] = {
        "timeout": 60.0,
        "left": lambda: 900.0,
        "on_hang": lambda _: pytest.fail("it gives up"),
        "limits": Limits(beat=0.02),
    }
    return Lease(attempt, **(settings | change))  # type: ignore[arg-type]


def wait_for(reached: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not reached():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def read_reason(lease: Lease) -> str | None:
    try:
        lease.guard()
    except Stop as stop:
        return stop.reason
    return None


def test_a_kept_lease_lets_calls_begin() -> None:
    attempt = FakeAttempt(lambda: False)
    with hold(attempt) as lease:
        wait_for(lambda: attempt.beats > 2)
        lease.guard()
        assert 0 < lease.time_left() <= 60


def test_a_cancel_stops_the_next_call() -> None:
    with hold(FakeAttempt(lambda: True)) as lease:
        wait_for(lambda: read_reason(lease) == "cancelled")


def test_a_lost_lease_stops_the_next_call() -> None:
    def refuse() -> bool:
        raise ConditionFailed([])

    with hold(FakeAttempt(refuse)) as lease:
        wait_for(lambda: read_reason(lease) == "lease_lost")


def test_a_lease_that_cannot_be_kept_stops_the_next_call(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> bool:
        raise OSError("network")

    monkeypatch.setattr("quarterdeck.execution.lease.LEASE", timedelta(seconds=0.05))
    with hold(FakeAttempt(fail)) as lease:
        wait_for(lambda: read_reason(lease) == "lease_lost")


def test_a_heartbeat_that_fails_is_tried_again() -> None:
    answers = [OSError("network"), OSError("network")]

    def answer() -> bool:
        if answers:
            raise answers.pop()
        return True

    with hold(FakeAttempt(answer)) as lease:
        wait_for(lambda: read_reason(lease) == "cancelled")


@pytest.mark.parametrize(
    ("change", "reason"),
    [({"timeout": 0.05}, "timed_out"), ({"left": lambda: 1.0}, "out_of_time")],
)
def test_a_call_that_hangs_is_given_up(change: dict[str, Any], reason: Overtime) -> None:
    given_up: list[Overtime] = []
    known = threading.Event()

    def on_hang(why: Overtime) -> None:
        given_up.append(why)
        known.set()

    limits = Limits(beat=0.02, grace=0.05)
    with hold(FakeAttempt(lambda: False), on_hang=on_hang, limits=limits, **change) as lease:
        assert known.wait(10)
        assert read_reason(lease) == reason
    assert given_up == [reason]
