"""The logs of all shards of a crew's memories."""

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import batched

from quarterdeck.keys import MEMORY_SHARDS, Collection, Scope, memory_shard
from quarterdeck.memory.log import Log
from quarterdeck.memory.paths import is_below
from quarterdeck.memory.shard import Kept
from quarterdeck.table import Table

AT_ONCE = 1_000
"""Memories that one entry forgets."""


class Logs:
    def __init__(self, table: Table, scope: Scope, crew: str, collection: Collection) -> None:
        self._logs = [Log(table, scope, crew, n, collection) for n in range(MEMORY_SHARDS)]

    def __iter__(self) -> Iterator[Log]:
        return iter(self._logs)

    def read_new(self) -> None:
        for log in self._logs:
            log.read_new()

    def find(self, record_id: str) -> Log:
        """That of the memory's shard."""
        return self._logs[memory_shard(record_id)]

    def split(self, ids: Iterable[str]) -> Iterator[tuple[Log, tuple[str, ...]]]:
        """By log, no more at once than one entry takes."""
        by_log: dict[int, list[str]] = {}
        for each in ids:
            by_log.setdefault(memory_shard(each), []).append(each)
        for number, some in by_log.items():
            for part in batched(some, AT_ONCE, strict=False):
                yield self._logs[number], part

    def list_kept(self) -> Iterator[Kept]:
        return (kept for log in self._logs for kept in log.shard.kept.values())

    def list_with_content(self, scope: str) -> Iterator[str]:
        """The memories that have content in the table: where they are, or were at any time."""
        for log in self._logs:
            for record_id, entries in log.shard.entries.items():
                kept = log.shard.kept.get(record_id)
                paths = [kept.memory.scope] if kept else [each.scope for each in entries.values()]
                if any(is_below(path, scope) for path in paths):
                    yield record_id

    def count(self) -> int:
        """How many memories there are: a small read of each."""
        return sum(log.count() for log in self._logs)

    def count_held(self) -> int:
        """How many of them this process holds."""
        return sum(len(log.shard.kept) for log in self._logs)

    def count_dimensions(self) -> Counter[int]:
        return sum((log.shard.dimensions for log in self._logs), Counter())
