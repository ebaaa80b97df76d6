import json
import logging
import re
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
import yaml
from crewai.events.event_bus import crewai_event_bus
from crewai.events.types.llm_events import LLMCallCompletedEvent

from quarterdeck.execution.rehearsal import RehearsalLLM
from quarterdeck.execution.rehearsal_text import split_sentences
from quarterdeck.execution.run import run_crew
from quarterdeck.systems.configuration import Crew, Llm, SystemConfiguration
from quarterdeck.tasks.events import RunEvent, StepEnded, StepStarted
from quarterdeck.tasks.outcome import Outcome, Usage
from tests.openai_server import COMPLETION_TOKENS, PROMPT_TOKENS, OpenAIServer
from tests.unit.execution.configurations import NO_SECRETS, make_crew, make_step

BRACES = '{"a": {b}} {unknown} {tools}'
KEY = 'sk-"odd"-key-1234'


def run(
    crew: Crew,
    description: str = "Why is the sea salt?",
    on_event: Callable[[RunEvent], None] = lambda _: None,
    secrets: dict[str, str] = NO_SECRETS,
    **inputs: Any,
) -> Outcome:
    return run_crew(
        "task-1", crew, description, inputs,
        timeout=30, read_secret=secrets.__getitem__, verbose=False, on_event=on_event,
    )  # fmt: skip


