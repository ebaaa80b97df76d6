"""Which backups need not be kept any more. Pure."""

from collections.abc import Collection, Iterable
from datetime import datetime

from quarterdeck.backups.records import Backup
from quarterdeck.names import format_time


def list_expired(
    backups: Iterable[Backup],
    now: datetime,
    in_use: Collection[str] = (),
    *,
    keep_last: bool = True,
) -> list[Backup]:
    """Those whose time is over, the oldest first; never the last good one.

    `in_use`: ids of backups that are being read. Not `keep_last`: of a system that is deleted.
    """
    ordered = sorted(backups, key=lambda backup: (backup.started_at, backup.backup_id))
    last_good = next((backup for backup in reversed(ordered) if backup.is_good), None)
    return [
        backup
        for backup in ordered
        if backup.status != "running"
        and backup.expires <= format_time(now)
        and not (keep_last and backup is last_good)
        and backup.backup_id not in in_use
    ]
