"""Where a journal's entries are kept: in the task's partition of the table, or in memory."""

import threading
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from quarterdeck.blobs import BlobStore
from quarterdeck.execution.journal_entry import Entry, Mark, read_entry, write_entry
from quarterdeck.keys import CALL_PREFIX, Scope, parse_call_key
from quarterdeck.names import generate_id, read_clock
from quarterdeck.retention import Expiry
from quarterdeck.table import Absent, ConditionFailed, Put, Table


class Place(NamedTuple):
    """A call's place in a journal: what was asked, and the how-manieth time."""

    digest: str
    occurrence: int


class Found(NamedTuple):
    """An entry that is not read yet: `document` as blobs know it."""

    name: str
    kind: str
    effect: bool
    code: str
    document: Mapping[str, Any]


class Loaded(NamedTuple):
    """`inherited`: the entries of a task that this one retries."""

    entries: dict[Place, Found]
    marks: dict[Place, Mark]
    inherited: frozenset[Place] = frozenset()


class Store(Protocol):
    """Entries and marks are put once: who comes second gets what the first has put."""

    task_id: str

    def load(self) -> Loaded: ...
    def read(self, found: Found) -> Entry: ...
    def record(self, place: Place, entry: Entry) -> Entry: ...
    def mark_started(self, place: Place, name: str, code: str) -> Mark: ...


class MemoryStore:
    """For a run that nobody takes up again."""

    def __init__(self, task_id: str = "local") -> None:
        self.task_id = task_id
        self.entries: dict[Place, str] = {}
        self.marks: dict[Place, Mark] = {}
        self._lock = threading.Lock()

    def load(self) -> Loaded:
        with self._lock:
            found = {place: index_entry(text) for place, text in self.entries.items()}
            return Loaded(found, dict(self.marks))

    def read(self, found: Found) -> Entry:
        return read_entry(found.document["text"])

    def record(self, place: Place, entry: Entry) -> Entry:
        with self._lock:
            return read_entry(self.entries.setdefault(place, write_entry(entry)))

    def mark_started(self, place: Place, name: str, code: str) -> Mark:
        mark = Mark(name, spell_idempotency_key(self.task_id, place), code)
        with self._lock:
            return self.marks.setdefault(place, mark)


class JournalStore:
    """A task's journal in the table. `older`: the tasks that it retries, the next before first."""

    def __init__(
        self,
        table: Table,
        blobs: BlobStore,
        scope: Scope,
        task_id: str,
        older: Sequence[str] = (),
    ) -> None:
        self.table = table
        self.blobs = blobs
        self.scope = scope
        self.task_id = task_id
        self.older = tuple(older)

    def load(self) -> Loaded:
        """One query for each task; its own entries before those of the tasks that it retries."""
        loaded = Loaded({}, {})
        own: frozenset[Place] = frozenset()
        for task_id in (self.task_id, *self.older):
            partition = self.scope.state_key(task_id).pk
            for item in self.table.query(partition, CALL_PREFIX):
                keep_item(loaded, item)
            if task_id == self.task_id:
                own = frozenset(loaded.entries)
        return loaded._replace(inherited=frozenset(loaded.entries) - own)

    def read(self, found: Found) -> Entry:
        return read_entry(self.blobs.load_document(dict(found.document)))

    def record(self, place: Place, entry: Entry) -> Entry:
        key = self.scope.call_key(self.task_id, *place)
        # A name of its own: who loses the race below has not overwritten what the winner keeps.
        blob = f"{self.scope.blob_prefix}/{self.task_id}/call-{generate_id()}.json"
        document = self.blobs.store_document(blob, write_entry(entry))
        found = Found(entry.name, entry.kind, entry.effect, entry.code, document)
        try:
            self.table.write(Put(key, self._expire(found._asdict()), [Absent()]))
        except ConditionFailed:
            return self.read(read_found(self.table.get(key) or {}))
        return entry

    def mark_started(self, place: Place, name: str, code: str) -> Mark:
        key = self.scope.started_key(self.task_id, *place)
        mark = Mark(name, spell_idempotency_key(self.task_id, place), code)
        item = {"name": name, "idempotency_key": mark.idempotency_key, "code": code}
        try:
            self.table.write(Put(key, self._expire(item), [Absent()]))
        except ConditionFailed:
            return read_mark(self.table.get(key) or {})
        return mark

    def _expire(self, item: dict[str, Any]) -> dict[str, Any]:
        return {**item, "expires_at": Expiry("journals", read_clock())}


def keep_item(loaded: Loaded, item: Mapping[str, Any]) -> None:
    call = parse_call_key(item["sk"])
    place = Place(call.digest, call.occurrence)
    if call.started:
        loaded.marks.setdefault(place, read_mark(item))
    else:
        loaded.entries.setdefault(place, read_found(item))


def read_found(item: Mapping[str, Any]) -> Found:
    return Found(*(item[field] for field in Found._fields))


def read_mark(item: Mapping[str, Any]) -> Mark:
    return Mark(item["name"], item["idempotency_key"], item["code"])


def index_entry(text: str) -> Found:
    entry = read_entry(text)
    return Found(entry.name, entry.kind, entry.effect, entry.code, {"text": text})


def spell_idempotency_key(task_id: str, place: Place) -> str:
    """The same for a call however often it is made, and another for any other call."""
    return f"{task_id}-{place.digest[:32]}-{place.occurrence}"
