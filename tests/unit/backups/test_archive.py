"""What goes into an archive comes out of it, in any number of turns."""

import random
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from itertools import chain
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber
from hypothesis import given, settings
from hypothesis import strategies as st

from quarterdeck.backups.archive.compression import NotCompressed, compress, decompress
from quarterdeck.backups.archive.head import Encryption
from quarterdeck.backups.archive.layout import CHUNK_BYTES, MIB, PARTS, ArchiveName
from quarterdeck.backups.archive.manifest import ChunkRef
from quarterdeck.backups.archive.objects import ArchiveObjects, ObjectExists
from quarterdeck.backups.archive.reader import list_archives, open_archive
from quarterdeck.backups.archive.records import (
    Record,
    RecordInvalid,
    decode_record,
    encode_record,
)
from quarterdeck.backups.archive.writer import ArchiveWriter, begin_archive
from tests.archive_site import REGION, SOURCE, STARTED_AT, ArchiveSite, MemoryObjects, make_records

NAME = ArchiveName("desk", "b1")
PART = PARTS[2]

scalars = (
    st.builds(lambda text: {"S": text}, st.text())
    | st.builds(lambda number: {"N": str(number)}, st.integers())
    | st.builds(lambda content: {"B": content}, st.binary())
    | st.builds(lambda contents: {"BS": contents}, st.lists(st.binary(), min_size=1))
    | st.sampled_from([{"NULL": True}, {"BOOL": False}])
)
names = st.sampled_from(["text", "B", "BS", "N", "\u2028", "ключ"])
values = st.recursive(
    scalars,
    lambda inner: (
        st.builds(lambda fields: {"M": fields}, st.dictionaries(names, inner))
        | st.builds(lambda elements: {"L": elements}, st.lists(inner))
    ),
    max_leaves=8,
)


@pytest.mark.parametrize("encryption", ["aws-encryption-sdk", "none"])
def test_an_archive_gives_back_what_was_written(site: ArchiveSite, encryption: Encryption) -> None:
    written = {part: [list(make_records(part, 3)), list(make_records(part, 2))] for part in PARTS}
    site.write(NAME, written, encrypted=encryption != "none")

    archive = site.open(NAME)
    assert {part: list(archive.read_part(part)) for part in PARTS} == {
        part: list(chain(*chunks)) for part, chunks in written.items()
    }
    assert [archive.check_chunk(chunk) for chunk in archive.manifest.chunks] == [3, 2] * 4
    assert archive.manifest.encryption == encryption
    assert [summary.records for summary in archive.manifest.parts.values()] == [5] * 4


def test_a_chunk_takes_records_until_it_is_full(site: ArchiveSite) -> None:
    writer = begin_archive(site.objects, site.keys, NAME, epoch=1)
    records = make_records(PART, 200, random.Random(7).randbytes(60_000).hex())
    refs = write_all(writer, records)

    assert len(refs) == 3
    assert sum(ref.records for ref in refs) == 200
    assert all(CHUNK_BYTES <= ref.plain_bytes < CHUNK_BYTES * 1.1 for ref in refs[:-1])
    assert [ref.name for ref in refs] == [
        f"{PART}/{number:06}-1.chunk" for number in range(1, len(refs) + 1)
    ]


def write_all(writer: ArchiveWriter, records: Any) -> list[ChunkRef]:
    refs: list[ChunkRef] = []
    while ref := writer.write_chunk(PART, len(refs) + 1, records):
        refs.append(ref)
    return refs


def test_another_turn_continues_with_the_key_of_the_first(site: ArchiveSite) -> None:
    first = begin_archive(site.objects, site.keys, NAME, epoch=1, encrypted=False)
    kept = first.write_chunk(PART, 1, make_records(PART, 2))
    lost = first.write_chunk(PART, 2, make_records(PART, 2, "of a worker that was lost"))
    second = begin_archive(site.objects, site.keys, NAME, epoch=2, encrypted=True)
    again = second.write_chunk(PART, 2, make_records(PART, 3))
    late = first.write_chunk(PART, 3, make_records(PART, 2, "of one that does not know"))

    assert kept
    assert again
    assert lost
    assert late
    manifest, digest = second.write_manifest([kept, again], SOURCE, STARTED_AT)
    archive = open_archive(site.objects, site.keys, NAME, digest)
    assert archive.manifest == manifest
    assert manifest.encryption == "none", "as it was begun"
    assert [len(list(archive.read_chunk(chunk))) for chunk in manifest.chunks] == [2, 3]


