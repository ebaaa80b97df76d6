"""Each guard of knowledge and of erasures is needed: without it a test fails."""

from tests.guards import Guards

LOST = "execution/test_knowledge.py::test_a_worker_lost_while_indexing_pays_once"
FURTHER = "execution/test_knowledge.py::test_a_further_task_and_version_embed_what_is_new"
IN_TIME = "execution/test_knowledge.py::test_pieces_of_no_text_are_forgotten_in_time"
VERSION = "execution/test_knowledge.py::test_pieces_of_a_version_alone_are_found"
EMBEDDERS = "execution/test_knowledge.py::test_another_embedder_has_pieces_of_its_own"
SCORES = "execution/test_knowledge.py::test_scores_mean_what_they_mean_to_crewai"
COVERS = "memory/test_erasure.py::test_a_mark_covers"
ELSEWHERE = "memory/test_erasure.py::test_a_memory_that_was_elsewhere_is_not_brought_back"
OF_A_SCOPE = "memory/test_erasure.py::test_a_scope_is_erased_with_what_was_forgotten_in_it"
RESTORED = "memory/test_erasure.py::test_a_restored_log_is_without_what_was_erased"

LIBRARY = "execution.library:Library"
ERASE = "memory.erasure:erase_memories"

# (where, old, new, the test that fails)
EDITS = [
    (f"{LIBRARY}._index", "self._embed.take_recorded(texts)", "pass", LOST),
    (f"{LIBRARY}._index", "all(piece_id in known for piece_id, _ in batch)", "False", FURTHER),
    (
        f"{LIBRARY}._forget",
        "all(known.get(each, self._now) < past for each in self._pieces)",
        "True",
        IN_TIME,
    ),
    (f"{LIBRARY}._forget", "older_than=past", "older_than=None", IN_TIME),
    (f"{LIBRARY}.search", "record_ids=self._pieces.keys()", "", VERSION),
    (f"{LIBRARY}._keep", "OtherDimensions", "KeyError", EMBEDDERS),
    (
        "execution.knowledge:TableKnowledge.search",
        "2 * score_threshold - 1",
        "score_threshold",
        SCORES,
    ),
    ("memory.erasure:Erasures.is_erased", " + ROUNDING", "", COVERS),
    (f"{ERASE}", "{*meant, *(record_ids or ())}", "set()", ELSEWHERE),
    (f"{ERASE}", "if record_ids is None:", "if False:", OF_A_SCOPE),
    ("memory.erasure:Erasures.strip", "name not in CONTENT", "True", RESTORED),
]


class TestKnowledgeGuards(Guards):
    directory = "tests/unit"
    edits = EDITS
