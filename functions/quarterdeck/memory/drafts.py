"""What is to be added to a shard's log, and the entry that it takes. Pure."""

from typing import NamedTuple

from quarterdeck.memory.shard import Shard
from quarterdeck.table import Item


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


class Recount(NamedTuple):
    """Says how many there are, where a restore has left some out."""

    def plan(self, shard: Shard) -> Item | None:
        return None if shard.count == len(shard.kept) else {"count": len(shard.kept)}


type Draft = Keep | Forget | Erase | Recount
"""`plan` gives the entry, with the `count` of memories as of then; None if none is needed."""
