"""What a crew was given to know: found by its agents, embedded once, asked for once a task."""

import asyncio
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.local.run_crew import main as run_crew_command
from quarterdeck.execution.embedders import Embedded, build_vector_model
from quarterdeck.execution.journal import Journal
from quarterdeck.execution.journal_store import MemoryStore as JournalMemory
from quarterdeck.execution.journaled_embedder import JournaledEmbedder
from quarterdeck.execution.knowledge import TableKnowledge
from quarterdeck.execution.library import BATCH, Library
from quarterdeck.execution.run import run_crew
from quarterdeck.memory.store import MemoryStore
from quarterdeck.systems.configuration import Crew, Embedder, KnowledgeText
from quarterdeck.tasks.events import MemoryDegraded, RunEvent
from quarterdeck.tasks.outcome import Outcome
from tests.fakes import FakeTable
from tests.faults import Crash
from tests.memories import SCOPE, FakeS3, open_store
from tests.openai_server import OpenAIServer
from tests.unit.execution.configurations import NO_SECRETS, make_crew
from tests.unit.execution.journals import copy_store, refuse, say

FACTS = {
    "harbour": "The harbour of Rotterdam was closed for a storm in March.",
    "invoices": "Invoices of the supplier are paid within thirty days.",
    "tomatoes": "Tomatoes need six hours of sun a day.",
}
QUESTION = "Within how many days do we pay an invoice of a supplier?"


def make_texts(facts: dict[str, str]) -> list[KnowledgeText]:
    return [KnowledgeText(name=name, text=text) for name, text in facts.items()]


class Shelf:
    """Where a test's pieces are: each store is another process's."""

    def __init__(self) -> None:
        self.table, self.s3 = FakeTable(), FakeS3()

    def open(self) -> MemoryStore:
        blobs = open_store(self.table, self.s3).blobs
        return MemoryStore(self.table, blobs, SCOPE, "crew", "KNOWLEDGE")


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture
def server() -> Iterator[OpenAIServer]:
    with OpenAIServer(lambda body: say(body["messages"][-1]["content"])) as server:
        yield server


def make_knowing_crew(server: OpenAIServer, **fields: Any) -> Crew:
    """Its model says what it is asked; its embedder is the server's."""
    llm = {"model": "openai/gpt", "base_url": server.url}
    embedder = {"model": "openai/embed", "base_url": server.url}
    knowledge = [{"name": name, "text": text} for name, text in FACTS.items()]
    crew = make_crew(
        ["A", "B"], llm, memory={"embedder": embedder}, **({"knowledge": knowledge} | fields)
    )
    agents = tuple(each.model_copy(update={"memory_enabled": False}) for each in crew.agents)
    return crew.model_copy(update={"agents": agents})


def run(
    crew: Crew,
    shelf: Shelf,
    journal: Journal | None = None,
    on_event: Callable[[RunEvent], None] = lambda _: None,
) -> Outcome:
    return run_crew(
        "task-1",
        crew,
        QUESTION,
        {},
        timeout=60,
        read_secret=NO_SECRETS.__getitem__,
        verbose=False,
        on_event=on_event,
        journal=journal,
        pieces=shelf.open(),
    )


def list_embedded(server: OpenAIServer) -> list[str]:
    return [text for body in server.embedded for text in body["input"]]


def test_an_agent_is_given_what_fits_its_turn(server: OpenAIServer, shelf: Shelf) -> None:
    outcome = run(make_knowing_crew(server), shelf)
    assert outcome.status == "succeeded", outcome.error
    asked = [body["messages"][-1]["content"] for body in server.requests]
    queries, turns = asked[0::2], asked[1::2]
    assert all(text.startswith("The original query is: ") for text in queries)
    assert all("Additional Information: " + FACTS["invoices"] in text for text in turns)
    # A text is embedded once, and then what each of the two agents looks for.
    assert list_embedded(server)[: len(FACTS)] == list(FACTS.values())
    assert len(list_embedded(server)) == len(FACTS) + 2


def test_a_rehearsal_answers_with_what_the_crew_knows(shelf: Shelf) -> None:
    knowledge = [{"name": name, "text": text} for name, text in FACTS.items()]
    crew = make_crew(["A"], knowledge=knowledge, memory={"embedder": "rehearsal"})
    outcome = run(crew, shelf)
    assert outcome.output is not None
    assert FACTS["invoices"] in outcome.output


