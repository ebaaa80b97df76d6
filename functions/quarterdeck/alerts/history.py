"""What becomes history of a write of an alert. Pure."""

from typing import Literal

from quarterdeck.alerts.names import AlertName
from quarterdeck.alerts.states import RAISED, Alert, Change
from quarterdeck.keys import Scope
from quarterdeck.metrics.figures import MetricState
from quarterdeck.names import generate_id, parse_time
from quarterdeck.retention import Expiry
from quarterdeck.systems.configuration import Threshold
from quarterdeck.systems.records import Record
from quarterdeck.table import Put


class HistoryEntry(Record):
    """`changed`: to or from a state that is told. `by`: the key's id, or `admin`."""

    event: Literal["changed", "acknowledged", "silenced"]
    entry_id: str
    """Of a change, that of its announcement."""
    alert_id: str
    at: str
    state: MetricState
    previous: MetricState | None = None
    value: float | None = None
    samples: int | None = None
    thresholds: Threshold | None = None
    detail: str | None = None
    by: str | None = None
    until: str | None = None


def describe_event(scope: Scope, name: AlertName, old: Alert, new: Alert) -> HistoryEntry | None:
    """None of what is no event: a state that is pending, an outbox that is emptied."""
    if new.last and new.last != old.last:
        return describe_change(scope, name, new.last)
    alert_id, entry_id, state = name.alert_id, generate_id(), new.state
    if (mark := new.acknowledged) and mark != old.acknowledged:
        return HistoryEntry(
            event="acknowledged",
            entry_id=entry_id,
            alert_id=alert_id,
            at=mark.at,
            state=state,
            by=mark.by,
        )
    if (silence := new.silence) and silence != old.silence:
        return HistoryEntry(
            event="silenced",
            entry_id=entry_id,
            alert_id=alert_id,
            at=silence.at,
            state=state,
            by=silence.by,
            until=silence.until,
        )
    return None


def describe_change(scope: Scope, name: AlertName, change: Change) -> HistoryEntry | None:
    """Between `ok` and `insufficient_data` an alert changes with each pause of a crew."""
    if not {change.state, change.previous} & RAISED:
        return None
    return HistoryEntry(
        event="changed",
        entry_id=name.make_change_id(scope, change.number),
        alert_id=name.alert_id,
        at=change.since,
        **change.model_dump(exclude={"number", "since"}),
    )


def put_entry(scope: Scope, entry: HistoryEntry) -> Put:
    expires = Expiry("alerts", parse_time(entry.at))
    item = entry.model_dump(exclude_none=True) | {"expires_at": expires}
    return Put(scope.alert_history_key(entry.at, entry.entry_id), item)