def test_two_that_begin_at_once_have_one_key(site: ArchiveSite) -> None:
    class Late(ArchiveObjects):
        """Finds no head until it has tried to put one."""

        def get(self, key: str, limit: int) -> bytes | None:
            if key.endswith("head") and not self.tried:
                return None
            return super().get(key, limit)

        def put_once(self, key: str, content: bytes) -> None:
            self.tried = True
            super().put_once(key, content)

        tried = False

    one = begin_archive(site.objects, site.keys, NAME, epoch=1)
    other = begin_archive(Late(site.objects.client, site.objects.bucket), site.keys, NAME, epoch=2)
    assert other.seal.open("x", one.seal.close("x", b"what the agent found"))


def test_an_object_is_put_once(site: ArchiveSite) -> None:
    site.objects.put_once("x", b"one")
    site.objects.put_once("x", b"one")

    for content in (b"two", b"on", b"one more", b""):
        with pytest.raises(ObjectExists):
            site.objects.put_once("x", content)
    assert site.objects.get("x", 3) == b"one"
    assert site.objects.get("x", 1) == b"on", "one byte more than was asked for"
    assert site.objects.get("y", 1) is None


@pytest.mark.parametrize("conflicts", [1, 4])
def test_a_put_that_meets_another_is_tried_again(
    conflicts: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "sleep", lambda _: None)
    s3 = boto3.client("s3", region_name=REGION)
    stub = Stubber(s3)
    for _ in range(conflicts):
        stub.add_client_error("put_object", "ConditionalRequestConflict", http_status_code=409)
    if conflicts == 1:
        stub.add_response("put_object", {})
        outcome: Any = nullcontext()
    else:
        stub.add_client_error("get_object", "NoSuchKey", http_status_code=404)
        outcome = pytest.raises(ObjectExists)

    with stub, outcome:
        ArchiveObjects(s3, "archives").put_once("x", b"one")
    stub.assert_no_pending_responses()


def test_a_manifest_is_written_once(site: ArchiveSite) -> None:
    writer = begin_archive(site.objects, site.keys, NAME, epoch=1)
    written, _ = writer.write_manifest([], SOURCE, STARTED_AT)
    with pytest.raises(ObjectExists):
        writer.write_manifest([], SOURCE, "2026-11-23T03:00:00.000Z")
    assert site.open(NAME).manifest == written


def test_archives_are_those_with_a_manifest(site: ArchiveSite) -> None:
    whole = [ArchiveName("desk", "b1"), ArchiveName("desk", "b2"), ArchiveName("desk2", "b1")]
    for name in whole:
        site.write(name, {PART: [make_records(PART, 1)]})
    begin_archive(site.objects, site.keys, ArchiveName("desk", "begun"), epoch=1)

    assert list(list_archives(site.objects)) == whole
    assert list(list_archives(site.objects, "desk")) == whole[:2]
    site.objects.delete(whole[0].prefix)
    assert list(list_archives(site.objects)) == whole[1:]


@pytest.mark.parametrize(
    ("places", "rule"),
    [
        ([0, 2], "task_histories lacks chunk 2"),
        ([1], "task_histories lacks chunk 1"),
        ([0, 1, 1], "task_histories lacks chunk 3, or has it twice"),
        ([3, 0], "order of the parts"),
    ],
)
def test_a_manifest_without_a_chunk_is_not_written(
    site: ArchiveSite, places: list[int], rule: str
) -> None:
    writer = begin_archive(site.objects, site.keys, NAME, epoch=1)
    refs = [writer.write_chunk(PART, number, make_records(PART, 1)) for number in (1, 2, 3)]
    refs.append(writer.write_chunk("system_metrics", 1, make_records("system_metrics", 1)))

    with pytest.raises(ValueError, match=rule):
        writer.write_manifest([ref for place in places if (ref := refs[place])], SOURCE, STARTED_AT)
    assert not list(list_archives(site.objects))


