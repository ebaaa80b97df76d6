"""A person's answer: it alone lets a task go on that waits, once."""

import json
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from quarterdeck.blobs import BlobStore
from quarterdeck.errors import Conflict
from quarterdeck.idempotency import Once, remember
from quarterdeck.keys import Scope
from quarterdeck.names import format_time, generate_id
from quarterdeck.retention import Expiry
from quarterdeck.systems.activity import mark_active
from quarterdeck.systems.records import System
from quarterdeck.systems.store import refuse_while_restoring
from quarterdeck.table import ConditionFailed, Item, Table
from quarterdeck.tasks.event_log import append_event
from quarterdeck.tasks.events import Choice, Resumed
from quarterdeck.tasks.questions import Question, read_question
from quarterdeck.tasks.states import TaskState
from quarterdeck.tasks.store import TaskStore
from quarterdeck.tasks.waiting import resume_task

LONGEST_FEEDBACK = 20_000
ATTEMPTS = 10

Feedback = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=LONGEST_FEEDBACK)
]


class Answer(BaseModel):
    """What `POST …/tasks/{task_id}/resume` takes: an approval, or what is to be changed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    approve: bool | None = Field(default=None, strict=True)
    """True: the answer is good; of a tool in doubt: call it again."""
    feedback: Feedback | None = None
    """What is to be changed; of a tool in doubt: what it is to have answered."""
    question: int | None = Field(default=None, ge=1, strict=True)
    """The number of the question that is meant; without it, the task's last."""

    @model_validator(mode="after")
    def check_one(self) -> Self:
        if self.approve and self.feedback is not None:
            raise PydanticCustomError("answer", "approve and feedback exclude one another")
        if self.approve is False and self.feedback is None:
            raise PydanticCustomError(
                "answer", "approve is false: give what is to be changed as feedback, or cancel it"
            )
        if not self.approve and self.feedback is None:
            raise PydanticCustomError("answer", "give approve: true, or feedback")
        return self

    @property
    def choice(self) -> Choice:
        return "approve" if self.feedback is None else "feedback"

    @property
    def said(self) -> dict[str, Any]:
        """As the question and the journal keep it."""
        return {"approve": True} if self.feedback is None else {"feedback": self.feedback}


def answer_question(
    table: Table,
    blobs: BlobStore,
    system: System,
    task_id: str,
    answer: Answer,
    answered_by: str,
    clock: Callable[[], datetime],
    once: Once | None = None,
) -> bool:
    """Whether this answer lets the task go on; False if the same was given before.

    Conflict if the question was answered otherwise, or is not open.
    """
    tasks, scope = TaskStore(table, blobs), system.scope
    for _ in range(ATTEMPTS):
        state = tasks.get_state(scope, task_id)
        check_open(system)
        number = answer.question or state.question
        item = table.get(scope.question_key(task_id, number))
        if item is None or (state.status, state.question) != ("waiting", number):
            compare_answer(state, number, item, answer)
            # Sent again, it is to answer no question that comes since.
            if known := remember(once, {"task_id": task_id, "resumed": False}, clock()):
                table.write(*known)
            return False
        question, now = read_question(blobs, item), clock()
        answered = {
            "answer": answer.said,
            "answered_at": format_time(now),
            "answered_by": answered_by,
        }
        call = scope.call_key(task_id, *question.place)
        entry = enter_answer(blobs, scope, question, task_id, answer, now)
        mark_active(table, system.system_id, now)
        try:
            table.write(
                *resume_task(scope, state, answered, call, entry, now),
                *remember(once, {"task_id": task_id, "resumed": True}, now),
            )
        except ConditionFailed:
            # Answered, cancelled or expired meanwhile: perhaps by this very request.
            continue
        resumed = Resumed(question=number, answer=answer.choice)
        append_event(table, scope, task_id, resumed, now)
        return True
    raise Conflict("the task changes too fast to be answered: try again")


def check_open(system: System) -> None:
    refuse_while_restoring(system)
    if system.state == "deleting":
        raise Conflict(f"system '{system.name}' is deleting: its tasks are cancelled")


def compare_answer(state: TaskState, number: int, item: Item | None, answer: Answer) -> None:
    """Conflict, unless the question was answered so."""
    if item is None and not state.question:
        raise Conflict(f"the task is {state.status}: it has asked nothing")
    if item is None:
        raise Conflict(f"the task has no question {number}: its last is {state.question}")
    if "answer" not in item:
        raise Conflict(f"question {number} is closed unanswered: the task is {state.status}")
    if item["answer"] != answer.said:
        raise Conflict(
            f"question {number} was answered otherwise, at {item['answered_at']}: "
            f"the task is {state.status}"
        )


def enter_answer(
    blobs: BlobStore,
    scope: Scope,
    question: Question,
    task_id: str,
    answer: Answer,
    now: datetime,
) -> dict[str, Any]:
    """The journal's entry, as a worker reads it: what the run's question is answered with."""
    entry = {"kind": "human", "name": question.kind, "answer": answer.said}
    blob = f"{scope.blob_prefix}/{task_id}/call-{generate_id()}.json"
    return {
        "name": question.kind,
        "kind": "human",
        "effect": False,
        "code": "",
        "document": blobs.store_document(blob, json.dumps(entry, ensure_ascii=False)),
        "expires_at": Expiry("journals", now),
    }
