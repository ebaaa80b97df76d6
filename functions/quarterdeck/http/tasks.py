"""Routes of tasks."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Annotated, Literal

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.content_types import APPLICATION_JSON
from aws_lambda_powertools.event_handler.openapi.params import Query
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter
from pydantic import BaseModel

from quarterdeck.errors import FieldError, InvalidInput
from quarterdeck.http.access import needs, open_system, services_of
from quarterdeck.http.documentation import describe_answers
from quarterdeck.http.etags import Empty, IfNoneMatch, answer_unless_known
from quarterdeck.http.moments import Moment
from quarterdeck.http.once import IdempotencyKey, do_once
from quarterdeck.http.pagination import PAGE_SIZE, Cursor, Limit
from quarterdeck.http.services import Services
from quarterdeck.http.waiting import Prefer, parse_wait, wait_until
from quarterdeck.idempotency import Once
from quarterdeck.names import Name, read_clock
from quarterdeck.systems.records import System
from quarterdeck.systems.store import refuse_while_restoring
from quarterdeck.tasks.announcements import Untold
from quarterdeck.tasks.attempt import admit_for
from quarterdeck.tasks.ending import stop_task
from quarterdeck.tasks.listing import TaskFilter, TaskSummary, find_page, summarize_task
from quarterdeck.tasks.outcome import TaskError, Usage
from quarterdeck.tasks.states import TERMINAL, Status, TaskState
from quarterdeck.tasks.store import Result, StepView, TaskView
from quarterdeck.tasks.submission import TaskRequest, accept_task, find_position, retry_task

router = APIGatewayHttpRouter()


class TaskAnswer(BaseModel):
    """`success` stands for `succeeded`. `position` is the place in the crew's queue, from 1."""

    status: Status | Literal["success"]
    task_id: str
    position: int | None = None
    steps: list[StepView] | None = None
    result: Result | None = None
    result_url: str | None = None
    error: TaskError | None = None
    usage: Usage | None = None
    duration_ms: int | None = None
    rehearsal: bool | None = None


class TaskList(BaseModel):
    tasks: list[TaskSummary]
    next_cursor: str | None = None


@router.post(
    "/crews/<system_id>/tasks",
    summary="Submit a task",
    description="With `Prefer: wait=N` the answer is 200 once it has ended.",
    tags=["tasks"],
    security=needs("run"),
    status_code=HTTPStatus.ACCEPTED,
    responses=describe_answers(TaskAnswer, 404, 409, 429, work=True),
)
def submit_task(
    system_id: str,
    request: TaskRequest,
    prefer: Prefer = None,
    idempotency_key: IdempotencyKey = None,
) -> Response[TaskAnswer]:
    system = open_system(router, system_id)
    services = services_of(router)

    def accept(once: Once | None) -> TaskState:
        return accept_task(services.table, services.blobs, system, request, read_clock(), once)

    return make_task(services, system, prefer, idempotency_key, accept)


def make_task(
    services: Services,
    system: System,
    prefer: str | None,
    key: str | None,
    make: Callable[[Once | None], TaskState],
) -> Response[TaskAnswer]:
    """Makes the task once, waits if that is preferred, and tells how far it is."""
    state, headers = do_once(
        router,
        key,
        make,
        lambda made: services.tasks.get_state(system.scope, made["task_id"]),
    )
    return answer_new(services, system, state, prefer, headers)


def answer_new(
    services: Services,
    system: System,
    state: TaskState,
    prefer: str | None,
    replayed: dict[str, str],
) -> Response[TaskAnswer]:
    admit_for(services.table, services.task_queue, system.scope, state.crew_name, read_clock)

    def has_ended() -> bool:
        return services.tasks.get_state(system.scope, state.task_id).status in TERMINAL

    done = wait_until(has_ended, parse_wait(prefer))
    place = {"Location": f"/crews/{system.system_id}/tasks/{state.task_id}"}
    headers = place | replayed
    return Response(
        status_code=HTTPStatus.OK if done else HTTPStatus.ACCEPTED,
        content_type=APPLICATION_JSON,
        headers=headers if done else headers | {"Retry-After": "1"},
        body=answer_end(services, system, state)
        if done
        else answer_accepted(services, system, state),
    )


def answer_accepted(services: Services, system: System, state: TaskState) -> TaskAnswer:
    status = services.tasks.get_state(system.scope, state.task_id).status
    queued = status == "queued"
    return TaskAnswer(
        status=status,
        task_id=state.task_id,
        position=find_position(services.table, system, state) if queued else None,
    )


