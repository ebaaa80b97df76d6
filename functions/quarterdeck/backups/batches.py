"""Items written together with the progress that they are: all of a batch or none, under the fence.

So an invocation that has lost its job writes nothing more, whenever it wakes.
"""

from collections.abc import Mapping
from typing import Any

from quarterdeck.backups.archive.layout import Part
from quarterdeck.backups.job import Hold
from quarterdeck.backups.restores import Place, Restore
from quarterdeck.table import Put

MOST_ITEMS = 98
"""DynamoDB takes 100 in a transaction: the job's record is one."""
MOST_BYTES = 3 * 1024 * 1024
"""It takes 4 MB."""


class Batch:
    """`place` moves with whole units: what is cut short is written again from its unit's start."""

    def __init__(self, hold: Hold[Restore], part: Part) -> None:
        self.hold = hold
        self.part = part
        self.puts: list[Put] = []
        self.size = 0
        self._done: dict[str, Any] = {}
        self._items = hold.job.items.get(part, 0)
        self._crews = list(hold.job.crews)

    @property
    def is_full(self) -> bool:
        return len(self.puts) >= MOST_ITEMS or self.size >= MOST_BYTES

    def add(self, put: Put) -> None:
        size = measure(put.item)
        if self.puts and (len(self.puts) >= MOST_ITEMS or self.size + size > MOST_BYTES):
            self.flush()
        self.puts.append(put)
        self.size += size

    def end_unit(
        self, after: Place, counts: Mapping[str, int], items: int, crew: str | None
    ) -> None:
        """What was added so far is whole up to `after`; `counts` are added to the record's."""
        self._items += items
        if crew is not None and crew not in self._crews:
            self._crews.append(crew)
        for name, number in counts.items():
            known = self._done.get(name, getattr(self.hold.job, name))
            self._done[name] = known + number
        self._done |= {
            "place": after.model_dump(),
            "crews": list(self._crews),
            "items": {**self.hold.job.items, self.part: self._items},
        }

    def flush(self) -> None:
        if self.puts or self._done:
            self.hold.advance(self._done, *self.puts)
        self.puts, self.size, self._done = [], 0, {}


def measure(value: Any) -> int:
    """About as many bytes as DynamoDB counts for it."""
    match value:
        case str():
            return len(value.encode())
        case bytes():
            return len(value)
        case Mapping():
            return sum(len(name) + 3 + measure(each) for name, each in value.items())
        case list() | tuple():
            return sum(1 + measure(each) for each in value)
    return 21
