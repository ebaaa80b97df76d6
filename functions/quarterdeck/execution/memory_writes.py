"""What a call of memory writes waits for the call's record, and is then carried out once."""

import base64
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Protocol

from crewai.memory.types import MemoryRecord, ScopeInfo

from quarterdeck.execution.memory_faults import note_fault
from quarterdeck.memory.vectors import pack_vector, unpack_vector

type Write = dict[str, Any]
"""`save` or `update` with a record, or `delete` with an id, as JSON has it."""

LONGEST_CONTENT = 4_000
"""Characters: an item holds them, whatever they are."""

deferring: ContextVar[list[Write] | None] = ContextVar("quarterdeck_memory_writes", default=None)


@contextmanager
def defer_writes() -> Iterator[list[Write]]:
    """What is written meanwhile, in this context and in threads that copy it; not carried out.

    A worker that dies between two writes would search, on its next try, what the first has left,
    and decide otherwise.
    """
    writes: list[Write] = []
    token = deferring.set(writes)
    try:
        yield writes
    finally:
        deferring.reset(token)


class Storage(Protocol):
    """Of crewai's `StorageBackend`, what its memory asks for by itself."""

    def save(self, records: list[MemoryRecord]) -> None: ...
    def update(self, record: MemoryRecord) -> None: ...
    def delete(self, *, record_ids: list[str]) -> int: ...
    def list_scopes(self, parent: str = "/") -> list[str]: ...
    def list_categories(self, scope_prefix: str | None = None) -> dict[str, int]: ...
    def get_scope_info(self, scope: str) -> ScopeInfo: ...
    def search(
        self,
        query_embedding: list[float],
        scope_prefix: str | None = None,
        categories: list[str] | None = None,
        *,
        limit: int = 10,
        min_score: float = 0.0,
    ) -> list[tuple[MemoryRecord, float]]: ...


class CrewStorage:
    """A storage as crewai's memory uses it; notes what fails, as crewai passes over much of it."""

    def __init__(self, inner: Storage) -> None:
        self._inner = inner

    def save(self, records: list[MemoryRecord]) -> None:
        self._write([{"save": dump_record(record)} for record in records])

    def update(self, record: MemoryRecord) -> None:
        self._write([{"update": dump_record(record)}])

    def delete(self, record_ids: list[str]) -> int:
        """Of crewai's, what its memory does by itself: by id."""
        self._write([{"delete": record_id} for record_id in record_ids])
        return len(record_ids)

    def search(
        self, query_embedding: list[float], **options: Any
    ) -> list[tuple[MemoryRecord, float]]:
        with noting():
            return self._inner.search(query_embedding, **options)

    def list_scopes(self, parent: str = "/") -> list[str]:
        with noting():
            return self._inner.list_scopes(parent)

    def list_categories(self, scope_prefix: str | None = None) -> dict[str, int]:
        with noting():
            return self._inner.list_categories(scope_prefix)

    def get_scope_info(self, scope: str) -> ScopeInfo:
        with noting():
            return self._inner.get_scope_info(scope)

    def carry_out(self, writes: Sequence[Write]) -> None:
        """Again does no harm: the storage knows what it has kept of this task."""
        saved = [load_record(write["save"]) for write in writes if "save" in write]
        forgotten = [write["delete"] for write in writes if "delete" in write]
        with noting():
            if forgotten:
                self._inner.delete(record_ids=forgotten)
            for write in writes:
                if "update" in write:
                    self._inner.update(load_record(write["update"]))
            if saved:
                self._inner.save(saved)

    def _write(self, writes: list[Write]) -> None:
        waiting = deferring.get()
        if waiting is None:
            self.carry_out(writes)
        else:
            waiting += writes


@contextmanager
def noting() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        note_fault(error)
        raise


def dump_record(record: MemoryRecord) -> dict[str, Any]:
    """With as much of the content as a memory has."""
    kept = record.model_copy(update={"content": record.content[:LONGEST_CONTENT]})
    return {**kept.model_dump(mode="json"), "embedding": encode_vector(record.embedding)}


def load_record(dumped: dict[str, Any]) -> MemoryRecord:
    return MemoryRecord.model_validate(
        {**dumped, "embedding": decode_vector(dumped["embedding"]) or None}
    )


def encode_vector(embedding: Sequence[float] | None) -> str:
    """As the store keeps it: of length 1, in numbers of 16 bits."""
    return base64.b64encode(pack_vector(embedding)).decode()


def decode_vector(text: str) -> list[float]:
    return unpack_vector(base64.b64decode(text))
