"""A bucket and a KMS key for archives, and archives in them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import boto3

from quarterdeck.backups.archive.head import ArchiveKeys
from quarterdeck.backups.archive.layout import PARTS, ArchiveName, Part
from quarterdeck.backups.archive.manifest import Manifest, Source
from quarterdeck.backups.archive.objects import ArchiveObjects, ObjectExists
from quarterdeck.backups.archive.reader import Archive, open_archive
from quarterdeck.backups.archive.records import Record
from quarterdeck.backups.archive.writer import begin_archive

BUCKET = "archives"
REGION = "us-east-1"
STARTED_AT = "2026-11-23T02:00:00.000Z"
SOURCE = Source(system_name="research-desk", system_version=3, generation=1)


class MemoryObjects(ArchiveObjects):
    """A bucket in this process."""

    def __init__(self) -> None:
        self.contents: dict[str, bytes] = {}

    def put_once(self, key: str, content: bytes) -> None:
        if self.contents.setdefault(key, content) != content:
            raise ObjectExists(key)

    def get(self, key: str, limit: int) -> bytes | None:
        content = self.contents.get(key)
        return content if content is None else content[: limit + 1]

    def list(self, prefix: str) -> Iterator[str]:
        return iter(sorted(key for key in self.contents if key.startswith(prefix)))

    def delete(self, prefix: str) -> None:
        for key in list(self.list(prefix)):
            del self.contents[key]


@dataclass
class ArchiveSite:
    """Where archives are written and read; made inside of moto's account."""

    objects: ArchiveObjects
    keys: ArchiveKeys

    def write(
        self,
        name: ArchiveName,
        chunks: Mapping[Part, Sequence[Iterable[Record]]],
        *,
        encrypted: bool = True,
    ) -> Manifest:
        """An archive with these chunks, each with these records."""
        writer = begin_archive(self.objects, self.keys, name, epoch=1, encrypted=encrypted)
        written = [
            writer.write_chunk(part, number, iter(records))
            for part in PARTS
            for number, records in enumerate(chunks.get(part, ()), start=1)
        ]
        manifest, _ = writer.write_manifest(list(filter(None, written)), SOURCE, STARTED_AT)
        return manifest

    def open(self, name: ArchiveName) -> Archive:
        return open_archive(self.objects, self.keys, name)

    def read(self, name: ArchiveName) -> dict[str, list[Record]]:
        """The records of each chunk of an archive."""
        archive = self.open(name)
        return {chunk.name: list(archive.read_chunk(chunk)) for chunk in archive.manifest.chunks}


def make_archive_site() -> ArchiveSite:
    s3 = boto3.client("s3", region_name=REGION)
    s3.create_bucket(Bucket=BUCKET)
    return ArchiveSite(ArchiveObjects(s3, BUCKET), make_keys())


def make_keys() -> ArchiveKeys:
    """Under a KMS key of their own."""
    kms = boto3.client("kms", region_name=REGION)
    kms.meta.events.register("after-call.kms.Decrypt", answer_as_aws)
    return ArchiveKeys(kms, kms.create_key()["KeyMetadata"]["Arn"])


def answer_as_aws(parsed: dict[str, Any], **_: object) -> None:
    """moto denies access to what is under another key than the one that is named."""
    if parsed.get("Error", {}).get("Code") == "AccessDeniedException":
        parsed["Error"]["Code"] = "IncorrectKeyException"


def make_records(part: Part, count: int, words: str = "what the agent found") -> Iterator[Record]:
    for number in range(count):
        item = {"text": {"S": f"{words} {number}"}, "number": {"N": str(number)}}
        yield Record(part, f"#TASK#{number:06}", "END", item)
