"""Documents of an item: JSON text in the item itself, or in S3 when it is over 32 KB."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

INLINE_BYTES = 32 * 1024
LINK_SECONDS = 900


class BlobStore:
    """A document is `{"text": …}`, or `{"blob": key, "bytes": size}` with the text in S3."""

    def __init__(self, client: "S3Client", bucket: str) -> None:
        self.client = client
        self.bucket = bucket

    def store_document(self, key: str, text: str) -> dict[str, Any]:
        """The document to keep in an item. Writes the blob first: no item points at nothing."""
        content = text.encode()
        if len(content) <= INLINE_BYTES:
            return {"text": text}
        self.client.put_object(
            Bucket=self.bucket, Key=key, Body=content, ContentType="application/json"
        )
        return {"blob": key, "bytes": len(content)}

    def load_document(self, document: dict[str, Any]) -> str:
        if "blob" not in document:
            return str(document["text"])
        answer = self.client.get_object(Bucket=self.bucket, Key=document["blob"])
        return answer["Body"].read().decode()

    def link_document(self, document: dict[str, Any]) -> str:
        """An HTTPS link to a document in S3, good for 15 minutes."""
        return self.client.generate_presigned_url(
            "get_object",
            Params={"Bucket": self.bucket, "Key": document["blob"]},
            ExpiresIn=LINK_SECONDS,
        )

    def list_blobs(self, prefix: str) -> list[str]:
        pages = self.client.get_paginator("list_objects_v2").paginate(
            Bucket=self.bucket, Prefix=prefix
        )
        return [entry["Key"] for page in pages for entry in page.get("Contents", ())]

    def delete_blob(self, key: str) -> None:
        """What it held is gone once the bucket's former versions expire."""
        self.client.delete_object(Bucket=self.bucket, Key=key)
