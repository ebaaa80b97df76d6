"""What of a crew's budget of the day is used, as the API tells it."""

from datetime import UTC, datetime

from pydantic import BaseModel

from quarterdeck.keys import Scope, budget_key
from quarterdeck.systems.configuration import Budget
from quarterdeck.table import Table
from quarterdeck.tasks.budgets import MICRO, read_limits


class Spending(BaseModel):
    """`committed` is `spent` and what calls that are on their way may take."""

    spent: float
    committed: float
    limit: float


class DayBudget(BaseModel):
    """Of a UTC day. `exceeded`: a call was refused."""

    day: str
    tokens: Spending | None = None
    usd: Spending | None = None
    exceeded: bool = False


def read_day_budget(
    table: Table, scope: Scope, crew: str, budget: Budget, now: datetime
) -> DayBudget | None:
    """None for a crew without a budget of a day."""
    limits = read_limits(budget).get("day")
    if limits is None:
        return None
    day = now.astimezone(UTC).date()
    item = table.get(budget_key(scope.system_id, crew, day)) or {}
    tokens = usd = None
    if limits.tokens is not None:
        tokens = Spending(
            spent=item.get("spent_tokens", 0), committed=item.get("tokens", 0), limit=limits.tokens
        )
    if limits.micros is not None:
        usd = Spending(
            spent=item.get("spent_micros", 0) / MICRO,
            committed=item.get("micros", 0) / MICRO,
            limit=limits.micros / MICRO,
        )
    return DayBudget(
        day=day.isoformat(), tokens=tokens, usd=usd, exceeded=bool(item.get("refused"))
    )
