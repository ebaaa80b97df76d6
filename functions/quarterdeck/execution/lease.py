"""A worker's time-limited right to run a task: kept by a heartbeat, asked before each call."""

import threading
import time
from collections.abc import Callable
from typing import Literal, NamedTuple, Self

from quarterdeck.execution.stopping import Stop
from quarterdeck.observability import logger
from quarterdeck.table import ConditionFailed
from quarterdeck.tasks.attempt import Attempt
from quarterdeck.tasks.transitions import LEASE

type Overtime = Literal["timed_out", "out_of_time"]


class Limits(NamedTuple):
    """Seconds. Of an invocation: what must be left of it."""

    beat: float = 30.0
    fresh: float = 1.0
    """So old may the last heartbeat be when a call begins: an older one is renewed."""
    begin_call: float = 60.0
    """No call begins with less of the invocation left: the task is continued in another."""
    give_up: float = 20.0
    """A call that has not returned by then is given up with the process."""
    grace: float = 5.0
    """A call that was cut to the task's deadline may come back so much later."""


class Times(NamedTuple):
    """Seconds: `ran` of the task over all its attempts, `left` of the invocation."""

    ran: float
    timeout: float
    left: float


def judge_time(times: Times, limits: Limits) -> Overtime | None:
    """Why no further call may begin."""
    if times.ran >= times.timeout:
        return "timed_out"
    return "out_of_time" if times.left < limits.begin_call else None


def judge_hang(times: Times, limits: Limits) -> Overtime | None:
    """Why a call that has not returned is waited for no more."""
    if times.ran >= times.timeout + limits.grace:
        return "timed_out"
    return "out_of_time" if times.left < limits.give_up else None


def find_wake(times: Times, limits: Limits) -> float:
    """Seconds until the next heartbeat, or until a call would be given up if that is sooner."""
    hang = min(times.timeout + limits.grace - times.ran, times.left - limits.give_up)
    return max(0.05, min(limits.beat, hang + 0.05))


class Lease:
    """While entered, a thread beats, learns of a cancel, and gives up on a call that hangs.

    `left` tells the seconds that the invocation has; `on_hang` is called from the thread.
    """

    def __init__(
        self,
        attempt: Attempt,
        *,
        timeout: float,
        left: Callable[[], float],
        on_hang: Callable[[Overtime], None],
        limits: Limits,
    ) -> None:
        self._attempt = attempt
        self._timeout = timeout
        self._left = left
        self._on_hang = on_hang
        self._limits = limits
        self._claimed = self._kept = time.monotonic()
        self._cancelled = attempt.state.cancel_requested
        self._lost = False
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="lease", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    @property
    def ran_ms(self) -> int:
        """Since the claim."""
        return round(1000 * (time.monotonic() - self._claimed))

    def guard(self) -> None:
        """Stop, with the reason, unless a call may begin now. Asks the table once a second."""
        if time.monotonic() - self._kept > self._limits.fresh:
            self._beat()
        if self._lost or time.monotonic() - self._kept > LEASE.total_seconds():
            raise Stop("lease_lost")
        if self._cancelled:
            raise Stop("cancelled")
        if reason := judge_time(self._read_times(), self._limits):
            raise Stop(reason)

    def time_left(self) -> float:
        """Seconds that a call may take."""
        times = self._read_times()
        return max(1.0, min(times.timeout - times.ran, times.left - self._limits.give_up))

    def _read_times(self) -> Times:
        ran = (self._attempt.state.ran_ms + self.ran_ms) / 1000
        return Times(ran, self._timeout, self._left())

    def _keep(self) -> None:
        while not self._done.wait(find_wake(self._read_times(), self._limits)):
            if reason := judge_hang(self._read_times(), self._limits):
                self._on_hang(reason)
                return
            self._beat()

    def _beat(self) -> None:
        try:
            self._cancelled = self._attempt.beat(self.ran_ms)
        except ConditionFailed:
            self._lost = True
        except Exception:
            logger.exception("A heartbeat failed", task_id=self._attempt.state.task_id)
        else:
            self._kept = time.monotonic()
