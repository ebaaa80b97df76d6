"""Crews that remember: from one run to another, each agent as configured, whatever fails."""

import secrets
from collections.abc import Callable
from datetime import timedelta
from http import HTTPStatus
from typing import Any
from unittest.mock import patch

import pytest
from crewai.memory.analyze import ExtractedMemories
from crewai.memory.unified_memory import Memory as CrewaiMemory

from quarterdeck.execution.crew_memory import MOST_STATEMENTS, build_memory
from quarterdeck.execution.crews import check_crew
from quarterdeck.execution.gate import BRIEF_ATTEMPTS
from quarterdeck.execution.journal import Journal
from quarterdeck.execution.journal_store import MemoryStore as JournalMemory
from quarterdeck.execution.memory_faults import MOST_IN_A_ROW, MemoryFaults, MemoryLeftAlone
from quarterdeck.execution.memory_upkeep import ODDS, is_due, tidy_memory
from quarterdeck.execution.memory_writes import LONGEST_CONTENT
from quarterdeck.execution.rehearsal import RehearsalLLM
from quarterdeck.execution.run import run_crew
from quarterdeck.memory.backend import TableStorage
from quarterdeck.memory.store import MemoryStore
from quarterdeck.systems.configuration import Crew, Memory
from quarterdeck.tasks.events import MemoryDegraded, RunEvent
from quarterdeck.tasks.outcome import Outcome, TaskError
from quarterdeck.vault import SecretMissing
from tests.fakes import FakeTable
from tests.faults import Unreachable
from tests.memories import START, make_memory, open_store
from tests.openai_server import Body, Message, OpenAIServer, answer_by_rule
from tests.unit.execution.configurations import NO_SECRETS, make_crew

STORM = "The harbour of Rotterdam was closed for a storm in March."
QUESTION = "Which weather should captains on their way to Rotterdam know of?"


@pytest.fixture
def table() -> FakeTable:
    return FakeTable()


def run(
    crew: Crew,
    description: str,
    store: MemoryStore | None,
    *,
    task_id: str = "task-1",
    on_event: Callable[[RunEvent], None] = lambda _: None,
    journal: Journal | None = None,
    read_secret: Callable[[str], str] = NO_SECRETS.__getitem__,
) -> Outcome:
    return run_crew(
        task_id,
        crew,
        description,
        {},
        timeout=60,
        read_secret=read_secret,
        verbose=False,
        on_event=on_event,
        journal=journal,
        storage=TableStorage(store, lambda: task_id) if store else None,
    )


def list_contents(store: MemoryStore) -> list[str]:
    return sorted(memory.content for memory in store.list_newest())


def switch(crew: Crew, *remembering: bool) -> Crew:
    agents = tuple(
        agent.model_copy(update={"memory_enabled": on})
        for agent, on in zip(crew.agents, remembering, strict=True)
    )
    return crew.model_copy(update={"agents": agents})


@pytest.mark.parametrize("process", ["sequential", "hierarchical"])
@pytest.mark.parametrize("memory", [{}, {"recall": "deep", "analysis": True}])
def test_a_crew_remembers_what_another_run_has_learned(
    process: str, memory: dict[str, Any], table: FakeTable
) -> None:
    crew = make_crew(["A", "B"], process=process, memory=memory)
    learned = run(crew, f"Say what is known.\n\n{STORM} Ships waited.", open_store(table))
    assert learned.status == "succeeded"
    kept = list_contents(open_store(table))
    assert STORM in kept
    assert len(kept) == len(set(kept))
    recalled = run(crew, QUESTION, open_store(table), task_id="task-2")
    assert STORM in (recalled.output or "")
    unaware = run(crew, QUESTION, None)
    assert "closed" not in (unaware.output or "")


def test_an_agent_without_memory_neither_recalls_nor_keeps(table: FakeTable) -> None:
    crew = make_crew(["A"])
    run(crew, STORM, open_store(table))
    before = list_contents(open_store(table))
    calls: list[str] = []
    table.calls.before_read = lambda operation, _: calls.append(operation)
    outcome = run(switch(crew, False), QUESTION, open_store(table), task_id="task-2")
    assert calls == []
    assert (outcome.status, outcome.usage.requests) == ("succeeded", 1)
    assert "closed" not in (outcome.output or "")
    assert list_contents(open_store(table)) == before


