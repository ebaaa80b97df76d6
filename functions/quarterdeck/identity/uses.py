"""When each key was used last, at most once an hour."""

from datetime import datetime, timedelta

from quarterdeck.keys import key_entry
from quarterdeck.names import format_time, parse_time
from quarterdeck.observability import logger
from quarterdeck.table import ConditionFailed, Equals, Present, Table, Unset, Update

INTERVAL = timedelta(hours=1)


class KeyUses:
    """On the entries of the list of keys, which grant nothing."""

    def __init__(self, table: Table) -> None:
        self.table = table

    def note(self, key_id: str, now: datetime) -> None:
        """Notes a use. A failure is logged alone: nobody is refused for it."""
        try:
            self._note_hourly(key_id, now)
        except Exception:
            logger.warning("Could not note the use of a key", key_id=key_id, exc_info=True)

    def _note_hourly(self, key_id: str, now: datetime) -> None:
        entry = self.table.get(key_entry(key_id))
        last = entry.get("last_used_at") if entry else None
        if entry is None or (last and parse_time(last) > now - INTERVAL):
            return
        unchanged = Equals("last_used_at", last) if last else Unset("last_used_at")
        use = Update(
            key_entry(key_id),
            {"last_used_at": format_time(now)},
            {},
            # A revoked key's entry must not come back.
            conditions=[Present(), unchanged],
        )
        try:
            self.table.write(use)
        except ConditionFailed:
            return
