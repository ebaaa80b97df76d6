"""What lists, exports and deletes tasks needs each of its guards. A part of make prove."""

from tests.guards import Guards

DELETION = "test_task_deletion.py::test"
LEFT = f"{DELETION}_nothing_is_left_but_the_mark"
DIED = f"{DELETION}_whoever_dies_over_it_the_next_goes_on"
LIVES = f"{DELETION}_a_task_that_lives_is_not_deleted"
EXPIRED = f"{DELETION}_a_task_that_expires_meanwhile_is_not_there"
LATE = f"{DELETION}_when_it_gets_late_the_next_request_goes_on"
MEANWHILE = "test_task_export.py::test_a_task_that_is_deleted_meanwhile_leaves_no_export"
PAGES = "test_task_lists.py::test_the_pages_have_each_task_that_fits_once_and_no_other"
FILTERS = "test_task_lists.py::test_filters_of_the_api"
KNOWN = "test_etags.py::test_what_is_known_is_not_sent_again"


class TestTaskDataGuards(Guards):
    directory = "tests/unit"
    edits = (
        ("tasks.deletion:delete_task", "if table.get(mark.key) is None:", "if True:", LEFT),
        ("tasks.deletion:hide_task", "state.status not in TERMINAL", "False", LIVES),
        ("tasks.deletion:hide_task", "mark,\n", "\n", DIED),
        ("tasks.deletion:hide_task", '[Equals("status", state.status)]', "[]", EXPIRED),
        (
            "tasks.deletion:hide_task",
            "Delete(scope.registry_key(task_id, parse_time(state.created_at))),",
            "",
            LEFT,
        ),
        ("tasks.deletion:remove_rest", "blobs.delete_blob(blob)", "pass", LEFT),
        (
            "tasks.deletion:remove_rest",
            "if is_late():\n            return False\n        table",
            "table",
            LATE,
        ),
        ("tasks.export:export_task", "blobs.delete_blob(place)", "pass", MEANWHILE),
        ("tasks.listing:find_page", "if len(found) > limit:", "if False:", PAGES),
        ("tasks.listing:round_up", "-moment.microsecond % 1000", "0", FILTERS),
        ("http.etags:list_etags", '.removeprefix("W/")', "", KNOWN),
    )
