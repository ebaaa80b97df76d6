"""Each guard of the journal, the gate and the lease is needed: without it a test fails.

A part of make prove.
"""

from tests.guards import Guards

REPLAY = "test_journal_replay.py::test_a_crew_that_runs_again_asks_nothing_again"
KEPT_APART = "test_journal_replay.py::test_calls_that_ask_the_same_are_kept_apart"
STOPPED = "test_journal_stop.py::test_a_stopped_crew_goes_on_where_it_was"
STICKY = "test_journal_stop.py::test_a_stop_is_for_all_calls_that_come_later"
IN_FLIGHT = "test_journal_stop.py::test_calls_in_flight_end_and_are_recorded_before_the_run_returns"
CLOSED = "test_journal_stop.py::test_no_call_begins_after_the_run"
UNWRITTEN = (
    "test_journal_stop.py::test_a_journal_that_cannot_be_written_stops_the_run_after_one_call"
)
UNREAD = "test_journal_stop.py::test_a_journal_that_cannot_be_read_is_no_failure_of_the_task"
NO_ANSWER = "test_journal_stop.py::test_an_answer_that_cannot_be_kept_fails_the_task"
ADOPTED = "test_journal_replay.py::test_of_two_workers_at_once_both_go_on_with_the_first_answer"
RELEASE = (
    "test_journal_tools.py::"
    "test_another_release_does_not_repeat_an_effect_that_it_no_longer_asks_for"
)
IN_DOUBT_RELEASE = (
    "test_journal_tools.py::test_another_release_does_not_leave_a_call_in_doubt_behind"
)
HARMLESS = "test_journal_tools.py::test_another_release_may_ask_a_model_other_things"
SAME_RELEASE = "test_journal_tools.py::test_what_the_same_release_no_longer_asks_for_is_reported"
ASIDE = "test_journal_tools.py::test_an_effect_that_a_step_aside_still_asks_for_has_not_diverged"
NUMBER = "test_journal_tools.py::test_a_failed_call_gives_its_number_back"
SECRET = "test_journal_tools.py::test_a_secret_that_a_tool_tells_is_neither_kept_nor_told_on"
DOUBT = "test_journal_tools.py::test_a_call_in_doubt_can_end_the_task"
REPEAT = "test_journal_tools.py::test_a_call_in_doubt_is_repeated_with_the_same_key"
RETRIED_KEY = "test_journal_tools.py::test_a_retry_repeats_a_call_in_doubt_with_its_first_key"
NO_EFFECT = "test_journal_tools.py::test_a_tool_without_effect_is_never_in_doubt"
MARK = "test_journal_tools.py::test_the_mark_is_there_before_the_act"
RAISED = "test_journal_tools.py::test_what_a_tool_raised_is_kept_and_it_is_not_called_again"
MEMORY = "test_journal_memory.py::test_a_crew_that_runs_again_leaves_its_memory_alone"
WAITED_OUT = "test_provider_faults.py::test_a_fault_that_passes_is_waited_out_in_the_worker"
WHILE_WAITING = "test_provider_faults.py::test_while_it_waits_the_worker_may_stop"
CUT = "test_provider_faults.py::test_a_request_that_the_workers_end_has_cut_is_no_fault"
CUT_IN_TIME = "test_provider_faults.py::test_a_call_is_cut_to_the_time_left"
LONG_WAIT = "test_provider_faults.py::test_a_long_wait_gives_the_slot_back"
FIVE = "test_provider_faults.py::test_after_five_attempts_the_task_fails_with_the_providers_error"
SECOND = "test_journal_store.py::test_who_comes_second_adopts_what_is_kept"
IN_MEMORY = "test_journal_store.py::test_a_journal_in_memory_is_like_that_in_the_table"
OLDER = "test_journal_store.py::test_a_retry_reads_the_journals_of_the_tasks_before_it"
JUDGED = "../test_lease.py::test_judgements"
BEATS = "../test_lease.py::test_a_heartbeat_that_fails_is_tried_again"
LOST = "../test_lease.py::test_a_lost_lease_stops_the_next_call"
EXPIRED = "../test_lease.py::test_a_lease_that_cannot_be_kept_stops_the_next_call"
LEASE_CANCEL = "../test_lease.py::test_a_cancel_stops_the_next_call"
HANGS = "../test_lease.py::test_a_call_that_hangs_is_given_up"
CANCELLED = "test_worker.py::test_a_cancelled_task_makes_no_further_call"
CUT_SHORT = "test_worker.py::test_a_task_that_is_cut_short_goes_on_without_a_repeated_call"
WORKER_HANGS = "test_worker.py::test_a_call_that_hangs_is_given_up_and_the_task_continued"
COUNTED_ON = (
    "test_worker_state.py::test_faults_are_counted_on_and_not_waited_out_past_the_tasks_time"
)
SAYS_SO = "test_worker_state.py::test_a_run_that_leaves_out_what_was_recorded_says_so"
UNRECORDED = (
    "test_worker_state.py::test_a_process_that_hangs_ends_even_when_that_cannot_be_recorded"
)
RETRY = "test_worker.py::test_a_retry_pays_for_no_call_again"

