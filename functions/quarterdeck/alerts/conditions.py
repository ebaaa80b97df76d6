"""Conditions that alert besides metrics: what others find and note here.

Whoever notes one writes its state and what is to be told; the monitor tells it within a minute.
"""

from datetime import datetime
from typing import Literal

from quarterdeck.alerts.names import AlertName
from quarterdeck.alerts.states import Alert, Finding, note
from quarterdeck.alerts.store import AlertStore
from quarterdeck.faults import cut
from quarterdeck.keys import Scope
from quarterdeck.metrics.figures import MetricState
from quarterdeck.names import format_time
from quarterdeck.systems.health import HealthReport

type Condition = Literal["health", "budget", "backup", "restore_test"]

SEVERITIES: dict[str, frozenset[MetricState]] = {
    # Of a system: a check of its health fails.
    "health": frozenset({"critical"}),
    # Of a crew: 80 % of a day's budget are committed; all of it.
    "budget": frozenset({"warning", "critical"}),
    # Of a system: the last backup that was due is not there, or did not verify.
    "backup": frozenset({"critical"}),
    # Of a system: what was restored from a backup is not what was backed up.
    "restore_test": frozenset({"critical"}),
}
"""What each is raised to."""


def note_condition(
    store: AlertStore,
    scope: Scope,
    condition: Condition,
    state: MetricState,
    now: datetime,
    *,
    crew: str | None = None,
    detail: str | None = None,
) -> Alert:
    """The alert as it then is: in `state` at once, for who notes it has judged already.

    `detail` is told to subscribers: it may name a secret, and never hold one.
    """
    if state not in SEVERITIES[condition] | {"ok"}:
        raise ValueError(f"'{condition}' is never '{state}'")
    finding = Finding(state, detail=cut(detail) if detail else None)
    return store.modify(
        scope,
        AlertName(crew, condition),
        lambda alert: note(alert, finding, now),
        default=Alert(since=format_time(now)),
    )


def note_health(store: AlertStore, scope: Scope, report: HealthReport, now: datetime) -> Alert:
    """What a check of a system's health has found."""
    reasons = [f"{crew.name}: {reason}" for crew in report.crews for reason in crew.reasons]
    state: MetricState = "ok" if report.status == "healthy" else "critical"
    return note_condition(store, scope, "health", state, now, detail="; ".join(reasons) or None)
