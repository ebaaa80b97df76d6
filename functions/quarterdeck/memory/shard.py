"""What the log of one shard comes to. Pure."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from quarterdeck.memory.records import Memory, load_memory
from quarterdeck.memory.vectors import count_dimensions
from quarterdeck.table import Item

LONGEST_HELD = 4_096
"""Characters of a content that is held here."""


class Kept(NamedTuple):
    """A memory, and the number of its entry; unless `held`, its content is there alone."""

    number: int
    memory: Memory
    held: bool


class Content(NamedTuple):
    """Of an entry that holds some: the scope of its memory, the key of its blob."""

    scope: str
    blob: str | None


class Spent(NamedTuple):
    """An entry that a memory no longer is, and since when."""

    at: datetime
    record_id: str
    blob: str | None


class Forgotten(NamedTuple):
    at: datetime
    record_ids: list[str]


@dataclass
class Shard:
    last: int = 0
    """The number of the last entry."""
    count: int = 0
    """How many memories it says there are."""
    kept: dict[str, Kept] = field(default_factory=dict)
    entries: dict[str, dict[int, Content]] = field(default_factory=dict)
    """By memory and number, all that hold content: those of former and forgotten ones too."""
    spent: dict[int, Spent] = field(default_factory=dict)
    forgotten: dict[int, Forgotten] = field(default_factory=dict)
    """The entries that forget, as long as they must not expire."""
    erased: set[str] = field(default_factory=set)
    dimensions: Counter[int] = field(default_factory=Counter)
    """How many memories have a vector of so many numbers."""
    changed: set[str] = field(default_factory=set)
    """The memories that an index has yet to look at."""

    def fold(self, number: int, item: Item) -> None:
        """Takes the next entry in."""
        self.last, self.count = number, item["count"]
        at = datetime.fromisoformat(item["at"])
        if "record_id" in item:
            self._keep(number, item, at)
        elif "erased" in item:
            self.spent[number] = Spent(at, item["erased"], None)
            self.erased.add(item["erased"])
        elif "forgets" in item and "expires_at" not in item:
            self.forgotten[number] = Forgotten(at, item["forgets"])
        for record_id in (*item.get("forgets", ()), *item.get("erases", ())):
            self._end(record_id, at)
        self.erased.update(item.get("erases", ()))

    def _keep(self, number: int, item: Item, at: datetime) -> None:
        record_id, document = item["record_id"], item["document"]
        self._end(record_id, at)
        content = Content(item["scope"], document.get("blob"))
        self.entries.setdefault(record_id, {})[number] = content
        text = document.get("text")
        held = text is not None and len(text) <= LONGEST_HELD
        memory = load_memory(item, text if held else "")
        self.kept[record_id] = Kept(number, memory, held)
        self.changed.add(record_id)
        if memory.vector:
            self.dimensions[count_dimensions(memory.vector)] += 1

    def _end(self, record_id: str, at: datetime) -> None:
        """What it was up to now, it is no longer."""
        for number, content in self.entries.get(record_id, {}).items():
            self.spent.setdefault(number, Spent(at, record_id, content.blob))
        former = self.kept.pop(record_id, None)
        if former is not None:
            self.changed.add(record_id)
            if former.memory.vector:
                self.dimensions[count_dimensions(former.memory.vector)] -= 1

    def drop(self, number: int) -> None:
        """The spent entry is no longer in the table."""
        record_id = self.spent.pop(number).record_id
        entries = self.entries.get(record_id, {})
        entries.pop(number, None)
        if not entries:
            self.entries.pop(record_id, None)

    def list_spent(self, before: datetime) -> Iterator[tuple[int, Spent]]:
        """Those that nobody can be reading or writing beside any more."""
        for number, spent in self.spent.items():
            if spent.at < before and number != self.last:
                yield number, spent

    def list_done(self, before: datetime) -> Iterator[int]:
        """The entries that forget what there is no entry of any more."""
        for number, forgotten in self.forgotten.items():
            if forgotten.at < before and number != self.last:
                entries = (self.entries.get(each, {}) for each in forgotten.record_ids)
                if all(entry > number for some in entries for entry in some):
                    yield number
