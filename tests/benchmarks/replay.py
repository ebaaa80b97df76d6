"""What a replayed call costs: `.ci/uv run python tests/benchmarks/replay.py`.

Prints one JSON object last: `replay_ms_per_call` for 10, 100 and 1,000 calls, from the query of the
journal to the last answer, against a table of moto in this process (`store_ms` of it is the query).
A call has four messages of 2 kB and two tools; `replay_ms_large` is for 40 kB and ten tools.
"""

import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "functions"), str(ROOT / "layers/crewai/stubs")]
os.environ["CREWAI_STORAGE_DIR"] = tempfile.mkdtemp()

from quarterdeck.process import prepare_process  # noqa: E402 - by path, as a script

prepare_process()

import boto3  # noqa: E402
from moto import mock_aws  # noqa: E402

from quarterdeck.blobs import BlobStore  # noqa: E402
from quarterdeck.execution.journal import Journal  # noqa: E402
from quarterdeck.execution.journal_store import JournalStore  # noqa: E402
from quarterdeck.execution.patches import apply_patches  # noqa: E402
from quarterdeck.execution.rehearsal import RehearsalLLM  # noqa: E402
from quarterdeck.keys import Scope  # noqa: E402
from quarterdeck.table import Table  # noqa: E402
from tests.account import ENVIRONMENT, prepare_account  # noqa: E402

COUNTS = (10, 100, 1000)
ROUNDS = 5
SENTENCE = "The keeper trims the lamp before the ships come in. "


def main() -> None:
    os.environ |= ENVIRONMENT
    apply_patches()
    with mock_aws():
        prepare_account()
        figures: dict[str, Any] = {
            str(count): measure(count, size=2_000, messages=4, tools=2) for count in COUNTS
        }
        large = measure(100, size=10_000, messages=4, tools=10)
    print(
        json.dumps(
            {
                "replay_ms_per_call": {n: each["total"] for n, each in figures.items()},
                "store_ms_per_call": {n: each["store"] for n, each in figures.items()},
                "replay_ms_large": large["total"],
            }
        )
    )


def measure(count: int, *, size: int, messages: int, tools: int) -> dict[str, float]:
    """Milliseconds a call, the median of the rounds: all, and the loading of the journal."""
    store = open_store(f"task-{count}-{size}")
    prompts = [make_prompt(number, size, messages) for number in range(count)]
    offered = [make_tool(number) for number in range(tools)]
    ask(Journal(store), prompts, offered)
    totals, loads = [], []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        store.load()
        loads.append(time.perf_counter() - started)
        journal = Journal(store)
        started = time.perf_counter()
        ask(journal, prompts, offered)
        totals.append(time.perf_counter() - started)
        assert (journal.replayed, journal.recorded) == (count, 0)
    return {name: round(1000 * statistics.median(series) / count, 3)
            for name, series in (("total", totals), ("store", loads))}  # fmt: skip


def open_store(task_id: str) -> JournalStore:
    table = Table(boto3.client("dynamodb"), "quarterdeck")
    blobs = BlobStore(boto3.client("s3"), "quarterdeck")
    return JournalStore(table, blobs, Scope("system", 1), task_id)


def ask(journal: Journal, prompts: list[Any], tools: list[Any]) -> None:
    llm = RehearsalLLM(model="rehearsal", provider="rehearsal")
    with journal.open(str):
        for prompt in prompts:
            llm.call(prompt, tools)


def make_prompt(number: int, size: int, messages: int) -> list[dict[str, str]]:
    text = (f"{number}. " + SENTENCE * (size // len(SENTENCE) + 1))[:size]
    return [{"role": "user", "content": text} for _ in range(messages)]


def make_tool(number: int) -> dict[str, Any]:
    properties = {"query": {"type": "string", "description": SENTENCE}}
    schema = {"type": "object", "properties": properties, "required": ["query"]}
    function = {"name": f"look_{number}", "description": SENTENCE * 4, "parameters": schema}
    return {"type": "function", "function": function}


if __name__ == "__main__":
    main()
