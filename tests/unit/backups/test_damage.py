"""Damage to an archive is found and named before anything of what is damaged is visible."""

import hashlib
import json
from collections.abc import Callable, Iterator

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from quarterdeck.backups.archive.compression import compress, decompress
from quarterdeck.backups.archive.damage import ArchiveDamaged
from quarterdeck.backups.archive.head import ArchiveKeys, Opened, unwrap_text
from quarterdeck.backups.archive.layout import HEAD, MANIFEST, ArchiveName, Part
from quarterdeck.backups.archive.manifest import ChunkRef
from quarterdeck.backups.archive.reader import open_archive
from quarterdeck.backups.archive.records import Record
from quarterdeck.backups.archive.sealing import make_seal
from quarterdeck.backups.archive.writer import begin_archive
from tests.archive_site import (
    REGION,
    SOURCE,
    STARTED_AT,
    ArchiveSite,
    MemoryObjects,
    make_keys,
    make_records,
)
from tests.prove import PROVE

DESK, OTHER = ArchiveName("desk", "b1"), ArchiveName("other", "b1")
LATER = ArchiveName("desk", "b2")
FIRST, SECOND = (f"task_histories/00000{number}-1.chunk" for number in (1, 2))
STEP = 1 if PROVE else 61


class Desk(ArchiveSite):
    """Archives of the same shape, in this process."""

    objects: MemoryObjects

    def load(self, key: str) -> bytes:
        return self.objects.contents[key]

    def replace(self, key: str, content: bytes) -> None:
        self.objects.contents[key] = content


@pytest.fixture(scope="module", params=[True, False], ids=["encrypted", "plain"])
def encrypted(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture(scope="module")
def written(archive_account: ArchiveSite, encrypted: bool) -> dict[str, bytes]:
    objects = MemoryObjects()
    for name in (DESK, OTHER, LATER):
        chunks: dict[Part, list[Iterator[Record]]] = {
            "task_histories": [
                make_records("task_histories", 2, f"{name.system_id} {name.backup_id} {number}")
                for number in (1, 2)
            ],
            "system_metrics": [make_records("system_metrics", 1)],
        }
        ArchiveSite(objects, archive_account.keys).write(name, chunks, encrypted=encrypted)
    return objects.contents


@pytest.fixture
def desk(archive_account: ArchiveSite, written: dict[str, bytes]) -> Desk:
    objects = MemoryObjects()
    objects.contents |= written
    return Desk(objects, archive_account.keys)


def find_damage(site: ArchiveSite, name: ArchiveName = DESK) -> list[tuple[str, str]]:
    """Each object of an archive that is refused, and why; those that follow are still read."""
    try:
        archive = site.open(name)
    except ArchiveDamaged as damage:
        return [(damage.chunk, damage.rule)]
    found = []
    for chunk in archive.manifest.chunks:
        try:
            archive.read_chunk(chunk)  # the first record is not even asked for
        except ArchiveDamaged as damage:
            found.append((damage.chunk, damage.rule))
    return found


def name_damage(site: ArchiveSite) -> list[str]:
    return [chunk for chunk, _ in find_damage(site)]


@pytest.mark.parametrize("name", [HEAD, FIRST, "system_metrics/000001-1.chunk", MANIFEST])
def test_a_changed_byte_is_found_in_its_object(desk: Desk, name: str) -> None:
    key = DESK.locate(name)
    content = desk.load(key)
    for place in range(0, len(content), STEP):
        flipped = content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]
        desk.replace(key, flipped)
        assert name_damage(desk) == [name], f"byte {place}"
    desk.replace(key, content)
    assert not name_damage(desk)


@pytest.mark.parametrize("name", [HEAD, FIRST, MANIFEST])
def test_a_cut_or_longer_object_is_found(desk: Desk, name: str) -> None:
    key = DESK.locate(name)
    content = desk.load(key)
    for length in range(0, len(content), STEP):
        desk.replace(key, content[:length])
        assert name_damage(desk) == [name], f"cut to {length} bytes"
    desk.replace(key, content + b"\n")
    assert name_damage(desk) == [name]


