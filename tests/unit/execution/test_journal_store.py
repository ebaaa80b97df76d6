"""The journal in the table: put once, one query, large answers in S3, those of retried tasks."""

from datetime import timedelta
from typing import Any

import boto3
import pytest

from quarterdeck.blobs import INLINE_BYTES, BlobStore
from quarterdeck.execution.journal_entry import Entry
from quarterdeck.execution.journal_store import JournalStore, Loaded, MemoryStore, Place
from quarterdeck.keys import Scope
from quarterdeck.names import read_clock
from quarterdeck.table import Table

SCOPE = Scope("system", 3)
PLACE = Place("a" * 64, 0)
ENTRY = Entry("llm", "gpt", "salt", {"prompt_tokens": 7, "details": {"x": 1.5}}, "llm_call")


@pytest.fixture
def table(aws: None) -> Table:
    return Table(boto3.client("dynamodb"), "quarterdeck")


def open_store(table: Table, task_id: str = "task-1", **options: Any) -> JournalStore:
    return JournalStore(
        table, BlobStore(boto3.client("s3"), "quarterdeck"), SCOPE, task_id, **options
    )


def read_all(store: JournalStore, loaded: Loaded) -> dict[Place, Entry]:
    return {place: store.read(found) for place, found in loaded.entries.items()}


def test_what_is_recorded_is_loaded(table: Table) -> None:
    store, second = open_store(table), Place(PLACE.digest, 1)
    letter = Entry("tool", "send_letter", {"text": "Sent."}, effect=True, code="c")
    store.record(PLACE, ENTRY)
    store.record(second, letter)
    mark = store.mark_started(second, "send_letter", "c")
    loaded = open_store(table).load()
    assert read_all(store, loaded) == {PLACE: ENTRY, second: letter}
    assert loaded.marks == {second: mark}
    found = loaded.entries[second]
    assert (found.name, found.effect, found.code) == ("send_letter", True, "c")


def test_who_comes_second_adopts_what_is_kept(table: Table) -> None:
    first, second = open_store(table), open_store(table)
    first.record(PLACE, ENTRY)
    large = Entry("llm", "gpt", "x" * INLINE_BYTES)
    assert second.record(PLACE, large) == ENTRY
    other = Place("b" * 64, 0)
    assert first.record(other, large) == large
    assert second.record(other, Entry("llm", "gpt", "y" * INLINE_BYTES)) == large
    assert read_all(first, first.load()) == {PLACE: ENTRY, other: large}
    assert first.mark_started(PLACE, "t", "one") == second.mark_started(PLACE, "t", "two")


def test_large_answers_are_kept_beside_the_table(table: Table) -> None:
    store = open_store(table)
    large = Entry("llm", "gpt", "salt " * INLINE_BYTES)
    store.record(PLACE, large)
    (item,) = table.query(SCOPE.state_key("task-1").pk, "CALL#")
    assert item["document"]["blob"].startswith(f"{SCOPE.blob_prefix}/task-1/call-")
    assert read_all(store, store.load()) == {PLACE: large}


def test_a_journal_expires_in_two_weeks(table: Table) -> None:
    store = open_store(table)
    store.record(PLACE, ENTRY)
    store.mark_started(PLACE, "t", "c")
    expected = (read_clock() + timedelta(days=14)).timestamp()
    items = list(table.query(SCOPE.state_key("task-1").pk, "CALL#"))
    assert len(items) == 2
    assert all(abs(item["expires_at"] - expected) < 60 for item in items)


def test_a_retry_reads_the_journals_of_the_tasks_before_it(table: Table) -> None:
    """Its own entries count first; keys of effects stay those of the task that began them."""
    oldest, old = open_store(table, "task-1"), open_store(table, "task-2")
    places = [Place(letter * 64, 0) for letter in "abc"]
    for place in places:
        oldest.record(place, Entry("llm", "gpt", "oldest"))
    mark = oldest.mark_started(places[0], "t", "c")
    for place in places[1:]:
        old.record(place, Entry("llm", "gpt", "old"))
    new = open_store(table, "task-3", older=["task-2", "task-1"])
    new.record(places[2], Entry("llm", "gpt", "new"))
    loaded = new.load()
    answers = [entry.answer for _, entry in sorted(read_all(new, loaded).items())]
    assert answers == ["oldest", "old", "new"]
    assert loaded.marks == {places[0]: mark}
    assert mark.idempotency_key.startswith("task-1-")


def test_a_journal_of_many_pages_is_loaded_whole(table: Table) -> None:
    store = open_store(table)
    for number in range(45):
        store.record(Place("c" * 64, number), Entry("llm", "gpt", "x" * 30_000))
    assert len(store.load().entries) == 45


def test_a_journal_in_memory_is_like_that_in_the_table() -> None:
    store = MemoryStore("task-1")
    assert store.record(PLACE, ENTRY) == ENTRY
    assert store.record(PLACE, Entry("llm", "gpt", "other")) == ENTRY
    mark = store.mark_started(PLACE, "t", "one")
    assert store.mark_started(PLACE, "t", "two") == mark
    loaded = store.load()
    assert store.read(loaded.entries[PLACE]) == ENTRY
    assert loaded.marks == {PLACE: mark}
