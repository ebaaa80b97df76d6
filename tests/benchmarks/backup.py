"""What a backup's archive costs: `.ci/uv run python tests/benchmarks/backup.py`.

Prints one JSON object last. `pipeline_mb_per_s`: records to sealed chunks, without the time of
what gives the records and of what keeps the chunks; `restore_mb_per_s`: sealed chunks to records,
likewise. MB are 10^6 bytes of lines, seconds those of one core. `peak_rss_mb` is the most of the
process that writes and of the one that restores, with ten times the items; `rss_ratio_10x` the
most that they grow by from one time to ten. `simple`: the same of the simple way, which loads
everything, and does one json.dumps and one encrypt.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "functions")]

import boto3  # noqa: E402 - by path, as a script; the function has its clients as well

from quarterdeck.backups.archive.head import ArchiveKeys  # noqa: E402
from quarterdeck.backups.archive.layout import PARTS, ArchiveName, Part  # noqa: E402
from quarterdeck.backups.archive.manifest import ChunkRef, Source  # noqa: E402
from quarterdeck.backups.archive.objects import ArchiveObjects  # noqa: E402
from quarterdeck.backups.archive.reader import open_archive  # noqa: E402
from quarterdeck.backups.archive.records import (  # noqa: E402
    Record,
    decode_record,
    encode_binary,
    encode_record,
)
from quarterdeck.backups.archive.sealing import ALGORITHM, CLIENT, EncryptingSeal  # noqa: E402
from quarterdeck.backups.archive.writer import begin_archive  # noqa: E402

MB = 10**6
SIZE = 40 * MB
TIMES = (1, 10)
NAME = ArchiveName("desk", "b1")
SOURCE = Source(system_name="research-desk", system_version=7, generation=3)


def main() -> None:
    with tempfile.TemporaryDirectory() as directory:
        write_lines(Path(directory))
        ours, simple = (measure(directory, way) for way in ("archive", "simple"))
    print(json.dumps(ours | {"simple": simple}, indent=1))


def measure(directory: str, way: str) -> dict[str, Any]:
    written, restored = (
        [run_apart(f"{verb}_{way}", directory, times) for times in TIMES]
        for verb in ("write", "restore")
    )
    assert [each["records"] for each in written] == [each["records"] for each in restored]
    figures: dict[str, Any] = {
        "pipeline_mb_per_s": round(written[-1]["plain_mb"] / written[-1]["seconds"], 1),
        "peak_rss_mb": round(max(written[-1]["rss_mb"], restored[-1]["rss_mb"]), 1),
        "rss_ratio_10x": round(
            max(each[-1]["rss_mb"] / each[0]["rss_mb"] for each in (written, restored)), 3
        ),
        "compression_ratio": round(written[0]["plain_mb"] / written[0]["stored_mb"], 2),
        "restore_mb_per_s": round(restored[-1]["plain_mb"] / restored[-1]["seconds"], 1),
        "plain_mb": round(written[-1]["plain_mb"]),
        "records": written[-1]["records"],
    }
    return figures | {name: written[0][name] for name in ("ratio_by_part",) if name in written[0]}


def run_apart(name: str, directory: str, times: int) -> dict[str, Any]:
    """What `name` measures, in a process of its own."""
    command = [sys.executable, __file__, name, directory, str(times)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    figures: dict[str, Any] = json.loads(run.stdout)
    return figures


def write_lines(directory: Path) -> None:
    """The records of each part, in place of the table."""
    from tests.benchmarks.backup_records import RecordSource

    files = {part: (directory / f"{part}.lines").open("wb") for part in PARTS}
    size = 0
    for record in RecordSource().draw():
        size += files[record.part].write(encode_record(record))
        if size >= SIZE:
            break
    for file in files.values():
        file.close()


def read_lines(directory: Path, part: Part, times: int) -> Iterator[Record]:
    """Each time over with other keys."""
    for turn in range(times):
        with (directory / f"{part}.lines").open("rb") as file:
            for line in file:
                record = decode_record(line, part)
                yield record._replace(pk=f"{record.pk}-{turn}")


class DirectoryObjects(ArchiveObjects):
    """A bucket in a directory, which counts the seconds that it takes."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.seconds = 0.0

    def put_once(self, key: str, content: bytes) -> None:
        started = time.process_time()
        path = self.directory / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        self.seconds += time.process_time() - started

    def get(self, key: str, limit: int) -> bytes | None:
        started = time.process_time()
        path = self.directory / key
        content = path.read_bytes() if path.exists() else None
        self.seconds += time.process_time() - started
        return content


