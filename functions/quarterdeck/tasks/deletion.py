"""Deletes a task with all that belongs to it, for good: no restore brings it back.

One transaction hides it, and notes that it is deleted. What is left of it then nobody sees; it is
taken away, and whoever asks again goes on with that.
"""

from collections.abc import Callable
from datetime import datetime
from itertools import batched

from quarterdeck.blobs import BlobStore
from quarterdeck.erasures import hash_task, put_mark
from quarterdeck.errors import Conflict
from quarterdeck.keys import Key, Scope
from quarterdeck.names import is_id, parse_time
from quarterdeck.table import ConditionFailed, Delete, Equals, Put, Table
from quarterdeck.tasks.states import TERMINAL
from quarterdeck.tasks.store import TaskStore, not_found

DELETED_AT_ONCE = 25


def delete_task(
    table: Table,
    blobs: BlobStore,
    scope: Scope,
    task_id: str,
    now: datetime,
    is_late: Callable[[], bool] = lambda: False,
) -> bool:
    """Whether nothing is left of it; if not, it got late: ask again.

    Conflict while it lives, NotFound for what was never there.
    """
    if not is_id(task_id):
        raise not_found(task_id)
    mark = put_mark(scope.system_id, hash_task(task_id), now)
    if table.get(mark.key) is None:
        hide_task(table, blobs, scope, task_id, mark)
    return remove_rest(table, blobs, scope, task_id, is_late)


def hide_task(table: Table, blobs: BlobStore, scope: Scope, task_id: str, mark: Put) -> None:
    """From now on there is no such task: for reads, lists and backups alike."""
    state = TaskStore(table, blobs).get_state(scope, task_id)
    if state.status not in TERMINAL:
        raise Conflict(f"the task is {state.status}: one that has ended can be deleted; cancel it")
    try:
        table.write(
            mark,
            Delete(scope.state_key(task_id), [Equals("status", state.status)]),
            Delete(scope.registry_key(task_id, parse_time(state.created_at))),
        )
    except ConditionFailed:
        if table.get(mark.key) is None:  # It has expired; otherwise another request was faster.
            raise not_found(task_id) from None


def remove_rest(
    table: Table, blobs: BlobStore, scope: Scope, task_id: str, is_late: Callable[[], bool]
) -> bool:
    """Also of blobs that no item names: of an end, or of a call, that another was faster with."""
    for blob in blobs.list_blobs(f"{scope.blob_prefix}/{task_id}/"):
        if is_late():
            return False
        blobs.delete_blob(blob)
    items = table.query(scope.state_key(task_id).pk, "")
    for some in batched(items, DELETED_AT_ONCE, strict=False):
        if is_late():
            return False
        table.write(*(Delete(Key(item["pk"], item["sk"])) for item in some))
    return True
