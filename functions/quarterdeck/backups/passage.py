"""Goes through a part of an archive from any place on: what belongs together at a time."""

from collections.abc import Iterator

from quarterdeck.backups.archive.layout import Part
from quarterdeck.backups.archive.reader import Archive
from quarterdeck.backups.archive.records import Record
from quarterdeck.backups.restores import Place
from quarterdeck.keys import name_task

type Unit = list[Record]
"""The records of one task, or one record of anything else."""


def walk(archive: Archive, part: Part, start: Place) -> Iterator[tuple[Unit, Place]]:
    """Each unit, and the place after it. A task can be in two chunks."""
    unit: Unit = []
    for place, record in list_records(archive, part, start):
        if unit and not belong_together(unit[-1], record):
            yield unit, place
            unit = []
        unit.append(record)
    if unit:
        yield unit, Place(chunk=len(archive.manifest.list_chunks(part)))


def list_records(archive: Archive, part: Part, start: Place) -> Iterator[tuple[Place, Record]]:
    chunks = archive.manifest.list_chunks(part)
    for number, chunk in enumerate(chunks[start.chunk :], start=start.chunk):
        first = start.record if number == start.chunk else 0
        for index, record in enumerate(archive.read_chunk(chunk)):
            if index >= first:
                yield Place(chunk=number, record=index), record


def belong_together(one: Record, other: Record) -> bool:
    return one.pk == other.pk and name_task(one.pk) is not None
