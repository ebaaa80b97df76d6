"""Requests with an `Idempotency-Key`: done once, and answered the same for a day.

What the request has made is kept under the key in the transaction that makes it: there is never the
one without the other.
"""

import hashlib
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from quarterdeck.errors import FieldError, InvalidInput, QuarterdeckError
from quarterdeck.keys import idempotency_key
from quarterdeck.table import Absent, Condition, ConditionFailed, Equals, Item, Put, Table

HEADER = "Idempotency-Key"
KEPT = timedelta(days=1)


class Once:
    """One request, as its caller names it. `route`: method and path; `asked`: all it says."""

    def __init__(self, principal: str, route: str, key: str, asked: str) -> None:
        self._key = idempotency_key(principal, digest(f"{route}\n{key}"))
        self._asked = digest(asked)
        self._unless: Condition = Absent()

    def find(self, table: Table, now: datetime) -> Item | None:
        """What an earlier request of this name has made; InvalidInput if it asked something else.

        The table deletes what has expired some time later.
        """
        item = table.get(self._key)
        if item is None:
            return None
        if item["expires_at"] <= now.timestamp():
            self._unless = Equals("expires_at", item["expires_at"])
            return None
        if item["asked"] != self._asked:
            rule = "was used for another request: each is to have a key of its own"
            raise InvalidInput([FieldError(HEADER, rule)])
        made: Item = item["made"]
        return made

    def remember(self, made: Mapping[str, Any], now: datetime) -> Put:
        """For the transaction that makes it; refused if another request of this name was faster."""
        expires = int((now + KEPT).timestamp())
        item = {"asked": self._asked, "made": dict(made), "expires_at": expires}
        return Put(self._key, item, [self._unless])


def act_once[R](
    table: Table,
    once: Once,
    clock: Callable[[], datetime],
    act: Callable[[Once], R],
    recall: Callable[[Item], R],
) -> tuple[R, bool]:
    """What `act` makes, or made for an earlier request of this name, and whether it did so then.

    `act` writes what it makes with the request's item; `recall` reads it by what is kept there.
    """
    if (made := once.find(table, clock())) is not None:
        return recall(made), True
    try:
        return act(once), False
    except (ConditionFailed, QuarterdeckError):
        # The same request at the same time may have been faster.
        if (made := once.find(table, clock())) is None:
            raise
        return recall(made), True


def remember(once: Once | None, made: Mapping[str, Any], now: datetime) -> list[Put]:
    return [once.remember(made, now)] if once else []


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
