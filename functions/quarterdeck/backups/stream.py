"""A part as one stream of records, cut into chunks so that each thing is whole before progress."""

from collections import deque
from collections.abc import Iterator
from typing import Any

from quarterdeck.backups.archive.layout import CHUNK_BYTES
from quarterdeck.backups.archive.records import Record
from quarterdeck.backups.collection import Unit
from quarterdeck.backups.records import Cursor

ENOUGH = CHUNK_BYTES * 3 // 4
"""Of a chunk: what begins below it mostly ends below the whole."""


class UnitStream:
    """`cursor`: of the last unit begun; `versions`: that those so far refer to."""

    def __init__(self, units: Iterator[Unit]) -> None:
        self._units = units
        self._rest: deque[Record] = deque()
        self.cursor: Cursor | None = None
        self.versions: set[int] = set()

    @property
    def is_within(self) -> bool:
        """Whether a unit has been given in part: a chunk was full before its end."""
        return bool(self._rest)

    def take(self) -> Iterator[Record]:
        """The rest of a unit; or further units, until there are enough for a chunk."""
        size = ENOUGH if self.is_within else 0
        while True:
            while self._rest:
                record = self._rest.popleft()
                size += measure(record.item)
                yield record
            if size >= ENOUGH or not self._begin_unit():
                return

    def _begin_unit(self) -> bool:
        unit = next(self._units, None)
        if unit is None:
            return False
        self.cursor = unit.cursor
        self._rest.extend(unit.records)
        if unit.version is not None:
            self.versions.add(unit.version)
        return True


def measure(value: Any) -> int:
    """About how long a line of it is."""
    match value:
        case str() | bytes():
            return len(value) + 4
        case dict():
            return sum(len(name) + 4 + measure(each) for name, each in value.items())
        case list():
            return sum(measure(each) for each in value)
    return 4
