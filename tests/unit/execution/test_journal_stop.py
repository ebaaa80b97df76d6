"""A run that is stopped: at the next call, in whatever thread, with what it did so far."""

import contextlib
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from crewai import Crew as CrewaiCrew
from crewai.events.event_bus import crewai_event_bus

from quarterdeck.execution.gate import Gate, know_no_end
from quarterdeck.execution.journal import Journal
from quarterdeck.execution.journal_store import MemoryStore
from quarterdeck.execution.run import run_crew
from quarterdeck.execution.stopping import Reason, Stop
from quarterdeck.systems.configuration import Crew
from quarterdeck.tasks.events import RunEvent
from quarterdeck.tasks.outcome import Outcome
from tests.openai_server import Body, Message, OpenAIServer
from tests.unit.execution.configurations import NO_SECRETS
from tests.unit.execution.configurations import make_crew as configure_crew
from tests.unit.execution.journals import (
    call_tools,
    make_agent,
    make_crew,
    make_letters,
    make_task,
    run_journaled,
    say,
)


def stop_at(call: int, reason: Reason = "cancelled") -> Callable[[], None]:
    """A guard that refuses this call, and would allow those after it."""
    calls = iter(range(1, 1000))

    def guard() -> None:
        if next(calls) == call:
            raise Stop(reason)

    return guard


def run(crew: Crew, journal: Journal) -> Outcome:
    return run_crew(
        "task-1", crew, "Why is the sea salt?", {},
        timeout=30, read_secret=NO_SECRETS.__getitem__, verbose=False, on_event=lambda _: None,
        journal=journal,
    )  # fmt: skip


@pytest.mark.parametrize("process", ["sequential", "hierarchical"])
def test_a_stopped_crew_goes_on_where_it_was(process: str) -> None:
    store = MemoryStore()
    handlers = dict(crewai_event_bus._sync_handlers)
    with OpenAIServer() as server:
        crew = configure_crew(
            ["A", "B", "C"], {"model": "openai/gpt", "base_url": server.url}, process=process
        )
        with pytest.raises(Stop) as stopped:
            run(crew, Journal(store, stop_at(3, "out_of_time")))
        assert (stopped.value.reason, len(server.requests)) == ("out_of_time", 2)
        assert stopped.value.usage.requests == 2
        assert len(stopped.value.steps) == (2 if process == "sequential" else 0)
        assert crewai_event_bus._sync_handlers == handlers
        outcome = run(crew, Journal(store))
    assert (outcome.status, outcome.usage.requests, len(server.requests)) == ("succeeded", 3, 3)


def test_a_stop_is_for_all_calls_that_come_later() -> None:
    gate = Gate(stop_at(2), 0, know_no_end)
    gate.check()
    with pytest.raises(Stop) as first:
        gate.check()
    with pytest.raises(Stop) as second, gate.enter():
        pass
    with pytest.raises(Stop) as third:
        gate.stop(Stop("failed"))
    assert second.value is third.value is first.value is gate.stopped


def test_a_stop_in_a_step_aside_ends_the_crew() -> None:
    """Unpatched, crewai waits forever for such a step."""
    ended: list[BaseException] = []

    def kick_off(url: str) -> None:
        agents = [make_agent(url, role) for role in "AB"]
        aside = make_task(agents[0], name="aside", async_execution=True)
        after = make_task(agents[1], name="after", context=[aside])
        try:
            run_journaled(make_crew(agents, [aside, after]), Journal(MemoryStore(), stop_at(1)))
        except BaseException as error:
            ended.append(error)

    with OpenAIServer() as server:
        thread = threading.Thread(target=kick_off, args=[server.url], daemon=True)
        thread.start()
        thread.join(20)
    assert [type(error) for error in ended] == [Stop]


