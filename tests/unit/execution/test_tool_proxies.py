"""A crew whose tools run elsewhere: what its agents see, and what comes of an answer."""

import json
from typing import Any

import pytest
from crewai.utilities.agent_utils import convert_tools_to_openai_schema
from pydantic import BaseModel, Field

from quarterdeck.execution.errors import ToolMissing
from quarterdeck.execution.journal import Journal
from quarterdeck.execution.journal_store import MemoryStore
from quarterdeck.execution.journaled_tool import CallInDoubt, ToolFailed
from quarterdeck.execution.run import run_crew
from quarterdeck.execution.stopping import Stop
from quarterdeck.execution.tool_proxies import make_proxies, make_proxy
from quarterdeck.observability import Trace, follow
from quarterdeck.systems.configuration import Crew
from quarterdeck.tooling.manifest import Tool, load_manifest
from quarterdeck.tooling.messages import ToolAnswer, ToolFault, ToolRequest
from tests import systems
from tests.openai_server import Body, Message, OpenAIServer
from tests.unit.execution.journals import call_tools, say
from tests.unit.tooling.manifests import describe


class Inner(BaseModel):
    day: int = Field(gt=0, description="Of the month")


class Arguments(BaseModel):
    when: Inner
    tags: list[str] = Field(default_factory=list)


class Calls:
    """Stands for the function: answers with what it is given, and keeps what it was asked."""

    def __init__(self, answer: ToolAnswer | Exception) -> None:
        self.answer = answer
        self.asked: list[ToolRequest] = []

    def __call__(self, tool: Tool, request: ToolRequest) -> ToolAnswer:
        assert tool.name == request.tool
        self.asked.append(request)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def fault(kind: str, message: str) -> ToolAnswer:
    return ToolAnswer(error=ToolFault(type=kind, message=message))


def use(calls: Calls, journal: Journal | None = None, **change: Any) -> str:
    """What the tool says in a run of its own."""
    tool = make_proxy(describe("probe", **change), calls)
    with (journal or Journal(MemoryStore("task-1"))).open(str):
        return str(tool.run(city="Rome"))


def test_agents_see_the_schema_as_the_tool_has_it() -> None:
    tool = describe("probe", arguments=Arguments.model_json_schema(), description="Probes.")
    proxy = make_proxy(tool, Calls(ToolAnswer()))
    [function] = (each["function"] for each in convert_tools_to_openai_schema([proxy])[0])
    assert (function["name"], function["description"]) == ("probe", "Probes.")
    properties = function["parameters"]["properties"]
    day = properties["when"]["properties"]["day"]
    assert (day["exclusiveMinimum"], day["description"]) == (0, "Of the month")
    assert properties["tags"]["type"] == "array"


def test_what_a_model_asks_reaches_the_tool_unchanged() -> None:
    calls = Calls(ToolAnswer(text="Sunny."))
    assert use(calls) == "Sunny."
    [request] = calls.asked
    assert request.arguments == {"city": "Rome"}
    assert request.idempotency_key.startswith("task-1-")
    assert request.seconds == 2


def test_the_request_says_which_task_it_is_of() -> None:
    calls = Calls(ToolAnswer(text="Sunny."))
    with follow(Trace("task-1", "order-1")):
        use(calls)
    [request] = calls.asked
    assert (request.task_id, request.correlation_id) == ("task-1", "order-1")


def test_the_answer_is_journaled() -> None:
    store, calls = MemoryStore("task-1"), Calls(ToolAnswer(text="Sunny."))
    assert use(calls, Journal(store)) == use(calls, Journal(store)) == "Sunny."
    assert len(calls.asked) == 1


def test_an_error_is_told_in_the_tools_words() -> None:
    with pytest.raises(ToolFailed, match=r"^ValueError: no such city$"):
        use(Calls(fault("ValueError", "no such city")))


def test_a_call_that_may_not_be_repeated_stops_the_task() -> None:
    with pytest.raises(Stop) as stopped:
        use(Calls(CallInDoubt("lost")), in_doubt="fail")
    assert stopped.value.error
    assert stopped.value.error.type == "in_doubt"
    assert stopped.value.error.message == (
        "the tool 'probe' was called, and whether it acted is not known: it is not to be repeated"
    )


def test_of_a_call_that_is_to_be_asked_about_a_person_is_asked() -> None:
    with pytest.raises(Stop) as stopped:
        use(Calls(CallInDoubt("lost")), in_doubt="ask")
    assert stopped.value.reason == "waiting"
    assert stopped.value.question
    assert stopped.value.question.kind == "tool_in_doubt"


class Guard:
    """Of a worker: lets one call begin, then its time is up."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self) -> None:
        self.asked += 1
        if self.asked > 1:
            raise Stop("out_of_time")


@pytest.mark.parametrize(("left", "given"), [(100.0, 60), (45.0, 40.0), (3.0, 1.0)])
def test_a_tool_has_no_more_time_than_its_worker(left: float, given: float) -> None:
    calls = Calls(ToolAnswer())
    use(calls, Journal(MemoryStore(), time_left=lambda: left), timeout=60)
    assert calls.asked[0].seconds == given


def test_a_call_cut_by_the_workers_time_is_left_to_the_next_worker() -> None:
    store, calls = MemoryStore(), Calls(fault("ToolTimedOut", "no answer within 40 s"))
    with pytest.raises(Stop) as stopped:
        use(calls, Journal(store, Guard(), time_left=lambda: 45.0), timeout=60)
    assert stopped.value.reason == "out_of_time"
    assert not store.entries


def test_a_tool_that_took_its_own_time_has_failed() -> None:
    calls = Calls(fault("ToolTimedOut", "no answer within 2 s"))
    with pytest.raises(ToolFailed, match=r"^ToolTimedOut: no answer within 2 s$"):
        use(calls, Journal(MemoryStore(), Guard(), time_left=lambda: 45.0))


def configure(llm: Any = "rehearsal", **agent: Any) -> Crew:
    agents = [systems.agent("Clerk", llm=llm, tools=["calculator"], **agent)]
    return Crew.model_validate(systems.crew(agents=agents))


def test_a_tool_that_this_release_lacks_is_named() -> None:
    with pytest.raises(ToolMissing) as raised:
        make_proxies(configure(), {"saw": describe("saw")}, Calls(ToolAnswer()))
    assert str(raised.value) == "unknown tool 'calculator'; known are: saw"


def test_a_crew_uses_its_tool() -> None:
    def answer(body: Body) -> Message:
        last = body["messages"][-1]
        if last["role"] == "tool":
            return say(f"It is {last['content']}")
        message = call_tools(("a", "x"), name="calculator")
        message["tool_calls"][0]["function"]["arguments"] = json.dumps({"expression": "2*3"})
        return message

    calls, store = Calls(ToolAnswer(text="6")), MemoryStore("task-1")
    with OpenAIServer(answer) as server:
        crew = configure({"model": "openai/gpt", "base_url": server.url})
        outcome = run_crew(
            "task-1", crew, "How much is 2*3?", {},
            timeout=30, read_secret=str, verbose=False, on_event=lambda _: None,
            journal=Journal(store), tools=make_proxies(crew, load_manifest(), calls),
        )  # fmt: skip
        offered = server.requests[0]["tools"][0]["function"]
    assert outcome.output == "It is 6"
    assert calls.asked[0].arguments == {"expression": "2*3"}
    assert offered["parameters"]["properties"]["expression"]["maxLength"] == 500
    assert '"name":"calculator","answer":{"text":"6"}' in "".join(store.entries.values())
