"""Memories of several crews as one list, the newest first, a page at a time."""

from collections.abc import Iterator, Sequence
from operator import itemgetter
from typing import Any, NamedTuple

from quarterdeck.memory.filters import Filter
from quarterdeck.memory.records import Memory, format_moment
from quarterdeck.memory.store import MemoryStore


class Page(NamedTuple):
    """Memories, each with its crew's name; `last`: where the next page begins, if there is one."""

    found: list[tuple[str, Memory]]
    last: dict[str, Any] | None


class Position(NamedTuple):
    created_at: str
    record_id: str
    crew: str


def find_page(
    stores: Sequence[MemoryStore],
    chosen: Filter,
    *,
    words: Sequence[str],
    limit: int,
    after: dict[str, Any] | None,
) -> Page:
    """Those whose content has every one of the words, in any case."""
    wanted = [word.casefold() for word in words]
    start = Position(**after) if after else None
    found: list[tuple[str, Memory]] = []
    for position, memory in walk(stores, chosen, start):
        content = memory.content.casefold()
        if all(word in content for word in wanted):
            found.append((position.crew, memory))
        if len(found) == limit:
            return Page(found, position._asdict())
    return Page(found, None)


def walk(
    stores: Sequence[MemoryStore], chosen: Filter, start: Position | None
) -> Iterator[tuple[Position, Memory]]:
    """The newest first, from below the start on; a content is read when it is this one's turn."""
    surveyed = [
        (Position(format_moment(memory.created_at), memory.record_id, store.crew), store, memory)
        for store in stores
        for memory in store.survey(chosen)
    ]
    below = [found for found in surveyed if start is None or found[0] < start]
    for place, store, memory in sorted(below, key=itemgetter(0), reverse=True):
        whole = memory if memory.content else store.get(memory.record_id)
        if whole is not None:
            yield place, whole
