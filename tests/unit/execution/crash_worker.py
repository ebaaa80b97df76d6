"""A process that has crewai loaded, and forks for each run: the one that is killed.

Reads orders and writes what came of them, one JSON object a line.
"""

import json
import os
import sys
from collections.abc import Mapping
from typing import Any

import boto3
from crewai import Crew, Process
from crewai.memory.types import MemoryRecord

from quarterdeck.blobs import BlobStore
from quarterdeck.execution.call_events import CallTeller, spell_place
from quarterdeck.execution.crew_memory import CrewMemory, build_memory
from quarterdeck.execution.crews import build_crew
from quarterdeck.execution.journal import Journal
from quarterdeck.execution.journal_entry import Entry, Mark
from quarterdeck.execution.journal_store import JournalStore, Place
from quarterdeck.execution.journaled_tool import JournaledTool, make_tool
from quarterdeck.execution.memory_writes import Storage
from quarterdeck.keys import CALL_PREFIX, Scope, parse_call_key
from quarterdeck.memory.backend import TableStorage
from quarterdeck.memory.store import MemoryStore
from quarterdeck.names import read_clock
from quarterdeck.systems.configuration import Crew as Configuration
from quarterdeck.table import Table
from quarterdeck.tasks.event_log import EventLog, read_batches
from quarterdeck.tasks.events import CallEvent
from tests.unit.execution.journals import (
    Letter,
    make_agent,
    make_crew,
    make_task,
    run_journaled,
)

KILLED = 9
SCOPE = Scope("system", 1)
CREW = "sea"


def make_letters(path: str) -> JournaledTool:
    """A tool that adds a line to the file for each letter."""

    def send(arguments: Mapping[str, Any], key: str) -> str:
        with open(path, "a", encoding="utf-8") as file:
            file.write(json.dumps([arguments["address"], key]) + "\n")
        return f"Sent to {arguments['address']}."

    return make_tool(
        "send_letter", "Sends a letter.", Letter, send, has_effect=True, in_doubt="repeat"
    )


def build(process: str, url: str, effects: str) -> Crew:
    """Three agents, four steps, a tool with an effect; in a sequential crew one step aside."""
    writer = make_agent(url, "Writer", tools=[make_letters(effects)])
    agents = [writer, make_agent(url, "Critic"), make_agent(url, "Editor")]
    if process == "hierarchical":
        manager = make_agent(url, "Manager", allow_delegation=True)
        tasks = [make_task(agents[n % 3], f"Work {n}.", name=f"s{n}") for n in range(4)]
        return make_crew(agents, tasks, process=Process.hierarchical, manager_agent=manager)
    first = make_task(agents[0], "Write to the first.", name="first")
    aside = make_task(agents[1], "Judge it.", name="aside", async_execution=True, context=[first])
    beside = make_task(agents[0], "Write more.", name="beside", async_execution=True)
    last = make_task(agents[2], "Put it together.", name="last", context=[aside, beside])
    return make_crew(agents, [first, aside, beside, last])


def build_remembering(url: str, storage: Storage) -> tuple[Crew, CrewMemory]:
    """Two agents who share a memory, which asks the model for all that it can."""
    llm = {"model": "openai/gpt", "base_url": url}
    agents = [{"role": role, "goal": "Good work", "backstory": "b", "llm": llm} for role in "AB"]
    embedder = {"model": "openai/small", "base_url": url}
    settings = {"recall": "deep", "analysis": True, "embedder": embedder}
    crew = Configuration.model_validate({"name": CREW, "agents": agents, "memory": settings})
    memory = build_memory(crew, storage, str, 60)
    built = build_crew(
        crew, "Why is the sea salt? " * 20, {}, str, verbose=False, timeout=60, memory=memory
    )
    return built, memory


