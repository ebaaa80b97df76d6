"""A crew's memory by way of the journal: what it found, kept and distilled is not asked again."""

import inspect
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

from crewai.memory.types import MemoryMatch, MemoryRecord
from crewai.memory.unified_memory import Memory
from pydantic import BaseModel

from quarterdeck.execution.journal import Journal, current_journal
from quarterdeck.execution.journal_entry import Entry
from quarterdeck.execution.journal_key import digest
from quarterdeck.execution.journal_store import Place
from quarterdeck.execution.journaled_calls import Asked, gather_calls, report_call

KINDS: dict[str, type[BaseModel] | None] = {
    "recall": MemoryMatch,
    "_encode_batch": MemoryRecord,
    "extract_memories": None,
}
"""What the methods give lists of; None: text. `_encode_batch` is what each saving comes to."""


def journal_memory(method: Callable[..., Any]) -> Callable[..., Any]:
    """One of KINDS as one call, with whatever it asks of models on its way.

    Searching again would find what was kept since, with scores that fade with time; saving again
    would keep everything twice. The models' calls are recorded one by one as well, for a worker
    that dies between two of them.
    """
    kind, signature = KINDS[method.__name__], inspect.signature(method)

    @wraps(method)
    def call(memory: Memory, *args: Any, **kwargs: Any) -> Any:
        journal = current_journal.get(None)
        if journal is None:
            return method(memory, *args, **kwargs)
        given = signature.bind(memory, *args, **kwargs)
        given.apply_defaults()
        arguments = [memory.root_scope, *list(given.arguments.values())[1:]]
        with journal.claim(digest(["memory", method.__name__, arguments])) as place:
            entry = journal.find(place)
            if entry is None:
                entry = act(journal, place, method, given)
            else:
                report_calls(journal, memory, entry)
        return [kind.model_validate(item) if kind else item for item in entry.answer["items"]]

    return call


def act(
    journal: Journal, place: Place, method: Callable[..., Any], given: inspect.BoundArguments
) -> Entry:
    with journal.enter_call(), gather_calls() as calls:
        items = method(*given.args, **given.kwargs)
        answer = {"items": dump_items(items), "calls": [list(call) for call in calls]}
        return journal.record(place, "memory", method.__name__.lstrip("_"), answer)


def dump_items(items: Sequence[Any]) -> list[Any]:
    return [i.model_dump(mode="json") if isinstance(i, BaseModel) else i for i in items]


def report_calls(journal: Journal, memory: Memory, entry: Entry) -> None:
    """Takes the models' calls of a memory's call as asked for, and counts them."""
    for digest_, occurrence in entry.answer["calls"]:
        place = Place(digest_, occurrence)
        if (call := journal.find(place)) is not None:
            journal.take(place)
            report_call(Asked(memory._llm, ([],), {}), call, inherited=journal.is_inherited(place))
