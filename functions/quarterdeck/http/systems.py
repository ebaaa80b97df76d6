"""Routes of crew systems: reading them, and what an operator does with them."""

from http import HTTPStatus
from typing import Annotated

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.content_types import APPLICATION_JSON
from aws_lambda_powertools.event_handler.openapi.params import Query
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter
from pydantic import BaseModel

from quarterdeck.http.access import needs, open_system, principal_of, services_of
from quarterdeck.http.documentation import describe_answers
from quarterdeck.http.memories import count_memories
from quarterdeck.http.pagination import PAGE_SIZE, Cursor, Limit
from quarterdeck.names import Name, read_clock
from quarterdeck.systems.configuration import SystemConfiguration
from quarterdeck.systems.health import HealthReport, KnownHealth
from quarterdeck.systems.lifecycle import (
    API_SECONDS,
    pause_system,
    request_deletion,
    unpause_system,
)
from quarterdeck.systems.records import FIRST, CrewCapacity, Deployment, State, System
from quarterdeck.tasks.queue import DeletionMessage

router = APIGatewayHttpRouter()


class SystemSummary(BaseModel):
    system_id: str
    name: Name
    state: State
    current_version: int
    created_at: str


class SystemView(SystemSummary):
    updated_at: str
    crews: list[CrewCapacity]
    """Empty until a deployment has succeeded."""
    deployment: Deployment
    """The latest."""
    configuration: SystemConfiguration
    """Of the current version; until there is one, of the first."""


class SystemList(BaseModel):
    systems: list[SystemSummary]
    next_cursor: str | None = None


class StateAnswer(BaseModel):
    system_id: str
    status: State


class HealthView(HealthReport):
    """Checked now; `monitor`: what the check of each 15 minutes found last."""

    state: State
    monitor: KnownHealth | None = None
    memories: dict[Name, int]
    """How many each crew has."""


@router.get(
    "/crews",
    summary="List crew systems, newest first",
    description="Those that the key has access to: a page may hold fewer than `limit`.",
    tags=["systems"],
    security=needs("read"),
    responses=describe_answers(SystemList),
)
def list_systems(limit: Limit = PAGE_SIZE, cursor: Cursor = None) -> SystemList:
    principal = principal_of(router)
    services = services_of(router)
    page = services.systems.list_page(limit, services.cursors.read("systems", cursor))
    return SystemList(
        systems=[
            SystemSummary.model_validate(item)
            for item in page.items
            if principal.may_see(item["system_id"])
        ],
        next_cursor=services.cursors.write("systems", page.last_key),
    )


@router.get(
    "/crews/<system_id>",
    summary="Read a crew system",
    description="Its `ETag` is what a `PUT` needs: it changes with each deployment that begins.",
    tags=["systems"],
    security=needs("read"),
    responses=describe_answers(SystemView, 404),
)
def get_system(system_id: str) -> Response[SystemView]:
    system = open_system(router, system_id)
    systems = services_of(router).systems
    view = SystemView(
        **system.model_dump(include=set(SystemSummary.model_fields) | {"updated_at"}),
        crews=systems.list_crews(system),
        deployment=systems.get_deployment(system_id, system.latest_deployment).view,
        configuration=systems.get_configuration(system_id, system.current_version or FIRST),
    )
    return Response(
        status_code=HTTPStatus.OK,
        content_type=APPLICATION_JSON,
        headers={"ETag": system.etag},
        body=view,
    )


@router.get(
    "/crews/<system_id>/health",
    summary="Whether each crew could run",
    description="Repeats the checks of a deployment that are cheap: secrets, capacity. `unhealthy` "
    "is an answer as well: 200.",
    tags=["systems"],
    security=needs("read"),
    responses=describe_answers(HealthView, 404),
)
def get_system_health(system_id: str) -> HealthView:
    system = open_system(router, system_id)
    health = services_of(router).health
    report = health.check(system, read_clock())
    return HealthView(
        **report.model_dump(),
        state=system.state,
        monitor=health.get_known(system),
        memories=count_memories(services_of(router), system),
    )


@router.post(
    "/crews/<system_id>/pause",
    summary="Pause a system",
    description="It takes no task (409) and starts none; what runs goes on, what is queued waits.",
    tags=["systems"],
    security=needs("admin"),
    responses=describe_answers(StateAnswer, 404, 409),
)
def pause(system_id: str) -> StateAnswer:
    system = open_system(router, system_id)
    return answer_state(pause_system(services_of(router).systems, system, read_clock()))


@router.post(
    "/crews/<system_id>/unpause",
    summary="Let a paused system go on",
    description="What is queued starts within a minute.",
    tags=["systems"],
    security=needs("admin"),
    responses=describe_answers(StateAnswer, 404, 409),
)
def unpause(system_id: str) -> StateAnswer:
    system = open_system(router, system_id)
    return answer_state(unpause_system(services_of(router).systems, system, read_clock()))


@router.delete(
    "/crews/<system_id>",
    summary="Delete a system",
    description="409 while tasks live, unless `force=true`, which cancels them. Backups stay until "
    "their retention ends.",
    tags=["systems"],
    security=needs("admin"),
    status_code=HTTPStatus.ACCEPTED,
    responses=describe_answers(StateAnswer, 404, 409, status=HTTPStatus.ACCEPTED),
)
def delete_system(
    system_id: str,
    force: Annotated[bool, Query(description="Cancels the tasks that live.")] = False,
) -> Response[StateAnswer]:
    system = open_system(router, system_id)
    services = services_of(router)
    deleting = request_deletion(services.systems, system, force=force, now=read_clock())
    message = DeletionMessage(system_id=system_id, delete=True)
    services.deployment_queue.send(message, delay_s=API_SECONDS)
    return Response(
        status_code=HTTPStatus.ACCEPTED,
        content_type=APPLICATION_JSON,
        body=answer_state(deleting),
    )


def answer_state(system: System) -> StateAnswer:
    return StateAnswer(system_id=system.system_id, status=system.state)
