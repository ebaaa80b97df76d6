"""What the log of one shard comes to, and what is next written to it. Pure."""

from collections import Counter
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


@dataclass
class Shard:
    last: int = 0
    """The number of the last entry."""
    kept: dict[str, Kept] = field(default_factory=dict)
    entries: dict[str, dict[int, Content]] = field(default_factory=dict)
    """By memory and number, all that hold content: those of former and forgotten ones too."""
    ended: dict[int, datetime] = field(default_factory=dict)
    """Since when such an entry is of a former or a forgotten one."""
    erased: set[str] = field(default_factory=set)
    dimensions: Counter[int] = field(default_factory=Counter)
    """How many memories have a vector of so many numbers."""
    changed: set[str] = field(default_factory=set)
    """The memories that an index has yet to look at."""

    def fold(self, number: int, item: Item) -> None:
        """Takes the next entry in."""
        self.last = number
        if "record_id" in item:
            self._keep(number, item)
        for record_id in (*item.get("forgets", ()), *item.get("erases", ())):
            self._end(record_id, item["at"])
        self.erased.update(item.get("erases", ()))

    def _keep(self, number: int, item: Item) -> None:
        record_id, document = item["record_id"], item["document"]
        self._end(record_id, item["at"])
        content = Content(item["scope"], document.get("blob"))
        self.entries.setdefault(record_id, {})[number] = content
        text = document.get("text")
        held = text is not None and len(text) <= LONGEST_HELD
        memory = load_memory(item, text if held else "")
        self.kept[record_id] = Kept(number, memory, held)
        self.changed.add(record_id)
        if memory.vector:
            self.dimensions[count_dimensions(memory.vector)] += 1

    def _end(self, record_id: str, at: str) -> None:
        for number in self.entries.get(record_id, ()):
            self.ended.setdefault(number, datetime.fromisoformat(at))
        former = self.kept.pop(record_id, None)
        if former is not None:
            self.changed.add(record_id)
            if former.memory.vector:
                self.dimensions[count_dimensions(former.memory.vector)] -= 1


class Keep(NamedTuple):
    """A memory to be kept as `item`; `anew`: only if it is not kept."""

    record_id: str
    item: Item
    anew: bool

    def plan(self, shard: Shard) -> Item | None:
        known = self.record_id in shard.kept
        if self.record_id in shard.erased or (known and self.anew):
            return None
        return self.item | {"count": len(shard.kept) + (not known)}


class Forget(NamedTuple):
    record_ids: tuple[str, ...]

    def plan(self, shard: Shard) -> Item | None:
        known = [each for each in self.record_ids if each in shard.kept]
        return {"forgets": known, "count": len(shard.kept) - len(known)} if known else None


class Erase(NamedTuple):
    """As Forget, and never to be kept again."""

    record_ids: tuple[str, ...]

    def plan(self, shard: Shard) -> Item | None:
        left = [each for each in self.record_ids if each not in shard.erased]
        known = sum(each in shard.kept for each in left)
        return {"erases": left, "count": len(shard.kept) - known} if left else None


type Draft = Keep | Forget | Erase
"""What is to be written: `plan` gives the entry, its `count` of memories included, if need be."""