@settings(max_examples=min(settings().max_examples, 1_000))
@given(
    pk=st.text(),
    sk=st.text(),
    item=st.dictionaries(names, values),
)
def test_a_record_is_one_line_and_comes_back(pk: str, sk: str, item: dict[str, Any]) -> None:
    record = Record(PART, pk, sk, item)
    line = encode_record(record)

    assert line.count(b"\n") == 1
    assert decode_record(line, PART) == record


@pytest.mark.parametrize("text", ["found", "found — “so”" + 300 * "x", "нашёл", "見つけた"])
def test_text_takes_no_more_than_it_needs(text: str) -> None:
    line = encode_record(Record(PART, "", "", {"text": {"S": text}}))
    empty = encode_record(Record(PART, "", "", {"text": {"S": ""}}))
    assert len(line) - len(empty) <= 1.1 * len(text.encode())


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        (b"", "not JSON"),
        (b"\xff", "not JSON"),
        (b"[]", "item, part, pk, sk, and nothing else"),
        (b'{"part":"task_histories","pk":"","sk":""}', "nothing else"),
        (b'{"part":"task_histories","pk":"","sk":"","item":{},"x":1}', "nothing else"),
        (b'{"part":"system_metrics","pk":"","sk":"","item":{}}', "another part"),
        (b'{"part":"task_histories","pk":1,"sk":"","item":{}}', "pk and sk"),
        (b'{"part":"task_histories","pk":"","sk":"","item":[]}', "item of a record"),
        (b'{"part":"task_histories","pk":"","sk":"","item":{"x":{"B":"?"}}}', "not JSON"),
        (b'{"part":"task_histories","pk":"","sk":"","item":{"x":{"BS":[1]}}}', "not JSON"),
    ],
)
def test_a_line_that_is_no_record_is_refused(line: bytes, rule: str) -> None:
    with pytest.raises(RecordInvalid, match=rule):
        decode_record(line, PART)


def test_nothing_decompresses_beyond_its_bound() -> None:
    packed = compress(bytes(10_000_000))

    assert len(packed) < 2_000
    assert decompress(packed, 10_000_000) == bytes(10_000_000)
    with pytest.raises(NotCompressed, match="more than 9999999 bytes"):
        decompress(packed, 9_999_999)
    with pytest.raises(NotCompressed, match="cut off"):
        decompress(packed[:-1], 10_000_000)
    with pytest.raises(NotCompressed, match="follows"):
        decompress(packed + packed, 10_000_000)
    with pytest.raises(NotCompressed, match="does not decompress"):
        decompress(packed[:-1] + bytes([packed[-1] ^ 1]), 10_000_000)


def test_memory_does_not_grow_with_the_archive(archive_account: ArchiveSite) -> None:
    text = random.Random(7).randbytes(30_000).hex()  # it repeats, so that little is kept
    peaks: list[tuple[int, int]] = []
    with trace_memory():
        for chunks in (2, 10):
            site = ArchiveSite(MemoryObjects(), archive_account.keys)
            writer = begin_archive(site.objects, site.keys, NAME, epoch=1)
            tracemalloc.reset_peak()
            refs = write_all(writer, make_records(PART, chunks * CHUNK_BYTES // 60_000, text))
            writer.write_manifest(refs, SOURCE, STARTED_AT)
            writing = tracemalloc.get_traced_memory()[1]
            tracemalloc.reset_peak()
            assert sum(1 for _ in site.open(NAME).read_part(PART)) == sum(r.records for r in refs)
            peaks.append((writing, tracemalloc.get_traced_memory()[1]))

    (_, few_read), (many_written, many_read) = peaks
    assert many_written < 16 * MIB
    assert many_read < 1.1 * few_read < 32 * MIB


@contextmanager
def trace_memory() -> Iterator[None]:
    tracemalloc.start()
    yield
    tracemalloc.stop()
