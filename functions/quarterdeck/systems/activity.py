"""Which systems have something to do: who gives them work marks them for a quarter of an hour.

The monitor looks at marked systems alone, so that an idle one costs nothing.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from weakref import WeakKeyDictionary

from quarterdeck.keys import activity_key, activity_partition, last_look_key
from quarterdeck.names import format_time, parse_time
from quarterdeck.table import Put, Table

SLOT = timedelta(minutes=15)
LONGEST_GAP = timedelta(days=1)
"""A monitor that was away for longer begins with what was marked in the last day."""
KEPT = timedelta(days=2)

_marked: "WeakKeyDictionary[Table, set[tuple[str, datetime]]]" = WeakKeyDictionary()


def find_slot(now: datetime) -> datetime:
    """The quarter of an hour that `now` is in."""
    return datetime.fromtimestamp(now.timestamp() // SLOT.total_seconds() * 900, UTC)


def mark_active(table: Table, system_id: str, now: datetime) -> None:
    """Writes once a slot, for each process; before the work, so that none is overlooked."""
    slot = find_slot(now)
    marked = _marked.setdefault(table, set())
    if (system_id, slot) in marked:
        return
    expires = int((slot + KEPT).timestamp())
    table.write(Put(activity_key(slot, system_id), {"expires_at": expires}))
    # A tuple first: other threads mark meanwhile.
    marked -= {mark for mark in tuple(marked) if mark[1] < slot}
    marked.add((system_id, slot))


def list_slots(last_look: datetime | None, now: datetime) -> list[datetime]:
    """Those whose marks matter now: since the slot before the last look, and of a day at most."""
    begin = max(last_look or now - LONGEST_GAP, now - LONGEST_GAP)
    first, last = find_slot(begin) - SLOT, find_slot(now)
    return [first + number * SLOT for number in range(int((last - first) / SLOT) + 1)]


class ActiveSystems:
    def __init__(self, table: Table) -> None:
        self.table = table

    def list_marked(self, now: datetime) -> Iterator[str]:
        """The ids of systems that were marked since shortly before the last look, each once."""
        seen = set()
        for slot in list_slots(self._read_last_look(), now):
            for item in self.table.query(activity_partition(slot), ""):
                if item["sk"] not in seen:
                    seen.add(item["sk"])
                    yield item["sk"]

    def note_look(self, now: datetime) -> None:
        """After all of them were looked after."""
        self.table.write(Put(last_look_key(), {"at": format_time(now)}))

    def _read_last_look(self) -> datetime | None:
        item = self.table.get(last_look_key())
        return parse_time(item["at"]) if item else None
