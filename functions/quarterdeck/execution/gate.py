"""What every call that is really made passes: may it, how often, and is the run over."""

import math
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn

from quarterdeck.execution.provider_faults import (
    MAX_ATTEMPTS,
    choose_delay,
    classify_fault,
    find_fault,
)
from quarterdeck.execution.stopping import Stop
from quarterdeck.metrics.tally import Tally
from quarterdeck.observability import logger
from quarterdeck.tasks.outcome import TaskError

LONGEST_WAIT = 60.0
"""Seconds: a longer wait gives the slot to another task."""
SLICE = 1.0
BRIEF_ATTEMPTS = 3
BRIEF_DELAY = 0.25
"""Seconds, and about twice as many after each further attempt."""


def draw_jitter() -> float:
    return secrets.randbelow(2**32) / 2**32


class Gate:
    """Shared by the threads of a run. A Stop that one of them met is met by all that come later.

    `guard` is asked before each call, from any thread, and may raise Stop. `attempts`: calls that
    have failed in a row, in earlier runs of the task as well.
    """

    def __init__(
        self,
        guard: Callable[[], None],
        attempts: int,
        time_left: Callable[[], float],
        sleep: Callable[[float], None] = time.sleep,
        draw: Callable[[], float] = draw_jitter,
        tally: Tally | None = None,
    ) -> None:
        self.stopped: Stop | None = None
        self.attempts = attempts
        self.time_left = time_left
        self._guard = guard
        self._sleep = sleep
        self._draw = draw
        self._tally = tally or Tally()
        self._closed = False
        self._in_flight = 0
        self._changed = threading.Condition()

    @contextmanager
    def enter(self) -> Iterator[None]:
        """While open, a call is in flight; Stop instead if none may begin."""
        with self._changed:
            self._in_flight += 1
        try:
            self.check()
            yield
        finally:
            with self._changed:
                self._in_flight -= 1
                self._changed.notify_all()

    def check(self) -> None:
        with self._changed:
            if self.stopped is not None:
                raise self.stopped
            if self._closed:
                raise Stop("cancelled")
        try:
            self._guard()
        except Stop as stop:
            self.stop(stop)

    def stop(self, stop: Stop) -> NoReturn:
        """Raises the first Stop of the run, which this one is if there was none."""
        with self._changed:
            self.stopped = self.stopped or stop
            raise self.stopped

    def close(self, seconds: float) -> None:
        """No call begins any more; waits up to `seconds` for those in flight."""
        with self._changed:
            self._closed = True
            if not self._changed.wait_for(lambda: not self._in_flight, seconds):
                logger.warning("A call is in flight after the run", calls=self._in_flight)

    def note_success(self) -> None:
        with self._changed:
            self.attempts = 0

    def wait_out(self, error: Exception) -> bool:
        """Whether to call again, after the wait; False if the error is no passing fault."""
        fault, cause = classify_fault(error), find_fault(error)
        if fault is None or cause is None:
            return False
        # A request that was cut because the worker's time is up is no fault of the provider.
        self.check()
        if fault.kind == "throttled":
            self._tally.count("throttled")
        self._wait(cause, fault.retry_after, fault.kind)
        self._tally.count("retries")
        return True

    def wait_briefly(self, error: Exception, tried: int) -> bool:
        """As wait_out, of a call that the run can do without: the fault never ends the run."""
        if tried >= BRIEF_ATTEMPTS or classify_fault(error) is None:
            return False
        self.pause(BRIEF_DELAY * 2**tried * (0.5 + self._draw()))
        return True

    def give_up(self, error: Exception) -> None:
        """For what the journal cannot keep: Stop, so that nobody uses or repeats the call."""
        with self._changed:
            self.attempts += 1
            delay = choose_delay(self.attempts, None, self._draw())
            self.stop(self._choose_stop(error, delay))

    def _wait(self, cause: BaseException, retry_after: float | None, kind: str) -> None:
        with self._changed:
            self.attempts += 1
            attempts = self.attempts
            delay = choose_delay(attempts, retry_after, self._draw())
            logger.warning("The provider refused a call", kind=kind, attempts=attempts, wait=delay)
            if attempts >= MAX_ATTEMPTS or delay >= min(LONGEST_WAIT, self.time_left()):
                self.stop(self._choose_stop(cause, delay))
        self.pause(delay)

    def pause(self, seconds: float) -> None:
        """Waits, unless the run is over meanwhile: then Stop."""
        while seconds > 0:
            self._sleep(min(SLICE, seconds))
            seconds -= SLICE
            self.check()

    def _choose_stop(self, cause: BaseException, delay: float) -> Stop:
        if self.attempts >= MAX_ATTEMPTS:
            error = TaskError(type=type(cause).__name__, message=str(cause))
            return Stop("failed", error=error, attempts=self.attempts)
        return Stop("retry", delay=delay, attempts=self.attempts)


def allow_all() -> None:
    """The guard of a run that nobody bounds."""


def know_no_end() -> float:
    return math.inf