def answer_end(services: Services, system: System, state: TaskState) -> TaskAnswer:
    view = services.tasks.get_view(system.scope, state.task_id)
    answer = view.model_dump(include=set(TaskAnswer.model_fields))
    if view.status == "succeeded":
        answer["status"] = "success"
    return TaskAnswer.model_validate(answer)


@router.get(
    "/crews/<system_id>/tasks",
    summary="List tasks, newest first",
    description="All of them, or those that fit every filter. What is seldom comes in short pages: "
    "the list is over when there is no `next_cursor`. Statuses can be a second behind.",
    tags=["tasks"],
    security=needs("read"),
    responses=describe_answers(TaskList, 404),
)
def list_tasks(
    system_id: str,
    status: Annotated[
        list[Status] | None, Query(description="One of these: repeated, or with commas.")
    ] = None,
    crew: Annotated[Name | None, Query(description="Of this crew.")] = None,
    since: Annotated[Moment | None, Query(description="Submitted then or later.")] = None,
    until: Annotated[Moment | None, Query(description="Submitted before then.")] = None,
    limit: Limit = PAGE_SIZE,
    cursor: Cursor = None,
) -> TaskList:
    system = open_system(router, system_id)
    if since and until and until < since:
        raise InvalidInput([FieldError("until", "is before since")])
    wanted = TaskFilter(frozenset(status) if status else None, crew, since, until)
    services = services_of(router)
    # Of a generation: a place in one that a restore has replaced is none in the next.
    name = f"tasks of {system.scope.prefix}: {wanted.name}"
    start = services.cursors.read(name, cursor)
    page = find_page(services.table, system.scope, wanted, limit, start)
    return TaskList(
        tasks=[summarize_task(entry) for entry in page.items],
        next_cursor=services.cursors.write(name, page.last_key),
    )


@router.get(
    "/crews/<system_id>/tasks/<task_id>",
    summary="Read a task: status, steps, result",
    description="Its `ETag` is another one whenever the answer is. With a `result_url` each answer "
    "is: the link is new.",
    tags=["tasks"],
    security=needs("read"),
    responses=describe_answers(TaskView, 404, etag=True),
)
def get_task(
    system_id: str, task_id: str, if_none_match: IfNoneMatch = None
) -> Response[TaskView | Empty]:
    system = open_system(router, system_id)
    view = services_of(router).tasks.get_view(system.scope, task_id)
    return answer_unless_known(view, if_none_match)


@router.post(
    "/crews/<system_id>/tasks/<task_id>/cancel",
    summary="Cancel a task",
    description="A running task ends at its next call: 202 until then.",
    tags=["tasks"],
    security=needs("run"),
    responses=describe_answers(TaskView, 404, 409, work=True),
)
def cancel_task(system_id: str, task_id: str) -> Response[TaskView]:
    system = open_system(router, system_id)
    refuse_while_restoring(system)
    services = services_of(router)
    state = stop_task(services.table, services.blobs, system.scope, task_id, read_clock)
    ended = state.status in TERMINAL
    if ended:
        admit_for(services.table, services.task_queue, system.scope, state.crew_name, read_clock)
        services.announcer.tell(Untold.end(system.scope, state))
    place = {"Location": f"/crews/{system_id}/tasks/{task_id}", "Retry-After": "1"}
    return Response(
        status_code=HTTPStatus.OK if ended else HTTPStatus.ACCEPTED,
        content_type=APPLICATION_JSON,
        headers={} if ended else place,
        body=services.tasks.get_view(system.scope, task_id),
    )


@router.post(
    "/crews/<system_id>/tasks/<task_id>/retry",
    summary="Retry a task that ended without success",
    description="A new task with `retry_of`: calls that the old one made are not paid again. "
    "409 for a task that lives or has succeeded.",
    tags=["tasks"],
    security=needs("run"),
    status_code=HTTPStatus.ACCEPTED,
    responses=describe_answers(TaskAnswer, 404, 409, 429, work=True),
)
def retry_ended_task(
    system_id: str,
    task_id: str,
    prefer: Prefer = None,
    idempotency_key: IdempotencyKey = None,
) -> Response[TaskAnswer]:
    system = open_system(router, system_id)
    services = services_of(router)

    def retry(once: Once | None) -> TaskState:
        return retry_task(services.table, services.blobs, system, task_id, read_clock(), once)

    return make_task(services, system, prefer, idempotency_key, retry)
