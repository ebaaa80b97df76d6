import asyncio
import json
import subprocess
import sys
from typing import Any

import pytest
from crewai import Agent, Task
from crewai import Crew as CrewaiCrew
from crewai.tools import BaseTool, tool
from pydantic import BaseModel

from quarterdeck.execution.rehearsal import NOTHING_GIVEN, RehearsalLLM

DOCUMENT = (
    "The harbour has two lamps. The red lamp stands on the pier and was lit in 1901. "
    "The green lamp stands on the mole. Ships pass between them at night. "
    "The keeper lives in the town."
)
ARCHIVED = "The archive says that the red lamp burns oil."
SCAFFOLDING = (
    "You are", "personal goal", "Current Task", "expected criteria", "MUST", "context you",
    "complete response", "Begin!", "OpenAPI",
)  # fmt: skip


class Findings(BaseModel):
    title: str
    points: list[str]


@tool
def search_archive(query: str, limit: int = 3) -> str:
    """Searches the archive of the harbour."""
    assert query
    return f"{ARCHIVED} {limit} at most."


@tool
def send_letter(address: str) -> str:
    """Sends a letter."""
    return "The letter was sent."


def run_agent(description: str, tools: list[BaseTool] | None = None, **task: Any) -> Any:
    agent = Agent(
        role="Clerk", goal="Know the lamps", backstory="At the desk.",
        llm=RehearsalLLM(model="rehearsal"), tools=tools or [],
    )  # fmt: skip
    step = Task(description=description, expected_output="Two sentences.", agent=agent, **task)
    return CrewaiCrew(agents=[agent], tasks=[step], tracing=False).kickoff()


def test_the_same_prompt_gets_the_same_answer() -> None:
    messages = [{"role": "user", "content": f"Which lamp is red?\n\n{DOCUMENT * 3}"}]
    answers = {RehearsalLLM(model="rehearsal").call(messages) for _ in range(5)}
    assert len(answers) == 1


def test_an_answer_holds_sentences_of_the_task_and_no_scaffolding() -> None:
    answer = run_agent(f"What is known of the red lamp?\n\n# Harbour\n\n{DOCUMENT}").raw
    assert "The red lamp stands on the pier and was lit in 1901." in answer
    assert not [phrase for phrase in SCAFFOLDING if phrase in answer]


def test_without_anything_given_it_says_so() -> None:
    assert RehearsalLLM(model="rehearsal").call([{"role": "user", "content": ""}]) == NOTHING_GIVEN


def test_the_tool_that_suits_the_request_is_called_once() -> None:
    calls: list[str] = []

    @tool
    def read_archive(query: str) -> str:
        """Reads the archive of the harbour."""
        calls.append(query)
        return ARCHIVED

    answer = run_agent("What does the archive say of the red lamp?", [send_letter, read_archive])
    assert calls == ["What does the archive say of the red lamp?"]
    assert answer.raw == ARCHIVED


def test_optional_arguments_are_left_to_the_tool() -> None:
    answer = run_agent("What does the archive say of the red lamp?", [search_archive])
    assert answer.raw == f"{ARCHIVED} 3 at most."


@pytest.mark.parametrize("tools", [[], [search_archive]])
def test_a_requested_model_is_filled(tools: list[BaseTool]) -> None:
    result = run_agent(
        f"Find the red lamp.\n\n# Harbour\n\n{DOCUMENT}", tools, output_pydantic=Findings
    )
    assert isinstance(result.pydantic, Findings)
    assert all(point in f"{DOCUMENT} {ARCHIVED}" for point in result.pydantic.points)
    assert json.loads(result.raw) == result.pydantic.model_dump()


def test_tokens_are_a_quarter_of_the_characters() -> None:
    llm = RehearsalLLM(model="rehearsal")
    answer = llm.call([{"role": "user", "content": "Say this. " * 10}])
    usage = llm.get_token_usage_summary()
    assert (usage.prompt_tokens, usage.completion_tokens) == (25, -(-len(answer) // 4))
    assert usage.successful_requests == 1


def test_large_documents_are_not_shortened_by_crewai(caplog: pytest.LogCaptureFixture) -> None:
    text = "\n\n".join(f"Lamp number {n} stands at mile {n}." for n in range(4_000))
    result = run_agent(f"Where does lamp number 3999 stand?\n\n# Lamps\n\n{text}")
    assert "3999" in result.raw
    assert result.token_usage.successful_requests == 1
    assert not caplog.records


def test_it_answers_asynchronously() -> None:
    assert asyncio.run(RehearsalLLM(model="rehearsal").acall("Say this.")) == "Say this."


def test_answers_do_not_depend_on_the_seed_of_hashes() -> None:
    script = (
        "from quarterdeck.execution.rehearsal_text import *; from pathlib import Path;"
        "text = Path('infra/local/lighthouses.md').read_text();"
        "print(write_answer(Wish('How does a lens work?', 'Nine findings.'), [Source(text)]))"
    )
    answers = {
        subprocess.run(
            [sys.executable, "-c", script], capture_output=True, check=True, text=True,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": "functions"},
        ).stdout
        for seed in ("1", "2", "3")
    }  # fmt: skip
    assert len(answers) == 1
