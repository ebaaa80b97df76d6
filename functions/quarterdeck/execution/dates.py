"""The date that prompts tell: the task's own, so that a run of tomorrow asks the same."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime

from quarterdeck.names import read_clock

current_date: ContextVar[datetime | None] = ContextVar("quarterdeck_date", default=None)


@contextmanager
def keep_date(moment: datetime) -> Iterator[None]:
    token = current_date.set(moment)
    try:
        yield
    finally:
        current_date.reset(token)


def spell_date(date_format: str) -> str:
    """The date of the run in this context, in UTC; outside of runs today's."""
    return (current_date.get() or read_clock()).strftime(date_format)
