"""A crew's memory by way of the journal: what it found, kept and distilled is not asked again."""

import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial, wraps
from typing import Any

from crewai.memory.types import MemoryMatch, MemoryRecord
from crewai.memory.unified_memory import Memory
from pydantic import BaseModel

from quarterdeck.execution.call_events import beside_steps
from quarterdeck.execution.journal import Journal, current_journal
from quarterdeck.execution.journal_entry import Entry
from quarterdeck.execution.journal_key import digest
from quarterdeck.execution.journal_store import Place
from quarterdeck.execution.journaled_calls import Asked, gather_calls, report_call, tell_call
from quarterdeck.execution.memory_faults import (
    MemoryFailed,
    note_fault,
    note_faults,
)
from quarterdeck.execution.memory_writes import defer_writes
from quarterdeck.execution.steps import current_watch
from quarterdeck.tasks.events import MemoryUse
from quarterdeck.tasks.outcome import TaskError

KINDS: dict[str, tuple[MemoryUse, type[BaseModel] | None]] = {
    "recall": ("recall", MemoryMatch),
    "_encode_batch": ("keep", MemoryRecord),
    "extract_memories": ("distil", None),
}
"""What the methods do, and give lists of; None: text. `_encode_batch` is what each saving \
comes to."""


def journal_memory(method: Callable[..., Any]) -> Callable[..., Any]:
    """One of KINDS as one call, with whatever it asks of models on its way.

    Searching again would find what was kept since, with scores that fade with time; saving again
    would keep everything twice. The models' calls are recorded one by one as well, for a worker
    that dies between two of them. A call that fails is recorded too: it fails again, and whoever
    goes on without it does so again.
    """
    (use, kind), signature = KINDS[method.__name__], inspect.signature(method)

    @wraps(method)
    def call(memory: Memory, *args: Any, **kwargs: Any) -> Any:
        journal = current_journal.get(None)
        if journal is None:
            return method(memory, *args, **kwargs)
        given = signature.bind(memory, *args, **kwargs)
        given.apply_defaults()
        with count_beside(beside=use == "keep"):
            asked = [method.__name__, *list(given.arguments.values())[1:]]
            act = partial(method, *given.args, **given.kwargs)
            answer = answer_call(journal, memory, use, act, asked)
        if "error" in answer:
            raise MemoryFailed(answer["error"])
        return [kind.model_validate(item) if kind else item for item in answer["items"]]

    return call


@contextmanager
def count_beside(*, beside: bool) -> Iterator[None]:
    """What is kept in the background may come before or after its step's end."""
    token = beside_steps.set(beside)
    try:
        yield
    finally:
        beside_steps.reset(token)


def answer_call(
    journal: Journal,
    memory: Memory,
    use: MemoryUse,
    act: Callable[[], Sequence[Any]],
    asked: list[Any],
) -> dict[str, Any]:
    """What is recorded of the call, now or before; its writes are done."""
    with journal.claim(digest(["memory", memory.root_scope, *asked])) as place:
        entry = journal.find(place)
        if entry is None:
            entry = make_call(journal, place, use, act)
        else:
            report_calls(journal, entry, memory._llm, memory._embedder)
        answer: dict[str, Any] = entry.answer
        faults = [*answer["faults"]]
        if answer["writes"]:
            faults += carry_out(journal, place, memory, answer["writes"])
    current_watch.get().memory_faults.report(use, [TaskError(**fault) for fault in faults])
    return answer


def make_call(
    journal: Journal, place: Place, use: MemoryUse, act: Callable[[], Sequence[Any]]
) -> Entry:
    with (
        journal.enter_call(),
        gather_calls() as calls,
        note_faults() as faults,
        defer_writes() as writes,
    ):
        answer: dict[str, Any] = {"items": [], "writes": []}
        try:
            current_watch.get().memory_faults.check(use)
            answer |= {"items": dump_items(act()), "writes": writes}
        except Exception as error:
            note_fault(error)
            answer["error"] = f"{type(error).__name__}: {error}"
        answer |= {"calls": [list(call) for call in calls], "faults": dump_items(faults)}
        if faults:
            journal.tally.count("memory_faults")
        return journal.record(place, "memory", use, answer)


def carry_out(
    journal: Journal, place: Place, memory: Memory, writes: Sequence[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Does what the call at `place` has written, unless that is recorded; what failed in it."""
    storage: Any = memory._storage
    with journal.claim(digest(["memory", "written", *place])) as written:
        entry = journal.find(written)
        if entry is None:
            with journal.enter_call(), note_faults() as faults:
                try:
                    storage.carry_out(writes)
                except Exception as error:
                    note_fault(error)
                    journal.tally.count("memory_faults")
                answer = {"faults": dump_items(faults)}
                entry = journal.record(written, "memory", "written", answer)
    faults_then: list[dict[str, Any]] = entry.answer["faults"]
    return faults_then


def dump_items(items: Sequence[Any]) -> list[Any]:
    return [i.model_dump(mode="json") if isinstance(i, BaseModel) else i for i in items]


def report_calls(journal: Journal, entry: Entry, llm: Any, embedder: Any) -> None:
    """Takes the models' calls of a memory's call as asked for, and counts them."""
    for digest_, occurrence in entry.answer["calls"]:
        place = Place(digest_, occurrence)
        if (call := journal.find(place)) is not None:
            journal.take(place)
            inherited = journal.is_inherited(place)
            if call.kind == "embedding":
                embedder.report(call, inherited=inherited)
            else:
                asked = Asked(llm, ([],), {})
                report_call(asked, call, inherited=inherited)
                tell_call(journal, asked, place, call)
