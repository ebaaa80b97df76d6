"""One memory, and how an item of the table holds it."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from quarterdeck.memory.paths import ROOT, normalize_path
from quarterdeck.table import Item


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """Times are in UTC and aware; `vector` as `pack_vector` makes it, empty without one."""

    record_id: str
    content: str
    created_at: datetime
    last_accessed: datetime
    scope: str = ROOT
    categories: tuple[str, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)
    importance: float = 0.5
    source: str | None = None
    private: bool = False
    vector: bytes = b""
    origin: str | None = None


CONTENT = ("record_id", "scope", "details", "document", "vector")
"""What an entry has of a memory."""
LARGEST_DETAILS = 64 * 1024
DETAILS = ("categories", "metadata", "importance", "source", "private", "origin")
TIMES = ("created_at", "last_accessed")


def derive_id(origin: str, memory: Memory) -> str:
    """The same for the same content of the same source of one origin."""
    told = json.dumps([origin, memory.source, memory.content])
    return hashlib.sha256(told.encode()).hexdigest()[:32]


def dump_memory(memory: Memory, document: Mapping[str, Any]) -> Item:
    """What its entry holds; `document` is the content."""
    item: Item = {
        "record_id": memory.record_id,
        "scope": normalize_path(memory.scope),
        "details": dump_details(memory),
        "document": document,
    }
    return item | ({"vector": memory.vector} if memory.vector else {})


def dump_details(memory: Memory) -> str:
    details = {name: getattr(memory, name) for name in DETAILS}
    details |= {name: format_moment(getattr(memory, name)) for name in TIMES}
    return json.dumps(details, ensure_ascii=False, separators=(",", ":"))


def check_size(memory: Memory) -> None:
    """Raises ValueError if no item can hold what is not the content."""
    size = len(memory.scope.encode()) + len(dump_details(memory).encode())
    if size > LARGEST_DETAILS:
        rule = f"at most {LARGEST_DETAILS} bytes of JSON with all but the content"
        raise ValueError(f"metadata: {rule}; these are {size}")


def load_memory(item: Item, content: str) -> Memory:
    details = json.loads(item["details"])
    details["categories"] = tuple(details["categories"])
    details |= {name: datetime.fromisoformat(details[name]) for name in TIMES}
    return Memory(
        record_id=item["record_id"],
        content=content,
        scope=item["scope"],
        vector=item.get("vector", b""),
        **details,
    )


def format_moment(moment: datetime) -> str:
    """Of fixed width, to the microsecond, so that text sorts as time. Naive: of UTC."""
    return read_moment(moment).isoformat(timespec="microseconds")


def read_moment(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