def test_a_crew_without_knowledge_asks_for_none(server: OpenAIServer, shelf: Shelf) -> None:
    run(make_knowing_crew(server, knowledge=[]), shelf)
    assert (len(server.requests), server.embedded) == (2, [])


def test_a_further_task_and_version_embed_what_is_new(server: OpenAIServer, shelf: Shelf) -> None:
    run(make_knowing_crew(server), shelf)
    server.embedded.clear()
    run(make_knowing_crew(server), shelf)
    assert len(list_embedded(server)) == 2
    server.embedded.clear()
    (name, text), *rest = FACTS.items()
    changed = [{"name": name, "text": text + " Again."}, *({"name": n, "text": t} for n, t in rest)]
    run(make_knowing_crew(server, knowledge=changed), shelf)
    assert text + " Again." in list_embedded(server)


def test_a_replay_asks_nobody_and_says_the_same(server: OpenAIServer, shelf: Shelf) -> None:
    crew, kept = make_knowing_crew(server), JournalMemory("task-1")
    first = run(crew, shelf, Journal(kept))
    answer, server.answer = server.answer, refuse
    server.refuse_embedding = HTTPStatus.IM_A_TEAPOT
    # Of the first entries, the second is the pieces' embedding: from then on they are kept.
    for entries in range(len(kept.entries), 1, -1):
        journal = Journal(copy_store(kept, entries))
        again = run(crew, shelf, journal)
        assert (again.output, again.usage) == (first.output, first.usage), entries
        assert journal.unclaimed() == [], entries
        server.answer, server.refuse_embedding = answer, None


@pytest.mark.parametrize("kept", [0, 1, BATCH, BATCH + 1, BATCH + 3])
def test_a_worker_lost_while_indexing_pays_once(
    kept: int, server: OpenAIServer, shelf: Shelf
) -> None:
    """Lost after `kept` pieces were put, whose embedding is recorded."""
    facts = [{"name": f"f{n}", "text": f"Fact {n} of invoices."} for n in range(BATCH + 4)]
    crew, store = make_knowing_crew(server, knowledge=facts), JournalMemory("task-1")
    whole = run(make_knowing_crew(server, knowledge=facts), Shelf(), Journal(JournalMemory("t")))
    texts = len(list_embedded(server))
    server.embedded.clear()
    puts = 0

    def lose_power() -> None:
        nonlocal puts
        puts += 1
        if puts > kept:
            raise Crash

    shelf.table.calls.before_write = lose_power
    with pytest.raises(Crash):
        run(crew, shelf, Journal(store))
    shelf.table.calls.before_write = lambda: None
    journal = Journal(store)
    again = run(crew, shelf, journal)
    assert (again.output, again.usage) == (whole.output, whole.usage)
    assert len(list_embedded(server)) == texts
    assert journal.unclaimed() == []
    assert shelf.open().count() == len(facts)


def test_an_embedder_that_fails_costs_a_task_its_knowledge_alone(
    server: OpenAIServer, shelf: Shelf
) -> None:
    crew, kept = make_knowing_crew(server), JournalMemory("task-1")
    events: list[RunEvent] = []
    server.refuse_embedding = HTTPStatus.UNAUTHORIZED
    outcome = run(crew, shelf, Journal(kept), events.append)
    assert outcome.status == "succeeded"
    assert outcome.output is not None
    assert "Additional Information" not in outcome.output
    (told,) = [event for event in events if isinstance(event, MemoryDegraded)]
    assert (told.use, told.error.type) == ("know", "AuthenticationError")
    server.refuse_embedding = None
    assert run(crew, shelf, Journal(kept)).output == outcome.output


class Counting:
    """Vectors by words; keeps what it was asked."""

    is_local = True

    def __init__(self, dimensions: int = 64) -> None:
        self.embedder = Embedder(model="rehearsal", dimensions=dimensions)
        self.asked: list[list[str]] = []

    def embed(self, texts: Any) -> Embedded:
        self.asked.append(list(texts))
        return build_vector_model(self.embedder, NO_SECRETS.__getitem__).embed(texts)


def make_library(
    shelf: Shelf, facts: dict[str, str], model: Counting, now: datetime | None = None
) -> Library:
    moment = now or datetime.now(UTC)
    embed = JournaledEmbedder(model)
    return Library(make_texts(facts), shelf.open(), model.embedder, embed, lambda: moment)


