"""The store as crewai's memory knows it: the one module here that imports crewai."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from crewai.memory.storage.backend import EmbeddingDimensionMismatchError
from crewai.memory.types import MemoryRecord, ScopeInfo

from quarterdeck.memory.filters import Filter
from quarterdeck.memory.paths import normalize_path
from quarterdeck.memory.records import Memory, read_moment
from quarterdeck.memory.scopes import count_categories, list_children
from quarterdeck.memory.store import MemoryStore
from quarterdeck.memory.vectors import OtherDimensions, pack_vector, unpack_vector


class TableStorage:
    """A crewai `StorageBackend`. Its times are naive and of UTC, as crewai's own.

    `origin` says what a new record is of, so that whoever does a task again keeps it once; it is
    asked at each saving. Recalling writes nothing.
    """

    def __init__(self, store: MemoryStore, origin: Callable[[], str | None] = lambda: None) -> None:
        self.store = store
        self.origin = origin

    def save(self, records: list[MemoryRecord]) -> None:
        """Gives each record the id that it is kept with."""
        with translate_errors():
            kept = self.store.put([read_record(each) for each in records], origin=self.origin())
        for record, memory in zip(records, kept, strict=True):
            record.id = memory.record_id

    def update(self, record: MemoryRecord) -> None:
        with translate_errors():
            self.store.put([read_record(record)])

    def search(
        self,
        query_embedding: list[float],
        scope_prefix: str | None = None,
        categories: list[str] | None = None,
        metadata_filter: dict[str, Any] | None = None,
        limit: int = 10,
        min_score: float = 0.0,
    ) -> list[tuple[MemoryRecord, float]]:
        chosen = choose(scope_prefix, categories, metadata_filter)
        with translate_errors():
            found = self.store.search(query_embedding, chosen, limit=limit, min_score=min_score)
        return [(make_record(memory), score) for memory, score in found]

    def delete(
        self,
        scope_prefix: str | None = None,
        categories: list[str] | None = None,
        record_ids: list[str] | None = None,
        older_than: datetime | None = None,
        metadata_filter: dict[str, Any] | None = None,
    ) -> int:
        """All that is given must hold."""
        return self.store.delete(
            choose(scope_prefix, categories, metadata_filter, record_ids, older_than)
        )

    def get_record(self, record_id: str) -> MemoryRecord | None:
        memory = self.store.get(record_id)
        return make_record(memory) if memory else None

    def list_records(
        self, scope_prefix: str | None = None, limit: int = 200, offset: int = 0
    ) -> list[MemoryRecord]:
        if limit <= 0 or offset < 0:
            return []
        found = self.store.list_newest(choose(scope_prefix), limit=limit, offset=offset)
        return [make_record(each) for each in found]

    def get_scope_info(self, scope: str) -> ScopeInfo:
        path = normalize_path(scope)
        memories = self.store.survey(Filter(scope=path))
        times = sorted(make_naive(each.created_at) for each in memories)
        return ScopeInfo(
            path=path,
            record_count=len(memories),
            categories=sorted(count_categories(memories)),
            oldest_record=times[0] if times else None,
            newest_record=times[-1] if times else None,
            child_scopes=list_children(memories, path),
        )

    def list_scopes(self, parent: str = "/") -> list[str]:
        path = normalize_path(parent)
        return list_children(self.store.survey(Filter(scope=path)), path)

    def list_categories(self, scope_prefix: str | None = None) -> dict[str, int]:
        return count_categories(self.store.survey(choose(scope_prefix)))

    def count(self, scope_prefix: str | None = None) -> int:
        return self.store.count(choose(scope_prefix))

    def reset(self, scope_prefix: str | None = None) -> None:
        self.store.delete(choose(scope_prefix))

    async def asave(self, records: list[MemoryRecord]) -> None:
        self.save(records)

    async def asearch(
        self,
        query_embedding: list[float],
        scope_prefix: str | None = None,
        categories: list[str] | None = None,
        metadata_filter: dict[str, Any] | None = None,
        limit: int = 10,
        min_score: float = 0.0,
    ) -> list[tuple[MemoryRecord, float]]:
        return self.search(
            query_embedding, scope_prefix, categories, metadata_filter, limit, min_score
        )

    async def adelete(
        self,
        scope_prefix: str | None = None,
        categories: list[str] | None = None,
        record_ids: list[str] | None = None,
        older_than: datetime | None = None,
        metadata_filter: dict[str, Any] | None = None,
    ) -> int:
        return self.delete(scope_prefix, categories, record_ids, older_than, metadata_filter)


def choose(
    scope_prefix: str | None,
    categories: list[str] | None = None,
    metadata_filter: dict[str, Any] | None = None,
    record_ids: list[str] | None = None,
    older_than: datetime | None = None,
) -> Filter:
    return Filter(
        scope=normalize_path(scope_prefix),
        categories=tuple(categories or ()),
        metadata=metadata_filter or None,
        record_ids=frozenset(record_ids) if record_ids else None,
        older_than=read_moment(older_than) if older_than else None,
    )


def read_record(record: MemoryRecord) -> Memory:
    return Memory(
        record_id=record.id,
        content=record.content,
        scope=normalize_path(record.scope),
        categories=tuple(record.categories),
        metadata=record.metadata,
        importance=record.importance,
        source=record.source,
        private=record.private,
        created_at=read_moment(record.created_at),
        last_accessed=read_moment(record.last_accessed),
        vector=pack_vector(record.embedding),
    )


def make_record(memory: Memory) -> MemoryRecord:
    return MemoryRecord(
        id=memory.record_id,
        content=memory.content,
        scope=memory.scope,
        categories=list(memory.categories),
        metadata=dict(memory.metadata),
        importance=memory.importance,
        source=memory.source,
        private=memory.private,
        created_at=make_naive(memory.created_at),
        last_accessed=make_naive(memory.last_accessed),
        embedding=unpack_vector(memory.vector) or None,
    )


def make_naive(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(tzinfo=None)


@contextmanager
def translate_errors() -> Iterator[None]:
    try:
        yield
    except OtherDimensions as error:
        raise EmbeddingDimensionMismatchError(error.stored, error.given) from error
