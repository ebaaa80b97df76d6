"""Routes of deployments: a new system, a further version, and the way back."""

from http import HTTPStatus
from typing import Annotated

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.content_types import APPLICATION_JSON
from aws_lambda_powertools.event_handler.openapi.params import Header, Query
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter
from pydantic import BaseModel, ConfigDict, Field

from quarterdeck.errors import (
    FieldError,
    InvalidInput,
    PreconditionFailed,
    PreconditionRequired,
)
from quarterdeck.http.access import needs, open_system, services_of
from quarterdeck.http.documentation import describe_answers
from quarterdeck.http.etags import list_etags
from quarterdeck.http.once import IdempotencyKey, do_once
from quarterdeck.http.pagination import PAGE_SIZE, Cursor, Limit
from quarterdeck.http.services import Services
from quarterdeck.http.waiting import Prefer, parse_wait, wait_until
from quarterdeck.idempotency import Once
from quarterdeck.names import generate_id, read_clock
from quarterdeck.systems.configuration import SystemConfiguration
from quarterdeck.systems.records import FIRST, Deployment, State, System
from quarterdeck.systems.store import check_deployable
from quarterdeck.systems.validation import find_faults
from quarterdeck.tasks.queue import DeploymentMessage
from quarterdeck.tooling.manifest import list_tools

router = APIGatewayHttpRouter()

ValidateOnly = Annotated[
    bool, Query(description="Checks what needs no crew to be built, and changes nothing.")
]
IfMatch = Annotated[
    str | None, Header(alias="If-Match", description="The `ETag` of the system as it was read.")
]


class DeploymentAnswer(BaseModel):
    status: State | None = None
    """The system's."""
    system_id: str | None = None
    valid: bool | None = None
    """With `validate_only`."""
    deployment: Deployment | None = None


class DeploymentView(Deployment):
    configuration: SystemConfiguration


class DeploymentList(BaseModel):
    deployments: list[Deployment]
    next_cursor: str | None = None


class RollbackRequest(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    version: Annotated[int, Field(strict=True, ge=1)] | None = None
    """Without it, the last one before the current that was ever current."""


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
    configuration: SystemConfiguration,
    validate_only: ValidateOnly = False,
    prefer: Prefer = None,
    idempotency_key: IdempotencyKey = None,
) -> Response[DeploymentAnswer]:
    services = services_of(router)
    systems = services.systems
    require_valid(services, configuration)
    if validate_only:
        systems.require_free_name(configuration.name)
        return answer_valid()
    system, replayed = do_once(
        router,
        idempotency_key,
        lambda once: systems.create(generate_id(), configuration, read_clock(), once),
        lambda made: systems.get(made["system_id"]),
    )
    if not replayed:
        send_deployment(services, system, FIRST)
    return answer_deployment(services, system, FIRST, prefer, replayed)


@router.put(
    "/crews/<system_id>",
    summary="Deploy a further version of a system",
    description="Tasks that run keep their version. If the deployment fails, the version before "
    "stays current.",
    tags=["systems"],
    security=needs("admin"),
    status_code=HTTPStatus.ACCEPTED,
    responses=describe_answers(DeploymentAnswer, 404, 409, 412, 428, work=True),
)
def update_system(
    system_id: str,
    configuration: SystemConfiguration,
    validate_only: ValidateOnly = False,
    if_match: IfMatch = None,
    prefer: Prefer = None,
) -> Response[DeploymentAnswer]:
    system = open_system(router, system_id)
    services = services_of(router)
    require_match(system, if_match)
    require_valid(services, configuration)
    check_deployable(system)
    if validate_only:
        services.systems.require_same_name(system, configuration)
        return answer_valid()
    number = services.systems.begin_version(system, configuration, read_clock()).number
    send_deployment(services, system, number)
    return answer_deployment(services, system, number, prefer, {})