WITHIN = "test_patches.py::test_a_call_within_a_call_is_journaled_once"
TWICE = "test_patches.py::test_a_call_that_its_provider_reports_twice_is_counted_once"
JOURNAL = "execution.journal:Journal"
CLAIMS = "execution.claims:Claims"
GATE = "execution.gate:Gate"
TOOL = "execution.journaled_tool:JournaledTool"
CALLS = "execution.journaled_calls"
LEASE = "execution.lease:Lease"
STORE = "execution.journal_store:JournalStore"
WORKER = "execution.worker"

# (where, old, new, the test that fails)
EDITS = [
    (f"{JOURNAL}.open", "self._keep(self._store.load)", "self._store.load()", UNREAD),
    (f"{JOURNAL}.open", "self.gate.close(", "max(0, ", IN_FLIGHT),
    (f"{JOURNAL}.find", "if found else", "if False else", f"{REPLAY}[sequential]"),
    (f"{JOURNAL}.enter_call", "with self.gate.enter():", "if True:", STOPPED),
    (f"{JOURNAL}.enter_call", "self._refuse_divergence()", "pass", RELEASE),
    (f"{JOURNAL}.enter_call", "self.gate.note_success()", "pass", WAITED_OUT),
    (
        f"{JOURNAL}.record",
        "encode_answer(answer, self._scrub)",
        "encode_answer(answer, str)",
        SECRET,
    ),
    (f"{JOURNAL}.record", "except TypeError as", "except OSError as", NO_ANSWER),
    (
        f"{JOURNAL}.record",
        "_keep(lambda: self._store.record(place, entry))",
        "_store.record(place, entry)",
        UNWRITTEN,
    ),
    (
        f"{JOURNAL}.record",
        "self._store.record(place, entry))",
        "self._store.record(place, entry)) and entry",
        ADOPTED,
    ),
    (f"{JOURNAL}._refuse_divergence", "and i.code != self._code", "", SAME_RELEASE),
    (f"{JOURNAL}._refuse_divergence", "i.effect and ", "", HARMLESS),
    (f"{JOURNAL}._refuse_divergence", "self._sleep(0.1)", "break", ASIDE),
    (f"{JOURNAL}._find_unclaimed", "in marks.items()", "in ()", IN_DOUBT_RELEASE),
    (f"{JOURNAL}._keep", "self.gate.give_up(error)", "pass", UNWRITTEN),
    (f"{CLAIMS}.claim", "if n not in numbers", "if True", KEPT_APART),
    (f"{CLAIMS}.claim", "numbers.discard(occurrence)", "pass", NUMBER),
    (f"{CLAIMS}.take", "self._claimed[place.digest].add(place.occurrence)", "pass", MEMORY),
    (f"{GATE}.enter", "self.check()", "pass", STICKY),
    (f"{GATE}.check", "raise self.stopped", "pass", STICKY),
    (f"{GATE}.check", 'raise Stop("cancelled")', "pass", CLOSED),
    (f"{GATE}.check", "self.stop(stop)", "raise", STICKY),
    (f"{GATE}.stop", "self.stopped or stop", "stop", STICKY),
    (f"{GATE}.close", "self._closed = True", "pass", CLOSED),
    (
        f"{GATE}.close",
        "self._changed.wait_for(lambda: not self._in_flight, seconds)",
        "True",
        IN_FLIGHT,
    ),
    (f"{GATE}.note_success", "self.attempts = 0", "pass", WAITED_OUT),
    (f"{GATE}.wait_out", "fault is None or", "True or", WAITED_OUT),
    (f"{GATE}.wait_out", "self.check()", "pass", CUT),
    (f"{GATE}._wait", "attempts >= MAX_ATTEMPTS or ", "", FIVE),
    (f"{GATE}._wait", "min(LONGEST_WAIT, self.time_left())", "self.time_left()", LONG_WAIT),
    (f"{GATE}._wait", "min(LONGEST_WAIT, self.time_left())", "LONGEST_WAIT", LONG_WAIT),
    (f"{GATE}.pause", "self.check()", "pass", WHILE_WAITING),
    (f"{GATE}._choose_stop", "self.attempts >= MAX_ATTEMPTS", "False", FIVE),
    (f"{TOOL}._run", "journal.find(place)", "None", f"{REPLAY}[tool]"),
    (f"{TOOL}._call", "except Exception as", "except OSError as", RAISED),
    (f"{TOOL}._act", "effect=self.has_effect", "effect=False", RELEASE),
    (f"{TOOL}._act", "self._begin(journal, place)", "journal.spell_key(place)", MARK),
    (f"{TOOL}._act", 'mark is not None and self.in_doubt != "repeat"', "False", DOUBT),
    (f"{TOOL}._act", ' and self.in_doubt != "repeat"', "", REPEAT),
    (f"{TOOL}._begin", "not self.has_effect", "False", NO_EFFECT),
    (
        f"{TOOL}._act",
        "mark.idempotency_key if mark else self._begin(journal, place)",
        "self._begin(journal, place)",
        RETRIED_KEY,
    ),
    (f"{CALLS}:find_journal", "None if asking.get() else ", "", WITHIN),
    (f"{CALLS}:ask", "limit_request(asked.llm, journal.gate.time_left())", "pass", CUT_IN_TIME),
    (f"{CALLS}:ask", "not wait_out(journal, error, tried)", "True", WAITED_OUT),
    (
        f"{CALLS}:ask_async",
        "limit_request(asked.llm, journal.gate.time_left())",
        "pass",
        CUT_IN_TIME,
    ),
    (
        f"{CALLS}:ask_async",
        "not await asyncio.to_thread(wait_out, journal, error, tried)",
        "True",
        WAITED_OUT,
    ),
    (f"{CALLS}:note_completion", "asked.call_type is not None", "False", TWICE),
    (f"{CALLS}:report_call", "usage=entry.usage", "usage=None", f"{REPLAY}[sequential]"),
    ("execution.lease:judge_time", "times.ran >= times.timeout", "False", JUDGED),
    ("execution.lease:judge_time", "times.left < limits.begin_call", "False", JUDGED),
    ("execution.lease:judge_hang", "times.ran >= times.timeout + limits.grace", "False", JUDGED),
    ("execution.lease:judge_hang", "times.left < limits.give_up", "False", JUDGED),
    (f"{LEASE}.guard", "self._beat()", "pass", CANCELLED),
    (f"{LEASE}.guard", "self._lost or ", "", LOST),
    (f"{LEASE}.guard", "time.monotonic() - self._kept > LEASE.total_seconds()", "False", EXPIRED),
    (f"{LEASE}.guard", "if self._cancelled:", "if False:", LEASE_CANCEL),
    (f"{LEASE}.guard", "raise Stop(reason)", "pass", CUT_SHORT),
    (f"{LEASE}._keep", "self._on_hang(reason)", "pass", HANGS),
    (f"{LEASE}._beat", "except Exception:", "except KeyError:", BEATS),
    (f"{STORE}.load", "(self.task_id, *self.older)", "(self.task_id,)", OLDER),
    (f"{STORE}.load", "(self.task_id, *self.older)", "(*self.older, self.task_id)", OLDER),
    (f"{STORE}.record", "[Absent()]", "[]", SECOND),
    (f"{STORE}.record", "call-{generate_id()}", "call-{place.digest}", SECOND),
    (f"{STORE}.mark_started", "[Absent()]", "[]", SECOND),
    (
        "execution.journal_store:MemoryStore.record",
        "self.entries.setdefault(place, write_entry(entry))",
        "write_entry(entry)",
        IN_MEMORY,
    ),
    (f"{WORKER}:Worker._run_crew", "lease.guard", "lambda: None", CANCELLED),
    (f"{WORKER}:Worker._run_crew", "attempts=state.attempts", "attempts=0", COUNTED_ON),
    (f"{WORKER}:Worker._run_crew", "time_left=lease.time_left,", "", COUNTED_ON),
    (f"{WORKER}:Worker._run_crew", "spec.retries", "()", RETRY),
    (
        f"{WORKER}:Worker._run_crew",
        "if unclaimed := journal.unclaimed():",
        "if unclaimed := []:",
        SAYS_SO,
    ),
    (f"{WORKER}:Worker._give_up", "settled = True", "settled = False", UNRECORDED),
    (f"{WORKER}:Worker._give_up", "self.end_process()", "pass", WORKER_HANGS),
    (f"{WORKER}:settle", "outcome.model_copy(update=partial)", "outcome", CANCELLED),
]


class TestJournalGuards(Guards):
    directory = "tests/unit/execution"
    edits = EDITS
