"""Which calls of a journal this run has asked again."""

import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from quarterdeck.execution.journal_store import Place


class Claims:
    """Gives each call the smallest free number among those that ask the same. For any thread."""

    def __init__(self) -> None:
        self._claimed: defaultdict[str, set[int]] = defaultdict(set)
        self._lock = threading.Lock()

    @contextmanager
    def claim(self, digest: str) -> Iterator[Place]:
        """The call's place; a call that fails gives its number back."""
        with self._lock:
            numbers = self._claimed[digest]
            occurrence = next(n for n in range(len(numbers) + 1) if n not in numbers)
            numbers.add(occurrence)
        try:
            yield Place(digest, occurrence)
        except BaseException:
            with self._lock:
                numbers.discard(occurrence)
            raise

    def take(self, place: Place) -> None:
        """Claims this very place."""
        with self._lock:
            self._claimed[place.digest].add(place.occurrence)

    def leave_out_claimed(self, places: Iterable[Place]) -> list[Place]:
        with self._lock:
            return [
                place for place in places if place.occurrence not in self._claimed[place.digest]
            ]