@router.post(
    "/crews/<system_id>/rollback",
    summary="Make an earlier version the next one",
    description="Asks no model provider: one that is down does not keep a system from it.",
    tags=["systems"],
    security=needs("admin"),
    status_code=HTTPStatus.ACCEPTED,
    responses=describe_answers(DeploymentAnswer, 404, 409, work=True),
)
def roll_back_system(
    system_id: str,
    request: RollbackRequest | None = None,
    prefer: Prefer = None,
    idempotency_key: IdempotencyKey = None,
) -> Response[DeploymentAnswer]:
    system = open_system(router, system_id)
    services = services_of(router)
    version = request.version if request else None

    def begin(once: Once | None) -> int:
        return services.systems.begin_rollback(system, version, read_clock(), once).number

    number, replayed = do_once(router, idempotency_key, begin, lambda made: int(made["number"]))
    if not replayed:
        send_deployment(services, system, number)
    return answer_deployment(services, system, number, prefer, replayed)


def require_valid(services: Services, configuration: SystemConfiguration) -> None:
    faults = find_faults(configuration, services.settings.model_base_urls, list_tools())
    if faults:
        raise InvalidInput(faults)


def require_match(system: System, if_match: str | None) -> None:
    if if_match is None:
        raise PreconditionRequired("If-Match", f"is to be the system's ETag, now {system.etag}")
    if not {system.etag, "*"} & list_etags(if_match):
        raise PreconditionFailed("If-Match", f"the system has changed: its ETag is {system.etag}")


def answer_valid() -> Response[DeploymentAnswer]:
    return Response(
        status_code=HTTPStatus.OK,
        content_type=APPLICATION_JSON,
        body=DeploymentAnswer(valid=True),
    )


def send_deployment(services: Services, system: System, number: int) -> None:
    """What cannot be queued has failed."""
    message = DeploymentMessage(system_id=system.system_id, number=number)
    try:
        services.deployment_queue.send(message)
    except Exception:
        reason = FieldError("deployment", "could not be queued: try again")
        services.systems.abandon(system.system_id, number, reason, read_clock())
        raise


def answer_deployment(
    services: Services, system: System, number: int, prefer: str | None, replayed: dict[str, str]
) -> Response[DeploymentAnswer]:
    """Waits for its end, if that is preferred."""

    def has_ended() -> bool:
        return services.systems.get_deployment(system.system_id, number).status != "running"

    done = wait_until(has_ended, parse_wait(prefer))
    headers = {"Location": f"/crews/{system.system_id}"} | replayed
    return Response(
        status_code=HTTPStatus.OK if done else HTTPStatus.ACCEPTED,
        content_type=APPLICATION_JSON,
        headers=headers if done else headers | {"Retry-After": "2"},
        body=DeploymentAnswer(
            status=services.systems.get(system.system_id).state,
            system_id=system.system_id,
            deployment=services.systems.get_deployment(system.system_id, number).view,
        ),
    )


@router.get(
    "/crews/<system_id>/deployments",
    summary="List deployments, newest first",
    tags=["systems"],
    security=needs("read"),
    responses=describe_answers(DeploymentList, 404),
)
def list_deployments(
    system_id: str, limit: Limit = PAGE_SIZE, cursor: Cursor = None
) -> DeploymentList:
    system = open_system(router, system_id)
    services = services_of(router)
    name = f"deployments of {system_id}"
    start = services.cursors.read(name, cursor)
    found = services.systems.list_deployments(system, limit, start["before"] if start else None)
    more = {"before": found[-1].number} if found and found[-1].number > 1 else None
    return DeploymentList(deployments=found, next_cursor=services.cursors.write(name, more))


@router.get(
    "/crews/<system_id>/deployments/<number>",
    summary="Read a deployment: its stages, why it failed, and its configuration",
    tags=["systems"],
    security=needs("read"),
    responses=describe_answers(DeploymentView, 404),
)
def get_deployment(system_id: str, number: int) -> DeploymentView:
    open_system(router, system_id)
    systems = services_of(router).systems
    deployment = systems.get_deployment(system_id, number)
    return DeploymentView(
        **deployment.view.model_dump(),
        configuration=systems.get_configuration(system_id, deployment.version),
    )