def test_calls_in_flight_end_and_are_recorded_before_the_run_returns() -> None:
    """One step is stopped at its tool while the other's model still thinks."""
    store, arrived, leave = MemoryStore(), threading.Event(), threading.Event()

    def answer(body: Body) -> Message:
        if "Be slow" in body["messages"][1]["content"]:
            arrived.set()
            assert leave.wait(10)
            return say("done")
        assert arrived.wait(10)
        return call_tools(("a", "Rome"))

    def guard() -> None:
        if next(calls) == 3:
            threading.Timer(0.3, leave.set).start()
            raise Stop("cancelled")

    calls = iter(range(1, 1000))
    with OpenAIServer(answer) as server:
        agents = [make_agent(server.url, role, tools=[make_letters([])]) for role in "ABC"]
        fast = make_task(agents[0], name="fast", async_execution=True)
        slow = make_task(agents[1], "Be slow.", name="slow", async_execution=True)
        crew = make_crew(agents, [fast, slow, make_task(agents[2], name="join")])
        with pytest.raises(Stop):
            run_journaled(crew, Journal(store, guard))
    assert leave.is_set()
    assert len(store.entries) == 2


def test_no_call_begins_after_the_run() -> None:
    gate = Gate(lambda: None, 0, know_no_end)
    gate.close(0)
    with pytest.raises(Stop), gate.enter():
        pass


def test_the_wait_for_calls_in_flight_is_bounded() -> None:
    gate = Gate(lambda: None, 0, know_no_end)
    started = time.monotonic()
    with gate.enter():
        gate.close(0.1)
    assert time.monotonic() - started < 5


def test_a_stop_amid_parallel_tool_calls_is_not_told_to_the_model() -> None:
    store, sent = MemoryStore(), []  # type: tuple[MemoryStore, list[tuple[str, str]]]
    answers = iter([call_tools(("a", "Rome"), ("b", "Oslo")), say("Sent.")])
    with OpenAIServer(lambda _: next(answers)) as server:
        agent = make_agent(server.url, tools=[make_letters(sent)])
        crew = make_crew([agent], [make_task(agent, name="s")])
        with pytest.raises(Stop):
            run_journaled(crew, Journal(store, stop_at(2)))
        assert len(server.requests) == 1
        agent = make_agent(server.url, tools=[make_letters(sent)])
        crew = make_crew([agent], [make_task(agent, name="s")])
        assert run_journaled(crew, Journal(store)).output == "Sent."
    assert sorted(address for address, _ in sent) == ["Oslo", "Rome"]


class BrokenStore(MemoryStore):
    def record(self, *_: Any) -> Any:
        raise ConnectionError("no table")


def test_a_journal_that_cannot_be_written_stops_the_run_after_one_call() -> None:
    with OpenAIServer() as server:
        crew = configure_crew(["A"], {"model": "openai/gpt", "base_url": server.url})
        with pytest.raises(Stop) as stopped:
            run(crew, Journal(BrokenStore()))
        assert (stopped.value.reason, stopped.value.attempts) == ("retry", 1)
        with pytest.raises(Stop) as stopped:
            run(crew, Journal(BrokenStore(), attempts=4))
    assert stopped.value.reason == "failed"
    assert stopped.value.error
    assert stopped.value.error.message == "no table"
    assert len(server.requests) == 2


def test_a_journal_that_cannot_be_read_is_no_failure_of_the_task() -> None:
    class Unreadable(MemoryStore):
        def load(self) -> Any:
            raise ConnectionError("no table")

    with pytest.raises(Stop, match="retry"):
        run(configure_crew(["A"]), Journal(Unreadable()))


def test_an_answer_that_cannot_be_kept_fails_the_task() -> None:
    journal = Journal(MemoryStore())
    with pytest.raises(Stop, match="failed") as stopped, journal.claim("digest") as place:
        journal.record(place, "llm", "gpt", object())
    assert stopped.value.error
    assert stopped.value.error.type == "TypeError"


def test_a_stop_that_crewai_swallows_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def swallow(crew: Any) -> Any:
        with contextlib.suppress(BaseException):
            crew.agents[0].llm.call("Why?")
        raise ValueError("the crew goes on without the answer")

    monkeypatch.setattr(CrewaiCrew, "kickoff", swallow)
    with pytest.raises(Stop, match="cancelled"):
        run(configure_crew(["A"]), Journal(MemoryStore(), stop_at(1)))


def test_a_step_whose_progress_cannot_be_told_any_more_stops_the_run() -> None:
    def lose(_: RunEvent) -> None:
        raise Stop("lease_lost")

    with pytest.raises(Stop, match="lease_lost"):
        run_crew(
            "task-1", configure_crew(["A"]), "Why?", {},
            timeout=30, read_secret=NO_SECRETS.__getitem__, verbose=False, on_event=lose,
        )  # fmt: skip
