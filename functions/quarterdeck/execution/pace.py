"""`max_rpm`: requests a minute to an agent's model and to all of a crew's, within one task.

In place of crewai's own, which sleeps for whole minutes, knows no cancel and no time limit, and
would wait for calls that the journal answers.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

WINDOW = 60.0

type Clock = Callable[[], float]


class Pace:
    """At most `rpm` requests in any minute. For any thread."""

    def __init__(self, rpm: int, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._begun: deque[float] = deque(maxlen=rpm)
        self._lock = threading.Lock()

    def reserve(self) -> float:
        """Seconds until the next request may begin, which is then counted."""
        with self._lock:
            now = self._clock()
            full = len(self._begun) == self._begun.maxlen
            begins = max(now, self._begun[0] + WINDOW) if full else now
            self._begun.append(begins)
            return begins - now


class Paces:
    """Those of a crew: `own` by the `id` of the model, `common` for all models."""

    def __init__(self, own: Mapping[int, Pace], common: Pace | None) -> None:
        self._own = own
        self._common = common

    def list_for(self, llm: object) -> list[Pace]:
        return [pace for pace in (self._own.get(id(llm)), self._common) if pace]


current_paces: ContextVar[Paces | None] = ContextVar("quarterdeck_paces", default=None)


@contextmanager
def keep_paces(paces: Paces) -> Iterator[None]:
    token = current_paces.set(paces)
    try:
        yield
    finally:
        current_paces.reset(token)


def wait_turn(llm: object, pause: Callable[[float], None]) -> None:
    """Before a request to the model: `pause` is asked to wait, seconds."""
    paces = current_paces.get()
    for pace in paces.list_for(llm) if paces else ():
        pause(pace.reserve())
