"""What crewai's memory asks of a storage, for ours and crewai's own on LanceDB alike."""

import asyncio
import math
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

import pytest
from crewai.memory.storage.backend import EmbeddingDimensionMismatchError, StorageBackend
from crewai.memory.types import MemoryRecord
from crewai.memory.unified_memory import Memory

NOON = datetime(2026, 11, 23, 12, 0, 0, 123456)
SCOPES = ("/crew/a", "/crew/a/deep", "/crew/b", "/else")


def make_record(number: int, embedding: list[float] | None = None, **fields: Any) -> MemoryRecord:
    """Those of higher numbers are newer, and turned further from (1, 0, 0)."""
    moment = NOON + timedelta(minutes=number)
    angle = number / 10
    defaults = {
        "id": f"record-{number}",
        "content": f"Lighthouse {number} is white.",
        "created_at": moment,
        "last_accessed": moment,
        "embedding": embedding or [math.cos(angle), math.sin(angle), 0.0],
    }
    return MemoryRecord(**{**defaults, **fields})


def number_all(records: Iterable[MemoryRecord]) -> list[int]:
    return [int(record.id.removeprefix("record-")) for record in records]


def find(storage: StorageBackend, **chosen: Any) -> list[int]:
    return number_all(record for record, _ in storage.search([1.0, 0.0, 0.0], **chosen))


def embed(texts: list[str]) -> list[list[float]]:
    """Counts letters."""
    return [[float(text.lower().count(letter)) for letter in "abcdefgilnorstw"] for text in texts]


