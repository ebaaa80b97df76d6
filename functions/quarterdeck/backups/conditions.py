"""What a backup, or a test of one, has come to, as an alert of its system."""

from datetime import datetime
from typing import Literal

from quarterdeck.alerts.conditions import note_condition
from quarterdeck.alerts.store import AlertStore
from quarterdeck.errors import NotFound
from quarterdeck.observability import logger
from quarterdeck.systems.activity import mark_active
from quarterdeck.systems.store import SystemStore


def note_job(
    systems: SystemStore,
    system_id: str,
    condition: Literal["backup", "restore_test"],
    now: datetime,
    fault: str | None = None,
) -> None:
    """Critical with a `fault`, and otherwise over; nobody is told of a system that is deleted."""
    try:
        system = systems.get(system_id)
    except NotFound:
        logger.info("The system is deleted", system_id=system_id)
        return
    state: Literal["critical", "ok"] = "critical" if fault else "ok"
    alerts = AlertStore(systems.table)
    alert = note_condition(alerts, system.scope, condition, state, now, detail=fault)
    if alert.outbox:
        mark_active(systems.table, system_id, now)
