"""Routes of alerts: reading them, and what an operator says of one."""

from collections.abc import Callable
from typing import Annotated

from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter
from pydantic import BaseModel, ConfigDict, Field

from quarterdeck.alerts.history import HistoryEntry
from quarterdeck.alerts.names import AlertName, parse_alert_id
from quarterdeck.alerts.states import (
    Acknowledgement,
    Alert,
    Silence,
    acknowledge,
    silence,
)
from quarterdeck.http.access import needs, open_system, principal_of, services_of
from quarterdeck.http.documentation import describe_answers
from quarterdeck.http.pagination import PAGE_SIZE, Cursor, Limit
from quarterdeck.metrics.figures import MetricState
from quarterdeck.names import read_clock
from quarterdeck.systems.configuration import Threshold
from quarterdeck.systems.store import refuse_while_restoring

router = APIGatewayHttpRouter()

MOST_MINUTES = 7 * 24 * 60


class AlertView(BaseModel):
    """`value`, `samples` and `thresholds` are those of the latest change, at `since`."""

    alert_id: str
    crew: str | None = None
    """Absent: it is about the whole system."""
    metric: str
    state: MetricState
    since: str
    previous: MetricState | None = None
    value: float | None = None
    samples: int | None = None
    thresholds: Threshold | None = None
    detail: str | None = None
    pending: MetricState | None = None
    """What was found since `pending_since`, and has to hold before it is the state."""
    pending_since: str | None = None
    acknowledged: Acknowledgement | None = None
    silence: Silence | None = None


class AlertList(BaseModel):
    alerts: list[AlertView]
    """Of the system and the crews of its current version."""
    history: list[HistoryEntry]
    """Newest first, of 90 days."""
    next_cursor: str | None = None
    """Of the history."""


class SilenceRequest(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    minutes: Annotated[int, Field(strict=True, ge=0, le=MOST_MINUTES)]
    """From now; 0 ends a silence."""


@router.get(
    "/crews/<system_id>/alerts",
    summary="Read the alerts of a system, and their history",
    description="`limit` and `cursor` are of the history.",
    tags=["alerts"],
    security=needs("read"),
    responses=describe_answers(AlertList, 404),
)
def list_alerts(system_id: str, limit: Limit = PAGE_SIZE, cursor: Cursor = None) -> AlertList:
    system = open_system(router, system_id)
    services = services_of(router)
    of_list = f"alerts of {system.scope.prefix}"
    page = services.alerts.list_history(system.scope, limit, services.cursors.read(of_list, cursor))
    return AlertList(
        alerts=[
            view_alert(name, alert)
            for name, alert in services.alerts.list_all(system.scope).items()
            if name.crew is None or name.crew in system.crews
        ],
        history=[HistoryEntry.model_validate(item) for item in page.items],
        next_cursor=services.cursors.write(of_list, page.last_key),
    )


@router.post(
    "/crews/<system_id>/alerts/<alert_id>/ack",
    summary="Say that somebody has seen an alert",
    description="Kept with the key's id until the state changes; the first one counts. 409 for "
    "an alert that is not raised.",
    tags=["alerts"],
    security=needs("operate"),
    responses=describe_answers(AlertView, 404, 409),
)
def acknowledge_alert(system_id: str, alert_id: str) -> AlertView:
    by, now = principal_of(router).mark, read_clock()
    return change_alert(system_id, alert_id, lambda alert: acknowledge(alert, by, now))


@router.post(
    "/crews/<system_id>/alerts/<alert_id>/silence",
    summary="Announce nothing of an alert for some minutes",
    description="Its state goes on. What is raised when the silence ends is announced then, once; "
    "a recovery within it never.",
    tags=["alerts"],
    security=needs("operate"),
    responses=describe_answers(AlertView, 404),
)
def silence_alert(system_id: str, alert_id: str, request: SilenceRequest) -> AlertView:
    by, now = principal_of(router).mark, read_clock()
    return change_alert(system_id, alert_id, lambda alert: silence(alert, by, now, request.minutes))


def change_alert(system_id: str, alert_id: str, change: Callable[[Alert], Alert]) -> AlertView:
    """The alert after it; NotFound if the system has none of this id."""
    system = open_system(router, system_id)
    refuse_while_restoring(system)
    name = parse_alert_id(alert_id)
    return view_alert(name, services_of(router).alerts.modify(system.scope, name, change))


def view_alert(name: AlertName, alert: Alert) -> AlertView:
    latest = alert.last.model_dump(exclude={"number", "state", "since"}) if alert.last else {}
    kept = alert.model_dump(include=set(AlertView.model_fields))
    return AlertView(alert_id=name.alert_id, crew=name.crew, metric=name.metric, **latest, **kept)