class KeptKey:
    """KMS, with one key that it gives to anybody."""

    def generate_data_key(self, **_: object) -> dict[str, Any]:
        return {"KeyId": "arn", "Plaintext": bytes(32), "CiphertextBlob": b"wrapped"}

    def decrypt(self, **_: object) -> dict[str, Any]:
        return {"KeyId": "arn", "Plaintext": bytes(32)}


def write_archive(directory: Path, times: int) -> dict[str, Any]:
    objects = DirectoryObjects(directory / f"archive-{times}")
    reading = clock(lambda: count(read_lines(directory, part, times) for part in PARTS))
    started = time.process_time()
    writer = begin_archive(objects, make_keys(), NAME, epoch=1)
    chunks: list[ChunkRef] = []
    for part in PARTS:
        records = read_lines(directory, part, times)
        number = 1
        while chunk := writer.write_chunk(part, number, records):
            chunks.append(chunk)
            number += 1
    manifest, _ = writer.write_manifest(chunks, SOURCE, "2026-11-23T02:00:00.000Z")
    seconds = time.process_time() - started - objects.seconds - reading
    parts = {part: sums for part, sums in manifest.parts.items() if sums.records}
    return {
        "seconds": seconds,
        "records": sum(sums.records for sums in parts.values()),
        "plain_mb": sum(sums.plain_bytes for sums in parts.values()) / MB,
        "stored_mb": sum(sums.stored_bytes for sums in parts.values()) / MB,
        "ratio_by_part": {
            part: round(sums.plain_bytes / sums.stored_bytes, 2) for part, sums in parts.items()
        },
    }


def restore_archive(directory: Path, times: int) -> dict[str, Any]:
    objects = DirectoryObjects(directory / f"archive-{times}")
    started = time.process_time()
    archive = open_archive(objects, make_keys(), NAME)
    records = count(archive.read_chunk(chunk) for chunk in archive.manifest.chunks)
    seconds = time.process_time() - started - objects.seconds
    plain = sum(chunk.plain_bytes for chunk in archive.manifest.chunks) / MB
    return {"seconds": seconds, "records": records, "plain_mb": plain}


def write_simple(directory: Path, times: int) -> dict[str, Any]:
    records = [record._asdict() for part in PARTS for record in read_lines(directory, part, times)]
    started = time.process_time()
    plain = json.dumps(records, default=encode_binary).encode()
    sealed, _ = CLIENT.encrypt(source=plain, key_provider=make_wrapping(), algorithm=ALGORITHM)
    seconds = time.process_time() - started
    (directory / f"simple-{times}").write_bytes(sealed)
    sizes = {"plain_mb": len(plain) / MB, "stored_mb": len(sealed) / MB}
    return {"seconds": seconds, "records": len(records)} | sizes


def restore_simple(directory: Path, times: int) -> dict[str, Any]:
    sealed = (directory / f"simple-{times}").read_bytes()
    started = time.process_time()
    plain, _ = CLIENT.decrypt(source=sealed, key_provider=make_wrapping())
    records = json.loads(plain)
    seconds = time.process_time() - started
    return {"seconds": seconds, "records": len(records), "plain_mb": len(plain) / MB}


def make_keys() -> ArchiveKeys:
    return ArchiveKeys(KeptKey(), "key")  # type: ignore[arg-type]


def make_wrapping() -> Any:
    return EncryptingSeal(NAME, bytes(32)).key


def clock(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


def count(streams: Iterator[Iterator[Record]]) -> int:
    return sum(1 for stream in streams for _ in stream)


def read_peak() -> float:
    """The most memory that this process had, in MB: of this program alone, not its parent's."""
    [line] = [
        line for line in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in line
    ]
    return int(line.split()[1]) * 1024 / MB


WORK = {
    work.__name__: work for work in (write_archive, restore_archive, write_simple, restore_simple)
}

if __name__ == "__main__":
    if len(sys.argv) == 1:
        main()
    else:
        for service in ("s3", "kms", "dynamodb", "sqs"):
            boto3.client(service, region_name=os.environ.get("AWS_REGION", "us-east-1"))
        found = WORK[sys.argv[1]](Path(sys.argv[2]), int(sys.argv[3]))
        print(json.dumps(found | {"rss_mb": read_peak()}))
