"""Compares what was written with the records that it was written from, item by item."""

from collections.abc import Callable, Iterable, Mapping
from itertools import groupby
from operator import attrgetter

from quarterdeck.backups.batches import MOST_BYTES, MOST_ITEMS, measure
from quarterdeck.backups.comparison import find_difference
from quarterdeck.backups.erasing import erase_unit
from quarterdeck.backups.generation import rebuild
from quarterdeck.backups.job import Hold, JobFailed
from quarterdeck.backups.passage import Unit
from quarterdeck.backups.restores import Place, Restore, Stage
from quarterdeck.backups.rewriting import (
    RESERVE_SECONDS,
    find_target,
    was_accepted_since,
)
from quarterdeck.backups.sources import Sources
from quarterdeck.backups.versions import is_same_version
from quarterdeck.blobs import BlobStore
from quarterdeck.keys import Key, lists_tasks, name_task, name_version
from quarterdeck.memory.erasure import Erasures
from quarterdeck.names import parse_time
from quarterdeck.table import Item, Table, unmarshal_item


class Proofreader:
    def __init__(
        self,
        table: Table,
        blobs: BlobStore,
        hold: Hold[Restore],
        sources: Sources,
        erased: Erasures,
    ) -> None:
        self.table = table
        self.blobs = blobs
        self.hold = hold
        self.sources = sources
        self.erased = erased
        self.target = find_target(hold.job, table)

    def compare(self, stage: Stage, left: Callable[[], float]) -> bool:
        """Whether all of the stage is as it should be; False when the time is up, or JobFailed."""
        expected: dict[Key, Item] = {}
        size = 0
        start = after = self.hold.job.place
        for unit, after in self.sources.read(stage, start):
            more = self._expect(stage, unit)
            expected |= more
            size += sum(measure(item) for item in more.values())
            in_time = left() >= RESERVE_SECONDS
            if len(expected) >= MOST_ITEMS or size >= MOST_BYTES or not in_time:
                self._check(expected, after)
                expected, size = {}, 0
            if not in_time:
                return False
        self._check(expected, after)
        return True

    def _expect(self, stage: Stage, unit: Unit) -> dict[Key, Item]:
        """What is to be compared after it, with others."""
        if stage.source == "carried":
            self._require_carried(unit)
            return {}
        if stage.part == "crew_configurations":
            self._require_version(unit)
            if self.hold.job.kind == "restore":
                return {}
        rebuilt = rebuild(erase_unit(unit, self.erased), self.target)
        return rebuilt.items

    def _check(self, expected: Mapping[Key, Item], place: Place) -> None:
        found = self._read(expected)
        if difference := find_difference(expected, found, self.hold.clock()):
            raise JobFailed(f"what was restored is not what was backed up: {difference}")
        self.hold.advance({"place": place.model_dump()})

    def _read(self, keys: Iterable[Key]) -> dict[Key, Item]:
        """What there is at these keys and between them; contents of blobs included."""
        found: dict[Key, Item] = {}
        for pk, group in groupby(sorted(keys), attrgetter("pk")):
            some = list(group)
            if lists_tasks(pk):
                items = [item for key in some if (item := self.table.get(key))]
            else:
                items = list(self.table.query(pk, some[0].sk, up_to=some[-1].sk))
            for item in items:
                key = Key(item.pop("pk"), item.pop("sk"))
                found[key] = self._load_document(item)
        return found

    def _load_document(self, item: Item) -> Item:
        if "document" not in item:
            return item
        try:
            return item | {"document": {"text": self.blobs.load_document(item["document"])}}
        except self.blobs.client.exceptions.NoSuchKey:
            return item | {"document": {"blob": "is missing"}}

    def _require_version(self, unit: Unit) -> None:
        if not is_same_version(self.table, self.blobs, self.hold.job, unit):
            number = name_version(unit[0].sk)
            raise JobFailed(f"version {number} of the system is not what was backed up")

    def _require_carried(self, unit: Unit) -> None:
        """A task that was accepted is there, whichever of the two backups it comes from."""
        scope, task_id = self.hold.job.scope, name_task(unit[0].pk)
        if task_id is None or not was_accepted_since(unit, self.hold.job.started_at):
            return
        state = next(unmarshal_item(r.item) for r in unit if r.sk == "STATE")
        created = parse_time(state["created_at"])
        for key in (
            *(scope.state_key(task_id), scope.spec_key(task_id), scope.end_key(task_id)),
            scope.registry_key(task_id, created),
        ):
            if self.table.get(key) is None:
                raise JobFailed(f"task {task_id} was accepted and is missing: {key.sk}")
