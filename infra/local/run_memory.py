"""The memory of a crew that runs in this process: it lasts as long as the run."""

from typing import Any

from crewai.memory.types import MemoryRecord, ScopeInfo

from quarterdeck.memory.backend import choose, read_record
from quarterdeck.memory.paths import normalize_path
from quarterdeck.memory.records import Memory
from quarterdeck.memory.scopes import count_categories, list_children


class RunStorage:
    """What crewai's memory asks of a storage, of records in a list."""

    def __init__(self) -> None:
        self.records: dict[str, MemoryRecord] = {}

    def save(self, records: list[MemoryRecord]) -> None:
        self.records |= {record.id: record for record in records}

    def update(self, record: MemoryRecord) -> None:
        self.records[record.id] = record

    def delete(self, record_ids: list[str]) -> int:
        return sum(self.records.pop(each, None) is not None for each in record_ids)

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
        scored = [
            (record, max(0.0, compare(query_embedding, record.embedding or [])))
            for record in self.records.values()
            if chosen.takes(read_record(record))
        ]
        found = sorted(scored, key=lambda pair: pair[1], reverse=True)
        return [pair for pair in found[:limit] if pair[1] >= min_score]

    def list_scopes(self, parent: str = "/") -> list[str]:
        return list_children(self._list(parent), normalize_path(parent))

    def list_categories(self, scope_prefix: str | None = None) -> dict[str, int]:
        return count_categories(self._list(scope_prefix))

    def get_scope_info(self, scope: str) -> ScopeInfo:
        memories = self._list(scope)
        categories = sorted(count_categories(memories))
        return ScopeInfo(path=scope, record_count=len(memories), categories=categories)

    def _list(self, scope: str | None) -> list[Memory]:
        chosen = choose(scope)
        memories = map(read_record, self.records.values())
        return [memory for memory in memories if chosen.takes(memory)]


def compare(one: list[float], other: list[float]) -> float:
    """The cosine of two vectors of length 1."""
    return sum(a * b for a, b in zip(one, other, strict=True)) if other else 0.0
