"""The bucket of archives."""

import base64
import hashlib
import time
from collections.abc import Iterator
from itertools import batched
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from quarterdeck.backups.archive.damage import ArchiveDamaged
from quarterdeck.backups.archive.layout import ArchiveName

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.literals import StorageClassType

DELETED_AT_ONCE = 1000
EXISTS, CONFLICT = "PreconditionFailed", "ConditionalRequestConflict"
CONFLICT_WAITS = (0.1, 0.4, 1.6)


class ObjectExists(Exception):
    """Another wrote the object first, and something else."""


class ArchiveObjects:
    """Objects are put once and never written again."""

    def __init__(
        self, client: "S3Client", bucket: str, storage_class: "StorageClassType" = "STANDARD"
    ) -> None:
        self.client = client
        self.bucket = bucket
        self.storage_class = storage_class

    def put_once(self, key: str, content: bytes) -> None:
        """ObjectExists if there is another; the same content is taken for a repeated request."""
        refusal = self._put(key, content)
        for seconds in CONFLICT_WAITS:
            if refusal != CONFLICT:
                break
            time.sleep(seconds)
            refusal = self._put(key, content)
        if refusal and self.get(key, len(content)) != content:
            raise ObjectExists(key)

    def _put(self, key: str, content: bytes) -> str | None:
        """Why it was not put: it is there, or another request is at it. None when it was."""
        digest = base64.b64encode(hashlib.sha256(content).digest()).decode()
        try:
            self.client.put_object(
                Bucket=self.bucket,
                Key=key,
                Body=content,
                IfNoneMatch="*",
                ChecksumSHA256=digest,
                StorageClass=self.storage_class,
            )
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code not in {EXISTS, CONFLICT}:
                raise
            return code
        return None

    def get(self, key: str, limit: int) -> bytes | None:
        """None if there is none. Of a longer one than `limit`, one byte more than that."""
        try:
            answer = self.client.get_object(Bucket=self.bucket, Key=key)
        except self.client.exceptions.NoSuchKey:
            return None
        with answer["Body"] as body:
            return body.read(limit + 1)

    def list(self, prefix: str) -> Iterator[str]:
        pages = self.client.get_paginator("list_objects_v2").paginate(
            Bucket=self.bucket, Prefix=prefix
        )
        for page in pages:
            yield from (entry["Key"] for entry in page.get("Contents", []))

    def delete(self, prefix: str) -> None:
        """Everything under `prefix`; the bucket keeps its versions for a while."""
        for keys in batched(self.list(prefix), DELETED_AT_ONCE, strict=False):
            answer = self.client.delete_objects(
                Bucket=self.bucket,
                Delete={"Objects": [{"Key": key} for key in keys], "Quiet": True},
            )
            for error in answer.get("Errors", []):
                raise RuntimeError(f"{error.get('Key')} was not deleted: {error.get('Code')}")


def load_object(objects: ArchiveObjects, archive: ArchiveName, name: str, limit: int) -> bytes:
    """ArchiveDamaged if there is none."""
    content = objects.get(archive.locate(name), limit)
    if content is None:
        raise ArchiveDamaged(name, "it is missing")
    return content
