"""Each guard of the store is needed: without it a test fails. A part of make prove."""

from tests.guards import Guards

LATE = "test_races.py::test_a_writer_that_commits_late_is_not_missed"
PASSED_BY = "test_races.py::test_what_a_reading_passes_by_is_read_again"
ONLY_NEW = "test_races.py::test_only_what_is_new_is_read"
AT_ONCE = "test_races.py::test_two_workers_of_one_task_keep_it_once"
BROKEN_OFF = "test_races.py::test_a_change_that_breaks_off_is_done_or_not"
SLEPT = "test_trimming.py::test_a_process_that_slept_for_long_reads_all_anew"
A_DAY = "test_trimming.py::test_what_expired_is_taken_out_a_day_later"
LAST = "test_trimming.py::test_the_last_entry_stays"
COMES_BACK = "test_trimming.py::test_nothing_comes_back_while_it_is_being_taken_out"
ERASED_LATE = "test_store.py::test_what_is_erased_while_it_is_put_is_not_left_in_s3"
ERASED_S3 = "test_store.py::test_erased_content_does_not_come_back_in_s3"
MOVED = "test_store.py::test_a_memory_that_left_a_scope_is_not_erased_with_it"
WHOLE = "test_store.py::test_a_batch_of_several_embedders_is_refused_whole"
NEAREST = "test_search.py::test_the_nearest_are_found"
ROW = "test_search.py::test_who_takes_the_row_of_one_that_left_is_found"
MANY = "test_search.py::test_many_are_searched_as_few_are"

LOG = "memory.log:Log"
SHARD = "memory.shard:Shard"
STORE = "memory.store:MemoryStore"

# (where, old, new, the test that fails)
EDITS = [
    (f"{LOG}.add", "[Absent()]", "[]", LATE),
    (f"{LOG}.add", "self.read_new()", "pass", LATE),
    (f"{LOG}.read_new", "is_recent(item, now)", "False", PASSED_BY),
    (f"{LOG}.read_new", "now - self._read_at > STALE", "False", SLEPT),
    (f"{LOG}.read_new", "changed=self.shard.changed | self.shard.kept.keys()", "", SLEPT),
    (
        f"{LOG}.read_new",
        "self._query(self.shard.last + 1, BEYOND)",
        "self._query(1, BEYOND)",
        ONLY_NEW,
    ),
    (f"{SHARD}.list_spent", "spent.at < before", "True", A_DAY),
    (f"{SHARD}.list_done", " and number != self.last", "", LAST),
    (f"{SHARD}.list_done", "entry > number", "True", COMES_BACK),
    (f"{SHARD}._end", "self.changed.add(record_id)", "pass", NEAREST),
    ("memory.drafts:Keep.plan", " or (known and self.anew)", "", AT_ONCE),
    ("memory.drafts:Keep.plan", "self.record_id in shard.erased or ", "", ERASED_LATE),
    ("memory.records:derive_id", "origin, ", "", AT_ONCE),
    (f"{STORE}._keep", " or memory.record_id in log.shard.erased", "", ERASED_S3),
    (f"{STORE}._keep", 'not kept and "blob" in document', "False", ERASED_LATE),
    (f"{STORE}.erase", "self.blobs.delete_blob(blob)", "pass", BROKEN_OFF),
    (f"{STORE}.put", "dimensions[count_dimensions(each.vector)] += bool(each.vector)", "", WHOLE),
    ("memory.logs:Logs.list_with_content", "if kept else", "if False else", MOVED),
    ("memory.search:Index.search", " + matrix.margin", "", MANY),
    ("memory.search:Index.replace", "matrix.remove(record_id)", "pass", NEAREST),
    (
        "memory.search:Matrix.remove",
        "self.coarse[row] = self.coarse[len(self.ids)]",
        "pass",
        ROW,
    ),
]


class TestStoreGuards(Guards):
    directory = "tests/unit/memory"
    edits = EDITS
