"""Submitting a task: checked against its crew, and written in one transaction."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from quarterdeck.blobs import BlobStore
from quarterdeck.errors import Conflict, FieldError, InvalidInput, QueueFull
from quarterdeck.names import Name, format_time, generate_id
from quarterdeck.systems.configuration import MAX_TASK_SECONDS
from quarterdeck.systems.store import System
from quarterdeck.table import Item, Table
from quarterdeck.tasks.transitions import Priority, TaskState, rank_task, submit_task

MAX_QUEUED = 10_000
MAX_DESCRIPTION = 100_000

InputName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_-]{0,63}$")]


class TaskRequest(BaseModel):
    """What `POST /crews/{system_id}/tasks` takes."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    description: Annotated[str, StringConstraints(min_length=1, max_length=MAX_DESCRIPTION)]
    crew_name: Name
    priority: Priority = "medium"
    timeout: int = Field(default=300, ge=1, le=MAX_TASK_SECONDS, strict=True)
    """Seconds of running, queueing left out."""
    inputs: dict[InputName, str | int | float | bool] = Field(default_factory=dict)


class TaskSpec(BaseModel):
    """SPEC's document: what the worker runs."""

    model_config = ConfigDict(frozen=True)

    description: str
    inputs: dict[str, str | int | float | bool]
    timeout: int


def accept_task(
    table: Table, blobs: BlobStore, system: System, request: TaskRequest, now: datetime
) -> TaskState:
    """A queued task; an error if the system, the crew or the inputs do not allow it."""
    check_system(system)
    crew_item = table.get(system.scope.crew_key(request.crew_name))
    check_request(request, system.crews, crew_item)
    if count_queued(table, system, request.crew_name) >= MAX_QUEUED:
        raise QueueFull(f"crew '{request.crew_name}' has {MAX_QUEUED} queued tasks")
    state = TaskState(
        task_id=generate_id(),
        crew_name=request.crew_name,
        status="queued",
        epoch=0,
        priority=request.priority,
        version=system.current_version,
        rank=rank_task(now, request.priority),
        created_at=format_time(now),
    )
    spec = TaskSpec(description=request.description, inputs=request.inputs, timeout=request.timeout)
    document = blobs.store_document(
        f"{system.scope.blob_prefix}/tasks/{state.task_id}/spec.json", spec.model_dump_json()
    )
    table.write(*submit_task(system.scope, state, {"document": document}, now))
    return state


def check_system(system: System) -> None:
    if system.state != "active":
        raise Conflict(
            f"system '{system.name}' is {system.state}: it takes tasks when it is active"
        )


def check_request(request: TaskRequest, crews: Sequence[str], crew_item: Item | None) -> None:
    if crew_item is None:
        rule = f"unknown crew '{request.crew_name}'; the crews are: {', '.join(crews)}"
        raise InvalidInput([FieldError("crew_name", rule)])
    errors = [
        FieldError(f"inputs.{name}", f"a text of the crew has the placeholder {{{name}}}")
        for name in crew_item["placeholders"]
        if name not in request.inputs
    ]
    if "description" in request.inputs:
        errors.append(FieldError("inputs.description", "stands for the task's own description"))
    if errors:
        raise InvalidInput(errors)


def count_queued(table: Table, system: System, crew: str) -> int:
    return table.count(system.scope.crew_key(crew).pk, "QUEUE#")


def find_position(table: Table, system: System, state: TaskState) -> int:
    """How many tasks of the crew are queued up to and including this one."""
    key = system.scope.queue_key(state.crew_name, state.rank, state.task_id)
    return table.count(key.pk, "QUEUE#", up_to=key.sk)
