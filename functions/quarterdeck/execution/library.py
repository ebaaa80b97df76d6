"""The texts that a crew was given to know, in pieces, each embedded once."""

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import batched
from typing import Protocol

from quarterdeck.execution.chunks import split_text
from quarterdeck.execution.journal_key import digest
from quarterdeck.execution.journaled_embedder import JournaledEmbedder
from quarterdeck.memory.filters import Filter
from quarterdeck.memory.records import Memory, derive_id
from quarterdeck.memory.vectors import OtherDimensions, pack_vector
from quarterdeck.names import read_clock
from quarterdeck.systems.configuration import Embedder, KnowledgeText

BATCH = 16
OUTLIVES = timedelta(days=2)
"""A task of an earlier version, or of one that is rolled back, runs a day and may wait."""


class Pieces(Protocol):
    """Where pieces are kept: of a MemoryStore, what a library asks."""

    def put(self, memories: Iterable[Memory], *, origin: str | None = None) -> list[Memory]: ...
    def survey(self) -> list[Memory]: ...
    def delete(self, chosen: Filter) -> int: ...
    def search(
        self, embedding: Sequence[float], chosen: Filter, *, limit: int, min_score: float
    ) -> list[tuple[Memory, float]]: ...


class Library:
    """A piece's id says its text, its content and its embedder: a version embeds what is new."""

    def __init__(
        self,
        texts: Sequence[KnowledgeText],
        store: Pieces,
        embedder: Embedder,
        embed: JournaledEmbedder,
        clock: Callable[[], datetime] = read_clock,
    ) -> None:
        self._store = store
        self._embed = embed
        self._now = clock()
        self._origin = f"knowledge by {embedder.model} of {embedder.dimensions}"
        self._pieces = {
            derive_id(self._origin, piece): piece for piece in make_pieces(texts, self._now)
        }
        self._lock = threading.Lock()
        self._is_indexed = False

    @property
    def digest(self) -> str:
        """What stands for all that can be found."""
        return digest(sorted(self._pieces))

    def search(self, query: str, limit: int, min_score: float) -> list[tuple[Memory, float]]:
        """The pieces nearest to it, with their cosines; the first time, after all are indexed."""
        with self._lock:
            if not self._is_indexed:
                self._index()
            self._is_indexed = True
        (vector,) = self._embed([query])
        chosen = Filter(record_ids=self._pieces.keys())
        return self._store.search(vector, chosen, limit=limit, min_score=min_score)

    def _index(self) -> None:
        """Whoever is lost on the way leaves what was kept so far, and pays for nothing twice.

        Batches do not depend on what is kept: the journal knows them again.
        """
        known = {kept.record_id: kept.created_at for kept in self._store.survey()}
        for batch in batched(self._pieces.items(), BATCH, strict=False):
            texts = [piece.content for _, piece in batch]
            if all(piece_id in known for piece_id, _ in batch):
                self._embed.take_recorded(texts)
                continue
            pairs = zip(batch, self._embed(texts), strict=True)
            embedded = [replace(piece, vector=pack_vector(vector)) for (_, piece), vector in pairs]
            self._keep(embedded, known)
        self._forget(known)

    def _keep(self, pieces: Sequence[Memory], known: Mapping[str, datetime]) -> None:
        """In place of what an embedder of other dimensions has made, if there is any."""
        try:
            self._store.put(pieces, origin=self._origin)
        except OtherDimensions:
            self._store.delete(Filter(record_ids=known.keys() - self._pieces.keys()))
            self._store.put(pieces, origin=self._origin)

    def _forget(self, known: Mapping[str, datetime]) -> None:
        """What is in no text any more, once all that is has been here for long."""
        foreign, past = known.keys() - self._pieces.keys(), self._now - OUTLIVES
        if foreign and all(known.get(each, self._now) < past for each in self._pieces):
            self._store.delete(Filter(record_ids=foreign, older_than=past))


def make_pieces(texts: Sequence[KnowledgeText], now: datetime) -> Iterator[Memory]:
    for text in texts:
        for content in split_text(text.text, text.chunk_size):
            yield Memory(
                record_id="", content=content, source=text.name, created_at=now, last_accessed=now
            )
