"""Writes the new generation from the records of backups, a batch at a time."""

from collections.abc import Callable
from datetime import timedelta

from quarterdeck.backups.batches import Batch
from quarterdeck.backups.erasing import erase_unit
from quarterdeck.backups.generation import Rebuilt, Target, rebuild
from quarterdeck.backups.job import Hold
from quarterdeck.backups.passage import Unit
from quarterdeck.backups.restores import Restore, Stage
from quarterdeck.backups.sources import Sources
from quarterdeck.backups.versions import bring_back, check_version
from quarterdeck.blobs import BlobStore
from quarterdeck.keys import Key, Scope, lists_tasks, name_crew, name_task, name_version
from quarterdeck.memory.erasure import Erasures
from quarterdeck.names import format_time, parse_time
from quarterdeck.table import Item, Put, Table, unmarshal_item
from quarterdeck.tasks.states import TERMINAL

RESERVE_SECONDS = 60.0
"""Of an invocation, for one chunk more and what comes after it."""
CLOCKS = timedelta(seconds=10)
"""By which those of two functions may differ."""
TEST_DAYS = 2
"""When what a test may have left goes by itself."""


class Rewriter:
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

    def write(self, stage: Stage, left: Callable[[], float]) -> bool:
        """Whether all of the stage is written; if not, the time is up."""
        batch = Batch(self.hold, stage.part)
        for unit, after in self.sources.read(stage, self.hold.job.place):
            rebuilt = self._rebuild(stage, unit)
            puts = self._make_puts(stage, unit, rebuilt)
            for put in puts:
                batch.add(put)
            left_out = 0 if stage.source == "carried" else count_left_out(unit, rebuilt)
            counts = {"interrupted": rebuilt.interrupted, "left_out": left_out}
            batch.end_unit(after, counts, count_items(unit, rebuilt), name_crew(unit[0].pk))
            if batch.is_full:
                batch.flush()
            if left() < RESERVE_SECONDS:
                batch.flush()
                return False
        batch.flush()
        return True

    def _rebuild(self, stage: Stage, unit: Unit) -> Rebuilt:
        if stage.source == "carried" and not self._is_carried(unit):
            return Rebuilt({})
        return rebuild(erase_unit(unit, self.erased), self.target)

    def _make_puts(self, stage: Stage, unit: Unit, rebuilt: Rebuilt) -> list[Put]:
        """With contents that are long in blobs; of versions, what the system lacks."""
        job = self.hold.job
        if name_version(unit[0].sk) is not None:
            check_version(unit)
        if job.dry_run:
            return []
        if stage.part == "crew_configurations" and job.kind == "restore":
            return bring_back(self.table, self.blobs, job, unit)
        return [
            Put(key, house_document(self.blobs, job.scope, key, item))
            for key, item in rebuilt.items.items()
        ]

    def _is_carried(self, unit: Unit) -> bool:
        """Of a task that the backup does not know, and that is not to be lost."""
        task_id = name_task(unit[0].pk)
        if task_id is None or not was_accepted_since(unit, self.hold.job.started_at):
            return False
        return self.table.get(self.hold.job.scope.state_key(task_id)) is None


def find_target(restore: Restore, table: Table) -> Target:
    began = parse_time(restore.started_at)
    test = restore.kind == "restore_test"
    expires = began + timedelta(days=TEST_DAYS) if test else None
    return Target(restore.scope, began, table.retention.keep("tasks"), expires)


def was_accepted_since(unit: Unit, closed_at: str) -> bool:
    """Whether the task lived when the system was closed, or was submitted while it was."""
    moment = format_time(parse_time(closed_at) - CLOCKS)
    items = {record.sk: record.item for record in unit}
    if "STATE" not in items:
        return False
    state = unmarshal_item(items["STATE"])
    return state["status"] not in TERMINAL or state["created_at"] >= moment


def count_left_out(unit: Unit, rebuilt: Rebuilt) -> int:
    """Versions and the registry are no items of their own."""
    counted = not lists_tasks(unit[0].pk) and name_version(unit[0].sk) is None
    return len(unit) if counted and not rebuilt.items else 0


def count_items(unit: Unit, rebuilt: Rebuilt) -> int:
    return 1 if name_version(unit[0].sk) is not None else len(rebuilt.items)


def house_document(blobs: BlobStore, scope: Scope, key: Key, item: Item) -> Item:
    if "document" not in item:
        return item
    place = scope.place_blob(scope.strip(key.pk), key.sk)
    return item | {"document": blobs.store_document(place, item["document"]["text"])}
