"""The archives of backups: where they are, and what opens them."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from quarterdeck.backups.archive.damage import ArchiveDamaged
from quarterdeck.backups.archive.head import ArchiveKeys
from quarterdeck.backups.archive.layout import MANIFEST, MANIFEST_LIMIT
from quarterdeck.backups.archive.manifest import ChunkRef
from quarterdeck.backups.archive.objects import ArchiveObjects
from quarterdeck.backups.archive.reader import Archive, open_archive
from quarterdeck.backups.archive.writer import ArchiveWriter, begin_archive
from quarterdeck.backups.records import Backup

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.literals import StorageClassType

STORAGE_CLASSES: Mapping[str, "StorageClassType"] = {
    "cloud": "STANDARD",
    "cloud_cold": "GLACIER_IR",
}


@dataclass(frozen=True)
class Archives:
    client: "S3Client"
    bucket: str
    keys: ArchiveKeys

    def write(self, backup: Backup) -> ArchiveWriter:
        """Under the epoch of the backup's claim."""
        return begin_archive(
            self._objects(backup),
            self.keys,
            backup.archive,
            epoch=backup.epoch,
            encrypted=backup.plan.encryption_enabled,
        )

    def open(self, backup: Backup) -> Archive:
        """ArchiveDamaged if it is not the one that the backup has recorded."""
        if backup.manifest_digest is None:
            raise ArchiveDamaged(MANIFEST, "the backup has recorded none")
        return open_archive(
            self._objects(backup), self.keys, backup.archive, backup.manifest_digest
        )

    def adopt(self, backup: Backup, chunks: Sequence[ChunkRef]) -> str:
        """The digest of a manifest that is there already; ArchiveDamaged unless of `chunks`."""
        objects = self._objects(backup)
        sealed = objects.get(backup.archive.locate(MANIFEST), MANIFEST_LIMIT) or b""
        digest = hashlib.sha256(sealed).hexdigest()
        archive = open_archive(objects, self.keys, backup.archive, digest)
        if list(archive.manifest.chunks) != list(chunks):
            raise ArchiveDamaged(MANIFEST, "it is of other chunks than the backup has recorded")
        return digest

    def remove(self, backup: Backup) -> None:
        """First what makes it whole: no half of an archive is taken for one."""
        objects = self._objects(backup)
        objects.delete(backup.archive.locate(MANIFEST))
        objects.delete(backup.archive.prefix)

    def _objects(self, backup: Backup) -> ArchiveObjects:
        return ArchiveObjects(self.client, self.bucket, STORAGE_CLASSES[backup.plan.storage])
