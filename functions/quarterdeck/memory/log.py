"""The log of a shard in the table: reading what is new, adding, and taking out what is spent.

An entry is put once, at the number after the last, if nothing is there: so whoever adds one has
read all below it, and whoever sees one can read all below it. Only what is spent for a day is
taken out, and never the last entry: a number that was ever seen is not given again to anyone who
runs by the table's time, for no function runs for an hour.
"""

import secrets
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import datetime, timedelta

from quarterdeck.errors import Contention
from quarterdeck.keys import Collection, Key, Scope, parse_memory_key
from quarterdeck.memory.drafts import Draft
from quarterdeck.memory.records import CONTENT, format_moment
from quarterdeck.memory.shard import Shard, Spent
from quarterdeck.names import read_clock
from quarterdeck.table import Absent, ConditionFailed, Delete, Item, Present, Put, Table, Update

ATTEMPTS = 20
BEYOND = 10**12 - 1
SETTLED = timedelta(hours=1)
"""The age from which an entry says nothing of writers at work."""
STALE = timedelta(hours=12)
"""The age from which what was read is read anew: half of what spent entries are kept for."""
TRIM_AFTER = timedelta(days=1)


class Log:
    """Of one shard of a crew's memories."""

    def __init__(
        self, table: Table, scope: Scope, crew: str, number: int, collection: Collection
    ) -> None:
        self.table = table
        self.shard = Shard()
        self._read_at = read_clock()
        self._where = (scope, crew, number, collection)

    def key(self, number: int) -> Key:
        scope, crew, shard, collection = self._where
        return scope.memory_key(crew, shard, number, collection)

    def read_new(self) -> None:
        """Brings `shard` up to date: reads what was added since, and that alone."""
        now = read_clock()
        if now - self._read_at > STALE:
            self.shard = Shard(changed=self.shard.changed | self.shard.kept.keys())
        for item in self._query(self.shard.last + 1, BEYOND):
            number = parse_memory_key(item["sk"])
            if number > self.shard.last + 1 and is_recent(item, now):
                # A query may pass by what is written while it runs. What is not found below an
                # entry that was seen has been taken out.
                self._fold(self._query(self.shard.last + 1, number - 1))
            self._fold([item])
        self._read_at = now

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

    def add(self, draft: Draft) -> bool:
        """Adds the entry that `draft` takes, if any; to be called once `shard` has been read.

        Contention if others were faster each time.
        """
        for attempt in range(ATTEMPTS):
            if attempt:
                time.sleep(secrets.randbelow(10 * 2 ** min(attempt, 6)) / 1000)
                self.read_new()
            planned = draft.plan(self.shard)
            if planned is None:
                return False
            number = self.shard.last + 1
            entry = planned | {"at": format_moment(read_clock())}
            try:
                self.table.write(Put(self.key(number), entry, [Absent()]))
            except ConditionFailed:
                continue
            self.shard.fold(number, entry)
            return True
        raise Contention("other writers added memories at each attempt")

    def remove_content(self, record_id: str) -> None:
        """Leaves no content of it in the log. Its blobs are to be gone: this is where they are."""
        for number in self.shard.entries.pop(record_id, {}):
            with suppress(ConditionFailed):  # taken out since it was read
                erased = {"erased": record_id}
                self.table.write(Update(self.key(number), erased, {}, CONTENT, [Present()]))

    def list_blobs(self, record_id: str) -> list[str]:
        contents = self.shard.entries.get(record_id, {}).values()
        return [content.blob for content in contents if content.blob]

    def list_spent(self, now: datetime) -> list[tuple[int, Spent]]:
        return list(self.shard.list_spent(now - TRIM_AFTER))

    def take_out(self, number: int) -> None:
        """To be called with a number of `list_spent`."""
        self.table.write(Delete(self.key(number)))
        self.shard.drop(number)

    def expire_done(self, now: datetime) -> None:
        """Has the table remove what forgets memories that are gone, when nobody reads them."""
        due = int((now + TRIM_AFTER).timestamp())
        for number in list(self.shard.list_done(now - TRIM_AFTER)):
            with suppress(ConditionFailed):
                self.table.write(Update(self.key(number), {"expires_at": due}, {}, (), [Present()]))
            del self.shard.forgotten[number]


def is_recent(item: Item, now: datetime) -> bool:
    return now - datetime.fromisoformat(item["at"]) < SETTLED
