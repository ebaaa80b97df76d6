"""Submitting a task: checked against its crew, and written in one transaction."""

import math
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints
from pydantic_core import PydanticCustomError

from quarterdeck.blobs import BlobStore
from quarterdeck.errors import Conflict, FieldError, InvalidInput, QueueFull, crew_not_found
from quarterdeck.idempotency import Once, remember
from quarterdeck.keys import QUEUE_PREFIX
from quarterdeck.names import Name, format_time, generate_id
from quarterdeck.observability import current_trace, logger
from quarterdeck.systems.activity import mark_active
from quarterdeck.systems.configuration import MAX_INPUTS, MAX_TASK_SECONDS
from quarterdeck.systems.placeholders import INPUT_NAME
from quarterdeck.systems.records import CrewVersion, System
from quarterdeck.systems.store import SystemStore, refuse_while_restoring
from quarterdeck.table import Table
from quarterdeck.tasks.states import Priority, TaskSpec, TaskState, rank_task
from quarterdeck.tasks.store import TaskStore
from quarterdeck.tasks.transitions import submit_task

MAX_QUEUED = 10_000
MAX_DESCRIPTION = 100_000
RETRIED = frozenset({"failed", "timed_out", "cancelled", "interrupted"})

InputName = Annotated[str, StringConstraints(pattern=f"^{INPUT_NAME}$")]


def check_value(value: Any) -> Any:
    infinite = isinstance(value, float) and not math.isfinite(value)
    if infinite or not isinstance(value, str | int | float):
        raise PydanticCustomError("input_value", "must be a text, a number, true or false")
    return value


InputValue = Annotated[str | int | float | bool, BeforeValidator(check_value)]


class TaskRequest(BaseModel):
    """What `POST /crews/{system_id}/tasks` takes."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    description: Annotated[str, StringConstraints(min_length=1, max_length=MAX_DESCRIPTION)]
    crew_name: Name
    priority: Priority = "medium"
    timeout: int = Field(default=300, ge=1, le=MAX_TASK_SECONDS, strict=True)
    """Seconds of running, queueing left out."""
    inputs: dict[InputName, InputValue] = Field(default_factory=dict, max_length=MAX_INPUTS)


def accept_task(
    table: Table,
    blobs: BlobStore,
    system: System,
    request: TaskRequest,
    now: datetime,
    once: Once | None = None,
) -> TaskState:
    """A queued task; an error if the system, the crew or the inputs do not allow it.

    With `once`, ConditionFailed if the same request has made one.
    """
    spec = TaskSpec(
        description=request.description,
        inputs=request.inputs,
        timeout=request.timeout,
        asked_at=format_time(now),
    )
    check_system(system)
    check_crew(table, blobs, system, request)
    return enqueue_task(table, blobs, system, spec, request.crew_name, request.priority, now, once)


def retry_task(
    table: Table,
    blobs: BlobStore,
    system: System,
    task_id: str,
    now: datetime,
    once: Once | None = None,
) -> TaskState:
    """A new task of the same request, on the current version, which reads the old journal.

    Conflict for a task that lives or has succeeded. `once` as above.
    """
    tasks = TaskStore(table, blobs)
    state = tasks.get_state(system.scope, task_id)
    if state.status not in RETRIED:
        raise Conflict(f"the task is {state.status}: one that ended without success can be retried")
    old = tasks.get_spec(system.scope, task_id)
    request = TaskRequest(
        description=old.description,
        crew_name=state.crew_name,
        priority=state.priority,
        timeout=old.timeout,
        inputs=old.inputs,
    )
    check_system(system)
    check_crew(table, blobs, system, request)
    spec = old.model_copy(update={"retries": (*old.retries, task_id)})
    return enqueue_task(table, blobs, system, spec, state.crew_name, state.priority, now, once)


def enqueue_task(
    table: Table,
    blobs: BlobStore,
    system: System,
    spec: TaskSpec,
    crew: str,
    priority: Priority,
    now: datetime,
    once: Once | None,
) -> TaskState:
    state = TaskState(
        task_id=generate_id(),
        crew_name=crew,
        status="queued",
        epoch=0,
        priority=priority,
        version=system.current_version,
        rank=rank_task(now, priority),
        created_at=format_time(now),
        retry_of=spec.retries[-1] if spec.retries else None,
        correlation_id=current_trace.get().correlation_id,
    )
    document = blobs.store_document(
        f"{system.scope.blob_prefix}/{state.task_id}/spec.json", spec.model_dump_json()
    )
    mark_active(table, system.system_id, now)
    table.write(
        *submit_task(system.scope, state, {"document": document}, now),
        *remember(once, {"task_id": state.task_id}, now),
    )
    logger.info("Submitted", task_id=state.task_id, crew=crew)
    return state


def check_crew(table: Table, blobs: BlobStore, system: System, request: TaskRequest) -> None:
    """InvalidInput unless the crew can run the request; QueueFull when too many wait already."""
    systems = SystemStore(table, blobs)
    crew = systems.get_crew_version(system, request.crew_name)
    check_request(request, system.crews, crew)
    if table.count(system.scope.crew_key(request.crew_name).pk, QUEUE_PREFIX) >= MAX_QUEUED:
        raise QueueFull(f"crew '{request.crew_name}' has {MAX_QUEUED} queued tasks")


def check_system(system: System) -> None:
    refuse_while_restoring(system)
    if system.state != "active":
        raise Conflict(
            f"system '{system.name}' is {system.state}: it takes tasks when it is active"
        )


def check_request(request: TaskRequest, crews: Sequence[str], crew: CrewVersion | None) -> None:
    if crew is None:
        raise InvalidInput([crew_not_found("crew_name", request.crew_name, crews)])
    errors = [
        FieldError(f"inputs.{name}", f"a text of the crew has the placeholder {{{name}}}")
        for name in crew.placeholders
        if name not in request.inputs
    ]
    if "description" in request.inputs:
        errors.append(FieldError("inputs.description", "stands for the task's own description"))
    if errors:
        raise InvalidInput(errors)


def find_position(table: Table, system: System, state: TaskState) -> int:
    """How many tasks of the crew are queued up to and including this one."""
    key = system.scope.queue_key(state.crew_name, state.rank, state.task_id)
    return table.count(key.pk, QUEUE_PREFIX, up_to=key.sk)
