"""Writes an archive: chunk by chunk, in any number of turns, the manifest last."""

import hashlib
from collections.abc import Iterator, Sequence

from quarterdeck.backups.archive.compression import compress, start_compressor
from quarterdeck.backups.archive.head import ArchiveKeys, Encryption
from quarterdeck.backups.archive.layout import (
    CHUNK_BYTES,
    HEAD,
    HEAD_LIMIT,
    MANIFEST,
    ArchiveName,
    Part,
    name_chunk,
)
from quarterdeck.backups.archive.manifest import ChunkRef, Manifest, Source, summarize_parts
from quarterdeck.backups.archive.objects import ArchiveObjects, ObjectExists, load_object
from quarterdeck.backups.archive.records import Record, encode_record
from quarterdeck.backups.archive.sealing import Seal, make_seal
from quarterdeck.names import format_time, read_clock

BATCH_BYTES = 256 * 1024


class ArchiveWriter:
    """Writes under one claim: `epoch` is its fencing token."""

    def __init__(
        self, objects: ArchiveObjects, seal: Seal, archive: ArchiveName, epoch: int
    ) -> None:
        self.objects = objects
        self.seal = seal
        self.archive = archive
        self.epoch = epoch

    def write_chunk(self, part: Part, number: int, records: Iterator[Record]) -> ChunkRef | None:
        """Takes records until the chunk is full, or none are left. None if there was none."""
        content, plain_bytes, count = pack_records(records)
        if not count:
            return None
        name = name_chunk(part, number, self.epoch)
        sealed = self.seal.close(name, content)
        self.objects.put_once(self.archive.locate(name), sealed)
        return ChunkRef(
            part=part,
            number=number,
            epoch=self.epoch,
            records=count,
            plain_bytes=plain_bytes,
            stored_bytes=len(sealed),
            sha256=hashlib.sha256(sealed).hexdigest(),
        )

    def write_manifest(
        self, chunks: Sequence[ChunkRef], source: Source, started_at: str
    ) -> tuple[Manifest, str]:
        """Makes the archive whole; answers the manifest and the digest of its object.

        ObjectExists if it was made whole before.
        """
        manifest = Manifest(
            system_id=self.archive.system_id,
            backup_id=self.archive.backup_id,
            encryption=self.seal.encryption,
            started_at=started_at,
            completed_at=format_time(read_clock()),
            source=source,
            parts=summarize_parts(chunks),
            chunks=chunks,
        )
        sealed = self.seal.close(MANIFEST, compress(manifest.model_dump_json().encode()))
        self.objects.put_once(self.archive.locate(MANIFEST), sealed)
        return manifest, hashlib.sha256(sealed).hexdigest()


def begin_archive(
    objects: ArchiveObjects,
    keys: ArchiveKeys,
    archive: ArchiveName,
    *,
    epoch: int,
    encrypted: bool = True,
) -> ArchiveWriter:
    """A writer for a new archive, or for one begun before: that one stays as it was begun."""
    encryption: Encryption = "aws-encryption-sdk" if encrypted else "none"
    head = objects.get(archive.locate(HEAD), HEAD_LIMIT)
    if head is None:
        head = put_head(objects, archive, keys.issue(archive, encryption))
    return ArchiveWriter(objects, make_seal(archive, keys.open(archive, head)), archive, epoch)


def put_head(objects: ArchiveObjects, archive: ArchiveName, head: bytes) -> bytes:
    """The head that the archive has: another's, if that came first."""
    try:
        objects.put_once(archive.locate(HEAD), head)
    except ObjectExists:
        return load_object(objects, archive, HEAD, HEAD_LIMIT)
    return head


def pack_records(records: Iterator[Record]) -> tuple[bytes, int, int]:
    """The lines of a chunk compressed, how long they were, and how many."""
    compressor = start_compressor()
    packed: list[bytes] = []
    batch = bytearray()
    plain_bytes = count = 0
    for record in records:
        batch += encode_record(record)
        count += 1
        if len(batch) >= BATCH_BYTES:
            plain_bytes += len(batch)
            packed.append(compressor.compress(bytes(batch)))
            batch.clear()
            if plain_bytes >= CHUNK_BYTES:
                break
    packed.append(compressor.compress(bytes(batch), compressor.FLUSH_FRAME))
    return b"".join(packed), plain_bytes + len(batch), count
