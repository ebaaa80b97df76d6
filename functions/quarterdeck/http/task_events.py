"""Routes of what happens in a task while it runs."""

from functools import partial
from typing import Annotated

from aws_lambda_powertools.event_handler.openapi.params import Query
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter
from pydantic import BaseModel

from quarterdeck.http.access import needs, open_system, services_of
from quarterdeck.http.documentation import describe_answers
from quarterdeck.http.pagination import PAGE_SIZE, Limit
from quarterdeck.http.waiting import MAX_WAIT_SECONDS, wait_until
from quarterdeck.names import read_clock
from quarterdeck.tasks.progress import Progress, follow_task
from quarterdeck.tasks.traces import Trace, read_traces

router = APIGatewayHttpRouter()

POLL_SECONDS = 0.5
LAST_NUMBER = 10**6 - 1

After = Annotated[
    int, Query(ge=0, le=LAST_NUMBER, description="`last` of the answer before; 0: from the first.")
]
Wait = Annotated[
    int,
    Query(
        ge=0,
        le=MAX_WAIT_SECONDS,
        description="Seconds to wait for an event if there is none behind `after` yet.",
    ),
]


@router.get(
    "/crews/<system_id>/tasks/<task_id>/events",
    summary="Follow a task: what happens in it, in order",
    description="In the order of `seq`, from the first behind `after`. To follow a task, ask with "
    "`wait`, and again with `last` as `after`, until `ended`.",
    tags=["tasks"],
    security=needs("read"),
    responses=describe_answers(Progress, 404),
)
def list_events(
    system_id: str, task_id: str, after: After = 0, limit: Limit = PAGE_SIZE, wait: Wait = 0
) -> Progress:
    system = open_system(router, system_id)
    services = services_of(router)
    return follow_task(
        services.table,
        services.tasks,
        system.scope,
        task_id,
        after=after,
        limit=limit,
        wait=partial(wait_until, seconds=wait, each=POLL_SECONDS),
        clock=read_clock,
    )


class TraceList(BaseModel):
    """`last`: what to ask for next, as `after`."""

    traces: list[Trace]
    last: int


@router.get(
    "/crews/<system_id>/tasks/<task_id>/trace",
    summary="Read what was said in a task's calls",
    description="Prompts, answers and what tools said, of a system with `trace: full`; kept "
    "for `retention.traces_days` of the environment. A page is short when its texts are long: "
    "go on until it is empty.",
    tags=["tasks"],
    security=needs("read"),
    responses=describe_answers(TraceList, 404),
)
def list_traces(
    system_id: str, task_id: str, after: After = 0, limit: Limit = PAGE_SIZE
) -> TraceList:
    system = open_system(router, system_id)
    services = services_of(router)
    services.tasks.get_state(system.scope, task_id)
    traces = read_traces(
        services.table, services.blobs, system.scope, task_id, after=after, limit=limit
    )
    return TraceList(traces=traces, last=traces[-1].seq if traces else after)
