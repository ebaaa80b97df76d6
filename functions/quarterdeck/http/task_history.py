"""Routes of all that belongs to a task: exporting it, and deleting it for good."""

import time
from http import HTTPStatus

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.content_types import APPLICATION_JSON
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter

from quarterdeck.http.access import needs, open_system, services_of
from quarterdeck.http.documentation import describe_answers
from quarterdeck.names import read_clock
from quarterdeck.systems.store import refuse_while_restoring
from quarterdeck.tasks.deletion import delete_task
from quarterdeck.tasks.export import TaskExport, export_task

router = APIGatewayHttpRouter()

DELETING_SECONDS = 10.0
"""Of a request's 20; what is left is deleted by the next."""


@router.get(
    "/crews/<system_id>/tasks/<task_id>/export",
    summary="Export a task with all that led to its end",
    description="Request, state, outcome, events, and what models, tools and memory have answered. "
    "Over 5 MB it is a link, good for 15 minutes.",
    tags=["tasks"],
    security=needs("read"),
    responses=describe_answers(TaskExport, 404),
)
def get_export(system_id: str, task_id: str) -> Response[str]:
    system = open_system(router, system_id)
    services = services_of(router)
    text = export_task(services.table, services.blobs, system.scope, task_id, read_clock())
    # As it is: null says something in what a tool or a model has answered.
    return Response(status_code=HTTPStatus.OK, content_type=APPLICATION_JSON, body=text)


@router.delete(
    "/crews/<system_id>/tasks/<task_id>",
    summary="Delete a task and all that belongs to it, for good",
    description="One that has ended: 409 otherwise. Request, result, events, journal and files. It "
    "is not there any more at once; 202 says that some of it is still to be taken away: ask again, "
    "which does no harm. Backups are not changed, but no restore brings it back. Metrics have "
    "counted it, and what its crew has learned from it is the crew's: `DELETE …/memories`. A task "
    "that retries it loses the calls that it would take over: delete it after that one has ended.",
    tags=["tasks"],
    security=needs("admin"),
    status_code=HTTPStatus.NO_CONTENT,
    responses=describe_answers(None, 404, 409, status=HTTPStatus.NO_CONTENT, work=True),
)
def delete_ended_task(system_id: str, task_id: str) -> Response[str]:
    system = open_system(router, system_id)
    refuse_while_restoring(system)
    services = services_of(router)
    deadline = time.monotonic() + DELETING_SECONDS
    done = delete_task(
        services.table,
        services.blobs,
        system.scope,
        task_id,
        read_clock(),
        is_late=lambda: time.monotonic() > deadline,
    )
    if done:
        return Response(status_code=HTTPStatus.NO_CONTENT, body="")
    return Response(status_code=HTTPStatus.ACCEPTED, headers={"Retry-After": "1"}, body="")
