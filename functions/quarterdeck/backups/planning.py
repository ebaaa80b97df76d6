"""When a backup, or a test of one, is due. Pure: times in UTC.

What is due is a time of the plan that nobody has seen to. However many were missed, it is the last
of them alone.
"""

from datetime import UTC, datetime, timedelta
from typing import assert_never

from quarterdeck.keys import find_shard
from quarterdeck.systems.records import BackupPlan, Frequency

DAILY_HOUR = 2
PRUNE_HOUR = 3
"""When old backups are removed: after the daily ones."""
SPREAD_SECONDS = 600
"""Systems whose backups are due at one time begin within ten minutes."""
WEEK = timedelta(days=7)
MONDAY = datetime(2026, 1, 5, tzinfo=UTC)


def find_due(
    frequency: Frequency, seen_to: datetime | None, created: datetime, now: datetime
) -> datetime | None:
    """The time that a backup is due for; None if none is. `seen_to`: the last that was begun."""
    last = find_last_time(frequency, now)
    return last if last and last > (seen_to or created) else None


def find_last_time(frequency: Frequency, now: datetime) -> datetime | None:
    """The last time of the plan that has come."""
    match frequency:
        case "none":
            return None
        case "hourly":
            return now.replace(minute=0, second=0, microsecond=0)
        case "daily":
            today = now.replace(hour=DAILY_HOUR, minute=0, second=0, microsecond=0)
            return today if today <= now else today - timedelta(days=1)
    assert_never(frequency)


def find_due_test(
    plan: BackupPlan, system_id: str, seen_to: datetime | None, created: datetime, now: datetime
) -> datetime | None:
    """As `find_due`, of restore tests: once a week, each system at an hour of its own."""
    if not plan.test_restores:
        return None
    first = MONDAY + timedelta(hours=find_shard(system_id, 7 * 24))
    last = now - (now - first) % WEEK
    return last if last > (seen_to or created) else None


def spread_start(system_id: str) -> int:
    """Seconds after the tick until a system's backup begins."""
    return find_shard(system_id, SPREAD_SECONDS)
