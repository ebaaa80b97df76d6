"""S3 and KMS in memory, as far as archives and blobs use them; hooks may raise as in `faults`."""

import base64
import io
import json
import secrets
from collections.abc import Callable, Iterator, Mapping
from types import SimpleNamespace
from typing import Any

from botocore.exceptions import ClientError


class NoSuchKey(ClientError): ...


def refuse(kind: type[ClientError], code: str) -> ClientError:
    return kind({"Error": {"Code": code, "Message": code}}, "Call")


class FakeS3:
    """Any buckets. `exceptions` as boto3 has them."""

    exceptions = SimpleNamespace(NoSuchKey=NoSuchKey)

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str], bytes] = {}
        self.before_write: Callable[[], None] = lambda: None
        self.after_write: Callable[[], None] = lambda: None

    def create_bucket(self, **_: Any) -> None:
        """Every bucket is there."""

    def put_object(
        self,
        *,
        Bucket: str,  # noqa: N803 - as boto3 has it
        Key: str,  # noqa: N803
        Body: bytes,  # noqa: N803
        IfNoneMatch: str = "",  # noqa: N803
        **_: Any,
    ) -> None:
        self.before_write()
        if IfNoneMatch == "*" and (Bucket, Key) in self.objects:
            raise refuse(ClientError, "PreconditionFailed")
        self.objects[Bucket, Key] = bytes(Body)
        self.after_write()

    def get_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: N803
        if (Bucket, Key) not in self.objects:
            raise refuse(NoSuchKey, "NoSuchKey")
        return {"Body": io.BytesIO(self.objects[Bucket, Key])}

    def delete_object(self, *, Bucket: str, Key: str) -> None:  # noqa: N803
        self.before_write()
        self.objects.pop((Bucket, Key), None)
        self.after_write()

    def delete_objects(self, *, Bucket: str, Delete: Any) -> dict[str, Any]:  # noqa: N803
        for entry in Delete["Objects"]:
            self.delete_object(Bucket=Bucket, Key=entry["Key"])
        return {}

    def get_paginator(self, operation: str) -> Any:
        assert operation == "list_objects_v2"
        return SimpleNamespace(paginate=self._list)

    def _list(self, *, Bucket: str, Prefix: str) -> Iterator[dict[str, Any]]:  # noqa: N803
        keys = sorted(k for bucket, k in self.objects if bucket == Bucket and k.startswith(Prefix))
        yield {"Contents": [{"Key": key} for key in keys]}


class FakeKms:
    """One key, which opens what it has wrapped for the same context."""

    key_arn = "arn:aws:kms:eu-west-1:111111111111:key/tests"

    def generate_data_key(
        self,
        *,
        NumberOfBytes: int,  # noqa: N803
        EncryptionContext: Mapping[str, str],  # noqa: N803
        **_: Any,
    ) -> dict[str, Any]:
        key = secrets.token_bytes(NumberOfBytes)
        text = json.dumps([base64.b64encode(key).decode(), dict(EncryptionContext)])
        return {"KeyId": self.key_arn, "Plaintext": key, "CiphertextBlob": text.encode()}

    def decrypt(
        self,
        *,
        CiphertextBlob: bytes,  # noqa: N803
        EncryptionContext: Mapping[str, str],  # noqa: N803
        **_: Any,
    ) -> dict[str, Any]:
        key, context = json.loads(CiphertextBlob)
        if context != dict(EncryptionContext):
            raise refuse(ClientError, "InvalidCiphertextException")
        return {"KeyId": self.key_arn, "Plaintext": base64.b64decode(key)}
