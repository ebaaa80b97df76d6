"""The search is exact, whatever is taken out and put in between."""

import math
import random
from collections.abc import Callable
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quarterdeck.memory import search
from quarterdeck.memory.filters import Filter
from quarterdeck.memory.search import AT_ONCE
from quarterdeck.memory.store import MemoryStore
from tests.fakes import FakeTable
from tests.memories import EXAMPLES, make_memory, open_store

type Open = Callable[[], MemoryStore]

SCOPES = ("/", "/crew", "/crew/a", "/crew/a/b", "/crew/ab")


def score(one: list[float], other: list[float]) -> float:
    lengths = math.hypot(*one) * math.hypot(*other)
    return max(math.sumprod(one, other) / lengths, 0.0) if lengths else 0.0


NUMBER = st.floats(-2, 2, width=16)
EMBEDDING = st.lists(NUMBER, min_size=3, max_size=3)
CHANGES = st.lists(st.tuples(st.integers(0, 9), st.none() | EMBEDDING), max_size=40)


@settings(max_examples=EXAMPLES)
@given(CHANGES, EMBEDDING.filter(any), st.sampled_from(SCOPES), st.integers(0, 12))
def test_the_nearest_are_found(
    changes: list[tuple[int, list[float] | None]], query: list[float], scope: str, limit: int
) -> None:
    """Numbers of 16 bits are kept as they are, but for the length."""
    store = open_store(FakeTable())
    embeddings: dict[str, list[float]] = {}
    for number, embedding in changes:
        memory = make_memory(number, embedding or [0.0], scope=SCOPES[number % len(SCOPES)])
        store.delete(Filter(record_ids={memory.record_id}))
        embeddings.pop(memory.record_id, None)
        if embedding is not None:
            store.put([memory])
            embeddings[memory.record_id] = embedding
        store.search(query)
    within = {each.record_id for each in store.survey(Filter(scope=scope))}
    best = sorted((score(embeddings[each], query) for each in within), reverse=True)[:limit]
    found = store.search(query, Filter(scope=scope), limit=limit)
    assert [rank for _, rank in found] == pytest.approx(best, abs=0.001)
    for memory, rank in found:
        assert memory.record_id in within
        assert rank == pytest.approx(score(embeddings[memory.record_id], query), abs=0.001)


@pytest.mark.parametrize(("gone", "nearest"), list(permutations(range(3), 2)))
def test_who_takes_the_row_of_one_that_left_is_found(gone: int, nearest: int) -> None:
    query = [1.0, 0.0, 0.0]
    embeddings = [[1.0, 1.0, 0.0] for _ in range(3)]
    embeddings[gone], embeddings[nearest] = [-1.0, 0.0, 0.0], query
    store = open_store(FakeTable())
    memories = [make_memory(n, each) for n, each in enumerate(embeddings)]
    store.put(memories)
    store.search(query)
    store.delete(Filter(record_ids={memories[gone].record_id}))
    ((found, rank),) = store.search(query, limit=1)
    assert found.record_id == memories[nearest].record_id
    assert rank == pytest.approx(1, abs=0.001)


def test_many_are_searched_as_few_are(
    store: MemoryStore, other: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Against numpy in full precision; nothing at the borders of blocks is left out."""
    monkeypatch.setattr(search, "BLOCK", 64 * 64)
    rng = np.random.default_rng(7)
    vectors = rng.standard_normal((2 * AT_ONCE + 3, 64))
    store.put([make_memory(n, list(vector)) for n, vector in enumerate(vectors)])
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    reader = other()
    for query in rng.standard_normal((20, 64)):
        exact = vectors @ (query / np.linalg.norm(query))
        found = reader.search(list(query), limit=10)
        numbers = [int(memory.record_id.removeprefix("memory-")) for memory, _ in found]
        assert exact[numbers] == pytest.approx(np.sort(exact)[::-1][:10], abs=2e-4)
        assert [rank for _, rank in found] == pytest.approx(list(exact[numbers]), abs=1e-4)


def test_all_that_a_filter_says_must_hold(store: MemoryStore) -> None:
    store.put(
        [
            make_memory(1, categories=("a", "b"), metadata={"k": 1, "m": None}, scope="/x"),
            make_memory(2, categories=("b",), metadata={"k": 1.0}, scope="/x/y"),
            make_memory(3, metadata={"k": "1"}, scope="/xy"),
        ]
    )

    def find(**chosen: object) -> set[int]:
        found = store.search([1.0, 1.0], Filter(**chosen))  # type: ignore[arg-type]
        return {int(memory.record_id[-1]) for memory, _ in found}

    assert find() == find(scope="/") == {1, 2, 3}
    assert find(scope="/x") == find(categories=("b", "c")) == find(metadata={"k": 1}) == {1, 2}
    assert find(categories=("a",), scope="/x/y") == set()
    assert find(metadata={"k": 1, "m": None}) == {1, 2}
    assert find(record_ids={"memory-2", "memory-3"}, scope="/x") == {2}


def test_scores_below_the_least_are_left_out(store: MemoryStore) -> None:
    store.put([make_memory(n, [1.0, float(n)]) for n in range(3)])
    store.put([make_memory(3, [-1.0, 0.0]), make_memory(4, vector=b"")])
    ranks = [rank for _, rank in store.search([1.0, 0.0])]
    assert ranks == pytest.approx([1, 0.5**0.5, 0.2**0.5, 0, 0], abs=0.001)
    assert max(ranks) <= 1
    assert len(store.search([1.0, 0.0], min_score=0.6)) == 2
    assert len(store.search([1.0, 0.0], limit=4)) == 4
    assert store.search([1.0, 0.0], limit=0) == []


def test_a_query_without_a_direction_finds_in_no_order(store: MemoryStore) -> None:
    store.put([make_memory(n) for n in range(3)])
    assert [rank for _, rank in store.search([0.0, 0.0])] == [0.0] * 3
    assert store.search([], min_score=0.1) == []


def test_searches_of_several_threads_agree(store: MemoryStore) -> None:
    from concurrent.futures import ThreadPoolExecutor

    store.put([make_memory(n, [random.gauss() for _ in range(8)]) for n in range(200)])
    wanted = store.search([1.0] * 8)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: store.search([1.0] * 8), range(32)))
    assert answers == [wanted] * 32
