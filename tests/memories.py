"""Memories for tests, and stores of them."""

from datetime import UTC, datetime, timedelta
from io import BytesIO
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from quarterdeck.blobs import BlobStore
from quarterdeck.keys import Scope
from quarterdeck.memory.records import Memory
from quarterdeck.memory.store import MemoryStore
from quarterdeck.memory.vectors import pack_vector
from quarterdeck.table import Table
from tests.prove import PROVE

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

SCOPE = Scope("s1", 1)
CREW = "research"
EXAMPLES = 1_500 if PROVE else 100
"""Of a property that opens stores."""
START = datetime(2026, 11, 23, tzinfo=UTC)


class NoSuchKey(Exception): ...


class FakeS3:
    """Objects in memory."""

    exceptions = SimpleNamespace(NoSuchKey=NoSuchKey)

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.written = 0

    def put_object(self, *, Key: str, Body: bytes, **_: Any) -> None:  # noqa: N803 - as boto3
        self.objects[Key] = Body
        self.written += 1

    def get_object(self, *, Key: str, **_: Any) -> Any:  # noqa: N803
        if Key not in self.objects:
            raise NoSuchKey(Key)
        return {"Body": BytesIO(self.objects[Key])}

    def delete_object(self, *, Key: str, **_: Any) -> None:  # noqa: N803
        self.objects.pop(Key, None)


def open_store(table: Table, s3: FakeS3 | None = None, crew: str = CREW) -> MemoryStore:
    blobs = BlobStore(cast("S3Client", s3 or FakeS3()), "blobs")
    return MemoryStore(table, blobs, SCOPE, crew)


def make_memory(number: int, embedding: list[float] | None = None, **fields: Any) -> Memory:
    """Memories of higher numbers are newer."""
    moment = START + timedelta(minutes=number)
    defaults: dict[str, Any] = {
        "record_id": f"memory-{number}",
        "content": f"Lighthouse {number} is white.",
        "created_at": moment,
        "last_accessed": moment,
        "vector": pack_vector(embedding or [1.0, float(number)]),
    }
    return Memory(**(defaults | fields))
