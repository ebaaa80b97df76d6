"""Routes of crew systems."""

from http import HTTPStatus
from typing import Annotated

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.content_types import APPLICATION_JSON
from aws_lambda_powertools.event_handler.openapi.params import Header
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter
from pydantic import BaseModel

from quarterdeck.errors import FieldError
from quarterdeck.http.access import needs, open_system, principal_of, services_of
from quarterdeck.http.documentation import describe_answers
from quarterdeck.http.pagination import PAGE_SIZE, Cursor, Limit
from quarterdeck.http.services import Services
from quarterdeck.http.waiting import parse_wait, wait_until
from quarterdeck.names import Name, generate_id, read_clock
from quarterdeck.systems.configuration import SystemConfiguration, check_base_urls, check_tools
from quarterdeck.systems.store import FIRST, CrewCapacity, Deployment, State, System, SystemStore
from quarterdeck.tasks.queue import DeploymentMessage
from quarterdeck.tooling.manifest import list_tools

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


class SystemList(BaseModel):
    systems: list[SystemSummary]
    next_cursor: str | None = None


class DeploymentAnswer(BaseModel):
    status: State
    system_id: str
    deployment: Deployment


@router.post(
    "/crews",
    summary="Deploy a crew system",
    description="With `Prefer: wait=N` the answer is 200 once it has ended.",
    tags=["systems"],
    security=needs("admin"),
    status_code=HTTPStatus.ACCEPTED,
    responses=describe_answers(DeploymentAnswer, 409, work=True),
)
def deploy_system(
    configuration: SystemConfiguration, prefer: Annotated[str | None, Header()] = None
) -> Response[DeploymentAnswer]:
    services = services_of(router)
    check_base_urls(configuration, services.settings.model_base_urls)
    check_tools(configuration, list_tools())
    system = services.systems.create(generate_id(), configuration, read_clock())
    start_deployment(services, system)

    def has_ended() -> bool:
        return services.systems.get_deployment(system.system_id, FIRST).status != "running"

    done = wait_until(has_ended, parse_wait(prefer))
    headers = {"Location": f"/crews/{system.system_id}"}
    return Response(
        status_code=HTTPStatus.OK if done else HTTPStatus.ACCEPTED,
        content_type=APPLICATION_JSON,
        headers=headers if done else headers | {"Retry-After": "2"},
        body=answer_deployment(services.systems, system),
    )


def start_deployment(services: Services, system: System) -> None:
    """Queues it. What cannot be queued has failed, and its name is free."""
    try:
        services.deployment_queue.send(DeploymentMessage(system_id=system.system_id, number=FIRST))
    except Exception:
        deployment = services.systems.get_deployment(system.system_id, FIRST)
        reason = FieldError("deployment", "could not be queued: try again")
        services.systems.fail(system, deployment, [reason], read_clock())
        raise


def answer_deployment(systems: SystemStore, system: System) -> DeploymentAnswer:
    latest = systems.get(system.system_id)
    return DeploymentAnswer(
        status=latest.state,
        system_id=system.system_id,
        deployment=systems.get_deployment(system.system_id, FIRST),
    )


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
    tags=["systems"],
    security=needs("read"),
    responses=describe_answers(SystemView, 404),
)
def get_system(system_id: str) -> SystemView:
    system = open_system(router, system_id)
    services = services_of(router)
    version = system.current_version or FIRST
    return SystemView(
        **system.model_dump(exclude={"crews"}),
        crews=services.systems.list_crews(system),
        deployment=services.systems.get_deployment(system_id, FIRST),
        configuration=services.systems.get_configuration(system_id, version),
    )
