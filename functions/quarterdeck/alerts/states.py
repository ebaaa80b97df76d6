"""An alert: what is kept of it, and what an evaluation makes of it. Pure.

A state that is found must hold before the alert takes it. What its subscribers were told last is
kept apart, so that a silence hides changes and loses none; what is due to them waits in `outbox`.
"""

from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from quarterdeck.errors import Conflict
from quarterdeck.metrics.figures import MetricState
from quarterdeck.names import format_time, parse_time
from quarterdeck.systems.configuration import Threshold
from quarterdeck.systems.records import Record

SEVERITY: dict[MetricState, int] = {"insufficient_data": 0, "ok": 0, "warning": 1, "critical": 2}
RAISED = frozenset[MetricState]({"warning", "critical"})

MINUTE = timedelta(minutes=1)
HOLD_WORSE = 3
"""Evaluations, one a minute, that must find an alert worse before it is."""
HOLD_BETTER = 5
HOLD_UNKNOWN = 15
"""Of too few samples, before an alert that was raised is given up: a window without tasks."""


class Finding(NamedTuple):
    """What an evaluation found, and in what. `detail`: in words, of what is no metric."""

    state: MetricState
    value: float | None = None
    samples: int | None = None
    thresholds: Threshold | None = None
    detail: str | None = None


class Change(Record):
    """One change of an alert's state. `number` counts them from 1."""

    number: int
    state: MetricState
    previous: MetricState
    since: str
    value: float | None = None
    samples: int | None = None
    thresholds: Threshold | None = None
    detail: str | None = None


class Acknowledgement(Record):
    """`by`: the key's id, or `admin`."""

    by: str
    at: str


class Silence(Record):
    """`by` as of an acknowledgement. It ends by itself at `until`."""

    by: str
    at: str
    until: str


class Alert(Record):
    """`pending` is what was found since `pending_since`, and has not held long enough.

    `told` is what subscribers heard last, or need not hear.
    """

    state: MetricState = "insufficient_data"
    since: str
    last: Change | None = None
    pending: MetricState | None = None
    pending_since: str | None = None
    told: MetricState = "ok"
    outbox: tuple[Change, ...] = ()
    acknowledged: Acknowledgement | None = None
    silence: Silence | None = None
    created_by: int | None = None
    """The version whose deployment made it."""
    revision: int = 0
    """Grows with every write."""

    @property
    def standing(self) -> MetricState:
        """The worse of what it is and what it is about to be."""
        return max(self.state, self.pending or self.state, key=lambda state: SEVERITY[state])

    def is_silenced(self, now: datetime) -> bool:
        return self.silence is not None and format_time(now) < self.silence.until


def consider(alert: Alert, finding: Finding, now: datetime) -> Alert:
    """What one of the evaluations of each minute makes of it."""
    if finding.state == alert.state:
        return tell(alert.model_copy(update={"pending": None, "pending_since": None}), now)
    begun = find_beginning(alert, finding.state, now)
    if count_evaluations(begun, now) >= require_hold(alert.state, finding.state):
        return note(alert, finding, now)
    pending = {"pending": finding.state, "pending_since": format_time(begun)}
    return tell(alert.model_copy(update=pending), now)


def note(alert: Alert, finding: Finding, now: datetime) -> Alert:
    """The alert in the state that was found, at once."""
    if finding.state == alert.state:
        return tell(alert, now)
    since = format_time(now)
    change = Change(
        number=alert.last.number + 1 if alert.last else 1,
        previous=alert.state,
        since=since,
        **finding._asdict(),
    )
    changed = {
        "state": finding.state,
        "since": since,
        "last": change,
        "pending": None,
        "pending_since": None,
        "acknowledged": None,
    }
    return tell(alert.model_copy(update=changed), now)


def tell(alert: Alert, now: datetime) -> Alert:
    """Puts into the outbox what subscribers do not know yet; in a silence, nothing.

    A recovery in a silence is never told; what holds after it is, once.
    """
    if alert.last is None or alert.told == alert.state or not {alert.told, alert.state} & RAISED:
        return alert
    if not alert.is_silenced(now):
        outbox = (*alert.outbox, alert.last)
        return alert.model_copy(update={"outbox": outbox, "told": alert.state})
    return alert if alert.state in RAISED else alert.model_copy(update={"told": alert.state})


def drop_told(alert: Alert, told: tuple[Change, ...]) -> Alert:
    """Without what was announced meanwhile."""
    outbox = tuple(change for change in alert.outbox if change not in told)
    return alert.model_copy(update={"outbox": outbox})


def acknowledge(alert: Alert, by: str, now: datetime) -> Alert:
    """Somebody has seen it, until its state changes; the first one counts.

    Conflict if it is not raised.
    """
    if alert.state not in RAISED:
        raise Conflict(f"the alert is not raised: its state is {alert.state}")
    if alert.acknowledged:
        return alert
    mark = Acknowledgement(by=by, at=format_time(now))
    return alert.model_copy(update={"acknowledged": mark})


def silence(alert: Alert, by: str, now: datetime, minutes: int) -> Alert:
    """With 0 minutes, a silence ends."""
    until = format_time(now + minutes * MINUTE)
    return alert.model_copy(update={"silence": Silence(by=by, at=format_time(now), until=until)})


def find_beginning(alert: Alert, found: MetricState, now: datetime) -> datetime:
    """Since when evaluations have found it on the same side of its state."""
    if alert.pending is None or alert.pending_since is None:
        return now
    same = find_side(alert.state, alert.pending) == find_side(alert.state, found)
    return parse_time(alert.pending_since) if same else now


def find_side(state: MetricState, found: MetricState) -> Literal["unknown", "worse", "better"]:
    if found == "insufficient_data":
        return "unknown"
    return "worse" if SEVERITY[found] > SEVERITY[state] else "better"


def require_hold(state: MetricState, found: MetricState) -> int:
    """How many evaluations: one alone between states that nobody is told of."""
    if not {state, found} & RAISED:
        return 1
    holds = {"worse": HOLD_WORSE, "better": HOLD_BETTER, "unknown": HOLD_UNKNOWN}
    return holds[find_side(state, found)]


def count_evaluations(begun: datetime, now: datetime) -> int:
    """By minutes, so that two evaluators in one minute count once."""
    return (floor_minute(now) - floor_minute(begun)) // MINUTE + 1


def floor_minute(moment: datetime) -> datetime:
    return moment.replace(second=0, microsecond=0)
