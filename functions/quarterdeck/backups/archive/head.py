"""The head of an archive: how it is sealed, and its key, which KMS alone can open."""

import base64
import binascii
from typing import TYPE_CHECKING, Literal, NamedTuple

from botocore.exceptions import ClientError
from pydantic import BaseModel, ConfigDict

from quarterdeck.backups.archive.damage import ArchiveDamaged, parse_object
from quarterdeck.backups.archive.layout import FORMAT, HEAD, VERSION, ArchiveName

if TYPE_CHECKING:
    from mypy_boto3_kms import KMSClient

type Encryption = Literal["aws-encryption-sdk", "none"]

KEY_BYTES = 32
NOT_THIS_KEY = {"InvalidCiphertextException", "IncorrectKeyException"}
"""KMS's words for a key that was changed, or is another archive's, or under another KMS key.

A role without the right, or a KMS key that is disabled, says nothing of the archive: not damage.
"""


class Head(BaseModel):
    """The first object of an archive. KMS refuses the key when any of it was changed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: str
    version: int
    encryption: Encryption
    kms_key: str
    wrapped_key: str


class Opened(NamedTuple):
    encryption: Encryption
    key: bytes


class ArchiveKeys:
    """Makes and opens the keys of archives under one KMS key."""

    def __init__(self, client: "KMSClient", key_id: str) -> None:
        self.client = client
        self.key_id = key_id

    def issue(self, name: ArchiveName, encryption: Encryption) -> bytes:
        """The head of a new archive."""
        answer = self.client.generate_data_key(
            KeyId=self.key_id,
            NumberOfBytes=KEY_BYTES,
            EncryptionContext=describe_archive(name, encryption),
        )
        return write_head(
            Head(
                format=FORMAT,
                version=VERSION,
                encryption=encryption,
                kms_key=answer["KeyId"],
                wrapped_key=base64.b64encode(answer["CiphertextBlob"]).decode(),
            )
        )

    def open(self, name: ArchiveName, content: bytes) -> Opened:
        head = read_head(content)
        try:
            answer = self.client.decrypt(
                KeyId=self.key_id,
                CiphertextBlob=unwrap_text(head.wrapped_key),
                EncryptionContext=describe_archive(name, head.encryption),
            )
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code not in NOT_THIS_KEY:
                raise
            raise ArchiveDamaged(
                HEAD, f"KMS does not open its key as this archive's, with this KMS key: {code}"
            ) from None
        if answer["KeyId"] != head.kms_key:
            raise ArchiveDamaged(HEAD, f"it names another KMS key than {answer['KeyId']}")
        return Opened(head.encryption, answer["Plaintext"])


def describe_archive(name: ArchiveName, encryption: Encryption) -> dict[str, str]:
    """The encryption context of an archive's key."""
    return {
        "system": name.system_id,
        "backup": name.backup_id,
        "format": str(VERSION),
        "encryption": encryption,
    }


def write_head(head: Head) -> bytes:
    return head.model_dump_json().encode()


def read_head(content: bytes) -> Head:
    head = parse_object(Head, HEAD, content)
    if (head.format, head.version) != (FORMAT, VERSION):
        raise ArchiveDamaged(
            HEAD,
            f"it is {head.format} version {head.version}, and this reads {FORMAT} {VERSION}",
        )
    if write_head(head) != content:
        raise ArchiveDamaged(HEAD, "it is not spelled as it is written")
    return head


def unwrap_text(text: str) -> bytes:
    try:
        content = base64.b64decode(text, validate=True)
    except binascii.Error:
        content = b""
    if not content or base64.b64encode(content).decode() != text:
        raise ArchiveDamaged(HEAD, "wrapped_key is not base64")
    return content
