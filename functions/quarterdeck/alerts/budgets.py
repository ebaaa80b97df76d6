"""The alert of a crew's budget of a day: raised by who spends it, ended by the monitor."""

from datetime import UTC, datetime

from quarterdeck.alerts.conditions import note_condition
from quarterdeck.alerts.states import Alert
from quarterdeck.alerts.store import AlertStore
from quarterdeck.keys import Scope, budget_key
from quarterdeck.systems.configuration import Budget
from quarterdeck.table import Item
from quarterdeck.tasks.budgets import MICRO, Limits, judge_day, read_limits


def note_budget(
    store: AlertStore, scope: Scope, crew: str, budget: Budget, now: datetime
) -> Alert | None:
    """By the day's counter as it is; None for a crew without a budget of a day, and no alert."""
    limits = read_limits(budget).get("day", Limits(None, None))
    day = now.astimezone(UTC).date()
    item = store.table.get(budget_key(scope.system_id, crew, day))
    state = judge_day(item, limits)
    detail = describe_day(item, limits) if item and state != "ok" else None
    return note_condition(store, scope, "budget", state, now, crew=crew, detail=detail)


def describe_day(item: Item, limits: Limits) -> str:
    said = []
    if limits.tokens is not None:
        said.append(f"{item['spent_tokens']} of {limits.tokens} tokens")
    if limits.micros is not None:
        said.append(f"{item['spent_micros'] / MICRO:.2f} of {limits.micros / MICRO:.2f} USD")
    refused = "; a call was refused" if item.get("refused") else ""
    return f"spent today (UTC): {' and '.join(said)}{refused}"
