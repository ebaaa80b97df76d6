"""The manifest: what an archive holds. Without one there is no archive."""

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Self

from pydantic import BaseModel, ConfigDict, model_validator

from quarterdeck.backups.archive.head import Encryption
from quarterdeck.backups.archive.layout import FORMAT, PARTS, VERSION, Part, name_chunk


class Fact(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ChunkRef(Fact):
    """A chunk as it was written. `sha256` is of the stored object."""

    part: Part
    number: int
    epoch: int
    records: int
    plain_bytes: int
    stored_bytes: int
    sha256: str

    @property
    def name(self) -> str:
        return name_chunk(self.part, self.number, self.epoch)


class PartSummary(Fact):
    chunks: int = 0
    records: int = 0
    plain_bytes: int = 0
    stored_bytes: int = 0


class Source(Fact):
    """What was backed up."""

    system_name: str
    system_version: int
    generation: int


class Manifest(Fact):
    format: str = FORMAT
    version: int = VERSION
    system_id: str
    backup_id: str
    encryption: Encryption
    started_at: str
    """Everything acknowledged before is in the archive."""
    completed_at: str
    source: Source
    parts: dict[Part, PartSummary]
    chunks: Sequence[ChunkRef]

    @model_validator(mode="after")
    def check_chunks(self) -> Self:
        check_order(self.chunks)
        if self.parts != summarize_parts(self.chunks):
            raise ValueError("parts are not the sums of chunks")
        return self

    def list_chunks(self, part: Part) -> list[ChunkRef]:
        return [chunk for chunk in self.chunks if chunk.part == part]


def check_order(chunks: Iterable[ChunkRef]) -> None:
    """Parts in their order, and in each the numbers from 1 on without a gap; or ValueError."""
    groups = [(part, list(group)) for part, group in groupby(chunks, key=lambda c: c.part)]
    if [part for part, _ in groups] != [p for p in PARTS if p in {part for part, _ in groups}]:
        raise ValueError("chunks are not in the order of the parts")
    for part, group in groups:
        for expected, chunk in enumerate(group, start=1):
            if chunk.number != expected:
                raise ValueError(f"{part} lacks chunk {expected}, or has it twice")


def summarize_parts(chunks: Sequence[ChunkRef]) -> dict[Part, PartSummary]:
    return {part: summarize_part([c for c in chunks if c.part == part]) for part in PARTS}


def summarize_part(chunks: Sequence[ChunkRef]) -> PartSummary:
    return PartSummary(
        chunks=len(chunks),
        records=sum(chunk.records for chunk in chunks),
        plain_bytes=sum(chunk.plain_bytes for chunk in chunks),
        stored_bytes=sum(chunk.stored_bytes for chunk in chunks),
    )
