"""What a task asks a person: the question as it is kept, and as it is told."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from pydantic import BaseModel, ConfigDict

from quarterdeck.abreast import map_abreast
from quarterdeck.blobs import BlobStore
from quarterdeck.keys import CALL_PREFIX, EVENT_PREFIX, Key, Scope
from quarterdeck.names import format_time
from quarterdeck.retention import Kept
from quarterdeck.table import ConditionFailed, Item, Present, Table, Update
from quarterdeck.tasks.events import QuestionKind, Waiting
from quarterdeck.tasks.outcome import Label, StepResult, Text, Usage
from quarterdeck.tasks.states import TaskState

LONGEST_WAIT = 30 * 24 * 3600
"""Seconds that a question stays open for, if its crew does not say."""
SHORTEST_WAIT = timedelta(seconds=60)
LONGEST_LIFE = timedelta(days=30)
"""Of a task that waits, since its submit: what it needs is in S3 for some days more."""
KEPT_AT_ONCE = 8
MARGIN = timedelta(days=1)
"""Kept so much longer than it must be: the next question of the same day moves nothing."""


class Asked(BaseModel):
    """A question as the run asks it. `place`: of its call in the journal. `seconds`: how long it
    stays open."""

    model_config = ConfigDict(frozen=True)

    kind: QuestionKind
    step: Label
    agent: Label
    text: Text
    answer_so_far: Text = ""
    place: tuple[str, int]
    seconds: int = LONGEST_WAIT


class Progress(BaseModel):
    """What the task had done when it asked: what is left of it if nobody answers."""

    model_config = ConfigDict(frozen=True)

    steps: tuple[StepResult, ...] = ()
    usage: Usage = Usage()
    rehearsal: bool = False


class QuestionView(BaseModel):
    """A question as the API tells it."""

    model_config = ConfigDict(frozen=True)

    number: int
    """From 1, in the task."""
    kind: QuestionKind
    """`review`: is the answer good. `tool_in_doubt`: may the tool be called again."""
    step: str
    agent: str
    text: str
    """What is asked."""
    answer_so_far: str
    """What the agent has; empty when a tool is in doubt."""
    asked_at: str
    expires_at: str


class Question(QuestionView):
    """QUESTION's document."""

    place: tuple[str, int]
    progress: Progress


def find_expiry(created: datetime, seconds: int, now: datetime) -> datetime:
    """When a question expires that is asked now, of a task that was submitted then."""
    wanted, last = now + timedelta(seconds=seconds), created + LONGEST_LIFE
    return max(min(wanted, last), now + SHORTEST_WAIT)


def open_question(
    asked: Asked, progress: Progress, number: int, now: datetime, expires: datetime
) -> Question:
    return Question(
        **asked.model_dump(exclude={"seconds"}),
        number=number,
        progress=progress,
        asked_at=format_time(now),
        expires_at=format_time(expires),
    )


def describe_question(question: Question) -> Waiting:
    return Waiting(
        question=question.number,
        kind=question.kind,
        step=question.step,
        agent=question.agent,
        expires_at=question.expires_at,
    )


def store_question(
    blobs: BlobStore, scope: Scope, state: TaskState, question: Question
) -> dict[str, Any]:
    """The question's document. Each epoch has its own place, as an outcome has."""
    name = f"question-{question.number}-{state.epoch}.json"
    return blobs.store_document(
        f"{scope.blob_prefix}/{state.task_id}/{name}", question.model_dump_json()
    )


def read_question(blobs: BlobStore, item: Item) -> Question:
    return Question.model_validate_json(blobs.load_document(item["document"]))


def view_question(blobs: BlobStore, item: Item) -> QuestionView:
    fields = set(QuestionView.model_fields)
    return QuestionView(**read_question(blobs, item).model_dump(include=fields))


def read_progress(table: Table, blobs: BlobStore, scope: Scope, state: TaskState) -> dict[str, Any]:
    """What a task that waits had done, as fields of an outcome."""
    item = table.get(scope.question_key(state.task_id, state.question))
    progress = read_question(blobs, item).progress if item else Progress()
    return {name: getattr(progress, name) for name in Progress.model_fields}


def keep_journals(table: Table, scope: Scope, task_ids: Iterable[str], until: datetime) -> int:
    """What these tasks' calls have answered and spent outlasts the wait; how many items that moved.

    `until`: when the question expires. A call is not paid again because a person took a month.
    """
    items = (item for task_id in task_ids for item in list_kept(table, scope, task_id))
    return keep_items(table, items, "journals", until)


def keep_events(table: Table, scope: Scope, task_id: str, until: datetime) -> int:
    """The same of the log, whose numbers go on after the wait: none is given again."""
    items = table.query(scope.state_key(task_id).pk, EVENT_PREFIX)
    return keep_items(table, items, "events", until)


def keep_items(table: Table, items: Iterable[Item], kind: Kept, until: datetime) -> int:
    kept = until + table.retention.keep(kind)
    needed, expires = int(kept.timestamp()), int((kept + MARGIN).timestamp())
    due = [Key(item["pk"], item["sk"]) for item in items if item.get("expires_at", needed) < needed]

    def keep(key: Key) -> None:
        try:
            table.write(Update(key, {"expires_at": expires}, {}, conditions=[Present()]))
        except ConditionFailed:
            return  # It has expired meanwhile: half of an item would be no entry.

    list(map_abreast(keep, due, KEPT_AT_ONCE))
    return len(due)


def list_kept(table: Table, scope: Scope, task_id: str) -> Iterable[Item]:
    yield from table.query(scope.state_key(task_id).pk, CALL_PREFIX)
    spending = table.get(scope.spending_key(task_id))
    if spending is not None:
        yield spending
