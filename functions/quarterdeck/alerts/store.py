"""Alerts in the table: each is written whole, by whoever read its latest revision."""

from collections.abc import Callable

from quarterdeck.alerts.history import describe_event, put_entry
from quarterdeck.alerts.names import AlertName, alert_not_found
from quarterdeck.alerts.states import Alert
from quarterdeck.errors import Contention
from quarterdeck.keys import ALERT_PREFIX, HISTORY_PREFIX, Scope, parse_alert_key
from quarterdeck.table import ConditionFailed, Equals, Item, Page, Put, Table, Unset

ATTEMPTS = 5


class AlertStore:
    def __init__(self, table: Table) -> None:
        self.table = table

    def list_all(self, scope: Scope) -> dict[AlertName, Alert]:
        """Of the system and all its crews; one query."""
        items = self.table.query(scope.alert_key(None, "").pk, ALERT_PREFIX)
        return {
            AlertName(*parse_alert_key(item["sk"])): Alert.model_validate(item) for item in items
        }

    def find(self, scope: Scope, name: AlertName) -> Alert | None:
        item = self.table.get(scope.alert_key(*name))
        return Alert.model_validate(item) if item else None

    def list_history(self, scope: Scope, limit: int, start: Item | None) -> Page:
        """Newest first."""
        pk = scope.alert_key(None, "").pk
        return self.table.query_newest(pk, HISTORY_PREFIX, limit=limit, start=start)

    def replace(self, scope: Scope, name: AlertName, old: Alert, new: Alert) -> Alert:
        """`new` as it is kept, with its entry in the history.

        ConditionFailed if `old` is not the latest: somebody else has written meanwhile.
        """
        kept = new.model_copy(update={"revision": old.revision + 1})
        latest = Equals("revision", old.revision) if old.revision else Unset("revision")
        writes = [Put(scope.alert_key(*name), kept.model_dump(exclude_none=True), [latest])]
        if entry := describe_event(scope, name, old, kept):
            writes.append(put_entry(scope, entry))
        self.table.write(*writes)
        return kept

    def modify(
        self,
        scope: Scope,
        name: AlertName,
        make: Callable[[Alert], Alert],
        default: Alert | None = None,
    ) -> Alert:
        """What `make` made of the latest; NotFound if there is none, and no default."""
        for _ in range(ATTEMPTS):
            old = self.find(scope, name) or default
            if old is None:
                raise alert_not_found(name.alert_id)
            new = make(old)
            if new == old:
                return old
            try:
                return self.replace(scope, name, old, new)
            except ConditionFailed:
                continue
        raise Contention("others changed the alert at each attempt")
