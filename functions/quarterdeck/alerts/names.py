"""What an alert is called: its crew, and the metric or condition that it is about."""

import hashlib
import re
from typing import NamedTuple

from quarterdeck.errors import FieldError, NotFound
from quarterdeck.keys import Scope

ALERT_ID = re.compile(r"(?:(?P<crew>[a-z][a-z0-9-]{0,39})\.)?(?P<metric>[a-z][a-z_]{0,39})")


class AlertName(NamedTuple):
    """`crew`: None if it is about the whole system."""

    crew: str | None
    metric: str

    @property
    def alert_id(self) -> str:
        """`research.error_rate`, or `health`: how the API names it."""
        return f"{self.crew}.{self.metric}" if self.crew else self.metric

    def make_change_id(self, scope: Scope, number: int) -> str:
        """The same, whoever makes it and whenever, of one change of one alert."""
        parts = (scope.prefix, self.alert_id, str(number))
        return hashlib.sha256("#".join(parts).encode()).hexdigest()[:24]


def parse_alert_id(alert_id: str) -> AlertName:
    """NotFound for what can be no alert's."""
    match = ALERT_ID.fullmatch(alert_id)
    if match is None:
        raise alert_not_found(alert_id)
    return AlertName(match["crew"], match["metric"])


def alert_not_found(alert_id: str) -> NotFound:
    rule = f"there is no alert '{alert_id[:100]}'"
    return NotFound(rule, [FieldError("alert_id", rule)])
