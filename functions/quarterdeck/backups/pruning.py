"""Removes the backups that nobody has to keep any more."""

from datetime import datetime

from quarterdeck.backups.archives import Archives
from quarterdeck.backups.retention import list_expired
from quarterdeck.backups.store import BackupStore
from quarterdeck.errors import NotFound
from quarterdeck.keys import backed_up_key
from quarterdeck.observability import logger
from quarterdeck.systems.store import SystemStore
from quarterdeck.table import Delete, Present, Update


def prune_backups(
    systems: SystemStore, backups: BackupStore, archives: Archives, system_id: str, now: datetime
) -> int:
    """How many were removed. Of a deleted system, the last good one goes when its time is over."""
    deleted = is_deleted(systems, system_id)
    in_use = backups.list_in_use(system_id)
    known = list(backups.list_all(system_id))
    expired = list_expired(known, now, in_use, keep_last=not deleted)
    for backup in expired:
        # The record goes last: an invocation that is stopped is followed by another.
        gone = {"damage": "its time is over: it is being removed"}
        systems.table.write(Update(backup.key, gone, {}, conditions=[Present()]))
        archives.remove(backup)
        backups.remove(backup)
        logger.info("Removed a backup", system_id=system_id, backup_id=backup.backup_id)
    if deleted and len(expired) == len(known):
        backups.table.write(Delete(backed_up_key(system_id)))
    return len(expired)


def is_deleted(systems: SystemStore, system_id: str) -> bool:
    try:
        systems.get(system_id)
    except NotFound:
        return True
    return False
