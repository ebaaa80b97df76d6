"""What was said in a task's calls, of a system that asks for it: prompts, answers, tool results.

Each is put once, at the number after the last, if nothing is there.
"""

import json
from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import islice
from typing import Any, Literal

from quarterdeck.blobs import BlobStore
from quarterdeck.keys import LAST_TRACE, TRACE_PREFIX, Scope, parse_trace_key
from quarterdeck.names import format_time, generate_id
from quarterdeck.retention import Expiry
from quarterdeck.table import Absent, ConditionFailed, Item, Put, Table
from quarterdeck.tasks.outcome import Label, Record, Text

MOST_TRACES = 2_000
LONGEST = 500_000
"""Characters of what was asked, and of what was answered."""
ATTEMPTS = 20
PAGE_BYTES = 2_500_000
"""From which a page takes no more: an answer has 6 MB at most, quoted as a text in JSON."""


class Trace(Record):
    """One call. `asked` and `answered` are JSON, cut if they are very long."""

    seq: int = 0
    at: str = ""
    kind: Literal["llm", "tool"]
    name: Label
    """The model, or the tool."""
    step: Label | None = None
    agent: Label | None = None
    call: str
    """As its event has it."""
    asked: Text
    answered: Text


class TraceLog:
    """One writer's, for any of its threads."""

    def __init__(
        self,
        table: Table,
        blobs: BlobStore,
        scope: Scope,
        task_id: str,
        clock: Callable[[], datetime],
    ) -> None:
        self.table = table
        self.blobs = blobs
        self.scope = scope
        self.task_id = task_id
        self.clock = clock
        self._last = 0

    def keep(self, trace: Trace) -> bool:
        """Whether there was room for it."""
        if not self._last:
            self._read_last()  # The first ones may have expired while the task waited.
        if self._last >= MOST_TRACES:
            return False
        now = self.clock()
        trace = trace.model_copy(
            update={
                "at": format_time(now),
                "asked": trace.asked[:LONGEST],
                "answered": trace.answered[:LONGEST],
            }
        )
        text = trace.model_dump_json(exclude={"seq"}, exclude_none=True)
        blob = f"{self.scope.blob_prefix}/{self.task_id}/trace-{generate_id()}.json"
        document = self.blobs.store_document(blob, text)
        for _ in range(ATTEMPTS):
            number = self._last + 1
            if number > MOST_TRACES:
                return False
            key = self.scope.trace_key(self.task_id, number)
            item = {"document": document, "expires_at": Expiry("traces", now)}
            try:
                self.table.write(Put(key, item, [Absent()]))
            except ConditionFailed:
                self._read_last()
            else:
                self._last = max(self._last, number)
                return True
        return False

    def _read_last(self) -> None:
        pk = self.scope.state_key(self.task_id).pk
        for item in self.table.query_newest(pk, TRACE_PREFIX, limit=1).items:
            self._last = max(self._last, parse_trace_key(item["sk"]))


def read_traces(
    table: Table, blobs: BlobStore, scope: Scope, task_id: str, after: int, limit: int
) -> list[Trace]:
    """Those behind `after`, as many as one answer holds, and one at least."""
    found: list[Trace] = []
    size = 0
    for item in islice(list_items(table, scope, task_id, after, limit), limit):
        text = blobs.load_document(item["document"])
        size += len(text.encode())
        if found and size > PAGE_BYTES:
            break
        fields: dict[str, Any] = json.loads(text)
        found.append(Trace(**fields, seq=parse_trace_key(item["sk"])))
    return found


def list_items(table: Table, scope: Scope, task_id: str, after: int, limit: int) -> Iterator[Item]:
    """A query may pass by what is written while it runs: that is asked for once more."""
    expected = after + 1

    def query(first: int, up_to: str) -> Iterator[Item]:
        key = scope.trace_key(task_id, first)
        return table.query(key.pk, key.sk, up_to=up_to, limit=limit)

    for item in query(expected, LAST_TRACE):
        number = parse_trace_key(item["sk"])
        if number > expected:
            yield from query(expected, scope.trace_key(task_id, number - 1).sk)
        yield item
        expected = number + 1
