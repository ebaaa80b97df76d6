"""Routes of metrics."""

from datetime import datetime
from typing import Annotated

from aws_lambda_powertools.event_handler.openapi.params import Query
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter
from pydantic import BaseModel

from quarterdeck.errors import FieldError, InvalidInput
from quarterdeck.http.access import needs, open_system, services_of
from quarterdeck.http.documentation import describe_answers
from quarterdeck.http.services import Services
from quarterdeck.metrics.history import Series, group_buckets, plot_windows
from quarterdeck.metrics.periods import check_breadth, choose_step, list_steps, parse_period
from quarterdeck.metrics.report import CrewDetails, MetricView, describe_crew, view_crew
from quarterdeck.metrics.spending import DayBudget, read_day_budget
from quarterdeck.metrics.window import start_window
from quarterdeck.metrics.workload import read_workload
from quarterdeck.names import format_time, read_clock
from quarterdeck.systems.configuration import SystemConfiguration
from quarterdeck.systems.records import System
from quarterdeck.systems.thresholds import resolve_thresholds

router = APIGatewayHttpRouter()

WindowText = Annotated[str, Query(description="How far back, as 15m, 1h or 7d: from 1m to 15d.")]
CrewName = Annotated[str | None, Query(description="Of this crew alone.")]
StepText = Annotated[
    str | None, Query(description="Between two points, as 5m or 1h; at most 500 points.")
]


class MetricsAnswer(BaseModel):
    """`metrics` by `<system_id>_<crew>_<metric>`, `crews` by name.

    The window holds the minutes that have ended in it and the one that runs.
    """

    since: str
    until: str
    metrics: dict[str, MetricView]
    crews: dict[str, CrewDetails]


class HistoryAnswer(BaseModel):
    """`series` by `<system_id>_<crew>_<name>`: a value for each of `timestamps`, or null.

    A timestamp is when its step of `step_minutes` begins; the last step is not over.
    """

    step_minutes: int
    timestamps: list[str]
    series: dict[str, list[int | float | None]]


@router.get(
    "/crews/<system_id>/metrics",
    summary="Metrics of each crew, and what their thresholds say",
    description="Under 20 samples the state is `insufficient_data`.",
    tags=["metrics"],
    security=needs("read"),
    responses=describe_answers(MetricsAnswer, 404),
)
def get_metrics(system_id: str, window: WindowText = "15m", crew: CrewName = None) -> MetricsAnswer:
    system = open_system(router, system_id)
    services, now = services_of(router), read_clock()
    minutes, crews = parse_period("window", window), choose_crews(system, crew)
    check_breadth(minutes, len(crews))
    answer = MetricsAnswer(
        since=format_time(start_window(now, minutes)), until=format_time(now), metrics={}, crews={}
    )
    if not crews:
        return answer
    configuration = services.systems.get_configuration(system_id, system.current_version)
    thresholds = resolve_thresholds(configuration)
    for name in crews:
        workload = read_workload(services.table, system.scope, name)
        if workload is None:
            continue
        counted = services.metrics.read_window(system.scope, name, now, minutes)
        prefix = f"{system_id}_{name}"
        answer.metrics.update(view_crew(prefix, counted, workload, thresholds, now))
        answer.crews[name] = describe_crew(
            counted, workload, read_budget(services, system, configuration, name, now)
        )
    return answer


@router.get(
    "/crews/<system_id>/metrics/history",
    summary="Metrics over time, for plots",
    description="Rates, response times in seconds, arrivals, ends, tokens, cost and throttling.",
    tags=["metrics"],
    security=needs("read"),
    responses=describe_answers(HistoryAnswer, 404),
)
def get_history(
    system_id: str, window: WindowText = "24h", step: StepText = None, crew: CrewName = None
) -> HistoryAnswer:
    system = open_system(router, system_id)
    reader, now = services_of(router).metrics, read_clock()
    minutes, crews = parse_period("window", window), choose_crews(system, crew)
    check_breadth(minutes, len(crews))
    step_minutes = choose_step(minutes, step)
    starts = list_steps(now, minutes, step_minutes)
    series: Series = {}
    for name in crews:
        buckets = reader.read_buckets(system.scope, name, starts[0], now)
        windows = group_buckets(buckets, starts, step_minutes)
        series |= plot_windows(f"{system_id}_{name}", windows)
    return HistoryAnswer(
        step_minutes=step_minutes, timestamps=[format_time(at) for at in starts], series=series
    )


def read_budget(
    services: Services,
    system: System,
    configuration: SystemConfiguration,
    crew: str,
    now: datetime,
) -> DayBudget | None:
    """None as well for a crew that the version has dropped."""
    budgets = {each.name: each.budget for each in configuration.crews}
    if crew not in budgets:
        return None
    return read_day_budget(services.table, system.scope, crew, budgets[crew], now)


def choose_crews(system: System, asked: str | None) -> tuple[str, ...]:
    """The one that is asked for, or those of the current version.

    A crew that a version has dropped can be asked for while it has tasks.
    InvalidInput, naming the crews, if there is no such crew.
    """
    if asked is None:
        return system.crews if system.current_version else ()
    known = (*system.crews, *system.retired) if system.current_version else ()
    if asked not in known:
        rule = f"unknown crew '{asked}'; the crews are: {', '.join(known)}"
        raise InvalidInput([FieldError("crew", rule)])
    return (asked,)
