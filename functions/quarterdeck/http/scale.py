"""Routes of capacity: what it is and why, and setting it by hand."""

from http import HTTPStatus
from typing import Annotated, Literal

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.content_types import APPLICATION_JSON
from aws_lambda_powertools.event_handler.openapi.params import Query
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter
from pydantic import BaseModel

from quarterdeck.errors import InvalidInput, crew_not_found
from quarterdeck.http.access import needs, open_system, principal_of, services_of
from quarterdeck.http.documentation import describe_answers
from quarterdeck.http.once import IdempotencyKey, do_once
from quarterdeck.idempotency import Once
from quarterdeck.keys import QUEUE_PREFIX
from quarterdeck.names import Name, read_clock
from quarterdeck.scaling.crew import KnownDecision, list_decisions
from quarterdeck.scaling.manual import ScaleRequest, scale_by_hand
from quarterdeck.systems.records import System
from quarterdeck.tasks.attempt import admit_for

router = APIGatewayHttpRouter()

SHOWN = 10


class ScaleAnswer(BaseModel):
    status: Literal["scaled"] = "scaled"
    crew_name: str
    previous_capacity: int
    capacity: int


class CrewScale(BaseModel):
    crew_name: str
    capacity: int
    min_agents: int
    max_agents: int
    running: int
    queued: int
    utilization: float
    """(running + queued) / capacity."""
    scaled_at: str | None = None
    decisions: list[KnownDecision]
    """The latest first."""


class ScaleView(BaseModel):
    crews: list[CrewScale]


@router.post(
    "/crews/<system_id>/scale",
    summary="Set a crew's capacity",
    description="By `action` and `factor`, how many slots more or less (1 unless given), or by "
    "`capacity`. It stands for a cooldown before the controller decides again. 409 out of the "
    "crew's bounds.",
    tags=["systems"],
    security=needs("operate"),
    responses=describe_answers(ScaleAnswer, 404, 409),
)
def scale(
    system_id: str, request: ScaleRequest, idempotency_key: IdempotencyKey = None
) -> Response[ScaleAnswer]:
    system = open_system(router, system_id)
    services = services_of(router)
    by, crew = principal_of(router).mark, request.crew_name

    def set_capacity(once: Once | None) -> ScaleAnswer:
        decision = scale_by_hand(services.systems, system, request, by, read_clock, once)
        return ScaleAnswer(
            crew_name=crew, previous_capacity=decision.previous, capacity=decision.capacity
        )

    answer, headers = do_once(
        router, idempotency_key, set_capacity, lambda made: ScaleAnswer(crew_name=crew, **made)
    )
    admit_for(services.table, services.task_queue, system.scope, crew, read_clock)
    return Response(
        status_code=HTTPStatus.OK, content_type=APPLICATION_JSON, headers=headers, body=answer
    )


@router.get(
    "/crews/<system_id>/scale",
    summary="Each crew's capacity, and how it came about",
    description="The controller decides once a minute; of a crew without load at its least "
    "capacity only the first such decision is kept. Decisions are kept for a week.",
    tags=["systems"],
    security=needs("read"),
    responses=describe_answers(ScaleView, 404),
)
def get_scale(
    system_id: str,
    crew_name: Annotated[Name | None, Query(description="Of this crew alone.")] = None,
    decisions: Annotated[int, Query(ge=1, le=100, description="How many of each.")] = SHOWN,
) -> ScaleView:
    system = open_system(router, system_id)
    if crew_name is not None and crew_name not in system.crews:
        raise InvalidInput([crew_not_found("crew_name", crew_name, system.crews)])
    asked = system.crews if crew_name is None else (crew_name,)
    views = (view_scale(system, crew, decisions) for crew in asked)
    return ScaleView(crews=[view for view in views if view])


def view_scale(system: System, crew: str, decisions: int) -> CrewScale | None:
    """None until a deployment of the crew has succeeded."""
    services = services_of(router)
    key = system.scope.crew_key(crew)
    version, item = services.systems.get_crew_version(system, crew), services.table.get(key)
    if version is None or item is None:
        return None
    queued = services.table.count(key.pk, QUEUE_PREFIX)
    return CrewScale(
        crew_name=crew,
        capacity=item["capacity"],
        min_agents=version.policy.min_agents,
        max_agents=version.policy.max_agents,
        running=item["running"],
        queued=queued,
        utilization=round((item["running"] + queued) / item["capacity"], 3),
        scaled_at=item.get("scaled_at"),
        decisions=list_decisions(services.table, system.scope, crew, decisions),
    )
