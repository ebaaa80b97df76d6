"""What a configuration asks of a crew: done once, and told again from the journal at no cost."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from quarterdeck.execution.journal import Journal
from quarterdeck.execution.journal_store import MemoryStore
from quarterdeck.execution.pace import Pace
from quarterdeck.execution.run import run_crew
from quarterdeck.execution.stopping import Stop
from quarterdeck.systems.configuration import Crew
from quarterdeck.tasks.outcome import Outcome
from tests.openai_server import Body, Message, OpenAIServer, answer_by_rule
from tests.unit.execution.configurations import NO_SECRETS
from tests.unit.execution.journals import copy_store, refuse, say

type Fields = dict[str, Any]

SUBMITTED = datetime(2025, 3, 9, 23, 59, tzinfo=UTC)
SCHEMA = {
    "type": "object",
    "properties": {"title": {"type": "string"}, "note": {"type": "string"}},
    "required": ["title"],
}
TOLD = "Why is the sea salt?\n\nThe sea is salt. Rivers carry minerals to it. Nobody drinks it."


def make_agents(url: str | None, *roles: str, **fields: Any) -> list[Fields]:
    llm = {"model": "openai/gpt", "base_url": url} if url else "rehearsal"
    return [{"role": role, "goal": "g", "backstory": "b", "llm": llm, **fields} for role in roles]


def make_step(name: str, role: str | None = "A", **fields: Any) -> Fields:
    return {"name": name, "agent": role, "description": "{description}", **fields}


def make(agents: list[Fields], *steps: Fields, **fields: Any) -> Crew:
    return Crew.model_validate({"name": "crew", "agents": agents, "tasks": steps, **fields})


def run(crew: Crew, journal: Journal | None = None, asked_at: datetime = SUBMITTED) -> Outcome:
    return run_crew(
        "task-1", crew, TOLD, {},
        timeout=30, read_secret=NO_SECRETS.__getitem__, verbose=False, on_event=lambda _: None,
        journal=journal, asked_at=asked_at,
    )  # fmt: skip


def judge(body: Body) -> Message:
    """A guardrail's model takes the third draft; structured answers and tools by rule."""
    said = json.dumps(body["messages"])
    if "complies with the given guardrail" in said:
        valid = "draft 3" in said
        return say(json.dumps({"valid": valid, "feedback": None if valid else "Not good."}))
    if "response_format" in body:
        return say('{"title": "Salt", "note": null}')
    if body.get("tools"):
        return answer_by_rule(body)
    drafts = [n for n in (1, 2) if f"draft {n}" in said]
    return say(f"draft {max(drafts, default=0) + 1}")


def crew_structured(url: str | None) -> Crew:
    return make(make_agents(url, "A"), make_step("s", output_schema=SCHEMA), make_step("t"))


def crew_structured_by_manager(url: str | None) -> Crew:
    step = make_step("s", None, output_schema=SCHEMA)
    return make(make_agents(url, "A", "B"), step, process="hierarchical")


def crew_guarded(url: str | None) -> Crew:
    return make(make_agents(url, "A"), make_step("s", guardrail="It is good."))


def crew_guarded_and_structured(url: str | None) -> Crew:
    step = make_step("s", guardrail="It is good.", output_schema=SCHEMA, guardrail_max_retries=0)
    return make(make_agents(url, "A"), step)


def crew_delegating(url: str | None) -> Crew:
    agents = [*make_agents(url, "A", allow_delegation=True), *make_agents(url, "B")]
    return make(agents, make_step("s"))


def crew_managed(url: str | None) -> Crew:
    agents = make_agents(url, "Boss", "A", "B")
    return make(agents, make_step("s"), process="hierarchical", manager_agent="Boss")


def crew_dated(url: str | None) -> Crew:
    return make(make_agents(url, "A", inject_date=True, date_format="%A %d.%m.%Y %H:%M"))


def crew_templated(url: str | None) -> Crew:
    templates = {
        "system_template": "<s>{{ .System }}</s>",
        "prompt_template": "<u>{{ .Prompt }}</u>",
        "response_template": "<a>{{ .Response }}</a>",
    }
    return make(make_agents(url, "A", **templates))


def crew_aside(url: str | None) -> Crew:
    aside = [make_step(name, name.upper(), async_execution=True) for name in "ab"]
    last = make_step("c", "A", context=["b"])
    return make(make_agents(url, "A", "B"), *aside, last)


