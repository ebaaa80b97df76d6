"""Seals what an object holds to its archive and its name, and opens what is sealed so."""

import hashlib
import hmac
import json
from io import BytesIO
from typing import IO, Protocol

from aws_encryption_sdk import CommitmentPolicy, EncryptionSDKClient
from aws_encryption_sdk.identifiers import Algorithm, EncryptionKeyType, WrappingAlgorithm
from aws_encryption_sdk.internal.crypto.wrapping_keys import WrappingKey
from aws_encryption_sdk.key_providers.raw import RawMasterKey, RawMasterKeyConfig

from quarterdeck.backups.archive.damage import ArchiveDamaged
from quarterdeck.backups.archive.head import Encryption, Opened
from quarterdeck.backups.archive.layout import MIB, ArchiveName

FRAME_BYTES = MIB
ALGORITHM = Algorithm.AES_256_GCM_HKDF_SHA512_COMMIT_KEY
CLIENT = EncryptionSDKClient(
    commitment_policy=CommitmentPolicy.REQUIRE_ENCRYPT_REQUIRE_DECRYPT, max_encrypted_data_keys=1
)
TAG_BYTES = 32
TAG_HEADER = (0x184D2A50).to_bytes(4, "little") + TAG_BYTES.to_bytes(4, "little")
"""A skippable frame of zstd, so that the object is still one that any zstd reads."""


class Seal(Protocol):
    encryption: Encryption

    def close(self, name: str, content: bytes) -> bytes:
        """The object called `name` with `content`."""

    def open(self, name: str, sealed: bytes) -> bytes:
        """The content; ArchiveDamaged if it is not what was sealed under that name."""


def make_seal(archive: ArchiveName, opened: Opened) -> Seal:
    if opened.encryption == "none":
        return SigningSeal(archive, opened.key)
    return EncryptingSeal(archive, opened.key)


def describe_object(archive: ArchiveName, name: str) -> dict[str, str]:
    return {"system": archive.system_id, "backup": archive.backup_id, "chunk": name}


def read_frames(message: IO[bytes]) -> bytes:
    """All that a stream of the SDK gives; its own way is by pieces of 8 KB of a frame."""
    return b"".join(iter(lambda: message.read(FRAME_BYTES), b""))


class EncryptingSeal:
    """A message of the AWS Encryption SDK, whose data key the archive's key wraps."""

    encryption: Encryption = "aws-encryption-sdk"

    def __init__(self, archive: ArchiveName, key: bytes) -> None:
        self.archive = archive
        wrapping = WrappingKey(
            wrapping_algorithm=WrappingAlgorithm.AES_256_GCM_IV12_TAG16_NO_PADDING,
            wrapping_key=key,
            wrapping_key_type=EncryptionKeyType.SYMMETRIC,
        )
        self.key = RawMasterKey(
            config=RawMasterKeyConfig(
                provider_id="quarterdeck", key_id=b"archive", wrapping_key=wrapping
            )
        )

    def close(self, name: str, content: bytes) -> bytes:
        message = CLIENT.stream(
            mode="encrypt",
            source=content,
            key_provider=self.key,
            algorithm=ALGORITHM,
            frame_length=FRAME_BYTES,
            encryption_context=describe_object(self.archive, name),
        )
        with message:
            return read_frames(message)

    def open(self, name: str, sealed: bytes) -> bytes:
        source = BytesIO(sealed)
        message = CLIENT.stream(
            mode="decrypt-unsigned",
            source=source,
            key_provider=self.key,
            max_body_length=FRAME_BYTES,
        )
        try:
            context = message.header.encryption_context
            content = read_frames(message)
        except Exception:  # the SDK's parser raises whatever the bytes lead it to
            raise ArchiveDamaged(name, "it does not decrypt with the archive's key") from None
        finally:
            # Without a footer, close() raises, also when the garbage is collected.
            message.footer = None
            message.close()
        if context != describe_object(self.archive, name):
            raise ArchiveDamaged(name, "it was sealed as another object, or for another archive")
        if source.read(1):
            raise ArchiveDamaged(name, "something follows the encrypted message")
        return content


class SigningSeal:
    """The content as it is, and an HMAC-SHA256 over its name and the content."""

    encryption: Encryption = "none"

    def __init__(self, archive: ArchiveName, key: bytes) -> None:
        self.archive = archive
        self.key = key

    def close(self, name: str, content: bytes) -> bytes:
        return content + TAG_HEADER + self._sign(name, content)

    def open(self, name: str, sealed: bytes) -> bytes:
        content, tag = sealed[:-TAG_BYTES], sealed[-TAG_BYTES:]
        content, header = content[: -len(TAG_HEADER)], content[-len(TAG_HEADER) :]
        if header != TAG_HEADER or not hmac.compare_digest(tag, self._sign(name, content)):
            raise ArchiveDamaged(name, "its signature is not of this content, name and archive")
        return content

    def _sign(self, name: str, content: bytes) -> bytes:
        place = json.dumps(
            describe_object(self.archive, name), sort_keys=True, separators=(",", ":")
        )
        signature = hmac.new(self.key, place.encode() + b"\n", hashlib.sha256)
        signature.update(content)
        return signature.digest()
