"""A system's tasks by time, newest first: all, or those of some statuses, of a crew, of a time."""

from datetime import datetime, timedelta
from typing import NamedTuple

from pydantic import BaseModel

from quarterdeck.keys import TASKS_BY_TIME, Scope, find_place, parse_task_time
from quarterdeck.names import format_time
from quarterdeck.table import Item, Page, Table
from quarterdeck.tasks.states import Priority, Status

READ_AT_ONCE = 500
MOST_READS = 4
"""A page of what is seldom ends after so many, with what it has found, and goes on from there."""
FIRST, LAST = "0", "~"


class TaskSummary(BaseModel):
    task_id: str
    crew_name: str
    status: Status
    priority: Priority
    created_at: str
    ended_at: str | None = None


class TaskFilter(NamedTuple):
    """None: any. Submitted at `since` or later, and before `until`."""

    statuses: frozenset[Status] | None = None
    crew: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    @property
    def name(self) -> str:
        """The same for what asks for the same."""
        since, until = self.bounds
        return f"{sorted(self.statuses or ())} of {self.crew} from {since} to {until}"

    @property
    def bounds(self) -> tuple[str, str]:
        """Of the index: no task's entry is at a bound itself, for it has an id after the time."""
        return (
            format_time(round_up(self.since)) if self.since else FIRST,
            format_time(round_up(self.until)) if self.until else LAST,
        )

    def takes(self, entry: Item) -> bool:
        return (self.statuses is None or entry["status"] in self.statuses) and (
            self.crew is None or entry["crew_name"] == self.crew
        )


def round_up(moment: datetime) -> datetime:
    """To the millisecond: what tasks are kept to."""
    return moment + timedelta(microseconds=-moment.microsecond % 1000)


def find_page(
    table: Table, scope: Scope, wanted: TaskFilter, limit: int, start: Item | None
) -> Page:
    """Entries of the index `tasks-by-time`; with a `last_key` there may be more.

    A bounded number of reads: a page can be short, or empty, and not be the last.
    """
    is_any = wanted.statuses is None and wanted.crew is None
    found: list[Item] = []
    for _ in range(MOST_READS):
        page = table.query_index(
            TASKS_BY_TIME,
            scope.prefix,
            between=wanted.bounds,
            newest_first=True,
            limit=limit if is_any else READ_AT_ONCE,
            start=start,
        )
        found += [entry for entry in page.items if wanted.takes(entry)]
        start = page.last_key
        if len(found) > limit:
            return Page(found[:limit], find_place(TASKS_BY_TIME, found[limit - 1]))
        if start is None or len(found) == limit:
            break
    return Page(found, start)


def summarize_task(entry: Item) -> TaskSummary:
    created_at, task_id = parse_task_time(entry)
    return TaskSummary.model_validate(entry | {"created_at": created_at, "task_id": task_id})
