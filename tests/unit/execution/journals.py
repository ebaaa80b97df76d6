"""Crews of crewai's own classes that run by way of a journal, once and again."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from crewai import LLM, Agent, Crew, Task
from pydantic import BaseModel

from quarterdeck.execution.journal import Journal
from quarterdeck.execution.journal_store import MemoryStore
from quarterdeck.execution.journaled_tool import JournaledTool, make_tool
from quarterdeck.execution.patches import apply_patches
from quarterdeck.execution.run import follow_crew
from quarterdeck.execution.steps import StepWatch
from quarterdeck.tasks.outcome import StepResult, Usage
from quarterdeck.tooling.policy import InDoubt
from tests.openai_server import Body, Message

type Build = Callable[[str], Crew]
"""Makes the crew anew, with the URL of its model."""


class Ran(NamedTuple):
    output: str
    steps: list[StepResult]
    usage: Usage


class Letter(BaseModel):
    """Arguments of the tool in these tests."""

    address: str


def run_journaled(crew: Crew, journal: Journal, scrub: Callable[[str], str] = str) -> Ran:
    watch = StepWatch("task-1", lambda _: None)
    output = follow_crew(crew, watch, journal, scrub)
    steps = [step.model_copy(update={"duration_ms": 0}) for step in watch.results]
    return Ran(output, steps, watch.usage)


def make_llm(url: str) -> LLM:
    apply_patches()
    return LLM("gpt", provider="openai", api_key="none", base_url=url, max_retries=0)


def make_agent(url: str, role: str = "Clerk", **fields: Any) -> Agent:
    return Agent(role=role, goal="Good work", backstory="b", llm=make_llm(url), **fields)


def make_task(agent: Agent, description: str = "Write.", **fields: Any) -> Task:
    return Task(description=description, expected_output="A text.", agent=agent, **fields)


def make_crew(agents: list[Agent], tasks: list[Task], **fields: Any) -> Crew:
    return Crew(agents=agents, tasks=tasks, cache=False, memory=False, tracing=False, **fields)


def make_letters(
    sent: list[tuple[str, str]], in_doubt: InDoubt = "repeat", *, has_effect: bool = True
) -> JournaledTool:
    """A tool that keeps (address, idempotency key) of each letter it sends."""

    def send(arguments: Mapping[str, Any], key: str) -> str:
        sent.append((arguments["address"], key))
        return f"Sent to {arguments['address']}."

    return make_tool(
        "send_letter", "Sends a letter.", Letter, send, has_effect=has_effect, in_doubt=in_doubt
    )


def call_tools(*calls: tuple[str, str], name: str = "send_letter") -> Message:
    """A message that calls the tool for each (id, address)."""
    return {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {
                "id": call_id,
                "type": "function",
                "function": {"name": name, "arguments": f'{{"address": "{address}"}}'},
            }
            for call_id, address in calls
        ],
    }


def say(text: str) -> Message:
    return {"role": "assistant", "content": text}


def copy_store(store: MemoryStore, entries: int) -> MemoryStore:
    """The store as it was after its first `entries`."""
    copied = MemoryStore(store.task_id)
    copied.entries = dict(list(store.entries.items())[:entries])
    copied.marks = dict(store.marks)
    return copied


def refuse(body: Body) -> Message:
    raise AssertionError(f"a call was repeated: {body['messages'][-1]}")
