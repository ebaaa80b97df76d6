"""What goes into a backup, read part by part in an order that any invocation can go on with.

All is read strongly consistent, after the backup's start; so what was acknowledged before is found.
What is backed up is put once, or whole in one item; a task is read until its items agree.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from quarterdeck.backups.archive.layout import Part
from quarterdeck.backups.archive.records import Record
from quarterdeck.backups.records import Backup, Cursor
from quarterdeck.blobs import BlobStore
from quarterdeck.keys import (
    COLLECTIONS,
    CREWS_PREFIX,
    INDEX_KEYS,
    LAST,
    MEMORY_SHARDS,
    REGISTRY_SHARDS,
    Key,
    is_task_history,
    parse_crew_version_key,
    version_key,
)
from quarterdeck.names import parse_time
from quarterdeck.observability import logger
from quarterdeck.systems.records import FIRST
from quarterdeck.table import Item, Table, marshal_item
from quarterdeck.tasks.states import TERMINAL

LONGEST_LIFE = timedelta(days=35)
"""From a task's creation until its end, with what may be between: its blobs are kept so much longer
than its items are."""
DAY = timedelta(days=1)
READS = 5
CONFIGURATION = {"pk", "sk", "document", "created_at", "capacity"}
"""What is kept of versions and crews: the rest is of this moment."""
LEFT_OUT = {"pk", "sk", "claimed_by", *INDEX_KEYS}


class Unit(NamedTuple):
    """What is backed up whole, with where its part goes on after it."""

    cursor: Cursor
    records: Sequence[Record]
    version: int | None = None
    """Of the configuration that a task refers to."""


class Collector:
    """Reads what `backup` is of."""

    def __init__(self, table: Table, blobs: BlobStore, backup: Backup) -> None:
        self.table = table
        self.blobs = blobs
        self.backup = backup
        self.scope = backup.scope
        self.started = parse_time(backup.started_at)

    def collect(self, part: Part, after: Cursor | None, versions: Sequence[int]) -> Iterator[Unit]:
        """The units of a part behind `after`. `versions`: that the tasks refer to."""
        read: Mapping[Part, Callable[[], Iterator[Unit]]] = {
            "task_histories": lambda: self._read_tasks(after),
            "agent_memories": lambda: self._read_items(part, self._list_memories(), after),
            "system_metrics": lambda: self._read_items(part, self._list_metrics(), after),
            "crew_configurations": lambda: self._read_configurations(after, versions),
        }
        return read[part]()

    def _read_tasks(self, after: Cursor | None) -> Iterator[Unit]:
        for entry in self._walk(self._list_registries(), after):
            task = self._read_task(entry["sk"])
            if task is None:
                logger.warning("A task is not whole", task_id=entry["sk"])
                continue
            records = [self._record("task_histories", item) for item in (entry, *task)]
            # STATE is the last.
            yield Unit(self._locate(entry), records, task[-1]["version"])

    def _read_task(self, task_id: str) -> list[Item] | None:
        """END, events, SPEC and STATE as one transaction left them; None if some have expired."""
        first, last = self.scope.end_key(task_id), self.scope.state_key(task_id)
        spec = self.scope.spec_key(task_id)
        for _ in range(READS):
            read = self.table.query(first.pk, first.sk, up_to=last.sk)
            found = {item["sk"]: item for item in read if is_task_history(item["sk"])}
            if not {last.sk, spec.sk} <= found.keys():
                return None
            if (found[last.sk]["status"] in TERMINAL) == (first.sk in found):
                return list(found.values())
        return None

    def _read_items(
        self, part: Part, partitions: Sequence[str], after: Cursor | None
    ) -> Iterator[Unit]:
        for item in self._walk(partitions, after):
            try:
                record = self._record(part, item)
            except self.blobs.client.exceptions.NoSuchKey:
                if self.table.get(Key(item["pk"], item["sk"])):
                    raise
                continue  # It has been erased meanwhile.
            yield Unit(self._locate(item), [record])

    def _read_configurations(self, after: Cursor | None, versions: Sequence[int]) -> Iterator[Unit]:
        """The versions, then the capacity of each crew."""
        wanted = sorted({self.backup.version, *versions})
        documents = [version_key(self.backup.system_id, version) for version in wanted]
        crews = [self.scope.crew_key(crew) for crew in self._list_crews()]
        for key in (*documents, *crews):
            item = self.table.get(key)
            if item is None or (after and not is_behind(self._locate(item), after)):
                continue
            kept = {name: value for name, value in item.items() if name in CONFIGURATION}
            yield Unit(self._locate(item), [self._record("crew_configurations", kept)])

    def _list_registries(self) -> list[str]:
        # By the clocks of who submits, a day earlier or later.
        last = self.started + DAY
        first = last - self.table.retention.keep("tasks") - LONGEST_LIFE
        if self.backup.generation == FIRST:
            first = max(first, parse_time(self.backup.system_created_at) - DAY)
        return [
            self.scope.registry_partition(last - DAY * age, shard)
            for age in range((last - first) // DAY + 2)
            for shard in range(REGISTRY_SHARDS)
        ]

    def _list_memories(self) -> list[str]:
        return [
            self.scope.memory_partition(crew, shard, collection)
            for crew in self._list_crews()
            for collection in COLLECTIONS
            for shard in range(MEMORY_SHARDS)
        ]

    def _list_metrics(self) -> list[str]:
        return [self.scope.bucket_partition(crew) for crew in self._list_crews()]

    def _list_crews(self) -> list[str]:
        """Of all versions: a crew that was dropped has left its metrics and memories."""
        partition = version_key(self.backup.system_id, FIRST).pk
        items = self.table.query(partition, CREWS_PREFIX)
        return sorted({parse_crew_version_key(item["sk"]) for item in items})

    def _walk(self, partitions: Sequence[str], after: Cursor | None) -> Iterator[Item]:
        """The items behind `after` that have not expired."""
        for pk in sorted(partitions):
            place = self.scope.strip(pk)
            if after and place < after.pk:
                continue
            first = after.sk if after and place == after.pk else ""
            for item in self.table.query(pk, first, up_to=LAST if first else None):
                if item["sk"] != first and not is_expired(item, self.started):
                    yield item

    def _record(self, part: Part, item: Item) -> Record:
        """With the contents of blobs, and without what is of this system or this moment alone."""
        content = {name: value for name, value in item.items() if name not in LEFT_OUT}
        if "document" in content:
            content["document"] = {"text": self.blobs.load_document(content["document"])}
        place = self._locate(item)
        return Record(part, place.pk, place.sk, marshal_item(content))

    def _locate(self, item: Item) -> Cursor:
        return Cursor(pk=self.scope.strip(item["pk"]), sk=item["sk"])


def is_behind(place: Cursor, other: Cursor) -> bool:
    return (place.pk, place.sk) > (other.pk, other.sk)


def is_expired(item: Item, now: datetime) -> bool:
    """Whether the table may remove it at any moment."""
    expires_at: int | None = item.get("expires_at")
    return expires_at is not None and expires_at <= now.timestamp()
