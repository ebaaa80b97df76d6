"""Each guard of a task's life is needed: without it a trial breaks a rule. A part of make prove.

That no trial breaks a rule as long as nothing is taken out is `test_task_races`.
"""

import pytest

from tests.edits import Edit, edited
from tests.guards import Edits
from tests.mutations import Guard, hunt, list_guards, without
from tests.prove import prove

ONE_END = "END is put once"

# {transition or deed: the steps of a trial that are to meet others in it, and where they begin}
STAGES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "submit_task": (("submit known",), ("dispatched",)),
    "settle_left": (("cancel", "cancel first"), ("reaped",)),
    "submit once": (("submit once", "submit other"), ("queued",)),
    "dispatch_task": (("admit",), ("queued", "due again")),
    "resend_task": (("monitor ahead", "monitor"), ("undelivered",)),
    "claim_task": (("deliver",), ("handed on",)),
    "beat_task": (("beat",), ("handed on",)),
    "continue_task": (("hand on", "hand on first"), ("running", "handed on")),
    "postpone_task": (("put off", "put off first"), ("running", "handed on")),
    "ripen_task": (("admit",), ("due again",)),
    "requeue_task": (("monitor ahead",), ("running", "lost")),
    "request_cancel": (("cancel", "cancel first"), ("running",)),
    "finish_task": (("finish", "finish first"), ("running", "handed on")),
    "bury_task": (("monitor ahead",), ("running for the third time", "lost for the third time")),
    "reap": (("monitor",), ("lost",)),
    "bury": (("monitor",), ("lost and cancelling", "lost for the third time")),
    "cancel_task": (
        ("cancel", "cancel first"),
        ("due again as the last", "handed on", "waiting", "waiting again"),
    ),
    "wait_task": (("ask", "ask first"), ("running", "handed on")),
    "resume_task": (("approve first", "correct first"), ("waiting", "waiting again")),
    "expire_task": (("monitor",), ("waiting too long",)),
    "answered": (("approve first", "correct first"), ("answered", "waiting again")),
    "expire": (("monitor",), ("waiting too long",)),
}

