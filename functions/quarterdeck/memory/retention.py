"""Which memories a crew has too many of, or has had for too long. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from quarterdeck.memory.records import Memory


@dataclass(frozen=True, kw_only=True)
class Retention:
    """How many memories are kept, and how long after they were last written; None: all, always."""

    most: int | None = None
    age: timedelta | None = None


def find_expired(memories: Sequence[Memory], retention: Retention, now: datetime) -> list[str]:
    """The ids of those to forget: what is too old, and the oldest of what is too many."""
    newest = sorted(memories, key=lambda each: (each.last_accessed, each.record_id), reverse=True)
    left = newest if retention.most is None else newest[: retention.most]
    if retention.age is not None:
        left = [each for each in left if now - each.last_accessed <= retention.age]
    return [each.record_id for each in newest[len(left) :]]
