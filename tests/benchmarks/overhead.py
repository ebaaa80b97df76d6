"""What a run of ours costs beside crewai's: `.ci/uv run python tests/benchmarks/overhead.py`.

Both run one crew of two agents and two steps with a model that answers at once, in turn, in this
process. Prints one JSON object last: `bare_ms` of building it and `crew.kickoff()`; what `run_crew`
adds to it with a journal in memory (`task_overhead_ms_store_excluded`) and in a table of moto
(`task_overhead_ms`); what the journal adds to one call, likewise; and what telling of it adds to
that, in time and in writes (of calls that take no time: a batch holds 20). Medians.
"""

import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, Literal
from unittest import mock

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "functions"), str(ROOT / "layers/crewai/stubs")]
os.environ["CREWAI_STORAGE_DIR"] = tempfile.mkdtemp()

from quarterdeck.process import prepare_process  # noqa: E402 - by path, as a script

prepare_process()

import boto3  # noqa: E402
from crewai import Agent, Crew, Task  # noqa: E402
from crewai.events.types.llm_events import LLMCallType  # noqa: E402
from crewai.llms.base_llm import BaseLLM, llm_call_context  # noqa: E402
from moto import mock_aws  # noqa: E402

from quarterdeck.blobs import BlobStore  # noqa: E402
from quarterdeck.execution.call_events import CallTeller  # noqa: E402
from quarterdeck.execution.journal import Journal  # noqa: E402
from quarterdeck.execution.journal_store import JournalStore, MemoryStore, Store  # noqa: E402
from quarterdeck.execution.patches import apply_patches  # noqa: E402
from quarterdeck.execution.run import run_crew  # noqa: E402
from quarterdeck.keys import Scope  # noqa: E402
from quarterdeck.names import read_clock  # noqa: E402
from quarterdeck.systems.configuration import Crew as Configuration  # noqa: E402
from quarterdeck.table import Table  # noqa: E402
from quarterdeck.tasks.event_log import EventLog, read_batches  # noqa: E402
from tests.account import ENVIRONMENT, prepare_account  # noqa: E402

ROUNDS = 40
WARM_UP = 5
CALLS = 200
USAGE = {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}
PROMPT = [{"role": "user", "content": "The keeper trims the lamp. " * 80}]
CREW: dict[str, Any] = {
    "name": "crew",
    "agents": [
        {"role": role, "goal": f"Be a good {role}", "backstory": "Long at it.", "llm": "rehearsal"}
        for role in ("Researcher", "Writer")
    ],
}


class Prompter(BaseLLM):
    """Answers at once, and reports as providers do."""

    llm_type: Literal["prompter"] = "prompter"
    asked: ClassVar[int] = 0

    def call(self, messages: Any, *args: Any, **kwargs: Any) -> str:
        Prompter.asked += 1
        step, agent = kwargs.get("from_task"), kwargs.get("from_agent")
        with llm_call_context():
            self._emit_call_started_event(messages, from_task=step, from_agent=agent)
            self._track_token_usage_internal(USAGE)
            self._emit_call_completed_event(
                "Salt.", LLMCallType.LLM_CALL, step, agent, messages=messages, usage=USAGE
            )
        return "Salt."

    def supports_function_calling(self) -> bool:
        return True

    def get_context_window_size(self) -> int:
        return 100_000


def make_llm(*_: Any) -> Prompter:
    return Prompter(model="prompter", provider="prompter")


def main() -> None:
    os.environ |= ENVIRONMENT
    apply_patches()
    with mock.patch("quarterdeck.execution.crews.build_llm", make_llm), mock_aws():
        prepare_account()
        tasks = measure(
            {
                "bare": kick_off_bare,
                "memory": lambda number: run_ours(MemoryStore(f"task-{number}")),
                "table": lambda number: run_ours(open_store(f"task-{number}")),
            },
            ROUNDS,
        )
        calls = measure(
            {
                "bare": lambda _: make_calls(None),
                "memory": lambda number: make_calls(MemoryStore(f"call-{number}")),
                "table": lambda number: make_calls(open_store(f"call-{number}")),
                "told": lambda number: make_calls(
                    open_store(f"told-{number}"), open_log(f"told-{number}")
                ),
            },
            ROUNDS // 4,
        )
        writes = count_batches("told-0") / CALLS
    print(
        json.dumps(
            {
                "bare_ms": round(tasks["bare"], 1),
                "task_overhead_ms_store_excluded": round(tasks["memory"] - tasks["bare"], 1),
                "task_overhead_ms": round(tasks["table"] - tasks["bare"], 1),
                "call_overhead_ms_store_excluded": round(
                    (calls["memory"] - calls["bare"]) / CALLS, 3
                ),
                "call_overhead_ms": round((calls["table"] - calls["bare"]) / CALLS, 3),
                "event_overhead_ms": round((calls["told"] - calls["table"]) / CALLS, 3),
                "event_writes_per_call": writes,
            }
        )
    )


def measure(ways: dict[str, Callable[[int], None]], rounds: int) -> dict[str, float]:
    """Milliseconds of each way, asked in turn: the median."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(-WARM_UP, rounds):
        for name, act in ways.items():
            started = time.perf_counter()
            act(number)
            if number >= 0:
                times[name].append(1000 * (time.perf_counter() - started))
    return {name: statistics.median(series) for name, series in times.items()}


def kick_off_bare(_: int) -> None:
    """As a script of crewai's documentation would."""
    agents = [
        Agent(
            role=agent["role"], goal=agent["goal"], backstory=agent["backstory"], llm=make_llm(),
            max_execution_time=300,
        )
        for agent in CREW["agents"]
    ]  # fmt: skip
    tasks = [
        Task(name=f"step-{n}", description="Why?", expected_output="A text.", agent=agent)
        for n, agent in enumerate(agents)
    ]
    Crew(agents=agents, tasks=tasks, memory=False, cache=False, tracing=False).kickoff()


def run_ours(store: Store) -> None:
    outcome = run_crew(
        "task", Configuration.model_validate(CREW), "Why?", {}, timeout=300,
        read_secret=lambda name: name, verbose=False, on_event=lambda _: None,
        journal=Journal(store),
    )  # fmt: skip
    assert outcome.status == "succeeded", outcome
    assert outcome.usage.requests == 2


def make_calls(store: Store | None, log: EventLog | None = None) -> None:
    llm = make_llm()
    if store is None:
        for _ in range(CALLS):
            llm.call(PROMPT)
        return
    teller = CallTeller(log.record) if log else None
    with Journal(store, teller=teller).open(str):
        for _ in range(CALLS):
            llm.call(PROMPT)
    if log:
        log.flush()


def open_store(task_id: str) -> JournalStore:
    table = Table(boto3.client("dynamodb"), "quarterdeck")
    blobs = BlobStore(boto3.client("s3"), "quarterdeck")
    return JournalStore(table, blobs, Scope("system", 1), task_id)


def open_log(task_id: str) -> EventLog:
    table = Table(boto3.client("dynamodb"), "quarterdeck")
    return EventLog(table, Scope("system", 1), task_id, read_clock)


def count_batches(task_id: str) -> int:
    table = Table(boto3.client("dynamodb"), "quarterdeck")
    return len(list(read_batches(table, Scope("system", 1), task_id, 0)))


if __name__ == "__main__":
    main()
