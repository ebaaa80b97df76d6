"""Each guard of a crew's memory is needed: without it a test fails."""

from tests.guards import Guards

MEMORY = "test_memory.py::test_"
THROTTLES = f"{MEMORY}an_embedder_that_throttles_costs_nothing_but_memory"
NO_TABLE = f"{MEMORY}a_table_that_is_out_of_reach_costs_nothing_but_memory"
REFUSES = f"{MEMORY}a_model_that_refuses_memory_alone_does_not_fail_the_task"
LEFT_ALONE = f"{MEMORY}memory_is_left_alone_after_calls_in_a_row_that_failed"
NO_SECRET = f"{MEMORY}a_secret_that_is_missing_costs_nothing_but_memory"
OFFERED = f"{MEMORY}memory_is_offered_to_those_who_have_it"
ONCE = f"{MEMORY}embeddings_are_asked_once_and_are_in_the_tasks_usage"
CUT = f"{MEMORY}a_model_that_draws_too_much_is_cut"
WORKER = "test_worker_memory.py::test_"
TOLD = f"{WORKER}a_memory_that_fails_is_an_event_and_a_metric_of_a_task_that_succeeds"
BUDGET = f"{WORKER}what_memory_asks_is_in_the_crews_budget"
JOURNALED = "execution.journaled_memory"
EMBEDDER = "execution.journaled_embedder:JournaledEmbedder"

# (where, old, new, the test that fails)
EDITS = [
    (
        f"{JOURNALED}:make_call",
        "except Exception as error:",
        "except KeyError as error:",
        THROTTLES,
    ),
    (f"{JOURNALED}:make_call", 'journal.tally.count("memory_faults")', "pass", THROTTLES),
    (f"{JOURNALED}:carry_out", "except Exception as error:", "except KeyError as error:", NO_TABLE),
    ("execution.journaled_calls:wait_out", "not is_memory_at_work()", "True", REFUSES),
    ("execution.gate:Gate.wait_briefly", "tried >= BRIEF_ATTEMPTS", "tried >= 1", REFUSES),
    ("execution.crew_memory:choose_statements", "if each != content", "", REFUSES),
    ("execution.crew_memory:choose_statements", "[:MOST_STATEMENTS]", "", CUT),
    ("execution.memory_writes:dump_record", "[:LONGEST_CONTENT]", "", CUT),
    ("execution.memory_faults:MemoryFaults.check", "self._in_a_row[each]", "0", LEFT_ALONE),
    (
        "execution.run:open_memory",
        "except Exception as error:",
        "except KeyError as error:",
        NO_SECRET,
    ),
    ("execution.crews:build_crew", "memory if agent.memory_enabled else None", "memory", OFFERED),
    (f"{EMBEDDER}.report", "if watch is not None", "if False", ONCE),
    (f"{EMBEDDER}._ask", "with journal.hold_budget(call):", "if True:", BUDGET),
    ("execution.run:run_crew", "watch.tell_faults()", "pass", TOLD),
]


class TestMemoryGuards(Guards):
    directory = "tests/unit/execution"
    edits = EDITS
