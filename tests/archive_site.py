"""A bucket and a KMS key for archives, and archives in them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import boto3

from quarterdeck.backups.archive.head import ArchiveKeys
from quarterdeck.backups.archive.layout import PARTS, ArchiveName, Part
from quarterdeck.backups.archive.manifest import Manifest, Source
from quarterdeck.backups.archive.objects import ArchiveObjects
from quarterdeck.backups.archive.reader import Archive, open_archive
from quarterdeck.backups.archive.records import Record
from quarterdeck.backups.archive.writer import begin_archive

BUCKET = "archives"
REGION = "us-east-1"
STARTED_AT = "2026-11-23T02:00:00.000Z"
SOURCE = Source(system_name="research-desk", system_version=3, generation=1)


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

    def replace(self, key: str, content: bytes) -> None:
        """What the project never does: writes an object anew."""
        self.objects.client.put_object(Bucket=BUCKET, Key=key, Body=content)

    def dump(self) -> dict[str, bytes]:
        return {key: self.load(key) for key in self.objects.list("")}

    def restore(self, contents: Mapping[str, bytes]) -> None:
        """Makes the bucket what `dump` found."""
        now = self.dump()
        if now.keys() - contents.keys():
            self.objects.delete("")
            now = {}
        for key in contents:
            if now.get(key) != contents[key]:
                self.replace(key, contents[key])

    def load(self, key: str) -> bytes:
        content = self.objects.get(key, 2**30)
        assert content is not None
        return content


def make_archive_site() -> ArchiveSite:
    s3 = boto3.client("s3", region_name=REGION)
    s3.create_bucket(Bucket=BUCKET)
    return ArchiveSite(ArchiveObjects(s3, BUCKET), make_keys())


def make_keys() -> ArchiveKeys:
    """Under a KMS key of their own."""
    kms = boto3.client("kms", region_name=REGION)
    return ArchiveKeys(kms, kms.create_key()["KeyMetadata"]["Arn"])


def make_records(part: Part, count: int, words: str = "what the agent found") -> Iterator[Record]:
    for number in range(count):
        item = {"text": {"S": f"{words} {number}"}, "number": {"N": str(number)}}
        yield Record(part, f"#TASK#{number:06}", "END", item)
