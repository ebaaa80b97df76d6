"""Records as a system leaves them: shapes of the project's models, and prose that people wrote.

The prose is the documentation of AWS's services that botocore has, without the sentences that begin
or end as another does: zstd makes a third of what is left. It comes round again after more than
zstd looks back. Vectors are random: they hardly compress.
"""

import gzip
import html
import json
import random
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import botocore
import numpy

from quarterdeck.backups.archive.layout import Part
from quarterdeck.backups.archive.records import Record
from quarterdeck.keys import Scope
from quarterdeck.metrics.buckets import count_outcome
from quarterdeck.names import format_time
from quarterdeck.table import Item, marshal_item
from quarterdeck.tasks.events import StepEnded, StepStarted
from quarterdeck.tasks.outcome import Outcome, StepResult, Usage
from quarterdeck.tasks.states import TaskSpec, TaskState, rank_task

SERVICES = 150
DIMENSIONS = 1024
STEPS = (("research", "Researcher"), ("write", "Writer"), ("review", "Reviewer"))
MEMORIES_A_TASK = 3
SCOPE = Scope("5f1c9a4e07d2b6835f1c9a4e", 3)
START = datetime(2026, 11, 1, tzinfo=UTC)


def gather_sentences() -> list[str]:
    """In an order of no meaning, the same each time."""
    found: dict[str, None] = {}
    services = sorted((Path(botocore.__file__).parent / "data").glob("*/*/service-2.json.gz"))
    for path in services[:SERVICES]:
        for text in list_texts(json.loads(gzip.decompress(path.read_bytes()))):
            plain = " ".join(html.unescape(re.sub(r"<[^>]+>", " ", text)).split())
            found |= dict.fromkeys(re.split(r"(?<=[.!?]) ", plain))
    sentences = sorted(found)
    random.Random(1).shuffle(sentences)
    known: set[tuple[str, ...]] = set()
    return [sentence for sentence in sentences if len(sentence) > 60 and is_new(known, sentence)]


def list_texts(value: Any) -> Iterator[str]:
    match value:
        case dict():
            for name, inner in value.items():
                if name == "documentation" and isinstance(inner, str):
                    yield inner
                else:
                    yield from list_texts(inner)
        case list():
            for inner in value:
                yield from list_texts(inner)


def is_new(known: set[tuple[str, ...]], sentence: str) -> bool:
    words = sentence.lower().split()
    ends = {("begins", *words[:4]), ("ends", *words[-4:])}
    if known & ends:
        return False
    known |= ends
    return True


