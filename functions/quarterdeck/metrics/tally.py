"""What one attempt at a task counts, until it is written with the attempt's end."""

import threading
from collections import Counter
from typing import Literal

from quarterdeck.metrics.buckets import describe_time

Counted = Literal["tool_calls", "retries", "throttled", "memory_faults"]


class Tally:
    """Shared by the threads of a run. Goes with a worker that is lost."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()

    def count(self, name: Counted) -> None:
        with self._lock:
            self._counts[name] += 1

    def time_call(self, milliseconds: int) -> None:
        """Of a model that answered."""
        with self._lock:
            self._counts.update(describe_time("llm", milliseconds))

    def read(self) -> dict[str, int]:
        with self._lock:
            return dict(self._counts)
