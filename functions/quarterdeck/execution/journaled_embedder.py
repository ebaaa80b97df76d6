"""An embedder as crewai's memory calls it, by way of the journal."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

from quarterdeck.execution.embedders import VectorModel
from quarterdeck.execution.journal import Journal, current_journal
from quarterdeck.execution.journal_entry import Entry
from quarterdeck.execution.journal_key import digest
from quarterdeck.execution.journal_store import Place
from quarterdeck.execution.journaled_calls import note_place
from quarterdeck.execution.memory_faults import note_fault
from quarterdeck.execution.memory_writes import decode_vector, encode_vector
from quarterdeck.execution.prices import count_usage
from quarterdeck.execution.steps import current_watch
from quarterdeck.systems.configuration import Embedder

type Vectors = list[list[float]]


class NotRecorded(Exception):
    """So that the call's place is free again."""


class AskedEmbedder(NamedTuple):
    """An embedder as prices and budgets know a model. It answers in no tokens."""

    provider: str
    model: str
    base_url: str | None
    max_tokens: int = 1

    @classmethod
    def read(cls, embedder: Embedder) -> Self:
        url = embedder.base_url
        name = embedder.model.partition("/")[2]
        return cls(embedder.provider, name, str(url) if url else None)


@dataclass
class EmbeddingCall:
    """As budgets know a call."""

    llm: AskedEmbedder
    arguments: dict[str, Any]
    usage: dict[str, Any] | None = None


class JournaledEmbedder:
    """A model that costs something is asked once; what its provider counts is the task's usage."""

    def __init__(self, model: VectorModel) -> None:
        self._model = model

    def __call__(self, texts: list[str]) -> Vectors:
        journal = current_journal.get(None)
        if journal is None or self._model.is_local:
            return self._model.embed(texts).vectors
        try:
            with journal.claim(self._digest(texts)) as place:
                entry = journal.find(place) or self._ask(journal, place, texts)
                self.report(entry, inherited=journal.is_inherited(place))
                note_place(place)
        except Exception as error:
            note_fault(error)
            raise
        return [decode_vector(vector) for vector in entry.answer["vectors"]]

    def take_recorded(self, texts: list[str]) -> None:
        """Counts the call if the task has made it before, and makes none."""
        journal = current_journal.get(None)
        if journal is None or self._model.is_local:
            return
        with suppress(NotRecorded), journal.claim(self._digest(texts)) as place:
            entry = journal.find(place)
            if entry is None:
                raise NotRecorded
            self.report(entry, inherited=journal.is_inherited(place))
            note_place(place)

    def _digest(self, texts: list[str]) -> str:
        return digest(["embedding", self._model.embedder.model_dump(mode="json"), texts])

    def _ask(self, journal: Journal, place: Place, texts: list[str]) -> Entry:
        call = EmbeddingCall(
            AskedEmbedder.read(self._model.embedder), {"messages": texts, "tools": None}
        )
        with journal.enter_call():
            with journal.hold_budget(call):
                embedded = try_briefly(journal, lambda: self._model.embed(texts))
                call.usage = {"prompt_tokens": embedded.tokens}
            answer = {"vectors": [encode_vector(vector) for vector in embedded.vectors]}
            name = self._model.embedder.model
            return journal.record(place, "embedding", name, answer, usage=call.usage)

    def report(self, entry: Entry, *, inherited: bool) -> None:
        """Counts the call, unless a task that this one retries has."""
        watch = current_watch.get(None)
        if watch is not None and not inherited:
            usage = count_usage(AskedEmbedder.read(self._model.embedder), entry.usage)
            # A request is to a model that answers.
            watch.count_usage(usage.model_copy(update={"requests": 0}))


def try_briefly[T](journal: Journal, act: Callable[[], T]) -> T:
    tried = 0
    while True:
        tried += 1
        try:
            return act()
        except Exception as error:
            if not journal.gate.wait_briefly(error, tried):
                raise
