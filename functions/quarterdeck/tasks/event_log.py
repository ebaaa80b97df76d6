"""A task's log in the table: telling of events, and reading them in their order.

Telling never fails and never stops a task: what cannot be kept is logged.
"""

import secrets
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import datetime, timedelta

from quarterdeck.errors import Contention
from quarterdeck.keys import EVENT_PREFIX, LAST_EVENT, Scope
from quarterdeck.names import generate_id
from quarterdeck.observability import logger
from quarterdeck.table import Absent, ConditionFailed, Present, Put, Table, Update
from quarterdeck.tasks.event_batches import (
    BATCH,
    MOST_CALLS,
    Batch,
    Known,
    Pending,
    read_batch,
    stamp,
    write_batch,
)
from quarterdeck.tasks.events import StepEnded, StepStarted, TaskEvent

ATTEMPTS = 20
FLUSH_AFTER = timedelta(seconds=1)
MOST_FAILURES = 3
LOCK_SECONDS = 5.0


class EventLog:
    """One writer of a task's log, for any of its threads.

    It begins as if the log were empty: of a log that is not, its first batch is refused, and it
    reads what is there.
    """

    def __init__(
        self, table: Table, scope: Scope, task_id: str, clock: Callable[[], datetime]
    ) -> None:
        self.table = table
        self.scope = scope
        self.task_id = task_id
        self.clock = clock
        self.known = Known()
        self._writer = generate_id()
        self._pending: list[Pending] = []
        self._told = 0
        self._dropped = 0
        self._failures = 0
        self._flushed_at = clock()
        self._lock = threading.Lock()
        self._flushing = threading.Lock()

    def record(self, event: TaskEvent, *, again: bool = False) -> None:
        """Tells of it within a batch. `again`: it was told of before, unless a process died.

        Steps are told at once; anything else when a batch is full, or with the first event that
        comes a second after the last batch.
        """
        if again and (event.identity in self.known.told or self.known.last >= MOST_CALLS):
            return
        with self._lock:
            self._told += 1
            self._pending.append(Pending(self._told, stamp(event, self.clock())))
            due = (
                isinstance(event, StepStarted | StepEnded)
                or len(self._pending) >= BATCH
                or self.clock() - self._flushed_at >= FLUSH_AFTER
            )
        if due:
            self._flush(wait=False)

    def tell(self, event: TaskEvent) -> None:
        """At once, with whatever waits."""
        self.record(event)
        self.flush()

    def flush(self) -> bool:
        """Whether all that was told of is in the log, or was dropped for want of room."""
        return self._flush(wait=True)

    def flush_due(self) -> None:
        """Tells what has waited for long, if anything has."""
        if self._pending and self.clock() - self._flushed_at >= FLUSH_AFTER:
            self._flush(wait=False)

    def read_end(self) -> None:
        """Of the log: enough for one more event."""
        pk = self.scope.state_key(self.task_id).pk
        for item in self.table.query_newest(pk, EVENT_PREFIX, limit=1).items:
            self.known.fold(read_batch(item))
        if self.known.last >= MOST_CALLS:
            self.known = Known()
            self._read_new()

    def _flush(self, *, wait: bool) -> bool:
        """Who finds another thread at it leaves its events to that one, or to the next."""
        if not self._flushing.acquire(timeout=LOCK_SECONDS if wait else 0):
            return False
        try:
            self._put_pending()
        except Exception:
            logger.exception("Progress was not recorded", task_id=self.task_id)
            self._give_up_after_some()
            return False
        else:
            self._failures = 0
            return True
        finally:
            self._flushed_at = self.clock()
            self._flushing.release()

    def _put_pending(self) -> None:
        for attempt in range(ATTEMPTS):
            if attempt:
                time.sleep(secrets.randbelow(10 * 2 ** min(attempt, 6)) / 1000)
            if self._put_all():
                self._note_dropped()
                return
            self._read_new()
        raise Contention("other writers told of events at each attempt")

    def _put_all(self) -> bool:
        """False if another writer was faster."""
        while pending := self._peek():
            batch, rest, dropped = self.known.plan(self._writer, pending)
            if batch is not None:
                key = self.scope.event_key(self.task_id, batch.first)
                try:
                    self.table.write(Put(key, write_batch(batch), [Absent()]))
                except ConditionFailed:
                    return False
                self.known.fold(batch)
            with self._lock:
                del self._pending[: len(pending) - len(rest)]
            self._dropped += dropped
            self.known.dropped += dropped
        return True

    def _peek(self) -> list[Pending]:
        with self._lock:
            return list(self._pending)

    def _read_new(self) -> None:
        for batch in read_batches(self.table, self.scope, self.task_id, self.known.last):
            self.known.fold(batch)

    def _note_dropped(self) -> None:
        """On the last batch: there are no further ones for what has no room."""
        if self._dropped and self.known.newest:
            key = self.scope.event_key(self.task_id, self.known.newest)
            with suppress(ConditionFailed):  # It has expired.
                self.table.write(Update(key, {}, {"dropped": self._dropped}, (), [Present()]))
            self._dropped = 0

    def _give_up_after_some(self) -> None:
        """What the table refuses again and again must not keep the rest from it."""
        self._failures += 1
        if self._failures >= MOST_FAILURES:
            with self._lock:
                self._dropped += len(self._pending)
                self._pending.clear()
            self._failures = 0


def append_event(table: Table, scope: Scope, task_id: str, event: TaskEvent, now: datetime) -> None:
    """Tells of one event of a task that others tell of as well, best effort."""
    append_events(table, scope, task_id, [event], now)


def append_events(
    table: Table, scope: Scope, task_id: str, events: Iterable[TaskEvent], now: datetime
) -> None:
    try:
        log = EventLog(table, scope, task_id, lambda: now)
        log.read_end()
        for event in events:
            log.record(event)
        log.flush()
    except Exception:
        logger.exception("Events were not recorded", task_id=task_id)


def read_batches(
    table: Table, scope: Scope, task_id: str, after: int, limit: int | None = None
) -> Iterator[Batch]:
    """The batches with events behind `after`, in order; with `limit`, enough for so many events.

    A query may pass by what is written while it runs: what is not found below a batch that was
    seen is asked for once more. What is still not there has expired.
    """
    expected = after + 1

    def query(first: int, up_to: str, most: int | None = None) -> Iterator[Batch]:
        key = scope.event_key(task_id, max(1, first))
        return map(read_batch, table.query(key.pk, key.sk, up_to=up_to, limit=most))

    # A batch that begins before may hold what comes after.
    for batch in query(after + 2 - BATCH, LAST_EVENT, limit and limit + BATCH):
        if batch.first > expected:
            yield from query(expected, scope.event_key(task_id, batch.first - 1).sk)
        if batch.last > after:
            yield batch
            expected = batch.last + 1
