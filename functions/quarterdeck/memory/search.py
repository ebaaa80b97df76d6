"""Exact cosine search: the one module that needs numpy."""

from collections.abc import Callable, Iterator, Sequence
from heapq import heappush, heapreplace
from itertools import batched
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from quarterdeck.memory.shard import Kept
from quarterdeck.memory.vectors import count_dimensions

type Floats = NDArray[np.float32]

BLOCK = 128 * 1024
"""Numbers that are multiplied at once: they fit in a processor's cache, and are too few for BLAS
to use threads, which are slow where processors are shared."""
AT_ONCE = 512
"""Vectors that are taken in at once."""


class Match(NamedTuple):
    score: float
    record_id: str


class Matrix:
    """Vectors of one length, as numbers of 8 bits: near enough to tell which ones to look at."""

    def __init__(self, dimensions: int) -> None:
        self.ids: list[str] = []
        self.rows: dict[str, int] = {}
        self.coarse = np.zeros((0, dimensions), np.int8)
        self.scales: Floats = np.zeros(0, np.float32)
        self.margin = 0.0
        """No score of `estimate` is off by more."""

    def add(self, kept: Sequence[Kept]) -> None:
        exact = read_vectors(b"".join(each.memory.vector for each in kept), len(kept))
        scales = np.abs(exact).max(axis=1) / 127
        coarse = np.rint(exact / scales[:, None])
        off = np.linalg.norm(exact - coarse * scales[:, None], axis=1).max()
        self.margin = max(self.margin, float(off) + 1e-5)
        first, total = len(self.ids), len(self.ids) + len(kept)
        if total > len(self.coarse):
            self._grow(max(total, 2 * first))
        self.coarse[first:total], self.scales[first:total] = coarse, scales
        for each in kept:
            self.rows[each.memory.record_id] = len(self.ids)
            self.ids.append(each.memory.record_id)

    def _grow(self, size: int) -> None:
        more = size - len(self.coarse)
        self.coarse = np.concatenate([self.coarse, np.zeros((more, self.coarse.shape[1]), np.int8)])
        self.scales = np.concatenate([self.scales, np.zeros(more, np.float32)])

    def remove(self, record_id: str) -> None:
        """Its row becomes the last one's."""
        row = self.rows.pop(record_id, None)
        if row is None:
            return
        last = self.ids.pop()
        if last != record_id:
            self.ids[row], self.rows[last] = last, row
            self.coarse[row] = self.coarse[len(self.ids)]
            self.scales[row] = self.scales[len(self.ids)]

    def estimate(self, query: Floats) -> Iterator[Match]:
        """The best first."""
        size, rows = len(self.ids), max(1, BLOCK // len(query))
        scores, block = np.empty(size, np.float32), np.empty((rows, len(query)), np.float32)
        for first in range(0, size, rows):
            some = self.coarse[first : min(first + rows, size)]
            held = block[: len(some)]
            np.copyto(held, some)
            np.dot(held, query, out=scores[first : first + len(some)])
        scores *= self.scales[:size]
        for row in np.argsort(-scores):
            yield Match(float(scores[row]), self.ids[row])


class Index:
    """The vectors of a store's memories."""

    def __init__(self) -> None:
        self.matrices: dict[int, Matrix] = {}

    def replace(self, changed: Sequence[str], kept: Sequence[Kept]) -> None:
        """Takes out what `changed`, and takes in what of it is kept."""
        for record_id in changed:
            for matrix in self.matrices.values():
                matrix.remove(record_id)
        by_size: dict[int, list[Kept]] = {}
        for each in kept:
            by_size.setdefault(count_dimensions(each.memory.vector), []).append(each)
        for size, some in by_size.items():
            matrix = self.matrices.setdefault(size, Matrix(size))
            for part in batched(some, AT_ONCE, strict=False):
                matrix.add(part)

    def search(
        self, direction: Sequence[float], find: Callable[[str], Kept | None], limit: int
    ) -> list[Match]:
        """The best first, of those that `find` gives; only of memories with a vector."""
        matrix = self.matrices.get(len(direction))
        if matrix is None or limit <= 0:
            return []
        query = np.array(direction, np.float32)
        best: list[Match] = []
        for score, record_id in matrix.estimate(query):
            if len(best) == limit and score + matrix.margin < best[0].score:
                break
            kept = find(record_id)
            if kept is None:
                continue
            match = Match(float(read_vectors(kept.memory.vector, 1)[0] @ query), record_id)
            if len(best) < limit:
                heappush(best, match)
            elif match > best[0]:
                heapreplace(best, match)
        return sorted(best, reverse=True)


def read_vectors(vectors: bytes, count: int) -> Floats:
    return np.frombuffer(vectors, "<f2").astype(np.float32).reshape(count, -1)
