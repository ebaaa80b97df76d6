"""A crew's memories in the table."""

import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from itertools import batched
from typing import TYPE_CHECKING, NamedTuple

from quarterdeck.blobs import BlobStore
from quarterdeck.keys import MEMORY_SHARDS, Collection, Scope, memory_shard
from quarterdeck.memory.drafts import Erase, Forget, Keep
from quarterdeck.memory.filters import EVERYTHING, Filter
from quarterdeck.memory.log import Log
from quarterdeck.memory.paths import ROOT, is_below, normalize_path
from quarterdeck.memory.records import Memory, check_size, derive_id, dump_memory
from quarterdeck.memory.retention import Retention, find_expired
from quarterdeck.memory.shard import Kept
from quarterdeck.memory.vectors import check_dimensions, count_dimensions, find_direction
from quarterdeck.names import generate_id
from quarterdeck.table import Table

if TYPE_CHECKING:
    from quarterdeck.memory.search import Index

AT_ONCE = 1_000
"""Memories that one entry forgets."""
TRIMMED_AT_ONCE = 100
"""Entries of a shard that one call takes out: the next one goes on."""


class Retained(NamedTuple):
    forgotten: int
    removed: int
    """Entries of what was forgotten or replaced over a day ago."""


class MemoryStore:
    """Of one crew: what it has learned, or was given to know. For any threads of a process.

    Each call sees all that was acknowledged before it, by whomever; a store that is kept reads
    only what is new.
    """

    def __init__(
        self,
        table: Table,
        blobs: BlobStore,
        scope: Scope,
        crew: str,
        collection: Collection = "MEMORY",
    ) -> None:
        self.table = table
        self.blobs = blobs
        self.scope = scope
        self.crew = crew
        self._logs = [Log(table, scope, crew, n, collection) for n in range(MEMORY_SHARDS)]
        self._index: Index | None = None
        self._lock = threading.RLock()

    def put(self, memories: Iterable[Memory], *, origin: str | None = None) -> list[Memory]:
        """Keeps them, and gives them with the ids that they have now.

        With an origin (a task), the same content is one memory however often it is put. Without,
        a memory replaces the one that has its id. What was erased is not kept again. Raises
        OtherDimensions, and ValueError for one that is too large.
        """
        with self._lock:
            self._read_new()
            named = [name_memory(each, origin) for each in memories]
            for each in named:
                check_size(each)
            for each in named:
                check_dimensions(self._count_dimensions(), count_dimensions(each.vector))
                self._keep(each, anew=origin is not None)
            return named

    def _keep(self, memory: Memory, *, anew: bool) -> None:
        log = self._find_log(memory.record_id)
        former = log.shard.kept.get(memory.record_id)
        if former and anew:
            return
        if former and memory.origin is None:
            memory = replace(memory, origin=former.memory.origin)
        blob = self.scope.memory_blob(self.crew, f"{memory.record_id}-{generate_id()}.txt")
        document = self.blobs.store_document(blob, memory.content)
        log.add(Keep(memory.record_id, dump_memory(memory, document), anew))

    def delete(self, chosen: Filter = EVERYTHING) -> int:
        """Forgets them. Their content leaves the table with what is trimmed, or by `erase`."""
        with self._lock:
            ids = [each.memory.record_id for each in self._choose(chosen)]
            for log, some in self._split(ids):
                log.add(Forget(some))
            return len(ids)

    def erase(self, *, scope: str = ROOT, record_ids: Iterable[str] | None = None) -> list[str]:
        """Takes content out of the table, also of former and forgotten memories; gives the ids.

        Of a scope, of ids, or of the ids that are in the scope. They are never kept again.
        """
        with self._lock:
            self._read_new()
            ids = self._find_entries(normalize_path(scope), record_ids)
            for log, some in self._split(ids):
                log.add(Erase(some))
                for record_id in some:
                    for blob in log.list_blobs(record_id):
                        self.blobs.delete_blob(blob)
                    log.remove_content(record_id)
            return ids

    def list_erasable(
        self, *, scope: str = ROOT, record_ids: Iterable[str] | None = None
    ) -> list[str]:
        """The ids that `erase` would give."""
        with self._lock:
            self._read_new()
            return self._find_entries(normalize_path(scope), record_ids)

    def _find_entries(self, scope: str, record_ids: Iterable[str] | None) -> list[str]:
        wanted = None if record_ids is None else set(record_ids)
        return [
            record_id
            for log in self._logs
            for record_id, entries in log.shard.entries.items()
            if (wanted is None or record_id in wanted)
            and any(is_below(content.scope, scope) for content in entries.values())
        ]

    def retain(self, retention: Retention, now: datetime) -> Retained:
        """Forgets what is too old or too many; takes some of what is long forgotten out."""
        with self._lock:
            expired = find_expired(self.survey(), retention, now)
            for log, some in self._split(expired):
                log.add(Forget(some))
            return Retained(len(expired), sum(self._trim(log, now) for log in self._logs))

    def _trim(self, log: Log, now: datetime) -> int:
        spent = log.list_spent(now)[:TRIMMED_AT_ONCE]
        for number, entry in spent:
            if entry.blob:
                self.blobs.delete_blob(entry.blob)
            log.take_out(number)
        log.expire_done(now)
        return len(spent)

    @property
    def held(self) -> int:
        """How many memories this process holds."""
        return sum(len(log.shard.kept) for log in self._logs)

    def get(self, record_id: str) -> Memory | None:
        with self._lock:
            log = self._find_log(record_id)
            log.read_new()
            kept = log.shard.kept.get(record_id)
            return self._complete(kept) if kept else None

    def list_newest(
        self, chosen: Filter = EVERYTHING, *, limit: int | None = None, offset: int = 0
    ) -> list[Memory]:
        with self._lock:
            found = sorted(self._choose(chosen), key=newness, reverse=True)
            end = None if limit is None else offset + limit
            return [self._complete(each) for each in found[offset:end]]

    def survey(self, chosen: Filter = EVERYTHING) -> list[Memory]:
        """In no order, and without the contents that are long."""
        with self._lock:
            return [each.memory for each in self._choose(chosen)]

    def count(self, chosen: Filter = EVERYTHING) -> int:
        """Of all, four small reads."""
        if chosen == EVERYTHING:
            return sum(log.count() for log in self._logs)
        return len(self.survey(chosen))

    def search(
        self,
        embedding: Sequence[float],
        chosen: Filter = EVERYTHING,
        *,
        limit: int = 10,
        min_score: float = 0.0,
    ) -> list[tuple[Memory, float]]:
        """The nearest first, with the cosine as score: 0 at least, and for one without a vector.

        Raises OtherDimensions.
        """
        direction = find_direction(embedding)
        with self._lock:
            self._read_new()
            check_dimensions(self._count_dimensions(), len(direction))
            found = self._search(direction, chosen, limit)
            return [(self._complete(kept), score) for kept, score in found if score >= min_score]

    def _search(
        self, direction: Sequence[float], chosen: Filter, limit: int
    ) -> list[tuple[Kept, float]]:
        def find(record_id: str) -> Kept | None:
            kept = self._find_log(record_id).shard.kept[record_id]
            return kept if chosen.takes(kept.memory) else None

        matches = self._update_index().search(direction, find, limit)
        found = [
            (
                self._find_log(each.record_id).shard.kept[each.record_id],
                min(max(each.score, 0.0), 1.0),
            )
            for each in matches
        ]
        seen = {kept.memory.record_id for kept, _ in found}
        rest = (each for each in self._kept() if each.memory.record_id not in seen)
        for each in rest if len(found) < limit else ():
            if chosen.takes(each.memory):
                found.append((each, 0.0))
        return found[:limit]

    def _update_index(self) -> "Index":
        if self._index is None:
            from quarterdeck.memory.search import Index

            self._index = Index()
        for log in self._logs:
            shard = log.shard
            kept = [shard.kept[each] for each in shard.changed if each in shard.kept]
            self._index.replace(
                sorted(shard.changed), [each for each in kept if each.memory.vector]
            )
            shard.changed.clear()
        return self._index

    def _choose(self, chosen: Filter) -> list[Kept]:
        self._read_new()
        return [kept for kept in self._kept() if chosen.takes(kept.memory)]

    def _kept(self) -> Iterator[Kept]:
        return (kept for log in self._logs for kept in log.shard.kept.values())

    def _complete(self, kept: Kept) -> Memory:
        """With the content that is not held here."""
        if kept.held:
            return kept.memory
        log = self._find_log(kept.memory.record_id)
        item = self.table.get(log.key(kept.number)) or {}
        with suppress(self.blobs.client.exceptions.NoSuchKey, KeyError):  # erased meanwhile
            return replace(kept.memory, content=self.blobs.load_document(item["document"]))
        return kept.memory

    def _count_dimensions(self) -> Counter[int]:
        return sum((log.shard.dimensions for log in self._logs), Counter())

    def _read_new(self) -> None:
        for log in self._logs:
            log.read_new()

    def _find_log(self, record_id: str) -> Log:
        return self._logs[memory_shard(record_id)]

    def _split(self, ids: Iterable[str]) -> Iterator[tuple[Log, tuple[str, ...]]]:
        """By log, no more at once than one entry takes."""
        by_log: dict[int, list[str]] = {}
        for each in ids:
            by_log.setdefault(memory_shard(each), []).append(each)
        for number, some in by_log.items():
            for part in batched(some, AT_ONCE, strict=False):
                yield self._logs[number], part


def name_memory(memory: Memory, origin: str | None) -> Memory:
    if origin is None:
        return memory
    return replace(memory, record_id=derive_id(origin, memory), origin=origin)


def newness(kept: Kept) -> tuple[float, str]:
    return kept.memory.created_at.timestamp(), kept.memory.record_id