def test_memory_is_offered_to_those_who_have_it() -> None:
    offered: list[set[str]] = []

    def answer(body: Body) -> Message:
        if "response_format" not in body:
            offered.append({tool["function"]["name"] for tool in body.get("tools", ())})
        return answer_by_rule({**body, "tools": []})

    with OpenAIServer(answer) as server:
        crew = make_crew(["A", "B"], {"model": "openai/gpt", "base_url": server.url})
        run(switch(crew, True, False), QUESTION, open_store(FakeTable()))
        read_only = {"memory": Memory(read_only=True)}
        run(crew.model_copy(update=read_only), QUESTION, store := open_store(FakeTable()))
    tools = {"search_memory", "save_to_memory"}
    assert offered == [tools, set(), {"search_memory"}, {"search_memory"}]
    assert store.count() == 0


def test_embeddings_are_asked_once_and_are_in_the_tasks_usage(table: FakeTable) -> None:
    with OpenAIServer() as server:
        crew = embed_by(make_crew(["A", "B"]), server)
        kept = JournalMemory("task-1")
        first = run(crew, STORM, open_store(table), journal=Journal(kept))
        asked = len(server.embedded)
        assert asked >= 4, "two agents recall, and keep"
        assert first.usage.unpriced == asked, "a server of one's own has no price"
        again = run(crew, STORM, open_store(table), journal=Journal(kept))
    assert len(server.embedded) == asked
    assert again.usage == first.usage
    assert again.output == first.output


def embed_by(crew: Crew, server: OpenAIServer, **fields: Any) -> Crew:
    embedder = {"model": "openai/small", "base_url": server.url}
    memory = Memory.model_validate({"embedder": embedder, **fields})
    return crew.model_copy(update={"memory": memory})


def run_and_tell(crew: Crew, store: MemoryStore, journal: Journal) -> tuple[Outcome, list[Any]]:
    """With what was degraded."""
    events: list[RunEvent] = []
    outcome = run(crew, STORM, store, on_event=events.append, journal=journal)
    return outcome, [event for event in events if isinstance(event, MemoryDegraded)]


def test_an_embedder_that_throttles_costs_nothing_but_memory(table: FakeTable) -> None:
    kept = JournalMemory("task-1")
    with OpenAIServer() as server:
        crew = embed_by(make_crew(["A", "B"]), server)
        server.refuse_embedding = HTTPStatus.TOO_MANY_REQUESTS
        journal = Journal(kept, sleep=lambda _: None)
        outcome, degraded = run_and_tell(crew, open_store(table), journal)
        # What came of it is the task's: a replay does as it did, though the provider is back.
        server.refuse_embedding = None
        again, told = run_and_tell(crew, open_store(table), Journal(kept))
    assert (outcome.status, outcome.error) == ("succeeded", None)
    assert [(event.use, event.error.type) for event in degraded] == [
        ("keep", "RateLimitError"),
        ("recall", "RateLimitError"),
    ]
    assert journal.tally.read()["memory_faults"] == 4
    assert "throttled" not in journal.tally.read(), "no fault of the crew's own models"
    assert (again.output, again.usage, told) == (outcome.output, outcome.usage, degraded)
    assert server.embedded == []
    assert open_store(table).count() == 0


def lose_reads(table: FakeTable) -> None:
    def lose(operation: str, _: Any) -> None:
        raise Unreachable(operation)

    table.calls.before_read = lose


def lose_writes(table: FakeTable) -> None:
    def lose() -> None:
        raise Unreachable

    table.calls.before_write = lose


@pytest.mark.parametrize(("break_table", "uses"), [
    (lose_reads, {"recall", "keep"}), (lose_writes, {"keep"}),
])  # fmt: skip
def test_a_table_that_is_out_of_reach_costs_nothing_but_memory(
    break_table: Callable[[FakeTable], None], uses: set[str], table: FakeTable
) -> None:
    crew, kept = make_crew(["A", "B"]), JournalMemory("task-1")
    break_table(table)
    outcome, degraded = run_and_tell(crew, open_store(table), Journal(kept))
    assert outcome.status == "succeeded"
    assert {(event.use, event.error.type) for event in degraded} == {
        (use, "Unreachable") for use in uses
    }
    healed = open_store(FakeTable())
    again, told = run_and_tell(crew, healed, Journal(kept))
    assert (again.output, again.usage, told) == (outcome.output, outcome.usage, degraded)
    assert healed.count() == 0


def test_a_model_that_refuses_memory_alone_does_not_fail_the_task(table: FakeTable) -> None:
    refused: list[str] = []

    def answer(body: Body) -> Message:
        if "response_format" in body:
            refused.append(body["response_format"]["json_schema"]["name"])
            raise ConnectionAbortedError
        return answer_by_rule({**body, "tools": []})

    with OpenAIServer(answer) as server:
        crew = make_crew(["A"], {"model": "openai/gpt", "base_url": server.url})
        journal = Journal(JournalMemory("task-1"), sleep=lambda _: None)
        outcome, degraded = run_and_tell(crew, open_store(table), journal)
    assert refused == ["ExtractedMemories"] * BRIEF_ATTEMPTS
    assert outcome.status == "succeeded"
    assert [(event.use, event.error.type) for event in degraded] == [("distil", "ConnectionError")]
    assert "retries" not in journal.tally.read()
    assert open_store(table).count() == 0, "a whole answer is no memory"


