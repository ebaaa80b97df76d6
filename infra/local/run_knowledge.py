"""What a crew that runs in this process was given to know: it is indexed anew for each run."""

from collections.abc import Iterable, Sequence

from infra.local.run_memory import compare
from quarterdeck.memory.filters import Filter
from quarterdeck.memory.records import Memory
from quarterdeck.memory.store import name_memory
from quarterdeck.memory.vectors import unpack_vector


class RunPieces:
    """What a library asks of a store, of pieces in a list."""

    def __init__(self) -> None:
        self.pieces: list[Memory] = []

    def put(self, memories: Iterable[Memory], *, origin: str | None = None) -> list[Memory]:
        named = [name_memory(each, origin) for each in memories]
        self.pieces += named
        return named

    def survey(self) -> list[Memory]:
        return self.pieces

    def delete(self, chosen: Filter) -> int:
        raise AssertionError(f"a run has nothing old: {chosen}")

    def search(
        self, embedding: Sequence[float], chosen: Filter, *, limit: int, min_score: float
    ) -> list[tuple[Memory, float]]:
        scored = [
            (piece, compare(list(embedding), unpack_vector(piece.vector)))
            for piece in self.pieces
            if chosen.takes(piece)
        ]
        found = sorted(scored, key=lambda pair: pair[1], reverse=True)
        return [pair for pair in found[:limit] if pair[1] >= min_score]
