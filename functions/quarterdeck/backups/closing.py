"""What comes before a restore of a system into itself: nobody is at work, all there is is safe."""

from datetime import datetime

from quarterdeck.backups.records import Backup
from quarterdeck.backups.restores import Restore
from quarterdeck.backups.store import BackupStore
from quarterdeck.errors import Conflict, NotFound
from quarterdeck.systems.lifecycle import list_live
from quarterdeck.systems.records import System
from quarterdeck.systems.store import SystemStore
from quarterdeck.table import ConditionFailed, Equals, Table, Update
from quarterdeck.tasks.states import HOLDS_SLOT, TaskState


def bump_live(table: Table, system: System) -> None:
    """No worker changes a task any more. If the restore is abandoned they are reaped, and go on.

    A message that is taken from now on finds the system closed.
    """
    for task_id in list_live(table, system):
        while not bump_task(table, system, task_id):
            pass


def bump_task(table: Table, system: System, task_id: str) -> bool:
    """False if the task has changed meanwhile: it is to be looked at again."""
    key = system.scope.state_key(task_id)
    item = table.get(key)
    state = TaskState.model_validate(item) if item else None
    if state is None or state.status not in HOLDS_SLOT:
        return True
    same = [Equals("status", state.status), Equals("epoch", state.epoch)]
    try:
        table.write(Update(key, {"epoch": state.epoch + 1}, {}, conditions=same))
    except ConditionFailed:
        return False
    return True


def find_safety_backup(
    systems: SystemStore, backups: BackupStore, restore: Restore, now: datetime
) -> Backup | None:
    """The one that was begun for the restore, or begins it. None while another backup runs."""
    system = systems.get(restore.system_id)
    running = backups.get_known(system.system_id).running
    if running:
        try:
            backup = backups.get(system.system_id, running)
        except NotFound:
            return None
        ours = backup.origin == "safety" and backup.started_at >= restore.started_at
        return backup if ours else None
    try:
        return backups.begin(system, systems.get_plan(system), "safety", now)
    except Conflict:
        return None
