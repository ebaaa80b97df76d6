"""Each guard of a task's life is needed: without it a trial breaks a rule. A part of make prove."""

import os

import pytest

from tests.mutations import Edit

pytestmark = pytest.mark.skipif(
    not os.environ.get("QUARTERDECK_PROVE"), reason="a part of make prove"
)

# {transition: the steps of a trial that are to meet others in it}
STEPS: dict[str, tuple[str, ...]] = {
    "submit_task": ("submit",),
    "dispatch_task": ("admit", "monitor"),
    "resend_task": ("monitor", "monitor ahead"),
    "claim_task": ("deliver", "deliver first"),
    "beat_task": ("beat",),
    "continue_task": ("hand on", "hand on first"),
    "postpone_task": ("put off", "put off first"),
    "ripen_task": ("admit", "monitor"),
    "requeue_task": ("monitor", "monitor ahead"),
    "request_cancel": ("cancel", "cancel first"),
    "finish_task": ("finish", "finish first"),
    "bury_task": ("monitor",),
    "cancel_task": ("cancel", "cancel first"),
}

FINISHING = ("finish", "finish first")
HANDING_ON = ("hand on", "hand on first")
PUTTING_OFF = ("put off", "put off first")
CANCELLING = ("cancel", "cancel first")
DELIVERING = ("deliver", "deliver first")
MONITORING = ("monitor", "monitor ahead")
ADMITTING = ("admit", "submit")

EDITS = [
    Edit("tasks.admission:has_free_slot", "<", "<=", ADMITTING),
    Edit(
        "tasks.admission:admit_tasks",
        "refusals += ripen_due(table, scope, crew, clock())",
        "pass",
        ADMITTING,
    ),
    Edit(
        "tasks.admission:admit_tasks", "entry.task_id, entry.epoch)", "entry.task_id, 7)", ADMITTING
    ),
    Edit("tasks.attempt:claim", "generate_id()", "'same'", DELIVERING),
    Edit(
        "tasks.attempt:Attempt.end",
        'outcome.status != "cancelled" and self._yield_to_cancel(outcome, ran_ms)',
        "False",
        FINISHING,
    ),
    Edit(
        "tasks.attempt:Attempt._yield_to_cancel",
        "self.state.epoch, True",
        "now.epoch, True",
        FINISHING,
    ),
    Edit(
        "tasks.upkeep:Upkeep._settle",
        "state.lease_expires_at >= format_time(self.clock())",
        "False",
        MONITORING,
    ),
    Edit("tasks.upkeep:Upkeep._settle", 'if state.status == "dispatched":', "if True:", MONITORING),
    Edit(
        "tasks.upkeep:Upkeep._settle",
        "send_task(self.queue, scope, task_id, state.epoch)",
        "pass",
        MONITORING,
    ),
    Edit("tasks.upkeep:judge_lost", "if state.cancel_requested:", "if False:", MONITORING),
    Edit("tasks.upkeep:judge_lost", "crashes < MAX_CRASHES", "True", MONITORING),
    Edit(
        "tasks.upkeep:judge_lost", "crashes < MAX_CRASHES", "crashes < MAX_CRASHES - 1", MONITORING
    ),
    Edit("tasks.ending:stop_task", "if state.status in TERMINAL:", "if False:", CANCELLING),
    Edit("tasks.ending:stop_task", 'if state.status == "running":', "if False:", CANCELLING),
    Edit("tasks.transitions:cancel_task", ", bump=True", "", CANCELLING),
    Edit("tasks.transitions:end_task", "if state.status in HOLDS_SLOT", "if True", CANCELLING),
    Edit("tasks.transitions:end_task", '[*LEASE_KEYS, "not_before"]', "[]", FINISHING),
    Edit("tasks.transitions:requeue_task", "remove=LEASE_KEYS", "remove=()", MONITORING),
    Edit("tasks.transitions:postpone_task", "remove=LEASE_KEYS", "remove=()", PUTTING_OFF),
    Edit("tasks.transitions:requeue_task", "        put_in_queue(scope, state),\n", "", MONITORING),
    Edit("tasks.transitions:requeue_task", "        free_slot(scope, state),\n", "", MONITORING),
    Edit("tasks.transitions:postpone_task", "        free_slot(scope, state),\n", "", PUTTING_OFF),
    Edit("tasks.transitions:claim_task", "state.epoch + 1", "state.epoch", DELIVERING),
    Edit("tasks.transitions:ripen_task", 'remove=["not_before"]', 'remove=["nothing"]', ADMITTING),
    Edit("table:is_done", "return bool(wanted) and", "return bool(wanted) or", DELIVERING),
]