def test_a_secret_that_is_missing_costs_nothing_but_memory(table: FakeTable) -> None:
    crew = make_crew(["A"], memory={"embedder": {"model": "openai/small", "secret": "gone"}})

    def read_secret(name: str) -> str:
        raise SecretMissing(f"no secret {name}")

    events: list[RunEvent] = []
    store = open_store(table)
    outcome = run(crew, STORM, store, on_event=events.append, read_secret=read_secret)
    assert outcome.status == "succeeded"
    error = TaskError(type="SecretMissing", message="no secret gone")
    assert events[-1] == MemoryDegraded(use="open", error=error)
    with pytest.raises(SecretMissing):
        check_crew(crew, read_secret)


def test_memory_is_left_alone_after_calls_in_a_row_that_failed() -> None:
    faults, fault = MemoryFaults(), TaskError(type="Down", message="x")
    for _ in range(2):
        for _ in range(MOST_IN_A_ROW - 1):
            faults.report("recall", [fault, fault])
        faults.check("recall")
        faults.report("recall", [])
    for _ in range(MOST_IN_A_ROW):
        faults.check("distil")
        faults.report("keep", [fault])
    faults.check("recall")
    for use in ("keep", "distil"):
        with pytest.raises(MemoryLeftAlone):
            faults.check(use)
    assert [(event.use, event.error) for event in faults.events] == [
        ("keep", fault),
        ("recall", fault),
    ]


def test_a_model_that_draws_too_much_is_cut(table: FakeTable) -> None:
    crew = make_crew(["A"], memory={"consolidation": False})
    memory = build_memory(crew, TableStorage(open_store(table)), NO_SECRETS.__getitem__, 60)
    drawn = ExtractedMemories(memories=["y" * 9_000, *(f"Fact {n}" for n in range(50))])
    with patch.object(RehearsalLLM, "call", return_value=drawn):
        statements = memory.extract_memories("Result: x")
    assert len(statements) == MOST_STATEMENTS
    assert max(map(len, statements)) == LONGEST_CONTENT
    memory.remember("z" * 9_000)
    memory.close()
    assert list_contents(open_store(table)) == ["z" * LONGEST_CONTENT]


def test_settings_of_memory_reach_crewai() -> None:
    settings = {
        "recall": "deep", "analysis": True, "consolidation": False, "read_only": True,
        "recency_half_life_days": 7, "llm": "ollama/small",
    }  # fmt: skip
    crew = make_crew(["A"], memory=settings)
    storage = TableStorage(open_store(FakeTable()))
    memory: Any = build_memory(crew, storage, NO_SECRETS.__getitem__, 600)
    assert (memory.depth, memory.analysis, memory.read_only) == ("deep", True, True)
    assert (memory.recency_half_life_days, memory.consolidation_threshold) == (7, 1.0)
    assert (memory.llm.provider, memory.llm.timeout) == ("ollama", 60)
    assert memory.root_scope == "/crew/crew"
    usual: Any = build_memory(make_crew(["A"]), storage, NO_SECRETS.__getitem__, 600)
    assert usual.consolidation_threshold == CrewaiMemory.model_fields[
        "consolidation_threshold"].default  # fmt: skip


def test_old_memories_are_forgotten_now_and_then(
    table: FakeTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert is_due(held=0, most=10, lot=0)
    assert not is_due(held=11, most=10, lot=1)
    assert is_due(held=12, most=10, lot=1)
    lots = iter([1, 0, 0, 0])
    monkeypatch.setattr(secrets, "randbelow", lambda odds: next(lots) if odds == ODDS else 0)
    store = open_store(table)
    now = START + timedelta(days=2)
    store.put([make_memory(n) for n in range(4)])
    settings = Memory(max_records=4)
    tidy_memory(store, settings, now)
    assert store.count() == 4
    tidy_memory(store, settings.model_copy(update={"max_records": 2}), now)
    assert [m.record_id for m in store.list_newest()] == ["memory-3", "memory-2"]
    tidy_memory(store, settings.model_copy(update={"max_age_days": 1}), now)
    assert store.count() == 0
    lose_reads(table)
    tidy_memory(store, settings.model_copy(update={"max_records": 1}), now)
