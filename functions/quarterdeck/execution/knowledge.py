"""What a crew was given to know, as crewai's agents ask for it."""

import asyncio
from collections.abc import Callable
from typing import Any

from crewai.knowledge.knowledge import Knowledge
from crewai.knowledge.storage.base_knowledge_storage import BaseKnowledgeStorage
from crewai.rag.types import SearchResult

from quarterdeck.execution.embedders import build_vector_model
from quarterdeck.execution.journal import Journal, current_journal
from quarterdeck.execution.journal_key import digest
from quarterdeck.execution.journaled_embedder import JournaledEmbedder
from quarterdeck.execution.journaled_memory import make_call, report_calls
from quarterdeck.execution.library import Library, Pieces
from quarterdeck.execution.memory_faults import MemoryFailed
from quarterdeck.execution.steps import current_watch
from quarterdeck.memory.records import Memory
from quarterdeck.systems.configuration import REHEARSAL, Crew
from quarterdeck.tasks.outcome import TaskError

WORDS_IN_COMMON = 0.05
"""The least cosine by words alone: of a question and a long piece that answers it, 0.1 is usual."""


class TableKnowledge(BaseKnowledgeStorage):
    """Is read alone: what there is to know is said by the configuration."""

    library: Library
    embedder: JournaledEmbedder
    by_words: bool

    def search(
        self,
        query: list[str],
        limit: int = 5,
        metadata_filter: dict[str, Any] | None = None,  # noqa: ARG002
        score_threshold: float = 0.6,
    ) -> list[SearchResult]:
        """The pieces nearest to the query, scored as crewai's chromadb does: from 0 to 1.

        Done once for a task: it is recorded as one call, also one that fails.
        """
        asked = " ".join(query)

        least = WORDS_IN_COMMON if self.by_words else 2 * score_threshold - 1

        def find() -> list[SearchResult]:
            found = self.library.search(asked, limit, least)
            return [view_piece(memory, cosine) for memory, cosine in found]

        journal = current_journal.get(None)
        if journal is None:
            return find()
        called = digest(["knowledge", self.library.digest, asked, limit, score_threshold])
        return self._answer(journal, called, find)

    def _answer(
        self, journal: Journal, called: str, find: Callable[[], list[SearchResult]]
    ) -> list[SearchResult]:
        with journal.claim(called) as place:
            entry = journal.find(place)
            if entry is None:
                entry = make_call(journal, place, "know", find)
            else:
                report_calls(journal, entry, None, self.embedder)
        faults = [TaskError(**fault) for fault in entry.answer["faults"]]
        current_watch.get().memory_faults.report("know", faults)
        if "error" in entry.answer:
            raise MemoryFailed(entry.answer["error"])
        return list(entry.answer["items"])

    async def asearch(self, *args: Any, **kwargs: Any) -> list[SearchResult]:
        return await asyncio.to_thread(self.search, *args, **kwargs)

    def save(self, documents: list[str]) -> None:
        raise NotImplementedError("knowledge changes by a new version of the system")

    async def asave(self, documents: list[str]) -> None:
        self.save(documents)

    def reset(self) -> None:
        self.save([])

    async def areset(self) -> None:
        self.save([])


def build_knowledge(crew: Crew, pieces: Pieces, read_secret: Callable[[str], str]) -> Knowledge:
    """Of a crew that was given some. Asks nobody; SecretMissing names the secret."""
    embedder = JournaledEmbedder(build_vector_model(crew.embedder, read_secret))
    library = Library(crew.knowledge, pieces, crew.embedder, embedder)
    storage = TableKnowledge(
        library=library, embedder=embedder, by_words=crew.embedder.model == REHEARSAL
    )
    return Knowledge(collection_name=crew.name, sources=[], storage=storage)


def view_piece(memory: Memory, cosine: float) -> SearchResult:
    return {
        "id": memory.record_id,
        "content": memory.content,
        "metadata": {"name": memory.source},
        "score": (1 + cosine) / 2,
    }