class Executioner:
    """Kills this process at a point: (phase, the how-manieth time that it is reached)."""

    def __init__(self, point: tuple[str, int] | None, report: int) -> None:
        self.point = point
        self.report = report
        self.reached = dict.fromkeys(("before", "marked", "between", "after", "kept"), 0)
        self.journal: Journal | None = None

    def reach(self, phase: str) -> None:
        self.reached[phase] += 1
        if self.journal is not None and self.point == (phase, self.reached[phase]):
            in_flight = self.journal.gate._in_flight
            os.write(self.report, json.dumps({"in_flight": in_flight}).encode())
            os._exit(KILLED)


class DeadlyStore(JournalStore):
    executioner: Executioner

    def record(self, place: Place, entry: Entry) -> Entry:
        self.executioner.reach("between")
        kept = super().record(place, entry)
        self.executioner.reach("after")
        return kept

    def mark_started(self, place: Place, name: str, code: str) -> Mark:
        mark = super().mark_started(place, name, code)
        self.executioner.reach("marked")
        return mark


class DeadlyStorage(TableStorage):
    """The process may end between one write to memory and the next, or its record."""

    executioner: Executioner

    def save(self, records: list[MemoryRecord]) -> None:
        super().save(records)
        self.executioner.reach("kept")

    def update(self, record: MemoryRecord) -> None:
        super().update(record)
        self.executioner.reach("kept")

    def delete(self, *args: Any, **options: Any) -> int:
        deleted = super().delete(*args, **options)
        self.executioner.reach("kept")
        return deleted


def run(order: dict[str, Any], table: Table, blobs: BlobStore, report: int) -> None:
    point = order["point"] and (order["point"][0], order["point"][1])
    executioner = Executioner(point, report)
    store = DeadlyStore(table, blobs, SCOPE, order["task_id"])
    store.executioner = executioner
    log = EventLog(table, SCOPE, order["task_id"], read_clock)
    teller = CallTeller(log.record)
    journal = Journal(store, lambda: executioner.reach("before"), teller=teller)
    executioner.journal = journal
    task_id, url = order["task_id"], order["url"]
    if order["process"] == "remembering":
        memories = MemoryStore(table, blobs, Scope(order["system"], 1), CREW)
        storage = DeadlyStorage(memories, lambda: task_id)
        storage.executioner = executioner
        crew, memory = build_remembering(url, storage)
        ran = run_journaled(crew, journal)
        memory.close()
    else:
        ran = run_journaled(build(order["process"], url, order["effects"]), journal)
    told = log.flush()
    result = {
        "told": told and list_calls(table, order["task_id"]),
        "output": ran.output,
        "steps": [step.model_dump() for step in ran.steps],
        "usage": ran.usage.model_dump(),
        "reached": executioner.reached,
        "replayed": journal.replayed,
        "unclaimed": journal.unclaimed(),
    }
    os.write(report, json.dumps(result).encode())


def list_calls(table: Table, task_id: str) -> dict[str, list[str]]:
    """Of the journal, and those that the log tells of."""
    partition = SCOPE.state_key(task_id).pk
    calls = [parse_call_key(item["sk"]) for item in table.query(partition, CALL_PREFIX)]
    made = [spell_place(Place(c.digest, c.occurrence)) for c in calls if not c.started]
    batches = read_batches(table, SCOPE, task_id, 0)
    told = [event for batch in batches for event in batch.events]
    return {"made": made, "told": [e.call for e in told if isinstance(e, CallEvent) and e.call]}


def fork(order: dict[str, Any], table: Table, blobs: BlobStore) -> dict[str, Any]:
    read, report = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read)
        silence = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silence, 1)
        try:
            run(order, table, blobs, report)
        except BaseException as error:
            os.write(report, json.dumps({"error": repr(error)}).encode())
        os._exit(0)
    os.close(report)
    with os.fdopen(read) as said:
        text = said.read()
    os.waitpid(child, 0)
    return dict(json.loads(text))


def main() -> None:
    endpoint = sys.argv[1]
    table = Table(boto3.client("dynamodb", endpoint_url=endpoint), "quarterdeck")
    blobs = BlobStore(boto3.client("s3", endpoint_url=endpoint), "quarterdeck")
    for line in sys.stdin:
        print(json.dumps(fork(json.loads(line), table, blobs)), flush=True)


if __name__ == "__main__":
    main()
