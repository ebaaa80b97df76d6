"""What a run tells of its calls: each once, with what it cost, and without what is to be hidden."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quarterdeck.execution.arguments import LONGEST_TEXT, MOST_ARGUMENTS, describe_arguments
from quarterdeck.execution.journaled_tool import JournaledTool, make_tool
from quarterdeck.http.services import Services
from quarterdeck.systems.configuration import Events
from quarterdeck.tasks.events import LlmCall, StepEnded, StepStarted, ToolCall
from quarterdeck.tasks.progress import read_events
from quarterdeck.tasks.traces import read_traces
from tests.openai_server import COMPLETION_TOKENS, PROMPT_TOKENS, OpenAIServer, answer_by_rule
from tests.unit.execution.journals import Letter
from tests.unit.execution.sites import STEPS, Site, answer, make_crew

SECRET = "salt-and-vinegar"


def list_events(site: Site, task_id: str) -> list[Any]:
    return read_events(site.services.table, site.system.scope, task_id, 0, 2000)


def make_letters(*, fails: bool) -> JournaledTool:
    def send(arguments: Mapping[str, Any], key: str) -> str:
        if fails:
            raise ValueError("no post today")
        return f"Sent to {arguments['address']} ({key[:3]})"

    return make_tool(
        "send_letter", "Sends a letter.", Letter, send, has_effect=True, in_doubt="repeat"
    )


def test_a_task_is_told_from_its_first_step_to_its_end(services: Services) -> None:
    with OpenAIServer(answer) as server:
        site = Site(services, server.url)
        task_id = site.submit()
        site.work()
    *events, ended = list_events(site, task_id)
    assert [event.type for event in events] == ["step_started", "llm_call", "step_ended"] * 4
    for n, step in enumerate(STEPS):
        started, call, done = events[3 * n : 3 * n + 3]
        assert isinstance(started, StepStarted)
        assert isinstance(call, LlmCall)
        assert isinstance(done, StepEnded)
        assert (started.step, call.step, done.step) == (step, step, step)
        assert (call.model, call.agent, call.error) == ("openai/local", "A", None)
        assert (call.prompt_tokens, call.completion_tokens) == (PROMPT_TOKENS, COMPLETION_TOKENS)
        assert call.cost_usd is None, "a server of one's own has no price"
        assert call.duration_ms is not None
        assert done.usage.prompt_tokens == call.prompt_tokens
    assert (ended.type, ended.status, ended.events_dropped) == ("ended", "succeeded", 0)
    assert site.view(task_id).events_dropped is None


def test_a_continued_task_tells_nothing_twice(services: Services) -> None:
    """The first worker has time for two calls."""
    with OpenAIServer(answer) as server:
        site = Site(services, server.url)
        task_id = site.submit()
        message = site.take()
        assert message
        site.worker.handle(message, lambda: 900.0 if len(server.requests) < 2 else 30.0)
        site.work()
    events = list_events(site, task_id)
    kinds = [event.type for event in events if event.type != "continuation"]
    assert kinds == [*["step_started", "llm_call", "step_ended"] * 4, "ended"]
    assert site.view(task_id).continuations == len(events) - len(kinds) == 1


def test_a_refused_call_is_told_with_its_error(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("quarterdeck.execution.gate.choose_delay", lambda *_: 0.01)
    left = [1, 1]

    def refuse_twice(body: Any) -> Any:
        if left:
            left.pop()
            raise ConnectionResetError
        return answer(body)

    with OpenAIServer(refuse_twice) as server:
        site = Site(services, server.url)
        task_id = site.submit()
        site.work()
    calls = [event for event in list_events(site, task_id) if isinstance(event, LlmCall)]
    assert [call.error for call in calls] == ["ConnectionError"] * 2 + [None] * 4
    assert [bool(call.call) for call in calls] == [False] * 2 + [True] * 4


@pytest.mark.parametrize("fails", [False, True])
def test_a_tool_is_told_with_its_arguments(services: Services, fails: bool) -> None:
    with OpenAIServer(answer_by_rule) as server:
        crew = make_crew(server.url)
        crew["tasks"] = crew["tasks"][:1]
        site = Site(services, server.url, crew=crew)
        tools: Any = lambda _: {"A": [lambda: make_letters(fails=fails)]}  # noqa: E731
        site.worker = replace(site.worker, make_tools=tools)
        task_id = site.submit()
        site.work()
    (tool,) = [event for event in list_events(site, task_id) if isinstance(event, ToolCall)]
    assert (tool.tool, tool.step, tool.agent) == ("send_letter", "gather", "A")
    assert tool.arguments is not None
    assert list(tool.arguments) == ["address"]
    assert tool.outcome == ("error" if fails else "ok")
    assert tool.duration_ms is not None


def test_a_log_that_fails_stops_no_task(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise ConnectionError("no table")

    monkeypatch.setattr("quarterdeck.tasks.event_log.write_batch", refuse)
    with OpenAIServer(answer) as server:
        site = Site(services, server.url)
        task_id = site.submit()
        site.work()
    assert site.view(task_id).status == "succeeded"
    assert list_events(site, task_id) == []


def test_values_are_left_out_as_configured() -> None:
    arguments = {
        "Token": "t", "to": {"token": "t", "name": ["Ann", {"TOKEN": 1}]}, "text": f"x {SECRET}",
    }  # fmt: skip

    def describe(**fields: Any) -> Any:
        events = Events.model_validate(fields)
        return describe_arguments(arguments, events, lambda text: text.replace(SECRET, "[secret]"))

    assert describe(arguments="none") is None
    assert describe(arguments="names") == dict.fromkeys(arguments, "[redacted]")
    told = describe(redact=["token"])
    assert (told["Token"], told["text"]) == ("[redacted]", "x [secret]")
    assert json.loads(told["to"]) == {
        "token": "[redacted]", "name": ["Ann", {"TOKEN": "[redacted]"}]
    }  # fmt: skip


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(st.dictionaries(st.text(max_size=20), VALUES, max_size=2 * MOST_ARGUMENTS))
def test_any_arguments_can_be_told_and_are_bounded(arguments: dict[str, Any]) -> None:
    told = describe_arguments(arguments, Events(), str)
    event = ToolCall(tool="t", outcome="ok", arguments=told)
    assert event.arguments is not None
    assert len(event.arguments) <= MOST_ARGUMENTS + 1
    assert all(len(str(value)) <= LONGEST_TEXT for value in event.arguments.values())
    json.dumps(event.model_dump(), allow_nan=False)
    event.model_dump_json().encode()


def test_a_secret_that_is_cut_is_none() -> None:
    text = "x" * (LONGEST_TEXT - 5) + SECRET
    told = describe_arguments({"a": text}, Events(), lambda said: said.replace(SECRET, "[s]"))
    assert told is not None
    assert SECRET[:4] not in str(told["a"])


@pytest.mark.parametrize("trace", ["none", "full"])
def test_what_is_said_is_kept_only_for_who_asks(services: Services, trace: str) -> None:
    """A provider that quotes the key that it was called with: the trace has it nowhere."""

    def quote(body: Any) -> Any:
        said = answer(body)
        return {**said, "content": f"{said['content']} Your key is {SECRET}."}

    with OpenAIServer(quote) as server:
        crew = make_crew(server.url)
        crew["agents"][0]["llm"] |= {"secret": "openai"}
        site = Site(services, server.url, crew=crew, trace=trace)
        site.worker = replace(site.worker, read_secret=lambda _: SECRET)
        task_id = site.submit(description=f"About {SECRET}")
        site.work()
    found = read_traces(services.table, services.blobs, site.system.scope, task_id, 0, 50)
    if trace == "none":
        assert found == []
        return
    calls = [event for event in list_events(site, task_id) if isinstance(event, LlmCall)]
    assert [each.call for each in found] == [call.call for call in calls]
    assert [each.step for each in found] == list(STEPS)
    for step, each in zip(STEPS, found, strict=True):
        assert f"Do {step}" in each.asked
        assert f"Did {step}" in each.answered
        assert "[secret openai]" in each.asked
        assert "[secret openai]" in each.answered
        assert SECRET not in each.model_dump_json()
