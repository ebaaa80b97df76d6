"""Which memories are meant."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from quarterdeck.memory.paths import ROOT, is_below
from quarterdeck.memory.records import Memory


@dataclass(frozen=True, kw_only=True)
class Filter:
    """All that is given must hold; of `categories`, one. `scope` is normalized."""

    scope: str = ROOT
    categories: Collection[str] = ()
    metadata: Mapping[str, Any] | None = None
    record_ids: Collection[str] | None = None
    older_than: datetime | None = None

    def takes(self, memory: Memory) -> bool:
        return (
            is_below(memory.scope, self.scope)
            and (not self.categories or any(c in self.categories for c in memory.categories))
            and all(memory.metadata.get(k) == v for k, v in (self.metadata or {}).items())
            and (self.record_ids is None or memory.record_id in self.record_ids)
            and (self.older_than is None or memory.created_at < self.older_than)
        )


EVERYTHING = Filter()