@pytest.mark.parametrize("name", [HEAD, FIRST, MANIFEST])
def test_a_missing_object_is_found(desk: Desk, name: str) -> None:
    del desk.objects.contents[DESK.locate(name)]
    assert find_damage(desk) == [(name, "it is missing")]


def test_exchanged_chunks_are_found(desk: Desk) -> None:
    contents = [desk.load(DESK.locate(name)) for name in (SECOND, FIRST)]
    for name, content in zip((FIRST, SECOND), contents, strict=True):
        desk.replace(DESK.locate(name), content)
    assert name_damage(desk) == [FIRST, SECOND]


@pytest.mark.parametrize("source", [OTHER, LATER])
@pytest.mark.parametrize("name", [HEAD, FIRST, MANIFEST])
def test_an_object_of_another_archive_is_found(desk: Desk, name: str, source: ArchiveName) -> None:
    desk.replace(DESK.locate(name), desk.load(source.locate(name)))
    assert name_damage(desk) == [name]


@pytest.mark.parametrize("source", [OTHER, LATER])
def test_an_archive_put_in_place_of_another_is_found(desk: Desk, source: ArchiveName) -> None:
    for key in desk.objects.list(source.prefix):
        desk.replace(DESK.prefix + key.removeprefix(source.prefix), desk.load(key))
    assert name_damage(desk) == [HEAD]


def test_another_kms_key_opens_nothing(desk: Desk) -> None:
    with pytest.raises(ArchiveDamaged, match="head: KMS does not open its key"):
        open_archive(desk.objects, make_keys(), DESK)


@pytest.mark.parametrize("code", ["AccessDeniedException", "DisabledException"])
def test_a_kms_key_that_may_not_be_used_is_no_damage(desk: Desk, code: str) -> None:
    kms = boto3.client("kms", region_name=REGION)
    stub = Stubber(kms)
    stub.add_client_error("decrypt", code)
    with stub, pytest.raises(ClientError, match=code):
        open_archive(desk.objects, ArchiveKeys(kms, desk.keys.key_id), DESK)


@pytest.mark.parametrize("version", [0, 2])
def test_another_version_of_the_format_is_refused_by_name(desk: Desk, version: int) -> None:
    head = json.loads(desk.load(DESK.locate(HEAD))) | {"version": version}
    desk.replace(DESK.locate(HEAD), json.dumps(head, separators=(",", ":")).encode())
    [(name, rule)] = find_damage(desk)
    assert name == HEAD
    assert f"version {version}, and this reads quarterdeck-backup 1" in rule


def test_encryption_cannot_be_changed_afterwards(desk: Desk, encrypted: bool) -> None:
    head = json.loads(desk.load(DESK.locate(HEAD)))
    head["encryption"] = "none" if encrypted else "aws-encryption-sdk"
    desk.replace(DESK.locate(HEAD), json.dumps(head, separators=(",", ":")).encode())
    assert name_damage(desk) == [HEAD]


def test_a_manifest_by_one_without_the_key_is_refused(desk: Desk, encrypted: bool) -> None:
    manifest = desk.open(DESK).manifest
    forged = manifest.model_copy(update={"started_at": "2026-11-22T02:00:00.000Z"})
    seal = make_seal(DESK, Opened(manifest.encryption, bytes(32)))
    content = compress(forged.model_dump_json().encode())
    desk.replace(DESK.locate(MANIFEST), seal.close(MANIFEST, content))
    assert name_damage(desk) == [MANIFEST]


def test_a_manifest_is_the_one_that_the_backup_recorded(site: ArchiveSite) -> None:
    name = ArchiveName("desk", "recorded")
    writer = begin_archive(site.objects, site.keys, name, epoch=1)
    _, digest = writer.write_manifest([], SOURCE, STARTED_AT)

    assert open_archive(site.objects, site.keys, name, digest)
    with pytest.raises(ArchiveDamaged, match="manifest: its SHA-256 is not what the backup"):
        open_archive(site.objects, site.keys, name, "0" * 64)


