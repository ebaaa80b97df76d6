"""Whatever crewai asks of a model or a tool is asked once, and answered from the journal after."""

import json
import re
from collections.abc import Callable
from itertools import count
from typing import Any

import pytest
from crewai import Crew, Process
from crewai.llms.providers.openai.completion import OpenAICompletion
from pydantic import BaseModel

from quarterdeck.execution.journal import Journal
from quarterdeck.execution.journal_store import MemoryStore, Place
from quarterdeck.tasks.outcome import Usage
from tests.openai_server import (
    COMPLETION_TOKENS,
    PROMPT_TOKENS,
    Body,
    Message,
    OpenAIServer,
    answer_by_rule,
)
from tests.unit.execution.journals import (
    call_tools,
    copy_store,
    make_agent,
    make_crew,
    make_letters,
    make_task,
    run_journaled,
    say,
)

type Sent = list[tuple[str, str]]
SERIAL = count()


class Report(BaseModel):
    title: str


def answer_anew(body: Body) -> Message:
    """By rule, but no two answers are the same, nor two ids of calls."""
    message = json.dumps(answer_by_rule(body))
    message = message.replace("call_1", f"call-{next(SERIAL)}")
    return json.loads(message.replace("In short", f"{next(SERIAL)} in short"))  # type: ignore[no-any-return]


def answer_in_parallel(body: Body) -> Message:
    if body["messages"][-1]["role"] == "tool":
        said = [m["content"] for m in body["messages"] if m["role"] == "tool"]
        return say(f"{next(SERIAL)}: {said}")
    return call_tools(*((f"id-{next(SERIAL)}", place) for place in ("Rome", "Oslo", "Rome")))


def answer_in_words(body: Body) -> Message:
    """ReAct: a tool is called in the text."""
    if "Sent to Rome" in json.dumps(body["messages"]):
        return say(f"Thought: I know.\nFinal Answer: {next(SERIAL)}")
    return say('Thought: I ask.\nAction: send_letter\nAction Input: {"address": "Rome"}')


def answer_structured(body: Body) -> Message:
    if "response_format" in body:
        return say(json.dumps({"title": f"T{next(SERIAL)}"}))
    return say(f"no JSON at all {next(SERIAL)}")


def answer_sooner_or_later(body: Body) -> Message:
    """A guardrail's model refuses the first draft."""
    if "response_format" in body or "guardrail" in json.dumps(body["messages"]).lower():
        valid = "draft 2" in json.dumps(body["messages"])
        return say(json.dumps({"valid": valid, "feedback": None if valid else "Not good."}))
    return say("draft 2" if "Not good" in json.dumps(body["messages"]) else "draft 1")


def build_sequential(url: str, sent: Sent) -> Crew:
    agents = [make_agent(url, role) for role in "ABC"]
    tasks = [make_task(agent, name=f"s{n}") for n, agent in enumerate(agents)]
    return make_crew(agents, tasks)


def build_aside(url: str, sent: Sent) -> Crew:
    """Two steps of one prompt and one role side by side, then one that waits for both."""
    agents = [make_agent(url) for _ in range(3)]
    aside = [
        make_task(agent, name=f"s{n}", async_execution=True) for n, agent in enumerate(agents[:2])
    ]
    return make_crew(agents, [*aside, make_task(agents[2], "Join.", name="s3", context=aside)])


def build_hierarchical(url: str, sent: Sent) -> Crew:
    manager = make_agent(url, "Boss", allow_delegation=True)
    workers = [make_agent(url, role) for role in "AB"]
    tasks = [make_task(workers[0], name="one"), make_task(workers[1], name="two")]
    return make_crew(workers, tasks, process=Process.hierarchical, manager_agent=manager)


def build_tools(url: str, sent: Sent) -> Crew:
    agent = make_agent(url, tools=[make_letters(sent)])
    return make_crew([agent], [make_task(agent, name="s")])


def build_pydantic(url: str, sent: Sent) -> Crew:
    agent = make_agent(url)
    return make_crew([agent], [make_task(agent, name="s", output_pydantic=Report)])


