"""Reads an archive. What is damaged is told before any of its records is handed out."""

import hashlib
import hmac
from collections.abc import Iterator
from io import BytesIO

from quarterdeck.backups.archive.compression import NotCompressed, decompress
from quarterdeck.backups.archive.damage import ArchiveDamaged, parse_object
from quarterdeck.backups.archive.head import ArchiveKeys
from quarterdeck.backups.archive.layout import (
    FORMAT,
    HEAD,
    HEAD_LIMIT,
    MANIFEST,
    MANIFEST_LIMIT,
    ROOT,
    VERSION,
    ArchiveName,
    Part,
    parse_manifest_key,
)
from quarterdeck.backups.archive.manifest import ChunkRef, Manifest
from quarterdeck.backups.archive.objects import ArchiveObjects, load_object
from quarterdeck.backups.archive.records import Record, RecordInvalid, decode_record
from quarterdeck.backups.archive.sealing import Seal, make_seal


class Archive:
    """An archive whose manifest is authentic."""

    def __init__(
        self, objects: ArchiveObjects, seal: Seal, name: ArchiveName, manifest: Manifest
    ) -> None:
        self.objects = objects
        self.seal = seal
        self.name = name
        self.manifest = manifest

    def read_chunk(self, chunk: ChunkRef) -> Iterator[Record]:
        """Its records in the order they were written; all are checked before the first is given."""
        plain = self._load_lines(chunk)
        check_lines(chunk, plain)
        return (decode_record(line, chunk.part) for line in BytesIO(plain))

    def check_chunk(self, chunk: ChunkRef) -> int:
        """How many records it has; ArchiveDamaged if it is not as it was written."""
        check_lines(chunk, self._load_lines(chunk))
        return chunk.records

    def read_part(self, part: Part) -> Iterator[Record]:
        for chunk in self.manifest.list_chunks(part):
            yield from self.read_chunk(chunk)

    def _load_lines(self, chunk: ChunkRef) -> bytes:
        sealed = load_object(self.objects, self.name, chunk.name, chunk.stored_bytes)
        if hashlib.sha256(sealed).hexdigest() != chunk.sha256:
            raise ArchiveDamaged(chunk.name, "its SHA-256 is not the manifest's")
        plain = unpack(chunk.name, self.seal.open(chunk.name, sealed), chunk.plain_bytes)
        if len(plain) != chunk.plain_bytes:
            raise ArchiveDamaged(chunk.name, f"it does not decompress to {chunk.plain_bytes} bytes")
        if not plain.endswith(b"\n") or plain.count(b"\n") != chunk.records:
            raise ArchiveDamaged(chunk.name, f"it does not have {chunk.records} lines")
        return plain


def open_archive(
    objects: ArchiveObjects, keys: ArchiveKeys, name: ArchiveName, digest: str | None = None
) -> Archive:
    """The archive, if it is whole. `digest` is the manifest's, as its writer was told it."""
    head = load_object(objects, name, HEAD, HEAD_LIMIT)
    seal = make_seal(name, keys.open(name, head))
    sealed = load_object(objects, name, MANIFEST, MANIFEST_LIMIT)
    if digest and not hmac.compare_digest(hashlib.sha256(sealed).hexdigest(), digest):
        raise ArchiveDamaged(MANIFEST, "its SHA-256 is not what the backup recorded")
    return Archive(objects, seal, name, read_manifest(name, seal, sealed))


def list_archives(objects: ArchiveObjects, system_id: str | None = None) -> Iterator[ArchiveName]:
    """All that have a manifest, by their names alone."""
    prefix = f"{ROOT}{system_id}/" if system_id else ROOT
    return filter(None, map(parse_manifest_key, objects.list(prefix)))


def read_manifest(name: ArchiveName, seal: Seal, sealed: bytes) -> Manifest:
    plain = unpack(MANIFEST, seal.open(MANIFEST, sealed), MANIFEST_LIMIT)
    manifest = parse_object(Manifest, MANIFEST, plain)
    if (manifest.format, manifest.version) != (FORMAT, VERSION):
        raise ArchiveDamaged(MANIFEST, f"it is {manifest.format} version {manifest.version}")
    if (manifest.system_id, manifest.backup_id, manifest.encryption) != (*name, seal.encryption):
        raise ArchiveDamaged(MANIFEST, "it is another archive's")
    return manifest


def unpack(name: str, content: bytes, limit: int) -> bytes:
    try:
        return decompress(content, limit)
    except NotCompressed as error:
        raise ArchiveDamaged(name, str(error)) from None


def check_lines(chunk: ChunkRef, plain: bytes) -> None:
    try:
        for line in BytesIO(plain):
            decode_record(line, chunk.part)
    except RecordInvalid as error:
        raise ArchiveDamaged(chunk.name, str(error)) from None
