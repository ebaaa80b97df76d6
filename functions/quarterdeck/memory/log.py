"""The log of a shard in the table: reading what is new, adding an entry."""

import secrets
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import datetime, timedelta

from quarterdeck.errors import Contention
from quarterdeck.keys import Collection, Key, Scope, parse_memory_key
from quarterdeck.memory.records import CONTENT, format_moment
from quarterdeck.memory.shard import Draft, Shard
from quarterdeck.names import generate_id, read_clock
from quarterdeck.table import Absent, ConditionFailed, Item, Present, Put, Table, Update

ATTEMPTS = 20
BEYOND = 10**12 - 1
SETTLED = timedelta(hours=1)
"""The age from which an entry says nothing of writers at work: no function runs as long."""


class Log:
    """Of one shard of a crew's memories."""

    def __init__(
        self, table: Table, scope: Scope, crew: str, number: int, collection: Collection
    ) -> None:
        self.table = table
        self.shard = Shard()
        self._where = (scope, crew, number, collection)

    def key(self, number: int) -> Key:
        scope, crew, shard, collection = self._where
        return scope.memory_key(crew, shard, number, collection)

    def read_new(self) -> None:
        """Brings `shard` up to date: it reads what was added since, and that alone."""
        now = read_clock()
        for item in self._query(self.shard.last + 1, BEYOND):
            number = parse_memory_key(item["sk"])
            if number > self.shard.last + 1 and is_recent(item, now):
                # The reading may have passed by what was written meanwhile, but all below an
                # entry was there before it: so reading once more tells what was taken out.
                self._fold(self._query(self.shard.last + 1, number - 1))
            self._fold([item])

    def _query(self, first: int, last: int) -> Iterator[Item]:
        key, end = self.key(first), self.key(last)
        return self.table.query(key.pk, key.sk, up_to=end.sk)

    def _fold(self, items: Iterable[Item]) -> None:
        for item in items:
            self.shard.fold(parse_memory_key(item["sk"]), item)

    def count(self) -> int:
        """How many memories the last entry says there are."""
        page = self.table.query_newest(self.key(0).pk, "", limit=1)
        return page.items[0]["count"] if page.items else 0

    def remove_content(self, record_id: str) -> list[str]:
        """Leaves no content of it in the log; gives the keys of its blobs."""
        entries = self.shard.entries.get(record_id, {})
        for number in entries:
            with suppress(ConditionFailed):
                self.table.write(
                    Update(self.key(number), {"erased": record_id}, {}, CONTENT, [Present()])
                )
        self.shard.entries.pop(record_id, None)
        return [content.blob for content in entries.values() if content.blob]

    def add(self, draft: Draft) -> bool:
        """Adds the entry of `draft` at the end, if it asks for one; Contention if it cannot."""
        for attempt in range(ATTEMPTS):
            if attempt:
                time.sleep(secrets.randbelow(10 * 2 ** min(attempt, 6)) / 1000)
            self.read_new()
            planned = draft.plan(self.shard)
            if planned is None:
                return False
            number = self.shard.last + 1
            entry = planned | {"at": format_moment(read_clock()), "entry": generate_id()}
            try:
                self.table.write(Put(self.key(number), entry, [Absent()]))
            except ConditionFailed:
                continue
            self.shard.fold(number, entry)
            return True
        raise Contention("other writers added memories at each attempt")


def is_recent(item: Item, now: datetime) -> bool:
    return now - datetime.fromisoformat(item["at"]) < SETTLED