def build_json(url: str, sent: Sent) -> Crew:
    agent = make_agent(url)
    return make_crew([agent], [make_task(agent, name="s", output_json=Report)])


def build_guarded(url: str, sent: Sent) -> Crew:
    drafts: list[str] = []

    def check(output: Any) -> tuple[bool, Any]:
        drafts.append(output.raw)
        return (len(drafts) > 1, output.raw if len(drafts) > 1 else "Not good.")

    agent = make_agent(url)
    return make_crew([agent], [make_task(agent, name="s", guardrail=check)])


def build_guarded_by_model(url: str, sent: Sent) -> Crew:
    agent = make_agent(url)
    return make_crew([agent], [make_task(agent, name="s", guardrail="It is a good text.")])


CREWS: dict[str, tuple[Callable[[str, Sent], Crew], Callable[[Body], Message], int]] = {
    "sequential": (build_sequential, answer_anew, 3),
    "aside": (build_aside, answer_anew, 3),
    "hierarchical": (build_hierarchical, answer_anew, 6),
    "tool": (build_tools, answer_anew, 3),
    "parallel tools": (build_tools, answer_in_parallel, 5),
    "tool in words": (build_tools, answer_in_words, 3),
    "pydantic": (build_pydantic, answer_structured, 1),
    "json": (build_json, answer_structured, 1),
    "guardrail": (build_guarded, answer_sooner_or_later, 2),
    "guardrail by model": (build_guarded_by_model, answer_sooner_or_later, 4),
}


@pytest.mark.parametrize("name", CREWS)
def test_a_crew_that_runs_again_asks_nothing_again(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    build, answer, calls = CREWS[name]
    if name == "tool in words":
        monkeypatch.setattr(OpenAICompletion, "supports_function_calling", lambda _: False)
    store = MemoryStore("task-1")
    sent: Sent = []
    with OpenAIServer(answer) as server:
        journal = Journal(store)
        first = run_journaled(build(server.url, sent), journal)
        asked, acted = len(server.requests), len(sent)
        assert (journal.recorded, journal.replayed, len(store.entries)) == (calls, 0, calls)
        assert asked + acted == calls
        assert first.usage == Usage(
            prompt_tokens=PROMPT_TOKENS * asked,
            completion_tokens=COMPLETION_TOKENS * asked,
            requests=asked,
            unpriced=asked,
        )

        again = Journal(store)
        assert run_journaled(build(server.url, sent), again) == first
        assert (len(server.requests), len(sent)) == (asked, acted)
        assert (again.recorded, again.replayed, again.unclaimed()) == (0, calls, [])

        for kept in {calls // 2, calls - 1}:
            journal = Journal(copy_store(store, kept))
            later = run_journaled(build(server.url, sent), journal)
            assert journal.replayed == kept
            assert (journal.recorded, journal.unclaimed()) == (calls - kept, [])
            assert (len(later.steps), later.usage) == (len(first.steps), first.usage)


def test_calls_that_ask_the_same_are_kept_apart() -> None:
    """Rome twice: two letters, with keys of their own."""
    store = MemoryStore("task-1")
    sent: Sent = []
    with OpenAIServer(answer_in_parallel) as server:
        run_journaled(build_tools(server.url, sent), Journal(store))
    assert sorted(address for address, _ in sent) == ["Oslo", "Rome", "Rome"]
    assert len({key for _, key in sent}) == 3
    assert {place.occurrence for place in store.entries} == {0, 1}


def test_of_two_workers_at_once_both_go_on_with_the_first_answer() -> None:
    store, place = MemoryStore(), Place("digest", 0)
    first, second = Journal(store), Journal(store)
    answers = [first.record(place, "llm", "gpt", "one"), second.record(place, "llm", "gpt", "two")]
    assert [entry.answer for entry in answers] == ["one", "one"]


def test_prompts_in_the_journal_would_be_a_waste() -> None:
    store = MemoryStore("task-1")
    with OpenAIServer(answer_anew) as server:
        run_journaled(build_sequential(server.url, []), Journal(store))
    assert not [text for text in store.entries.values() if re.search("Good work|personal", text)]
