"""Each guard of a restore is needed: without it a test fails. A part of make prove."""

from tests.guards import Guards

RESTORE = "test_restore.py::test"
EARLY = f"{RESTORE}_a_message_that_comes_early_waits_for_the_requests_that_saw_the_system_open"
WORKER = f"{RESTORE}_a_worker_that_is_at_work_changes_nothing_any_more"
CHANGED = f"{RESTORE}_a_restore_that_wrote_something_else_is_never_seen"
EXPIRED = f"{RESTORE}_what_has_expired_since_is_left_out"
ERASED = f"{RESTORE}_what_was_erased_since_is_not_brought_back"
DELETED = f"{RESTORE}_a_task_that_was_deleted_since_is_not_brought_back"
TAKEN = f"{RESTORE}_a_name_that_was_taken_meanwhile_leaves_nothing"
PAUSED = f"{RESTORE}_what_was_paused_is_paused_and_what_was_raised_is_raised"
SAFETY = f"{RESTORE}_a_safety_backup_that_fails_opens_the_system_again"
TURNS = f"{RESTORE}_it_goes_on_through_any_number_of_invocations"
WHOLE = f"{RESTORE}_what_was_backed_up_is_there_again"
PROOF = f"{RESTORE}_a_test_of_it_leaves_nothing_behind_and_says_when"
CRASHES = "test_restore_crashes.py::test"
OPENED = f"{CRASHES}_a_restore_that_cannot_be_done_leaves_the_system_as_it_was"
PROPERTY = (
    "test_restore_property.py::test_what_was_acknowledged_before_a_backup_is_restored_from_it"
)
CLOSED = "test_restoring_state.py::test"
CLAIM = f"{CLOSED}_no_message_is_claimed_until_it_is_open_again"
MONITOR = f"{CLOSED}_the_monitor_leaves_its_tasks_alone"
WORK = "backups.restoring:RestoreWork"
REWRITING = "backups.rewriting"

EDITS = [
    (f"{WORK}._close", "left_s > 0", "False", EARLY),
    (f"{WORK}._close", "bump_live(self.table, self.systems.get(job.system_id))", "pass", WORKER),
    (f"{WORK}._wait_for_safety", "if not backup.is_good:", "if False:", SAFETY),
    (
        f"{WORK}.give_up",
        "[reopen_system(job, now)] if self._is_closed(job) else []",
        "[]",
        OPENED,
    ),
    (f"{REWRITING}:was_accepted_since", 'state["status"] not in TERMINAL or ', "", PROPERTY),
    (f"{REWRITING}:was_accepted_since", ' or state["created_at"] >= moment', "", EARLY),
    (
        f"{REWRITING}:Rewriter._is_carried",
        "self.table.get(self.hold.job.scope.state_key(task_id)) is None",
        "True",
        PROPERTY,
    ),
    (
        f"{REWRITING}:house_document",
        'blobs.store_document(place, item["document"]["text"])',
        'item["document"]',
        WHOLE,
    ),
    (
        "backups.proofreading:Proofreader._check",
        "difference := find_difference(expected, found, self.hold.clock())",
        "difference := None",
        CHANGED,
    ),
    ("backups.generation:is_expired", "expires <= now.timestamp()", "False", EXPIRED),
    ("backups.generation:rebuild_task", "| scope.by_time(task_id, created)", "", TURNS),
    (
        "backups.erasing:erase_content",
        "erased.strip(crew, unmarshal_item(record.item))",
        "unmarshal_item(record.item)",
        ERASED,
    ),
    ("backups.erasing:erase_unit", "erased.has_task(task_id)", "False", DELETED),
    (
        "backups.completion:Completion._require_free",
        "raise JobFailed(f\"a system named '{name}' exists\")",
        "pass",
        TAKEN,
    ),
    (
        "backups.completion:Completion._replace",
        "self._copy_alerts(system.scope, restored.scope)",
        "pass",
        PAUSED,
    ),
    (
        "backups.swap:open_crews",
        '{"paused": True} if restored.state == "paused" else {}',
        "{}",
        PAUSED,
    ),
    (
        "backups.removal:Removal._delete",
        "self.blobs.delete_blob(blob)",
        "pass",
        PROOF,
    ),
    ("tasks.attempt:claim", 'system.state == "restoring"', "False", CLAIM),
    ("tasks.upkeep:Upkeep._settle_state", ' or system.state == "restoring"', "", MONITOR),
    ("tasks.upkeep:Upkeep._admit", 'system.state == "restoring"', "False", MONITOR),
]


class TestRestoreGuards(Guards):
    directory = "tests/unit/backups"
    edits = EDITS