@pytest.fixture
def unauthorized() -> Any:
    """A provider that says in its 401 which key it got."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            key = self.headers["Authorization"].removeprefix("Bearer ")
            answer = json.dumps({"error": {"message": f"Incorrect API key: {key}"}}).encode()
            self.send_response(401)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: object) -> None: ...  # noqa: A002

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield {
        "model": "openai/gpt",
        "secret": "provider",
        "base_url": f"http://127.0.0.1:{server.server_port}/v1",
    }
    server.shutdown()
    server.server_close()


def test_a_sequential_crew_runs_step_by_step() -> None:
    events: list[RunEvent] = []
    steps = [make_step("look", "A"), make_step("tell", "B", "Tell: {description}")]
    outcome = run(make_crew(["A", "B"], tasks=steps), BRACES, events.append)
    assert (outcome.status, outcome.rehearsal) == ("succeeded", True)
    assert outcome.output == BRACES
    assert [(step.name, step.agent, step.output) for step in outcome.steps] == [
        ("look", "A", BRACES),
        ("tell", "B", BRACES),
    ]
    steps_told = [event for event in events if isinstance(event, StepStarted | StepEnded)]
    assert len(steps_told) == len(events)
    assert [(event.type, event.step, event.agent) for event in steps_told] == [
        ("step_started", "look", "A"),
        ("step_ended", "look", "A"),
        ("step_started", "tell", "B"),
        ("step_ended", "tell", "B"),
    ]
    ended = [event for event in events if isinstance(event, StepEnded)]
    assert [event.usage for event in ended] == [step.usage for step in outcome.steps]


@pytest.mark.parametrize("process", ["sequential", "hierarchical"])
def test_braces_of_a_request_reach_the_model_as_they_are(process: str) -> None:
    with OpenAIServer() as server:
        llm = {"model": "openai/gpt", "base_url": server.url}
        outcome = run(make_crew(["A"], llm, process=process), f"{BRACES} {{input}}", topic="{x}")
    assert outcome.status == "succeeded"
    prompt = server.requests[0]["messages"][1]["content"]
    assert f"{BRACES} {{input}}\n\nInputs:\n- topic: {{x}}" in prompt


def test_each_agent_works_on_what_those_before_it_found() -> None:
    def answer(_: dict[str, Any]) -> dict[str, Any]:
        return {"role": "assistant", "content": f"n{len(server.requests)}"}

    with OpenAIServer(answer) as server:
        llm = {"model": "openai/gpt", "base_url": server.url}
        outcome = run(make_crew(["A", "B", "C"], llm))
    prompts = [request["messages"][1]["content"] for request in server.requests]
    assert [("n1" in prompt, "n2" in prompt) for prompt in prompts] == [
        (False, False),
        (True, False),
        (True, True),
    ]
    assert outcome.output == "n3"
    assert not outcome.rehearsal


@pytest.mark.parametrize(
    ("fields", "calls"),
    [
        ({}, [1, 1]),
        ({"process": "hierarchical"}, [3]),
        (
            {
                "process": "hierarchical",
                "tasks": [make_step("one", "A"), make_step("two", None)],
            },
            [3, 3],
        ),
    ],
)
def test_tokens_are_those_that_the_provider_counted(
    fields: dict[str, Any], calls: list[int]
) -> None:
    """A manager asks its model, delegates, and asks it again: three calls in its one step."""
    with OpenAIServer() as server:
        outcome = run(
            make_crew(["A", "B"], {"model": "openai/gpt", "base_url": server.url}, **fields)
        )
    assert outcome.status == "succeeded"
    assert len(server.requests) == sum(calls)
    assert [step.usage.requests for step in outcome.steps] == calls
    assert outcome.usage == Usage(
        prompt_tokens=PROMPT_TOKENS * sum(calls),
        completion_tokens=COMPLETION_TOKENS * sum(calls),
        requests=sum(calls),
        unpriced=sum(calls),
    )
    assert sum((step.usage for step in outcome.steps), Usage()) == outcome.usage


def test_a_rehearsing_manager_delegates_to_whom_the_request_names() -> None:
    asked: list[str] = []

    def listen(_: Any, event: LLMCallCompletedEvent) -> None:
        asked.append(str(event.agent_role))

    crewai_event_bus.on(LLMCallCompletedEvent)(listen)
    try:
        outcome = run(make_crew(["Pilot", "Harbour master"], process="hierarchical"),
                      "Let the harbour master say why the sea is salt.")  # fmt: skip
    finally:
        crewai_event_bus.off(LLMCallCompletedEvent, listen)
    assert sorted(asked) == ["Crew Manager", "Crew Manager", "Harbour master"]
    assert outcome.steps[0].agent == "Crew Manager"


def test_an_error_of_the_provider_ends_the_task_without_its_key(
    unauthorized: dict[str, str],
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    outcome = run(make_crew(["A"], unauthorized), secrets={"provider": KEY})
    assert outcome.status == "failed"
    assert outcome.error is not None
    assert outcome.error.type == "AuthenticationError"
    assert "Incorrect API key: [secret provider]" in outcome.error.message
    assert "Incorrect API key" in caplog.text
    written = [outcome.model_dump_json(), caplog.text, *capfd.readouterr()]
    assert not [text for text in written if "odd" in text]


def test_a_verbose_crew_prints_no_key_however_its_panels_break_it(
    unauthorized: dict[str, str], capfd: pytest.CaptureFixture[str]
) -> None:
    key = f"sk-proj-{'0123456789abcdef' * 10}"
    run_crew(
        "task-1",
        make_crew(["A"], unauthorized),
        "Why is the sea salt?",
        {},
        timeout=30,
        read_secret={"provider": key}.__getitem__,
        verbose=True,
        on_event=lambda _: None,
    )
    printed = "".join(capfd.readouterr())
    assert "Incorrect API key" in printed
    assert "0123456789abcdef" not in re.sub(r"\x1b\[[0-9;]*m|[\s│]", "", printed)


def test_a_manager_that_quotes_an_error_does_not_quote_a_key(unauthorized: dict[str, str]) -> None:
    with OpenAIServer() as server:
        crew = make_crew(["A"], unauthorized, process="hierarchical")
        manager = Llm.model_validate({"model": "openai/gpt", "base_url": server.url})
        outcome = run(
            crew.model_copy(update={"manager_llm": manager}), secrets={"provider": f"{KEY}\n"}
        )
    assert outcome.output is not None
    assert "Incorrect API key: [secret provider]" in outcome.output
    assert "odd" not in outcome.model_dump_json()


def test_steps_before_an_error_are_kept(unauthorized: dict[str, str]) -> None:
    crew = make_crew(["A", "B"])
    broken = crew.agents[1].model_copy(update={"llm": make_crew(["B"], unauthorized).agents[0].llm})
    outcome = run(
        crew.model_copy(update={"agents": (crew.agents[0], broken)}), secrets={"provider": KEY}
    )
    assert (outcome.status, outcome.output) == ("failed", None)
    assert [step.name for step in outcome.steps] == ["step-1"]
    assert outcome.usage == outcome.steps[0].usage
    assert outcome.rehearsal


def test_a_crew_that_cannot_be_built_fails_with_the_reason() -> None:
    outcome = run(make_crew(["A"], tasks=[make_step("look", "A", "{topic}")]))
    assert outcome.error is not None
    assert outcome.error.type == "InputMissing"


def test_a_turn_that_takes_too_long_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    def wait(*_: Any, **__: Any) -> str:
        threading.Event().wait(1.3)
        return "late"

    monkeypatch.setattr(RehearsalLLM, "call", wait)
    agent = {"role": "A", "goal": "g", "backstory": "b", "llm": "rehearsal", "timeout": 1}
    outcome = run(Crew.model_validate({"name": "crew", "agents": [agent]}), "word " * 20_000)
    assert outcome.error is not None
    assert outcome.error.type == "TimeoutError"
    assert "timed out after 1 seconds" in outcome.error.message
    assert len(outcome.error.message) < 2_100


def test_runs_of_one_process_do_not_mix() -> None:
    handlers = dict(crewai_event_bus._sync_handlers)
    context = crewai_event_bus.runtime_state
    first = run(make_crew(["A"]), "The first request.")
    second = run(make_crew(["A"]), "The second one, which is longer.")
    again = run(make_crew(["A"]), "The first request.")
    assert (second.output, second.usage.requests) == ("The second one, which is longer.", 1)
    assert (again.output, again.usage) == (first.output, first.usage)
    assert crewai_event_bus._sync_handlers == handlers
    assert crewai_event_bus.runtime_state is context
    assert not logging.getLogger().filters


def test_runs_at_once_do_not_mix() -> None:
    outcomes: dict[str, Outcome] = {}

    def follow(role: str, steps: int) -> None:
        outcomes[role] = run(make_crew([f"{role}{n}" for n in range(steps)]), f"I am {role}.")

    threads = [threading.Thread(target=follow, args=(role, 3)) for role in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for role, outcome in outcomes.items():
        assert outcome.output == f"I am {role}."
        assert outcome.usage.requests == 3
        assert [step.agent for step in outcome.steps] == [f"{role}{n}" for n in range(3)]


def test_progress_that_cannot_be_written_is_logged_and_harms_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(_: RunEvent) -> None:
        raise ConnectionError("no table")

    outcome = run(make_crew(["A"]), on_event=fail)
    assert outcome.status == "succeeded"
    assert [record.message for record in caplog.records] == ["Progress was not recorded"] * 2
    assert "no table" in caplog.text


@pytest.mark.parametrize("process", ["sequential", "hierarchical"])
def test_nothing_is_printed(process: str, capfd: pytest.CaptureFixture[str]) -> None:
    run(make_crew(["A", "B"], process=process))
    assert capfd.readouterr() == ("", "")


def test_the_sample_system_works_on_the_sample_text() -> None:
    with open("functions/crews/research-desk.yaml") as file:
        system = SystemConfiguration.model_validate(yaml.safe_load(file))
    with open("infra/local/lighthouses.md") as file:
        document = file.read()
    for crew in system.crews:
        events: list[RunEvent] = []
        outcome = run(crew, "What made the light reach further?", events.append, document=document)
        assert outcome.output is not None
        sentences = [*split_sentences(outcome.output)]
        assert len(sentences) >= 3
        assert all(sentence in " ".join(document.split()) for sentence in sentences)
        assert len([e for e in events if isinstance(e, StepStarted)]) == len(crew.tasks)
    assert len({step.output for step in outcome.steps}) == len(outcome.steps)
