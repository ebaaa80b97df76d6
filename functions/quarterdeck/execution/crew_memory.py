"""crewai's memory for a crew, as its configuration has it."""

from collections.abc import Callable
from typing import Any, Literal

from crewai.llms.base_llm import BaseLLM
from crewai.memory.types import MemoryMatch, MemoryRecord
from crewai.memory.unified_memory import Memory
from crewai.memory.utils import sanitize_scope_name

from quarterdeck.execution.embedders import build_vector_model
from quarterdeck.execution.journaled_embedder import JournaledEmbedder
from quarterdeck.execution.llms import build_llm
from quarterdeck.execution.memory_writes import LONGEST_CONTENT, CrewStorage, Storage
from quarterdeck.systems.configuration import Crew

MODEL_SECONDS = 60.0
"""For a request of memory's own: the task waits for it, and can do without."""
MOST_STATEMENTS = 20
"""Of one answer; each of them can be a call of the model more."""
NO_CONSOLIDATION = 1.0
"""Likeness that only the same text has."""


class CrewMemory(Memory):
    """crewai's, which would search deeply and have every memory analysed."""

    depth: Literal["shallow", "deep"] = "shallow"
    analysis: bool = False

    def recall(self, query: str, *args: Any, **options: Any) -> list[MemoryMatch]:
        return super().recall(query, *args, **{"depth": self.depth, **options})

    def extract_memories(self, content: str) -> list[str]:
        return choose_statements(super().extract_memories(content), content)

    def remember(self, content: str, *args: Any, **options: Any) -> MemoryRecord | None:
        return super().remember(content, *args, **{**self._say_what_is_said(), **options})

    def remember_many(self, contents: list[str], *args: Any, **options: Any) -> list[MemoryRecord]:
        return super().remember_many(contents, *args, **{**self._say_what_is_said(), **options})

    def _say_what_is_said(self) -> dict[str, Any]:
        """What the model is asked for where it is missing."""
        if self.analysis:
            return {}
        return {"scope": "/", "categories": [], "importance": self.default_importance}


def choose_statements(drawn: list[str], content: str) -> list[str]:
    """No more, and none longer, than an answer is worth.

    None of a model that fails: crewai would keep the task and its answer whole, as a memory.
    """
    statements = [each for each in drawn if each != content]
    return [statement[:LONGEST_CONTENT] for statement in statements[:MOST_STATEMENTS]]


def build_models(
    crew: Crew, read_secret: Callable[[str], str], timeout: float
) -> tuple[BaseLLM, JournaledEmbedder]:
    """Those that the memory of a crew asks."""
    llm = build_llm(crew.memory_llm, read_secret, min(timeout, MODEL_SECONDS))
    return llm, JournaledEmbedder(build_vector_model(crew.embedder, read_secret))


def build_memory(
    crew: Crew,
    storage: Storage,
    read_secret: Callable[[str], str],
    timeout: float,
) -> CrewMemory:
    """Of a crew in which someone has memory. Asks nobody; SecretMissing names the secret."""
    settings = crew.memory
    llm, embedder = build_models(crew, read_secret, timeout)
    return CrewMemory(
        llm=llm,
        storage=CrewStorage(storage),
        embedder=embedder,
        root_scope=f"/crew/{sanitize_scope_name(crew.name)}",
        depth=settings.recall,
        analysis=settings.analysis,
        read_only=settings.read_only,
        recency_half_life_days=settings.recency_half_life_days,
        **({} if settings.consolidation else {"consolidation_threshold": NO_CONSOLIDATION}),
    )
