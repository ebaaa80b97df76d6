"""For how long the table keeps what ends or passes, as the environment sets it."""

from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict

Kept = Literal["tasks", "events", "journals", "traces", "metrics", "decisions", "alerts"]


class Expiry(NamedTuple):
    """When an item expires, as a write says it: so long after `since` as its kind is kept."""

    kind: Kept
    since: datetime


class Retention(BaseModel):
    """Days of each kind: those that docs/design.md names, where nobody says otherwise."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tasks_days: int = 90
    events_days: int = 30
    journals_days: int = 14
    traces_days: int = 7
    metrics_days: int = 15
    decisions_days: int = 7
    alerts_days: int = 90

    def keep(self, kind: Kept) -> timedelta:
        days: int = getattr(self, f"{kind}_days")
        return timedelta(days=days)

    def date(self, expiry: Expiry) -> int:
        """Seconds since 1970, as the table's TTL takes them."""
        return int((expiry.since + self.keep(expiry.kind)).timestamp())


RETENTION = Retention()
