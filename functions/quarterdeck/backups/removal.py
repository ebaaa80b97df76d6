"""Removes a generation that is nobody's: what a restore replaced, a test's, or one cut short."""

from collections.abc import Callable, Iterable, Iterator
from itertools import batched

from quarterdeck.backups.batches import MOST_ITEMS
from quarterdeck.backups.job import Hold
from quarterdeck.backups.restores import Restore
from quarterdeck.backups.rewriting import RESERVE_SECONDS
from quarterdeck.blobs import BlobStore
from quarterdeck.keys import (
    CREWS_PREFIX,
    DEPLOYMENT_PREFIX,
    PLAN_PREFIX,
    TASKS_BY_TIME,
    VERSION_PREFIX,
    Key,
    Scope,
    parse_task_time,
    system_key,
)
from quarterdeck.names import parse_time
from quarterdeck.table import Delete, Item, Table

TASKS_AT_ONCE = 50
MADE_READY = (VERSION_PREFIX, CREWS_PREFIX, PLAN_PREFIX, DEPLOYMENT_PREFIX)


class Removal:
    """Comes to the same however often it is begun. Blobs go before the items that name them."""

    def __init__(self, table: Table, blobs: BlobStore, hold: Hold[Restore]) -> None:
        self.table = table
        self.blobs = blobs
        self.hold = hold

    def remove(self, scope: Scope, left: Callable[[], float]) -> bool:
        """Whether nothing of the generation is left; if not, the time is up."""
        return all(
            self._delete(items, left)
            for items in (self._list_tasks(scope), self._list_others(scope))
        )

    def remove_system(self, system_id: str, left: Callable[[], float]) -> bool:
        """Of a new system that never came to be: what was made ready for it."""
        pk = system_key(system_id).pk
        return all(self._delete(self.table.query(pk, prefix), left) for prefix in MADE_READY)

    def _delete(self, items: Iterable[Item], left: Callable[[], float]) -> bool:
        for some in batched(items, MOST_ITEMS, strict=False):
            if left() < RESERVE_SECONDS:
                return False
            for item in some:
                if blob := item.get("document", {}).get("blob"):
                    self.blobs.delete_blob(blob)
            keys = dict.fromkeys(Key(item["pk"], item["sk"]) for item in some)
            self.hold.advance({}, *(Delete(key) for key in keys))
        return True

    def _list_tasks(self, scope: Scope) -> Iterator[Item]:
        """All that the index shows, again and again until it shows none: it can be behind."""
        while page := self._read_page(scope):
            for entry in page:
                created, task_id = parse_task_time(entry)
                key = scope.registry_key(task_id, parse_time(created))
                yield key._asdict()
                # STATE is the last: what the index shows is whole, or looked at again.
                state = scope.state_key(task_id)
                items = self.table.query(state.pk, "")
                yield from (item for item in items if item["sk"] != state.sk)
                yield state._asdict()

    def _read_page(self, scope: Scope) -> list[Item]:
        return self.table.query_index(TASKS_BY_TIME, scope.prefix, limit=TASKS_AT_ONCE).items

    def _list_others(self, scope: Scope) -> Iterator[Item]:
        for crew in self.hold.job.crews:
            for partition in scope.list_partitions(crew):
                yield from self.table.query(partition, "")
        yield from self.table.query(scope.alerts_partition, "")