CREWS: dict[str, tuple[Callable[[str | None], Crew], int]] = {
    "structured": (crew_structured, 2),
    "structured by a manager": (crew_structured_by_manager, 4),
    "guarded": (crew_guarded, 6),
    "delegating": (crew_delegating, 3),
    "managed": (crew_managed, 3),
    "dated": (crew_dated, 1),
    "templated": (crew_templated, 1),
    "aside": (crew_aside, 3),
}


@pytest.mark.parametrize("name", CREWS)
def test_a_crew_that_runs_again_asks_nothing_again(name: str) -> None:
    """Another day, from any point on."""
    build, calls = CREWS[name]
    store = MemoryStore("task-1")
    with OpenAIServer(judge) as server:
        first = run(build(server.url), Journal(store))
        assert first.status == "succeeded", first.error
        assert len(server.requests) == len(store.entries) == calls
        server.answer = refuse
        again = Journal(store)
        assert strip(run(build(server.url), again)) == strip(first)
        assert (again.recorded, again.unclaimed()) == (0, [])
        server.answer = judge
        later = Journal(copy_store(store, calls // 2))
        assert strip(run(build(server.url), later)) == strip(first)
        assert (later.recorded, later.unclaimed()) == (calls - calls // 2, [])


def strip(outcome: Outcome) -> Outcome:
    steps = tuple(step.model_copy(update={"duration_ms": 0}) for step in outcome.steps)
    return outcome.model_copy(update={"duration_ms": 0, "steps": steps})


@pytest.mark.parametrize("name", CREWS)
def test_a_rehearsal_does_it_too(name: str) -> None:
    outcome = run(CREWS[name][0](None))
    assert (outcome.status, outcome.rehearsal) == ("succeeded", True)


def test_a_structured_answer_comes_as_an_object() -> None:
    """What the schema does not know as null is left out."""
    with OpenAIServer(judge) as server:
        outcome = run(crew_structured(server.url))
        (alone,) = run(
            make(make_agents(server.url, "A"), make_step("s", output_schema=SCHEMA))
        ).steps
    first, last = outcome.steps
    assert (first.data, json.loads(first.output)) == ({"title": "Salt"}, {"title": "Salt"})
    assert (last.data, outcome.data) == (None, None)
    assert "Salt" in json.dumps(server.requests[1]["messages"]), "the next step is told"
    assert alone.data == {"title": "Salt"}


def test_an_answer_in_words_is_asked_for_once_more_as_json() -> None:
    def answer(body: Body) -> Message:
        if "response_format" in body and len(server.requests) > 1:
            return say('{"title": "Salt"}')
        return say("Salt it is.") if "response_format" not in body else say("no JSON")

    with OpenAIServer(answer) as server:
        outcome = run(crew_structured_alone(server.url))
    assert (outcome.data, outcome.output) == ({"title": "Salt"}, '{"title":"Salt"}')


def crew_structured_alone(url: str, **fields: Any) -> Crew:
    return make(make_agents(url, "A", **fields), make_step("s", output_schema=SCHEMA))


def test_an_answer_that_never_fits_fails_the_task() -> None:
    with OpenAIServer(lambda _: say('{"note": "no title"}')) as server:
        outcome = run(crew_structured_alone(server.url, max_retry_limit=0))
    assert (outcome.status, outcome.data) == ("failed", None)
    assert outcome.error is not None
    assert "title" in outcome.error.message


def test_a_guardrail_judges_by_its_words_and_its_retries_are_bounded() -> None:
    with OpenAIServer(judge) as server:
        outcome = run(crew_guarded(server.url))
        assert outcome.output == "draft 3"
        assert outcome.steps[0].usage.requests == len(server.requests) == 6
        bounded = make_step("s", guardrail="It is {good}.".replace("{good}", "good"),
                            guardrail_max_retries=1)  # fmt: skip
        server.requests.clear()
        failed = run(make(make_agents(server.url, "A", max_retry_limit=0), bounded))
    assert failed.error is not None
    assert "after 1 retries" in failed.error.message
    assert "Not good." in failed.error.message
    assert len(server.requests) == 4


def test_what_passes_a_guardrail_is_structured() -> None:
    def answer(body: Body) -> Message:
        if "complies with the given guardrail" in json.dumps(body["messages"]):
            return say('{"valid": true, "feedback": null}')
        return judge(body)

    with OpenAIServer(answer) as server:
        assert run(crew_guarded_and_structured(server.url)).data == {"title": "Salt"}


def test_a_turn_that_fails_is_begun_again_as_often_as_is_said() -> None:
    """A request that the provider refuses for good, and its answer is no passing fault."""
    for limit in (0, 2):
        with OpenAIServer(lambda _: say("")) as server:
            outcome = run(make(make_agents(server.url, "A", max_retry_limit=limit)))
            assert outcome.status == "failed"
            assert len(server.requests) == 1 + limit


def test_the_date_is_that_of_the_submit() -> None:
    with OpenAIServer(judge) as server:
        run(crew_dated(server.url))
        run(make(make_agents(server.url, "A")))
    dated, plain = (json.dumps(body["messages"]) for body in server.requests)
    assert "Current Date: Sunday 09.03.2025 23:59" in dated
    assert "Current Date" not in plain


def test_templates_frame_what_is_asked() -> None:
    def answer(body: Body) -> Message:
        return say("Salt.</a> and more")

    with OpenAIServer(answer) as server:
        outcome = run(crew_templated(server.url))
    (message,) = server.requests[0]["messages"]
    assert message["content"].startswith("<s>You are A. b")
    assert "</s>\n<u>" in message["content"]
    assert "The sea is salt." in message["content"]
    assert outcome.output == "Salt."


def test_a_text_that_ends_an_answer_ends_it() -> None:
    agents = make_agents("http://x/v1", "A")
    with OpenAIServer(lambda _: say("Salt. STOP and more")) as server:
        agents[0]["llm"] |= {"base_url": server.url, "stop": ["STOP"]}
        assert run(make(agents)).output == "Salt."


def test_a_step_gets_the_answers_that_it_names() -> None:
    def answer(body: Body) -> Message:
        return say(f"answer {len(server.requests)}")

    steps = [
        make_step("a"),
        make_step("b"),
        make_step("c", context=["a"]),
        make_step("d", context=[]),
    ]
    with OpenAIServer(answer) as server:
        run(make(make_agents(server.url, "A"), *steps))
    told = [json.dumps(body["messages"]) for body in server.requests]
    assert [[n for n in (1, 2, 3) if f"answer {n}" in text] for text in told] == [[], [1], [1], []]


class Clock:
    """Time that passes by waiting alone."""

    def __init__(self) -> None:
        self.now = 0.0
        self.waited: list[float] = []

    def read(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(Pace.__init__, "__defaults__", (clock.read,))
    return clock


def test_a_pace_lets_so_many_begin_in_any_minute() -> None:
    clock = Clock()
    pace = Pace(2, clock.read)
    delays = []
    for pause in (0, 10, 0, 0, 200, 0):
        clock.now += pause
        delays.append(pace.reserve())
    assert delays == [0, 0, 50, 60, 0, 0]


@pytest.mark.parametrize("bound", ["crew", "agent"])
def test_requests_beyond_the_pace_wait_and_replayed_ones_do_not(bound: str, clock: Clock) -> None:
    def build(url: str) -> Crew:
        of_agent = {"max_rpm": 2} if bound == "agent" else {}
        steps = [make_step(name) for name in "abc"]
        agents = make_agents(url, "A", **of_agent)
        return make(agents, *steps, max_rpm=2 if bound == "crew" else None)

    store = MemoryStore("task-1")
    with OpenAIServer(judge) as server:
        first = run(build(server.url), Journal(store, sleep=clock.sleep))
        assert (first.status, clock.now) == ("succeeded", 60)
        run(build(server.url), Journal(store, sleep=clock.sleep))
        assert clock.now == 60
        run(build(server.url), Journal(copy_store(store, 2), sleep=clock.sleep))
        assert (clock.now, len(server.requests)) == (60, 4)


def test_a_request_that_waits_can_be_stopped(clock: Clock) -> None:
    def guard() -> None:
        if clock.now > 3:
            raise Stop("cancelled")

    steps = [make_step(name) for name in "ab"]
    with OpenAIServer(judge) as server:
        crew = make(make_agents(server.url, "A"), *steps, max_rpm=1)
        with pytest.raises(Stop) as stopped:
            run(crew, Journal(MemoryStore("task-1"), guard, sleep=clock.sleep))
    assert stopped.value.reason == "cancelled"
    assert [step.name for step in stopped.value.steps] == ["a"]
    assert (len(server.requests), clock.now) == (1, 4)