type Change = Callable[[bytes, ChunkRef], tuple[bytes, ChunkRef]]


def change_ref(**update: object) -> Change:
    return lambda plain, chunk: (plain, chunk.model_copy(update=update))


def change_lines(old: bytes, new: bytes) -> Change:
    """The manifest says of it what is true."""

    def change(plain: bytes, chunk: ChunkRef) -> tuple[bytes, ChunkRef]:
        changed = plain.replace(old, new)
        return changed, chunk.model_copy(update={"plain_bytes": len(changed)})

    return change


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        (change_ref(sha256="0" * 64), "SHA-256"),
        (change_ref(records=3), "does not have 3 lines"),
        (change_ref(plain_bytes=100_000), "does not decompress to 100000 bytes"),
        (change_ref(plain_bytes=10), "more than 10 bytes"),
        (change_lines(b'"END"', b"1"), "pk and sk"),
        (change_lines(b'"task_histories"', b'"system_metrics"'), "another part"),
        (change_lines(b'1"}}}\n', b'"1"}}}'), "does not have 2 lines"),
    ],
)
def test_what_was_written_wrongly_is_found_though_it_is_authentic(
    desk: Desk, change: Change, rule: str
) -> None:
    opened = desk.keys.open(DESK, desk.load(DESK.locate(HEAD)))
    seal = make_seal(DESK, opened)
    archive = desk.open(DESK)
    chunk = archive.manifest.chunks[0]
    sealed = desk.load(DESK.locate(FIRST))
    plain, wrong = change(decompress(seal.open(FIRST, sealed), 10_000), chunk)
    sealed = seal.close(FIRST, compress(plain))
    desk.replace(DESK.locate(FIRST), sealed)
    if wrong.sha256 == chunk.sha256:
        wrong = wrong.model_copy(update={"sha256": hashlib.sha256(sealed).hexdigest()})

    with pytest.raises(ArchiveDamaged, match=rule) as damage:
        archive.read_chunk(wrong)
    assert damage.value.chunk == FIRST


@pytest.mark.parametrize(
    ("update", "rule"),
    [
        ({"version": 2}, "version 2"),
        ({"format": "other"}, "it is other version 1"),
        ({"system_id": "other"}, "another archive's"),
        ({"backup_id": "b9"}, "another archive's"),
        ({"chunks": []}, "parts are not the sums of chunks"),
        ({"started_at": None}, "started_at: Input should be a valid string"),
    ],
)
def test_a_manifest_that_was_written_wrongly_is_found(
    desk: Desk, update: dict[str, object], rule: str
) -> None:
    seal = make_seal(DESK, desk.keys.open(DESK, desk.load(DESK.locate(HEAD))))
    content = json.loads(desk.open(DESK).manifest.model_dump_json()) | update
    desk.replace(
        DESK.locate(MANIFEST), seal.close(MANIFEST, compress(json.dumps(content).encode()))
    )
    [(name, found)] = find_damage(desk)
    assert name == MANIFEST
    assert rule in found


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        (b":key/", b":key/0", "it names another KMS key"),
        (b'","', b'", "', "not spelled as it is written"),
        (b'"}', b'=="}', "wrapped_key is not base64"),
        (b'"encryption"', b'"more":1,"encryption"', "more: Extra inputs"),
        (b"{", b"", "Invalid JSON"),
    ],
)
def test_a_head_that_was_changed_is_refused(desk: Desk, old: bytes, new: bytes, rule: str) -> None:
    key = DESK.locate(HEAD)
    desk.replace(key, desk.load(key).replace(old, new))
    [(name, found)] = find_damage(desk)
    assert name == HEAD
    assert rule in found


def test_a_bit_of_base64_that_means_nothing_is_refused_too() -> None:
    assert unwrap_text("QUI=") == b"AB"
    with pytest.raises(ArchiveDamaged, match="head: wrapped_key"):
        unwrap_text("QUJ=")
