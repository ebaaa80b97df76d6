"""What a worker does for a crew's memory when its task is done: forgetting, now and then."""

import secrets
from datetime import datetime, timedelta

from quarterdeck.memory.retention import Retention
from quarterdeck.memory.store import MemoryStore
from quarterdeck.observability import logger
from quarterdeck.systems.configuration import Memory

ODDS = 20
"""One in so many tasks looks whether there is something to forget."""
SLACK = 1.1
"""So far over the most that are kept, every task does."""


def is_due(held: int, most: int, lot: int) -> bool:
    """`lot`: from 0 on, each of ODDS as likely."""
    return held > SLACK * most or lot == 0


def tidy_memory(store: MemoryStore, settings: Memory, now: datetime) -> None:
    """Forgets by count and age if it is due; what goes wrong is logged, and left to the next."""
    if settings.read_only or not is_due(store.held, settings.max_records, secrets.randbelow(ODDS)):
        return
    days = settings.max_age_days
    retention = Retention(most=settings.max_records, age=timedelta(days=days) if days else None)
    try:
        done = store.retain(retention, now)
    except Exception:
        logger.exception("Memory was not tidied", crew=store.crew)
    else:
        logger.info("Memory was tidied", crew=store.crew, **done._asdict())
