"""What fails in a crew's memory: noted where it happens, told of when the crew is done.

A memory that fails costs a task what it would have recalled, and nothing else.
"""

import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

from quarterdeck.tasks.events import MemoryDegraded, MemoryUse
from quarterdeck.tasks.outcome import TaskError

MOST_IN_A_ROW = 3
"""Calls of one use that fail before it is left alone for the rest of a run."""
LONGEST_MESSAGE = 300

noting: ContextVar[list[TaskError] | None] = ContextVar("quarterdeck_memory_noting", default=None)


class MemoryFailed(Exception):
    """What a call of memory raised, as the journal keeps it: the same when it is replayed."""


class MemoryLeftAlone(Exception):
    """After too many calls that failed."""


@contextmanager
def note_faults() -> Iterator[list[TaskError]]:
    """What fails meanwhile, in this context and in threads that copy it, each once."""
    faults: list[TaskError] = []
    token = noting.set(faults)
    try:
        yield faults
    finally:
        noting.reset(token)


def note_fault(error: BaseException) -> None:
    fault = TaskError(type=type(error).__name__, message=str(error)[:LONGEST_MESSAGE])
    faults = noting.get()
    if faults is not None and fault not in faults:
        faults.append(fault)


def is_memory_at_work() -> bool:
    """Whether what fails in this context is memory's alone."""
    return noting.get() is not None


class MemoryFaults:
    """Of one run, replayed calls included. For any thread."""

    def __init__(self) -> None:
        self._told: dict[tuple[MemoryUse, str], MemoryDegraded] = {}
        self._in_a_row: Counter[MemoryUse] = Counter()
        self._lock = threading.Lock()

    def report(self, use: MemoryUse, faults: Sequence[TaskError]) -> None:
        """One call of memory, and what failed in it."""
        with self._lock:
            self._in_a_row[use] = self._in_a_row[use] + 1 if faults else 0
            for fault in faults:
                told = MemoryDegraded(use=use, error=fault)
                self._told.setdefault((use, fault.type), told)

    def check(self, use: MemoryUse) -> None:
        """MemoryLeftAlone, if that is not to be tried again; nothing is drawn to be lost."""
        needed: set[MemoryUse] = {use, "keep"} if use == "distil" else {use}
        if any(self._in_a_row[each] >= MOST_IN_A_ROW for each in needed):
            raise MemoryLeftAlone(f"memory failed {MOST_IN_A_ROW} times in a row: it is left alone")

    @property
    def events(self) -> list[MemoryDegraded]:
        """One for each use and type of error, in an order that a replay has too."""
        with self._lock:
            return [self._told[key] for key in sorted(self._told)]
