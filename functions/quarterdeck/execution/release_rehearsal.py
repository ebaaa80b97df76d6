"""What a release of the worker has to show before it gets work: a real crew, on the stand-in model.

It calls a tool through the `tools` function, and its journal replays. No state is touched, and no
secret is read.
"""

from collections.abc import Callable
from typing import Any

from pydantic import BaseModel, ConfigDict

from quarterdeck.execution.crews import Tools
from quarterdeck.execution.health_checks import limit_journal
from quarterdeck.execution.journal_entry import Entry, read_entry
from quarterdeck.execution.journal_store import MemoryStore
from quarterdeck.execution.run import run_crew
from quarterdeck.execution.stopping import Stop
from quarterdeck.execution.tool_proxies import make_proxies
from quarterdeck.systems.configuration import REHEARSAL, Crew
from quarterdeck.tasks.outcome import Outcome
from quarterdeck.tooling.manifest import Manifest
from quarterdeck.tooling.messages import CallTool
from quarterdeck.vault import SecretMissing

TOOL, EXPRESSION, RESULT = "calculator", "6 * 7", "42"
"""What every project begins with. A team that took the tool away rehearses without one."""
REQUEST = "How far does the light of a lighthouse reach? The light reaches twenty nautical miles."
ANSWER = "twenty nautical miles"


class Rehearsal(BaseModel):
    """`fault` is what went wrong, in words; `tool` the one that was called."""

    model_config = ConfigDict(frozen=True)

    fault: str | None
    tool: str | None
    model_calls: int = 0


def rehearse_release(
    manifest: Manifest, call: CallTool, left: Callable[[], float], verbose: bool
) -> Rehearsal:
    """Runs the crew twice, the second time from the journal; `left`: seconds of the invocation."""
    known = choose_tool(manifest)
    tool = next(iter(known), None)
    crew = make_crew(tuple(known))
    tools = make_proxies(crew, known, call)
    store = MemoryStore("rehearsal")
    try:
        first, _ = run_once(crew, tools, store, left(), verbose)
        second, again = run_once(crew, tools, store, left(), verbose)
    except Stop as stop:
        why = f": {stop.error.type}: {stop.error.message}" if stop.error else ""
        return Rehearsal(fault=f"the crew stopped, {stop.reason}{why}", tool=tool)
    calls = [read_entry(text) for text in store.entries.values()]
    return Rehearsal(
        fault=find_error(first)
        or find_tool_fault(calls, tool)
        or find_answer_fault(first, tool)
        or find_replay_fault(first, second, again),
        tool=tool,
        model_calls=sum(each.kind == "llm" for each in calls),
    )


def run_once(
    crew: Crew, tools: Tools, store: MemoryStore, seconds: float, verbose: bool
) -> tuple[Outcome, int]:
    """What came of it, and how many calls were made."""
    journal = limit_journal(seconds, store)
    outcome = run_crew(
        store.task_id,
        crew,
        REQUEST,
        {},
        timeout=seconds,
        read_secret=refuse_secret,
        verbose=verbose,
        on_event=lambda _: None,
        journal=journal,
        tools=tools,
    )
    return outcome, journal.recorded


def choose_tool(manifest: Manifest) -> Manifest:
    """The one that is safe to call, with the only argument that it is to get."""
    tool = manifest.get(TOOL)
    if tool is None or tool.has_effect or tool.secrets:
        return {}
    fixed = {"type": "object", "required": ["expression"]}
    properties: dict[str, Any] = {"expression": {"type": "string", "const": EXPRESSION}}
    return {TOOL: tool.model_copy(update={"arguments": fixed | {"properties": properties}})}


def make_crew(tools: tuple[str, ...]) -> Crew:
    agent = {"backstory": "You answer from what you are told.", "llm": REHEARSAL}
    first = {"role": "Researcher", "goal": "Find out", "tools": tools, "memory_enabled": False}
    second = {"role": "Writer", "goal": "Tell", "memory_enabled": False}
    return Crew.model_validate(
        {
            "name": "release",
            "agents": [agent | first, agent | second],
            "tasks": [
                make_step("find", "Researcher", "{description}"),
                make_step("tell", "Writer", "Answer: {description}"),
            ],
        }
    )


def make_step(name: str, agent: str, description: str) -> dict[str, str]:
    return {
        "name": name,
        "agent": agent,
        "description": description,
        "expected_output": "One sentence.",
    }


def find_error(outcome: Outcome) -> str | None:
    error = outcome.error
    return f"the crew failed: {error.type}: {error.message}" if error else None


def find_tool_fault(calls: list[Entry], tool: str | None) -> str | None:
    """None without a tool, or if its one call had the right answer."""
    if tool is None:
        return None
    said = [call.answer for call in calls if call.kind == "tool"]
    if said == [{"text": RESULT}]:
        return None
    words = [str(answer.get("error") or answer.get("text")) for answer in said]
    return f"the tool '{tool}' said {'; '.join(words) or 'nothing'}, and not {RESULT}"


def find_answer_fault(outcome: Outcome, tool: str | None) -> str | None:
    """The stand-in answers with what a tool said, or else with what it was told."""
    output = outcome.output or ""
    expected = RESULT if tool else ANSWER
    return None if expected in output else f"the crew answers '{output[:200]}', not '{expected}'"


def find_replay_fault(first: Outcome, second: Outcome, again: int) -> str | None:
    if again or second.output != first.output:
        return f"the journal does not replay: {again} calls were made again"
    return None


def refuse_secret(name: str) -> str:
    raise SecretMissing(f"a rehearsal reads no secret, and '{name}' was asked for")