def test_pieces_of_no_text_are_forgotten_in_time(shelf: Shelf) -> None:
    model, start = Counting(), datetime(2026, 11, 23, tzinfo=UTC)
    store = shelf.open()
    new = {"other": "Something else."}

    def search(facts: dict[str, str], days: float) -> list[tuple[Any, float]]:
        moment = start + timedelta(days=days)
        return make_library(shelf, facts, model, moment).search(QUESTION, 1, 0)

    search(FACTS, 0)
    for days in (10, 11, 12):
        search(new, days)
        assert store.count() == len(FACTS) + 1, "a task of before may look for them"
    search(new, 12.1)
    assert [each.content for each in store.survey()] == [*new.values()]
    # A rollback has them again, and what it takes back stays as long.
    ((found, _),) = search(FACTS, 13)
    assert found.content == FACTS["invoices"]
    search(new, 13.1)
    assert store.count() == len(FACTS) + 1


def test_pieces_of_a_version_alone_are_found(shelf: Shelf) -> None:
    model = Counting()
    make_library(shelf, FACTS, model).search("x", 1, 0)
    found = make_library(shelf, {"t": FACTS["tomatoes"]}, model).search(QUESTION, 9, 0)
    assert [memory.source for memory, _ in found] == ["t"]


def test_another_embedder_has_pieces_of_its_own(shelf: Shelf) -> None:
    """Those of other dimensions are made anew; nobody finds both."""
    for model in (Counting(64), Counting(128), Counting(64)):
        ((memory, _),) = make_library(shelf, FACTS, model).search(QUESTION, 1, 0)
        assert memory.source == "invoices"
        assert len(model.asked[0]) == len(FACTS)
        assert shelf.open().count() == len(FACTS)


def test_two_processes_that_index_keep_each_piece_once(shelf: Shelf) -> None:
    model = Counting()
    one, other = (make_library(shelf, FACTS, model) for _ in range(2))

    def interrupt() -> None:
        shelf.table.calls.before_write = lambda: None
        other.search("x", 1, 0)

    shelf.table.calls.before_write = interrupt
    one.search("x", 1, 0)
    assert shelf.open().count() == len(FACTS)


@pytest.mark.parametrize(("threshold", "found"), [(0.6, 2), (0.61, 1), (0.999, 1), (0.0, 3)])
def test_scores_mean_what_they_mean_to_crewai(
    threshold: float, found: int, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its chromadb gives 1 for one direction, 0.5 for a right angle: 0.6 is a cosine of 0.2."""
    vectors = {"a": [1.0, 0.0], "b": [0.205, 0.9788], "c": [-1.0, 0.0], "q": [1.0, 0.0]}
    model = Counting()
    monkeypatch.setattr(
        model, "embed", lambda texts: Embedded([vectors[text] for text in texts], 0)
    )
    library = make_library(shelf, {name: name for name in "abc"}, model)
    storage = TableKnowledge(library=library, embedder=JournaledEmbedder(model), by_words=False)
    results = storage.search(["q"], limit=3, score_threshold=threshold)
    assert [result["content"] for result in results] == list("abc"[:found])
    assert results[0]["score"] == pytest.approx(1, abs=1e-3)
    assert asyncio.run(storage.asearch(["q"], limit=3, score_threshold=threshold)) == results


def test_knowledge_is_not_changed_by_a_crew(shelf: Shelf) -> None:
    model = Counting()
    library = make_library(shelf, FACTS, model)
    storage = TableKnowledge(library=library, embedder=JournaledEmbedder(model), by_words=True)
    with pytest.raises(NotImplementedError, match="new version"):
        storage.save(["x"])
    with pytest.raises(NotImplementedError, match="new version"):
        storage.reset()
    (found,) = storage.search([QUESTION], limit=1)
    assert found["metadata"] == {"name": "invoices"}


def test_a_local_run_reads_files_of_knowledge(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "facts.md").write_text("\n\n".join(FACTS.values()))
    crew = {
        "name": "crew",
        "agents": [{"role": "A", "goal": "g", "backstory": "b", "llm": "rehearsal"}],
        "knowledge": [{"file": "facts.md", "chunk_size": 100}],
    }
    file = tmp_path / "desk.yaml"
    file.write_text(yaml.safe_dump({"name": "desk", "crews": [crew]}))
    assert run_crew_command(["--crew", str(file), "--description", QUESTION]) == 0
    assert FACTS["invoices"] in capsys.readouterr().out
