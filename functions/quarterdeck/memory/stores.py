"""The stores that a process keeps, so that its next task reads only what is new."""

import threading

from quarterdeck.blobs import BlobStore
from quarterdeck.keys import Collection, Scope
from quarterdeck.memory.store import MemoryStore
from quarterdeck.table import Table

HELD = 40_000
"""Memories that a process holds of all crews: of 1,024 dimensions, some 350 MB."""


class MemoryStores:
    def __init__(self, table: Table, blobs: BlobStore, *, held: int = HELD) -> None:
        self.table = table
        self.blobs = blobs
        self._held = held
        self._stores: dict[tuple[Scope, str, Collection], MemoryStore] = {}
        self._lock = threading.Lock()

    def open(self, scope: Scope, crew: str, collection: Collection = "MEMORY") -> MemoryStore:
        """The same store each time, until others need its room."""
        key = (scope, crew, collection)
        with self._lock:
            store = self._stores.pop(key, None)
            if store is None:
                store = MemoryStore(self.table, self.blobs, scope, crew, collection)
            self._make_room(self._held - store.held)
            self._stores[key] = store
            return store

    def _make_room(self, room: int) -> None:
        """Lets go of those that were not opened for longest, until `room` is enough."""
        sizes = {key: store.held for key, store in self._stores.items()}
        total = sum(sizes.values())
        for key, size in sizes.items():
            if total <= room:
                return
            del self._stores[key]
            total -= size