class StorageConformance:
    """Subclasses have a fixture `storage`, which is empty."""

    @pytest.fixture
    def filled(self, storage: StorageBackend) -> StorageBackend:
        """Records 0 to 7: two in each of SCOPES, of one category or two."""
        storage.save(
            [
                make_record(
                    number,
                    scope=SCOPES[number % 4],
                    categories=["even"] if number % 2 == 0 else ["odd", "strange"],
                    metadata={"number": number, "half": number // 4},
                )
                for number in range(8)
            ]
        )
        return storage

    def test_it_is_a_backend(self, storage: StorageBackend) -> None:
        assert isinstance(storage, StorageBackend)

    def test_nothing_is_in_an_empty_one(self, storage: StorageBackend) -> None:
        assert storage.search([1.0, 0.0]) == []
        assert storage.list_records() == []
        assert storage.get_record("record-1") is None
        assert storage.list_scopes() == []
        assert storage.list_categories() == {}
        assert (storage.count(), storage.count("/crew"), storage.delete()) == (0, 0, 0)
        info = storage.get_scope_info("/crew/")
        assert (info.path, info.record_count, info.oldest_record) == ("/crew", 0, None)
        storage.reset()
        storage.reset("/crew")
        storage.save([])

    def test_a_record_comes_back_as_it_was_saved(self, storage: StorageBackend) -> None:
        record = make_record(
            1,
            [3.0, 4.0, 0.0],
            content="It's “white” – 漢字 🚢\n",
            scope="/crew/a",
            categories=["towers", "Ünï"],
            metadata={"height": 2.5, "lit": None, "built": [1, {"at": "sea"}], "tall": True},
            importance=0.25,
            source="desk",
            private=True,
        )
        storage.save([record, make_record(2)])
        found = storage.get_record("record-1")
        assert found is not None
        assert found.model_dump() == record.model_dump()
        assert found.embedding is not None
        length = math.hypot(*found.embedding)
        assert [each / length for each in found.embedding] == pytest.approx([0.6, 0.8, 0], abs=1e-3)
        assert storage.get_record("record") is None
        assert storage.get_record("it's") is None

    def test_a_record_may_lack_an_embedding(self, storage: StorageBackend) -> None:
        storage.save([make_record(1), MemoryRecord(id="record-2", content="bare")])
        bare = storage.get_record("record-2")
        assert bare is not None
        assert (bare.content, bare.source, bare.scope) == ("bare", None, "/")
        assert storage.count() == 2
        assert find(storage)[0] == 1

    def test_the_nearest_are_found_first(self, filled: StorageBackend) -> None:
        found = filled.search([1.0, 0.0, 0.0])
        assert number_all(record for record, _ in found) == list(range(8))
        scores = [score for _, score in found]
        assert scores == sorted(scores, reverse=True)
        assert scores[0] == pytest.approx(1, abs=1e-3)
        assert find(filled, limit=3) == [0, 1, 2]
        turned = filled.search([math.cos(0.5), math.sin(0.5), 0.0], limit=1)
        assert number_all(record for record, _ in turned) == [5]

    def test_a_score_can_be_required(self, filled: StorageBackend) -> None:
        scores = [score for _, score in filled.search([1.0, 0.0, 0.0])]
        assert find(filled, min_score=(scores[2] + scores[3]) / 2) == [0, 1, 2]
        assert find(filled, min_score=1.1) == []

    def test_a_search_can_be_narrowed(self, filled: StorageBackend) -> None:
        assert find(filled, scope_prefix="/crew/a") == [0, 1, 4, 5]
        assert find(filled, scope_prefix="/crew/a/") == [0, 1, 4, 5]
        assert find(filled, scope_prefix="/crew", limit=2) == [0, 1]
        assert find(filled, scope_prefix="/") == find(filled, scope_prefix="") == list(range(8))
        assert find(filled, scope_prefix="/nothing") == []
        assert find(filled, categories=["strange", "unknown"]) == [1, 3, 5, 7]
        assert find(filled, categories=["even"], limit=3) == [0, 2, 4]
        assert find(filled, metadata_filter={"half": 1}) == [4, 5, 6, 7]
        assert find(filled, metadata_filter={"half": 1, "number": 6}) == [6]
        assert find(filled, metadata_filter={"missing": 1}) == []
        narrow = {"categories": ["odd"], "metadata_filter": {"half": 0}, "scope_prefix": "/crew"}
        assert find(filled, **narrow) == [1]

    def test_records_are_listed_newest_first(self, filled: StorageBackend) -> None:
        assert number_all(filled.list_records()) == [7, 6, 5, 4, 3, 2, 1, 0]
        assert number_all(filled.list_records("/crew")) == [6, 5, 4, 2, 1, 0]
        assert number_all(filled.list_records("crew/a")) == [5, 4, 1, 0]
        assert number_all(filled.list_records(limit=3, offset=2)) == [5, 4, 3]
        assert number_all(filled.list_records(limit=3, offset=6)) == [1, 0]
        assert filled.list_records(offset=8) == filled.list_records(limit=0) == []
        assert filled.list_records(offset=-1) == []

    def test_a_scope_is_described(self, filled: StorageBackend) -> None:
        info = filled.get_scope_info("/crew")
        assert (info.path, info.record_count) == ("/crew", 6)
        assert info.categories == ["even", "odd", "strange"]
        assert info.oldest_record == NOON
        assert info.newest_record == NOON + timedelta(minutes=6)
        assert info.child_scopes == ["/crew/a", "/crew/b"]
        everything = filled.get_scope_info("/")
        assert (everything.path, everything.record_count) == ("/", 8)
        assert everything.child_scopes == ["/crew", "/else"]
        assert filled.get_scope_info("/else/").child_scopes == []

    def test_scopes_categories_and_records_are_counted(self, filled: StorageBackend) -> None:
        assert filled.list_scopes() == ["/crew", "/else"]
        assert filled.list_scopes("/crew") == ["/crew/a", "/crew/b"]
        assert filled.list_scopes("/crew/a/") == ["/crew/a/deep"]
        assert filled.list_scopes("/else") == filled.list_scopes("/nothing") == []
        assert filled.list_categories() == {"even": 4, "odd": 4, "strange": 4}
        assert filled.list_categories("/crew/b") == {"even": 2}
        assert filled.list_categories("/nothing") == {}
        counts = {scope: filled.count(scope) for scope in (None, "/", *SCOPES, "/nothing")}
        assert list(counts.values()) == [8, 8, 4, 2, 2, 2, 0]

    def test_wildcards_and_quotes_are_text(self, storage: StorageBackend) -> None:
        odd = ("/a%b", "/a_b", "/a'b", "/acb", '/a"b')
        storage.save([make_record(number, scope=scope) for number, scope in enumerate(odd)])
        for number, scope in enumerate(odd):
            assert find(storage, scope_prefix=scope) == [number]
            assert number_all(storage.list_records(scope)) == [number]
        assert storage.delete(record_ids=["' OR '1' = '1", "record-%"]) == 0
        assert storage.count() == 5

    def test_an_update_replaces(self, filled: StorageBackend) -> None:
        changed = make_record(7, [1.0, 0.0, 0.0], content="Red.", scope="/new", metadata={"a": 1})
        filled.update(changed)
        found = filled.get_record("record-7")
        assert found is not None
        assert found.model_dump() == changed.model_dump()
        assert filled.count() == 8
        assert set(find(filled, limit=2)) == {0, 7}
        assert find(filled, scope_prefix="/else") == [3]
        assert filled.list_categories() == {"even": 4, "odd": 3, "strange": 3}

    def test_an_update_of_what_is_not_there_saves_it(self, filled: StorageBackend) -> None:
        filled.update(make_record(9))
        assert filled.count() == 9
        assert filled.get_record("record-9") is not None

    @pytest.mark.parametrize(
        ("chosen", "left"),
        [
            ({"record_ids": ["record-1", "record-6", "record-9"]}, [0, 2, 3, 4, 5, 7]),
            ({"scope_prefix": "/crew/a"}, [2, 3, 6, 7]),
            ({"scope_prefix": "/nothing"}, list(range(8))),
            ({"categories": ["odd", "unknown"]}, [0, 2, 4, 6]),
            ({"categories": ["unknown"]}, list(range(8))),
            ({"metadata_filter": {"half": 0}}, [4, 5, 6, 7]),
            ({"older_than": NOON + timedelta(minutes=5)}, [5, 6, 7]),
            (
                {"categories": ["even"], "older_than": NOON + timedelta(minutes=4)},
                [1, *range(3, 8)],
            ),
            ({"categories": ["even"], "scope_prefix": "/crew/b"}, [0, 1, 3, 4, 5, 7]),
            ({}, []),
        ],
    )
    def test_what_is_deleted_is_gone(
        self, filled: StorageBackend, chosen: dict[str, Any], left: list[int]
    ) -> None:
        assert filled.delete(**chosen) == 8 - len(left)
        assert sorted(number_all(filled.list_records())) == left
        assert find(filled) == left
        assert filled.count() == len(left)
        assert filled.delete(**chosen) == 0

    def test_a_scope_is_reset_alone(self, filled: StorageBackend) -> None:
        filled.reset("/crew/a")
        assert find(filled) == [2, 3, 6, 7]
        assert filled.list_scopes("/crew") == ["/crew/b"]
        filled.reset("/nothing")
        assert filled.count() == 4

    def test_after_a_reset_all_is_new(self, filled: StorageBackend) -> None:
        filled.reset()
        assert (filled.count(), find(filled), filled.list_scopes()) == (0, [], [])
        filled.save([make_record(1, [0.5, 0.5])])
        assert filled.search([1.0, 1.0])[0][0].id == "record-1"

    def test_other_dimensions_are_refused(self, filled: StorageBackend) -> None:
        for act in (
            lambda: filled.search([1.0, 0.0]),
            lambda: filled.save([make_record(9, [1.0, 0.0])]),
            lambda: filled.update(make_record(1, [1.0, 0.0])),
        ):
            with pytest.raises(EmbeddingDimensionMismatchError) as raised:
                act()
            assert (raised.value.stored_dim, raised.value.new_dim) == (3, 2)
        assert filled.count() == 8

    def test_the_asynchronous_do_the_same(self, storage: StorageBackend) -> None:
        async def act() -> tuple[list[int], int, list[int]]:
            await storage.asave([make_record(n, categories=["a"][:n]) for n in range(3)])
            found = await storage.asearch([1.0, 0.0, 0.0], limit=2)
            deleted = await storage.adelete(categories=["a"])
            rest = await storage.asearch([1.0, 0.0, 0.0])
            return (
                number_all(record for record, _ in found),
                deleted,
                number_all(record for record, _ in rest),
            )

        assert asyncio.run(act()) == ([0, 1], 2, [0])

    def test_crewai_remembers_with_it(self, storage: StorageBackend) -> None:
        memory = Memory(storage=storage, embedder=embed, root_scope="/crew/desk", llm="none")
        facts = ("Lighthouses are white.", "Boats stay below the bridge.", "Gulls eat fish.")
        kept = [
            memory.remember(fact, scope="/sea", categories=[fact[0]], importance=0.5)
            for fact in facts
        ]
        assert all(kept)
        found = memory.recall("white lighthouses", depth="shallow", limit=1)
        assert [match.record.content for match in found] == [facts[0]]
        first = kept[0]
        assert first is not None
        assert memory.update(first.id, content="Lighthouses are red.").content.endswith("red.")
        assert memory.forget(categories=["B"]) == 1
        contents = {record.content for record in memory.list_records()}
        assert contents == {"Lighthouses are red.", facts[2]}
        assert memory.info().child_scopes == ["/crew/desk/sea"]
        memory.reset()
        assert memory.list_records() == []
        memory.close()