class RecordSource:
    """Draws task after task, each with what it leaves in every part."""

    def __init__(self) -> None:
        self.random = random.Random(2)
        self.vectors = numpy.random.default_rng(3)
        self.sentences = gather_sentences()
        self.place = 0
        self.now = START

    def draw(self) -> Iterator[Record]:
        while True:
            self.now += timedelta(seconds=self.random.expovariate(1 / 240))
            yield from self._draw_task()

    def _draw_task(self) -> Iterator[Record]:
        task_id = f"{self.random.getrandbits(96):024x}"
        usages = [self._draw_usage() for _ in STEPS]
        outcome = self._draw_outcome(usages)
        parts = [*self._describe_task(task_id, outcome), *self._describe_events(task_id, outcome)]
        for key, item in parts:
            yield make_record("task_histories", key, item)
        for number in range(MEMORIES_A_TASK):
            yield self._draw_memory(task_id, number)
        update = count_outcome(
            SCOPE, "research", outcome, outcome.duration_ms + self.random.randrange(9_000), self.now
        )
        counters = dict(update.assign) | dict(update.add) | {"arrivals": 1}
        yield make_record("system_metrics", update.key, counters)

    def _describe_task(self, task_id: str, outcome: Outcome) -> Iterator[tuple[Any, Item]]:
        state = TaskState(
            task_id=task_id,
            crew_name="research",
            status=outcome.status,
            epoch=1,
            priority="medium",
            version=7,
            rank=rank_task(self.now, "medium"),
            created_at=format_time(self.now),
            started_at=format_time(self.now + timedelta(seconds=2)),
            ended_at=format_time(self.now + timedelta(milliseconds=outcome.duration_ms)),
        )
        spec = TaskSpec(description=self._write_prose(300), inputs={"topic": "x"}, timeout=900)
        expires = {"expires_at": int(self.now.timestamp()) + 90 * 86_400}
        yield SCOPE.registry_key(task_id, self.now), {"crew_name": "research"}
        yield SCOPE.state_key(task_id), state.model_dump(exclude_none=True)
        yield SCOPE.spec_key(task_id), {"document": {"text": spec.model_dump_json()}} | expires
        yield SCOPE.end_key(task_id), {"document": {"text": outcome.model_dump_json()}} | expires

    def _describe_events(self, task_id: str, outcome: Outcome) -> Iterator[tuple[Any, Item]]:
        expires = int(self.now.timestamp()) + 30 * 86_400
        for number, step in enumerate(outcome.steps):
            for event in (
                StepStarted(step=step.name, agent=step.agent),
                StepEnded(
                    step=step.name,
                    agent=step.agent,
                    usage=step.usage,
                    duration_ms=step.duration_ms,
                ),
            ):
                key = SCOPE.event_key(task_id, 2 * number + (event.type == "step_ended"))
                yield key, {"event": event.model_dump(), "expires_at": expires}

    def _draw_outcome(self, usages: list[Usage]) -> Outcome:
        steps = tuple(
            StepResult(
                name=name,
                agent=agent,
                output=self._write_prose(self.random.randrange(1_500, 4_000)),
                usage=usage,
                duration_ms=self.random.randrange(2_000, 40_000),
            )
            for (name, agent), usage in zip(STEPS, usages, strict=True)
        )
        return Outcome(
            status="succeeded",
            output=steps[-1].output,
            steps=steps,
            usage=sum(usages, Usage()),
            duration_ms=sum(step.duration_ms for step in steps),
        )

    def _draw_usage(self) -> Usage:
        tokens = self.random.randrange(800, 9_000), self.random.randrange(300, 1_000)
        return Usage(
            prompt_tokens=tokens[0],
            completion_tokens=tokens[1],
            requests=self.random.randrange(1, 5),
            cost_usd=(tokens[0] * 0.8 + tokens[1] * 3.2) / 1e6,
        )

    def _draw_memory(self, task_id: str, number: int) -> Record:
        vector = self.vectors.normal(size=DIMENSIONS)
        record_id = f"{self.random.getrandbits(128):032x}"
        details = {
            "categories": self.random.sample(["finding", "source", "method", "person"], 2),
            "metadata": {"task": task_id, "step": STEPS[number % len(STEPS)][0]},
            "importance": round(self.random.random(), 2),
            "source": task_id,
            "private": False,
            "origin": f"{task_id}#{number}",
        }
        item = {
            "record_id": record_id,
            "scope": f"/crew/research/{self.random.randrange(40)}",
            "created_at": format_time(self.now),
            "last_accessed": format_time(self.now),
            "details": json.dumps(details, separators=(",", ":")),
            "document": {"text": self._write_prose(300)},
        }
        content = (vector / numpy.linalg.norm(vector)).astype("<f2").tobytes()
        shard = self.random.randrange(8)
        return Record(
            "agent_memories",
            f"#MEMORY#research#{shard}",
            record_id,
            marshal_item(item) | {"vector": {"B": content}},
        )

    def _write_prose(self, size: int) -> str:
        """The next sentences, at least `size` characters of them."""
        chosen: list[str] = []
        while size > 0:
            sentence = self.sentences[self.place % len(self.sentences)]
            self.place += 1
            size -= len(sentence)
            chosen.append(sentence)
        return " ".join(chosen)


def make_record(part: Part, key: Any, item: Item) -> Record:
    return Record(part, key.pk.removeprefix(SCOPE.prefix), key.sk, marshal_item(item))
