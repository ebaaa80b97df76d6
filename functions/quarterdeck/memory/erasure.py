"""What was erased for good: known by hashes alone, and applied by every restore."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import batched
from typing import NamedTuple

from quarterdeck.erasures import hash_erased, hash_task, put_mark
from quarterdeck.keys import ERASED_PREFIX, parse_erasure_key, system_key
from quarterdeck.memory.paths import ROOT, normalize_path
from quarterdeck.memory.records import CONTENT, load_memory
from quarterdeck.memory.store import MemoryStore
from quarterdeck.names import parse_time
from quarterdeck.table import Item, Table

NOTED_AT_ONCE = 100
ERASED_AT_ONCE = 50
ROUNDING = timedelta(milliseconds=1)
"""Moments of erasures are kept to the millisecond, those of memories to the microsecond."""


@dataclass(frozen=True)
class Erasures:
    """When what a hash stands for was erased: a memory, all of a scope until then, a task."""

    moments: Mapping[str, datetime]

    def strip(self, crew: str, entry: Item) -> Item:
        """An entry of a crew's log of memories without content that was erased. Not of knowledge's.

        As `MemoryStore.erase` leaves it; counts in later entries are then too high until the
        shard's next one.
        """
        if "record_id" not in entry:
            return entry
        memory = load_memory(entry, content="")
        if not self.is_erased(crew, memory.record_id, memory.scope, memory.created_at):
            return entry
        left = {name: value for name, value in entry.items() if name not in CONTENT}
        return left | {"erased": entry["record_id"]}

    def has_task(self, task_id: str) -> bool:
        """Whether a restore must leave out all of the task."""
        return hash_task(task_id) in self.moments

    def is_erased(self, crew: str, record_id: str, scope: str, created_at: datetime) -> bool:
        """Whether a restore must not bring the content of a crew's memory back."""
        return hash_memory(crew, record_id) in self.moments or any(
            created_at < self.moments[mark] + ROUNDING
            for mark in hash_scopes(crew, scope)
            if mark in self.moments
        )


def hash_memory(crew: str, record_id: str) -> str:
    return hash_erased("memory", crew, record_id)


def hash_scope(crew: str, scope: str) -> str:
    """A path can name a person: it is not kept."""
    return hash_erased("scope", crew, normalize_path(scope))


def hash_scopes(crew: str, scope: str) -> Iterator[str]:
    """Of the scope and of all above it."""
    path = normalize_path(scope)
    while path != ROOT:
        yield hash_scope(crew, path)
        path = normalize_path(path.rpartition("/")[0])
    yield hash_scope(crew, ROOT)


def note_erasures(table: Table, system_id: str, marks: Iterable[str], now: datetime) -> None:
    for some in batched(dict.fromkeys(marks), NOTED_AT_ONCE, strict=False):
        table.write(*(put_mark(system_id, mark, now) for mark in some))


class Erased(NamedTuple):
    """How many memories had content that is gone now, and how many have it still."""

    erased: int
    left: int


def erase_memories(
    store: MemoryStore,
    now: datetime,
    *,
    scope: str = ROOT,
    record_ids: Sequence[str] | None = None,
    is_late: Callable[[], bool] = lambda: False,
) -> Erased:
    """Of the scope or of the ids, until it gets late: asked again, it goes on.

    Noted before anything is erased: what is then cut short is still not brought back. Memories of
    a scope are noted one by one as well, for those that were elsewhere when a backup was taken.
    """
    crew, system_id = store.crew, store.scope.system_id
    if record_ids is None:
        note_erasures(store.table, system_id, [hash_scope(crew, scope)], now)
    meant = store.list_erasable(scope=scope, record_ids=record_ids)
    known = {*meant, *(record_ids or ())}
    note_erasures(store.table, system_id, (hash_memory(crew, each) for each in sorted(known)), now)
    erased = 0
    for some in batched(meant, ERASED_AT_ONCE, strict=False):
        if is_late():
            break
        store.erase(record_ids=some)
        erased += len(some)
    return Erased(erased, len(meant) - erased)


def list_erasures(table: Table, system_id: str) -> Erasures:
    """All of the system's, of every generation; read strongly consistent."""
    items = table.query(system_key(system_id).pk, ERASED_PREFIX)
    return Erasures({parse_erasure_key(i["sk"]): parse_time(i["erased_at"]) for i in items})
