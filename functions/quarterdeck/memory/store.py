"""A crew's memories in the table."""

import threading
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from botocore.exceptions import ClientError

from quarterdeck.blobs import BlobStore
from quarterdeck.keys import Collection, Scope
from quarterdeck.memory.drafts import Erase, Forget, Keep, Recount
from quarterdeck.memory.filters import EVERYTHING, Filter
from quarterdeck.memory.log import Log
from quarterdeck.memory.logs import Logs
from quarterdeck.memory.paths import ROOT, normalize_path
from quarterdeck.memory.records import Memory, check_size, derive_id, dump_memory
from quarterdeck.memory.retention import Retention, find_expired
from quarterdeck.memory.shard import Kept
from quarterdeck.memory.vectors import check_dimensions, count_dimensions, find_direction
from quarterdeck.names import generate_id
from quarterdeck.table import Table

if TYPE_CHECKING:
    from quarterdeck.memory.search import Index

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
        self._logs = Logs(table, scope, crew, collection)
        self._index: Index | None = None
        self._lock = threading.RLock()

    def put(self, memories: Iterable[Memory], *, origin: str | None = None) -> list[Memory]:
        """Keeps them, and gives them with the ids that they have now.

        With an origin (a task), the same content is one memory however often it is put. Without,
        a memory replaces the one that has its id. What was erased is not kept again. Raises
        OtherDimensions, and ValueError for one that is too large.
        """
        with self._lock:
            self._logs.read_new()
            named = [name_memory(each, origin) for each in memories]
            dimensions = self._logs.count_dimensions()
            for each in named:
                check_size(each)
                check_dimensions(dimensions, count_dimensions(each.vector))
                dimensions[count_dimensions(each.vector)] += bool(each.vector)
            for each in named:
                self._keep(each, anew=origin is not None)
            return named

    def _keep(self, memory: Memory, *, anew: bool) -> None:
        log = self._logs.find(memory.record_id)
        former = log.shard.kept.get(memory.record_id)
        if (former and anew) or memory.record_id in log.shard.erased:
            return
        if former and memory.origin is None:
            memory = replace(memory, origin=former.memory.origin)
        blob = self.scope.memory_blob(self.crew, f"{memory.record_id}-{generate_id()}.txt")
        document = self.blobs.store_document(blob, memory.content)
        kept = log.add(Keep(memory.record_id, dump_memory(memory, document), anew))
        if not kept and "blob" in document:
            self.blobs.delete_blob(blob)

    def delete(self, chosen: Filter = EVERYTHING) -> int:
        """Forgets them. Their content leaves the table with what is trimmed, or by `erase`."""
        with self._lock:
            ids = [each.memory.record_id for each in self._choose(chosen)]
            for log, some in self._logs.split(ids):
                log.add(Forget(some))
            return len(ids)

    def erase(self, *, scope: str = ROOT, record_ids: Iterable[str] | None = None) -> list[str]:
        """Takes content out of the table, also of former and forgotten memories; gives the ids.

        Of a scope, of ids, or of the ids that are in the scope. They are never kept again.
        """
        with self._lock:
            ids = self.list_erasable(scope=scope, record_ids=record_ids)
            for log, some in self._logs.split(ids):
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
            self._logs.read_new()
            wanted = None if record_ids is None else set(record_ids)
            found = self._logs.list_with_content(normalize_path(scope))
            return [each for each in found if wanted is None or each in wanted]

    def retain(self, retention: Retention, now: datetime) -> Retained:
        """Forgets what is too old or too many; takes some of what is long forgotten out."""
        with self._lock:
            expired = find_expired(self.survey(), retention, now)
            for log, some in self._logs.split(expired):
                log.add(Forget(some))
            for log in self._logs:
                log.add(Recount())
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
        return self._logs.count_held()

    def get(self, record_id: str) -> Memory | None:
        with self._lock:
            log = self._logs.find(record_id)
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
            return self._logs.count()
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
            self._logs.read_new()
            check_dimensions(self._logs.count_dimensions(), len(direction))
            found = self._search(direction, chosen, limit)
            return [(self._complete(kept), score) for kept, score in found if score >= min_score]

    def _search(
        self, direction: Sequence[float], chosen: Filter, limit: int
    ) -> list[tuple[Kept, float]]:
        def find(record_id: str) -> Kept | None:
            kept = self._logs.find(record_id).shard.kept[record_id]
            return kept if chosen.takes(kept.memory) else None

        matches = self._update_index().search(direction, find, limit)
        found = [
            (
                self._logs.find(each.record_id).shard.kept[each.record_id],
                min(max(each.score, 0.0), 1.0),
            )
            for each in matches
        ]
        seen = {kept.memory.record_id for kept, _ in found}
        rest = (each for each in self._logs.list_kept() if each.memory.record_id not in seen)
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
        self._logs.read_new()
        return [kept for kept in self._logs.list_kept() if chosen.takes(kept.memory)]

    def _complete(self, kept: Kept) -> Memory:
        """With the content that is not held here, unless it was erased meanwhile."""
        if kept.held:
            return kept.memory
        record_id = kept.memory.record_id
        log = self._logs.find(record_id)
        item = self.table.get(log.key(kept.number)) or {}
        try:
            return replace(kept.memory, content=self.blobs.load_document(item["document"]))
        except (KeyError, ClientError):  # Who may not list is told 403 of what is not there.
            log.read_new()
            now = log.shard.kept.get(record_id)
            if now and now.number == kept.number:
                raise
        return kept.memory


def name_memory(memory: Memory, origin: str | None) -> Memory:
    if origin is None:
        return memory
    return replace(memory, record_id=derive_id(origin, memory), origin=origin)


def newness(kept: Kept) -> tuple[float, str]:
    return kept.memory.created_at.timestamp(), kept.memory.record_id
