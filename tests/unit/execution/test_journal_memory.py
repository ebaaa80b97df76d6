"""A crew with a memory that runs again: nothing is searched, distilled or kept twice."""

import json
import zlib
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from typing import Any

import pytest
from crewai import Crew
from crewai.memory.types import MemoryRecord, ScopeInfo
from crewai.memory.unified_memory import Memory

from quarterdeck.execution.journal import Journal
from quarterdeck.execution.journal_store import MemoryStore
from quarterdeck.execution.memory_writes import CrewStorage
from quarterdeck.execution.stopping import Stop
from tests.openai_server import Body, Message, OpenAIServer
from tests.unit.execution.journals import (
    make_agent,
    make_llm,
    make_task,
    refuse,
    run_journaled,
    say,
)

ANSWERS: dict[str, dict[str, Any]] = {
    "MemoryAnalysis": {
        "suggested_scope": "/salt",
        "categories": ["sea"],
        "importance": 0.5,
        "extracted_metadata": {"entities": [], "dates": [], "topics": []},
    },
    "ConsolidationPlan": {"actions": [], "insert_new": True, "insert_reason": "new"},
}


class ListStorage:
    """What a crew keeps, searched by likeness; of crewai's backend what `Memory` calls."""

    def __init__(self) -> None:
        self.records: list[MemoryRecord] = []
        self.searches = 0

    def save(self, records: list[MemoryRecord]) -> None:
        self.records += records

    def search(
        self, query_embedding: list[float], limit: int = 10, **_: Any
    ) -> list[tuple[MemoryRecord, float]]:
        self.searches += 1
        found = [(record, 0.5) for record in self.records]
        return found[:limit]

    def list_scopes(self, parent: str = "/") -> list[str]:
        return sorted({record.scope for record in self.records})

    def list_categories(self, scope_prefix: str | None = None) -> dict[str, int]:
        return dict(Counter(name for record in self.records for name in record.categories))

    def get_scope_info(self, scope: str) -> ScopeInfo:
        return ScopeInfo(path=scope, record_count=len(self.records))


class Embedder:
    def __init__(self) -> None:
        self.texts = 0

    def __call__(self, texts: list[str]) -> list[list[float]]:
        self.texts += len(texts)
        return [[zlib.crc32(text.encode()) % 97 / 97, 1.0] for text in texts]


class Crews:
    """The crew built anew for each run, over one memory's storage."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.storage: Any = ListStorage()
        self.embedder = Embedder()

    def build(self) -> Crew:
        memory = Memory(
            storage=CrewStorage(self.storage),
            embedder=self.embedder,
            llm=make_llm(self.url),
            root_scope="/crew",
        )
        agents = [make_agent(self.url, role) for role in "AB"]
        tasks = [
            make_task(agent, f"{agent.role}: {'Why is the sea salt? ' * 20}", name=agent.role)
            for agent in agents
        ]
        return Crew(agents=agents, tasks=tasks, memory=memory, cache=False, tracing=False)

    @property
    def kept(self) -> list[str]:
        return sorted(record.content for record in self.storage.records)

    @property
    def used(self) -> tuple[int, int]:
        return self.storage.searches, self.embedder.texts


def make_answers() -> Callable[[Body], Message]:
    serial = count()

    def answer(body: Body) -> Message:
        if "response_format" not in body:
            return say(f"Rivers carry it, {next(serial)}.")
        name = body["response_format"]["json_schema"]["name"]
        if name == "ExtractedMemories":
            number = next(serial)
            return say(json.dumps({"memories": [f"Fact {number}.", f"Note {number}."]}))
        if name == "QueryAnalysis":
            return say(
                json.dumps(
                    {
                        "keywords": ["salt"],
                        "suggested_scopes": [],
                        "complexity": "simple",
                        "recall_queries": [f"salt {next(serial)}"],
                        "time_filter": None,
                    }
                )
            )
        return say(json.dumps(ANSWERS[name]))

    return answer


def test_a_crew_that_runs_again_leaves_its_memory_alone() -> None:
    store = MemoryStore("task-1")
    with OpenAIServer(make_answers()) as server:
        crews = Crews(server.url)
        first = run_journaled(crews.build(), Journal(store))
        kept, used = crews.kept, crews.used
        assert len(kept) == 4
        assert first.usage.requests == len(server.requests)
        assert {"recall", "keep", "written", "distil"} <= {
            json.loads(text)["name"] for text in store.entries.values()
        }
        server.answer = refuse
        again = Journal(store)
        second = run_journaled(crews.build(), again)
        assert (second.output, second.usage) == (first.output, first.usage)
        assert (crews.kept, crews.used, again.unclaimed()) == (kept, used, [])


@pytest.mark.parametrize("allowed", range(1, 12, 2))
def test_a_run_that_ends_anywhere_goes_on_without_paying_again(allowed: int) -> None:
    with OpenAIServer(make_answers()) as server:
        whole = Crews(server.url)
        run_journaled(whole.build(), Journal(MemoryStore("task-0")))
        calls = len(server.requests)

        crews, store, made = Crews(server.url), MemoryStore("task-1"), count()

        def guard() -> None:
            if next(made) >= allowed:
                raise Stop("out_of_time")

        server.requests.clear()
        stopped = Journal(store, guard)
        with suppress(Stop):
            run_journaled(crews.build(), stopped)
        assert stopped.stopped
        assert len(server.requests) < calls
        finished = run_journaled(crews.build(), Journal(store))
    assert (finished.usage.requests, len(server.requests)) == (calls, calls)
    assert len(crews.kept) == len(set(crews.kept)) == 4