# (where, old, new, which of STAGES)
EDITS = [
    (
        "tasks.admission:admit_tasks",
        "refusals += ripen_due(table, scope, crew, clock())",
        "pass",
        "dispatch_task",
    ),
    (
        "tasks.admission:admit_tasks",
        "entry.task_id, entry.epoch)",
        "entry.task_id, 7)",
        "dispatch_task",
    ),
    ("tasks.attempt:claim", "generate_id()", "'same'", "claim_task"),
    (
        "tasks.attempt:Attempt.end",
        'outcome.status != "cancelled" and self._yield_to_cancel(outcome, ran_ms)',
        "False",
        "finish_task",
    ),
    (
        "tasks.upkeep:Upkeep._settle",
        "state.lease_expires_at >= format_time(self.clock())",
        "False",
        "reap",
    ),
    (
        "tasks.upkeep:Upkeep._settle_state",
        'if state.status == "dispatched":',
        "if True:",
        "requeue_task",
    ),
    (
        "tasks.upkeep:Upkeep._settle_state",
        "send_task(self.queue, scope, state.task_id, state.epoch)",
        "pass",
        "requeue_task",
    ),
    ("tasks.upkeep:judge_lost", "if state.cancel_requested:", "if False:", "bury"),
    ("tasks.upkeep:judge_lost", "crashes < MAX_CRASHES", "True", "bury"),
    (
        "tasks.upkeep:judge_lost",
        "crashes < MAX_CRASHES",
        "crashes < MAX_CRASHES - 1",
        "bury",
    ),
    ("tasks.ending:stop_task", 'if state.status == "running":', "if False:", "cancel_task"),
    ("tasks.transitions:cancel_task", ", bump=True", "", "cancel_task"),
    ("tasks.transitions:leave_crew", "if state.status in HOLDS_SLOT", "if True", "cancel_task"),
    ("tasks.transitions:leave_crew", 'if state.status == "waiting"', "if False", "cancel_task"),
    ("tasks.transitions:end_task", "[*LEASE_KEYS, *OF_THE_LIVE]", "[]", "finish_task"),
    ("tasks.waiting:wait_task", "**lease_index(state.task_id, expires),", "", "wait_task"),
    ("tasks.waiting:wait_task", '{"running": -1, "waiting": 1}', '{"running": -1}', "wait_task"),
    ("tasks.waiting:wait_task", '"question": number,', "", "wait_task"),
    ("tasks.waiting:resume_task", "        put_in_queue(scope, state),\n", "", "resume_task"),
    ("tasks.waiting:resume_task", "        leave_waiting(scope, state),\n", "", "resume_task"),
    ("tasks.waiting:resume_task", "remove=remove", "remove=()", "resume_task"),
    (
        "tasks.answers:answer_question",
        '(state.status, state.question) != ("waiting", number)',
        "False",
        "resume_task",
    ),
    (
        "tasks.answers:compare_answer",
        'item["answer"] != answer.said',
        "False",
        "answered",
    ),
    ("tasks.upkeep:Upkeep._settle_state", 'if state.status == "waiting":', "if False:", "expire"),
    (
        "tasks.transitions:end_task",
        "        tell_end(scope, state, epoch, now),\n",
        "",
        "finish_task",
    ),
    (
        "tasks.announcements:fill_outbox",
        "**outbox_index(key.task_id, now + LEFT_FOR),",
        "",
        "finish_task",
    ),
    (
        "tasks.announcer:TaskAnnouncer.tell",
        "self._put(describe_end(self.environment, name, key, state, outcome))",
        "pass",
        "finish_task",
    ),
    (
        "tasks.announcer:TaskAnnouncer._settle",
        "announced = self._announce(key, item)",
        "announced = True",
        "finish_task",
    ),
    ("tasks.transitions:requeue_task", "remove=LEASE_KEYS", "remove=()", "requeue_task"),
    ("tasks.transitions:postpone_task", "remove=LEASE_KEYS", "remove=()", "postpone_task"),
    (
        "tasks.transitions:requeue_task",
        "        put_in_queue(scope, state),\n",
        "",
        "requeue_task",
    ),
    ("tasks.transitions:requeue_task", "        free_slot(scope, state),\n", "", "requeue_task"),
    ("tasks.transitions:postpone_task", "        free_slot(scope, state),\n", "", "postpone_task"),
    ("tasks.transitions:claim_task", "state.epoch + 1", "state.epoch", "claim_task"),
    (
        "tasks.transitions:ripen_task",
        'remove=["not_before"]',
        'remove=["nothing"]',
        "dispatch_task",
    ),
    (
        "tasks.ending:stop_task",
        "settle_left(table, scope, state.crew_name, task_id)",
        "pass",
        "settle_left",
    ),
    (
        "tasks.upkeep:Upkeep._conclude",
        "settle_left(self.table, scope, state.crew_name, state.task_id)",
        "pass",
        "bury",
    ),
    (
        "tasks.budgets:settle_hold",
        "Delete(scope.hold_key(task_id, held.hold_id), [Present()])",
        "*[]",
        "finish_task",
    ),
    ("tasks.budgets:settle_hold", "(used - held.amount)", "used", "finish_task"),
    ("idempotency:Once.remember", "[self._unless]", "[]", "submit once"),
    ("idempotency:Once.find", 'item["asked"] != self._asked', "False", "submit once"),
    ("idempotency:act_once", "(ConditionFailed, QuarterdeckError)", "KeyError", "submit once"),
    ("tasks.submission:enqueue_task", "*remember(", "*[] and remember(", "submit once"),
    ("table:is_done", "return bool(wanted) and", "return bool(wanted) or", "claim_task"),
]


@prove
@pytest.mark.parametrize("guard", [g for g in list_guards() if g.item != "END"], ids=str)
def test_without_it_a_trial_breaks_a_rule(guard: Guard) -> None:
    with without(guard):
        assert hunt(*STAGES[guard.function])


class TestTaskEdits(Edits):
    edits = EDITS

    @prove
    def test_with_it_a_trial_breaks_a_rule(self, edit: Edit, teller: str) -> None:
        with edited(edit):
            assert hunt(*STAGES[teller])


@prove
@pytest.mark.parametrize(
    ("function", "step", "start"),
    [
        ("finish_task", "finish", "ended"),
        ("bury_task", "monitor", "lost for the third time"),
        ("cancel_task", "cancel", "dispatched"),
    ],
)
def test_a_task_ends_once_even_if_its_state_says_nothing(
    function: str, step: str, start: str
) -> None:
    """END guards what the conditions on STATE guard already: the last line, tried without them."""
    guards = [guard for guard in list_guards() if guard.function == function]
    state = [guard for guard in guards if guard.item == "STATE"]
    with without(*state):
        assert not hunt([step], [start], ONE_END)
    with without(*guards):
        assert hunt([step], [start], ONE_END)
