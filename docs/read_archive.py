"""Reads a backup's archive without Quarterdeck, by what backup-format.md says.

    pip install aws-encryption-sdk==4.* backports.zstd boto3
    python read_archive.py s3://BUCKET SYSTEM_ID BACKUP_ID > records.jsonl
    python read_archive.py DIRECTORY SYSTEM_ID BACKUP_ID --part task_histories > tasks.jsonl

DIRECTORY is a copy of the bucket (`aws s3 sync s3://BUCKET DIRECTORY`). Each chunk is checked
before its lines are printed; what is damaged is named, and ends the program with 1.
`--kms-key` is the KMS key that archives are known to be under: without it, the one that the archive
names is believed. `--without-key` reads an archive that is not encrypted where KMS cannot be asked;
who wrote it cannot be told then.
"""

import argparse
import base64
import hashlib
import hmac
import io
import json
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import aws_encryption_sdk
import boto3
from aws_encryption_sdk.identifiers import EncryptionKeyType, WrappingAlgorithm
from aws_encryption_sdk.internal.crypto.wrapping_keys import WrappingKey
from aws_encryption_sdk.key_providers.raw import RawMasterKey, RawMasterKeyConfig
from backports.zstd import ZstdDecompressor

MIB = 2**20
MANIFEST_LIMIT = 64 * MIB
TAG = bytes.fromhex("502a4d18 20000000")


class Damaged(Exception):
    """Which object, and what is wrong with it."""


def read_archive(
    load: Callable[[str], bytes],
    open_key: Callable[[dict[str, Any], dict[str, str]], bytes | None],
    system: str,
    backup: str,
    part: str | None = None,
) -> Iterator[bytes]:
    """The lines of an archive, or of one part; `load` gives an object by its name in it."""
    head = json.loads(load("head"))
    if (head["format"], head["version"]) != ("quarterdeck-backup", 1):
        raise Damaged(f"head: format {head['format']} version {head['version']} is not known here")
    key = open_key(head, {"system": system, "backup": backup})

    def open_object(name: str, limit: int, sealed: bytes) -> bytes:
        context = {"system": system, "backup": backup, "chunk": name}
        if head["encryption"] == "none":
            content = check_signature(name, sealed, key, context)
        else:
            content = decrypt(name, sealed, key, context)
        return decompress(name, content, limit)

    manifest = json.loads(open_object("manifest", MANIFEST_LIMIT, load("manifest")))
    for chunk in manifest["chunks"]:
        if part in {None, chunk["part"]}:
            name = f"{chunk['part']}/{chunk['number']:06}-{chunk['epoch']}.chunk"
            sealed = load(name)
            if hashlib.sha256(sealed).hexdigest() != chunk["sha256"]:
                raise Damaged(f"{name}: its SHA-256 is not the manifest's")
            plain = open_object(name, chunk["plain_bytes"], sealed)
            if plain.count(b"\n") != chunk["records"]:
                raise Damaged(f"{name}: it does not have {chunk['records']} lines")
            yield from io.BytesIO(plain)


def ask_kms(head: dict[str, Any], archive: dict[str, str], trusted: str | None) -> bytes:
    answer = boto3.client("kms").decrypt(
        KeyId=trusted or head["kms_key"],
        CiphertextBlob=base64.b64decode(head["wrapped_key"]),
        EncryptionContext={
            **archive,
            "format": str(head["version"]),
            "encryption": head["encryption"],
        },
    )
    return bytes(answer["Plaintext"])


def do_without(head: dict[str, Any], _: dict[str, str]) -> None:
    if head["encryption"] != "none":
        raise Damaged("head: the archive is encrypted: without its key it is not read")


def decrypt(name: str, sealed: bytes, key: bytes | None, context: dict[str, str]) -> bytes:
    wrapping = WrappingKey(
        wrapping_algorithm=WrappingAlgorithm.AES_256_GCM_IV12_TAG16_NO_PADDING,
        wrapping_key=key,
        wrapping_key_type=EncryptionKeyType.SYMMETRIC,
    )
    provider = RawMasterKey(
        config=RawMasterKeyConfig(
            provider_id="quarterdeck", key_id=b"archive", wrapping_key=wrapping
        )
    )
    client = aws_encryption_sdk.EncryptionSDKClient(max_encrypted_data_keys=1)
    source = io.BytesIO(sealed)
    content, header = client.decrypt(source=source, key_provider=provider, max_body_length=MIB)
    if header.encryption_context != context:
        raise Damaged(f"{name}: it was sealed as {header.encryption_context}")
    if source.read(1):
        raise Damaged(f"{name}: something follows the message")
    return bytes(content)


def check_signature(name: str, sealed: bytes, key: bytes | None, context: dict[str, str]) -> bytes:
    content, mark, tag = sealed[:-40], sealed[-40:-32], sealed[-32:]
    place = json.dumps(context, sort_keys=True, separators=(",", ":")).encode() + b"\n"
    if mark != TAG:
        raise Damaged(f"{name}: it has no signature")
    if key and not hmac.compare_digest(tag, hmac.digest(key, place + content, "sha256")):
        raise Damaged(f"{name}: its signature is of something else")
    return content


def decompress(name: str, content: bytes, limit: int) -> bytes:
    frame = ZstdDecompressor()
    plain = frame.decompress(content, max_length=limit + 1)
    if len(plain) > limit or not frame.eof or frame.unused_data:
        raise Damaged(f"{name}: it is not one zstd frame of at most {limit} bytes")
    return plain


def make_loader(root: str, prefix: str) -> Callable[[str], bytes]:
    if not root.startswith("s3://"):
        return lambda name: Path(root, prefix, name).read_bytes()
    s3, bucket = boto3.client("s3"), root.removeprefix("s3://").strip("/")
    return lambda name: s3.get_object(Bucket=bucket, Key=prefix + name)["Body"].read()


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description="Prints the records of a backup's archive.")
    parser.add_argument("root", help="s3://BUCKET, or a directory with a copy of it")
    parser.add_argument("system")
    parser.add_argument("backup")
    parser.add_argument("--part", help="only this one")
    parser.add_argument("--kms-key", help="the key's ARN, alias or id")
    parser.add_argument("--without-key", action="store_true", help="do not ask KMS")
    options = parser.parse_args(arguments)
    load = make_loader(options.root, f"backups/{options.system}/{options.backup}/")
    ask = do_without if options.without_key else partial(ask_kms, trusted=options.kms_key)
    try:
        for line in read_archive(load, ask, options.system, options.backup, options.part):
            sys.stdout.buffer.write(line)
    except Exception as error:  # each library has its own for bytes that are damaged
        print(f"read_archive: {type(error).__name__}: {error}", file=sys.stderr)
        return 1
    sys.stdout.buffer.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
