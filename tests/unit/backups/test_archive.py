"""What goes into an archive comes out of it, in any number of turns."""

import random
from itertools import chain

import pytest

from quarterdeck.backups.archive.layout import CHUNK_BYTES, PARTS, ArchiveName
from quarterdeck.backups.archive.manifest import ChunkRef
from quarterdeck.backups.archive.reader import list_archives
from quarterdeck.backups.archive.writer import begin_archive
from tests.archive_site import ArchiveSite, make_records

NAME = ArchiveName("desk", "b1")

on_both_seals = pytest.mark.parametrize("encrypted", [True, False], ids=["encrypted", "plain"])


@on_both_seals
def test_an_archive_gives_back_what_was_written(site: ArchiveSite, encrypted: bool) -> None:
    written = {part: [list(make_records(part, 3)), list(make_records(part, 2))] for part in PARTS}
    site.write(NAME, written, encrypted=encrypted)

    archive = site.open(NAME)
    assert {part: list(archive.read_part(part)) for part in PARTS} == {
        part: list(chain(*chunks)) for part, chunks in written.items()
    }
    assert [archive.check_chunk(chunk) for chunk in archive.manifest.chunks] == [3, 2] * 4
    assert archive.manifest.encryption == ("aws-encryption-sdk" if encrypted else "none")
    assert list(list_archives(site.objects)) == [NAME]


def test_a_chunk_takes_records_until_it_is_full(site: ArchiveSite) -> None:
    writer = begin_archive(site.objects, site.keys, NAME, epoch=1)
    noise = random.Random(7)
    records = make_records("task_histories", 200, noise.randbytes(60_000).hex())
    refs: list[ChunkRef] = []
    while ref := writer.write_chunk("task_histories", len(refs) + 1, records):
        refs.append(ref)

    assert sum(ref.records for ref in refs) == 200
    assert all(CHUNK_BYTES <= ref.plain_bytes < CHUNK_BYTES * 1.1 for ref in refs[:-1])
    assert [ref.name for ref in refs] == [
        f"task_histories/{number:06}-1.chunk" for number in range(1, len(refs) + 1)
    ]
